/**
 * Rows as bytes, column by column: what a block of the mirror is made of. Numbers take the narrowest width that is
 * exact, texts stand once in a heap of the block, formulas, displays and errors point into the same heap. README.md has
 * the format.
 */
export { packRows } from "./pack.ts";
export { packLine, type PackedLine, type PackedRows } from "./scan-line.ts";
export { BrokenBlockError } from "./broken-block.ts";
export { CsvWriter } from "./csv-writer.ts";
export { openBlock, type PackedBlock } from "./packed-block.ts";
