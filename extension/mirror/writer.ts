import { seedOf } from "@sheetwire/shared/digest";
import { MisfitError, widthOf } from "@sheetwire/shared/grid";
import type { Change, Cursor, SnapshotHead, SnapshotRows, Spreadsheet } from "@sheetwire/shared/protocol";
import type { Copy } from "./mirror.ts";
import {
  keysOfCopy,
  tablesOf,
  type ChangeRecord,
  type MirrorDatabase,
  type MirrorTables,
  type SheetRecord,
  type SpreadsheetRecord,
} from "./database.ts";
import type { Notice } from "./notices.ts";
import { summariseCells, summariseColumns, summariseRows, summariseSheets, type ChangeSummary } from "./summary.ts";
import { WorkingSheet } from "./working-sheet.ts";

/** Changes came that do not follow on what is held. */
export class GapError extends Error {
  override readonly name = "GapError";
}

/** The copy's own digest differs from the one with which the relay proved a window. */
export class MismatchError extends Error {
  override readonly name = "MismatchError";
}

/** A new copy while it arrives. Nothing of it counts before `finish`. */
export interface SnapshotWriter {
  putRows(pieces: readonly SnapshotRows[]): Promise<void>;
  /** Shows the new copy, sets the cursor to the snapshot's, and drops the old copy. */
  finish(): Promise<Cursor>;
  abandon(): Promise<void>;
}

/** Changes of which words and contents are kept, for the live list and for histories. */
const KEPT_CHANGES = 500;
const TRIM_EVERY_CHANGES = 50;
/** A change with more cells is kept in words only. */
const KEPT_CHANGE_MOST_CELLS = 2_000;

