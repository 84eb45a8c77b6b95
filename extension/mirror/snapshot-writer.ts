import { MisfitError } from "@sheetwire/shared/grid";
import type { Cursor, Sheet, SnapshotHead } from "@sheetwire/shared/protocol";
import { packLine } from "../packed/packed.ts";
import { BlockWriter, rowsOfBlock } from "./block-writer.ts";
import { cursorIn } from "./cursor.ts";
import { blocksOfPlace, logFrom, type CopyRecord, type GridRecord, type MirrorDatabase } from "./database.ts";
import { withRoom } from "./eviction.ts";
import { GapError } from "./faults.ts";
import type { Piece } from "./image/image.ts";
import { gridOf, sheetImageOf } from "./image/records.ts";
import type { Notice } from "./notices.ts";
import { committed, settled } from "./requests.ts";
import { dropGrids, sweep } from "./sweep.ts";

/** A new copy while it arrives. Nothing of it counts before `finish`. */
export interface SnapshotWriter {
  /**
   * Takes a line of rows as its bytes came, and holds the caller back while too much is on its way to the store. Answers
   * how many rows it has; undefined, and takes nothing, where it is not written as the relay writes them.
   */
  putLine(line: Uint8Array): Promise<number | undefined>;
  /** Shows the new copy, sets the cursor to the snapshot's (`head`, where it went on at a later seq), and drops the old copy. */
  finish(head?: SnapshotHead): Promise<Cursor>;
  /** Leaves what has arrived, so that it can be continued. */
  leave(): Promise<void>;
  /** A replacement is dropped; of a first copy, what has arrived stays readable until the next try. */
  abandon(): Promise<void>;
}

/** A copy that broke off: where it stands, and how to go on. */
export type Continued = {
  writer: SnapshotWriter;
  head: SnapshotHead;
  etag: string;
  /** The last row that is in the store. */
  after: { sheetId: number; row: number };
  /** How many rows are in the store. */
  rows: number;
};

export type SnapshotNeeds = {
  database: MirrorDatabase;
  spreadsheetId: string;
  now: () => number;
  tell: (notice: Notice) => void;
  inTurn: <T>(step: () => Promise<T>) => Promise<T>;
};

/** So much is gathered for one transaction, and so many of those may be under way. */
const GATHER_BYTES = 1024 * 1024;
const GATHER_MOST_MS = 100;
const UNDER_WAY_MOST = 3;

type Arriving = { sheet: Sheet; writer: BlockWriter; pieces: Piece[]; rows: number; savedPieces: number };

export function startSnapshot(needs: SnapshotNeeds, head: SnapshotHead, etag?: string): Promise<SnapshotWriter> {
  const { database, spreadsheetId } = needs;
  return needs.inTurn(async () => {
    const transaction = database.begin(["copies", "grids"], "readwrite");
    const done = committed(transaction);
    const copies = transaction.objectStore("copies");
    const grids = transaction.objectStore("grids");
    const held = await settled<CopyRecord | undefined>(copies.get(spreadsheetId));
    // Never given twice: a reader may still hold the copy of a record that was deleted since, and counts begin anew.
    const copy = `${spreadsheetId}/${crypto.randomUUID()}`;
    const arriving = { copy, head, ...(etag === undefined ? {} : { etag }) };
    // What broke off is not continued; a first copy that is not whole is replaced.
    const dropped = [...(held?.dropped ?? [])];
    if (held?.arriving) dropped.push(...(await dropGrids(grids, held.arriving.copy)));
    if (held && !held.whole) dropped.push(...(await dropGrids(grids, held.shown)));
    if (held?.whole) copies.put({ ...held, arriving, dropped } satisfies CopyRecord);
    else {
      copies.put({
        spreadsheetId,
        spreadsheet: head.spreadsheet,
        shown: copy,
        whole: false,
        arriving,
        revision: (held?.revision ?? 0) + 1,
        historyFrom: head.seq,
        dropped,
        history: { bytes: 0, changes: 0 },
        usedAt: needs.now(),
      } satisfies CopyRecord);
    }
    const sheets = new Map<number, Arriving>();
    for (const sheet of head.spreadsheet.sheets) {
      if (sheet.kind !== "GRID") continue;
      const empty = {
        sheet: { ...sheet, rows: 0 },
        pieces: [],
        nextBlock: 1,
        layout: 1,
        layouts: new Map([[1, undefined]]),
      };
      const { place: _, ...grid } = gridOf({ place: 0, ...empty }, copy, []);
      const place = Number(await settled(grids.add(grid)));
      sheets.set(sheet.sheetId, { sheet, writer: new BlockWriter(place, 1), pieces: [], rows: 0, savedPieces: 0 });
    }
    await done;
    if (dropped.length > 0) await sweep(database, spreadsheetId);
    needs.tell({ spreadsheetId, what: "arriving" });
    return snapshotWriter(needs, copy, head, sheets);
  });
}

