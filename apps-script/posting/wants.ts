/**
 * The relay's answer, read without a schema library: the bundle stays small, and what is not of its form counts as absent.
 * The relay's answers are its own promise; a want of a kind that this version does not know is left to one that does.
 */
import type { Want } from "@sheetwire/shared/protocol";

type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);
const isIndex = (value: unknown): value is number => typeof value === "number" && Number.isInteger(value) && value >= 0;

/** What a text holds as JSON, when it is an object. */
export function objectOf(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The wants among these values. */
export const wantsOf = (values: unknown): Want[] => (Array.isArray(values) ? values.flatMap(wantOf) : []);

function wantOf(value: unknown): Want[] {
  if (!isObject(value) || typeof value["id"] !== "string" || value["id"] === "" || value["id"].length > 64) return [];
  const { id, kind, sheetId, layout, axis, from, to, rows, range } = value;
  if (kind === "sheets") return [{ kind, id }];
  if (!isIndex(sheetId) || !isIndex(layout)) return [];
  const onSheet = { id, sheetId, layout };
  if (kind === "rows") {
    const good = Array.isArray(rows) ? rows.filter(isIndex) : [];
    return good.length > 0 ? [{ kind, ...onSheet, rows: good }] : [];
  }
  if (kind === "digests") {
    const isGood = isIndex(from) && isIndex(to) && from <= to && (axis === undefined || axis === "rows" || axis === "columns");
    return isGood ? [{ kind, ...onSheet, axis: axis ?? "rows", from, to }] : [];
  }
  if (kind === "cells" && isObject(range)) {
    const { startRowIndex, endRowIndex, startColumnIndex, endColumnIndex } = range;
    const isGood =
      isIndex(startRowIndex) &&
      isIndex(endRowIndex) &&
      isIndex(startColumnIndex) &&
      isIndex(endColumnIndex) &&
      startRowIndex < endRowIndex &&
      startColumnIndex < endColumnIndex;
    return isGood
      ? [{ kind, ...onSheet, range: { startRowIndex, endRowIndex, startColumnIndex, endColumnIndex } }]
      : [];
  }
  return [];
}