export function createWriter(
  database: MirrorDatabase,
  spreadsheetId: string,
  tell: (notice: Notice) => void,
): Pick<Copy, "cursor" | "take" | "startSnapshot" | "forget"> {
  const seed = seedOf(spreadsheetId);
  const everything = [database.spreadsheets, database.sheets, database.blocks, database.changes];

  async function take(changes: readonly Change[], cursor: Cursor): Promise<void> {
    if (changes.length === 0) return;
    await database.transaction("rw", everything, async (transaction) => {
      const tables = tablesOf(transaction);
      const held = await tables.spreadsheets.get(spreadsheetId);
      if (!held?.cursor) throw new GapError("Changes came, but no copy is held.");
      if (held.cursor.epoch !== cursor.epoch) throw new GapError("Changes of another life of the log came.");
      const work = new Work(tables, held, seed);
      const cursorBefore = held.cursor.seq;
      let seq = cursorBefore;
      const records: ChangeRecord[] = [];
      for (const change of changes) {
        if (change.seq !== seq + 1) throw new GapError(`Holding change ${seq}, but ${change.seq} came next.`);
        seq = change.seq;
        records.push(await work.apply(change));
      }
      if (seq !== cursor.seq) throw new GapError(`The changes end at ${seq}, the cursor says ${cursor.seq}.`);
      const writes: PromiseLike<unknown>[] = [
        work.save(),
        tables.spreadsheets.put({ ...held, cursor }),
        tables.changes.bulkPut(records.slice(-KEPT_CHANGES)),
      ];
      // Now and then is enough, and one request less on the way to the eye.
      if (Math.floor(seq / TRIM_EVERY_CHANGES) > Math.floor(cursorBefore / TRIM_EVERY_CHANGES)) {
        const gone = tables.changes
          .where(":id")
          .between([spreadsheetId, 0], [spreadsheetId, seq - KEPT_CHANGES], true, true);
        writes.push(gone.delete());
      }
      await Promise.all(writes);
    });
    tell({ spreadsheetId, what: "changes", seq: cursor.seq });
  }

  async function startSnapshot(head: SnapshotHead): Promise<SnapshotWriter> {
    const copy = await database.transaction("rw", everything, async (transaction) => {
      const tables = tablesOf(transaction);
      const held = await tables.spreadsheets.get(spreadsheetId);
      const copies = (held?.copies ?? 0) + 1;
      const name = `${spreadsheetId}/${copies}`;
      const base = { spreadsheetId, copies };
      if (held?.whole) {
        if (held.coming !== undefined) await dropCopy(tables, held.coming);
        await tables.spreadsheets.put({ ...held, ...base, coming: name });
      } else {
        if (held) await dropCopy(tables, held.shown);
        await tables.spreadsheets.put({ ...base, spreadsheet: head.spreadsheet, shown: name, whole: false });
      }
      const sheets = head.spreadsheet.sheets.filter((sheet) => sheet.kind === "GRID");
      await tables.sheets.bulkPut(
        sheets.map((sheet) => ({
          copy: name,
          sheetId: sheet.sheetId,
          spreadsheetId,
          sheet,
          stretches: [],
          nextBlock: 1,
        })),
      );
      return name;
    });
    tell({ spreadsheetId, what: "arriving" });

    async function putRows(pieces: readonly SnapshotRows[]): Promise<void> {
      await database.transaction("rw", [database.sheets, database.blocks], async (transaction) => {
        const tables = tablesOf(transaction);
        const working = new Map<number, WorkingSheet>();
        for (const piece of pieces) {
          let sheet = working.get(piece.sheetId);
          if (!sheet) {
            const record = await tables.sheets.get([copy, piece.sheetId]);
            if (!record) throw new MisfitError(`Rows of sheet ${piece.sheetId}, which the snapshot does not name.`);
            sheet = new WorkingSheet(record, tables);
            working.set(piece.sheetId, sheet);
          }
          const missing = piece.fromRow - sheet.rowCount;
          if (missing < 0) throw new MisfitError(`Row ${piece.fromRow} of sheet ${piece.sheetId} came twice.`);
          sheet.appendUnknown(missing);
          sheet.append(piece.rows);
        }
        for (const sheet of working.values()) await sheet.save();
      });
      tell({ spreadsheetId, what: "arriving" });
    }

    async function finish(): Promise<Cursor> {
      const { epoch, seq, chain } = head;
      const cursor: Cursor = { epoch, seq, chain };
      await database.transaction("rw", everything, async (transaction) => {
        const tables = tablesOf(transaction);
        const held = await tables.spreadsheets.get(spreadsheetId);
        if (!held || (held.coming ?? held.shown) !== copy) throw new GapError("Another copy was begun meanwhile.");
        for (const { sheetId, rows } of head.spreadsheet.sheets) {
          const record = await tables.sheets.get([copy, sheetId]);
          if (!record) continue;
          const sheet = new WorkingSheet(record, tables);
          sheet.appendUnknown(rows - sheet.rowCount);
          await sheet.save();
        }
        const old = held.coming === undefined ? undefined : held.shown;
        const record: SpreadsheetRecord = {
          spreadsheetId,
          copies: held.copies,
          spreadsheet: head.spreadsheet,
          shown: copy,
          whole: true,
          cursor,
        };
        await tables.spreadsheets.put(record);
        if (held.cursor && held.cursor.epoch !== epoch) await dropChanges(tables, spreadsheetId);
        if (old !== undefined) await dropCopy(tables, old);
      });
      tell({ spreadsheetId, what: "copy", seq });
      return cursor;
    }

    /** A replacement that broke off is dropped; of a first copy, what has arrived stays readable until the next try. */
    async function abandon(): Promise<void> {
      await database.transaction("rw", everything, async (transaction) => {
        const tables = tablesOf(transaction);
        const held = await tables.spreadsheets.get(spreadsheetId);
        if (held?.coming !== copy) return;
        await dropCopy(tables, copy);
        const { coming: _, ...rest } = held;
        await tables.spreadsheets.put(rest);
      });
    }
    return { putRows, finish, abandon };
  }

  async function forget(): Promise<void> {
    await database.transaction("rw", everything, async (transaction) => {
      const tables = tablesOf(transaction);
      const held = await tables.spreadsheets.get(spreadsheetId);
      if (!held) return;
      await dropCopy(tables, held.shown);
      if (held.coming !== undefined) await dropCopy(tables, held.coming);
      await dropChanges(tables, spreadsheetId);
      await tables.spreadsheets.delete(spreadsheetId);
    });
    tell({ spreadsheetId, what: "forgotten" });
  }

  return {
    cursor: async () => (await database.spreadsheets.get(spreadsheetId))?.cursor,
    take,
    startSnapshot,
    forget,
  };
}

/** The changes of one batch at work: sheets are loaded when first touched and written at the end. */
class Work {
  readonly #tables: MirrorTables;
  readonly #held: SpreadsheetRecord;
  readonly #seed: number;
  readonly #sheets = new Map<number, WorkingSheet>();

  constructor(tables: MirrorTables, held: SpreadsheetRecord, seed: number) {
    this.#tables = tables;
    this.#held = held;
    this.#seed = seed;
  }

