import { limits } from "@sheetwire/shared/limits";
import type { Post, ReadingOf } from "@sheetwire/shared/protocol";

/** Whether this is a post of nothing but such cells, which the schema would take exactly as it is. */
export function isPlainPost(value: unknown): value is Post {
  if (!isObject(value)) return false;
  const { protocol, run, n, cause, actor, script, allowance, readings } = value;
  return (
    countKeys(value) === (actor === undefined ? 7 : 8) &&
    isIndex(protocol, Number.MAX_SAFE_INTEGER) &&
    protocol !== 0 &&
    isShort(run, 8, 64) &&
    isIndex(n, 100_000) &&
    typeof cause === "string" &&
    (CAUSES.has(cause) || /^change:[A-Z_]{1,40}$/.test(cause)) &&
    (actor === undefined || isShort(actor, 0, 320)) &&
    isObject(script) &&
    countKeys(script) === 2 &&
    isShort(script["version"], 0, 64) &&
    isShort(script["installation"], 0, 128) &&
    isObject(allowance) &&
    countKeys(allowance) === 2 &&
    isAtLeast(allowance["spentMs"], 0) &&
    isAtLeast(allowance["runLimitMs"], Number.MIN_VALUE) &&
    Array.isArray(readings) &&
    readings.length <= limits.postMaxReadings &&
    readings.every(isPlainCells)
  );
}

const CAUSES: ReadonlySet<string> = new Set(["edit", "sweep", "install", "call", "manual"]);
const isShort = (value: unknown, least: number, most: number): boolean =>
  typeof value === "string" && value.length >= least && value.length <= most;
const isAtLeast = (value: unknown, least: number): boolean =>
  typeof value === "number" && Number.isFinite(value) && value >= least;

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

const countKeys = (value: object): number => Object.keys(value).length;

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

const isCells = (row: unknown): boolean => isRowOf(row, isCell);
const isRowOf = (row: unknown, isGood: (cell: unknown) => boolean): boolean =>
  Array.isArray(row) && row.length <= limits.sheetMaxColumns && row.every(isGood);

/** A cell as the schema leaves it. */
function isCell(cell: unknown): boolean {
  if (!isTakenCell(cell)) return false;
  if (!isObject(cell)) return true;
  const { f, d, e } = cell;
  return countKeys(cell) === 1 + Number(f !== undefined) + Number(d !== undefined) + Number(e !== undefined);
}

/** A cell that the schema takes; keys that nobody knows it drops. */
function isTakenCell(cell: unknown): boolean {
  if (typeof cell !== "object" || cell === null) return isValue(cell);
  if (!isObject(cell)) return false;
  const { v, f, d, e } = cell;
  if (!isValue(v) || !isTextOrNone(f) || !isTextOrNone(d)) return false;
  return e === undefined || (typeof e === "string" && e.length <= 32);
}

const isTextOrNone = (value: unknown): boolean => value === undefined || isText(value);

/** No list beside cells and rows is longer. */
const MOST_IN_A_LIST = limits.spreadsheetMaxSheets;

/**
 * Where a post holds what the schema cannot take, in words without contents, as far as lists go. The first that is wrong
 * ends the search: a schema collects all of them, and of a million wrong cells it dies.
 */
export function wrongInLists(value: unknown): string | undefined {
  const readings = isObject(value) ? value["readings"] : undefined;
  if (!Array.isArray(readings)) return undefined;
  if (readings.length > limits.postMaxReadings) return "readings: too_big";
  for (const [index, reading] of readings.entries()) {
    const wrong = isObject(reading) ? wrongInReading(reading) : "invalid_type";
    if (wrong !== undefined) return `readings.${index}: ${wrong}`;
  }
  return undefined;
}

function wrongInReading(reading: Readonly<Record<string, unknown>>): string | undefined {
  const { kind, cells, rows, spreadsheet, ...others } = reading;
  if (kind === "cells" && Array.isArray(cells) && !cells.every(isTakenRow)) return "cells: invalid_type";
  if (kind === "rows" && Array.isArray(rows)) {
    if (rows.length > limits.wantMaxRows) return "rows: too_big";
    if (!rows.every(isNumberedRow)) return "rows: invalid_type";
  }
  const lists = [...Object.values(others), ...(isObject(spreadsheet) ? Object.values(spreadsheet) : [])];
  return lists.some((list) => Array.isArray(list) && list.length > MOST_IN_A_LIST) ? "too_big" : undefined;
}

const isTakenRow = (row: unknown): boolean => isRowOf(row, isTakenCell);
const isNumberedRow = (row: unknown): boolean =>
  Array.isArray(row) && row.length === 2 && isRow(row[0]) && isTakenRow(row[1]);
