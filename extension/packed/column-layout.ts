/** Where the parts of a column begin in the bytes of its block, as README.md has it. */
import {
  bitmapBytes,
  BOOLEANS,
  bytesOfWidth,
  COLUMN_HAS_DISPLAYS,
  COLUMN_HAS_ERRORS,
  COLUMN_HAS_FORMULAS,
  COLUMN_HAS_GAPS,
  MIXED_NUMBER,
  MIXED_TEXT,
  NUMBERS,
  SCALES,
  TEXTS,
  WIDTH_FLOAT,
} from "./format.ts";

/** Numbers or places of texts: where they begin and how they are written. */
export type Numbers = { at: number; width: number; base: number; scale: number; decimals: number };
type Indices = { at: number; width: number };
/** A bitmap over all rows, and a text for each bit that is set. */
export type Side = { bitmap: number; indices: Indices };

export type ColumnLayout = {
  kind: number;
  /** Where the bitmap of cells that hold something begins; 0 when all do. */
  present: number;
  /** Bitmap of checkboxes, or kinds of a mixed column. */
  plain: number;
  numbers: Numbers | undefined;
  indices: Indices | undefined;
  formulas: Side | undefined;
  displays: Side | undefined;
  errors: Side | undefined;
};

export function layoutOf(bytes: Uint8Array, view: DataView, at: number, rowCount: number): ColumnLayout {
  const kind = bytes[at] as number;
  const layout: ColumnLayout = {
    kind,
    present: 0,
    plain: 0,
    numbers: undefined,
    indices: undefined,
    formulas: undefined,
    displays: undefined,
    errors: undefined,
  };
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
    return { bitmap: from, indices: indices(countBits(bytes, from, rowCount)) };
  };
  let count = rowCount;
  if ((flags & COLUMN_HAS_GAPS) !== 0) {
    layout.present = bitmap(rowCount);
    count = countBits(bytes, layout.present, rowCount);
  }
  if (kind === BOOLEANS) layout.plain = bitmap(count);
  else if (kind === NUMBERS) layout.numbers = numbers(count);
  else if (kind === TEXTS) layout.indices = indices(count);
  else {
    layout.plain = next;
    next += count;
    const [numberCount, textCount] = mixedBefore(bytes, layout.plain, count);
    layout.numbers = numbers(numberCount);
    layout.indices = indices(textCount);
  }
  if ((flags & COLUMN_HAS_FORMULAS) !== 0) layout.formulas = side();
  if ((flags & COLUMN_HAS_DISPLAYS) !== 0) layout.displays = side();
  if ((flags & COLUMN_HAS_ERRORS) !== 0) layout.errors = side();
  return layout;
}

export const bitAt = (bytes: Uint8Array, bitmap: number, index: number): boolean =>
  ((bytes[bitmap + (index >> 3)] as number) & (1 << (index & 7))) !== 0;

export function countBits(bytes: Uint8Array, bitmap: number, end: number): number {
  let count = 0;
  for (let index = 0; index < end; index += 1) if (bitAt(bytes, bitmap, index)) count += 1;
  return count;
}

/** How many numbers and texts a mixed column has among its first values, whose kinds begin at `plain`. */
export function mixedBefore(bytes: Uint8Array, plain: number, count: number): [numbers: number, texts: number] {
  let [numbers, texts] = [0, 0];
  for (let n = 0; n < count; n += 1) {
    const kind = bytes[plain + n];
    if (kind === MIXED_NUMBER) numbers += 1;
    else if (kind === MIXED_TEXT) texts += 1;
  }
  return [numbers, texts];
}

const aligned = (at: number, to: number): number => Math.ceil(at / to) * to;
