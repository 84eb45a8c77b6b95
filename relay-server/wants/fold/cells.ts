/** Contents: what was read of cells and rows is put where it belongs, if that is certain. */
import { canonicalRow, widthOf } from "@sheetwire/shared/grid";
import { limits } from "@sheetwire/shared/limits";
import type { Row } from "@sheetwire/shared/protocol";
import { BLANK, hasDigest } from "../../sheets/sheets.ts";
import { usedCells, type Lease, type SheetDesk, type Stamp } from "../desk.ts";
import { differences } from "../difference.ts";
import { isAboveFloor, isAfterAll, remember, someOverlapping } from "../placing.ts";
import { stretchesOf, type Stretch } from "../stretches.ts";
import type { ReadingOf } from "../types.ts";
import {
  arrivalOf,
  closeDoubts,
  deskOf,
  doubt,
  isBeforeLayout,
  isChecking,
  isKnownWithoutGrid,
  leaveUnproven,
  lookAgain,
  noteHealed,
  wantDigests,
  type Folding,
} from "./folding.ts";
import { cameFromElsewhere, mayBeColumnsMoved, movedUnseen, recognise, takeMoves } from "./moves.ts";
import { isSearched, leaveUntaken } from "./probing.ts";
import { noteRead } from "./volatile.ts";

/** Nobody changes rows that were read. */
const NO_CELLS: Row = [];

export function takeCells(fold: Folding, reading: ReadingOf<"cells">, lease: Lease | undefined): void {
  const { at, cells, sheetId } = reading;
  const size = reading.size ?? { rows: cells.length, columns: widthOf(cells) };
  const rows: Row[] = [];
  for (const row of cells) rows.push(canonicalRow(row));
  // Blank rows behind what was told may be a million; those that are held as blank say nothing new.
  const held = fold.state.sheetState(sheetId)?.rows;
  let end = size.rows;
  while (end > rows.length && held?.[at.row + end - 1] === BLANK) end -= 1;
  while (rows.length < end) rows.push(NO_CELLS);
  if (size.rows === 0) {
    closeDoubts(fold, sheetId, wantedRows(lease), lease);
    return;
  }
  // A want for whole rows is answered for whole rows, however far to the right there was anything to read.
  const reach = Math.max(size.columns, wantedWidth(lease) ?? 0);
  const isWhole =
    at.column === 0 && (reach >= reading.sheetColumns || (size.rows === 1 && isBeginningOfRow(fold, sheetId, at.row)));
  const width = isWhole ? reading.sheetColumns : size.columns;
  place(fold, reading, lease, { top: at.row, height: size.rows, left: at.column, width, rows, isWhole });
  closeDoubts(fold, sheetId, wantedRows(lease), lease);
}

/** A row too large for one post comes in pieces to whoever asked for it; the first makes it known, the others fill it. */
function isBeginningOfRow(fold: Folding, sheetId: number, row: number): boolean {
  for (const { want, run } of fold.desk.leases.values()) {
    if (run !== fold.post.run || want.kind === "sheets" || want.sheetId !== sheetId) continue;
    if (want.kind === "rows" && want.rows.includes(row)) return true;
    if (want.kind === "cells" && row >= want.range.startRowIndex && row < want.range.endRowIndex) return true;
  }
  return false;
}

export function takeRows(fold: Folding, reading: ReadingOf<"rows">, lease: Lease | undefined): void {
  const sheet = fold.state.sheetState(reading.sheetId)?.sheet;
  const sorted = [...reading.rows].sort(([a], [b]) => a - b);
  let block: { top: number; rows: Row[] } | undefined;
  const flush = (): void => {
    if (!block) return;
    const width = Math.max(sheet?.columns ?? 0, reading.sheetColumns ?? 0, widthOf(block.rows));
    const { top, rows } = block;
    place(fold, reading, lease, { top, height: rows.length, left: 0, width, rows, isWhole: true });
    block = undefined;
  };
  for (const [index, cells] of sorted) {
    if (block && block.top + block.rows.length !== index) flush();
    block ??= { top: index, rows: [] };
    block.rows.push(canonicalRow(cells));
  }
  flush();
  if (lease?.want.kind === "rows") {
    for (const stretch of stretchesOf([...lease.want.rows].sort((a, b) => a - b))) {
      closeDoubts(fold, reading.sheetId, stretch, lease);
    }
  }
}

