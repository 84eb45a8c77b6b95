/**
 * Folds one post into state and desk: what it proves is applied, what it leaves open stays on the desk. Each kind of reading
 * has a file of its own here.
 */
import { limits } from "@sheetwire/shared/limits";
import type { SpreadsheetState } from "../../sheets/sheets.ts";
import { wantCheck } from "../check.ts";
import { usedCells, type Desk, type Lease } from "../desk.ts";
import { clampReadAt } from "../placing.ts";
import { isScarce, webAppWorks } from "../policy.ts";
import type { Post, ReadAt, Reading } from "../types.ts";
import { takeCells, takeRows } from "./cells.ts";
import { takeDigests } from "./digests.ts";
import { canChangeUnseen, deskOf, isChecking, wantDigests, type Emit, type Folding } from "./folding.ts";
import { takeSheets } from "./sheets.ts";

export type { Emit } from "./folding.ts";

/** What a post proves is applied to the state (through `emit`); `now` is the relay's clock, in milliseconds. */
export function foldPost(post: Post, state: SpreadsheetState, desk: Desk, emit: Emit, now: number): void {
  const fold: Folding = { post, state, desk, emit, now };
  const { cause, n, readings } = post;
  let readAt: ReadAt = [0, 0];
  for (const reading of readings) {
    desk.order += 1;
    const asked = reading.want === undefined ? undefined : desk.leases.get(reading.want);
    const lease = asked && asked.run === post.run ? asked : undefined;
    // Times are remembered for a minute, and those of one post are mostly one.
    const own = clampReadAt(reading.readAt, now);
    if (own[0] !== readAt[0] || own[1] !== readAt[1]) readAt = own;
    take(fold, { ...reading, readAt }, lease);
    if (lease) desk.leases.delete(lease.want.id);
  }
  const wasEdited = readings.some(({ kind, want }) => (kind === "cells" || kind === "digests") && want === undefined);
  if (cause === "edit" && wasEdited) checkFormulasAfterEdit(fold);
  // While the web app works, it is called to check everything: the script's own timer has little time a day.
  const isWholeCheck = cause === "manual" || (cause === "sweep" && !webAppWorks(desk.calls, now));
  if (isChecking(fold)) wantCheck(state, desk, n === 0 && isWholeCheck, now);
}

function take(fold: Folding, reading: Reading, lease: Lease | undefined): void {
  if (reading.kind === "sheets") takeSheets(fold, reading, lease);
  else if (reading.kind === "cells") takeCells(fold, reading, lease);
  else if (reading.kind === "rows") takeRows(fold, reading, lease);
  else if (reading.kind === "digests") takeDigests(fold, reading, lease);
  else {
    const { triggers, lastError, webApp } = reading;
    fold.desk.script = { triggers, lastError, webApp };
  }
}

/** Formulas reach across sheets: after an edit, sheets that can have changed with it are checked while that is cheap. */
function checkFormulasAfterEdit(fold: Folding): void {
  // Where the day's trigger time runs low they wait for a call or for the next check.
  if (isScarce(fold.desk.allowance) && !webAppWorks(fold.desk.calls, fold.now)) return;
  const sheets = fold.state.sheetStates().filter((held) => canChangeUnseen(fold, held.sheet.sheetId));
  const cells = sheets.reduce((sum, held) => sum + usedCells(deskOf(fold, held.sheet.sheetId)), 0);
  if (cells > limits.editCheckMaxCells) return;
  for (const held of sheets) wantDigests(fold, held.sheet.sheetId);
}
