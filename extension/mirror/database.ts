import { Dexie, type EntityTable, type Table, type Transaction } from "dexie";
import type { Change, Cursor, Row, Sheet, Spreadsheet } from "@sheetwire/shared/protocol";
import type { ChangeSummary } from "./summary.ts";

/** The layout of the database as README.md describes it. Raised with every change of a store or of a record's shape. */
export const MIRROR_VERSION = 1;
export const MIRROR_NAME = "sheetwire-mirror";

/** One spreadsheet: which copy is shown, which is arriving, and how far the shown one is. */
export type SpreadsheetRecord = {
  spreadsheetId: string;
  /** Properties of the shown copy, or of the first one while it arrives. */
  spreadsheet: Spreadsheet;
  /** The copy that readers see. While the first copy arrives, that one. */
  shown: string;
  /** Whether the shown copy has arrived completely. */
  whole: boolean;
  /** The place in the log at which the shown copy stands; absent until it is whole. */
  cursor?: Cursor;
  /** A copy that is being fetched, if it is another than the shown one. */
  coming?: string;
  /** Counts copies, so that each has a name of its own. */
  copies: number;
};

/** Rows that stand together in a sheet: those of a block, or so many unknown or blank ones that need no block. */
export type Stretch = { rows: number; block: number | "unknown" | "blank" };

/** One sheet of one copy. */
export type SheetRecord = {
  copy: string;
  sheetId: number;
  spreadsheetId: string;
  sheet: Sheet;
  /** From the top; their `rows` add up to the sheet's. */
  stretches: Stretch[];
  nextBlock: number;
};

/** Up to some hundred rows. Null is a row that is still being read. */
export type BlockRecord = { copy: string; sheetId: number; block: number; rows: (Row | null)[] };

/** A change that was applied, in words; and as it came, where it is small enough for a cell's history. */
export type ChangeRecord = { spreadsheetId: string; seq: number; summary: ChangeSummary | null; change: Change | null };

export type MirrorTables = {
  spreadsheets: EntityTable<SpreadsheetRecord, "spreadsheetId">;
  sheets: Table<SheetRecord, [string, number]>;
  blocks: Table<BlockRecord, [string, number, number]>;
  changes: Table<ChangeRecord, [string, number]>;
};

/**
 * The tables bound to a transaction. Dexie finds the transaction of an unbound table by following promises, and loses it
 * after a hundred awaits in a row that do not touch the database, as when many small changes are applied to a loaded block.
 */
export const tablesOf = (transaction: Transaction): MirrorTables => ({
  spreadsheets: transaction.table("spreadsheets") as MirrorTables["spreadsheets"],
  sheets: transaction.table("sheets"),
  blocks: transaction.table("blocks"),
  changes: transaction.table("changes"),
});

export class MirrorDatabase extends Dexie {
  declare spreadsheets: MirrorTables["spreadsheets"];
  declare sheets: MirrorTables["sheets"];
  declare blocks: MirrorTables["blocks"];
  declare changes: MirrorTables["changes"];

  constructor(name: string) {
    // `relaxed`: after a power cut rows and cursor go back together, and the relay sends the rest again. No cache: what
    // is read inside a transaction is changed in place there.
    super(name, { chromeTransactionDurability: "relaxed", cache: "disabled" });
    this.version(MIRROR_VERSION).stores({
      spreadsheets: "spreadsheetId",
      sheets: "[copy+sheetId]",
      blocks: "[copy+sheetId+block]",
      changes: "[spreadsheetId+seq]",
    });
  }
}

/** All keys of one copy in `sheets` and `blocks`: arrays sort after numbers, so `[]` is above every key part. */
export const keysOfCopy = (copy: string): [lower: [string], upper: [string, never[]]] => [[copy], [copy, []]];

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
