import * as z from "zod";
import { limits } from "@sheetwire/shared/limits";

const text = z.string().max(limits.cellMaxChars);

/** What a cell holds: nothing, a checkbox, a number (dates are serial days since 1899-12-30), or text. */
export const cellValueSchema = z.union([z.null(), z.boolean(), z.number(), text]);
export type CellValue = z.infer<typeof cellValueSchema>;

/**
 * A cell that is more than its value. `f` is the formula as shown in the bar, `d` the display text where it differs
 * from the plain rendering of the value, `e` the error literal (`#DIV/0!`), with which `v` is null.
 */
export const richCellSchema = z.object({
  v: cellValueSchema,
  f: text.optional(),
  d: text.optional(),
  e: z.string().max(32).optional(),
});
export type RichCell = z.infer<typeof richCellSchema>;

/** One cell as it travels. Blank is null, never "". */
export const cellSchema = z.union([z.null(), z.boolean(), z.number(), text, richCellSchema]);
export type Cell = z.infer<typeof cellSchema>;

/** A row from column 0 (or from the `at` of what carries it), trailing blanks dropped. */
export const rowSchema = z.array(cellSchema).max(limits.sheetMaxColumns);
export type Row = z.infer<typeof rowSchema>;
