import type { Row } from "@sheetwire/shared/protocol";
import { BlockWriter, rowsOfBlock } from "./block-writer.ts";
import { Blocks } from "./blocks.ts";
import {
  blocksOfPlace,
  isSame,
  logFrom,
  type CopyRecord,
  type GridRecord,
  type LogRecord,
  type MirrorDatabase,
} from "./database.ts";
import { Image, NO_PLACE, SheetImage, type Piece, type StoredBlock } from "./image/image.ts";
import { gridOf, sheetImageOf } from "./image/records.ts";
import { committed, giveUp, settled } from "./requests.ts";

/** Blocks are packed for so long before others have a turn, in milliseconds. */
const SLICE_MS = 4;
const SLICE_MOST_BLOCKS = 16;
const FOLD_CACHE_BYTES = 32 * 1024 * 1024;
/** A quarter of a block: fewer rows than this join their neighbours. */
const FEW = 4;

/** How much of the log is kept for looking back. */
const HISTORY_MOST_BYTES = 16 * 1024 * 1024;
const HISTORY_MOST_CHANGES = 10_000;

/** What the tail weighed when the checkpoint began. */
export type TailWeight = { bytes: number; changes: number };

/** New lists over new blocks, written but named by nothing yet. */
export type Folded = {
  /** Names the new blocks, moves the checkpoint's cursor, and trims the history: one short transaction. */
  show: (weight: TailWeight) => Promise<{ record: CopyRecord; image: Image }>;
};

/**
 * Folds what stands in the overlay into blocks, in slices between which commits have their turn. Killed at any point it
 * leaves blocks that nothing names. Nothing comes back when it was called off. Called by one context at a time.
 */
export async function checkpoint(
  database: MirrorDatabase,
  spreadsheetId: string,
  image: Image,
  isOff: () => boolean,
): Promise<Folded | undefined> {
  if (!(await clearLeftovers(database, spreadsheetId, image))) return undefined;
  const sheets = new Map<number, SheetImage>();
  const dropped = new Map<SheetImage, number[]>();
  for (const [sheetId, sheet] of image.sheets) {
    if (sheet.operations === 0) {
      sheets.set(sheetId, sheet);
      continue;
    }
    const place = sheet.place === NO_PLACE ? await newPlace(database) : sheet.place;
    const folded = await foldSheet(database, sheet, place, isOff);
    if (!folded) return undefined;
    sheets.set(sheetId, folded);
    dropped.set(
      folded,
      [...namedBy(sheet.pieces)].filter((id) => !namedBy(folded.pieces).has(id)),
    );
  }
  return { show };

  async function show(weight: TailWeight): ReturnType<Folded["show"]> {
    const { cursor, copy, revision, spreadsheet } = image;
    if (!cursor) throw new Error("A copy that is not whole has no checkpoint.");
    const transaction = database.begin(["copies", "grids", "log"], "readwrite");
    const done = committed(transaction);
    const copies = transaction.objectStore("copies");
    const grids = transaction.objectStore("grids");
    const [record, stored] = await Promise.all([
      settled<CopyRecord | undefined>(copies.get(spreadsheetId)),
      settled<GridRecord[]>(grids.index("copy").getAll(copy)),
    ]);
    if (!isSame(record, image)) {
      giveUp(transaction);
      await done;
      throw new Error("The copy was replaced meanwhile.");
    }
    const places = new Map(stored.map((grid) => [grid.place, grid]));
    const next = new Map<number, SheetImage>();
    for (const [sheetId, sheet] of sheets) {
      const old = places.get(sheet.place);
      places.delete(sheet.place);
      const drops = dropped.get(sheet);
      if (!drops) {
        next.set(sheetId, sheet);
        continue;
      }
      const grid = gridOf(sheet, copy, [...(old?.dropped ?? []), ...drops]);
      grids.put(grid);
      next.set(sheetId, sheetImageOf(grid));
    }
    for (const place of places.keys()) grids.delete(place);
    const history = {
      bytes: record.history.bytes + weight.bytes,
      changes: record.history.changes + weight.changes,
    };
    const log = transaction.objectStore("log");
    const historyFrom = await trimHistory(log, spreadsheetId, cursor.seq, history, record.historyFrom);
    const after: CopyRecord = {
      ...record,
      spreadsheet,
      cursor,
      revision: revision + 1,
      historyFrom,
      history,
      dropped: [...record.dropped, ...places.keys()],
      usedAt: Date.now(),
    };
    copies.put(after);
    await done;
    const made = { copy, revision: after.revision, whole: true, spreadsheet, cursor, sheets: next };
    return { record: after, image: new Image(made) };
  }
}

/** A place that no sheet has had: numbers are given out once. */
async function newPlace(database: MirrorDatabase): Promise<number> {
  const transaction = database.begin(["grids"], "readwrite");
  const done = committed(transaction);
  const grids = transaction.objectStore("grids");
  const place = Number(await settled(grids.add({ copy: "" })));
  grids.delete(place);
  await done;
  return place;
}

const namedBy = (pieces: readonly Piece[]): Set<number> => {
  const ids = new Set<number>();
  for (const { source } of pieces) if (typeof source === "object" && source.kind === "stored") ids.add(source.id);
  return ids;
};

