/** What the sheet says now, as readings: after a user's edit, and where the relay wants to know. */
import { digestOfRow, NO_DIGEST, packDigests, seedOf, type Digest } from "@sheetwire/shared/digest";
import { canonicalRow } from "@sheetwire/shared/grid";
import { limits } from "@sheetwire/shared/limits";
import type { Cell, Reading, Row, Want, WantOf } from "@sheetwire/shared/protocol";
import { ask, type Program, type Rectangle, type Size } from "../effects/effects.ts";
import {
  canonicalRows,
  clipTo,
  createRectangles,
  sameSize,
  since,
  type Content,
  type ReadResult,
} from "./rectangles.ts";

/** Rows between two wanted rows that are read along rather than paying for another call. */
const gapMaxRows = 16;
/** Cells of columns that are held at once while column digests are made. */
const columnsMaxCells = 400_000;

/**
 * - R1: a reading says what stood on the sheet at some moments between its `readAt`, and the grid's size was the same
 *   before and after.
 * - R2: whatever is read after `newRound` was on the sheet after it was called.
 * - R3: a want for a sheet that is gone, or that changed its shape while it was read, is answered by the list of sheets:
 *   the relay learns the new shape, and the run goes on with what is wanted of it.
 */
export function createReader(spreadsheetId: string) {
  const rectangles = createRectangles();
  const seed = seedOf(spreadsheetId);
  let hasRead = false;
  let usedSince: Record<number, number> = {};

  function* newRound(): Program<void> {
    rectangles.forget();
    usedSince = {};
    if (hasRead) yield* ask("flush");
    hasRead = false;
  }

  /** Since when the used part may be what Google says it is: it answers again what the same round has asked before. */
  function* sinceUsed(sheetId: number): Program<number> {
    return (usedSince[sheetId] ??= yield* ask("now"));
  }

  /** Every sheet, its size and place. */
  function* sheets(want?: string): Program<Reading> {
    hasRead = true;
    const from = yield* ask("now");
    const spreadsheet = yield* ask("spreadsheet");
    return { kind: "sheets", want, readAt: yield* since(from), spreadsheet };
  }

  /**
   * The rows that a user touched, in full width while that is at most `editReadMaxCells`: what changed unseen beside the
   * edit shows, and a row can be recognised by its digest. Of a larger edit (a sort, a filled column) the digests of all
   * rows are said, while that is one read; else it is read in part and `edited` says all of it. When the sheet changes its shape meanwhile, or is gone, the list of sheets is said instead.
   */
  function* edited(range: Rectangle, was?: string): Program<Reading> {
    hasRead = true;
    const used = yield* largeEdit(range);
    if (used) {
      const all = { sheetId: range.sheetId, axis: "rows", from: 0, to: used.rows } as const;
      const reading = yield* rowDigests(all);
      return typeof reading === "string" ? yield* sheets() : reading;
    }
    const content = yield* rectangles.readPlanned(range.sheetId, (size) => editPlan(range, size), false);
    if (typeof content === "string" || content.where.rows === 0 || content.where.columns === 0) return yield* sheets();
    const { row, column, rows, columns } = clipTo(range, content.sheet);
    return { ...cellsReading(content), edited: { row, column, rows, columns }, was };
  }

  /** Reads what is wanted, or says what sheets there are now (R3). */
  function* answer(want: Want): Program<Reading> {
    hasRead = true;
    const reading = yield* answerOf(want);
    return typeof reading === "string" ? yield* sheets(want.id) : reading;
  }

  function* answerOf(want: Want): Program<Reading | "gone" | "moving"> {
    switch (want.kind) {
      case "sheets":
        return yield* sheets(want.id);
      case "cells":
        return yield* wantedCells(want);
      case "rows":
        return yield* wantedRows(want);
      case "digests":
        return yield* want.axis === "columns" ? columnDigests(want) : rowDigests(want);
    }
  }

  /** What lies right of and below the last filled cell is known to be blank: only the rest is read. */
  function* wantedCells(want: WantOf<"cells">): Program<Reading | "gone" | "moving"> {
    const { startRowIndex: row, startColumnIndex: column, endRowIndex, endColumnIndex } = want.range;
    const { sheetId } = want;
    const from = yield* sinceUsed(sheetId);
    const used = yield* ask("usedSize", { sheetId });
    if (!used) return "gone";
    const asked = { sheetId, row, column, rows: endRowIndex - row, columns: endColumnIndex - column };
    const content = yield* rectangles.read(clipTo(asked, used));
    if (typeof content === "string") return content;
    const all = clipTo(asked, content.sheet);
    return {
      ...cellsReading(content),
      at: { row: all.row, column: all.column },
      size: { rows: all.rows, columns: all.columns },
      readAt: [Math.min(from, content.readAt[0]), content.readAt[1]],
      want: want.id,
    };
  }

  function* wantedRows(want: WantOf<"rows">): Program<Reading | "gone" | "moving"> {
    const from = yield* sinceUsed(want.sheetId);
    const used = yield* ask("usedSize", { sheetId: want.sheetId });
    const size = yield* ask("size", { sheetId: want.sheetId });
    if (!used || !size) return "gone";
    const indexes = [...new Set(want.rows)].filter((row) => row < size.rows).sort((a, b) => a - b);
    const rows: [number, Row][] = [];
    for (const stretch of stretchesOf(
      indexes.filter((row) => row < used.rows),
      used.columns,
    )) {
      const first = stretch[0] as number;
      const height = (stretch[stretch.length - 1] as number) - first + 1;
      const rectangle = { sheetId: want.sheetId, row: first, rows: height, column: 0, columns: used.columns };
      const content = yield* rectangles.read(rectangle);
      if (typeof content === "string") return content;
      if (content.sheet.rows !== size.rows || content.sheet.columns !== size.columns) return "moving";
      for (const row of stretch) rows.push([row, canonicalRow(content.cells[row - first] || [])]);
    }
    for (const row of indexes) if (row >= used.rows) rows.push([row, []]);
    return {
      kind: "rows",
      want: want.id,
      readAt: yield* since(from),
      sheetId: want.sheetId,
      rows,
      sheetRows: size.rows,
      sheetColumns: size.columns,
    };
  }

  function* rowDigests(want: Window): Program<Reading | "gone" | "moving"> {
    return yield* digests(want, function* (from, to, used) {
      const rectangle = { sheetId: want.sheetId, row: from, rows: Math.max(0, Math.min(to, used.rows) - from) };
      if (rectangle.rows === 0 || used.columns === 0) return [];
      const content = yield* rectangles.read({ ...rectangle, column: 0, columns: used.columns });
      if (typeof content === "string") return content;
      return { digests: content.cells.map((row) => digestOfRow(row, seed)), sheet: content.sheet };
    });
  }

  function* columnDigests(want: Window): Program<Reading | "gone" | "moving"> {
    return yield* digests(want, function* (from, to, used) {
      const all: Digest[] = [];
      let sheet: Size | undefined;
      const end = Math.min(to, used.columns);
      const atOnce = Math.max(1, Math.floor(columnsMaxCells / Math.max(1, used.rows)));
      for (let column = from; column < end && used.rows > 0; column += atOnce) {
        const columns = Math.min(atOnce, end - column);
        const content = yield* rectangles.read({ sheetId: want.sheetId, row: 0, rows: used.rows, column, columns });
        if (typeof content === "string") return content;
        sheet = content.sheet;
        for (let offset = 0; offset < columns; offset += 1) {
          const cells: Cell[] = content.cells.map((row) => row[offset] as Cell);
          all.push(digestOfRow(cells, seed));
        }
      }
      return sheet ? { digests: all, sheet } : [];
    });
  }

  /** The digests of a window of rows or columns; what lies beyond the used part is blank and needs no read. */
  function* digests(
    want: Window,
    filled: (from: number, to: number, used: Size) => Program<Filled>,
  ): Program<Reading | "gone" | "moving"> {
    const { sheetId } = want;
    const startedAt = yield* sinceUsed(sheetId);
    const used = yield* ask("usedSize", { sheetId });
    const size = yield* ask("size", { sheetId });
    if (!used || !size) return "gone";
    const end = want.axis === "columns" ? size.columns : size.rows;
    const from = Math.min(want.from, end);
    const to = Math.max(from, Math.min(want.to, end));
    const found = yield* filled(from, to, used);
    if (typeof found === "string") return found;
    const isBlank = Array.isArray(found);
    const sheet = isBlank ? yield* ask("size", { sheetId }) : found.sheet;
    if (!sheet) return "gone";
    // What was blank when the read began must be blank still: its digests are told without a read.
    const usedAfter = yield* ask("usedSize", { sheetId });
    if (!usedAfter) return "gone";
    if (!sameSize(sheet, size) || !sameSize(used, usedAfter)) return "moving";
    const window: Digest[] = isBlank ? [] : found.digests.slice();
    while (window.length < to - from) window.push(NO_DIGEST);
    return {
      kind: "digests",
      want: want.id,
      readAt: yield* since(startedAt),
      sheetId,
      axis: want.axis,
      from,
      to,
      digests: packDigests(window),
      usedRows: used.rows,
      usedColumns: used.columns,
      sheetRows: sheet.rows,
      sheetColumns: sheet.columns,
    };
  }

  return { newRound, sheets, edited, answer };
}

