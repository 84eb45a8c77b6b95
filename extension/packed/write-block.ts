import {
  BLOCK_HAS_UNKNOWN,
  BLOCK_HEAP_IS_UTF16,
  BOOLEANS,
  bytesOfWidth,
  COLUMN_HAS_DISPLAYS,
  COLUMN_HAS_ERRORS,
  COLUMN_HAS_FORMULAS,
  COLUMN_HAS_GAPS,
  FORMAT,
  HEADER_BYTES,
  LENGTH_WIDTH_SHIFT,
  MIXED,
  MIXED_BLANK,
  NUMBERS,
  SCALES,
  TEXTS,
  WIDTH_FLOAT,
  WIDTH_FOUR,
  WIDTH_ONE,
  WIDTH_TWO,
} from "./format.ts";
import { ByteWriter } from "./byte-writer.ts";
import {
  BLANK,
  columns,
  HAS_DISPLAY,
  HAS_ERROR,
  HAS_FORMULA,
  hasUnknown,
  heap,
  isWellFormed,
  KIND_MASK,
  kinds,
  NO,
  NOTHING,
  NUMBER,
  sides,
  sideTexts,
  stride,
  TEXT,
  textCount,
  texts,
  unknown,
  values,
  YES,
} from "./gathered.ts";
import { TextList } from "./text-list.ts";

/** Written into again and again, as are the lists below: packing is not done by two at once. */
const writer = new ByteWriter();
const list = new TextList();
/** What is there of the column at work. */
let marks = new Uint8Array(256);
let numbers = new Float64Array(256);
let which = new Int32Array(256);

/** The block of what is gathered, as README.md says. */
export function writeBlock(rows: number): Uint8Array<ArrayBuffer> {
  if (rows > 0xffff) throw new Error(`${rows} rows do not fit into one block.`);
  if (rows > marks.length) {
    marks = new Uint8Array(rows);
    numbers = new Float64Array(rows);
    which = new Int32Array(rows);
  }
  writer.reset();
  writer.skip(HEADER_BYTES + columns * 4);
  list.begin(textCount);
  if (hasUnknown) writer.bits(unknown, rows);
  for (let column = 0; column < columns; column += 1) {
    const at = writeColumn(column, rows);
    if (at !== 0) writer.u32At(HEADER_BYTES + column * 4, at);
  }
  finish(rows);
  return writer.done();
}

function finish(rows: number): void {
  const { count, lengths, longest } = list.finish();
  const lengthWidth = narrowest(longest);
  const lengthsAt = writer.align(bytesOfWidth(lengthWidth));
  writer.unsigned(lengths, count, lengthWidth);
  // A lone surrogate has no UTF-8, and neighbours could make a pair out of two.
  const isUtf16 = !isWellFormed;
  const heapAt = isUtf16 ? writer.align(2) : writer.at;
  for (let n = 0; n < count; n += 1) {
    const text = list.textOf(n);
    const from = texts[text * 4] as number;
    const bytes = texts[text * 4 + 1] as number;
    if (isUtf16) writer.utf16(heap, from, bytes);
    else writer.copy(heap, from, bytes);
  }
  writer.u8At(0, FORMAT);
  const flags = (hasUnknown ? BLOCK_HAS_UNKNOWN : 0) | (isUtf16 ? BLOCK_HEAP_IS_UTF16 : 0);
  writer.u8At(1, flags | (lengthWidth << LENGTH_WIDTH_SHIFT));
  writer.u16At(2, rows);
  // Columns behind the last one that holds something keep their entry in the table, and say that they are blank.
  writer.u32At(4, columns);
  writer.u32At(8, count);
  writer.u32At(12, lengthsAt);
  writer.u32At(16, heapAt);
  writer.u32At(20, writer.at - heapAt);
}

/** Writes one column that holds something, and answers where it begins; 0 for a blank one. */
function writeColumn(column: number, rows: number): number {
  const all = kinds;
  const first = column * stride;
  let seen = 0;
  let said = 0;
  let present = 0;
  for (let at = first; at < first + rows; at += 1) {
    const cell = all[at] as number;
    if (cell === NOTHING) continue;
    present += 1;
    said |= cell;
    seen |= 1 << (cell & KIND_MASK);
  }
  if (present === 0) return 0;
  const kind = kindOf(seen);
  const at = writer.align(4);
  writer.u8(kind);
  const flagsAt = writer.at;
  writer.u8(0);
  writer.u16(0);
  let flags = 0;
  if (present < rows) {
    flags = COLUMN_HAS_GAPS;
    for (let r = 0; r < rows; r += 1) marks[r] = all[first + r] === NOTHING ? 0 : 1;
    writer.bits(marks, rows);
  }
  if (kind === BOOLEANS) writeBooleans(first, rows);
  else if (kind === MIXED) writeMixed(first, rows);
  else writeValues(first, rows, kind);
  if (said & HAS_FORMULA) flags |= writeSide(first, rows, HAS_FORMULA, COLUMN_HAS_FORMULAS);
  if (said & HAS_DISPLAY) flags |= writeSide(first, rows, HAS_DISPLAY, COLUMN_HAS_DISPLAYS);
  if (said & HAS_ERROR) flags |= writeSide(first, rows, HAS_ERROR, COLUMN_HAS_ERRORS);
  writer.u8At(flagsAt, flags);
  return at;
}

