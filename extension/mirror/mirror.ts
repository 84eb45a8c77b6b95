/**
 * The local copy of spreadsheets: what the panel shows, offline too. Content and cursor move in one transaction, so a
 * kill at any instant leaves a copy that stands at exactly one place in the log. README.md has the layout for readers who
 * share no code with us.
 */
import type { Change, Cursor, GridRange, Sheet, SnapshotHead } from "@sheetwire/shared/protocol";
import { MIRROR_NAME, openDatabase, type MirrorDatabase, type LoadSchema } from "./database.ts";
import { createNotices, type Notice, type Notices } from "./notices.ts";
import { createHistory, pastViews, type CellHistory, type Moment, type NotKept } from "./past.ts";
import { createReader, type Viewport } from "./reader.ts";
import { settled } from "./requests.ts";
import {
  createScans,
  type ColumnStatistics,
  type Hit,
  type RangeSum,
  type ScanOptions,
  type SheetProof,
} from "./scans.ts";
import type { Continued, SnapshotWriter } from "./snapshot-writer.ts";
import { storageOf, type StorageUse } from "./storage-use.ts";
import type { ChangeSummary } from "./summary.ts";
import { currentViews, type Views } from "./views.ts";
import { createWriter, type Writer } from "./writer.ts";

export { GapError, MismatchError } from "./faults.ts";
export type { Notice } from "./notices.ts";
export type { CellHistory, HistoryEntry, Moment, NotKept } from "./past.ts";
export type { Viewport } from "./reader.ts";
export type { ColumnStatistics, Hit, Progress, RangeSum, ScanOptions, SheetProof } from "./scans.ts";
export type { Continued, SnapshotWriter } from "./snapshot-writer.ts";
export type { StorageUse } from "./storage-use.ts";
export type { ChangeSummary } from "./summary.ts";

/** A spreadsheet that is held, with the properties of its sheets; `rows` is how many there are in the copy. */
export type HeldSpreadsheet = {
  spreadsheetId: string;
  title: string;
  locale: string;
  timeZone: string;
  sheets: Sheet[];
  /** False while the first copy is still arriving. */
  whole: boolean;
  cursor: Cursor | undefined;
};

/** What can be asked of a copy, of the present one and of an earlier one alike. */
export interface CopyReader {
  sheets(): Promise<HeldSpreadsheet | undefined>;
  /** The cells of a range as they are now, with the seq they belong to. Null rows are still being read. */
  viewport(sheetId: number, range: GridRange): Promise<Viewport | undefined>;
  /** Cells whose display text or formula contains `text`, case ignored, as they are found. */
  search(text: string, options?: { most?: number } & ScanOptions): AsyncGenerator<Hit>;
  columnStatistics(sheetId: number, column: number, options?: ScanOptions): Promise<ColumnStatistics | undefined>;
  rangeSum(sheetId: number, range: GridRange, options?: ScanOptions): Promise<RangeSum | undefined>;
  /** A sheet as the bytes of a file, in pieces: `csv` of display texts (RFC 4180), or `json`, one row of cells a line. */
  exportRows(sheetId: number, format: "csv" | "json", options?: ScanOptions): AsyncGenerator<Uint8Array<ArrayBuffer>>;
  /** The digest of each sheet, computed from the copy, to be compared with the relay's at the same seq. */
  verify(options?: ScanOptions): Promise<{ seq: number | undefined; sheets: SheetProof[] }>;
}

/**
 * One spreadsheet's copy.
 *
 * - M1: content and cursor move together: a reader sees the copy at exactly one seq, whatever was killed.
 * - M2: `take` applies each change once, in order; a hole, another epoch or a change that does not fit throws and
 *   nothing of the batch is kept.
 * - M3: while a new copy arrives the old one stays readable; a first copy can be read as it arrives.
 * - M4: `verified` changes are checked against the copy's own digest; a difference throws.
 */
export interface Copy extends CopyReader, CopyWriter {
  /** What one cell held before, newest first, followed through moved rows; as far back as changes are kept. */
  history(sheetId: number, row: number, column: number): Promise<CellHistory>;
  /** The copy as it was, as far back as what went is kept. */
  at(moment: Moment): Promise<{ ok: true; seq: number; copy: CopyReader } | NotKept>;
  /** The latest changes in words, newest first, 500 at most. `afterSeq` asks only for newer ones. */
  changes(afterSeq?: number): Promise<ChangeSummary[]>;
}

/** What is read in a moment, of one copy. */
export type ShownCopy = Pick<Copy, "sheets" | "viewport" | "changes">;

/** What the background does with a copy. */
export interface CopyWriter {
  sheets(): Promise<HeldSpreadsheet | undefined>;
  storage(): Promise<StorageUse | undefined>;
  cursor(): Promise<Cursor | undefined>;
  take(changes: readonly Change[], cursor: Cursor): Promise<void>;
  /** `etag` names the snapshot to the relay, so that it can be continued. */
  startSnapshot(head: SnapshotHead, etag?: string): Promise<SnapshotWriter>;
  /** A copy that broke off and can be continued, if there is one. */
  continueSnapshot(): Promise<Continued | undefined>;
  /** Drops everything that is held of the spreadsheet. */
  forget(): Promise<void>;
  /** Folds what came since the last checkpoint into blocks. It happens by itself when changes pause. */
  checkpoint(): Promise<void>;
}

export interface Mirror<C = Copy> {
  of(spreadsheetId: string): C;
  held(): Promise<HeldSpreadsheet[]>;
  /** Tells of every commit, those of other contexts included. */
  subscribe(listener: (notice: Notice) => void): () => void;
  /** Calls once when the browser takes the database away: deleted, or a newer version wants it. */
  onLost(listener: () => void): void;
  close(): void;
}

