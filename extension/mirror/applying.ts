import { digestOfRow, digestText, fold, NO_DIGEST, placed } from "@sheetwire/shared/digest";
import { MisfitError, widthOf } from "@sheetwire/shared/grid";
import type { Change, ChangeOf, Row } from "@sheetwire/shared/protocol";
import type { Blocks } from "./blocks.ts";
import type { LogEntry } from "./database.ts";
import { MismatchError } from "./faults.ts";
import type { Image, SheetImage } from "./image/image.ts";
import { summariseCells, summariseColumns, summariseRows, summariseSheets } from "./summary.ts";
import { gapsOf } from "./undo.ts";

/** What goes with rows or columns is kept for looking back, up to so many cells a change. */
const LOST_MOST_CELLS = 20_000;
/** Rows looked at together where many are. */
const SLICE_ROWS = 4_096;

type Needs = { image: Image; blocks: Blocks; seed: number };

/**
 * Applies a change to the image and says in words what it did. Contents are read only where the change itself does not
 * tell what stood there before.
 */
export async function applyWithWords(change: Change, needs: Needs): Promise<LogEntry> {
  const { image } = needs;
  if (change.kind === "sheets") {
    const before = image.spreadsheet;
    image.apply(change);
    return { change, summary: summariseSheets(change, before), before };
  }
  const sheet = image.sheet(change.sheetId, change.kind);
  if (change.kind === "verified") {
    await prove(change, sheet, needs);
    return { change, summary: null };
  }
  if (change.kind === "cells") return applyCells(change, sheet, needs);
  if (change.kind === "rows") return applyRows(change, sheet, needs);
  const { columns, rows } = sheet.sheet;
  const gaps = gapsOf(change.runs, columns);
  let lost: (Row | null)[] | undefined = [[columns]];
  const width = gaps.reduce((sum, gap) => sum + gap.to - gap.from, 0);
  if (width * rows > LOST_MOST_CELLS) lost = undefined;
  else if (width > 0) {
    for (const row of await rowsOf(sheet, 0, rows, needs)) {
      lost.push(row && gaps.flatMap(({ from, to }) => padded(row.slice(from, to), to - from)));
    }
  }
  const summary = summariseColumns(change, columns, sheet.sheet.title);
  image.apply(change);
  return { change, summary, ...(lost ? { lost } : {}) };
}

async function applyCells(change: ChangeOf<"cells">, sheet: SheetImage, needs: Needs): Promise<LogEntry> {
  const { row: top, column } = change.at;
  const bottom = top + change.cells.length;
  if (bottom > sheet.rowCount) throw new MisfitError(`Cells to row ${bottom} of ${sheet.rowCount}.`);
  const width = widthOf(change.cells);
  const title = sheet.sheet.title;
  if (change.was && !sheet.mayBeUnknown(top, bottom)) {
    needs.image.apply(change);
    return { change, summary: summariseCells(change, padRows(change.was, change.cells.length), width, title) };
  }
  const rows = await rowsOf(sheet, top, bottom, needs);
  const firstUnknown = rows.indexOf(null);
  if (firstUnknown >= 0 && column > 0) throw new MisfitError(`Part of row ${top + firstUnknown}, which is unknown.`);
  const before = rows.map((row) => row && row.slice(column, column + width));
  needs.image.apply(change);
  const summary = summariseCells(change, before, width, title);
  if (firstUnknown < 0) return { change: { ...change, was: before as Row[] }, summary };
  const { was: _, ...rest } = change;
  const isSmall = rows.reduce((sum, row) => sum + (row?.length ?? 0), 0) <= LOST_MOST_CELLS;
  return { change: rest, summary, ...(isSmall ? { lost: rows } : {}) };
}

async function applyRows(change: ChangeOf<"rows">, sheet: SheetImage, needs: Needs): Promise<LogEntry> {
  const { title, columns } = sheet.sheet;
  const rowsBefore = sheet.rowCount;
  const gaps = gapsOf(change.runs, rowsBefore);
  const lostRows = gaps.reduce((sum, gap) => sum + gap.to - gap.from, 0);
  let unknownOnly = gaps.length > 0;
  const lost: (Row | null)[] | undefined = lostRows * columns <= LOST_MOST_CELLS ? [] : undefined;
  for (const { from, to } of gaps) {
    if (isUnknown(sheet, from, to)) {
      for (let n = from; lost && n < to; n += 1) lost.push(null);
      continue;
    }
    for (let at = from; at < to && (lost || unknownOnly); at += SLICE_ROWS) {
      if (!lost && !sheet.mayBeUnknown(at, to)) unknownOnly = false;
      else {
        const rows = await rowsOf(sheet, at, Math.min(to, at + SLICE_ROWS), needs);
        if (rows.some((row) => row !== null)) unknownOnly = false;
        lost?.push(...rows);
      }
    }
  }
  const summary = summariseRows(change, rowsBefore, unknownOnly, title);
  needs.image.apply(change);
  return { change, summary, ...(lost ? { lost } : {}) };
}

/** Checks a proof against the copy's own digest. */
async function prove(change: ChangeOf<"verified">, sheet: SheetImage, needs: Needs): Promise<void> {
  const { from, to } = change.window;
  const end = Math.min(to, sheet.rowCount);
  let digest = NO_DIGEST;
  for (let at = from; at < end; at += SLICE_ROWS) {
    const rows = await rowsOf(sheet, at, Math.min(end, at + SLICE_ROWS), needs);
    rows.forEach((row, n) => {
      if (!row) throw mismatch(change);
      digest = fold(digest, placed(at + n, digestOfRow(row, needs.seed)));
    });
  }
  if (digestText(digest) !== change.digest) throw mismatch(change);
}

const mismatch = ({ window, sheetId }: ChangeOf<"verified">): MismatchError =>
  new MismatchError(`Rows ${window.from} to ${window.to} of sheet ${sheetId} have another digest than the relay's.`);

async function rowsOf(sheet: SheetImage, from: number, to: number, { blocks }: Needs): Promise<(Row | null)[]> {
  const isScan = to - from > SLICE_ROWS / 4;
  const blockOf = await blocks.load(sheet.place, sheet.blocksIn(from, to), { isScan });
  return sheet.rows(from, to, 0, Infinity, blockOf);
}

/** Whether all of a window is known to be unknown. */
function isUnknown(sheet: SheetImage, from: number, to: number): boolean {
  for (const { piece } of sheet.stretches(from, to)) if (piece.source !== "unknown") return false;
  return true;
}

const padded = (row: Row, width: number): Row => {
  while (row.length < width) row.push(null);
  return row;
};

const padRows = (rows: readonly Row[], count: number): Row[] => {
  const all = rows.slice();
  while (all.length < count) all.push([]);
  return all;
};
