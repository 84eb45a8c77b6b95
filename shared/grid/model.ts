import type { Cell, Change, Row, Sheet, Spreadsheet } from "@sheetwire/shared/protocol";
import { canonicalRow } from "./cell.ts";
import { applyColumnRuns, applyRowRuns, lengthAfter, MisfitError } from "./runs.ts";

/** A row as a plain model keeps it: canonical cells, or null while it is unknown. */
export type ModelRow = Row | null;
export type SheetModel = { sheet: Sheet; rows: ModelRow[] };

/** A spreadsheet in memory, in the plainest form: what tests, tools and history compare others with. */
export type SpreadsheetModel = { spreadsheet: Spreadsheet | undefined; sheets: Map<number, SheetModel> };

export const emptyModel = (): SpreadsheetModel => ({ spreadsheet: undefined, sheets: new Map() });

/** The cells of one row after a rectangle of `width` columns was written at `column`. */
export function overlayRow(row: Row, column: number, cells: readonly Cell[], width: number): Row {
  const after: Row = row.slice();
  while (after.length < column) after.push(null);
  for (let offset = 0; offset < width; offset += 1) after[column + offset] = cells[offset] ?? null;
  return canonicalRow(after);
}

/** How wide the rectangle of a `cells` change is. */
export const widthOf = (cells: readonly Row[]): number => cells.reduce((most, row) => Math.max(most, row.length), 0);

/** Applies one change, in place. Throws {@link MisfitError} when it cannot belong to this copy; the copy is then void. */
export function applyChange(model: SpreadsheetModel, change: Change): void {
  if (change.kind === "verified") return;
  if (change.kind === "sheets") {
    applySheets(model, change.spreadsheet);
    return;
  }
  const held = model.sheets.get(change.sheetId);
  if (!held) throw new MisfitError(`A ${change.kind} change for sheet ${change.sheetId}, which is not held.`);
  if (change.kind === "rows") {
    held.rows = applyRowRuns<ModelRow>(held.rows, change.runs, {
      put: canonicalRow,
      blank: () => [],
      unknown: () => null,
    });
    held.sheet = { ...held.sheet, rows: held.rows.length };
  } else if (change.kind === "columns") {
    const { columns } = held.sheet;
    held.rows = held.rows.map((row) => row && applyColumnRuns(row, columns, change.runs));
    held.sheet = { ...held.sheet, columns: lengthAfter(change.runs) };
  } else {
    const { row: top, column } = change.at;
    if (top + change.cells.length > held.rows.length) {
      throw new MisfitError(`Cells to row ${top + change.cells.length} of ${held.rows.length}.`);
    }
    const width = widthOf(change.cells);
    change.cells.forEach((cells, offset) => {
      const before = held.rows[top + offset];
      if (!before && column > 0) throw new MisfitError(`Part of row ${top + offset}, which is unknown.`);
      held.rows[top + offset] = before ? overlayRow(before, column, cells, width) : canonicalRow(cells);
    });
  }
}

/** A sheet that is new has unknown rows; one that stays keeps rows and columns: how many are told by changes of their own. */
function applySheets(model: SpreadsheetModel, spreadsheet: Spreadsheet): void {
  model.spreadsheet = spreadsheet;
  const gone = new Set(model.sheets.keys());
  for (const sheet of spreadsheet.sheets) {
    gone.delete(sheet.sheetId);
    const held = model.sheets.get(sheet.sheetId);
    if (held) held.sheet = { ...sheet, rows: held.rows.length, columns: held.sheet.columns };
    else if (sheet.kind === "GRID") {
      model.sheets.set(sheet.sheetId, { sheet, rows: Array.from({ length: sheet.rows }, () => null) });
    }
  }
  for (const sheetId of gone) model.sheets.delete(sheetId);
}
