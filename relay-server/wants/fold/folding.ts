/** What all parts of a fold have in hand, and what they leave on the desk to be asked for. */
import { limits } from "@sheetwire/shared/limits";
import type { ChangeContent, SpreadsheetState } from "../../sheets/sheets.ts";
import { sheetDeskOf, type Desk, type Lease, type SheetDesk } from "../desk.ts";
import { isAfter, type Arrival } from "../placing.ts";
import { addStretch, cutStretch, gapsIn, type Stretch } from "../stretches.ts";
import type { Post, ReadAt } from "../types.ts";

/** Where a fold puts a change: it is numbered, applied to the state and kept for the log. */
export type Emit = (content: ChangeContent, readAt: ReadAt) => void;

/** One post on its way into state and desk. `now` is the relay's clock, in milliseconds. */
export type Folding = {
  readonly post: Post;
  readonly state: SpreadsheetState;
  readonly desk: Desk;
  readonly emit: Emit;
  readonly now: number;
};

/** Causes whose runs are there to check, and may take their time. */
const CHECKING = new Set(["sweep", "manual", "install", "call"]);

export const isChecking = ({ post }: Folding): boolean => CHECKING.has(post.cause);

export function arrivalOf(
  fold: Folding,
  sheetId: number,
  { top, bottom, left, right }: Omit<Arrival, "sheetId" | "readAt" | "run" | "n" | "order" | "lease">,
  readAt: ReadAt,
  lease: Lease | undefined,
): Arrival {
  const { run, n } = fold.post;
  return { sheetId, top, bottom, left, right, readAt, run, n, order: fold.desk.order, lease };
}

/** All rows of a sheet are compared anew: something may have moved. */
export function wantDigests(fold: Folding, sheetId: number): void {
  const desk = deskOf(fold, sheetId);
  desk.digestsSince = fold.desk.order;
  desk.round = undefined;
  desk.probe = undefined;
}

/** These rows are known and not believed: they are read again. */
export function doubt(fold: Folding, sheetId: number, stretch: Stretch): void {
  const desk = deskOf(fold, sheetId);
  const since = fold.desk.order;
  desk.doubts = addStretch(desk.doubts, { ...stretch, since }, (a, b) => ({
    ...a,
    since: Math.max(a.since, b.since),
  }));
  leaveUnproven(fold, sheetId, stretch);
}

/** Only an answer to a want issued after the doubt arose ends it. */
export function closeDoubts(
  fold: Folding,
  sheetId: number,
  stretch: Stretch | undefined,
  lease: Lease | undefined,
): void {
  const desk = fold.desk.sheets.get(sheetId);
  if (!desk || !stretch || !lease || !("layout" in lease.want) || lease.want.layout !== desk.layout) return;
  desk.doubts = cutStretch(desk.doubts, stretch, ({ since }) => since <= lease.order);
}

/** These rows are believed, and looked at again before all else. */
export function leaveUnproven(fold: Folding, sheetId: number, stretch: Stretch): void {
  const desk = deskOf(fold, sheetId);
  const gaps = desk.volatile.length === 0 ? [stretch] : gapsIn(stretch, desk.volatile);
  for (const gap of gaps) desk.unproven = addStretch(desk.unproven, gap, (a) => a);
}

/** Rows are otherwise than before: a round that put an older look at them beside newer ones would undo that. They are looked at again. */
export function lookAgain(fold: Folding, sheetId: number, { from, to }: Stretch): void {
  const desk = deskOf(fold, sheetId);
  if (!desk.round) return;
  desk.round = { ...desk.round, pieces: desk.round.pieces.filter((one) => one.to <= from || one.from >= to) };
}

export function noteHealed(fold: Folding, rows: number): void {
  const { healed } = fold.desk;
  fold.desk.healed = { count: healed.count + rows, lastAt: fold.now, how: fold.post.cause };
}

/** Rows or columns stand elsewhere now: what was noted by index means nothing any more. */
export function newLayout(fold: Folding, sheetId: number, desk: SheetDesk, readAt: ReadAt): void {
  desk.layout += 1;
  desk.layoutStamp = { readAt, run: fold.post.run, n: fold.post.n, order: fold.desk.order };
  desk.doubts = [];
  desk.unproven = [];
  desk.volatile = [];
  desk.readBy = undefined;
  fold.desk.stamps.forgetSheet(sheetId);
  if (isChecking(fold)) noteHealed(fold, 1);
}

/** An answer to a want of an earlier layout, or a reading not certainly later than the latest layout. */
export function isBeforeLayout(arrival: Arrival, desk: SheetDesk): boolean {
  if (arrival.lease && "layout" in arrival.lease.want && arrival.lease.want.layout !== desk.layout) return true;
  return desk.layoutStamp !== undefined && !isAfter(arrival, desk.layoutStamp);
}

/** Whether the spreadsheet can have this sheet in that size, beside those that are held, of which one may have shrunk since. */
export function isPossible({ state }: Folding, sheetId: number, rows: number, columns: number): boolean {
  let allRows = rows;
  let cells = rows * columns;
  for (const held of state.sheetStates()) {
    if (held.sheet.sheetId === sheetId) continue;
    allRows += held.rows.length;
    cells += held.cellCount;
  }
  return allRows <= 2 * limits.spreadsheetMaxCells && cells <= 4 * limits.spreadsheetMaxCells;
}

export function isKnownWithoutGrid(fold: Folding, sheetId: number): boolean {
  return fold.state.spreadsheet?.sheets.some((sheet) => sheet.sheetId === sheetId && sheet.kind !== "GRID") ?? false;
}

export function canChangeUnseen(fold: Folding, sheetId: number): boolean {
  const held = fold.state.sheetState(sheetId);
  return held !== undefined && (held.formulaRows > 0 || fold.desk.sheets.get(sheetId)?.restless === true);
}

export function deskOf({ state, desk }: Folding, sheetId: number): SheetDesk {
  const sheet = state.sheetState(sheetId)?.sheet;
  return sheetDeskOf(desk, sheetId, { rows: sheet?.rows ?? 0, columns: sheet?.columns ?? 0 });
}
