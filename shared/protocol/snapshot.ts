import * as z from "zod";
import { rowSchema } from "./cell.ts";
import { digestTextSchema } from "./change.ts";
import { rowIndexSchema, sheetIdSchema } from "./grid-range.ts";
import { spreadsheetSchema } from "./sheet.ts";

/** First line of a snapshot: which version this is, and the sheets in it. */
export const snapshotHeadSchema = z.object({
  epoch: z.string(),
  seq: z.int().nonnegative(),
  chain: digestTextSchema,
  spreadsheet: spreadsheetSchema,
});
export type SnapshotHead = z.infer<typeof snapshotHeadSchema>;

/** Every further line: rows of one sheet from `fromRow` on. A row that is null is unknown: it is still being read. */
export const snapshotRowsSchema = z.object({
  sheetId: sheetIdSchema,
  fromRow: rowIndexSchema,
  rows: z.array(z.union([rowSchema, z.null()])).min(1),
});
export type SnapshotRows = z.infer<typeof snapshotRowsSchema>;

/** Last line: the reader has everything. A snapshot without it broke off. */
export const snapshotEndSchema = z.object({ end: z.literal(true), digest: digestTextSchema });
export type SnapshotEnd = z.infer<typeof snapshotEndSchema>;
