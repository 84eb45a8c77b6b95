/** What a reading changes: the smallest rectangles of cells that differ, with what stood there before. */
import { canonicalRow, formulaOf, sameCell, valueOf, displayOf, plainRendering } from "@sheetwire/shared/grid";
import type { Cell, CellValue, Corner, Row } from "@sheetwire/shared/protocol";

export type Difference = { at: Corner; cells: Row[]; was: Row[] | undefined };

/** A change larger than this many characters of JSON is told as several. */
const MOST_CHARS = 200_000;

/**
 * `before(row)` is what is held of a row: its cells, null while unknown, undefined beyond the sheet. Rows that are unknown
 * are taken whole, and only from readings of whole rows.
 */
export function differences(
  top: number,
  left: number,
  width: number,
  read: readonly Row[],
  before: (row: number) => Row | null | undefined,
  isWhole: boolean,
): Difference[] {
  const found: Difference[] = [];
  let group: { top: number; isNew: boolean; now: Row[]; was: Row[]; chars: number } | undefined;
  const close = (): void => {
    if (group)
      found.push(group.isNew ? whole(group.top, group.now) : box(group.top, left, width, group.now, group.was));
    group = undefined;
  };
  read.forEach((now, offset) => {
    const row = top + offset;
    const held = before(row);
    const isNew = held === null;
    const differs = isNew ? isWhole : held !== undefined && !sameCells(now, held, left, width);
    if (!differs || (group && (group.isNew !== isNew || group.chars > MOST_CHARS))) close();
    if (!differs) return;
    group ??= { top: row, isNew, now: [], was: [], chars: 0 };
    const was = held ? held.slice(left, left + width) : NO_CELLS;
    group.now.push(now);
    if (!isNew) group.was.push(was);
    group.chars += charsOf(now) + charsOf(was);
  });
  close();
  return found;
}

/** About how long a row is as JSON. */
function charsOf(row: Row): number {
  let chars = 2;
  for (const cell of row) {
    if (typeof cell === "string") chars += cell.length + 3;
    else if (typeof cell === "object" && cell !== null) chars += JSON.stringify(cell).length + 1;
    else chars += 8;
  }
  return chars;
}

function sameCells(now: Row, held: Row, left: number, width: number): boolean {
  // Behind the last cell of both there is nothing, however wide the rows were read.
  const end = Math.min(width, Math.max(now.length, held.length - left));
  for (let column = 0; column < end; column += 1) {
    if (!sameCell(now[column] ?? null, held[left + column] ?? null)) return false;
  }
  return true;
}

/** Of rows of which there may be a million, and of which nobody changes any. */
const NO_CELLS: Row = [];

const whole = (top: number, rows: readonly Row[]): Difference => ({
  at: { row: top, column: 0 },
  cells: rows.map((row) => (row.length === 0 ? NO_CELLS : canonicalRow(row))),
  was: undefined,
});

function box(top: number, left: number, width: number, nows: readonly Row[], wases: readonly Row[]): Difference {
  let first = width;
  let last = -1;
  for (const [offset, now] of nows.entries()) {
    const was = wases[offset] ?? NO_CELLS;
    const end = Math.min(width, Math.max(now.length, was.length));
    for (let column = 0; column < end; column += 1) {
      if (sameCell(now[column] ?? null, was[column] ?? null)) continue;
      first = Math.min(first, column);
      last = Math.max(last, column);
    }
  }
  const cut = (row: Row): Row => {
    const some: Row = [];
    for (let column = first; column <= last; column += 1) some.push(row[column] ?? null);
    return some;
  };
  return {
    at: { row: top, column: left + first },
    cells: nows.map(cut),
    was: wases.map(cut),
  };
}

/** Whether a cell differs only because its formula was calculated again. */
export const isRecalculated = (now: Cell, was: Cell): boolean => {
  const formula = formulaOf(now);
  return formula !== undefined && formula === formulaOf(was);
};

/** Whether Google's `oldValue`, always text, can be what we hold. Only clear disagreement counts. */
export function agreesWithOldValue(held: Cell, oldValue: CellValue): boolean {
  const said = plainRendering(oldValue);
  const value = valueOf(held);
  if (said === displayOf(held) || said === plainRendering(value) || said === formulaOf(held)) return true;
  if (typeof value === "number") return said !== "" && Math.abs(Number(said) - value) <= Math.abs(value) * 1e-9;
  if (typeof value === "boolean") return said.toUpperCase() === plainRendering(value);
  return false;
}
