import { unpackDigests } from "@sheetwire/shared/digest";
import { limits } from "@sheetwire/shared/limits";
import { widthOf } from "@sheetwire/shared/grid";
import type { Post, Reading, ReadingOf } from "./types.ts";

/**
 * Rows that the readings of one post may tell of, blank ones included: a hundred times what a run reads at once. Work must
 * not grow with a number that somebody wrote.
 */
const MOST_ROWS = 100 * limits.editReadMaxCells;

/** What is wrong with a post whose parts cannot all be true, in words without contents; undefined when nothing is. */
export function contradictionIn(post: Post): string | undefined {
  let rows = 0;
  for (const [index, reading] of post.readings.entries()) {
    const problem = reading.readAt[0] > reading.readAt[1] ? "readAt ends before it begins" : problemIn(reading);
    if (problem) return `readings[${index}] (${reading.kind}): ${problem}`;
    if (reading.kind === "rows") rows += reading.rows.length;
    else if (reading.kind === "cells") rows += reading.size?.rows ?? reading.cells.length;
    if (rows > MOST_ROWS) return `more than ${MOST_ROWS} rows in one post`;
  }
  return undefined;
}

/** Google's own limit, with room for a limit that was raised since. */
const isTooLarge = (rows: number, columns: number): boolean => rows * columns > 4 * limits.spreadsheetMaxCells;

function problemIn(reading: Reading): string | undefined {
  if (reading.kind === "cells" || reading.kind === "rows" || reading.kind === "digests") {
    const { sheetRows = 1, sheetColumns = 1 } = reading;
    if (isTooLarge(sheetRows, sheetColumns)) return "a sheet with more cells than a spreadsheet can have";
  }
  if (reading.kind === "cells") return problemInCells(reading);
  if (reading.kind === "digests") {
    const length = reading.axis === "rows" ? reading.sheetRows : reading.sheetColumns;
    if (reading.from > reading.to) return "from lies behind to";
    if (length !== undefined && reading.to > length) return `digests up to ${reading.to} of ${length} ${reading.axis}`;
    const digests = unpackDigests(reading.digests);
    if (!digests) return "digests is not base64 of 8 bytes each";
    if (digests.length !== reading.to - reading.from) {
      return `${digests.length} digests for ${reading.to - reading.from} ${reading.axis}`;
    }
    return undefined;
  }
  if (reading.kind === "rows") {
    const beyond = reading.rows.find(([row]) => reading.sheetRows !== undefined && row >= reading.sheetRows);
    if (beyond) return `row ${beyond[0]} of ${reading.sheetRows}`;
    return new Set(reading.rows.map(([row]) => row)).size < reading.rows.length ? "one row twice" : undefined;
  }
  if (reading.kind === "sheets") {
    const { sheets } = reading.spreadsheet;
    if (new Set(sheets.map((sheet) => sheet.sheetId)).size !== sheets.length) return "one sheetId twice";
    const rows = sheets.reduce((sum, sheet) => sum + sheet.rows, 0);
    if (rows > limits.spreadsheetMaxCells) return `${rows} rows, more than a spreadsheet can have`;
    const cells = sheets.reduce((sum, sheet) => sum + sheet.rows * sheet.columns, 0);
    return isTooLarge(cells, 1) ? `${cells} cells, more than a spreadsheet can have` : undefined;
  }
  return undefined;
}

function problemInCells(reading: ReadingOf<"cells">): string | undefined {
  const { at, cells, sheetRows, sheetColumns, edited } = reading;
  const size = reading.size ?? { rows: cells.length, columns: widthOf(cells) };
  if (cells.length > size.rows || widthOf(cells) > size.columns) return "cells do not fit into size";
  if (at.row + size.rows > sheetRows || at.column + size.columns > sheetColumns) return "reaches beyond the sheet";
  if (edited && (edited.row + edited.rows > sheetRows || edited.column + edited.columns > sheetColumns)) {
    return "edited reaches beyond the sheet";
  }
  return undefined;
}
