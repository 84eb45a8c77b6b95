/** What is asked of a run that has just posted: the most telling things first, as much as it can carry. */
import { limits } from "@sheetwire/shared/limits";
import type { SheetState, SpreadsheetState } from "../sheets/sheets.ts";
import type { Desk, Lease, SheetDesk } from "./desk.ts";
import { isLarge, isVeryLarge } from "./check.ts";
import { isScarce } from "./policy.ts";
import { isNarrow, rowsToProbe, startProbe, windowOf } from "./probe.ts";
import { gapsIn, stretchesOf, type Stretch } from "./stretches.ts";
import type { Post, Want } from "./types.ts";

/** Wants and cells of one answer: what a run reads and posts in a few seconds. */
const MOST_WANTS = 16;
const MOST_CELLS = 160_000;
/** Runs that follow an edit finish what is nearly complete, but do not carry a first copy. */
const MOST_ROWS_BY_THE_WAY = 5_000;
/** A run that copies looks after the layout, or waits for it, for so many rounds; then the next one does. */
const COPY_MOST_ROUNDS = 40 * limits.runMaxRounds;
/** Single rows that are asked for at once. */
const PROBES = 16;
/** Shorter stretches of rows are asked for together, by number. */
const SHORTEST_WINDOW = 20;

type Draft = Want extends infer W ? (W extends Want ? Omit<W, "id"> : never) : never;

/** Who is asked: a run that has posted, or one that is about to be called. */
export type Asked = Pick<Post, "run" | "n" | "cause"> & Partial<Pick<Post, "readings">>;

/** Issues wants to this run and leases them to it. `now` in milliseconds. */
export function issueWants(post: Asked, state: SpreadsheetState, desk: Desk, now: number): Want[] {
  for (const [id, lease] of desk.leases) {
    if (now - lease.issuedAt > 2 * limits.wantLeaseMs) desk.leases.delete(id);
  }
  const isForCopying = post.cause !== "edit" && !post.cause.startsWith("change:");
  const isTired = post.n >= limits.runMaxRounds;
  if (isTired && !isForCopying) return [];
  // When Google's daily trigger time runs low, an edit is asked about nothing but the rows it was about.
  const touched = !isForCopying && isScarce(desk.allowance) ? touchedBy(post) : undefined;
  const wants: Want[] = [];
  let cells = 0;
  const issue = (draft: Draft, cost: number): boolean => {
    if (wants.length >= MOST_WANTS || (cells > 0 && cells + cost > MOST_CELLS)) return false;
    cells += cost;
    desk.order += 1;
    desk.wantCount += 1;
    const want: Want = { ...draft, id: `${desk.startedAt.toString(36)}-${desk.wantCount}` };
    desk.leases.set(want.id, {
      want,
      order: desk.order,
      issuedAt: now,
      run: post.run,
      until: now + limits.wantLeaseMs,
    });
    wants.push(want);
    return true;
  };
  const out = [...desk.leases.values()].filter((lease) => lease.until > now);

  if (!isTired && !touched && desk.sheetsSince !== undefined && !out.some((lease) => lease.want.kind === "sheets")) {
    issue({ kind: "sheets" }, 1);
  }
  for (const held of state.sheetStates()) {
    const sheet = desk.sheets.get(held.sheet.sheetId);
    if (!sheet) continue;
    const onSheet = out.filter((lease) => isAbout(lease, held.sheet.sheetId, sheet.layout));
    if (touched) {
      const rows = onlyWithin(doubtfulRows(sheet, held, onSheet), touched.get(held.sheet.sheetId) ?? []);
      if (!issueRows(held, sheet, rows, issue)) break;
      continue;
    }
    // A copy that meets a change of layout looks where the rows are now before it goes on: rows of a layout that is in
    // doubt would be told in vain, again and again.
    const isBlocked = sheet.digestsSince !== undefined;
    const mayLook = !isTired || (held.unknownRows > 0 && post.n < COPY_MOST_ROUNDS);
    if (isBlocked && mayLook && !issueDigests(held, sheet, onSheet, issue, desk.sheetsSince !== undefined)) break;
    const isSoughtFirst = isBlocked && isVeryLarge(sheet);
    if (
      !isTired &&
      !isSoughtFirst &&
      sheet.doubts.length > 0 &&
      !issueRows(held, sheet, doubtfulRows(sheet, held, onSheet), issue)
    )
      break;
    const isToBeProven = isForCopying && !isTired && !isBlocked && isLarge(sheet) && sheet.doubts.length === 0;
    if (isToBeProven && held.unknownRows === 0 && !issueProof(held, sheet, onSheet, issue)) break;
    if (held.unknownRows === 0 || (isTired && isBlocked)) continue;
    if (!isForCopying && held.unknownRows > MOST_ROWS_BY_THE_WAY) continue;
    if (!issueRows(held, sheet, unknownRows(held, onSheet), issue)) break;
  }
  // A copy that must wait for what another run reads would stand still until the next check if its run ended: it is asked
  // for little until that run has answered, or its lease is over.
  const isWaiting = isForCopying && wants.length === 0 && out.some((lease) => lease.run !== post.run);
  if (isWaiting && post.n < COPY_MOST_ROUNDS && state.sheetStates().some((held) => held.unknownRows > 0)) {
    issue({ kind: "sheets" }, 1);
  }
  return wants;
}

