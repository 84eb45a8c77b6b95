/** One sheet's cells, kept sparse: what is blank costs nothing. */
import { blank, isBlank, type Area, type Cell } from "../cell/cell.ts";

type Row = (Cell | undefined)[];

export type Sheet = {
  readonly sheetId: number;
  title: string;
  rowCount: number;
  columnCount: number;
  hidden: boolean;
  frozenRows: number;
  frozenColumns: number;
  rows: (Row | undefined)[];
  /** Columns up to the last with content; undefined when it has to be sought again. */
  usedColumns: number | undefined;
};

const defaultRows = 1000;
const defaultColumns = 26;
export const maxColumns = 18_278;
export const maxCells = 10_000_000;
export const maxCellChars = 50_000;

export function createSheet(sheetId: number, title: string, rows = defaultRows, columns = defaultColumns): Sheet {
  return {
    sheetId,
    title,
    rowCount: Math.max(1, rows),
    columnCount: Math.max(1, columns),
    hidden: false,
    frozenRows: 0,
    frozenColumns: 0,
    rows: [],
    usedColumns: 0,
  };
}

export const cellAt = (sheet: Sheet, row: number, column: number): Cell => sheet.rows[row]?.[column] ?? blank;

export function putCell(sheet: Sheet, row: number, column: number, cell: Cell): void {
  const held = (sheet.rows[row] ??= []);
  // Holes would make arrays slow and JSON null anyway.
  while (held.length < column) held.push(undefined);
  held[column] = cell === blank || (isBlank(cell) && cell.format === "") ? undefined : cell;
  if (!isBlank(cell)) {
    if (sheet.usedColumns !== undefined) sheet.usedColumns = Math.max(sheet.usedColumns, column + 1);
  } else if (sheet.usedColumns === column + 1) sheet.usedColumns = undefined;
}

/** As far as content reaches. */
export function usedOf(sheet: Sheet): { rows: number; columns: number } {
  let rows = Math.min(sheet.rows.length, sheet.rowCount);
  while (rows > 0 && !(sheet.rows[rows - 1]?.some((cell) => !isBlank(cell)) ?? false)) rows--;
  if (sheet.usedColumns === undefined) {
    let columns = 0;
    for (const row of sheet.rows) {
      if (!row) continue;
      let last = row.length;
      while (last > columns && isBlank(row[last - 1])) last--;
      columns = Math.max(columns, last);
    }
    sheet.usedColumns = columns;
  }
  return { rows, columns: rows === 0 ? 0 : sheet.usedColumns };
}

export function* cellsIn(sheet: Sheet, area: Area): Generator<readonly [row: number, column: number, cell: Cell]> {
  const lastRow = Math.min(area.row + area.rows, sheet.rows.length);
  for (let row = area.row; row < lastRow; row++) {
    const held = sheet.rows[row];
    if (!held) continue;
    const lastColumn = Math.min(area.column + area.columns, held.length);
    for (let column = area.column; column < lastColumn; column++) {
      const cell = held[column];
      if (cell !== undefined) yield [row, column, cell];
    }
  }
}

/** A copy that later writes do not reach; cells themselves are never changed in place. */
export const copyOf = (sheet: Sheet): Sheet => ({ ...sheet, rows: sheet.rows.map((row) => row?.slice()) });

export function insertRows(sheet: Sheet, row: number, count: number): void {
  if (row < sheet.rows.length) sheet.rows.splice(row, 0, ...Array.from<undefined>({ length: count }));
  sheet.rowCount += count;
  if (row < sheet.frozenRows) sheet.frozenRows += count;
}

export function deleteRows(sheet: Sheet, row: number, count: number): void {
  sheet.rows.splice(row, count);
  sheet.rowCount -= count;
  sheet.frozenRows -= Math.max(0, Math.min(sheet.frozenRows, row + count) - row);
  sheet.usedColumns = undefined;
}

export function insertColumns(sheet: Sheet, column: number, count: number): void {
  for (const row of sheet.rows) {
    if (row && column < row.length) row.splice(column, 0, ...Array.from<undefined>({ length: count }));
  }
  sheet.columnCount += count;
  if (column < sheet.frozenColumns) sheet.frozenColumns += count;
  sheet.usedColumns = undefined;
}

export function deleteColumns(sheet: Sheet, column: number, count: number): void {
  for (const row of sheet.rows) row?.splice(column, count);
  sheet.columnCount -= count;
  sheet.frozenColumns -= Math.max(0, Math.min(sheet.frozenColumns, column + count) - column);
  sheet.usedColumns = undefined;
}

/** Moves a stretch so that it stands before what was at `to`. */
export function moveWithin<T>(list: (T | undefined)[], from: number, count: number, to: number): void {
  const length = Math.max(list.length, from + count, to);
  while (list.length < length) list.push(undefined);
  const moved = list.splice(from, count);
  list.splice(to > from ? to - count : to, 0, ...moved);
}
