/** Reads rectangles of sheets: what stood there, from when to when, and whether it held still meanwhile. */
import { canonicalRow } from "@sheetwire/shared/grid";
import type { Cell, ReadAt, Row } from "@sheetwire/shared/protocol";
import { ask, type Program, type RawValue, type Rectangle, type Size } from "../effects/effects.ts";
import { cellOf, isLoading } from "./cells.ts";
import { createZone, isInstant, serialOf, type Zone } from "./dates.ts";

/** Whole cells of a rectangle, every row as wide as it, with the time of the reading and the grid's size around it. */
export type Content = {
  readonly where: Rectangle;
  readonly readAt: ReadAt;
  readonly cells: readonly (readonly Cell[])[];
  readonly sheet: Size;
};

/** `moving` when the grid changed its size twice while it was read; `gone` when there is no such sheet. */
export type ReadResult = Content | "gone" | "moving";

/** Cells read by one call: Google has no limit of its own, but memory has. */
const callMaxCells = 100_000;

/** Cells kept for use again within a round. */
const heldMaxCells = 200_000;

/**
 * Reads for one run. Within a round (from one `newRound` to the next) what was read is used again for whatever lies in
 * it: everything asked in a round was asked before its reads began.
 */
export function createRectangles() {
  let zone: Zone | undefined;
  let held: Content[] = [];
  let heldCells = 0;

  function forget(): void {
    held = [];
    heldCells = 0;
  }

  function* read(asked: Rectangle): Program<ReadResult> {
    const found = held.find((content) => encloses(content.where, asked, content.sheet));
    if (found) return cut(found, clipTo(asked, found.sheet));
    return yield* readPlanned(
      asked.sheetId,
      function* (size) {
        return clipTo(asked, size);
      },
      true,
    );
  }

  /**
   * Reads the rectangle that `plan` chooses for a sheet of this size. `checked` reads the values again after formulas and
   * displays and repeats the whole once if they differ: three reads of a range are not one look at it.
   */
  function* readPlanned(
    sheetId: number,
    plan: (size: Size) => Program<Rectangle>,
    checked: boolean,
  ): Program<ReadResult> {
    let sizeBefore = yield* ask("size", { sheetId });
    for (let attempt = 0; attempt < 2; attempt += 1) {
      if (!sizeBefore) return "gone";
      if (attempt > 0) yield* ask("flush");
      const from = yield* ask("now");
      const where = yield* plan(sizeBefore);
      const cells = yield* cellsOf(where, checked);
      const sizeAfter: Size | undefined = yield* ask("size", { sheetId });
      if (cells && sizeAfter && sameSize(sizeBefore, sizeAfter)) {
        const content: Content = { where, readAt: yield* since(from), cells, sheet: sizeAfter };
        hold(content);
        return content;
      }
      sizeBefore = sizeAfter;
    }
    return sizeBefore ? "moving" : "gone";
  }

  function hold(content: Content): void {
    heldCells += content.where.rows * content.where.columns;
    held.push(content);
    while (heldCells > heldMaxCells) {
      const oldest = held.shift();
      if (!oldest) break;
      heldCells -= oldest.where.rows * oldest.where.columns;
    }
  }

  /** The cells of a rectangle that lies on the sheet; nothing when it no longer does. */
  function* cellsOf(where: Rectangle, checked: boolean): Program<Cell[][] | undefined> {
    const cells: Cell[][] = [];
    if (where.columns === 0) return cells;
    const rowsAtOnce = Math.max(1, Math.floor(callMaxCells / where.columns));
    for (let done = 0; done < where.rows; done += rowsAtOnce) {
      const part = { ...where, row: where.row + done, rows: Math.min(rowsAtOnce, where.rows - done) };
      let raw = yield* rawOf(part, checked);
      if (raw && !raw.isSettled) {
        yield* ask("flush");
        raw = yield* rawOf(part, checked);
      }
      if (!raw) return undefined;
      const { values, formulas, displays } = raw;
      const serial = yield* serialsFor(values);
      values.forEach((line, r) =>
        cells.push(line.map((value, c) => cellOf(value, textAt(formulas, r, c), textAt(displays, r, c), serial))),
      );
    }
    return cells;
  }

  /** How dates among these values become serial numbers. Asks for the zone only when there are any. */
  function* serialsFor(values: readonly (readonly RawValue[])[]): Program<(ms: number) => number> {
    const instants = new Set<number>();
    for (const row of values) for (const value of row) if (isInstant(value)) instants.add(value.ms);
    if (instants.size === 0) return () => 0;
    if (!zone) zone = createZone(yield* ask("timeZone"));
    yield* zone.learnAll(instants);
    const { offsetAt } = zone;
    return (ms) => serialOf(ms, offsetAt(ms) || 0);
  }

  return { forget, read, readPlanned };
}