/**
 * Puts a rectangle that was read where it belongs, if that is certain, or notes that it must be read again. Below `rows` it
 * is as it is held: blank.
 */
function place(
  fold: Folding,
  reading: ReadingOf<"cells"> | ReadingOf<"rows">,
  lease: Lease | undefined,
  area: { top: number; height: number; left: number; width: number; rows: Row[]; isWhole: boolean },
): void {
  const { sheetId } = reading;
  const held = fold.state.sheetState(sheetId);
  if (!held) {
    // A sheet nobody told of. What kinds of sheets there are is learned first.
    if (!isKnownWithoutGrid(fold, sheetId)) fold.desk.sheetsSince = fold.desk.order;
    return;
  }
  const desk = deskOf(fold, sheetId);
  const { sheetRows, sheetColumns } = reading;
  const { top, height, left, width, rows, isWhole } = area;
  const stretch = { from: top, to: top + height };
  const told = { from: top, to: top + rows.length };
  const isOtherSize =
    (sheetRows !== undefined && sheetRows !== held.rows.length) ||
    (sheetColumns ?? Math.max(held.sheet.columns, left + widthOf(rows))) !== held.sheet.columns;
  const arrival = arrivalOf(
    fold,
    sheetId,
    { top, bottom: stretch.to, left, right: left + width },
    reading.readAt,
    lease,
  );
  if (isOtherSize || isBeforeLayout(arrival, desk)) {
    recognise(fold, sheetId, rows, reading.readAt, isWhole);
    // Where rows are sought in a sheet of this very size, that goes on.
    if (!isSearched(desk, sheetRows, sheetColumns ?? held.sheet.columns, held.sheet.columns)) {
      if (isOtherSize) fold.desk.sheetsSince = fold.desk.order;
      wantDigests(fold, sheetId);
    }
    leaveUntaken(desk, stretch);
    return;
  }
  if (reading.kind === "cells" && reading.edited) doubtUnread(fold, sheetId, reading.edited, stretch, left + width);
  const found = differences(
    top,
    left,
    width,
    rows,
    (row) => (held.rows[row] ? fold.state.row(sheetId, row) : undefined),
    isWhole,
  );
  const overwrites = found.some((one) => one.was !== undefined);
  // Part of a row that is unknown says too little to be applied; whatever fills the row must be younger than it.
  const isPartOfUnknown = !isWhole && rows.some((_, offset) => held.rows[top + offset]?.json === null);
  const isCertain = isAfterAll(fold.desk, arrival);
  const isTyped = overwrites && reading.kind === "cells" && !lease;
  const came = lease ? "no" : cameFrom(fold, reading, area);
  if (isTyped && (came === "yes" || movedUnseen(fold, reading, area))) {
    remember(fold.desk, arrival, fold.now);
    recognise(fold, sheetId, rows, reading.readAt, isWhole);
    wantDigests(fold, sheetId);
    return;
  }
  const isPlaceable = isAboveFloor(fold.desk, arrival, fold.now);
  if (came === "perhaps" && !(isTyped && isCertain && isPlaceable)) lookAround(fold, sheetId);
  if (isPartOfUnknown || (found.length > 0 && (!isCertain || !isPlaceable))) doubt(fold, sheetId, stretch);
  const isBefore = ({ readAt }: Stamp): boolean => arrival.readAt[0] < readAt[0];
  const isLate = overwrites && (!isPlaceable || (!isCertain && someOverlapping(fold.desk, arrival, isBefore)));
  remember(fold.desk, arrival, fold.now);
  if (isLate) return;
  if (lease && isWhole) noteRead(fold, desk, stretch);
  const isHeal = isChecking(fold) && overwrites;
  const isSorted = found.length > 0 && !lease && isWhole && takeMoves(fold, sheetId, told, rows, reading.readAt);
  const rest = isSorted ? differences(top, left, width, rows, (row) => fold.state.row(sheetId, row), isWhole) : found;
  if (came === "perhaps" && isTyped && !isSorted) lookAround(fold, sheetId);
  for (const { at, cells, was } of rest) {
    const expected = was === undefined ? held.rows.slice(at.row, at.row + cells.length) : [];
    fold.emit({ kind: "cells", sheetId, at, cells, ...(was ? { was } : {}) }, reading.readAt);
    if (was) lookAgain(fold, sheetId, { from: at.row, to: at.row + cells.length });
    // Content that has the digest which was announced for it is proven by that.
    const isProven = (row: number): boolean => {
      const [now, before] = [held.rows[row], expected[row - at.row]];
      return now !== undefined && before !== undefined && hasDigest(before, now);
    };
    const open: number[] = [];
    for (let row = at.row; row < at.row + cells.length; row += 1) if (!isProven(row)) open.push(row);
    for (const unproven of stretchesOf(open)) leaveUnproven(fold, sheetId, unproven);
    noteUsed(desk, at.row + cells.length, at.column + widthOf(cells));
    if (isHeal) noteHealed(fold, cells.length);
  }
  if (isHeal) desk.restless = true;
}