export type MirrorOptions = {
  /** Quiet time after which the tail is folded, in milliseconds. */
  checkpointAfterMs?: number;
  now?: () => number;
  /** Told of a checkpoint that failed. The copy is as it was, and the next one tries again; until then its tail grows. */
  onCheckpointFailed?: (error: unknown) => void;
};

type Opened<C> = { ok: true; mirror: Mirror<C> } | { ok: false; why: "newer" | "failed"; detail: string };

const schemaHere: LoadSchema = () => import("../schema/schema.ts");

/** Opens the mirror, or says that a newer version made it (it is left as it is) or that it cannot be opened. */
export const openMirror = (name: string = MIRROR_NAME, options: MirrorOptions = {}): Promise<Opened<Copy>> =>
  open(name, schemaHere, options, wholeCopy);

/** The mirror for whoever keeps it and asks nothing of it. */
export const openForKeeping = (name: string = MIRROR_NAME, options: MirrorOptions = {}): Promise<Opened<CopyWriter>> =>
  open(name, schemaHere, options, keptCopy);

/** The same for a background, which waits for all of its script each time it is woken: the schema is no part of that. */
export const openInBackground = (loadSchema: LoadSchema, options: MirrorOptions = {}): Promise<Opened<CopyWriter>> =>
  open(MIRROR_NAME, loadSchema, options, keptCopy);

/** The mirror for whoever shows what is held, with short reads only. */
export const openForShowing = (name: string = MIRROR_NAME, options: MirrorOptions = {}): Promise<Opened<ShownCopy>> =>
  open(name, schemaHere, options, shownCopy);

type MakeCopy<C> = (needs: {
  database: MirrorDatabase;
  spreadsheetId: string;
  views: Views;
  notices: Notices;
  options: MirrorOptions;
}) => { copy: C; stop: () => void };

async function open<C>(
  name: string,
  loadSchema: LoadSchema,
  options: MirrorOptions,
  make: MakeCopy<C>,
): Promise<Opened<C>> {
  let isLost = false;
  const lostListeners = new Set<() => void>();
  let database: MirrorDatabase;
  try {
    const opened = await openDatabase(name, loadSchema, () => {
      isLost = true;
      for (const listener of lostListeners) listener();
      lostListeners.clear();
    });
    if ("newer" in opened) return { ok: false, why: "newer", detail: `The mirror has version ${opened.newer}.` };
    database = opened;
  } catch (error) {
    return { ok: false, why: "failed", detail: error instanceof Error ? error.name : "unknown" };
  }
  const notices = createNotices(name);
  type Made = ReturnType<MakeCopy<C>> & Pick<CopyWriter, "sheets">;
  const made = new Map<string, Made>();
  const of = (spreadsheetId: string): Made => {
    const known = made.get(spreadsheetId);
    if (known) return known;
    const views = currentViews(database, spreadsheetId, notices.subscribe);
    const { sheets } = createReader(views, spreadsheetId);
    const one = { ...make({ database, spreadsheetId, views, notices, options }), sheets };
    made.set(spreadsheetId, one);
    return one;
  };
  const mirror: Mirror<C> = {
    of: (spreadsheetId) => of(spreadsheetId).copy,
    held: async () => {
      const copies = database.begin(["copies"], "readonly").objectStore("copies");
      const ids = (await settled<IDBValidKey[]>(copies.getAllKeys())).filter((id) => typeof id === "string");
      // One that cannot be read is fetched anew when it is followed; the others can be shown.
      const held = await Promise.all(
        ids.map((id) =>
          of(id)
            .sheets()
            .catch(() => undefined),
        ),
      );
      return held.filter((one) => one !== undefined);
    },
    subscribe: notices.subscribe,
    onLost: (listener) => {
      if (isLost) listener();
      else lostListeners.add(listener);
    },
    close: () => {
      notices.close();
      lostListeners.clear();
      for (const { stop } of made.values()) stop();
      database.close();
    },
  };
  return { ok: true, mirror };
}

const keptCopy: MakeCopy<CopyWriter> = (needs) => {
  const { database, spreadsheetId, views } = needs;
  const { stop, ...writing } = writerFor(needs);
  const { sheets } = createReader(views, spreadsheetId);
  return { copy: { sheets, storage: () => storageOf(database, spreadsheetId), ...writing }, stop };
};

const shownCopy: MakeCopy<ShownCopy> = ({ spreadsheetId, views }) => ({
  copy: createReader(views, spreadsheetId),
  stop: () => {},
});

const wholeCopy: MakeCopy<Copy> = (needs) => {
  const { database, spreadsheetId, views } = needs;
  const { stop, ...writing } = writerFor(needs);
  const copy: Copy = {
    ...createReader(views, spreadsheetId),
    ...createScans(views, spreadsheetId),
    ...createHistory(views, spreadsheetId),
    ...writing,
    storage: () => storageOf(database, spreadsheetId),
    at: async (moment) => {
      const past = await pastViews(views, spreadsheetId, moment);
      if (!past.ok) return past;
      const then: CopyReader = {
        ...createReader(past.views, spreadsheetId),
        ...createScans(past.views, spreadsheetId),
      };
      return { ok: true, seq: past.seq, copy: then };
    },
  };
  return { copy, stop };
};

function writerFor({ database, spreadsheetId, notices, options }: Parameters<MakeCopy<unknown>>[0]): Writer {
  const { checkpointAfterMs, now = Date.now, onCheckpointFailed = () => {} } = options;
  return createWriter(database, spreadsheetId, {
    tell: notices.tell,
    now,
    onCheckpointFailed,
    ...(checkpointAfterMs === undefined ? {} : { checkpointAfterMs }),
  });
}
