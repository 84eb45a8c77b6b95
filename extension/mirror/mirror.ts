/**
 * The local copy of spreadsheets: what the panel shows, offline too. Content and cursor move in one transaction, so a
 * kill at any instant leaves a copy that stands at exactly one place in the log. README.md has the layout for readers who
 * share no code with us.
 */
import type { Change, Cursor, GridRange, Sheet, SnapshotHead } from "@sheetwire/shared/protocol";
import { MirrorDatabase, MIRROR_NAME, MIRROR_VERSION, storedVersion } from "./database.ts";
import { createNotices, type Notice } from "./notices.ts";
import {
  createReader,
  type CellHistory,
  type ColumnStatistics,
  type Hit,
  type SheetProof,
  type Viewport,
} from "./reader.ts";
import type { ChangeSummary } from "./summary.ts";
import { createWriter, type SnapshotWriter } from "./writer.ts";

export type { Notice } from "./notices.ts";
export type { CellHistory, ColumnStatistics, HistoryEntry, Hit, SheetProof, Viewport } from "./reader.ts";
export type { ChangeSummary } from "./summary.ts";
export { GapError, MismatchError, type SnapshotWriter } from "./writer.ts";

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

/**
 * One spreadsheet's copy.
 *
 * - M1: content and cursor move together: a reader sees the copy at exactly one seq, whatever was killed.
 * - M2: `take` applies each change once, in order; a hole, another epoch or a change that does not fit throws and
 *   nothing of the batch is kept.
 * - M3: while a new copy arrives the old one stays readable; a first copy can be read as it arrives.
 * - M4: `verified` changes are checked against the copy's own digest; a difference throws.
 */
export interface Copy {
  sheets(): Promise<HeldSpreadsheet | undefined>;
  /** The cells of a range as they are now, with the seq they belong to. Null rows are still being read. */
  viewport(sheetId: number, range: GridRange): Promise<Viewport | undefined>;
  /** Cells whose display text or formula contains `text`, case ignored, as they are found. */
  search(text: string, options?: { most?: number; signal?: AbortSignal }): AsyncGenerator<Hit>;
  columnStatistics(sheetId: number, column: number): Promise<ColumnStatistics | undefined>;
  /** What one cell held before, newest first, followed through moved rows; as far back as changes are kept. */
  history(sheetId: number, row: number, column: number): Promise<CellHistory>;
  /**
   * Earlier states are not kept: rows that were deleted are gone from the copy. Only the present seq is answered; for
   * others ask the relay's snapshot endpoint, which serves past moments.
   */
  at(seq: number): Promise<{ ok: true; copy: Copy } | { ok: false; code: "not-kept"; kept: number | undefined }>;
  /** A sheet as text, in pieces: `csv` of display texts (RFC 4180), or `json`, one row of cells a line. */
  exportRows(sheetId: number, format: "csv" | "json"): AsyncGenerator<string>;
  /** The digest of each sheet, computed from the copy, to be compared with the relay's. */
  verify(): Promise<SheetProof[]>;
  /** The latest changes in words, newest first; the last 500 and a few more are kept. `afterSeq` asks only for newer ones. */
  changes(afterSeq?: number): Promise<ChangeSummary[]>;

  cursor(): Promise<Cursor | undefined>;
  take(changes: readonly Change[], cursor: Cursor): Promise<void>;
  startSnapshot(head: SnapshotHead): Promise<SnapshotWriter>;
  /** Drops everything that is held of the spreadsheet. */
  forget(): Promise<void>;
}

export interface Mirror {
  of(spreadsheetId: string): Copy;
  held(): Promise<HeldSpreadsheet[]>;
  /** Tells of every commit, those of other contexts included. */
  subscribe(listener: (notice: Notice) => void): () => void;
  close(): void;
}

/** Opens the mirror, or says that a newer version made it (it is left as it is) or that it cannot be opened. */
export async function openMirror(
  name: string = MIRROR_NAME,
): Promise<{ ok: true; mirror: Mirror } | { ok: false; why: "newer" | "failed"; detail: string }> {
  const database = new MirrorDatabase(name);
  // A newer version of us is opening it, or it is being deleted. Dexie would open it again, and write into what it does
  // not know.
  database.on("versionchange", () => {
    database.close();
    return false;
  });
  try {
    const version = await storedVersion(name);
    if (version !== undefined && version > MIRROR_VERSION) {
      return { ok: false, why: "newer", detail: `The mirror has version ${version}.` };
    }
    await database.open();
  } catch (error) {
    database.close();
    return { ok: false, why: "failed", detail: error instanceof Error ? error.name : "unknown" };
  }
  const notices = createNotices(name);
  const mirror: Mirror = {
    of: (spreadsheetId) => copyOf(spreadsheetId),
    held: async () => {
      const ids = await database.spreadsheets.toCollection().primaryKeys();
      const held = await Promise.all(ids.map((id) => copyOf(id).sheets()));
      return held.filter((one) => one !== undefined);
    },
    subscribe: notices.subscribe,
    close: () => {
      notices.close();
      database.close();
    },
  };
  const copyOf = (spreadsheetId: string): Copy => {
    const copy: Copy = {
      ...createReader(database, spreadsheetId),
      ...createWriter(database, spreadsheetId, notices.tell),
      at: async (seq) => {
        const cursor = await copy.cursor();
        return cursor?.seq === seq ? { ok: true, copy } : { ok: false, code: "not-kept", kept: cursor?.seq };
      },
    };
    return copy;
  };
  return { ok: true, mirror };
}
