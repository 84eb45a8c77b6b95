/** The spreadsheet of a simulation: what people and programs do to it, what reads of it say, and what it truly holds. */
import { canonicalRow, plainRendering } from "@sheetwire/shared/grid";
import type { CellValue, Row, Spreadsheet } from "@sheetwire/shared/protocol";
import type { RawValue, Rectangle, Size } from "../../apps-script/effects/effects.ts";

/**
 * Formulas here are functions of a whole other sheet, so that they change by what happens elsewhere, and no event tells.
 * `spill` shows that sheet's first column from here downwards; only the first of its cells has a formula text.
 */
export type Formula =
  | { readonly fn: "count"; readonly of: number }
  | { readonly fn: "first"; readonly of: number }
  | { readonly fn: "spill"; readonly of: number }
  | { readonly fn: "volatile" };

export type Held = null | boolean | number | string | { readonly formula: Formula };

export type Sheet = { sheetId: number; title: string; hidden: boolean; columns: number; rows: Held[][] };

export class Table {
  sheets: Sheet[] = [];
  title = "Simulated";
  /** Counts recalculations: what volatile formulas show. While `isRestless` every read recalculates. */
  ticks = 0;
  isRestless = true;
  #nextSheetId = 1;
  /** What formulas still show, by their function: the sheets as they were when it was calculated last. */
  readonly #stale = new Map<Formula["fn"], Sheet[]>();

  addSheet(title: string, rows: number, columns: number): Sheet {
    const sheet: Sheet = {
      sheetId: this.#nextSheetId,
      title,
      hidden: false,
      columns,
      rows: Array.from({ length: rows }, () => []),
    };
    this.#nextSheetId += 1;
    this.sheets.push(sheet);
    return sheet;
  }

  sheet(sheetId: number): Sheet | undefined {
    return this.sheets.find((one) => one.sheetId === sheetId);
  }

  /** From here on these formulas show what they show now, until they are calculated again. */
  freeze(fn: Formula["fn"]): void {
    this.#stale.set(
      fn,
      this.sheets.map((sheet) => ({ ...sheet, rows: sheet.rows.map((row) => row.slice()) })),
    );
  }

  recalculate(fn: Formula["fn"]): void {
    this.#stale.delete(fn);
  }

  #source(fn: Formula["fn"], sheetId: number): Sheet | undefined {
    return (this.#stale.get(fn) ?? this.sheets).find((one) => one.sheetId === sheetId);
  }

  size(sheetId: number): Size | undefined {
    const sheet = this.sheet(sheetId);
    return sheet && { rows: sheet.rows.length, columns: sheet.columns };
  }

  /** Up to the last cell that shows anything or has a formula. */
  usedSize(sheetId: number): Size | undefined {
    const sheet = this.sheet(sheetId);
    if (!sheet) return undefined;
    let rows = 0;
    let columns = 0;
    for (let row = 0; row < sheet.rows.length; row += 1) {
      for (let column = 0; column < sheet.columns; column += 1) {
        const held = sheet.rows[row]?.[column] ?? null;
        if (held === null && this.#shown(sheet, row, column) === null) continue;
        rows = Math.max(rows, row + 1);
        columns = Math.max(columns, column + 1);
      }
    }
    return { rows, columns };
  }

  describe(): Spreadsheet {
    const sheets = this.sheets.map(({ sheetId, title, hidden, rows, columns }, index) => {
      const used = this.usedSize(sheetId) ?? { rows: 0, columns: 0 };
      return {
        sheetId,
        title,
        index,
        hidden,
        kind: "GRID",
        rows: rows.length,
        columns,
        usedRows: used.rows,
        usedColumns: used.columns,
      };
    });
    return { title: this.title, locale: "en_GB", timeZone: "Etc/UTC", sheets };
  }

  /** One cell as `getValues` gives it. */
  valueAt(sheetId: number, row: number, column: number): RawValue {
    const sheet = this.sheet(sheetId);
    const value = sheet ? this.#shown(sheet, row, column) : null;
    return value === null ? "" : value;
  }

  formulaAt(sheetId: number, row: number, column: number): string {
    const held = this.sheet(sheetId)?.rows[row]?.[column] ?? null;
    return typeof held === "object" && held !== null ? textOf(held.formula) : "";
  }

  displayAt(sheetId: number, row: number, column: number): string {
    const sheet = this.sheet(sheetId);
    return sheet ? plainRendering(this.#shown(sheet, row, column)) : "";
  }

  fits({ sheetId, row, column, rows, columns }: Rectangle): boolean {
    const size = this.size(sheetId);
    return size !== undefined && row + rows <= size.rows && column + columns <= size.columns;
  }

  /** What is truly there, in the one way of writing it. */
  truth(): { sheetId: number; title: string; columns: number; rows: Row[] }[] {
    return this.sheets.map((sheet) => ({
      sheetId: sheet.sheetId,
      title: sheet.title,
      columns: sheet.columns,
      rows: sheet.rows.map((_, row) =>
        canonicalRow(
          Array.from({ length: sheet.columns }, (_unused, column) => {
            const value = this.#shown(sheet, row, column);
            const formula = this.formulaAt(sheet.sheetId, row, column);
            return formula ? { v: value === null ? "" : value, f: formula } : value;
          }),
        ),
      ),
    }));
  }

  #shown(sheet: Sheet, row: number, column: number): CellValue {
    const held = sheet.rows[row]?.[column] ?? null;
    if (held === null) return this.#spilledInto(sheet, row, column);
    return typeof held === "object" ? this.#result(held.formula, sheet.sheetId) : held;
  }

  #result(formula: Formula, own: number): CellValue {
    if (formula.fn === "volatile") return this.ticks;
    const other = formula.of === own ? undefined : this.#source(formula.fn, formula.of);
    if (formula.fn === "count") {
      const cells = (other?.rows ?? []).flat();
      return cells.filter((cell) => cell !== null && cell !== undefined).length;
    }
    return plain(other?.rows[0]?.[0]);
  }

  /** A spilled array shows in blank cells below its formula, as far as the other sheet goes. */
  #spilledInto(sheet: Sheet, row: number, column: number): CellValue {
    for (let above = row - 1; above >= 0; above -= 1) {
      const held = sheet.rows[above]?.[column] ?? null;
      if (held === null) continue;
      if (typeof held !== "object" || held.formula.fn !== "spill" || held.formula.of === sheet.sheetId) return null;
      return plain(this.#source("spill", held.formula.of)?.rows[row - above]?.[0]);
    }
    return null;
  }
}

const plain = (held: Held | undefined): CellValue => (typeof held === "object" || held === undefined ? null : held);

const textOf = (formula: Formula): string =>
  formula.fn === "volatile" ? "=NOW()" : `=${formula.fn.toUpperCase()}(Sheet${formula.of})`;
