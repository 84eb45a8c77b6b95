/** The first byte of a block. Another number means another layout; whoever does not know it must not guess. */
export const FORMAT = 1;

/** Bytes before the table of columns. */
export const HEADER_BYTES = 24;

/** Flags of a block. Bits 2 and 3 hold the width code of the lengths of texts. */
export const BLOCK_HAS_UNKNOWN = 1;
export const BLOCK_HEAP_IS_UTF16 = 2;
export const LENGTH_WIDTH_SHIFT = 2;

/** What a column holds where it holds something. */
export const kinds = { booleans: 1, numbers: 2, texts: 3, mixed: 4 } as const;

/** Flags of a column. */
export const COLUMN_HAS_GAPS = 1;
export const COLUMN_HAS_FORMULAS = 2;
export const COLUMN_HAS_DISPLAYS = 4;
export const COLUMN_HAS_ERRORS = 8;

/** In a mixed column, what each present cell is. */
export const mixedKinds = { blank: 0, no: 1, yes: 2, number: 3, text: 4 } as const;

/** How numbers are written: unsigned from a base on, in so many bytes, or as 64-bit floats. */
export const widths = { one: 0, two: 1, four: 2, float: 3 } as const;

export const bytesOfWidth = (width: number): number => 1 << width;

/** Bytes of a bitmap. */
export const bitmapBytes = (count: number): number => (count + 7) >> 3;

/** Powers of ten that a number may be multiplied with to become whole: prices, percentages. */
export const SCALES = [1, 10, 100, 1_000, 10_000] as const;
