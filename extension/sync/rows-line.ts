import { limits } from "@sheetwire/shared/limits";
import type { Cell, SnapshotRows } from "@sheetwire/shared/protocol";

/**
 * A line of a snapshot as rows, if it is that: it says yes and no exactly as `snapshotRowsSchema` does, which takes a
 * tenth of a second for what this reads in a hundredth. A copy has millions of cells, and each is looked at once.
 */
export function readRowsLine(value: unknown): SnapshotRows | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { sheetId, fromRow, rows } = value as Record<string, unknown>;
  if (!isIndex(sheetId, Number.MAX_SAFE_INTEGER) || !isIndex(fromRow, MOST_ROWS)) return undefined;
  if (!Array.isArray(rows) || rows.length === 0) return undefined;
  for (let r = 0; r < rows.length; r += 1) {
    const row: unknown = rows[r];
    if (row === null) continue;
    if (!Array.isArray(row) || row.length > limits.sheetMaxColumns) return undefined;
    for (let c = 0; c < row.length; c += 1) if (!isCell(row[c])) return undefined;
  }
  return { sheetId, fromRow, rows: rows as (Cell[] | null)[] };
}

const MOST_ROWS = limits.spreadsheetMaxCells;

const isIndex = (value: unknown, most: number): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most;

function isCell(value: unknown): boolean {
  return typeof value === "object" && value !== null ? isRich(value) : isValue(value);
}

function isValue(value: unknown): boolean {
  switch (typeof value) {
    case "string":
      return value.length <= limits.cellMaxChars;
    case "number":
      return Number.isFinite(value);
    case "boolean":
      return true;
    default:
      return value === null;
  }
}

const isText = (value: unknown, mostChars: number): boolean =>
  value === undefined || (typeof value === "string" && value.length <= mostChars);

function isRich(value: object): boolean {
  if (Array.isArray(value)) return false;
  const { v, f, d, e } = value as Record<string, unknown>;
  return isValue(v) && isText(f, limits.cellMaxChars) && isText(d, limits.cellMaxChars) && isText(e, 32);
}