type Issue = (draft: Draft, cost: number) => boolean;

const isAbout = (lease: Lease, sheetId: number, layout: number): boolean =>
  lease.want.kind !== "sheets" && lease.want.sheetId === sheetId && lease.want.layout === layout;

/** `isListOpen`: the sheet may have another size than was seen last. */
function issueDigests(
  held: SheetState,
  sheet: SheetDesk,
  out: readonly Lease[],
  issue: Issue,
  isListOpen: boolean,
): boolean {
  const { sheetId } = held.sheet;
  if (sheet.columnsSince !== undefined) {
    if (out.some(({ want }) => want.kind === "digests" && want.axis === "columns")) return true;
    const to = Math.max(1, Math.min(sheet.seen.usedColumns, sheet.seen.columns));
    const want = { kind: "digests", sheetId, layout: sheet.layout, axis: "columns", from: 0, to } as const;
    return issue(want, Math.ceil((to * sheet.seen.usedRows) / 8));
  }
  const probed = issueProbes(held, sheet, out, issue, isListOpen);
  if (probed !== "whole") return probed === "fits";
  const end = Math.max(1, Math.min(sheet.seen.usedRows, sheet.seen.rows));
  const width = Math.max(1, sheet.seen.usedColumns);
  const windowRows = Math.max(1, Math.floor(limits.digestWantMaxCells / width));
  // A round that lacks nothing and did not end began when the sheet was filled further down: it begins again.
  if (sheet.round && gapsIn({ from: 0, to: end }, sheet.round.pieces).length === 0) sheet.round = undefined;
  const covered: Stretch[] = [
    ...(sheet.round && sheet.round.layout === sheet.layout ? sheet.round.pieces : []),
    ...out.flatMap(({ want }) =>
      want.kind === "digests" && want.axis === "rows" ? [{ from: want.from, to: want.to }] : [],
    ),
  ];
  for (const gap of gapsIn({ from: 0, to: end }, covered)) {
    for (let from = gap.from; from < gap.to; from += windowRows) {
      const to = Math.min(gap.to, from + windowRows);
      const want = { kind: "digests", sheetId, layout: sheet.layout, axis: "rows", from, to } as const;
      if (!issue(want, Math.ceil(((to - from) * width) / 8))) return false;
    }
  }
  return true;
}

/**
 * Where rows came or went in a very large sheet: asks for single rows that tell where, and then for what is left. `whole`:
 * it has to be looked at whole.
 */
function issueProbes(
  held: SheetState,
  sheet: SheetDesk,
  out: readonly Lease[],
  issue: Issue,
  isListOpen: boolean,
): "fits" | "full" | "whole" {
  if (sheet.probe === "whole" || !isVeryLarge(sheet)) return "whole";
  // How many rows came or went is told by the list of sheets.
  if (isListOpen && sheet.seen.rows === held.rows.length) return "fits";
  const probe = sheet.probe ?? startProbe(held.rows.length, sheet.seen.rows);
  const isWindow = probe !== undefined && isNarrow(probe, sheet.seen.usedColumns);
  const rows = probe && !isWindow ? rowsToProbe(probe, held.rows, PROBES) : [];
  if (!probe || (!isWindow && rows.length === 0)) {
    sheet.probe = "whole";
    return "whole";
  }
  sheet.probe = probe;
  const windows = isWindow ? [windowOf(probe)] : rows.map((row) => ({ from: row, to: row + 1 }));
  for (const { from, to } of windows) {
    if (out.some(({ want }) => want.kind === "digests" && want.from === from && want.to === to)) continue;
    const cost = Math.ceil(((to - from) * Math.max(1, sheet.seen.usedColumns)) / 8);
    if (!issue({ kind: "digests", sheetId: held.sheet.sheetId, layout: sheet.layout, axis: "rows", from, to }, cost)) {
      return "full";
    }
  }
  return "fits";
}

