import * as z from "zod";
import { rowSchema } from "./cell.ts";
import {
  columnIndexSchema,
  cornerSchema,
  momentSchema,
  readAtSchema,
  rowIndexSchema,
  sheetIdSchema,
} from "./grid-range.ts";
import { causeSchema } from "./post.ts";
import { spreadsheetSchema } from "./sheet.ts";

const count = z.int().positive().max(10_000_000);

/**
 * A sheet's rows after, in terms of its rows before, from the top: keep these old rows, put those new ones, `blank`
 * rows, and `unknown` rows, whose content is still being read. An old row is kept at most once.
 */
export const rowRunSchema = z.union([
  z.object({ keep: z.tuple([rowIndexSchema, count]) }),
  z.object({ put: z.array(rowSchema).min(1) }),
  z.object({ blank: count }),
  z.object({ unknown: count }),
]);
export type RowRun = z.infer<typeof rowRunSchema>;

/** A sheet's columns after, in terms of its columns before, from the left. */
export const columnRunSchema = z.union([
  z.object({ keep: z.tuple([columnIndexSchema, count]) }),
  z.object({ blank: count }),
]);
export type ColumnRun = z.infer<typeof columnRunSchema>;

/** 8 bytes as 16 hex digits. */
export const digestTextSchema = z.string().regex(/^[0-9a-f]{16}$/);

const common = {
  /** This change's place in its spreadsheet's log, from 1, without holes. */
  seq: z.int().positive(),
  /** When the relay took it, in milliseconds since 1970 by the relay's clock. */
  loggedAt: momentSchema,
  cause: causeSchema,
  actor: z.string().max(320).optional(),
  readAt: readAtSchema,
};

/**
 * Cells took new contents. The rectangle is as wide as the longest row of `cells`; shorter rows end in blanks. `was`
 * holds what stood there before, row for row; it is absent where that was not known. In a row that was unknown, `cells`
 * from column 0 is the whole row.
 */
export const cellsChangeSchema = z.object({
  kind: z.literal("cells"),
  ...common,
  sheetId: sheetIdSchema,
  at: cornerSchema,
  cells: z.array(rowSchema).min(1),
  was: z.array(rowSchema).optional(),
});

/** Rows were inserted, deleted, moved or sorted, or a whole sheet was replaced. */
export const rowsChangeSchema = z.object({
  kind: z.literal("rows"),
  ...common,
  sheetId: sheetIdSchema,
  runs: z.array(rowRunSchema),
});

/** Columns were inserted, deleted or moved. */
export const columnsChangeSchema = z.object({
  kind: z.literal("columns"),
  ...common,
  sheetId: sheetIdSchema,
  runs: z.array(columnRunSchema),
});

/**
 * The spreadsheet and its sheets after: added, removed, renamed, reordered. A sheet that is new has as many unknown rows
 * as it has rows; one that is gone is forgotten; the rows and columns of the others stay as they are until a `rows` or `columns` change.
 */
export const sheetsChangeSchema = z.object({ kind: z.literal("sheets"), ...common, spreadsheet: spreadsheetSchema });

/** A window of rows was read again, after it was asked for, and found equal. `digest` folds (index, row digest). */
export const verifiedChangeSchema = z.object({
  kind: z.literal("verified"),
  ...common,
  sheetId: sheetIdSchema,
  window: z.object({ from: rowIndexSchema, to: rowIndexSchema }),
  digest: digestTextSchema,
});

export const changeSchema = z.discriminatedUnion("kind", [
  cellsChangeSchema,
  rowsChangeSchema,
  columnsChangeSchema,
  sheetsChangeSchema,
  verifiedChangeSchema,
]);
export type Change = z.infer<typeof changeSchema>;
export type ChangeOf<K extends Change["kind"]> = Extract<Change, { kind: K }>;

/** A reader's place in a log: which life, how far, and the running hash of everything up to there. */
export const cursorSchema = z.object({
  epoch: z.string().min(1).max(64),
  seq: z.int().nonnegative(),
  chain: digestTextSchema,
});
export type Cursor = z.infer<typeof cursorSchema>;