export type Rectangles = ReturnType<typeof createRectangles>;

type Raw = {
  readonly values: readonly (readonly RawValue[])[];
  readonly formulas: readonly (readonly string[])[];
  readonly displays: readonly (readonly string[])[];
  /** Nothing is loading, and the values were the same before and after. */
  readonly isSettled: boolean;
};

function* rawOf(where: Rectangle, checked: boolean): Program<Raw | undefined> {
  const values = yield* ask("values", where);
  const formulas = values && (yield* ask("formulas", where));
  const displays = formulas && (yield* ask("displays", where));
  if (!values || !formulas || !displays) return undefined;
  const isPending = values.some((row, r) => row.some((value, c) => isLoading(value, textAt(formulas, r, c))));
  if (!checked) return { values, formulas, displays, isSettled: !isPending };
  const again = yield* ask("values", where);
  return again && { values, formulas, displays, isSettled: !isPending && sameValues(values, again) };
}

const textAt = (rows: readonly (readonly string[])[], row: number, column: number): string =>
  (rows[row] || [])[column] || "";

/** Instants are plain objects, so the two readings are compared as they would travel. */
const sameValues = (a: Raw["values"], b: Raw["values"]): boolean => JSON.stringify(a) === JSON.stringify(b);

/** From then until now; never backwards, whatever the clock does. */
export function* since(from: number): Program<ReadAt> {
  return [from, Math.max(from, yield* ask("now"))];
}

export const sameSize = (a: Size, b: Size): boolean => a.rows === b.rows && a.columns === b.columns;

/** The part of a rectangle that lies on a sheet of this size; it may be empty. */
export function clipTo(where: Rectangle, size: Size): Rectangle {
  const row = Math.min(where.row, size.rows);
  const column = Math.min(where.column, size.columns);
  return {
    sheetId: where.sheetId,
    row,
    column,
    rows: Math.min(where.rows, size.rows - row),
    columns: Math.min(where.columns, size.columns - column),
  };
}

function encloses(outer: Rectangle, asked: Rectangle, sheet: Size): boolean {
  if (outer.sheetId !== asked.sheetId) return false;
  const inner = clipTo(asked, sheet);
  return (
    inner.row >= outer.row &&
    inner.row + inner.rows <= outer.row + outer.rows &&
    inner.column >= outer.column &&
    inner.column + inner.columns <= outer.column + outer.columns
  );
}

function cut(content: Content, where: Rectangle): Content {
  const top = where.row - content.where.row;
  const left = where.column - content.where.column;
  const cells = content.cells.slice(top, top + where.rows).map((row) => row.slice(left, left + where.columns));
  return { ...content, where, cells };
}

/** Canonical rows, trailing blank rows dropped. */
export function canonicalRows(cells: readonly (readonly Cell[])[]): Row[] {
  const rows = cells.map(canonicalRow);
  while (rows.length > 0 && (rows[rows.length - 1] as Row).length === 0) rows.pop();
  return rows;
}