/** A sheet whose pieces are all in blocks. Blocks in which nothing was written, and parts of such, stay as they are. */
async function foldSheet(
  database: MirrorDatabase,
  sheet: SheetImage,
  place: number,
  isOff: () => boolean,
): Promise<SheetImage | undefined> {
  const writer = new BlockWriter(place, sheet.nextBlock);
  const blocks = new Blocks(database, FOLD_CACHE_BYTES);
  const size = rowsOfBlock(sheet.sheet.columns);
  const few = Math.max(1, Math.floor(size / FEW));
  const next: Piece[] = [];
  let loose: (Row | null)[] = [];
  let sliceFrom = performance.now();
  let count = 0;

  const pushBlock = (rows: (Row | null)[]): void => {
    const source = writer.pack(rows, sheet.layout);
    next.push({ source, offset: 0, count: rows.length });
    count += 1;
  };
  const emit = (until: number): void => {
    while (loose.length > until) {
      const parts = Math.ceil(loose.length / (size * 1.5));
      const length = until > 0 ? size : Math.ceil(loose.length / parts);
      pushBlock(loose.slice(0, length));
      loose = loose.slice(length);
    }
  };
  const flush = async (): Promise<void> => {
    const last = next.at(-1);
    const above = last && typeof last.source === "object" && last.source.kind === "stored" ? last.source : undefined;
    // A few rows join the block above, so that insertions do not leave a trail of tiny ones.
    if (above && last && loose.length > 0 && loose.length < few && above.rows === last.count && above.rows < size) {
      if (above.id < sheet.nextBlock) {
        const blockOf = await blocks.load(sheet.place, [above]);
        const rows: (Row | null)[] = [];
        sheet.readInto(rows, { piece: last, offset: 0, count: last.count, row: 0 }, 0, Infinity, blockOf);
        loose = [...rows, ...loose];
        next.pop();
      }
    }
    emit(0);
  };
  const turn = async (): Promise<boolean> => {
    if (performance.now() - sliceFrom < SLICE_MS && count < SLICE_MOST_BLOCKS) return !isOff();
    await writeBlocks(database, writer);
    await new Promise((resolve) => setTimeout(resolve, 0));
    sliceFrom = performance.now();
    count = 0;
    return !isOff();
  };

  for (const piece of sheet.pieces) {
    const { source } = piece;
    if (typeof source === "string") {
      if (piece.count >= few || loose.length === 0) {
        await flush();
        next.push(piece);
      } else for (let n = 0; n < piece.count; n += 1) loose.push(source === "unknown" ? null : []);
      continue;
    }
    const stays = source.kind === "stored" && !sheet.isPatched(source, piece.offset, piece.count);
    if (stays && (piece.count >= few || (loose.length === 0 && piece.count === source.rows))) {
      await flush();
      next.push(piece);
    } else {
      if (piece.count >= few && loose.length >= few) await flush();
      const stored: StoredBlock[] = source.kind === "stored" ? [source] : [];
      const blockOf = await blocks.load(sheet.place, stored);
      sheet.readInto(loose, { piece, offset: piece.offset, count: piece.count, row: 0 }, 0, Infinity, blockOf);
      if (loose.length >= size * 2) emit(size);
    }
    if (!(await turn())) return undefined;
  }
  await flush();
  await writeBlocks(database, writer);
  const { layouts, layout } = sheet;
  return new SheetImage({ sheet: sheet.sheet, place, pieces: next, nextBlock: writer.nextBlock, layouts, layout });
}

async function writeBlocks(database: MirrorDatabase, writer: BlockWriter): Promise<void> {
  const taken = writer.taken();
  if (taken.length === 0) return;
  const transaction = database.begin(["packed"], "readwrite");
  const done = committed(transaction);
  const store = transaction.objectStore("packed");
  for (const { key, packed } of taken) store.put(packed, key);
  await done;
}

/**
 * A checkpoint that was killed may have left blocks behind under the ids that come next. False where the lists are not
 * those of the image any more: then these ids are somebody else's.
 */
async function clearLeftovers(database: MirrorDatabase, spreadsheetId: string, image: Image): Promise<boolean> {
  const transaction = database.begin(["copies", "packed"], "readwrite");
  const done = committed(transaction);
  const record = await settled<CopyRecord | undefined>(transaction.objectStore("copies").get(spreadsheetId));
  const isCurrent = isSame(record, image);
  if (isCurrent) {
    for (const { operations, place, nextBlock } of image.sheets.values()) {
      if (operations > 0 && place !== NO_PLACE)
        transaction.objectStore("packed").delete(blocksOfPlace(place, nextBlock));
    }
  }
  await done;
  return isCurrent;
}

/** Drops the oldest of the log beyond what is kept for looking back, never the tail. Answers where the history begins then. */
async function trimHistory(
  log: IDBObjectStore,
  spreadsheetId: string,
  foldedSeq: number,
  history: { bytes: number; changes: number },
  from: number,
): Promise<number> {
  if (history.bytes <= HISTORY_MOST_BYTES && history.changes <= HISTORY_MOST_CHANGES) return from;
  let historyFrom = from;
  const request = log.openCursor(logFrom(spreadsheetId, 0, foldedSeq));
  for (;;) {
    const at = await settled(request);
    const isEnough = history.bytes <= HISTORY_MOST_BYTES * 0.9 && history.changes <= HISTORY_MOST_CHANGES * 0.9;
    if (!at || isEnough) return historyFrom;
    const record = at.value as LogRecord;
    history.bytes = Math.max(0, history.bytes - record.bytes);
    history.changes = Math.max(0, history.changes - record.entries.length);
    historyFrom = Math.max(historyFrom, record.last);
    at.delete();
    at.continue();
  }
}
