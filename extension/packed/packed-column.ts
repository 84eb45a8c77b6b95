import { displayOf, plainRendering } from "@sheetwire/shared/grid";
import type { Cell, CellValue, RichCell } from "@sheetwire/shared/protocol";
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
type Numbers = { at: number; width: number; base: number; scale: number };
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
      const scale = SCALES[bytes[next + 1] as number] ?? 1;
      next = aligned(next + 2, 8);
      const isFloat = width === WIDTH_FLOAT;
      const base = isFloat ? 0 : view.getFloat64(next, true);
      if (!isFloat) next += 8;
      const from = next;
      next += count << width;
      return { at: from, width, base, scale };
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
      let [numberCount, textCount] = [0, 0];
      for (let n = 0; n < count; n += 1) {
        const kind = bytes[this.#plain + n];
        if (kind === MIXED_NUMBER) numberCount += 1;
        else if (kind === MIXED_TEXT) textCount += 1;
      }
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
    this.#eachOf(this.formulas, from, to, (row, text) => rich(row, { f: text }));
    this.#eachOf(this.displays, from, to, (row, text) => rich(row, { d: text }));
    this.#eachOf(this.errors, from, to, (row, text) => rich(row, { e: text }));
  }

  /**
   * Adds what a person sees in each cell of some rows, null where nothing is. `textOf` gives a text of the heap, as it is
   * to be written.
   */
  readDisplays(from: number, to: number, textOf: TextAt, into: (string | null)[]): void {
    const start = into.length;
    if (this.kind === TEXTS && this.#indices) {
      const { at, width } = this.#indices;
      let n = this.#present === 0 ? from : this.#countBits(this.#present, from);
      for (let row = from; row < to; row += 1) {
        if (this.#isPresent(row)) {
          into.push(textOf(this.#unsigned(at, width, n)));
          n += 1;
        } else into.push(null);
      }
    } else {
      const values: Cell[] = [];
      this.#readValues(from, to, values, textOf);
      for (let n = 0; n < values.length; n += 1) {
        const value = values[n] as CellValue;
        into.push(
          typeof value === "string"
            ? value
            : value === null
              ? this.#isPresent(from + n)
                ? ""
                : null
              : plainRendering(value),
        );
      }
    }
    this.#eachOf(this.errors, from, to, (row, text) => (into[start + row - from] = text), textOf);
    this.#eachOf(this.displays, from, to, (row, text) => (into[start + row - from] = text), textOf);
  }

  /** Calls with each cell that contains `wanted`. `found` are the texts that do, of the block's heap. */
  search(
    wanted: string,
    found: Uint8Array | undefined,
    onlyTexts: boolean,
    emit: (row: number, cell: Cell) => void,
  ): void {
    if (this.formulas || this.displays || this.errors) {
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
    if (onlyTexts && this.kind !== MIXED) return;
    this.#searchRich(wanted, emit);
  }

  #searchRich(wanted: string, emit: (row: number, cell: Cell) => void): void {
    const cells: Cell[] = [];
    this.read(0, this.#rowCount, cells);
    for (let row = 0; row < cells.length; row += 1) {
      const cell = cells[row] as Cell;
      if (cell === null) continue;
      const isRich = typeof cell === "object";
      if (displayOf(cell).toLowerCase().includes(wanted)) emit(row, cell);
      else if (isRich && cell.f !== undefined && cell.f.toLowerCase().includes(wanted)) emit(row, cell);
    }
  }

  #readValues(from: number, to: number, into: Cell[], textAt: TextAt = this.#textAt): void {
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
          into.push(textAt(this.#unsigned(at, width, n)));
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
    } else this.#readMixed(from, to, n, into, textAt);
  }

  #readMixed(from: number, to: number, first: number, into: Cell[], textAt: TextAt): void {
    const bytes = this.#bytes;
    let [n, number, text] = [first, 0, 0];
    for (let before = 0; before < first; before += 1) {
      const kind = bytes[this.#plain + before];
      if (kind === MIXED_NUMBER) number += 1;
      else if (kind === MIXED_TEXT) text += 1;
    }
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
        value = textAt(this.#unsigned(this.#indices.at, this.#indices.width, text));
        text += 1;
      }
      into.push(value);
    }
  }

  #eachOf(
    side: Side | undefined,
    from: number,
    to: number,
    each: (row: number, text: string) => void,
    textAt: TextAt = this.#textAt,
  ): void {
    if (!side) return;
    let n = this.#countBits(side.bitmap, from);
    for (let row = from; row < to; row += 1) {
      if (!this.#bit(side.bitmap, row)) continue;
      each(row, textAt(this.#unsigned(side.indices.at, side.indices.width, n)));
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
