import type { Area } from "../cell/cell.ts";
import { referencesIn } from "../formulas/formulas.ts";

/** Reads `B2`, `B2:D4`, `A:C` or `3:5` (open sides reach to the sheet's size); nothing when it is none of these. */
export function parseA1(text: string, size: { rowCount: number; columnCount: number }): Area | undefined {
  const formula = `=${text.trim()}`;
  const [reference, ...others] = referencesIn(formula);
  if (
    !reference ||
    others.length > 0 ||
    reference.start !== 1 ||
    reference.end !== formula.length ||
    reference.prefix !== ""
  )
    return undefined;
  const { from, to = from } = reference;
  const isOpenDown = from.row === undefined || to.row === undefined;
  const isOpenRight = from.column === undefined || to.column === undefined;
  const row = Math.min(from.row ?? Infinity, to.row ?? Infinity);
  const column = Math.min(from.column ?? Infinity, to.column ?? Infinity);
  const first = { row: Number.isFinite(row) ? row : 0, column: Number.isFinite(column) ? column : 0 };
  const lastRow = isOpenDown ? size.rowCount - 1 : Math.max(from.row ?? 0, to.row ?? 0);
  const lastColumn = isOpenRight ? size.columnCount - 1 : Math.max(from.column ?? 0, to.column ?? 0);
  if (first.row < 0 || lastRow < first.row || lastColumn < first.column) return undefined;
  return { ...first, rows: lastRow - first.row + 1, columns: lastColumn - first.column + 1 };
}
