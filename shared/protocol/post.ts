import * as z from "zod";
import { limits } from "@sheetwire/shared/limits";
import { cellValueSchema, rowSchema } from "./cell.ts";
import {
  cornerSchema,
  momentSchema,
  readAtSchema,
  rowIndexSchema,
  columnIndexSchema,
  sheetIdSchema,
} from "./grid-range.ts";
import { spreadsheetSchema } from "./sheet.ts";

/** Digests of consecutive rows or columns, 8 bytes each, joined and encoded as one base64 string. */
export const digestsTextSchema = z.string().regex(/^[A-Za-z0-9+/]*={0,2}$/);

const common = { readAt: readAtSchema, want: z.string().max(64).optional() };

/**
 * What a rectangle held. `cells` may drop trailing blanks of rows and trailing blank rows; `size` then says how much
 * was read. Without `size` the rectangle is as high as `cells` and as wide as its longest row.
 */
export const cellsReadingSchema = z.object({
  kind: z.literal("cells"),
  ...common,
  sheetId: sheetIdSchema,
  at: cornerSchema,
  cells: z.array(rowSchema),
  size: z.object({ rows: rowIndexSchema, columns: columnIndexSchema }).optional(),
  /** The grid's size, read before and after the content and found equal. */
  sheetRows: rowIndexSchema,
  sheetColumns: columnIndexSchema,
  /** Which part of the rectangle the user touched; the rest was read along with it. Default: all of it. */
  edited: z
    .object({ row: rowIndexSchema, column: columnIndexSchema, rows: rowIndexSchema, columns: columnIndexSchema })
    .optional(),
  /** Google's `oldValue` of a single edited cell: always text, as Google renders it. */
  was: cellValueSchema.optional(),
});

/** Every sheet, and the spreadsheet's title, locale and time zone. */
export const sheetsReadingSchema = z.object({ kind: z.literal("sheets"), ...common, spreadsheet: spreadsheetSchema });

/** Row (or column) digests of the window `from` to `to`; `usedRows` and `usedColumns` of the whole sheet. */
export const digestsReadingSchema = z.object({
  kind: z.literal("digests"),
  ...common,
  sheetId: sheetIdSchema,
  axis: z.enum(["rows", "columns"]).default("rows"),
  from: rowIndexSchema,
  to: rowIndexSchema,
  digests: digestsTextSchema,
  usedRows: rowIndexSchema,
  usedColumns: columnIndexSchema,
  sheetRows: rowIndexSchema.optional(),
  sheetColumns: columnIndexSchema.optional(),
});

/** Whole rows, each with its index. */
export const rowsReadingSchema = z.object({
  kind: z.literal("rows"),
  ...common,
  sheetId: sheetIdSchema,
  rows: z.array(z.tuple([rowIndexSchema, rowSchema])).max(limits.wantMaxRows),
  sheetRows: rowIndexSchema.optional(),
  sheetColumns: columnIndexSchema.optional(),
});

/** The script is there: what it found of itself. */
export const aliveReadingSchema = z.object({
  kind: z.literal("alive"),
  ...common,
  triggers: z.array(z.string().max(64)).max(40),
  lastError: z.object({ at: momentSchema, code: z.string().max(200) }).optional(),
  webApp: z.url().max(2_048).optional(),
});

export const readingSchema = z.discriminatedUnion("kind", [
  cellsReadingSchema,
  sheetsReadingSchema,
  digestsReadingSchema,
  rowsReadingSchema,
  aliveReadingSchema,
]);
export type Reading = z.infer<typeof readingSchema>;
export type ReadingOf<K extends Reading["kind"]> = Extract<Reading, { kind: K }>;

/**
 * What made somebody read: a user's edit, Google's changeType (`SEVERAL` where a list of sheets stands for several of them), a
 * check, installing, a call of the relay, a person.
 */
export const causeSchema = z.union([
  z.enum(["edit", "sweep", "install", "call", "manual"]),
  z.string().regex(/^change:[A-Z_]{1,40}$/),
]);
export type Cause = z.infer<typeof causeSchema>;

/** One signed batch of readings. */
export const postSchema = z.object({
  protocol: z.int().positive(),
  /** A uuid of this execution of the script; `n` counts its posts from 0. */
  run: z.string().min(8).max(64),
  n: z.int().nonnegative().max(100_000),
  cause: causeSchema,
  /** The e-mail where Google gives it, else the temporary user key; absent when Google says nothing. Never guessed. */
  actor: z.string().max(320).optional(),
  script: z.object({ version: z.string().max(64), installation: z.string().max(128) }),
  /** Run time of this execution so far, and the most it may use, in milliseconds. */
  allowance: z.object({ spentMs: z.number().nonnegative(), runLimitMs: z.number().positive() }),
  readings: z.array(readingSchema).max(limits.postMaxReadings),
});
export type Post = z.infer<typeof postSchema>;
