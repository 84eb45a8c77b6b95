import { displayOf } from "@sheetwire/shared/grid";
import type { Cell, CellValue, RichCell } from "@sheetwire/shared/protocol";
import type { CsvWriter } from "./csv-writer.ts";
import { bitAt, countBits, layoutOf, mixedBefore, type Numbers, type Side } from "./column-layout.ts";
import {
  BOOLEANS,
  MIXED,
  MIXED_NO,
  MIXED_NUMBER,
  MIXED_TEXT,
  MIXED_YES,
  NUMBERS,
  TEXTS,
  WIDTH_FLOAT,
  WIDTH_ONE,
  WIDTH_TWO,
} from "./format.ts";

export type TextAt = (index: number) => string;

/** One column of a block. Only cells that hold something have a value; a bitmap says which. */
export class PackedColumn {
  readonly kind: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #textAt: TextAt;
  readonly #rowCount: number;
  /** Where the bitmap of cells that hold something begins; 0 when all do. */
  readonly #present: number;
  /** Bitmap of checkboxes, or kinds of a mixed column. */
  readonly #plain: number;
  readonly #numbers: Numbers | undefined;
  readonly #indices: ReturnType<typeof layoutOf>["indices"];
  readonly formulas: Side | undefined;
  readonly displays: Side | undefined;
  readonly errors: Side | undefined;

  constructor(bytes: Uint8Array, view: DataView, at: number, rowCount: number, textAt: TextAt) {
    this.#bytes = bytes;
    this.#view = view;
    this.#rowCount = rowCount;
    this.#textAt = textAt;
    const layout = layoutOf(bytes, view, at, rowCount);
    this.kind = layout.kind;
    this.#present = layout.present;
    this.#plain = layout.plain;
    this.#numbers = layout.numbers;
    this.#indices = layout.indices;
    this.formulas = layout.formulas;
    this.displays = layout.displays;
    this.errors = layout.errors;
  }

  /** Adds the cells of some rows to `into`. */
  read(from: number, to: number, into: Cell[]): void {
    const start = into.length;
    this.#readValues(from, to, into);
    if (!this.formulas && !this.displays && !this.errors) return;
    const rich = (row: number, more: Partial<RichCell>): void => {
      const at = start + row - from;
      const cell = into[at] as Cell;
      into[at] = typeof cell === "object" && cell !== null ? { ...cell, ...more } : { v: cell, ...more };
    };
    // The order of keys is part of how a cell is written.
    this.#eachOf(this.formulas, from, to, (row, text) => rich(row, { f: this.#textAt(text) }));
    this.#eachOf(this.displays, from, to, (row, text) => rich(row, { d: this.#textAt(text) }));
    this.#eachOf(this.errors, from, to, (row, text) => rich(row, { e: this.#textAt(text) }));
  }

