/** STUB with the final signatures; the real body is being written. */
import type { Change, Row, Sheet, Spreadsheet } from "@sheetwire/shared/protocol";
import type { Head } from "../log/log.ts";

/** The state of one spreadsheet: the fold of its log up to `head`. */
export interface SpreadsheetState {
  readonly spreadsheetId: string;
  readonly head: Head;
  readonly spreadsheet: Spreadsheet | undefined;
  /** GRID sheets in order. */
  sheets(): readonly Sheet[];
  sheetByTitle(title: string): Sheet | undefined;
  /** One row's cells, null while unknown, undefined beyond the sheet. */
  row(sheetId: number, index: number): Row | null | undefined;
  /** Digest of the whole spreadsheet, 16 hex digits: the ETag of a snapshot. */
  digest(): string;
  /** Row digests of a window as 16 hex digits each ("0"*16 for blank), null where unknown. */
  rowDigests(sheetId: number, from: number, to: number): (string | null)[] | undefined;
  /** The snapshot's NDJSON lines without line ends, of one immutable version, however long the caller takes. */
  snapshotLines(after?: { sheetId: number; row: number }): Iterable<string>;
  apply(change: Change): void;
}