/** Takes up a copy that broke off, if it can be named to the relay and is not older than what was followed meanwhile. */
export function continueSnapshot(needs: SnapshotNeeds): Promise<Continued | undefined> {
  const { database, spreadsheetId } = needs;
  return needs.inTurn(async () => {
    const transaction = database.begin(["copies", "grids", "packed", "log"], "readwrite");
    const done = committed(transaction);
    const held = await settled<CopyRecord | undefined>(transaction.objectStore("copies").get(spreadsheetId));
    if (!held?.arriving?.etag) return undefined;
    const { copy, head, etag } = held.arriving;
    const shown = await cursorIn(transaction, spreadsheetId);
    if (shown && shown.epoch === head.epoch && shown.seq > head.seq) return undefined;
    const grids = await settled<GridRecord[]>(transaction.objectStore("grids").index("copy").getAll(copy));
    const sheets = new Map<number, Arriving>();
    for (const grid of grids) {
      const sheet = head.spreadsheet.sheets.find((one) => one.sheetId === grid.sheetId);
      if (!sheet) continue;
      const image = sheetImageOf(grid);
      const writer = new BlockWriter(grid.place, grid.nextBlock);
      const pieces = [...image.pieces];
      sheets.set(grid.sheetId, { sheet, writer, pieces, rows: image.rowCount, savedPieces: pieces.length });
      // What came after the list was saved comes again.
      transaction.objectStore("packed").delete(blocksOfPlace(grid.place, grid.nextBlock));
    }
    await done;
    const inOrder = head.spreadsheet.sheets.toSorted((a, b) => a.index - b.index);
    const last = inOrder.findLast((sheet) => (sheets.get(sheet.sheetId)?.rows ?? 0) > 0);
    if (!last) return undefined;
    const after = { sheetId: last.sheetId, row: (sheets.get(last.sheetId)?.rows ?? 0) - 1 };
    const rows = [...sheets.values()].reduce((sum, arriving) => sum + arriving.rows, 0);
    return { writer: snapshotWriter(needs, copy, head, sheets), head, etag, after, rows };
  });
}

