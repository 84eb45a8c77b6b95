import * as z from "zod";
import { limits } from "@sheetwire/shared/limits";

/** Google's id of a spreadsheet, as it stands in its address. */
export const spreadsheetIdSchema = z.string().regex(/^[A-Za-z0-9_-]{5,128}$/);

/** Google's id of a sheet (tab); it survives renaming and reordering. */
export const sheetIdSchema = z.int().nonnegative();

export const rowIndexSchema = z.int().nonnegative().max(limits.spreadsheetMaxCells);
export const columnIndexSchema = z.int().nonnegative().max(limits.sheetMaxColumns);

/** The Sheets API's GridRange: counted from 0, half-open, all four sides given. */
export const gridRangeSchema = z
  .object({
    startRowIndex: rowIndexSchema,
    endRowIndex: rowIndexSchema,
    startColumnIndex: columnIndexSchema,
    endColumnIndex: columnIndexSchema,
  })
  .refine((range) => range.startRowIndex < range.endRowIndex && range.startColumnIndex < range.endColumnIndex, {
    message: "an empty or inverted range",
  });
export type GridRange = z.infer<typeof gridRangeSchema>;

/** A corner, counted from 0. */
export const cornerSchema = z.object({ row: rowIndexSchema, column: columnIndexSchema });
export type Corner = z.infer<typeof cornerSchema>;

/** Milliseconds since 1970 by the clock of whoever read. */
export const momentSchema = z.number().nonnegative().max(8.64e15);

/** When a reading began and ended, by the script's clock, in milliseconds. */
export const readAtSchema = z.tuple([momentSchema, momentSchema]);
export type ReadAt = z.infer<typeof readAtSchema>;
