import { digestOfRow, digestText, fold, murmur128, NO_DIGEST, seedOf, type Digest } from "@sheetwire/shared/digest";
import { limits } from "@sheetwire/shared/limits";
import { MisfitError } from "@sheetwire/shared/grid";
import { snapshotHeadSchema } from "@sheetwire/shared/protocol";
import type { Row, Sheet, SnapshotHead, Spreadsheet } from "@sheetwire/shared/protocol";
import { partsOf, type Head } from "../log/log.ts";
import type { ChangeContent } from "./content.ts";
import { cellsOf, storedText, UNKNOWN, type StoredRow } from "./row.ts";
import { SheetState } from "./sheet-state.ts";

/** How many rows of a sheet are held, and how many of them are unknown. */
export type HeldRows = { readonly sheetId: number; readonly rows: number; readonly unknownRows: number };

/** The state of one spreadsheet: the fold of its log up to `head`. */
export class SpreadsheetState {
  readonly spreadsheetId: string;
  readonly seed: number;
  head: Head;
  spreadsheet: Spreadsheet | undefined;
  readonly #sheets = new Map<number, SheetState>();
  /** The same, sorted: made when it is asked for, and dropped where sheets come, go or move. */
  #inOrder: readonly SheetState[] | undefined;

  constructor(spreadsheetId: string, head: Head) {
    this.spreadsheetId = spreadsheetId;
    this.seed = seedOf(spreadsheetId);
    this.head = head;
  }

  /**
   * The state that stored lines (a snapshot's without its last) tell of; nothing when there are none. Throws when they are
   * not such lines. Rows are taken as they are written, since they were written by {@link snapshotLines}.
   */
  static async fromLines(
    spreadsheetId: string,
    stored: AsyncIterable<string> | Iterable<string>,
  ): Promise<SpreadsheetState | undefined> {
    let state: SpreadsheetState | undefined;
    for await (const line of stored) {
      if (!state) {
        const head = snapshotHeadSchema.parse(JSON.parse(line));
        state = new SpreadsheetState(spreadsheetId, head);
        state.#applySheets(head.spreadsheet);
        continue;
      }
      const [before, sheetId, fromRow] = ROWS_LINE.exec(line) ?? [];
      if (before === undefined) throw new Error("A stored state with a line that is none.");
      const held = state.held(Number(sheetId));
      const { seed } = state;
      const rows = partsOf(line.slice(before.length, -1));
      held.load(
        Number(fromRow),
        rows.map((json) => (json === "null" ? UNKNOWN : storedText(json, seed))),
      );
    }
    return state;
  }

  /** GRID sheets in order, each with the number of rows that is held. */
  sheets(): readonly Sheet[] {
    return this.sheetStates().map((held) => held.sheet);
  }

  sheetStates(): readonly SheetState[] {
    this.#inOrder ??= [...this.#sheets.values()].sort((a, b) => a.sheet.index - b.sheet.index);
    return this.#inOrder;
  }

  heldRows(): readonly HeldRows[] {
    return this.sheetStates().map(({ sheet, rows, unknownRows }) => ({
      sheetId: sheet.sheetId,
      rows: rows.length,
      unknownRows,
    }));
  }

  sheetState(sheetId: number): SheetState | undefined {
    return this.#sheets.get(sheetId);
  }

  sheetByTitle(title: string): Sheet | undefined {
    return this.sheets().find((sheet) => sheet.title === title);
  }

  /** One row's cells, null while unknown, undefined beyond the sheet. */
  row(sheetId: number, index: number): Row | null | undefined {
    const row = this.#sheets.get(sheetId)?.rows[index];
    return row && cellsOf(row);
  }

  get hasUnknownRows(): boolean {
    return this.sheetStates().some((held) => held.unknownRows > 0);
  }