  /** Names what a person sees in each cell of some rows as fields of CSV. */
  show(from: number, to: number, column: number, into: CsvWriter): void {
    const hasGaps = this.#present !== 0;
    let n = hasGaps ? countBits(this.#bytes, this.#present, from) : from;
    if (this.kind === NUMBERS && this.#numbers) {
      const numbers = this.#numbers;
      for (let row = from; row < to; row += 1) {
        if (hasGaps && !this.#isPresent(row)) continue;
        this.#showNumber(numbers, n, row - from, column, into);
        n += 1;
      }
    } else if (this.kind === TEXTS && this.#indices) {
      const { at, width } = this.#indices;
      for (let row = from; row < to; row += 1) {
        if (hasGaps && !this.#isPresent(row)) continue;
        into.showText(row - from, column, this.#unsigned(at, width, n));
        n += 1;
      }
    } else if (this.kind === BOOLEANS) {
      for (let row = from; row < to; row += 1) {
        if (hasGaps && !this.#isPresent(row)) continue;
        into.showBoolean(row - from, column, bitAt(this.#bytes, this.#plain, n));
        n += 1;
      }
    } else this.#showMixed(from, to, n, column, into);
    this.#eachOf(this.errors, from, to, (row, text) => into.showText(row - from, column, text));
    this.#eachOf(this.displays, from, to, (row, text) => into.showText(row - from, column, text));
  }

  #showNumber({ at, width, base, decimals }: Numbers, n: number, row: number, column: number, into: CsvWriter): void {
    if (width === WIDTH_FLOAT) into.showFloat(row, column, this.#view.getFloat64(at + n * 8, true));
    else into.showNumber(row, column, base + this.#unsigned(at, width, n), decimals);
  }

  #showMixed(from: number, to: number, first: number, column: number, into: CsvWriter): void {
    let n = first;
    let [number, text] = mixedBefore(this.#bytes, this.#plain, first);
    for (let row = from; row < to; row += 1) {
      if (!this.#isPresent(row)) continue;
      const kind = this.#bytes[this.#plain + n];
      n += 1;
      if (kind === MIXED_NUMBER && this.#numbers) {
        this.#showNumber(this.#numbers, number, row - from, column, into);
        number += 1;
      } else if (kind === MIXED_TEXT && this.#indices) {
        into.showText(row - from, column, this.#unsigned(this.#indices.at, this.#indices.width, text));
        text += 1;
      } else if (kind === MIXED_YES || kind === MIXED_NO) into.showBoolean(row - from, column, kind === MIXED_YES);
      else into.showNothing(row - from, column);
    }
  }

  /** Calls with each cell that contains `wanted`. `found` are the texts that do, of the block's heap. */
  search(
    wanted: string,
    found: Uint8Array | undefined,
    onlyTexts: boolean,
    emit: (row: number, cell: Cell) => void,
  ): void {
    const isRich = this.formulas !== undefined || this.displays !== undefined || this.errors !== undefined;
    if (onlyTexts && (isRich || this.kind === MIXED)) {
      if (found) this.#searchTexts(wanted, found, emit);
      return;
    }
    if (isRich) {
      this.#searchRich(wanted, emit);
      return;
    }
    if (this.kind === TEXTS) {
      if (!found || !this.#indices) return;
      const { at, width } = this.#indices;
      let n = 0;
      for (let row = 0; row < this.#rowCount; row += 1) {
        if (!this.#isPresent(row)) continue;
        const index = this.#unsigned(at, width, n);
        n += 1;
        if (found[index] === 1) emit(row, this.#textAt(index));
      }
      return;
    }
    if (!onlyTexts) this.#searchRich(wanted, emit);
  }

  /** Where only texts can match: looks closely at cells alone that have to do with one that does. */
  #searchTexts(wanted: string, found: Uint8Array, emit: (row: number, cell: Cell) => void): void {
    const rowCount = this.#rowCount;
    const marked = new Uint8Array(rowCount);
    let hasSome = false;
    const mark = (row: number, text: number): void => {
      if (found[text] !== 1) return;
      marked[row] = 1;
      hasSome = true;
    };
    for (const side of [this.formulas, this.displays, this.errors]) this.#eachOf(side, 0, rowCount, mark);
    if (this.#indices) {
      const { at, width } = this.#indices;
      let [value, text] = [0, 0];
      for (let row = 0; row < rowCount; row += 1) {
        if (!this.#isPresent(row)) continue;
        const isText = this.kind === TEXTS || this.#bytes[this.#plain + value] === MIXED_TEXT;
        value += 1;
        if (!isText) continue;
        mark(row, this.#unsigned(at, width, text));
        text += 1;
      }
    }
    if (!hasSome) return;
    for (let row = 0; row < rowCount; row += 1) {
      if (marked[row] === 1) this.#searchRich(wanted, emit, row, row + 1);
    }
  }

  #searchRich(wanted: string, emit: (row: number, cell: Cell) => void, from = 0, to = this.#rowCount): void {
    const cells: Cell[] = [];
    this.read(from, to, cells);
    for (let row = from; row < to; row += 1) {
      const cell = cells[row - from] as Cell;
      if (cell === null) continue;
      const isRich = typeof cell === "object";
      if (displayOf(cell).toLowerCase().includes(wanted)) emit(row, cell);
      else if (isRich && cell.f !== undefined && cell.f.toLowerCase().includes(wanted)) emit(row, cell);
    }
  }

  #readValues(from: number, to: number, into: Cell[]): void {
    let n = this.#present === 0 ? from : countBits(this.#bytes, this.#present, from);
    const hasGaps = this.#present !== 0;
    if (this.kind === NUMBERS && this.#numbers) {
      const { at, width, base, scale } = this.#numbers;
      for (let row = from; row < to; row += 1) {
        if (hasGaps && !this.#isPresent(row)) into.push(null);
        else {
          into.push(
            width === WIDTH_FLOAT
              ? this.#view.getFloat64(at + n * 8, true)
              : (base + this.#unsigned(at, width, n)) / scale,
          );
          n += 1;
        }
      }
    } else if (this.kind === TEXTS && this.#indices) {
      const { at, width } = this.#indices;
      for (let row = from; row < to; row += 1) {
        if (hasGaps && !this.#isPresent(row)) into.push(null);
        else {
          into.push(this.#textAt(this.#unsigned(at, width, n)));
          n += 1;
        }
      }
    } else if (this.kind === BOOLEANS) {
      for (let row = from; row < to; row += 1) {
        if (hasGaps && !this.#isPresent(row)) into.push(null);
        else {
          into.push(bitAt(this.#bytes, this.#plain, n));
          n += 1;
        }
      }
    } else this.#readMixed(from, to, n, into);
  }

  #readMixed(from: number, to: number, first: number, into: Cell[]): void {
    const bytes = this.#bytes;
    let n = first;
    let [number, text] = mixedBefore(this.#bytes, this.#plain, first);
    for (let row = from; row < to; row += 1) {
      if (!this.#isPresent(row)) {
        into.push(null);
        continue;
      }
      const kind = bytes[this.#plain + n];
      n += 1;
      let value: CellValue = null;
      if (kind === MIXED_NO) value = false;
      else if (kind === MIXED_YES) value = true;
      else if (kind === MIXED_NUMBER && this.#numbers) {
        const { at, width, base, scale } = this.#numbers;
        value =
          width === WIDTH_FLOAT
            ? this.#view.getFloat64(at + number * 8, true)
            : (base + this.#unsigned(at, width, number)) / scale;
        number += 1;
      } else if (kind === MIXED_TEXT && this.#indices) {
        value = this.#textAt(this.#unsigned(this.#indices.at, this.#indices.width, text));
        text += 1;
      }
      into.push(value);
    }
  }

  #eachOf(side: Side | undefined, from: number, to: number, each: (row: number, text: number) => void): void {
    if (!side) return;
    let n = countBits(this.#bytes, side.bitmap, from);
    for (let row = from; row < to; row += 1) {
      if (!bitAt(this.#bytes, side.bitmap, row)) continue;
      each(row, this.#unsigned(side.indices.at, side.indices.width, n));
      n += 1;
    }
  }

  #isPresent(row: number): boolean {
    return this.#present === 0 || bitAt(this.#bytes, this.#present, row);
  }

  #unsigned(at: number, width: number, index: number): number {
    if (width === WIDTH_ONE) return this.#bytes[at + index] as number;
    return width === WIDTH_TWO
      ? this.#view.getUint16(at + index * 2, true)
      : this.#view.getUint32(at + index * 4, true);
  }
}
