import { lengthAfter } from "@sheetwire/shared/grid";
import type { ColumnRun, Row, RowRun } from "@sheetwire/shared/protocol";
import type { LogEntry } from "./database.ts";
import type { Image } from "./image/image.ts";

/** Applies a change that is like the one taken back, but for what is said. */
type Take = (back: Record<string, unknown>) => void;

/** A gap in what runs keep: old rows or columns that are gone. */
export type Gap = { from: number; to: number };

/** The old rows or columns that runs do not keep, in order. */
export function gapsOf(runs: readonly (RowRun | ColumnRun)[], before: number): Gap[] {
  const kept = runs.flatMap((run) => ("keep" in run ? [run.keep] : [])).sort((a, b) => a[0] - b[0]);
  const gaps: Gap[] = [];
  let at = 0;
  for (const [from, count] of [...kept, [before, 0] as const]) {
    if (from > at) gaps.push({ from: at, to: from });
    at = Math.max(at, from + count);
  }
  return gaps;
}

/**
 * Takes one change back. False where that is not possible, because what it took away was not kept; the image is as it
 * was then.
 */
export function undo(image: Image, { change, lost, before }: LogEntry): boolean {
  const take: Take = (back) => image.apply(Object.assign({}, change, back));
  switch (change.kind) {
    case "verified":
      return true;
    case "sheets": {
      const ids = new Set(before?.sheets.map((sheet) => sheet.sheetId));
      const isGone = before?.sheets.some((sheet) => sheet.kind === "GRID" && !image.sheets.has(sheet.sheetId)) ?? true;
      if (!before || isGone || ids.size === 0) return false;
      take({ spreadsheet: before });
      return true;
    }
    case "cells": {
      if (change.was) {
        const width = Math.max(...change.cells.map((row) => row.length));
        // A rectangle is as wide as its longest row: the first gets its blanks written out.
        const was = change.was.map((row) => [...row, ...blanks(width - row.length)]);
        while (was.length < change.cells.length) was.push(blanks(width));
        if (width > 0) take({ cells: was });
        return true;
      }
      if (!lost) return false;
      const rows = image.sheets.get(change.sheetId)?.rowCount ?? 0;
      const [top, bottom] = [change.at.row, change.at.row + lost.length];
      take({
        kind: "rows",
        runs: [...kept(0, top), ...restored(lost), ...kept(bottom, rows - bottom)],
      });
      return true;
    }
    case "rows": {
      if (!lost) return false;
      const gaps = gapsOf(change.runs, countBefore(change.runs, lost.length));
      take({ runs: runsBack(change.runs, gaps, lost) });
      return true;
    }
    case "columns":
      return undoColumns(image, change.sheetId, change.runs, lost, take);
  }
}

function undoColumns(
  image: Image,
  sheetId: number,
  runs: readonly ColumnRun[],
  lost: readonly (Row | null)[] | undefined,
  take: Take,
): boolean {
  const sheet = image.sheets.get(sheetId);
  if (!sheet || !lost) return false;
  // The first row of what was kept tells how many columns there were.
  const before = lost[0]?.[0];
  if (typeof before !== "number") return false;
  const gaps = gapsOf(runs, before);
  const back: ColumnRun[] = [];
  let old = 0;
  const places = placesOf(runs);
  for (const { from, count, at } of places) {
    if (from > old) back.push({ blank: from - old });
    back.push({ keep: [at, count] });
    old = from + count;
  }
  if (before > old) back.push({ blank: before - old });
  take({ runs: back });
  lost.slice(1).forEach((row, index) => {
    if (!row) return;
    let used = 0;
    for (const { from, to } of gaps) {
      const cells = row.slice(used, used + to - from);
      used += to - from;
      if (cells.some((cell) => cell !== null)) {
        take({ kind: "cells", at: { row: index, column: from }, cells: [cells] });
      }
    }
  });
  return true;
}

const blanks = (count: number): null[] => Array.from({ length: Math.max(0, count) }, () => null);
const kept = (from: number, count: number): RowRun[] => (count > 0 ? [{ keep: [from, count] }] : []);
const restored = (rows: readonly (Row | null)[]): RowRun[] =>
  rows.map((row): RowRun => (row ? { put: [row] } : { unknown: 1 }));

/** Kept runs in their old order: `from` before, `at` after. */
function placesOf(runs: readonly (RowRun | ColumnRun)[]): { from: number; count: number; at: number }[] {
  const places: { from: number; count: number; at: number }[] = [];
  let at = 0;
  for (const run of runs) {
    const count = lengthAfter([run]);
    if ("keep" in run) places.push({ from: run.keep[0], count, at });
    at += count;
  }
  return places.sort((a, b) => a.from - b.from);
}

const countBefore = (runs: readonly RowRun[], lost: number): number =>
  lost + runs.reduce((sum, run) => sum + ("keep" in run ? run.keep[1] : 0), 0);

function runsBack(runs: readonly RowRun[], gaps: readonly Gap[], lost: readonly (Row | null)[]): RowRun[] {
  const back: RowRun[] = [];
  const places = placesOf(runs);
  let used = 0;
  let next = 0;
  const fill = (until: number): void => {
    for (let gap = gaps[next]; gap && gap.from < until; gap = gaps[next]) {
      back.push(...restored(lost.slice(used, used + gap.to - gap.from)));
      used += gap.to - gap.from;
      next += 1;
    }
  };
  for (const { from, count, at } of places) {
    fill(from);
    back.push({ keep: [at, count] });
  }
  fill(Infinity);
  return back;
}
