/** One record a row, in Dexie: what most extensions would write. */
import { Dexie, type Table } from "dexie";
import { csvLine, displayOf, rowsOfSnapshot, VIEW_COLUMNS, VIEW_ROWS, type Cell, type Peer } from "./peer.ts";

type RowRecord = { row: number; cells: Cell[] };

const database = new Dexie("rows", { chromeTransactionDurability: "relaxed" });
database.version(1).stores({ rows: "row" });
const table: Table<RowRecord, number> = database.table("rows");

/** Rows put or read at once. */
const BATCH_ROWS = 2_048;

async function* allRows(): AsyncGenerator<RowRecord[]> {
  for (let from = 0; ; from += BATCH_ROWS) {
    const records = await table
      .where("row")
      .between(from, from + BATCH_ROWS)
      .toArray();
    if (records.length === 0) return;
    yield records;
  }
}

export const peer: Peer = {
  open: async () => void (await database.open()),
  async load(snapshot) {
    let batch: RowRecord[] = [];
    for (const { fromRow, rows } of rowsOfSnapshot(snapshot)) {
      for (const [offset, cells] of rows.entries()) batch.push({ row: fromRow + offset, cells });
      if (batch.length < BATCH_ROWS) continue;
      await table.bulkPut(batch);
      batch = [];
    }
    await table.bulkPut(batch);
  },
  async edit({ row, column, cell }) {
    await database.transaction("rw", table, async () => {
      const cells = (await table.get(row))?.cells ?? [];
      while (cells.length <= column) cells.push(null);
      cells[column] = cell;
      await table.put({ row, cells });
    });
  },
  async insertTop(cells) {
    await database.transaction("rw", table, async () => {
      const all = await table.toArray();
      for (const record of all) record.row += 1;
      await table.bulkPut([{ row: 0, cells }, ...all]);
    });
  },
  async viewport({ row, column }) {
    const records = await table
      .where("row")
      .between(row, row + VIEW_ROWS)
      .toArray();
    return records.map(({ cells }) => cells.slice(column, column + VIEW_COLUMNS));
  },
  async search(text) {
    const hits: [number, number][] = [];
    for await (const records of allRows()) {
      for (const { row, cells } of records) {
        for (const [column, cell] of cells.entries()) {
          if (cell === null) continue;
          const formula = typeof cell === "object" ? cell.f : undefined;
          if (displayOf(cell).toLowerCase().includes(text) || formula?.toLowerCase().includes(text)) {
            hits.push([row, column]);
          }
        }
      }
    }
    return hits;
  },
  async csv() {
    const encoder = new TextEncoder();
    const pieces: Uint8Array[] = [];
    for await (const records of allRows()) {
      pieces.push(encoder.encode(records.map(({ cells }) => csvLine(cells)).join("")));
    }
    return pieces;
  },
  close: () => Promise.resolve(database.close()),
};
