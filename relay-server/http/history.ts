import { limits } from "@sheetwire/shared/limits";
import * as z from "zod";
import { historyOf, type Place } from "../history/history.ts";
import type { Ingest } from "../ingest/ingest.ts";
import type { ChangeLog } from "../log/log.ts";
import { placeOf } from "./place.ts";
import { json, malformed, NOTHING_YET, type Route } from "./route.ts";

const querySchema = z.object({
  limit: z
    .string()
    .regex(/^\d{1,4}$/)
    .transform(Number)
    .pipe(z.int().min(1).max(limits.historyMaxEntries))
    .default(100),
  /** `next` of an earlier answer: epoch, change, sheet, row and column from which the story goes on. */
  from: z
    .string()
    .regex(/^[\w-]{1,64}\.\d{1,15}\.\d{1,15}\.\d{1,8}\.\d{1,5}$/)
    .optional(),
});

/** The story of one cell, newest first. Cell contents are in the answer and nowhere else. */
export function historyRoute({ ingest, log }: { ingest: Ingest; log: ChangeLog }): Route {
  return {
    method: "GET",
    path: "/v1/spreadsheets/:spreadsheetId/cells/:a1/history",
    access: "token",
    async handle({ params, query }) {
      const parsed = querySchema.safeParse(query);
      if (!parsed.success) {
        const most = limits.historyMaxEntries;
        return malformed(`limit is a whole number from 1 to ${most}, from is what an earlier answer called next.`);
      }
      const spreadsheetId = params["spreadsheetId"] ?? "";
      const state = await ingest.stateOf(spreadsheetId);
      if (!state) return NOTHING_YET;
      const found = placeOf(state, params["a1"] ?? "");
      if (!found) return malformed("The cell is not in A1 notation.");
      if (!found.sheet) return { ok: false, code: "not-found", detail: "There is no such sheet." };
      const { sheet, range } = found;
      const { startRowIndex: row, endRowIndex, startColumnIndex: column, endColumnIndex } = range;
      if (endRowIndex - row !== 1 || endColumnIndex - column !== 1) {
        return malformed("One cell has a history, a range has none.");
      }
      if (row >= sheet.rows || column >= sheet.columns) {
        return { ok: false, code: "not-found", detail: "The sheet ends before this cell." };
      }
      // What is told belongs to this moment, whatever is logged meanwhile.
      const { epoch, seq } = state.head;
      const { sheetId } = sheet;
      // A post may just have been folded and be on its way to the disk: whoever asks again waits for that.
      await ingest.stateOf(spreadsheetId);
      const head = await log.head(spreadsheetId);
      if (head?.epoch !== epoch || head.seq < seq) return { ok: false, code: "busy", retryAfterMs: 1_000 };
      const begin =
        parsed.data.from === undefined ? { seq, place: { sheetId, row, column } } : beginOf(parsed.data.from);
      if (begin.seq > seq || (begin.epoch ?? epoch) !== epoch) {
        return malformed("from belongs to another log of this spreadsheet: ask without it.");
      }
      const { limit } = parsed.data;
      const { rest, entries, end } = await historyOf(log, spreadsheetId, begin.seq, begin.place, limit);
      const next = rest && [epoch, rest.seq, rest.place.sheetId, rest.place.row, rest.place.column].join(".");
      return json({ sheetId, row, column, epoch, seq, complete: end === "beginning", entries, end, next });
    },
  };
}

function beginOf(from: string): { epoch?: string; seq: number; place: Place } {
  const [epoch = "", ...numbers] = from.split(".");
  const [seq = 0, sheetId = 0, row = 0, column = 0] = numbers.map(Number);
  return { epoch, seq, place: { sheetId, row, column } };
}
