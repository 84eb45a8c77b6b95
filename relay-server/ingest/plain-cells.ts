import { limits } from "@sheetwire/shared/limits";
import type { ReadingOf } from "@sheetwire/shared/protocol";

/**
 * Whether this is a reading of cells that the schema would take exactly as it is. Nearly all that is posted is cells, and
 * the schema asks of each cell what all it could be; what is not recognised here is left to it. Of values from `JSON.parse`.
 */
export function isPlainCells(value: unknown): value is ReadingOf<"cells"> {
  if (!isObject(value) || value["kind"] !== "cells") return false;
  const { readAt, want, sheetId, at, cells, size, sheetRows, sheetColumns, edited, was } = value;
  let keys = 7;
  if (want !== undefined) {
    if (typeof want !== "string" || want.length > 64) return false;
    keys += 1;
  }
  if (size !== undefined) {
    if (!isObject(size) || countKeys(size) !== 2 || !isRow(size["rows"]) || !isColumn(size["columns"])) return false;
    keys += 1;
  }
  if (edited !== undefined) {
    if (!isObject(edited) || countKeys(edited) !== 4 || !isCorner(edited)) return false;
    if (!isRow(edited["rows"]) || !isColumn(edited["columns"])) return false;
    keys += 1;
  }
  if (was !== undefined) {
    if (!isValue(was)) return false;
    keys += 1;
  }
  // Keys that nobody knows are dropped by the schema.
  return (
    countKeys(value) === keys &&
    isIndex(sheetId, Number.MAX_SAFE_INTEGER) &&
    isRow(sheetRows) &&
    isColumn(sheetColumns) &&
    isObject(at) &&
    countKeys(at) === 2 &&
    isCorner(at) &&
    Array.isArray(readAt) &&
    readAt.length === 2 &&
    isMoment(readAt[0]) &&
    isMoment(readAt[1]) &&
    Array.isArray(cells) &&
    cells.every(isCells)
  );
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function countKeys(value: object): number {
  let count = 0;
  for (const key in value) if (Object.hasOwn(value, key)) count += 1;
  return count;
}

const isIndex = (value: unknown, most: number): boolean =>
  Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most;
const isRow = (value: unknown): boolean => isIndex(value, limits.spreadsheetMaxCells);
const isColumn = (value: unknown): boolean => isIndex(value, limits.sheetMaxColumns);
const isCorner = (value: Readonly<Record<string, unknown>>): boolean =>
  isRow(value["row"]) && isColumn(value["column"]);
const isMoment = (value: unknown): boolean => typeof value === "number" && value >= 0 && value <= 8.64e15;

const isText = (value: unknown): boolean => typeof value === "string" && value.length <= limits.cellMaxChars;
const isValue = (value: unknown): boolean =>
  isText(value) || value === null || typeof value === "boolean" || Number.isFinite(value);

function isCells(row: unknown): boolean {
  return Array.isArray(row) && row.length <= limits.sheetMaxColumns && row.every(isCell);
}

function isCell(cell: unknown): boolean {
  if (typeof cell !== "object" || cell === null) return isValue(cell);
  if (!isObject(cell)) return false;
  const { v, f, d, e } = cell;
  if (!isValue(v) || !isTextOrNone(f) || !isTextOrNone(d)) return false;
  if (e !== undefined && (typeof e !== "string" || e.length > 32)) return false;
  return countKeys(cell) === 1 + Number(f !== undefined) + Number(d !== undefined) + Number(e !== undefined);
}

const isTextOrNone = (value: unknown): boolean => value === undefined || isText(value);
