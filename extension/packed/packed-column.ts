import { displayOf } from "@sheetwire/shared/grid";
import type { Cell, CellValue, RichCell } from "@sheetwire/shared/protocol";
import type { CsvWriter } from "./csv-writer.ts";
import {
  bitmapBytes,
  BOOLEANS,
  bytesOfWidth,
  COLUMN_HAS_DISPLAYS,
  COLUMN_HAS_ERRORS,
  COLUMN_HAS_FORMULAS,
  COLUMN_HAS_GAPS,
  MIXED,
  MIXED_NO,
  MIXED_NUMBER,
  MIXED_TEXT,
  MIXED_YES,
  NUMBERS,
  SCALES,
  TEXTS,
  WIDTH_FLOAT,
  WIDTH_ONE,
  WIDTH_TWO,
} from "./format.ts";

export type TextAt = (index: number) => string;

/** Numbers or places of texts: where they begin and how they are written. */
type Numbers = { at: number; width: number; base: number; scale: number; decimals: number };
type Indices = { at: number; width: number };
/** A bitmap over all rows, and a text for each bit that is set. */
type Side = { bitmap: number; indices: Indices };

/** One column of a block. Only cells that hold something have a value; a bitmap says which. */
export class PackedColumn {
  readonly kind: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #textAt: TextAt;
  readonly #rowCount: number;
  /** Where the bitmap of cells that hold something begins; 0 when all do. */
  readonly #present: number = 0;
  /** Bitmap of checkboxes, or kinds of a mixed column. */
  readonly #plain: number = 0;
  readonly #numbers: Numbers | undefined;
  readonly #indices: Indices | undefined;
  readonly formulas: Side | undefined;
  readonly displays: Side | undefined;
  readonly errors: Side | undefined;

  constructor(bytes: Uint8Array, view: DataView, at: number, rowCount: number, textAt: TextAt) {
    this.#bytes = bytes;
    this.#view = view;
    this.#rowCount = rowCount;
    this.#textAt = textAt;
    this.kind = bytes[at] as number;
    const flags = bytes[at + 1] as number;
    let next = at + 4;
    const bitmap = (count: number): number => {
      const from = next;
      next += bitmapBytes(count);
      return from;
    };
    const numbers = (count: number): Numbers => {
      const width = bytes[next] as number;
      const decimals = bytes[next + 1] as number;
      const scale = SCALES[decimals] ?? 1;
      next = aligned(next + 2, 8);
      const isFloat = width === WIDTH_FLOAT;
      const base = isFloat ? 0 : view.getFloat64(next, true);
      if (!isFloat) next += 8;
      const from = next;
      next += count << width;
      return { at: from, width, base, scale, decimals };
    };
    const indices = (count: number): Indices => {
      const width = bytes[next] as number;
      next = aligned(next + 1, bytesOfWidth(width));
      const from = next;
      next += count << width;
      return { at: from, width };
    };
    const side = (): Side => {
      const from = bitmap(rowCount);
      return { bitmap: from, indices: indices(this.#countBits(from, rowCount)) };
    };
    let count = rowCount;
    if ((flags & COLUMN_HAS_GAPS) !== 0) {
      this.#present = bitmap(rowCount);
      count = this.#countBits(this.#present, rowCount);
    }
    if (this.kind === BOOLEANS) this.#plain = bitmap(count);
    else if (this.kind === NUMBERS) this.#numbers = numbers(count);
    else if (this.kind === TEXTS) this.#indices = indices(count);
    else {
      this.#plain = next;
      next += count;
      const [numberCount, textCount] = this.#mixedBefore(count);
      this.#numbers = numbers(numberCount);
      this.#indices = indices(textCount);
    }
    if ((flags & COLUMN_HAS_FORMULAS) !== 0) this.formulas = side();
    if ((flags & COLUMN_HAS_DISPLAYS) !== 0) this.displays = side();
    if ((flags & COLUMN_HAS_ERRORS) !== 0) this.errors = side();
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
    let n = hasGaps ? this.#countBits(this.#present, from) : from;
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
        into.showBoolean(row - from, column, this.#bit(this.#plain, n));
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
    let [number, text] = this.#mixedBefore(first);
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
    let n = this.#present === 0 ? from : this.#countBits(this.#present, from);
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
          into.push(this.#bit(this.#plain, n));
          n += 1;
        }
      }
    } else this.#readMixed(from, to, n, into);
  }

  #readMixed(from: number, to: number, first: number, into: Cell[]): void {
    const bytes = this.#bytes;
    let n = first;
    let [number, text] = this.#mixedBefore(first);
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

  /** How many numbers and texts a mixed column has among its first values. */
  #mixedBefore(count: number): [numbers: number, texts: number] {
    let [numbers, texts] = [0, 0];
    for (let n = 0; n < count; n += 1) {
      const kind = this.#bytes[this.#plain + n];
      if (kind === MIXED_NUMBER) numbers += 1;
      else if (kind === MIXED_TEXT) texts += 1;
    }
    return [numbers, texts];
  }

  #eachOf(side: Side | undefined, from: number, to: number, each: (row: number, text: number) => void): void {
    if (!side) return;
    let n = this.#countBits(side.bitmap, from);
    for (let row = from; row < to; row += 1) {
      if (!this.#bit(side.bitmap, row)) continue;
      each(row, this.#unsigned(side.indices.at, side.indices.width, n));
      n += 1;
    }
  }

  #isPresent(row: number): boolean {
    return this.#present === 0 || this.#bit(this.#present, row);
  }

  #bit(bitmap: number, index: number): boolean {
    return ((this.#bytes[bitmap + (index >> 3)] as number) & (1 << (index & 7))) !== 0;
  }

  #countBits(bitmap: number, end: number): number {
    let count = 0;
    for (let index = 0; index < end; index += 1) if (this.#bit(bitmap, index)) count += 1;
    return count;
  }

  #unsigned(at: number, width: number, index: number): number {
    if (width === WIDTH_ONE) return this.#bytes[at + index] as number;
    return width === WIDTH_TWO
      ? this.#view.getUint16(at + index * 2, true)
      : this.#view.getUint32(at + index * 4, true);
  }
}

const aligned = (at: number, to: number): number => Math.ceil(at / to) * to;