/** Asks for the digests of windows around what changed in a large sheet, instead of all its digests. */
function issueProof(held: SheetState, sheet: SheetDesk, out: readonly Lease[], issue: Issue): boolean {
  const { sheetId } = held.sheet;
  const windowRows = Math.max(1, Math.floor(limits.digestWantMaxCells / Math.max(1, sheet.seen.usedColumns)));
  const covered = out.flatMap(({ want }) =>
    want.kind === "digests" && want.axis === "rows" ? [{ from: want.from, to: want.to }] : [],
  );
  let window: Stretch | undefined;
  const send = (): boolean => {
    if (!window) return true;
    const { from, to } = window;
    window = undefined;
    const want = { kind: "digests", sheetId, layout: sheet.layout, axis: "rows", from, to } as const;
    return issue(want, Math.ceil(((to - from) * sheet.seen.usedColumns) / 8));
  };
  for (const stretch of sheet.unproven) {
    for (const gap of gapsIn({ from: stretch.from, to: Math.min(stretch.to, held.rows.length) }, covered)) {
      for (let from = gap.from; from < gap.to; from += windowRows) {
        const to = Math.min(gap.to, from + windowRows);
        if (window && to - window.from > windowRows && !send()) return false;
        window = { from: window?.from ?? from, to };
      }
    }
  }
  return send();
}

/** Asks for rows: long stretches as windows of cells, scattered ones by number. Says whether all fitted. */
function issueRows(held: SheetState, sheet: SheetDesk, rows: Iterable<number>, issue: Issue): boolean {
  const { sheetId, columns } = held.sheet;
  const { layout } = sheet;
  const width = Math.max(1, Math.min(sheet.seen.usedColumns || columns, columns));
  const most = Math.max(1, Math.floor(limits.wantMaxCells / width));
  const scattered: number[] = [];
  const flush = (): boolean => {
    while (scattered.length > 0) {
      const some = scattered.splice(0, Math.min(most, limits.wantMaxRows));
      if (!issue({ kind: "rows", sheetId, layout, rows: some }, some.length * width)) return false;
    }
    return true;
  };
  for (const stretch of stretchesOf(take(rows, (MOST_CELLS * 2) / width + most))) {
    if (stretch.to - stretch.from < SHORTEST_WINDOW) {
      for (let row = stretch.from; row < stretch.to; row += 1) scattered.push(row);
      if (scattered.length >= most && !flush()) return false;
      continue;
    }
    for (let from = stretch.from; from < stretch.to; from += most) {
      const to = Math.min(stretch.to, from + most);
      const range = { startRowIndex: from, endRowIndex: to, startColumnIndex: 0, endColumnIndex: Math.max(1, columns) };
      if (!issue({ kind: "cells", sheetId, layout, range }, (to - from) * width)) return false;
    }
  }
  return flush();
}

/** The first so many of something. */
function take(rows: Iterable<number>, most: number): number[] {
  const some: number[] = [];
  for (const row of rows) {
    if (some.length >= most) break;
    some.push(row);
  }
  return some;
}

/** Rows somebody was asked for and has not told of yet. */
function beingRead(out: readonly Lease[]): { windows: Stretch[]; single: Set<number> } {
  const windows: Stretch[] = [];
  const single = new Set<number>();
  for (const { want } of out) {
    if (want.kind === "cells") windows.push({ from: want.range.startRowIndex, to: want.range.endRowIndex });
    if (want.kind === "rows") for (const row of want.rows) single.add(row);
  }
  return { windows, single };
}

function* doubtfulRows(sheet: SheetDesk, held: SheetState, out: readonly Lease[]): Generator<number> {
  const { windows, single } = beingRead(out);
  for (const { from, to } of sheet.doubts) {
    for (const gap of gapsIn({ from, to: Math.min(to, held.rows.length) }, windows)) {
      for (let row = gap.from; row < gap.to; row += 1) if (!single.has(row)) yield row;
    }
  }
}

function* unknownRows(held: SheetState, out: readonly Lease[]): Generator<number> {
  const { windows, single } = beingRead(out);
  // Behind the last of them there may be millions of others.
  let left = held.unknownRows;
  for (const gap of gapsIn({ from: 0, to: held.rows.length }, windows)) {
    for (let row = gap.from; row < gap.to && left > 0; row += 1) {
      if (held.rows[row]?.json !== null) continue;
      left -= 1;
      if (!single.has(row)) yield row;
    }
  }
}

/** The rows that a post was about, by sheet. */
function touchedBy({ readings = [] }: Asked): Map<number, Stretch[]> {
  const touched = new Map<number, Stretch[]>();
  const touch = (sheetId: number, stretch: Stretch): void => {
    touched.set(sheetId, [...(touched.get(sheetId) ?? []), stretch]);
  };
  for (const reading of readings) {
    if (reading.kind === "cells") {
      const { at, cells, size, edited, sheetId } = reading;
      touch(sheetId, { from: at.row, to: at.row + (size?.rows ?? cells.length) });
      if (edited) touch(sheetId, { from: edited.row, to: edited.row + edited.rows });
    } else if (reading.kind === "rows") {
      for (const [row] of reading.rows) touch(reading.sheetId, { from: row, to: row + 1 });
    }
  }
  return touched;
}

function* onlyWithin(rows: Iterable<number>, stretches: readonly Stretch[]): Generator<number> {
  for (const row of rows) if (stretches.some(({ from, to }) => row >= from && row < to)) yield row;
}
