/** Everything that can happen to a spreadsheet, as it is asked for from outside. */
import * as z from "zod";
import { maxCellChars } from "./sheet.ts";

const text = z.string().max(maxCellChars);
const scalar = z.union([z.null(), z.boolean(), z.number(), text]);
const values = z.array(z.array(scalar).max(18_278)).min(1).max(200_000);
const index = z.int().min(0).max(10_000_000);
const count = z.int().min(1).max(1_000_000).default(1);
const a1 = z.string().min(1).max(64);
const title = z.string().min(1).max(100);
const onSheet = { sheetId: z.int().nonnegative(), as: z.email().optional(), plain: z.boolean().optional() };
const onSpreadsheet = { sheetId: z.int().nonnegative().optional(), as: z.email().optional() };
const action = <Name extends string, Shape extends z.ZodRawShape>(name: Name, shape: Shape) =>
  z.strictObject({ action: z.literal(name), ...shape });

export const actionSchema = z.discriminatedUnion("action", [
  action("type", { ...onSheet, a1, value: scalar }),
  action("clear", { ...onSheet, a1 }),
  action("paste", { ...onSheet, a1, values }),
  action("fill", { ...onSheet, from: a1, to: a1 }),
  action("toggleCheckbox", { ...onSheet, a1 }),
  action("insertRows", { ...onSheet, row: index, count }),
  action("deleteRows", { ...onSheet, row: index, count }),
  action("moveRows", { ...onSheet, row: index, count, to: index }),
  action("insertColumns", { ...onSheet, column: index, count }),
  action("deleteColumns", { ...onSheet, column: index, count }),
  action("moveColumns", { ...onSheet, column: index, count, to: index }),
  action("moveCells", { ...onSheet, from: a1, to: a1 }),
  action("sort", { ...onSheet, a1: a1.optional(), column: index, ascending: z.boolean().default(true) }),
  action("findReplace", { ...onSheet, find: text.min(1), replace: text }),
  action("undo", onSpreadsheet),
  action("redo", onSpreadsheet),
  action("format", { ...onSheet, a1, numberFormat: z.string().max(200).optional() }),
  action("addSheet", { ...onSpreadsheet, title: title.optional() }),
  action("deleteSheet", onSheet),
  action("duplicateSheet", { ...onSheet, title: title.optional() }),
  action("renameSheet", { ...onSheet, title }),
  action("reorderSheets", { ...onSpreadsheet, order: z.array(z.int().nonnegative()).min(1).max(1000) }),
  action("hideSheet", { ...onSheet, hidden: z.boolean().default(true) }),
  action("renameSpreadsheet", { ...onSpreadsheet, title: z.string().min(1).max(500) }),
  action("setTimeZone", { ...onSpreadsheet, timeZone: z.string().max(64) }),
  action("setLocale", { ...onSpreadsheet, locale: z.string().max(16) }),
  action("importData", { ...onSheet, rows: z.array(z.array(scalar).max(18_278)).max(1_000_000) }),
  action("apiWrite", { ...onSheet, a1, values }),
  action("scriptWrite", { ...onSheet, a1, values }),
  action("recalc", onSpreadsheet),
]);
export type Action = z.infer<typeof actionSchema>;
export type ActionName = Action["action"];

export const actionNames: readonly ActionName[] = actionSchema.options.map((one) => one.shape.action.value);
