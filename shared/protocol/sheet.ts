import * as z from "zod";
import { limits } from "@sheetwire/shared/limits";
import { columnIndexSchema, rowIndexSchema, sheetIdSchema } from "./grid-range.ts";

/** One sheet (tab) as Google describes it. `rows` and `columns` are the grid's size, `used…` the last filled ones. */
export const sheetSchema = z.object({
  sheetId: sheetIdSchema,
  title: z.string().max(1_000),
  index: z.int().nonnegative(),
  rows: rowIndexSchema,
  columns: columnIndexSchema,
  usedRows: rowIndexSchema.optional(),
  usedColumns: columnIndexSchema.optional(),
  frozenRows: rowIndexSchema.optional(),
  frozenColumns: columnIndexSchema.optional(),
  hidden: z.boolean(),
  /** `GRID` has cells; every other kind (`OBJECT`, `DATASOURCE`) is named but not mirrored. */
  kind: z.string().max(32),
});
export type Sheet = z.infer<typeof sheetSchema>;

/** The spreadsheet as a whole, and every sheet of it in order. */
export const spreadsheetSchema = z.object({
  title: z.string().max(10_000),
  locale: z.string().max(64),
  timeZone: z.string().max(64),
  sheets: z.array(sheetSchema).max(limits.spreadsheetMaxSheets),
});
export type Spreadsheet = z.infer<typeof spreadsheetSchema>;