function snapshotWriter(
  needs: SnapshotNeeds,
  copy: string,
  head: SnapshotHead,
  sheets: Map<number, Arriving>,
): SnapshotWriter {
  const { database, spreadsheetId } = needs;
  const underWay = new Set<Promise<void>>();
  let failure: { error: unknown } | undefined;
  let gatheredFrom = -Infinity;

  const refuseAfterFailure = (): void => {
    if (failure) throw failure.error;
  };
  const recordOf = (arriving: Arriving): GridRecord => {
    const { place, nextBlock } = arriving.writer;
    const sheet = { ...arriving.sheet, rows: arriving.rows };
    return gridOf(
      { place, sheet, pieces: arriving.pieces, nextBlock, layout: 1, layouts: new Map([[1, undefined]]) },
      copy,
      [],
    );
  };

  /** Sends what is gathered on its way. Lists are saved as they grow by a sixteenth, or all of them are. */
  function send(savesAll: boolean): void {
    const blocks = [...sheets.values()].flatMap((arriving) => arriving.writer.taken());
    const grids: GridRecord[] = [];
    const grownBy = ({ pieces, savedPieces }: Arriving): number => pieces.length - savedPieces;
    // All or none: whoever continues asks for what comes behind the last row of the last sheet.
    const isDue = [...sheets.values()].some((one) => grownBy(one) > 0 && grownBy(one) >= one.savedPieces / 16);
    for (const arriving of savesAll || isDue ? sheets.values() : []) {
      if (grownBy(arriving) === 0) continue;
      arriving.savedPieces = arriving.pieces.length;
      grids.push(recordOf(arriving));
    }
    gatheredFrom = performance.now();
    if (blocks.length === 0 && grids.length === 0) return;
    const write = async (): Promise<void> => {
      const transaction = database.begin(["packed", "grids"], "readwrite");
      const done = committed(transaction);
      const packed = transaction.objectStore("packed");
      for (const block of blocks) packed.put(block.packed, block.key);
      for (const grid of grids) transaction.objectStore("grids").put(grid);
      await done;
      if (grids.length > 0) needs.tell({ spreadsheetId, what: "arriving" });
    };
    const sent = withRoom(database, spreadsheetId, needs.now, write)
      .catch((error: unknown) => {
        failure ??= { error };
      })
      .finally(() => underWay.delete(sent));
    underWay.add(sent);
  }

  async function arrived(): Promise<void> {
    send(true);
    await Promise.all(underWay);
    refuseAfterFailure();
  }

  async function putLine(line: Uint8Array): Promise<number | undefined> {
    refuseAfterFailure();
    const packed = packLine(line, (sheetId) => rowsOfBlock(sheets.get(sheetId)?.sheet.columns ?? 0));
    if (!packed) return undefined;
    const { sheetId, fromRow, rows, blocks } = packed;
    const arriving = sheets.get(sheetId);
    if (!arriving) throw new MisfitError(`Rows of sheet ${sheetId}, which the snapshot does not name.`);
    if (fromRow < arriving.rows) throw new MisfitError(`Row ${fromRow} of sheet ${sheetId} came twice.`);
    padUnknown(arriving, fromRow);
    for (const block of blocks) {
      arriving.pieces.push({ source: arriving.writer.add(block, 1), offset: 0, count: block.rows });
    }
    arriving.rows += rows;
    const isDue = performance.now() - gatheredFrom > GATHER_MOST_MS;
    if (isDue || arriving.writer.bytes >= GATHER_BYTES) {
      send(false);
      while (underWay.size >= UNDER_WAY_MOST) await Promise.race(underWay);
    }
    return rows;
  }

  async function finish({ epoch, seq, chain, spreadsheet } = head): Promise<Cursor> {
    for (const arriving of sheets.values()) padUnknown(arriving, arriving.sheet.rows);
    await arrived();
    const cursor: Cursor = { epoch, seq, chain };
    const hasDropped = await needs.inTurn(async () => {
      const transaction = database.begin(["copies", "grids", "log"], "readwrite");
      const done = committed(transaction);
      const copies = transaction.objectStore("copies");
      const held = await settled<CopyRecord | undefined>(copies.get(spreadsheetId));
      if (held?.arriving?.copy !== copy) throw new GapError("Another copy was begun meanwhile.");
      const dropped = [...held.dropped];
      if (held.shown !== copy) dropped.push(...(await dropGrids(transaction.objectStore("grids"), held.shown)));
      const isSameLife = held.cursor?.epoch === epoch;
      // Of another life of the log nothing can be told; of this one nothing that is behind the snapshot.
      transaction.objectStore("log").delete(logFrom(spreadsheetId, isSameLife ? seq + 1 : 0));
      const { arriving: _, ...rest } = held;
      copies.put({
        ...rest,
        spreadsheet,
        shown: copy,
        whole: true,
        cursor,
        revision: held.revision + 1,
        historyFrom: seq,
        history: isSameLife ? held.history : { bytes: 0, changes: 0 },
        dropped,
        usedAt: needs.now(),
      } satisfies CopyRecord);
      await done;
      return dropped.length > 0;
    });
    needs.tell({ spreadsheetId, what: "copy", seq });
    if (hasDropped) await sweep(database, spreadsheetId);
    return cursor;
  }

  async function leave(): Promise<void> {
    await arrived();
  }

  async function abandon(): Promise<void> {
    await Promise.all(underWay);
    await needs.inTurn(async () => {
      const transaction = database.begin(["copies", "grids"], "readwrite");
      const done = committed(transaction);
      const copies = transaction.objectStore("copies");
      const held = await settled<CopyRecord | undefined>(copies.get(spreadsheetId));
      if (held?.arriving?.copy === copy) {
        const { arriving: _, ...rest } = held;
        const dropped = [...held.dropped];
        if (held.shown !== copy) dropped.push(...(await dropGrids(transaction.objectStore("grids"), copy)));
        copies.put({ ...rest, dropped } satisfies CopyRecord);
      }
      await done;
    });
    await sweep(database, spreadsheetId);
  }
  return { putLine, finish, leave, abandon };
}

/** Rows that did not come are unknown. */
function padUnknown(arriving: Arriving, until: number): void {
  const count = until - arriving.rows;
  if (count <= 0) return;
  arriving.pieces.push({ source: "unknown", offset: 0, count });
  arriving.rows = until;
}
