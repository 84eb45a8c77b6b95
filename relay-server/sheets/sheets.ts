/** The state of sheets: what the log adds up to, kept so that it need not be read again from the start. */
export { linesOf, SpreadsheetState, type HeldRows, type SnapshotVersion } from "./state.ts";
export type { ChangeContent } from "./content.ts";
export { SheetState } from "./sheet-state.ts";
export { announced, BLANK, hasDigest, storedRow, type StoredRow } from "./row.ts";
