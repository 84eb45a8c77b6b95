import { Dexie, type EntityTable, type Table } from "dexie";
import type { Change, Cursor, Row, Sheet, SnapshotHead, Spreadsheet } from "@sheetwire/shared/protocol";
import type { Layout } from "./image/image.ts";
import type { ChangeSummary } from "./summary.ts";

/** The layout of the database as README.md describes it. Raised with every change of a store or of a record's shape. */
export const MIRROR_VERSION = 2;
export const MIRROR_NAME = "sheetwire-mirror";

/** One spreadsheet: which copy is shown, which is arriving, and how far its blocks are. */
export type CopyRecord = {
  spreadsheetId: string;
  /** Properties at the last checkpoint, or of the first copy while it arrives. */
  spreadsheet: Spreadsheet;
  /** The copy that readers see. While the first copy arrives, that one. */
  shown: string;
  /** Whether the shown copy has arrived completely. */
  whole: boolean;
  /** The place in the log at which the blocks stand: the last checkpoint. The tail goes on from there. */
  cursor?: Cursor;
  /** A copy that is being fetched, whether it is the shown one or not. */
  arriving?: { copy: string; head: SnapshotHead; etag?: string };
  /** Counts copies, so that each has a name of its own. */
  copies: number;
  /** Counts what happened to the lists of pieces, so that readers notice. */
  revision: number;
  /** The seq from which on the log tells all that happened to the copy. */
  historyFrom: number;
  /** Places of sheets whose blocks are not needed any more; they go when nobody reads them. */
  dropped: number[];
  /** What the log weighed at the last checkpoint, in bytes and changes, as far as it has been counted. */
  history: { bytes: number; changes: number };
  /** When it was followed last, in milliseconds since 1970. */
  usedAt: number;
};

/** One sheet of one copy at the last checkpoint. */
export type GridRecord = {
  place: number;
  copy: string;
  sheetId: number;
  sheet: Sheet;
  /** Five numbers a block: id, rows, bytes, layout, and 1 where rows of it may be unknown. */
  blocks: Float64Array<ArrayBuffer>;
  /** Three numbers a piece, from the top: -1 for blank, -2 for unknown or the block's index in `blocks`; first row in it; rows. */
  pieces: Float64Array<ArrayBuffer>;
  nextBlock: number;
  layout: number;
  layouts: [number, Layout][];
  /** Ids of blocks that are not needed any more. */
  dropped: number[];
};

/** What a change did, and what is needed to undo it. */
export type LogEntry = {
  change: Change;
  summary: ChangeSummary | null;
  /** Contents that are not in the copy any more: of rows or columns that went, or of rows that `cells` found unknown. */
  lost?: (Row | null)[];
  /** The spreadsheet before a `sheets` change. */
  before?: Spreadsheet;
};

/** What one commit brought. */
export type LogRecord = {
  spreadsheetId: string;
  first: number;
  last: number;
  cursor: Cursor;
  entries: LogEntry[];
  /** About how many bytes this takes. */
  bytes: number;
};

export type MirrorStore = "copies" | "grids" | "packed" | "log";

/** Keeps the schema and its versions. Hot paths use its own handle, by `begin`. */
export class MirrorDatabase extends Dexie {
  declare copies: EntityTable<CopyRecord, "spreadsheetId">;
  declare grids: Table<GridRecord, number>;
  declare packed: Table<Uint8Array<ArrayBuffer>, number>;
  declare log: Table<LogRecord, [string, number]>;

  constructor(name: string) {
    super(name, { chromeTransactionDurability: "relaxed", cache: "disabled", autoOpen: false });
    this.version(1).stores({
      spreadsheets: "spreadsheetId",
      sheets: "[copy+sheetId]",
      blocks: "[copy+sheetId+block]",
      changes: "[spreadsheetId+seq]",
    });
    // Rows as structured clones became packed blocks. What was held is fetched again: it is the relay's anyway.
    this.version(MIRROR_VERSION).stores({
      spreadsheets: null,
      sheets: null,
      blocks: null,
      changes: null,
      copies: "spreadsheetId",
      grids: "++place, copy",
      packed: "",
      log: "[spreadsheetId+first]",
    });
  }

  /** `relaxed`: after a power cut content and cursor go back together, and the relay sends the rest again. */
  begin(stores: MirrorStore[], mode: "readonly" | "readwrite"): IDBTransaction {
    const raw = this.backendDB();
    if (!raw) throw new DOMException("The mirror is closed.", "InvalidStateError");
    return raw.transaction(stores, mode, { durability: "relaxed" });
  }
}

/** The key of a block. A sheet has a range of keys of its own: 2^32 blocks are more than it will ever write. */
export const blockKey = (place: number, block: number): number => place * 2 ** 32 + block;
export const blocksOfPlace = (place: number, from = 0): IDBKeyRange =>
  IDBKeyRange.bound(blockKey(place, from), blockKey(place + 1, 0), false, true);
/** Log records of a spreadsheet that begin in `from..to`. Arrays sort after numbers. */
export const logFrom = (spreadsheetId: string, from = 0, to?: number): IDBKeyRange =>
  IDBKeyRange.bound([spreadsheetId, from], [spreadsheetId, to ?? []]);

/**
 * The version of the database that is there, in Dexie's counting, or nothing. It is looked up without Dexie, which would
 * add its own stores to a database of a newer version.
 */
export function storedVersion(name: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name);
    let isAbsent = false;
    request.onupgradeneeded = () => {
      // It was not there: leave it so.
      isAbsent = true;
      request.transaction?.abort();
    };
    request.onsuccess = () => {
      const { version } = request.result;
      request.result.close();
      resolve(version / 10);
    };
    request.onerror = () => {
      if (isAbsent) resolve(undefined);
      else reject(request.error ?? new Error("The database could not be opened."));
    };
  });
}
