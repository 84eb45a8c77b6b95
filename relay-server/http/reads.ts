/** What can be asked of a spreadsheet's state: plain JSON, each answer of one version. */
import { displayOf, formulaOf, isRich, sheetRangeName, valueOf } from "@sheetwire/shared/grid";
import { limits } from "@sheetwire/shared/limits";
import type { Cell, RelayFacts } from "@sheetwire/shared/protocol";
import * as z from "zod";
import type { Ingest } from "../ingest/ingest.ts";
import type { SpreadsheetState } from "../sheets/sheets.ts";
import { placeOf } from "./place.ts";
import { json, malformed, NOTHING_YET, type Answer, type Asked, type Route } from "./route.ts";

type Needs = { ingest: Ingest; factsOf: (spreadsheetId: string) => Promise<RelayFacts> };

const valuesQuery = z.object({ render: z.enum(["values", "formulas", "display", "cells"]).default("values") });
const index = z
  .string()
  .regex(/^\d{1,8}$/)
  .transform(Number);
const digestsQuery = z.object({
  sheetId: z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number),
  from: index.optional(),
  to: index.optional(),
});

export function readRoutes({ ingest, factsOf }: Needs): readonly Route[] {
  /** Every route of one spreadsheet begins with its state. */
  const read = (path: string, answer: (state: SpreadsheetState, asked: Asked) => Answer): Route => ({
    method: "GET",
    path,
    access: "token",
    async handle(asked) {
      const state = await ingest.stateOf(asked.params["spreadsheetId"] ?? "");
      return state ? answer(state, asked) : NOTHING_YET;
    },
  });

  return [
    {
      method: "GET",
      path: "/v1/spreadsheets",
      access: "token",
      async handle({ device }) {
        if (!device) return { ok: false, code: "unauthorized" };
        const { spreadsheetId } = device;
        const state = await ingest.stateOf(spreadsheetId);
        const head = state && headOf(state);
        return json({ spreadsheets: [{ spreadsheetId, title: state?.spreadsheet?.title, ...head }] });
      },
    },
    read("/v1/spreadsheets/:spreadsheetId", (state) => {
      const { title, locale, timeZone } = state.spreadsheet ?? {};
      return json({
        spreadsheetId: state.spreadsheetId,
        title,
        locale,
        timeZone,
        sheets: state.sheets(),
        ...headOf(state),
      });
    }),
    read("/v1/spreadsheets/:spreadsheetId/values/:a1", (state, { params, query }) => {
      const parsed = valuesQuery.safeParse(query);
      if (!parsed.success) return malformed("render takes values, formulas, display or cells.");
      return values(state, params["a1"] ?? "", parsed.data.render);
    }),
    read("/v1/spreadsheets/:spreadsheetId/digests", (state, { query }) => {
      const parsed = digestsQuery.safeParse(query);
      if (!parsed.success) return malformed("sheetId, from and to are whole numbers; sheetId has to be given.");
      const { sheetId, from = 0 } = parsed.data;
      const sheet = state.sheets().find((one) => one.sheetId === sheetId);
      if (!sheet) return { ok: false, code: "not-found", detail: "There is no such sheet." };
      const to = Math.min(parsed.data.to ?? sheet.rows, sheet.rows);
      if (to - from > limits.readMaxRows) return tooMany("rows", limits.readMaxRows);
      const digests = from < to ? state.rowDigests(sheetId, from, to) : [];
      return json({ sheetId, from, to: Math.max(from, to), digests, ...headOf(state) });
    }),
    {
      method: "GET",
      path: "/v1/spreadsheets/:spreadsheetId/status",
      access: "token",
      handle: async ({ params }) => json(await factsOf(params["spreadsheetId"] ?? "")),
    },
  ];
}

type Render = z.infer<typeof valuesQuery>["render"];

function values(state: SpreadsheetState, a1: string, render: Render): Answer {
  const found = placeOf(state, a1);
  if (!found) return malformed("The range is not in A1 notation.");
  if (!found.sheet) return { ok: false, code: "not-found", detail: "There is no such sheet." };
  const { sheet, range } = found;
  const endRowIndex = Math.min(range.endRowIndex, sheet.rows);
  const endColumnIndex = Math.min(range.endColumnIndex, sheet.columns);
  const { startRowIndex, startColumnIndex } = range;
  const cells = Math.max(0, endRowIndex - startRowIndex) * Math.max(0, endColumnIndex - startColumnIndex);
  if (cells > limits.readMaxCells) return tooMany("cells", limits.readMaxCells);
  if (endRowIndex - startRowIndex > limits.readMaxRows) return tooMany("rows", limits.readMaxRows);
  const rows: unknown[] = [];
  for (let row = startRowIndex; row < endRowIndex; row += 1) {
    const held = state.row(sheet.sheetId, row);
    // A row that is still being read is null, which no row that was read is.
    rows.push(
      held ? withoutEnd(held.slice(startColumnIndex, endColumnIndex).map((cell) => rendered(cell, render))) : null,
    );
  }
  while (rows.length > 0 && isEmpty(rows.at(-1))) rows.pop();
  const name = sheetRangeName(sheet.title, range);
  return json({ range: name, sheetId: sheet.sheetId, majorDimension: "ROWS", render, values: rows, ...headOf(state) });
}

function rendered(cell: Cell, render: Render): unknown {
  if (render === "cells") return cell;
  if (render === "display") return displayOf(cell);
  if (render === "formulas") return formulaOf(cell) ?? valueOf(cell);
  return isRich(cell) && cell.e !== undefined ? cell.e : valueOf(cell);
}

function withoutEnd(row: unknown[]): unknown[] {
  while (row.length > 0 && (row.at(-1) === null || row.at(-1) === "")) row.pop();
  return row;
}

const isEmpty = (row: unknown): boolean => Array.isArray(row) && row.length === 0;

const headOf = (state: SpreadsheetState) => ({ epoch: state.head.epoch, seq: state.head.seq, chain: state.head.chain });

const tooMany = (what: string, most: number): Answer => ({
  ok: false,
  code: "too-large",
  detail: `At most ${most} ${what} at once. Ask for less, or take the snapshot.`,
});
