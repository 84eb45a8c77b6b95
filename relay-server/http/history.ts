import { limits } from "@sheetwire/shared/limits";
import * as z from "zod";
import { historyOf } from "../history/history.ts";
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
});

/** The story of one cell, newest first. Cell contents are in the answer and nowhere else. */
export function historyRoute({ ingest, log }: { ingest: Ingest; log: ChangeLog }): Route {
  return {
    method: "GET",
    path: "/v1/spreadsheets/:spreadsheetId/cells/:a1/history",
    access: "token",
    async handle({ params, query }) {
      const parsed = querySchema.safeParse(query);
      if (!parsed.success) return malformed(`limit is a whole number from 1 to ${limits.historyMaxEntries}.`);
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
      const history = await historyOf(log, spreadsheetId, seq, { sheetId, row, column }, parsed.data.limit);
      return json({ sheetId, row, column, epoch, seq, complete: history.end === "beginning", ...history });
    },
  };
}
