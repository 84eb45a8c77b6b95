import {
  applyColumnRuns,
  applyRowRuns,
  canonicalRow,
  lengthAfter,
  MisfitError,
  overlayRow,
  widthOf,
} from "@sheetwire/shared/grid";
import { fold, NO_DIGEST, placed, type Digest } from "@sheetwire/shared/digest";
import type { Row, Sheet } from "@sheetwire/shared/protocol";
import type { ContentOf } from "./content.ts";
import { BLANK, cellsOf, holdsFormula, storedRow, storedText, UNKNOWN, type StoredRow } from "./row.ts";

/** One sheet: its properties and its rows, with the digest of all rows kept up to date at one step a changed row. */
export class SheetState {
  sheet: Sheet;
  rows: StoredRow[];
  unknownRows: number;
  formulaRows: number;
  #digest: Digest;
  readonly #seed: number;

  constructor(sheet: Sheet, rows: StoredRow[], seed: number) {
    this.sheet = sheet;
    this.rows = rows;
    this.#seed = seed;
    this.unknownRows = 0;
    this.formulaRows = 0;
    this.#digest = NO_DIGEST;
    this.#recount();
  }

  get digest(): Digest {
    return this.#digest;
  }

  /** Cells of the grid, blank ones included. */
  get cellCount(): number {
    return this.rows.length * this.sheet.columns;
  }

  /**
   * The columns as rows are held, for comparing them with column digests; undefined while any row is unknown, or with more
   * cells than that down to the last filled row. Costs a look at every cell.
   */
  columns(maxCells: number): StoredRow[] | undefined {
    if (this.unknownRows > 0) return undefined;
    const filled = this.rows.findLastIndex((row) => row.json !== "[]") + 1;
    if (filled * this.sheet.columns > maxCells) return undefined;
    const columns: Row[] = Array.from({ length: this.sheet.columns }, () => []);
    this.rows.forEach((row, index) => {
      if (row.json === null || row.json === "[]") return;
      cellsOf(row)?.forEach((cell, column) => {
        const held = columns[column];
        if (cell === null || !held) return;
        while (held.length < index) held.push(null);
        held.push(cell);
      });
    });
    return columns.map((column) => storedRow(column, this.#seed));
  }

  digestOf(from: number, to: number): Digest {
    let high = 0;
    let low = 0;
    for (let index = from; index < to; index += 1) {
      const row = this.rows[index];
      // Blank rows add nothing, and there may be millions of them.
      if (row === BLANK || row === UNKNOWN) continue;
      const part = this.#part(index);
      high ^= part.high;
      low ^= part.low;
    }
    return { high: high >>> 0, low: low >>> 0 };
  }

  applyCells(change: ContentOf<"cells">): void {
    const { row: top, column } = change.at;
    if (top + change.cells.length > this.rows.length) {
      throw new MisfitError(`Cells to row ${top + change.cells.length} of ${this.rows.length}.`);
    }
    const width = widthOf(change.cells);
    change.cells.forEach((cells, offset) => {
      const before = cellsOf(this.rows[top + offset] ?? UNKNOWN);
      if (!before && column > 0) throw new MisfitError(`Part of row ${top + offset}, which is unknown.`);
      this.#replace(top + offset, before ? overlayRow(before, column, cells, width) : canonicalRow(cells));
    });
  }

  applyRows(change: ContentOf<"rows">): void {
    this.rows = applyRowRuns<StoredRow>(this.rows, change.runs, {
      put: (row) => storedRow(row, this.#seed),
      blank: () => BLANK,
      unknown: () => UNKNOWN,
    });
    this.sheet = { ...this.sheet, rows: this.rows.length };
    this.#recount();
  }

  applyColumns(change: ContentOf<"columns">): void {
    const { columns } = this.sheet;
    this.rows = this.rows.map((row) => {
      if (row === BLANK) return BLANK;
      const cells = cellsOf(row);
      return cells ? storedRow(applyColumnRuns(cells, columns, change.runs), this.#seed) : UNKNOWN;
    });
    this.sheet = { ...this.sheet, columns: lengthAfter(change.runs) };
    this.#recount();
  }

  /** Remembers which digest an unknown row will have; its content is found by it, wherever it turns up. */
  announce(index: number, row: StoredRow): void {
    if (this.rows[index]?.json === null && row.json === null) this.rows[index] = row;
  }

  /** Puts canonical cells. */
  #replace(index: number, cells: Row): void {
    this.#digest = fold(this.#digest, this.#part(index));
    const before = this.rows[index] ?? UNKNOWN;
    if (before.json === null) this.unknownRows -= 1;
    if (holdsFormula(before)) this.formulaRows -= 1;
    const after = storedText(JSON.stringify(cells), this.#seed);
    this.rows[index] = after;
    if (holdsFormula(after)) this.formulaRows += 1;
    this.#digest = fold(this.#digest, this.#part(index));
  }

  /** Unknown rows add nothing: their announced digest is not content. */
  #part(index: number): Digest {
    const row = this.rows[index];
    return row && row.json !== null ? placed(index, row) : NO_DIGEST;
  }

  #recount(): void {
    this.unknownRows = 0;
    this.formulaRows = 0;
    for (const row of this.rows) {
      if (row === BLANK) continue;
      if (row.json === null) this.unknownRows += 1;
      else if (holdsFormula(row)) this.formulaRows += 1;
    }
    this.#digest = this.digestOf(0, this.rows.length);
  }
}
