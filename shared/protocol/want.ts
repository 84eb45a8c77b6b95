import * as z from "zod";
import { limits } from "@sheetwire/shared/limits";
import { gridRangeSchema, rowIndexSchema, sheetIdSchema } from "./grid-range.ts";

const common = { id: z.string().min(1).max(64) };
/** The sheet's layout number when the want was issued; raised with every structure change. */
const onSheet = { ...common, sheetId: sheetIdSchema, layout: z.int().nonnegative() };

/** What the relay asks to be read. A reading that answers it carries its `id` as `want`. */
export const wantSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("cells"), ...onSheet, range: gridRangeSchema }),
  z.object({ kind: z.literal("sheets"), ...common }),
  z.object({
    kind: z.literal("digests"),
    ...onSheet,
    axis: z.enum(["rows", "columns"]).default("rows"),
    from: rowIndexSchema,
    to: rowIndexSchema,
  }),
  z.object({ kind: z.literal("rows"), ...onSheet, rows: z.array(rowIndexSchema).min(1).max(limits.wantMaxRows) }),
]);
export type Want = z.infer<typeof wantSchema>;
export type WantOf<K extends Want["kind"]> = Extract<Want, { kind: K }>;

/** The answer to a post that was taken: the log's life and head, and what to read next. */
export const postAnswerSchema = z.object({
  epoch: z.string(),
  seq: z.int().nonnegative(),
  wants: z.array(wantSchema).max(limits.answerMaxWants),
});
export type PostAnswer = z.infer<typeof postAnswerSchema>;