  async apply(change: Change): Promise<ChangeRecord> {
    const { spreadsheetId } = this.#held;
    const record = (summary: ChangeSummary | null, kept: Change | null): ChangeRecord => ({
      spreadsheetId,
      seq: change.seq,
      summary,
      change: kept,
    });
    if (change.kind === "sheets") {
      const summary = summariseSheets(change, this.#held.spreadsheet);
      await this.#applySheets(change.spreadsheet);
      return record(summary, change);
    }
    const sheet = await this.#sheet(change.sheetId, change.kind);
    const { title } = sheet.record.sheet;
    if (change.kind === "verified") {
      const { from, to } = change.window;
      const digest = await sheet.windowDigest(from, to, this.#seed);
      if (digest !== change.digest) {
        throw new MismatchError(
          `Rows ${from} to ${to} of sheet ${change.sheetId} have another digest than the relay's.`,
        );
      }
      return record(null, null);
    }
    if (change.kind === "cells") {
      const { row, column } = change.at;
      const before = await sheet.rows(row, row + change.cells.length);
      await sheet.applyCells(change);
      const width = widthOf(change.cells);
      const isSmall = width * change.cells.length <= KEPT_CHANGE_MOST_CELLS;
      // What stood there is known here, also where it was not told.
      const was = before.every((cells) => cells !== null)
        ? before.map((cells) => cells.slice(column, column + width))
        : undefined;
      const kept = isSmall ? { ...change, ...(was ? { was } : {}) } : null;
      return record(summariseCells(change, before, width, title), kept);
    }
    if (change.kind === "rows") {
      const unknownOnly = await sheet.losesOnlyUnknown(change.runs);
      const summary = summariseRows(change, sheet.rowCount, unknownOnly, title);
      await sheet.applyRows(change.runs);
      const cells = change.runs.reduce((sum, run) => sum + ("put" in run ? run.put.length * widthOf(run.put) : 1), 0);
      return record(summary, cells <= KEPT_CHANGE_MOST_CELLS ? change : null);
    }
    const summary = summariseColumns(change, sheet.record.sheet.columns, title);
    await sheet.applyColumns(change.runs);
    return record(summary, change);
  }

  async save(): Promise<void> {
    for (const sheet of this.#sheets.values()) await sheet.save();
  }

  async #sheet(sheetId: number, kind: Change["kind"]): Promise<WorkingSheet> {
    const known = this.#sheets.get(sheetId);
    if (known) return known;
    const record = await this.#tables.sheets.get([this.#held.shown, sheetId]);
    if (!record) throw new MisfitError(`A ${kind} change for sheet ${sheetId}, which is not held.`);
    const sheet = new WorkingSheet(record, this.#tables);
    this.#sheets.set(sheetId, sheet);
    return sheet;
  }

  async #applySheets(spreadsheet: Spreadsheet): Promise<void> {
    await this.save();
    this.#sheets.clear();
    const copy = this.#held.shown;
    const held = new Map<number, SheetRecord>();
    for (const record of await this.#tables.sheets
      .where(":id")
      .between(...keysOfCopy(copy))
      .toArray()) {
      held.set(record.sheetId, record);
    }
    for (const sheet of spreadsheet.sheets) {
      const record = held.get(sheet.sheetId);
      held.delete(sheet.sheetId);
      if (record) {
        await this.#tables.sheets.put({ ...record, sheet: { ...sheet, rows: record.sheet.rows } });
      } else if (sheet.kind === "GRID") {
        const { sheetId } = sheet;
        const { spreadsheetId } = this.#held;
        const stretches: SheetRecord["stretches"] = sheet.rows > 0 ? [{ rows: sheet.rows, block: "unknown" }] : [];
        await this.#tables.sheets.put({ copy, sheetId, spreadsheetId, sheet, stretches, nextBlock: 1 });
      }
    }
    for (const sheetId of held.keys()) {
      await this.#tables.sheets.delete([copy, sheetId]);
      await this.#tables.blocks.where(":id").between([copy, sheetId], [copy, sheetId, []]).delete();
    }
    this.#held.spreadsheet = spreadsheet;
  }
}

async function dropCopy(tables: MirrorTables, copy: string): Promise<void> {
  await tables.sheets
    .where(":id")
    .between(...keysOfCopy(copy))
    .delete();
  await tables.blocks
    .where(":id")
    .between(...keysOfCopy(copy))
    .delete();
}

async function dropChanges(tables: MirrorTables, spreadsheetId: string): Promise<void> {
  await tables.changes.where(":id").between([spreadsheetId], [spreadsheetId, []]).delete();
}
