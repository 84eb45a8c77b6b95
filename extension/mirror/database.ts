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
  /** Counts what happened to the lists of pieces of the shown copy, so that readers notice. */
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

/** Whether the lists in the store are those that an image in memory was made of. */
export const isSame = (
  record: CopyRecord | undefined,
  held: { readonly copy: string; readonly revision: number },
): record is CopyRecord => record?.shown === held.copy && record.revision === held.revision;

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

/** The database, open. */
export class MirrorDatabase {
  readonly name: string;
  readonly #raw: IDBDatabase;
  #isClosed = false;

  constructor(raw: IDBDatabase, onLost: () => void) {
    this.name = raw.name;
    this.#raw = raw;
    // A newer version of us is opening it, or it is being deleted: it is let go, and not opened again by itself.
    raw.onversionchange = () => {
      this.close();
      onLost();
    };
    raw.onclose = () => {
      this.#isClosed = true;
      onLost();
    };
  }

  /** `relaxed`: after a power cut content and cursor go back together, and the relay sends the rest again. */
  begin(stores: MirrorStore[], mode: "readonly" | "readwrite"): IDBTransaction {
    if (this.#isClosed) throw new DOMException("The mirror is closed.", "InvalidStateError");
    return this.#raw.transaction(stores, mode, { durability: "relaxed" });
  }

  close(): void {
    this.#isClosed = true;
    this.#raw.close();
  }
}

/** Dexie counts the browser's versions in tens. */
const NATIVE_VERSION = MIRROR_VERSION * 10;

/** Gets hold of what makes and upgrades the database. Pages load it; a background has it beside itself. */
export type LoadSchema = () => Promise<{ makeOrUpgrade: (name: string, current: number) => Promise<void> }>;

/**
 * Opens the database. Nearly always it has our version, and that is one request. Where it has to be made or upgraded the
 * schema does so, and is loaded only then. One of a newer version is left as it is, and named.
 */
export async function openDatabase(
  name: string,
  loadSchema: LoadSchema,
  onLost: () => void,
): Promise<MirrorDatabase | { newer: number }> {
  for (;;) {
    const raw = await openAsItIs(name);
    if (raw?.version === NATIVE_VERSION) return new MirrorDatabase(raw, onLost);
    raw?.close();
    if (raw && raw.version > NATIVE_VERSION) return { newer: raw.version / 10 };
    const { makeOrUpgrade } = await loadSchema();
    await makeOrUpgrade(name, MIRROR_VERSION);
  }
}

/** The database in whatever version it has, or nothing where there is none; none is made. */
function openAsItIs(name: string): Promise<IDBDatabase | undefined> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name);
    let isAbsent = false;
    request.onupgradeneeded = () => {
      isAbsent = true;
      request.transaction?.abort();
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => {
      if (isAbsent) resolve(undefined);
      else reject(request.error ?? new Error("The database could not be opened."));
    };
  });
}

/** The key of a block. A sheet has a range of keys of its own: 2^32 blocks are more than it will ever write. */
export const blockKey = (place: number, block: number): number => place * 2 ** 32 + block;
export const blocksOfPlace = (place: number, from = 0): IDBKeyRange =>
  IDBKeyRange.bound(blockKey(place, from), blockKey(place + 1, 0), false, true);
/** Log records of a spreadsheet that begin in `from..to`. Arrays sort after numbers. */
export const logFrom = (spreadsheetId: string, from = 0, to?: number): IDBKeyRange =>
  IDBKeyRange.bound([spreadsheetId, from], [spreadsheetId, to ?? []]);
