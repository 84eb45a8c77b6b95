import { canonicalCell, isRich } from "@sheetwire/shared/grid";
import type { Cell, CellValue, RichCell, Row } from "@sheetwire/shared/protocol";
import {
  BLOCK_HAS_UNKNOWN,
  BLOCK_HEAP_IS_UTF16,
  bytesOfWidth,
  COLUMN_HAS_DISPLAYS,
  COLUMN_HAS_ERRORS,
  COLUMN_HAS_FORMULAS,
  COLUMN_HAS_GAPS,
  FORMAT,
  HEADER_BYTES,
  kinds,
  LENGTH_WIDTH_SHIFT,
  mixedKinds,
  SCALES,
  widths,
} from "./format.ts";
import { ByteWriter } from "./byte-writer.ts";

const encoder = new TextEncoder();
/** Written into again and again: packing is not done by two at once. */
const writer = new ByteWriter();

/** Packs rows as the mirror keeps them: canonical, trailing blanks dropped, null where a row is unknown. */
export function packRows(rows: readonly (Row | null)[]): Uint8Array<ArrayBuffer> {
  if (rows.length > 0xffff) throw new Error(`${rows.length} rows do not fit into one block.`);
  let columns = 0;
  let hasUnknown = false;
  for (const row of rows) {
    if (row === null) hasUnknown = true;
    else if (row.length > columns) columns = row.length;
  }
  const texts = new Texts();
  writer.reset();
  writer.skip(HEADER_BYTES + columns * 4);
  if (hasUnknown) writer.bits(rows.map((row) => row === null));
  const column: Cell[] = Array.from({ length: rows.length }, () => null);
  let used = 0;
  for (let c = 0; c < columns; c += 1) {
    let present = 0;
    for (let r = 0; r < rows.length; r += 1) {
      const raw = rows[r]?.[c];
      const cell =
        raw === undefined || raw === null || raw === ""
          ? null
          : typeof raw === "object"
            ? canonicalCell(raw)
            : raw === 0
              ? 0
              : raw;
      column[r] = cell;
      if (cell !== null) present += 1;
    }
    if (present === 0) continue;
    used = c + 1;
    const at = packColumn(column, present, texts);
    writer.u32At(HEADER_BYTES + c * 4, at);
  }
  finish(rows.length, columns, used, hasUnknown, texts);
  return writer.done();
}

function finish(rows: number, columns: number, used: number, hasUnknown: boolean, texts: Texts): void {
  const { list } = texts;
  let longest = 0;
  for (const text of list) if (text.length > longest) longest = text.length;
  const lengthWidth = narrowest(longest);
  const lengthsAt = writer.align(bytesOfWidth(lengthWidth));
  writer.unsigned(
    list.map((text) => text.length),
    lengthWidth,
  );
  const heap = list.join("");
  // A lone surrogate has no UTF-8, and neighbours could make a pair out of two.
  const isUtf16 = !list.every((text) => text.isWellFormed());
  let heapAt: number;
  let heapBytes: number;
  if (isUtf16) {
    heapAt = writer.align(2);
    heapBytes = heap.length * 2;
    writer.utf16(heap);
  } else {
    heapAt = writer.at;
    heapBytes = writer.utf8(heap, encoder);
  }
  writer.u8At(0, FORMAT);
  const flags = (hasUnknown ? BLOCK_HAS_UNKNOWN : 0) | (isUtf16 ? BLOCK_HEAP_IS_UTF16 : 0);
  writer.u8At(1, flags | (lengthWidth << LENGTH_WIDTH_SHIFT));
  writer.u16At(2, rows);
  // Columns behind the last one that holds something keep their entry in the table, and say that they are blank.
  writer.u32At(4, columns);
  writer.u32At(8, list.length);
  writer.u32At(12, lengthsAt);
  writer.u32At(16, heapAt);
  writer.u32At(20, heapBytes);
  if (used > columns) throw new Error("A column stands behind the last.");
}

/** So many texts at a column's beginning are all new: then the rest of it is taken to be new, too. */
const ALL_NEW_AFTER = 32;

/** Each text once, in the order in which they came; columns in which hardly any comes twice are not looked through. */
class Texts {
  readonly list: string[] = [];
  readonly #known = new Map<string, number>();

  indexOf(text: string): number {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const index = this.list.length;
    this.list.push(text);
    this.#known.set(text, index);
    return index;
  }

  indicesOf(all: readonly string[]): number[] {
    const indices: number[] = [];
    const before = this.list.length;
    for (let n = 0; n < all.length; n += 1) {
      const text = all[n] as string;
      if (n < ALL_NEW_AFTER || this.list.length < before + n) indices.push(this.indexOf(text));
      else {
        indices.push(this.list.length);
        this.list.push(text);
      }
    }
    return indices;
  }
}

const kindOf = (value: CellValue): number =>
  typeof value === "number" ? kinds.numbers : typeof value === "string" ? kinds.texts : kinds.booleans;

/** What is there of the column at work. One list for all columns: packing is not done by two at once. */
const held: CellValue[] = [];

