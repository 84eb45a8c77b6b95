import { plainRendering } from "@sheetwire/shared/grid";
import { limits } from "@sheetwire/shared/limits";
import {
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COMMA,
  LOWER_D,
  LOWER_E,
  LOWER_F,
  LOWER_N,
  NINE,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
} from "./ascii.ts";
import {
  addSide,
  addUnknownRow,
  beginBlock,
  BLANK,
  clearHeap,
  columnsRoom,
  HAS_DISPLAY,
  HAS_ERROR,
  HAS_FORMULA,
  hasUnknown,
  heap,
  kinds,
  NO,
  NOTHING,
  NUMBER,
  reachColumns,
  sideCount,
  sides,
  stride,
  TEXT,
  texts,
  unitsOf,
  values,
  widen,
  YES,
} from "./gathered.ts";
import { scanNumber } from "./scan-number.ts";
import { scanText } from "./scan-text.ts";
import { writeBlock } from "./write-block.ts";

/** Bytes behind a line that may be looked at: the first of them ends whatever is read. */
const BEHIND_BYTES = 16;
const LINE_END = 0x0a;

/** A number that is no cell's. */
const aside = new Float64Array(1);

/** Rows as one block. */
export type PackedRows = { packed: Uint8Array<ArrayBuffer>; rows: number; hasUnknown: boolean };

/** A line of a snapshot as blocks. */
export type PackedLine = { sheetId: number; fromRow: number; rows: number; blocks: PackedRows[] };

/**
 * Reads a line of a snapshot once, byte by byte, into the columns of its blocks; `blockRowsOf` says how many rows a block
 * of a sheet has. It knows the one way in which the relay writes a line of rows. Everything else, good or bad, is undefined.
 */
export function packLine(line: Uint8Array, blockRowsOf: (sheetId: number) => number): PackedLine | undefined {
  clearHeap(line.length + BEHIND_BYTES);
  heap.set(line);
  heap[line.length] = LINE_END;
  const packed = scan(line.length, blockRowsOf);
  // How far the last row went is not known, and what it left has to be wiped out.
  if (!packed) reachColumns(columnsRoom);
  return packed;
}

const HEAD = '{"sheetId":';
const FROM_ROW = ',"fromRow":';
const ROWS = ',"rows":[';

function scan(length: number, blockRowsOf: (sheetId: number) => number): PackedLine | undefined {
  if (!standsAt(0, HEAD)) return undefined;
  let at = scanIndex(HEAD.length);
  const sheetId = aside[0] as number;
  if (at < 0 || !standsAt(at, FROM_ROW)) return undefined;
  at = scanIndex(at + FROM_ROW.length);
  const fromRow = aside[0] as number;
  if (at < 0 || fromRow > limits.spreadsheetMaxCells || !standsAt(at, ROWS)) return undefined;
  at += ROWS.length;
  const mostRows = blockRowsOf(sheetId);
  const blocks: PackedRows[] = [];
  let rows = 0;
  for (;;) {
    beginBlock(mostRows);
    let inBlock = 0;
    let isLast = false;
    while (inBlock < mostRows && !isLast) {
      at = scanRow(at, inBlock);
      if (at < 0) return undefined;
      inBlock += 1;
      isLast = heap[at] !== COMMA;
      if (!isLast) at += 1;
    }
    rows += inBlock;
    blocks.push({ packed: writeBlock(inBlock), rows: inBlock, hasUnknown: hasUnknown });
    if (isLast) break;
  }
  return standsAt(at, "]}") && at + 2 === length ? { sheetId, fromRow, rows, blocks } : undefined;
}

/** A whole number from 0 on, aside. */
function scanIndex(from: number): number {
  const at = scanNumber(from, aside, 0);
  return at > 0 && Number.isSafeInteger(aside[0]) && (aside[0] as number) >= 0 ? at : -1;
}

/** Reads a row of the block, and answers where it ends. */
function scanRow(from: number, row: number): number {
  const bytes = heap;
  const step = stride;
  let at = from;
  if (bytes[at] !== OPEN_BRACKET) {
    if (!standsAt(at, "null")) return -1;
    addUnknownRow(row);
    return at + 4;
  }
  at += 1;
  if (bytes[at] === CLOSE_BRACKET) return at + 1;
  let column = 0;
  let place = row;
  for (;;) {
    if (column === columnsRoom) {
      if (column >= limits.sheetMaxColumns) return -1;
      widen(column + 1);
    }
    const byte = bytes[at] as number;
    if (byte === QUOTE) {
      const first = at + 1;
      at = scanText(first, values, place);
      // A text without characters is a blank.
      if (at !== first + 1) kinds[place] = TEXT;
    } else if (byte <= NINE) {
      kinds[place] = NUMBER;
      at = scanNumber(at, values, place);
    } else at = byte === OPEN_BRACE ? scanRich(at, place) : scanWord(at, place);
    if (at < 0) return -1;
    column += 1;
    place += step;
    if (bytes[at] !== COMMA) break;
    at += 1;
  }
  if (bytes[at] !== CLOSE_BRACKET || column > limits.sheetMaxColumns) return -1;
  reachColumns(column);
  return at + 1;
}