  /** The memory that its rows take, nearly. */
  get heldBytes(): number {
    let bytes = 0;
    for (const held of this.#sheets.values()) bytes += held.heldBytes;
    return bytes;
  }

  /** Digest of the whole spreadsheet, known contents and properties, as 16 hex digits. */
  digest(): string {
    let digest: Digest = NO_DIGEST;
    for (const held of this.#sheets.values()) {
      const named = murmur128(`${held.sheet.sheetId} ${digestText(held.digest)}`, this.seed);
      digest = fold(digest, named);
    }
    return digestText(fold(digest, murmur128(JSON.stringify(this.#properties()), this.seed)));
  }

  digestOf(cells: Row): Digest {
    return digestOfRow(cells, this.seed);
  }

  /** Row digests of a window as 16 hex digits each, null where unknown; undefined without such a sheet. */
  rowDigests(sheetId: number, from: number, to: number): (string | null)[] | undefined {
    const held = this.#sheets.get(sheetId);
    return held?.rows
      .slice(from, to)
      .map((row) => (row.json === null ? null : digestText({ high: row.high >>> 0, low: row.low >>> 0 })));
  }

  /** The first line of a snapshot of this version. */
  snapshotHead(): SnapshotHead {
    const { epoch, seq, chain } = this.head;
    return { epoch, seq, chain, spreadsheet: this.#properties() };
  }

  /** This version, as it stays however long somebody reads it: rows are never changed in place, so a copy of the list will do. */
  version(): SnapshotVersion {
    const head = JSON.stringify(this.snapshotHead());
    const sheets = this.sheetStates().map((held) => ({ sheetId: held.sheet.sheetId, rows: held.rows.slice() }));
    return { head, sheets, bytes: this.heldBytes };
  }

  /** The lines of a snapshot of this version without its last, without line ends. */
  snapshotLines(): Iterable<string> {
    return linesOf(this.version());
  }

  apply(change: ChangeContent): void {
    if (change.kind === "sheets") this.#applySheets(change.spreadsheet);
    else if (change.kind === "cells") this.held(change.sheetId).applyCells(change);
    else if (change.kind === "rows") this.held(change.sheetId).applyRows(change);
    else if (change.kind === "columns") this.held(change.sheetId).applyColumns(change);
  }

  held(sheetId: number): SheetState {
    const held = this.#sheets.get(sheetId);
    if (!held) throw new MisfitError(`A change for sheet ${sheetId}, which is not held.`);
    return held;
  }

  #properties(): Spreadsheet {
    const { title, locale, timeZone, sheets } = this.spreadsheet ?? { title: "", locale: "", timeZone: "", sheets: [] };
    return {
      title,
      locale,
      timeZone,
      sheets: sheets.map((sheet) => this.#sheets.get(sheet.sheetId)?.sheet ?? sheet),
    };
  }

  #applySheets(spreadsheet: Spreadsheet): void {
    this.spreadsheet = spreadsheet;
    const gone = new Set(this.#sheets.keys());
    for (const sheet of spreadsheet.sheets) {
      if (sheet.kind !== "GRID") continue;
      gone.delete(sheet.sheetId);
      const held = this.#sheets.get(sheet.sheetId);
      if (held) held.sheet = { ...sheet, rows: held.rows.length, columns: held.sheet.columns };
      else this.#sheets.set(sheet.sheetId, new SheetState(sheet, this.seed));
    }
    for (const sheetId of gone) this.#sheets.delete(sheetId);
    this.#inOrder = undefined;
  }
}

const ROWS_LINE = /^\{"sheetId":(\d+),"fromRow":(\d+),"rows":/;

/** One version of a spreadsheet, for as long as somebody reads it. */
export type SnapshotVersion = {
  /** The first line. */
  readonly head: string;
  /** The memory that its rows take, nearly; they are shared with the state as long as they are as they were. */
  readonly bytes: number;
  readonly sheets: readonly { readonly sheetId: number; readonly rows: readonly StoredRow[] }[];
};

/** The lines of a snapshot without its last, without line ends; those behind a row where one is given. */
export function* linesOf(
  { head, sheets }: SnapshotVersion,
  after?: { sheetId: number; row: number },
): Generator<string> {
  yield head;
  const start = after ? sheets.findIndex((sheet) => sheet.sheetId === after.sheetId) : 0;
  for (const { sheetId, rows } of sheets.slice(Math.max(0, start))) {
    const first = after && sheetId === after.sheetId ? after.row + 1 : 0;
    for (let from = first; from < rows.length; from += limits.blockRows) {
      const texts = rows.slice(from, from + limits.blockRows).map((row) => row.json ?? "null");
      yield `{"sheetId":${sheetId},"fromRow":${from},"rows":[${texts.join(",")}]}`;
    }
  }
}
