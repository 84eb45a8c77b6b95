/** Rows that are not where they were, as far as contents tell: without digests of the whole sheet. */
import { lengthAfter, sameCell } from "@sheetwire/shared/grid";
import type { Cell, Row, RowRun } from "@sheetwire/shared/protocol";
import { hasDigest } from "../../sheets/sheets.ts";
import { align } from "../align.ts";
import { agreesWithOldValue, isRecalculated } from "../difference.ts";
import type { Stretch } from "../stretches.ts";
import type { ReadAt, ReadingOf } from "../types.ts";
import { leaveUnproven, lookAgain, type Folding } from "./folding.ts";

/**
 * Rows that mostly changed places within what was read (a sort, rows dragged) travel as runs, so that their stories
 * follow them. Nothing outside the stretch moves. Says whether there was such a move.
 */
export function takeMoves(
  fold: Folding,
  sheetId: number,
  stretch: Stretch,
  rows: readonly Row[],
  readAt: ReadAt,
): boolean {
  const held = fold.state.held(sheetId);
  const before = held.rows.slice(stretch.from, stretch.to);
  if (before.some((row) => row.json === null)) return false;
  const now = rows.map((cells) => fold.state.digestOf(cells));
  const differing = now.filter((digest, offset) => {
    const row = before[offset];
    return !row || !hasDigest(row, digest);
  });
  if (differing.length < 2) return false;
  const found = align(before, now);
  const open = found.changed.length + found.unknown.length;
  if (!found.moved || open * 2 > differing.length) return false;
  let at = 0;
  const inside = found.runs.map((run): RowRun => {
    const from = at;
    at += lengthAfter([run]);
    if ("keep" in run) return { keep: [run.keep[0] + stretch.from, run.keep[1]] };
    return "unknown" in run ? { put: rows.slice(from, at) } : run;
  });
  const above: RowRun[] = stretch.from > 0 ? [{ keep: [0, stretch.from] }] : [];
  const below = held.rows.length - stretch.to;
  const behind: RowRun[] = below > 0 ? [{ keep: [stretch.to, below] }] : [];
  fold.emit({ kind: "rows", sheetId, runs: [...above, ...inside, ...behind] }, readAt);
  leaveUnproven(fold, sheetId, stretch);
  lookAgain(fold, sheetId, stretch);
  return true;
}

/** Whole rows that were read at a place that is no longer certain still serve as content, looked up by digest. */
export function recognise(
  fold: Folding,
  sheetId: number,
  rows: readonly Row[],
  readAt: ReadAt,
  isWhole: boolean,
): void {
  const held = fold.state.sheetState(sheetId);
  if (!isWhole || !held || held.unknownRows === 0) return;
  const byDigest = new Map<string, Row>();
  for (const cells of rows) {
    // A blank row has no digest to be found by.
    if (cells.length === 0) continue;
    const { high, low } = fold.state.digestOf(cells);
    byDigest.set(`${high | 0} ${low | 0}`, cells);
  }
  if (byDigest.size === 0) return;
  held.rows.forEach((row, index) => {
    if (row.json !== null || (row.high === 0 && row.low === 0)) return;
    const cells = byDigest.get(`${row.high} ${row.low}`);
    if (cells) fold.emit({ kind: "cells", sheetId, at: { row: index, column: 0 }, cells: [cells] }, readAt);
  });
}

/**
 * Of rows that are dragged elsewhere Google tells only where they went, as an edit of whole rows. `yes` where such an edit
 * put what stood in another row; `perhaps` where it could have: it was typed into before it was read, or an equal row stood
 * there.
 */
export function cameFromElsewhere(
  fold: Folding,
  reading: ReadingOf<"cells">,
  stretch: Stretch,
  rows: readonly Row[],
): "yes" | "perhaps" | "no" {
  const { edited, was, sheetId } = reading;
  const held = fold.state.held(sheetId);
  const { columns } = held.sheet;
  if (!edited || edited.column > 0 || edited.columns < columns || edited.rows >= held.rows.length) return "no";
  // In a sheet of one column each cell is a whole row; with an old value it was typed.
  if (columns === 1 && was !== undefined) return "no";
  const others = rows
    .map((cells, offset) => ({ digest: fold.state.digestOf(cells), before: held.rows[stretch.from + offset] }))
    .filter(({ digest, before }) => (digest.high !== 0 || digest.low !== 0) && !(before && hasDigest(before, digest)));
  // There may be millions of rows to look through.
  const sought = new Map<number, Set<number>>();
  for (const { digest } of others) {
    const lows = sought.get(digest.high | 0) ?? new Set<number>();
    sought.set(digest.high | 0, lows.add(digest.low | 0));
  }
  const isElsewhere =
    sought.size > 0 &&
    held.rows.some(
      ({ high, low, json }, row) =>
        json !== null && (row < stretch.from || row >= stretch.to) && high !== 0 && sought.get(high)?.has(low) === true,
    );
  if (isElsewhere) return "yes";
  return columns > 1 ? "perhaps" : "no";
}

/**
 * Of columns that are dragged elsewhere too Google tells only where they went. Where whole rows were read the others show it;
 * where nothing but such columns was read it could be so.
 */
export function mayBeColumnsMoved({ edited }: ReadingOf<"cells">, rows: number, columns: number): boolean {
  return edited !== undefined && edited.row === 0 && edited.rows >= rows && edited.columns < columns;
}

/** A typed edit whose surroundings, or whose old value, are not what is held: rows or columns moved, or an event was lost. */
export function movedUnseen(
  fold: Folding,
  reading: ReadingOf<"cells">,
  area: { top: number; left: number; width: number; rows: Row[] },
): boolean {
  const { edited, was, sheetId } = reading;
  if (!edited) return false;
  const { top, left, width, rows } = area;
  for (const [offset, now] of rows.entries()) {
    const row = top + offset;
    const held = fold.state.row(sheetId, row);
    if (!held) continue;
    const inside = (column: number): boolean =>
      row >= edited.row &&
      row < edited.row + edited.rows &&
      column >= edited.column &&
      column < edited.column + edited.columns;
    for (let offsetColumn = 0; offsetColumn < width; offsetColumn += 1) {
      const column = left + offsetColumn;
      const a: Cell = now[offsetColumn] ?? null;
      const b: Cell = held[column] ?? null;
      if (sameCell(a, b)) continue;
      if (!inside(column)) {
        if (!isRecalculated(a, b)) return true;
      } else if (edited.rows === 1 && edited.columns === 1 && was !== undefined && !agreesWithOldValue(b, was))
        return true;
    }
  }
  return false;
}