/** What a column is whose cells' kinds are these, a bit each. */
function kindOf(seen: number): number {
  if ((seen & ~((1 << NO) | (1 << YES))) === 0) return BOOLEANS;
  if (seen === 1 << NUMBER) return NUMBERS;
  return seen === 1 << TEXT ? TEXTS : MIXED;
}

function writeBooleans(first: number, rows: number): void {
  const all = kinds;
  let count = 0;
  for (let at = first; at < first + rows; at += 1) {
    if (all[at] === NOTHING) continue;
    marks[count] = ((all[at] as number) & KIND_MASK) === YES ? 1 : 0;
    count += 1;
  }
  writer.bits(marks, count);
}

/** Numbers or texts: a column of one kind. */
function writeValues(first: number, rows: number, kind: number): void {
  const all = kinds;
  const isNumbers = kind === NUMBERS;
  const into = isNumbers ? numbers : which;
  let count = 0;
  for (let at = first; at < first + rows; at += 1) {
    if (all[at] === NOTHING) continue;
    into[count] = values[at] as number;
    count += 1;
  }
  if (isNumbers) writeNumbers(count);
  else writeIndices(list.indicesOf(which, count), count);
}

function writeMixed(first: number, rows: number): void {
  const all = kinds;
  let numberCount = 0;
  let wordCount = 0;
  for (let at = first; at < first + rows; at += 1) {
    const cell = all[at] as number;
    if (cell === NOTHING) continue;
    const kind = cell & KIND_MASK;
    writer.u8(kind === BLANK ? MIXED_BLANK : kind);
    if (kind === NUMBER) {
      numbers[numberCount] = values[at] as number;
      numberCount += 1;
    } else if (kind === TEXT) {
      which[wordCount] = list.indexOf(values[at] as number);
      wordCount += 1;
    }
  }
  writeNumbers(numberCount);
  writeIndices(which, wordCount);
}

/** Formulas, displays or errors: a bitmap over all rows, then where in the heap each of them stands. Answers their flag. */
function writeSide(first: number, rows: number, side: number, flag: number): number {
  const all = kinds;
  let count = 0;
  for (let r = 0; r < rows; r += 1) {
    const cell = all[first + r] as number;
    const has = (cell & side) !== 0;
    marks[r] = has ? 1 : 0;
    if (!has) continue;
    let place = sides[first + r] as number;
    if (side > HAS_FORMULA && cell & HAS_FORMULA) place += 1;
    if (side > HAS_DISPLAY && cell & HAS_DISPLAY) place += 1;
    which[count] = sideTexts[place] as number;
    count += 1;
  }
  writer.bits(marks, rows);
  writeIndices(list.indicesOf(which, count), count);
  return flag;
}

function writeIndices(indices: Int32Array, count: number): void {
  let most = 0;
  for (let n = 0; n < count; n += 1) if ((indices[n] as number) > most) most = indices[n] as number;
  const width = narrowest(most);
  writer.u8(width);
  writer.align(bytesOfWidth(width));
  writer.unsigned(indices, count, width);
}

const narrowest = (most: number): number => (most <= 0xff ? WIDTH_ONE : most <= 0xffff ? WIDTH_TWO : WIDTH_FOUR);

/** Whole numbers from a base on, where there is a power of ten that makes all of them whole; else floats. */
function writeNumbers(count: number): void {
  const areIntegers = count > 0 && areShortIntegers(count);
  let scaleIndex = areIntegers ? 0 : scaleOf(count);
  const scale = SCALES[scaleIndex];
  let base = Infinity;
  let top = -Infinity;
  if (scale !== undefined) {
    for (let n = 0; n < count; n += 1) {
      const number = numbers[n] as number;
      // A number that was whole at a smaller scale need not come back exactly at a larger one.
      if (!areIntegers && !isWholeAt(number, scale)) scaleIndex = SCALES.length;
      const whole = Math.round(number * scale);
      if (whole < base) base = whole;
      if (whole > top) top = whole;
    }
  }
  if (count === 0 || scale === undefined || scaleIndex === SCALES.length || top - base > 0xffffffff) {
    writer.u8(WIDTH_FLOAT);
    writer.u8(0);
    writer.align(8);
    writer.floats(numbers, count);
    return;
  }
  const width = narrowest(top - base);
  writer.u8(width);
  writer.u8(scaleIndex);
  writer.align(8);
  writer.f64(base);
  writer.scaled(numbers, count, scale, base, width);
}

/** Most columns of numbers are integers of 32 bits: told with one comparison each. */
function areShortIntegers(count: number): boolean {
  for (let n = 0; n < count; n += 1) if (((numbers[n] as number) | 0) !== numbers[n]) return false;
  return true;
}

/** The first scale at which no number is left that is not whole at it or a smaller one. */
function scaleOf(count: number): number {
  let scaleIndex = 0;
  for (let n = 0; n < count && scaleIndex < SCALES.length; n += 1) {
    while (scaleIndex < SCALES.length && !isWholeAt(numbers[n] as number, SCALES[scaleIndex] as number))
      scaleIndex += 1;
  }
  return scaleIndex;
}

const isWholeAt = (number: number, scale: number): boolean => {
  const whole = Math.round(number * scale);
  return whole / scale === number && whole <= Number.MAX_SAFE_INTEGER && whole >= Number.MIN_SAFE_INTEGER;
};
