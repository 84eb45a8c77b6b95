/** Columns that came, went or moved, recognised by their digests. */
import { NO_DIGEST } from "@sheetwire/shared/digest";
import { limits } from "@sheetwire/shared/limits";
import type { ColumnRun, RowRun } from "@sheetwire/shared/protocol";
import { align } from "../align.ts";
import { usedCells, type SheetDesk } from "../desk.ts";
import { isAboveFloor, isAfterAll, remember, type Arrival } from "../placing.ts";
import type { Digest, ReadAt, ReadingOf } from "../types.ts";
import { deskOf, newLayout, wantDigests, type Folding } from "./folding.ts";

/** Columns that came, went or moved travel as runs; what a new one holds is found by the rows' digests. */
export function takeColumnDigests(
  fold: Folding,
  reading: ReadingOf<"digests">,
  arrival: Arrival,
  desk: SheetDesk,
  digests: readonly Digest[],
  sheetColumns: number,
): void {
  const { sheetId, from, to, usedColumns, readAt } = reading;
  const held = fold.state.held(sheetId);
  const isTimely = isAboveFloor(fold.desk, arrival, fold.now) && isAfterAll(fold.desk, arrival);
  desk.seen = { ...desk.seen, columns: sheetColumns, usedColumns };
  if (from !== 0 || to < Math.min(usedColumns, sheetColumns) || !isTimely) {
    wantColumns(fold, sheetId);
    return;
  }
  desk.columnsSince = undefined;
  desk.columnsTried = true;
  remember(fold.desk, arrival, fold.now);
  const before = held.columns(4 * limits.columnCheckMaxCells);
  const now = [...digests];
  while (now.length < sheetColumns) now.push(NO_DIGEST);
  const found = before && align(before, now);
  if (found ? !found.moved : held.sheet.columns === sheetColumns) return;
  const runs = found ? found.runs.map(columnRun) : plainColumnRuns(held.sheet.columns, sheetColumns);
  fold.emit({ kind: "columns", sheetId, runs }, readAt);
  newLayout(fold, sheetId, desk, readAt);
  wantDigests(fold, sheetId);
}

/** Where comparing columns would cost too much, their number is set right at once and the rows tell the rest. */
export function wantColumns(fold: Folding, sheetId: number): void {
  const desk = deskOf(fold, sheetId);
  const held = fold.state.held(sheetId);
  if (held.unknownRows === 0 && usedCells(desk) <= limits.columnCheckMaxCells) {
    desk.columnsSince = fold.desk.order;
    return;
  }
  desk.columnsTried = true;
  const { columns } = held.sheet;
  if (columns === desk.seen.columns) return;
  const readAt: ReadAt = [fold.now, fold.now];
  fold.emit({ kind: "columns", sheetId, runs: plainColumnRuns(columns, desk.seen.columns) }, readAt);
  newLayout(fold, sheetId, desk, readAt);
  wantDigests(fold, sheetId);
}

/** A new column is blank until its rows are read. */
const columnRun = (run: RowRun): ColumnRun =>
  "keep" in run ? run : { blank: "put" in run ? run.put.length : "blank" in run ? run.blank : run.unknown };

function plainColumnRuns(before: number, after: number): ColumnRun[] {
  const runs: ColumnRun[] = [];
  if (Math.min(before, after) > 0) runs.push({ keep: [0, Math.min(before, after)] });
  if (after > before) runs.push({ blank: after - before });
  return runs;
}
