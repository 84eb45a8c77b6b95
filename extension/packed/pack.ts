import { canonicalCell, isRich } from "@sheetwire/shared/grid";
import type { Cell, Row } from "@sheetwire/shared/protocol";
import {
  addSide,
  addUnknownRow,
  beginBlock,
  BLANK,
  clearHeap,
  HAS_DISPLAY,
  HAS_ERROR,
  HAS_FORMULA,
  kinds,
  NO,
  NUMBER,
  reachColumns,
  sideCount,
  sides,
  stride,
  TEXT,
  textOfString,
  values,
  widen,
  YES,
} from "./gathered.ts";
import { writeBlock } from "./write-block.ts";

/** Packs rows as the mirror keeps them: canonical, trailing blanks dropped, null where a row is unknown. */
export function packRows(rows: readonly (Row | null)[]): Uint8Array<ArrayBuffer> {
  clearHeap(0);
  beginBlock(rows.length);
  for (let r = 0; r < rows.length; r += 1) {
    const row = rows[r] as Row | null;
    if (row === null) {
      addUnknownRow(r);
      continue;
    }
    widen(row.length);
    reachColumns(row.length);
    for (let c = 0; c < row.length; c += 1) gather(row[c] ?? null, c * stride + r);
  }
  return writeBlock(rows.length);
}

function gather(raw: Cell, at: number): void {
  const cell = isRich(raw) ? canonicalCell(raw) : raw;
  if (cell === null || cell === "") return;
  if (!isRich(cell)) {
    kinds[at] = gatherValue(cell, at);
    return;
  }
  const kind = gatherValue(cell.v, at);
  sides[at] = sideCount;
  let said = 0;
  if (cell.f !== undefined) said |= gatherSide(cell.f, HAS_FORMULA);
  if (cell.d !== undefined) said |= gatherSide(cell.d, HAS_DISPLAY);
  if (cell.e !== undefined) said |= gatherSide(cell.e, HAS_ERROR);
  kinds[at] = kind | said;
}

function gatherValue(value: string | number | boolean | null, at: number): number {
  if (typeof value === "number") {
    // -0 is written 0.
    values[at] = value === 0 ? 0 : value;
    return NUMBER;
  }
  if (typeof value === "string") {
    values[at] = textOfString(value);
    return TEXT;
  }
  return value === null ? BLANK : value ? YES : NO;
}

function gatherSide(text: string, flag: number): number {
  addSide(textOfString(text));
  return flag;
}