/** What was written lies in the used part of the sheet. */
function noteUsed(desk: SheetDesk, rows: number, columns: number): void {
  const { seen } = desk;
  if (rows <= seen.usedRows && columns <= seen.usedColumns) return;
  desk.seen = {
    ...seen,
    usedRows: Math.max(seen.usedRows, rows),
    usedColumns: Math.max(seen.usedColumns, columns),
  };
}

/** Whether what was edited was dragged there, as far as it can be told. */
function cameFrom(
  fold: Folding,
  reading: ReadingOf<"cells"> | ReadingOf<"rows">,
  { top, height, rows, isWhole }: { top: number; height: number; rows: Row[]; isWhole: boolean },
): "yes" | "perhaps" | "no" {
  if (reading.kind !== "cells") return "no";
  if (isWhole) return cameFromElsewhere(fold, reading, { from: top, to: top + height }, rows);
  const { sheet, rows: held } = fold.state.held(reading.sheetId);
  return mayBeColumnsMoved(reading, held.length, sheet.columns) ? "perhaps" : "no";
}

/** Rows may have come from anywhere in the sheet: a small one is compared at once, a large one with the next check. */
function lookAround(fold: Folding, sheetId: number): void {
  const desk = deskOf(fold, sheetId);
  if (usedCells(desk) <= limits.editCheckMaxCells) wantDigests(fold, sheetId);
  else leaveUnproven(fold, sheetId, { from: 0, to: fold.state.held(sheetId).rows.length });
}

/** An edit larger than a run can read at once: what it did not read is read next. */
function doubtUnread(
  fold: Folding,
  sheetId: number,
  edited: { row: number; column: number; rows: number; columns: number },
  read: Stretch,
  right: number,
): void {
  const end = edited.row + edited.rows;
  if (edited.column + edited.columns > right) doubt(fold, sheetId, { from: edited.row, to: end });
  else {
    if (edited.row < read.from) doubt(fold, sheetId, { from: edited.row, to: Math.min(end, read.from) });
    if (end > read.to) doubt(fold, sheetId, { from: Math.max(edited.row, read.to), to: end });
  }
}

const wantedRows = (lease: Lease | undefined): Stretch | undefined =>
  lease?.want.kind === "cells" ? { from: lease.want.range.startRowIndex, to: lease.want.range.endRowIndex } : undefined;

const wantedWidth = (lease: Lease | undefined): number | undefined =>
  lease?.want.kind === "cells" ? lease.want.range.endColumnIndex : undefined;