/** `null`, `true` or `false`. A blank leaves its place as it is. */
function scanWord(at: number, place: number): number {
  if (heap[at] === LOWER_N) return standsAt(at, "null") ? at + 4 : -1;
  if (standsAt(at, "true")) {
    kinds[place] = YES;
    return at + 4;
  }
  if (!standsAt(at, "false")) return -1;
  kinds[place] = NO;
  return at + 5;
}

const VALUE = '{"v":';

/** A cell that is more than its value: `{"v":…}` with f, d and e in this order, those that there are. */
function scanRich(from: number, place: number): number {
  if (!standsAt(from, VALUE)) return -1;
  let at = from + VALUE.length;
  const byte = heap[at] as number;
  if (byte === QUOTE) {
    kinds[place] = TEXT;
    at = scanText(at + 1, values, place);
  } else if (byte <= NINE) {
    kinds[place] = NUMBER;
    at = scanNumber(at, values, place);
  } else at = scanWord(at, place);
  if (at < 0) return -1;
  let said = 0;
  if (isKeyAt(at, LOWER_F)) {
    said |= HAS_FORMULA;
    at = scanText(at + KEY_LENGTH, beside, 0);
    if (at < 0) return -1;
  }
  if (isKeyAt(at, LOWER_D)) {
    said |= HAS_DISPLAY;
    at = scanText(at + KEY_LENGTH, beside, 1);
    if (at < 0) return -1;
  }
  if (isKeyAt(at, LOWER_E)) {
    said |= HAS_ERROR;
    at = scanText(at + KEY_LENGTH, beside, 2);
    if (at < 0 || unitsOf(beside[2] as number) > ERROR_MOST_CHARS) return -1;
  }
  if (heap[at] !== CLOSE_BRACE) return -1;
  settle(place, said);
  return at + 1;
}

/** Which texts are the formula, the display and the error of the cell that is read. */
const beside = new Float64Array(3);
const ERROR_MOST_CHARS = 32;
/** Of a key with its comma, its colon and the quote of its text. */
const KEY_LENGTH = 6;

/** Whether `,"f":"` stands there, of that letter. */
function isKeyAt(at: number, letter: number): boolean {
  return heap[at + 2] === letter && standsAt(at, ',"') && standsAt(at + 3, '":"');
}

/** Leaves of what a cell says what its one way of being written does: see `canonicalCell`. */
function settle(place: number, all: number): void {
  const formula = beside[0] as number;
  const display = beside[1] as number;
  const error = beside[2] as number;
  let said = all;
  if (said & HAS_DISPLAY && (said & HAS_ERROR ? display === error : isPlain(display, place))) said &= ~HAS_DISPLAY;
  const kind = kinds[place] as number;
  if (said === 0) {
    if (kind === TEXT && unitsOf(values[place] as number) === 0) kinds[place] = NOTHING;
    return;
  }
  kinds[place] = (kind === NOTHING ? BLANK : kind) | said;
  sides[place] = sideCount;
  if (said & HAS_FORMULA) addSide(formula);
  if (said & HAS_DISPLAY) addSide(display);
  if (said & HAS_ERROR) addSide(error);
}

/** Whether a display text is the plain rendering of its cell's value. */
function isPlain(display: number, place: number): boolean {
  const kind = kinds[place] as number;
  if (kind === TEXT) return display === values[place];
  const from = texts[display * 4] as number;
  const bytes = texts[display * 4 + 1] as number;
  let rendering = "";
  if (kind === YES) rendering = plainRendering(true);
  else if (kind === NO) rendering = plainRendering(false);
  else if (kind === NUMBER) {
    // A rendering is a JSON number of the same value: what is none needs not be compared.
    if (scanNumber(from, aside, 0) !== from + bytes || aside[0] !== values[place]) return false;
    rendering = plainRendering(values[place] as number);
  }
  return rendering.length === bytes && standsAt(from, rendering);
}

/** Whether exactly these characters stand there. */
function standsAt(at: number, text: string): boolean {
  for (let n = 0; n < text.length; n += 1) if (heap[at + n] !== text.charCodeAt(n)) return false;
  return true;
}