export { since } from "./rectangles.ts";

export type Reader = ReturnType<typeof createReader>;

/** A window of rows or columns; `id` where it is wanted. */
type Window = Pick<WantOf<"digests">, "sheetId" | "axis" | "from" | "to"> & { readonly id?: string };

/** The used part of the sheet, when the edit is too large to be read at once and the whole sheet is not. */
function* largeEdit(range: Rectangle): Program<Size | undefined> {
  if (range.rows * range.columns <= limits.editReadMaxCells) return undefined;
  const used = yield* ask("usedSize", { sheetId: range.sheetId });
  return used && used.rows * used.columns <= limits.digestWantMaxCells ? used : undefined;
}

type Filled = { digests: readonly Digest[]; sheet: Size } | never[] | Extract<ReadResult, string>;

/** Which rectangle is read for an edit on a sheet of this size. */
function* editPlan(range: Rectangle, size: Size): Program<Rectangle> {
  const most = limits.editReadMaxCells;
  const touched = clipTo(range, size);
  if (touched.rows * size.columns <= most) return { ...touched, column: 0, columns: size.columns };
  const used = yield* ask("usedSize", { sheetId: range.sheetId });
  const width = Math.max((used || size).columns, touched.column + touched.columns);
  if (touched.rows * width <= most) return { ...touched, column: 0, columns: width };
  const columns = Math.min(touched.columns, most);
  return { ...touched, columns, rows: Math.min(touched.rows, Math.floor(most / Math.max(1, columns))) };
}

function cellsReading({ where, readAt, cells, sheet }: Content): Extract<Reading, { kind: "cells" }> {
  return {
    kind: "cells",
    readAt,
    sheetId: where.sheetId,
    at: { row: where.row, column: where.column },
    cells: canonicalRows(cells),
    size: { rows: where.rows, columns: where.columns },
    sheetRows: sheet.rows,
    sheetColumns: sheet.columns,
  };
}

/** Consecutive wanted rows, small gaps included, each stretch small enough for one read. */
function stretchesOf(rows: readonly number[], width: number): number[][] {
  const rowsAtOnce = Math.max(1, Math.floor(limits.wantMaxCells / Math.max(1, width)));
  const stretches: number[][] = [];
  let open: number[] = [];
  for (const row of rows) {
    const first = open[0];
    const last = open[open.length - 1];
    const joins = first !== undefined && last !== undefined && row - last <= gapMaxRows && row - first < rowsAtOnce;
    if (joins) open.push(row);
    else stretches.push((open = [row]));
  }
  return stretches;
}
