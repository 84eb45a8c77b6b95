/**
 * The cells of one block before it is written: typed arrays, column by column, which the next block uses again, for packing
 * is not done by two at once. A text is bytes of a heap, each text once: UTF-8, in which a lone surrogate is written as
 * three bytes like any other character of its size. Cells are put here canonical.
 */

/** What a cell is: the kind of its value, and flags for what is said beside it. A blank has a formula, or the like. */
export const NOTHING = 0;
export const NO = 1;
export const YES = 2;
export const NUMBER = 3;
export const TEXT = 4;
export const BLANK = 5;
export const KIND_MASK = 7;
export const HAS_FORMULA = 8;
export const HAS_DISPLAY = 16;
export const HAS_ERROR = 32;

/** What is kept for the next block; more than that was an unusual one's. */
const KEPT_CELLS = 32 * 1024;
const KEPT_TEXTS = 8 * 1024;
const KEPT_BYTES = 1024 * 1024;
const LEAST_BYTES = 64 * 1024;
const FEWEST_SLOTS = 2_048;
const HASH_PRIME = 0x01000193;

export let columns = 0;
export let hasUnknown = false;
/** False where a text has a lone surrogate. */
export let isWellFormed = true;
/** From one column's cell to the next one's: that of row r and column c is at `c * stride + r`. */
export let stride = 1;
export let columnsRoom = 0;
/** What is kept is made with the first block: most that start are not there to pack. */
export let kinds = new Uint8Array();
/** The number that a cell holds, or which text. */
export let values = new Float64Array();
/** Where there are a formula, a display or an error: the place of the first of them in `sideTexts`. */
export let sides = new Int32Array();
/** Which texts formulas, displays and errors are; those of a cell follow each other in that order. */
export let sideTexts = new Int32Array(256);
export let sideCount = 0;
/** 1 for a row that is unknown. */
export let unknown = new Uint8Array(256);
export let textCount = 0;
/** Four numbers of each text: where in the heap, how many bytes, how many UTF-16 units, and one that equal texts share. */
export let texts = new Int32Array(1_024);
/** Open addressing: texts counted from 1, under their hashes; never more than half full. */
let table = new Int32Array(FEWEST_SLOTS);
export let heap = new Uint8Array();
let words = new DataView(heap.buffer);
let heapUsed = 0;

/** Makes room in the heap, where nothing is needed any more. */
export function clearHeap(bytes: number): void {
  heapUsed = 0;
  const needed = Math.max(bytes, LEAST_BYTES);
  if (heap.length > KEPT_BYTES || heap.length < needed) replaceHeap(needed);
}

function replaceHeap(bytes: number): void {
  heap = new Uint8Array(bytes);
  words = new DataView(heap.buffer);
}

/** Begins a block of so many rows at most. What texts of earlier blocks took of the heap stays until `clearHeap`. */
export function beginBlock(mostRows: number): void {
  if (kinds.length === 0 || kinds.length > KEPT_CELLS) {
    makeRoom(KEPT_CELLS);
    columns = 0;
  }
  kinds.fill(0, 0, columns * stride);
  if (table.length > KEPT_TEXTS * 2) table = new Int32Array(FEWEST_SLOTS);
  else table.fill(0);
  columns = textCount = sideCount = 0;
  hasUnknown = false;
  isWellFormed = true;
  // An odd number of steps between columns: powers of two would share the same few lines of the processor's cache.
  stride = mostRows | 1;
  columnsRoom = Math.floor(kinds.length / stride);
  if (unknown.length < mostRows) unknown = new Uint8Array(mostRows);
  unknown.fill(0, 0, mostRows);
}

export function addUnknownRow(row: number): void {
  hasUnknown = true;
  unknown[row] = 1;
}

/** Room for so many columns. */
export function widen(to: number): void {
  if (to <= columnsRoom) return;
  const before = [kinds, values, sides] as const;
  makeRoom(Math.max(to * stride, kinds.length * 2));
  kinds.set(before[0]);
  values.set(before[1]);
  sides.set(before[2]);
}

