import type { GridRange } from "@sheetwire/shared/protocol";
import { limits } from "@sheetwire/shared/limits";

/** 0 -> A, 25 -> Z, 26 -> AA. */
export function columnName(column: number): string {
  let name = "";
  for (let left = column + 1; left > 0; left = Math.floor((left - 1) / 26)) {
    name = String.fromCharCode(65 + ((left - 1) % 26)) + name;
  }
  return name;
}

/** A -> 0, AA -> 26. */
export function columnIndex(name: string): number {
  let index = 0;
  for (const letter of name.toUpperCase()) index = index * 26 + (letter.charCodeAt(0) - 64);
  return index - 1;
}

/** The A1 name of a cell: (0, 0) -> A1. */
export const cellName = (row: number, column: number): string => `${columnName(column)}${row + 1}`;

/** The A1 name of a range; a single cell gives a single name. */
export function rangeName(range: GridRange): string {
  const first = cellName(range.startRowIndex, range.startColumnIndex);
  const last = cellName(range.endRowIndex - 1, range.endColumnIndex - 1);
  return first === last ? first : `${first}:${last}`;
}

/** `'My Sheet'!A1:B2`: the title quoted where the Sheets API asks for it. */
export function sheetRangeName(title: string, range: GridRange): string {
  const plain = /^[A-Za-z_]\w*$/.test(title) && !/^[A-Za-z]{1,3}\d+$/.test(title) && !/^r\d*c\d*$/i.test(title);
  return `${plain ? title : `'${title.replace(/'/g, "''")}'`}!${rangeName(range)}`;
}

export type A1 = { title?: string | undefined; range: GridRange | undefined };

/**
 * Reads A1 notation as the Sheets API does: `B2`, `B2:D4`, `Sheet1!A:C`, `'My Sheet'!3:5`, or a sheet's name alone (then
 * `range` is undefined: the whole sheet). Open sides reach to `size`. Nothing when it is none of these.
 */
export function parseA1(text: string, size: { rows: number; columns: number }): A1 | undefined {
  const quoted = /^'((?:[^']|'')+)'(?:!(.*))?$/s.exec(text);
  if (!quoted && text.startsWith("'")) return undefined;
  const cut = text.lastIndexOf("!");
  const title = quoted ? quoted[1]?.replace(/''/g, "'") : cut >= 0 ? text.slice(0, cut) : undefined;
  const place = quoted ? quoted[2] : text.slice(cut + 1);
  const range = place === undefined ? undefined : parseRange(place, size);
  if (range) return title === "" ? undefined : { title, range };
  if (quoted) return place === undefined ? { title, range: undefined } : undefined;
  return cut >= 0 || text === "" ? undefined : { title: text, range: undefined };
}

function parseRange(text: string, size: { rows: number; columns: number }): GridRange | undefined {
  const match = /^\$?([A-Za-z]{1,3})?\$?(\d{1,8})?(?::\$?([A-Za-z]{1,3})?\$?(\d{1,8})?)?$/.exec(text);
  if (!match || text === "" || text === ":") return undefined;
  const [, columnA, rowA, columnB, rowB] = match;
  const isPair = text.includes(":");
  if (!isPair && (!columnA || !rowA)) return undefined;
  if (isPair && ((!columnA && !rowA) || (!columnB && !rowB))) return undefined;
  // `A:3` and `1:C` mix a column with a row and mean nothing; `A2:C` and `A:C5` are open at the bottom.
  if (isPair && ((columnA === undefined) !== (columnB === undefined) || (!columnA && (!rowA || !rowB))))
    return undefined;
  if (rowA === "0" || rowB === "0") return undefined;
  // An open side reaches to the sheet's end: there is nothing beyond it.
  if (isPair && !rowB && rowA && Number(rowA) > size.rows) return undefined;
  const rows = [rowA ? Number(rowA) - 1 : 0, isPair ? (rowB ? Number(rowB) - 1 : size.rows - 1) : Number(rowA) - 1];
  const columns = [
    columnA ? columnIndex(columnA) : 0,
    isPair ? (columnB ? columnIndex(columnB) : size.columns - 1) : columnIndex(columnA ?? "A"),
  ];
  const range = {
    startRowIndex: Math.min(...rows),
    endRowIndex: Math.max(...rows) + 1,
    startColumnIndex: Math.min(...columns),
    endColumnIndex: Math.max(...columns) + 1,
  };
  const tooFar = range.endColumnIndex > limits.sheetMaxColumns || range.endRowIndex > limits.spreadsheetMaxCells;
  return tooFar || range.startRowIndex < 0 || range.startColumnIndex < 0 ? undefined : range;
}
