/**
 * The relay's answer, read without a schema library: the bundle stays small, and what is not of its form counts as absent.
 * The relay's answers are its own promise; a want of a kind that this version does not know is left to one that does.
 */
import type { Want } from "@sheetwire/shared/protocol";
import { isObject } from "../settings/settings.ts";

const isIndex = (value: unknown): value is number => typeof value === "number" && Number.isInteger(value) && value >= 0;

/** The wants among these values. */
export const wantsOf = (values: unknown): Want[] => (Array.isArray(values) ? values.flatMap(wantOf) : []);

function wantOf(value: unknown): Want[] {
  if (!isObject(value) || typeof value["id"] !== "string") return [];
  const { id, kind, sheetId, layout, axis, from, to, rows, range } = value;
  if (kind === "sheets") return [{ kind, id }];
  if (!isIndex(sheetId) || !isIndex(layout)) return [];
  const onSheet = { id, sheetId, layout };
  if (kind === "rows") {
    const good = Array.isArray(rows) ? rows.filter(isIndex) : [];
    return good.length > 0 ? [{ kind, ...onSheet, rows: good }] : [];
  }
  if (kind === "digests") {
    const isGood = isIndex(from) && isIndex(to) && from <= to;
    return isGood ? [{ kind, ...onSheet, axis: axis === "columns" ? axis : "rows", from, to }] : [];
  }
  if (kind === "cells" && isObject(range)) {
    const { startRowIndex: top, endRowIndex: bottom, startColumnIndex: left, endColumnIndex: right } = range;
    if (isIndex(top) && isIndex(bottom) && isIndex(left) && isIndex(right) && top < bottom && left < right) {
      const good = { startRowIndex: top, endRowIndex: bottom, startColumnIndex: left, endColumnIndex: right };
      return [{ kind, ...onSheet, range: good }];
    }
  }
  return [];
}