/** Writes one column that holds something, and answers where it begins. */
function packColumn(column: readonly Cell[], present: number, texts: Texts): number {
  let kind = 0;
  let isRichColumn = false;
  held.length = 0;
  for (let r = 0; r < column.length; r += 1) {
    const cell = column[r] as Cell;
    if (cell === null) continue;
    const isRichCell = typeof cell === "object";
    if (isRichCell) isRichColumn = true;
    const value = isRichCell ? cell.v : cell;
    held.push(value);
    if (kind === kinds.mixed) continue;
    const mine = value === null ? kinds.mixed : kindOf(value);
    if (kind === 0) kind = mine;
    else if (kind !== mine) kind = kinds.mixed;
  }
  const hasGaps = present < column.length;
  const at = writer.align(4);
  writer.u8(kind);
  const flagsAt = writer.at;
  writer.u8(0);
  writer.u16(0);
  let flags = hasGaps ? COLUMN_HAS_GAPS : 0;
  if (hasGaps) writer.bits(column.map((cell) => cell !== null));
  if (kind === kinds.booleans) writer.bits(held.map((value) => value === true));
  else if (kind === kinds.numbers) packNumbers(held as number[]);
  else if (kind === kinds.texts) packIndices(texts.indicesOf(held as string[]));
  else packMixed(held, texts);
  if (isRichColumn) {
    flags |= packSide(column, "f", texts) ? COLUMN_HAS_FORMULAS : 0;
    flags |= packSide(column, "d", texts) ? COLUMN_HAS_DISPLAYS : 0;
    flags |= packSide(column, "e", texts) ? COLUMN_HAS_ERRORS : 0;
  }
  writer.u8At(flagsAt, flags);
  return at;
}

function packMixed(values: readonly CellValue[], texts: Texts): void {
  const numbers: number[] = [];
  const indices: number[] = [];
  for (const value of values) {
    if (value === null) writer.u8(mixedKinds.blank);
    else if (value === true) writer.u8(mixedKinds.yes);
    else if (value === false) writer.u8(mixedKinds.no);
    else if (typeof value === "number") {
      writer.u8(mixedKinds.number);
      numbers.push(value);
    } else {
      writer.u8(mixedKinds.text);
      indices.push(texts.indexOf(value));
    }
  }
  packNumbers(numbers);
  packIndices(indices);
}

/** Formulas, displays or errors: a bitmap over all rows, then where in the heap each of them stands. */
function packSide(column: readonly Cell[], key: keyof Omit<RichCell, "v">, texts: Texts): boolean {
  const said: string[] = [];
  const has = column.map((cell) => {
    const text = cell !== null && isRich(cell) ? cell[key] : undefined;
    if (text === undefined) return false;
    said.push(text);
    return true;
  });
  if (said.length === 0) return false;
  writer.bits(has);
  packIndices(texts.indicesOf(said));
  return true;
}

function packIndices(indices: readonly number[]): void {
  let most = 0;
  for (const index of indices) if (index > most) most = index;
  const width = narrowest(most);
  writer.u8(width);
  writer.align(bytesOfWidth(width));
  writer.unsigned(indices, width);
}

const narrowest = (most: number): number => (most <= 0xff ? widths.one : most <= 0xffff ? widths.two : widths.four);

/** Whole numbers from a base on, where there is a power of ten that makes all of them whole; else floats. */
function packNumbers(numbers: readonly number[]): void {
  const count = numbers.length;
  if (packIntegers(numbers)) return;
  let scaleIndex = 0;
  for (let n = 0; n < count; n += 1) {
    const number = numbers[n] as number;
    while (scaleIndex < SCALES.length && !isWholeAt(number, SCALES[scaleIndex] as number)) scaleIndex += 1;
    if (scaleIndex === SCALES.length) break;
  }
  // A number that was whole at a smaller scale need not come back exactly at a larger one.
  const scale = SCALES[scaleIndex];
  let base = Infinity;
  let top = -Infinity;
  let isWhole = scale !== undefined;
  if (scale !== undefined) {
    for (let n = 0; n < count; n += 1) {
      const number = numbers[n] as number;
      if (!isWholeAt(number, scale)) {
        isWhole = false;
        break;
      }
      const whole = Math.round(number * scale);
      if (whole < base) base = whole;
      if (whole > top) top = whole;
    }
  }
  if (!isWhole || scale === undefined || count === 0 || top - base > 0xffffffff) {
    writer.u8(widths.float);
    writer.u8(0);
    writer.align(8);
    writer.floats(numbers);
    return;
  }
  const width = narrowest(top - base);
  writer.u8(width);
  writer.u8(scaleIndex);
  writer.align(8);
  writer.f64(base);
  writer.scaled(numbers, scale, base, width);
}

/** Most columns of numbers are integers of 32 bits: told with one comparison each. */
function packIntegers(numbers: readonly number[]): boolean {
  let base = Infinity;
  let top = -Infinity;
  for (let n = 0; n < numbers.length; n += 1) {
    const number = numbers[n] as number;
    if ((number | 0) !== number) return false;
    if (number < base) base = number;
    if (number > top) top = number;
  }
  if (numbers.length === 0) return false;
  const width = narrowest(top - base);
  writer.u8(width);
  writer.u8(0);
  writer.align(8);
  writer.f64(base);
  writer.scaled(numbers, 1, base, width);
  return true;
}

const isWholeAt = (number: number, scale: number): boolean => {
  const whole = Math.round(number * scale);
  return whole / scale === number && whole <= Number.MAX_SAFE_INTEGER && whole >= Number.MIN_SAFE_INTEGER;
};
