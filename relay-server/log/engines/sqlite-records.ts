/** What is known of each spreadsheet's log beside its entries: its life, its head, its floor; each row with a checksum. */
import { crc32 } from "node:zlib";
import type { DatabaseSync } from "node:sqlite";
import { FIRST_CHAIN } from "@sheetwire/shared/digest";
import { DamagedError } from "../log.ts";

/** How far a log reaches, or from where on it can be read. */
export type LogEnd = { readonly seq: number; readonly chain: string };

/** `seq` and `chain` are those of what is settled. */
export type RecordRow = LogEnd & {
  readonly key: number;
  readonly spreadsheetId: string;
  readonly epoch: string;
  readonly floor: LogEnd;
};

export type RecordRows = ReturnType<typeof createRecordRows>;

export function createRecordRows(db: DatabaseSync) {
  const columns = "key, spreadsheet_id, epoch, seq, chain, floor_seq, floor_chain, crc";
  const sql = {
    find: db.prepare(`SELECT ${columns} FROM spreadsheets WHERE spreadsheet_id = ?`),
    byKey: db.prepare(`SELECT ${columns} FROM spreadsheets WHERE key = ?`),
    keys: db.prepare("SELECT key, spreadsheet_id FROM spreadsheets"),
    add: db.prepare(
      "INSERT INTO spreadsheets (spreadsheet_id, epoch, seq, chain, floor_seq, floor_chain, crc) VALUES (?, '', 0, '', 0, '', 0)",
    ),
    set: db.prepare(
      "UPDATE spreadsheets SET epoch = ?, seq = ?, chain = ?, floor_seq = ?, floor_chain = ?, crc = ? WHERE key = ?",
    ),
    drop: db.prepare("DELETE FROM spreadsheets WHERE key = ?"),
  };

  function set(row: RecordRow): void {
    const { key, epoch, seq, chain, floor } = row;
    sql.set.run(epoch, seq, chain, floor.seq, floor.chain, crcOf(row), key);
  }

  return {
    /** Throws DamagedError where it is not as it was written. */
    find(spreadsheetId: string): RecordRow | undefined {
      const row = sql.find.get(spreadsheetId);
      return row && soundOf(row);
    },
    byKey(key: number): RecordRow | undefined {
      const row = sql.byKey.get(key);
      return row && soundOf(row);
    },
    /** Also of a record that is damaged. */
    keyOf(spreadsheetId: string): number | undefined {
      const row = sql.find.get(spreadsheetId);
      return row && Number(row["key"]);
    },
    keys: (): { key: number; spreadsheetId: string }[] =>
      sql.keys.all().map((row) => ({ key: Number(row["key"]), spreadsheetId: String(row["spreadsheet_id"]) })),
    add(spreadsheetId: string, epoch: string): void {
      const key = Number(sql.add.run(spreadsheetId).lastInsertRowid);
      const start = { seq: 0, chain: FIRST_CHAIN };
      set({ key, spreadsheetId, epoch, ...start, floor: start });
    },
    set,
    drop: (key: number): void => void sql.drop.run(key),
  };
}

function soundOf(row: Record<string, unknown>): RecordRow {
  const record = {
    key: Number(row["key"]),
    spreadsheetId: String(row["spreadsheet_id"]),
    epoch: String(row["epoch"]),
    seq: Number(row["seq"]),
    chain: String(row["chain"]),
    floor: { seq: Number(row["floor_seq"]), chain: String(row["floor_chain"]) },
  };
  if (row["crc"] !== crcOf(record)) throw new DamagedError(record.spreadsheetId, "record", record.floor.seq);
  return record;
}

const crcOf = ({ key, spreadsheetId, epoch, seq, chain, floor }: RecordRow): number =>
  crc32(`${key} ${spreadsheetId} ${epoch} ${seq} ${chain} ${floor.seq} ${floor.chain}`);
