/** Lists of sheets: which there are, and whether their grids are still as large as they are held. */
import type { Sheet, Spreadsheet } from "@sheetwire/shared/protocol";
import type { SpreadsheetState } from "../../sheets/sheets.ts";
import { emptySheetDesk, type Lease } from "../desk.ts";
import { isAfter } from "../placing.ts";
import type { ReadAt, ReadingOf } from "../types.ts";
import { wantColumns } from "./columns.ts";
import { arrivalOf, canChangeUnseen, deskOf, leaveUnproven, wantDigests, type Folding } from "./folding.ts";
import { lookForStructure } from "./probing.ts";

export function takeSheets(fold: Folding, reading: ReadingOf<"sheets">, lease: Lease | undefined): void {
  const desk = fold.desk;
  const arrival = arrivalOf(fold, -1, { top: 0, bottom: 1, left: 0, right: 1 }, reading.readAt, lease);
  const wanted = spreadsheetAsHeld(reading.spreadsheet, fold.state);
  const differs = JSON.stringify(wanted) !== JSON.stringify(fold.state.snapshotHead().spreadsheet);
  // A list of sheets that nobody asked for was sent because something happened, now or in a run whose post was lost.
  const structural = fold.post.cause.startsWith("change:") && reading.want === undefined;
  const before = desk.sheetsStamp;
  if (before && !isAfter(arrival, before)) {
    // Two lists of sheets whose order is not certain: this one is not believed, the next one asked for is. What it was
    // sent for stays true: something happened.
    const resized = reading.spreadsheet.sheets.some(
      (sheet) => fold.state.sheetState(sheet.sheetId)?.rows.length !== sheet.rows,
    );
    if (differs || resized || structural) desk.sheetsSince = desk.order;
    if (structural) for (const sheetId of desk.sheets.keys()) lookForStructure(fold, sheetId);
    return;
  }
  desk.sheetsStamp = { ...arrival, arrivedAt: fold.now };
  if (desk.sheetsSince === 0 || (lease && lease.order >= (desk.sheetsSince ?? 0))) desk.sheetsSince = undefined;
  const known = new Set(fold.state.sheets().map((sheet) => sheet.sheetId));
  if (differs || !fold.state.spreadsheet) {
    fold.emit({ kind: "sheets", spreadsheet: wanted }, reading.readAt);
  }
  const grids = reading.spreadsheet.sheets.filter((sheet) => sheet.kind === "GRID");
  for (const sheetId of desk.sheets.keys()) {
    if (grids.some((sheet) => sheet.sheetId === sheetId)) continue;
    desk.sheets.delete(sheetId);
    for (const [id, { want }] of desk.leases)
      if (want.kind !== "sheets" && want.sheetId === sheetId) desk.leases.delete(id);
  }
  const resized: Sheet[] = [];
  for (const sheet of grids) {
    if (!known.has(sheet.sheetId)) {
      welcome(fold, sheet, reading.readAt);
      // What was told of a sheet that nobody knew may be of after this list.
      if (desk.sheetsSince !== undefined) wantDigests(fold, sheet.sheetId);
    } else if (lookAt(fold, sheet)) resized.push(sheet);
  }
  if (!structural) return;
  // Something happened to the spreadsheet that says nothing of where. If a grid changed its size, it was there, unless that
  // was what a list before this one was sent for; sheets that came or went reach others through formulas only. A script that
  // reached nobody for a while tells of several things at once.
  const news = resized.filter((sheet) => isNews(fold, sheet)).map((sheet) => sheet.sheetId);
  const explaining = fold.post.cause === "change:SEVERAL" ? [] : news;
  const isAboutSheets = /^change:(INSERT|REMOVE)_GRID$/.test(fold.post.cause);
  const others = grids.filter(
    (sheet) => known.has(sheet.sheetId) && (!isAboutSheets || canChangeUnseen(fold, sheet.sheetId)),
  );
  for (const sheetId of explaining.length > 0 ? explaining : others.map((sheet) => sheet.sheetId)) {
    lookForStructure(fold, sheetId);
  }
}

/** A new sheet: the rows behind its used part are known to be blank. */
function welcome(fold: Folding, sheet: Sheet, readAt: ReadAt): void {
  const usedRows = Math.min(sheet.usedRows ?? sheet.rows, sheet.rows);
  fold.desk.sheets.set(
    sheet.sheetId,
    emptySheetDesk({
      rows: sheet.rows,
      columns: sheet.columns,
      usedRows,
      usedColumns: Math.min(sheet.usedColumns ?? sheet.columns, sheet.columns),
    }),
  );
  const blank = sheet.rows - usedRows;
  if (blank > 0) {
    const runs = usedRows > 0 ? [{ unknown: usedRows }, { blank }] : [{ blank }];
    fold.emit({ kind: "rows", sheetId: sheet.sheetId, runs }, readAt);
  }
  if (usedRows > 0) leaveUnproven(fold, sheet.sheetId, { from: 0, to: usedRows });
  const desk = fold.desk.sheets.get(sheet.sheetId);
  if (desk) desk.layoutStamp = { readAt, run: fold.post.run, n: fold.post.n, order: fold.desk.order };
}

/** A sheet that is held: is its grid still as large as we hold it? */
function lookAt(fold: Folding, sheet: Sheet): boolean {
  const desk = deskOf(fold, sheet.sheetId);
  const held = fold.state.sheetState(sheet.sheetId);
  if (!held) return false;
  const otherColumns = held.sheet.columns !== sheet.columns;
  const resized = held.rows.length !== sheet.rows || otherColumns;
  desk.seen = {
    rows: sheet.rows,
    columns: sheet.columns,
    usedRows: sheet.usedRows ?? desk.seen.usedRows,
    usedColumns: sheet.usedColumns ?? desk.seen.usedColumns,
  };
  if (resized) wantDigests(fold, sheet.sheetId);
  else desk.explained = undefined;
  if (otherColumns) wantColumns(fold, sheet.sheetId);
  return resized;
}

/** Whether no list was sent for this size before. */
function isNews(fold: Folding, { sheetId, rows, columns }: Sheet): boolean {
  const desk = deskOf(fold, sheetId);
  const before = desk.explained;
  desk.explained = { rows, columns };
  return before?.rows !== rows || before.columns !== columns;
}

/** The spreadsheet as a change tells it: how many rows and columns a held sheet has is told by changes of their own. */
function spreadsheetAsHeld(spreadsheet: Spreadsheet, state: SpreadsheetState): Spreadsheet {
  const sheets = spreadsheet.sheets.map((read) => {
    const sheet = { ...read };
    delete sheet.usedRows;
    delete sheet.usedColumns;
    const held = state.sheetState(sheet.sheetId);
    return held ? { ...sheet, rows: held.rows.length, columns: held.sheet.columns } : sheet;
  });
  return { ...spreadsheet, sheets };
}
