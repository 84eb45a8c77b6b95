/** The first byte of a block. Another number means another layout; whoever does not know it must not guess. */
export const FORMAT = 1;

/** Bytes before the table of columns. */
export const HEADER_BYTES = 24;

/** Flags of a block. Bits 2 and 3 hold the width code of the lengths of texts. */
export const BLOCK_HAS_UNKNOWN = 1;
export const BLOCK_HEAP_IS_UTF16 = 2;
export const LENGTH_WIDTH_SHIFT = 2;

/** What a column holds where it holds something. */
export const BOOLEANS = 1;
export const NUMBERS = 2;
export const TEXTS = 3;
export const MIXED = 4;

/** Flags of a column. */
export const COLUMN_HAS_GAPS = 1;
export const COLUMN_HAS_FORMULAS = 2;
export const COLUMN_HAS_DISPLAYS = 4;
export const COLUMN_HAS_ERRORS = 8;

/** In a mixed column, what each present cell is. */
export const MIXED_BLANK = 0;
export const MIXED_NO = 1;
export const MIXED_YES = 2;
export const MIXED_NUMBER = 3;
export const MIXED_TEXT = 4;

/** How numbers are written: unsigned from a base on, in so many bytes, or as 64-bit floats. */
export const WIDTH_ONE = 0;
export const WIDTH_TWO = 1;
export const WIDTH_FOUR = 2;
export const WIDTH_FLOAT = 3;

export const bytesOfWidth = (width: number): number => 1 << width;

/** Bytes of a bitmap. */
export const bitmapBytes = (count: number): number => (count + 7) >> 3;

/** Powers of ten that a number may be multiplied with to become whole: prices, percentages. */
export const SCALES = [1, 10, 100, 1_000, 10_000] as const;
