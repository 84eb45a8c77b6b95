import type { Cell, CellValue, RichCell, Row } from "@sheetwire/shared/protocol";

/** How a value looks without any number format and in no locale: what `d` is left out for. */
export function plainRendering(value: CellValue): string {
  if (value === null) return "";
  if (value === true) return "TRUE";
  if (value === false) return "FALSE";
  return String(value);
}

export const isRich = (cell: Cell): cell is RichCell => typeof cell === "object" && cell !== null;

export const valueOf = (cell: Cell): CellValue => (isRich(cell) ? cell.v : cell);

export const formulaOf = (cell: Cell): string | undefined => (isRich(cell) ? cell.f : undefined);

/** What a person sees in the cell. */
export function displayOf(cell: Cell): string {
  if (!isRich(cell)) return plainRendering(cell);
  return cell.d ?? cell.e ?? plainRendering(cell.v);
}

/**
 * The one way to write a cell: blank is null, -0 is 0, a rich cell that says no more than its value is the value, keys
 * stand in the order v, f, d, e, and `d` is left out where it only repeats the plain rendering or the error.
 */
export function canonicalCell(cell: Cell): Cell {
  if (cell === "") return null;
  if (cell === 0) return 0;
  if (!isRich(cell)) return cell;
  const { f, d, e } = cell;
  const v = cell.v === 0 ? 0 : cell.v;
  const display = d !== undefined && d !== (e ?? plainRendering(v)) ? d : undefined;
  if (f === undefined && display === undefined && e === undefined) return v === "" ? null : v;
  const rich: RichCell = { v };
  if (f !== undefined) rich.f = f;
  if (display !== undefined) rich.d = display;
  if (e !== undefined) rich.e = e;
  return rich;
}

/** Canonical cells, trailing blanks dropped. */
export function canonicalRow(cells: readonly Cell[]): Row {
  if (cells.length === 0) return [];
  const row = cells.map(canonicalCell);
  while (row.length > 0 && row[row.length - 1] === null) row.pop();
  return row;
}

/** Whether two cells say the same, however each of them is written. */
export function sameCell(a: Cell, b: Cell): boolean {
  if (a === b) return true;
  const [x, y] = [canonicalCell(a), canonicalCell(b)];
  return isRich(x) && isRich(y) ? x.v === y.v && x.f === y.f && x.d === y.d && x.e === y.e : x === y;
}