function makeRoom(cells: number): void {
  kinds = new Uint8Array(cells);
  values = new Float64Array(cells);
  sides = new Int32Array(cells);
  columnsRoom = Math.floor(cells / stride);
}

/** Something stands in so many columns. */
export function reachColumns(count: number): void {
  if (count > columns) columns = count;
}

/** Which text these bytes of the heap are. */
export function textOf(at: number, bytes: number, units: number): number {
  const view = words;
  const inWords = bytes & ~3;
  // FNV-1a, but four bytes at once, and then those that are left.
  let hash = bytes;
  for (let n = 0; n < inWords; n += 4) {
    hash = Math.imul(hash ^ view.getInt32(at + n, true), HASH_PRIME);
    hash ^= hash >>> 15;
  }
  for (let n = inWords; n < bytes; n += 1) hash = Math.imul(hash ^ (heap[at + n] as number), HASH_PRIME);
  const mask = table.length - 1;
  let slot = (hash ^ (hash >>> 15)) & mask;
  for (;;) {
    const known = (table[slot] as number) - 1;
    if (known < 0) break;
    if (texts[known * 4 + 3] === hash && texts[known * 4 + 1] === bytes) {
      const other = texts[known * 4] as number;
      let n = 0;
      while (n < bytes && heap[at + n] === heap[other + n]) n += 1;
      if (n === bytes) return known;
    }
    slot = (slot + 1) & mask;
  }
  const text = textCount;
  if (text * 4 === texts.length) texts = doubled(texts);
  texts[text * 4] = at;
  texts[text * 4 + 1] = bytes;
  texts[text * 4 + 2] = units;
  texts[text * 4 + 3] = hash;
  textCount = text + 1;
  table[slot] = text + 1;
  if (textCount * 2 > table.length) growTable();
  return text;
}

function growTable(): void {
  table = new Int32Array(table.length * 4);
  const mask = table.length - 1;
  for (let text = 0; text < textCount; text += 1) {
    const hash = texts[text * 4 + 3] as number;
    let slot = (hash ^ (hash >>> 15)) & mask;
    while (table[slot] !== 0) slot = (slot + 1) & mask;
    table[slot] = text + 1;
  }
}

/** How many UTF-16 units a text has. */
export const unitsOf = (text: number): number => texts[text * 4 + 2] as number;

/** Which text this is; it is written into the heap. */
export function textOfString(text: string): number {
  const units = text.length;
  const from = heapUsed;
  if (from + units * 3 > heap.length) {
    const before = heap;
    replaceHeap(Math.max(from + units * 3, heap.length * 2));
    heap.set(before);
  }
  let at = from;
  for (let n = 0; n < units; n += 1) {
    const code = text.codePointAt(n) as number;
    if (code > 0xffff) n += 1;
    at = putCode(at, code);
  }
  const index = textOf(from, at - from, units);
  if (texts[index * 4] === from) heapUsed = at;
  return index;
}

export function addSide(text: number): void {
  if (sideCount === sideTexts.length) sideTexts = doubled(sideTexts);
  sideTexts[sideCount] = text;
  sideCount += 1;
}

function doubled(small: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const large = new Int32Array(small.length * 2);
  large.set(small);
  return large;
}

/** Writes one code point into the heap, and answers where the next one goes. */
export function putCode(from: number, code: number): number {
  let at = from;
  if (code < 0x80) heap[at] = code;
  else {
    if (code < 0x800) heap[at] = 0xc0 | (code >> 6);
    else {
      if (code < 0x10000) {
        if (code >= 0xd800 && code <= 0xdfff) isWellFormed = false;
        heap[at] = 0xe0 | (code >> 12);
      } else {
        heap[at] = 0xf0 | (code >> 18);
        heap[(at += 1)] = 0x80 | ((code >> 12) & 0x3f);
      }
      heap[(at += 1)] = 0x80 | ((code >> 6) & 0x3f);
    }
    heap[(at += 1)] = 0x80 | (code & 0x3f);
  }
  return at + 1;
}
