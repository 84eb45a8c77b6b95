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
import type { ColumnRun, Row, RowRun, Sheet } from "@sheetwire/shared/protocol";
import type { ContentOf } from "./content.ts";
import { BLANK, cellsOf, holdsFormula, storedRow, storedText, UNKNOWN, type StoredRow } from "./row.ts";

/** A row in its list, and what a known one takes beside its text. */
const SLOT_BYTES = 8;
const ROW_BYTES = 72;

/** One sheet: its properties and its rows, with the digest of all rows kept up to date at one step a changed row. */
export class SheetState {
  sheet: Sheet;
  rows: StoredRow[];
  unknownRows: number;
  formulaRows: number;
  #digest: Digest;
  /** What the known rows that are not blank take. */
  #bytes = 0;
  readonly #seed: number;

  /** None of its rows is known yet. There may be millions of them, so they are not looked at. */
  constructor(sheet: Sheet, seed: number) {
    this.sheet = sheet;
    // oxlint-disable-next-line unicorn/no-new-array -- Array.from takes ten times as long, a second for ten million rows.
    this.rows = new Array<StoredRow>(sheet.rows).fill(UNKNOWN);
    this.#seed = seed;
    this.unknownRows = sheet.rows;
    this.formulaRows = 0;
    this.#digest = NO_DIGEST;
  }

  get digest(): Digest {
    return this.#digest;
  }

  /** The memory that its rows take, nearly. */
  get heldBytes(): number {
    return this.rows.length * SLOT_BYTES + this.#bytes;
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

  /** Puts rows as they were stored. Throws MisfitError where the sheet has none. */
  load(from: number, rows: readonly StoredRow[]): void {
    const end = from + rows.length;
    if (end > this.rows.length) throw new MisfitError(`Rows to ${end} of ${this.rows.length}.`);
    this.#count(from, end, -1);
    for (const [offset, row] of rows.entries()) this.rows[from + offset] = row;
    this.#count(from, end, 1);
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
    if (this.#movesNothing(change.runs)) {
      this.#putInPlace(change.runs);
      return;
    }
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
    if (this.unknownRows > 0 || !isBehindTheLast(change.runs, columns)) {
      this.rows = this.rows.map((row) => {
        if (row === BLANK) return BLANK;
        const cells = cellsOf(row);
        return cells ? storedRow(applyColumnRuns(cells, columns, change.runs), this.#seed) : UNKNOWN;
      });
      this.#recount();
    }
    this.sheet = { ...this.sheet, columns: lengthAfter(change.runs) };
  }

  /** Remembers which digest an unknown row will have; its content is found by it, wherever it turns up. */
  announce(index: number, row: StoredRow): void {
    if (this.rows[index]?.json === null && row.json === null) this.rows[index] = row;
  }

  /** Puts canonical cells. */
  #replace(index: number, cells: Row): void {
    const before = this.rows[index] ?? UNKNOWN;
    if (before.json === null) this.unknownRows -= 1;
    else if (before !== BLANK) {
      if (holdsFormula(before)) this.formulaRows -= 1;
      this.#bytes -= ROW_BYTES + before.json.length;
      this.#digest = fold(this.#digest, placed(index, before));
    }
    const after = cells.length === 0 ? BLANK : storedText(JSON.stringify(cells), this.#seed);
    this.rows[index] = after;
    if (after === BLANK) return;
    if (holdsFormula(after)) this.formulaRows += 1;
    this.#bytes += ROW_BYTES + (after.json?.length ?? 0);
    this.#digest = fold(this.#digest, placed(index, after));
  }

  /** Whether every row that the runs keep stays where it is, in a sheet as long as before. */
  #movesNothing(runs: readonly RowRun[]): boolean {
    let at = 0;
    for (const run of runs) {
      if ("keep" in run && run.keep[0] !== at) return false;
      at += lengthAfter([run]);
    }
    return at === this.rows.length;
  }

  /** What is kept where it is costs nothing. */
  #putInPlace(runs: readonly RowRun[]): void {
    let at = 0;
    for (const run of runs) {
      const end = at + lengthAfter([run]);
      if (!("keep" in run)) {
        this.#count(at, end, -1);
        if ("put" in run)
          for (const [offset, row] of run.put.entries()) this.rows[at + offset] = storedRow(row, this.#seed);
        else this.rows.fill("blank" in run ? BLANK : UNKNOWN, at, end);
        this.#count(at, end, 1);
      }
      at = end;
    }
  }

  /** Counts these rows in (1) or out (-1). Blank and unknown ones add nothing to the digest, and there may be millions of them. */
  #count(from: number, to: number, sign: 1 | -1): void {
    let unknown = 0;
    let formulas = 0;
    let bytes = 0;
    let high = 0;
    let low = 0;
    for (let index = from; index < to; index += 1) {
      const row = this.rows[index];
      if (row === BLANK) continue;
      if (row === undefined || row.json === null) unknown += 1;
      else {
        if (holdsFormula(row)) formulas += 1;
        bytes += ROW_BYTES + row.json.length;
        const part = placed(index, row);
        high ^= part.high;
        low ^= part.low;
      }
    }
    this.unknownRows += sign * unknown;
    this.formulaRows += sign * formulas;
    this.#bytes += sign * bytes;
    if (high !== 0 || low !== 0) this.#digest = fold(this.#digest, { high, low });
  }

  #recount(): void {
    this.unknownRows = 0;
    this.formulaRows = 0;
    this.#bytes = 0;
    this.#digest = NO_DIGEST;
    this.#count(0, this.rows.length, 1);
  }
}

/** Whether columns only came behind the last one: no row changes by that, since none is held with blank cells at its end. */
function isBehindTheLast([first, ...others]: readonly ColumnRun[], columns: number): boolean {
  const keepsAll = first !== undefined && "keep" in first && first.keep[0] === 0 && first.keep[1] === columns;
  return keepsAll && others.every((run) => "blank" in run);
}
