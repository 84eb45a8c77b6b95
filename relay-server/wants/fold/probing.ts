/** What digests of single rows tell of where rows came or went in a sheet too large to be looked at whole. */
import type { RowRun } from "@sheetwire/shared/protocol";
import { announced } from "../../sheets/sheets.ts";
import { align } from "../align.ts";
import { isVeryLarge } from "../check.ts";
import type { Lease, Recheck, SheetDesk } from "../desk.ts";
import { narrowed, shiftOf, windowOf, type Probe } from "../probe.ts";
import { addStretch, stretchesOf, type Stretch } from "../stretches.ts";
import type { Digest, ReadAt } from "../types.ts";
import { deskOf, doubt, leaveUnproven, newLayout, wantDigests, type Folding } from "./folding.ts";

/** Digests from row `from` on, read by one want. */
type Looked = { readonly from: number; readonly sheetRows: number; readonly readAt: ReadAt };

/** Takes digests as an answer to a probe, while there is a search; says whether they were one. */
export function takeProbed(
  fold: Folding,
  sheetId: number,
  desk: SheetDesk,
  { from, sheetRows, readAt }: Looked,
  digests: readonly Digest[],
  lease: Lease | undefined,
): boolean {
  const { probe } = desk;
  if (probe === undefined || probe === "whole" || lease?.want.kind !== "digests") return false;
  const held = fold.state.held(sheetId);
  const [digest] = digests;
  if (probe.heldRows !== held.rows.length || probe.sheetRows !== sheetRows) {
    // Rows came or went meanwhile: the search begins again.
    desk.probe = undefined;
  } else if (digests.length === 1 && digest) {
    desk.probe = narrowed(probe, held.rows, from, digest) ?? "whole";
  } else {
    const window = windowOf(probe);
    const isWindow = window.from === from && window.to === from + digests.length;
    if (isWindow) settleProbe(fold, sheetId, desk, probe, digests, readAt, lease);
  }
  return true;
}

/** The last stretch is compared row by row; what lies above it stayed, what lies below was shifted. */
function settleProbe(
  fold: Folding,
  sheetId: number,
  desk: SheetDesk,
  probe: Probe,
  now: readonly Digest[],
  readAt: ReadAt,
  lease: Lease,
): void {
  const held = fold.state.held(sheetId);
  const { from, to } = windowOf(probe);
  const oldTo = to - shiftOf(probe);
  const found = align(held.rows.slice(from, oldTo), now);
  const runs: RowRun[] = [];
  const add = (run: RowRun): void => {
    const last = runs.at(-1);
    if (!("keep" in run)) runs.push(run);
    else if (last && "keep" in last && last.keep[0] + last.keep[1] === run.keep[0]) last.keep[1] += run.keep[1];
    else if (run.keep[1] > 0) runs.push({ keep: [...run.keep] });
  };
  add({ keep: [0, from] });
  for (const run of found.runs) add("keep" in run ? { keep: [run.keep[0] + from, run.keep[1]] } : run);
  add({ keep: [oldTo, held.rows.length - oldTo] });
  fold.emit({ kind: "rows", sheetId, runs }, readAt);
  newLayout(fold, sheetId, desk, readAt);
  for (const offset of [...found.unknown, ...found.changed]) {
    const digest = now[offset];
    if (digest) held.announce(from + offset, announced(digest));
  }
  for (const stretch of stretchesOf(found.changed.map((offset) => offset + from))) doubt(fold, sheetId, stretch);
  for (const stretch of stretchesOf(found.unknown.map((offset) => offset + from))) {
    leaveUnproven(fold, sheetId, stretch);
  }
  for (const stretch of desk.untaken) {
    const end = Math.min(stretch.to, probe.sheetRows);
    if (stretch.from < end) doubt(fold, sheetId, { from: stretch.from, to: end });
  }
  desk.untaken = [];
  desk.probe = undefined;
  desk.recheck = recheckAfter(desk.recheck, fold.now);
  if (desk.digestsSince !== undefined && desk.digestsSince <= lease.order) desk.digestsSince = undefined;
}

/** So many places are kept; where more was told, all is looked at. */
const MOST_UNTAKEN = 256;

/**
 * What a reading says cannot be taken, since it is not known where rows stand. A look at the whole sheet finds it; a search
 * finds where rows came or went, and these rows are read after it.
 */
export function leaveUntaken(desk: SheetDesk, stretch: Stretch): void {
  if (!isVeryLarge(desk)) return;
  desk.untaken = addStretch(desk.untaken, stretch, (a) => a);
  if (desk.untaken.length > MOST_UNTAKEN) desk.probe = "whole";
}

/** Whether it is being sought where rows came or went in a sheet of this size. */
export const isSearched = (desk: SheetDesk, rows: number | undefined, columns: number, heldColumns: number): boolean =>
  typeof desk.probe === "object" && desk.probe.sheetRows === rows && columns === heldColumns;

/** Something happened to a sheet's structure, which says nothing of where. A very large sheet is looked at whole only so often. */
export function lookForStructure(fold: Folding, sheetId: number): void {
  const desk = deskOf(fold, sheetId);
  const isResized = fold.state.sheetState(sheetId)?.rows.length !== desk.seen.rows;
  const { recheck } = desk;
  if (!isVeryLarge(desk) || isResized || recheck === undefined || fold.now >= recheck.structureAt + recheck.pauseMs) {
    wantDigests(fold, sheetId);
    if (isVeryLarge(desk) && !isResized) desk.recheck = { ...recheckAfter(recheck, fold.now), dueAt: undefined };
    return;
  }
  const dueAt = recheck.dueAt ?? recheck.structureAt + recheck.pauseMs;
  desk.recheck = { ...recheck, dueAt, isOpen: true, since: fold.desk.order };
}

const FIRST_PAUSE_MS = 60_000;
const MOST_PAUSE_MS = 60 * 60_000;

/**
 * When the whole sheet is looked at after rows came or went: a minute after the first time, and ever later, up to an hour,
 * while they go on coming and going.
 */
export function recheckAfter(before: Recheck | undefined, now: number): Recheck {
  const isGoingOn = before !== undefined && now - before.structureAt < 2 * before.pauseMs;
  const pauseMs = isGoingOn ? Math.min(2 * before.pauseMs, MOST_PAUSE_MS) : FIRST_PAUSE_MS;
  const { dueAt = now + pauseMs, isOpen = false } = before ?? {};
  return { ...before, structureAt: now, pauseMs, dueAt, isOpen };
}
