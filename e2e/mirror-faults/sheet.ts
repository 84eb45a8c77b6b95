/** A sheet as plain rows, random changes to it, and what each does: nothing of the product's takes part in that. */
import { digestOfRow, digestOfWindow, digestText } from "@sheetwire/shared/digest";
import type { Cell, Change, ColumnRun, Row, RowRun, Sheet } from "@sheetwire/shared/protocol";

export type Dice = () => number;
export type Content = { rows: Row[]; columns: number };

export const SHEET_ID = 3;
const ROWS_FEWEST = 900;
const ROWS_MOST = 1_600;
const COLUMNS_FEWEST = 6;
const COLUMNS_MOST = 12;

/** Numbers from 0 to 1 that a seed gives again: mulberry32. */
export function diceOf(seed: number): Dice {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function firstContent(dice: Dice): Content {
  const columns = 8;
  return { columns, rows: Array.from({ length: 1_200 }, () => rowOf(columns, dice)) };
}

export const sheetOf = ({ rows, columns }: Content): Sheet => {
  return { sheetId: SHEET_ID, title: "Shaken", index: 0, rows: rows.length, columns, hidden: false, kind: "GRID" };
};

/** Numbers what it makes, so that no two contents are alike and nothing that came twice goes unseen. */
let made = 0;
function cellOf(dice: Dice): Cell {
  made += 1;
  const kind = Math.floor(dice() * 8);
  if (kind === 0) return null;
  if (kind === 1) return made % 2 === 0;
  if (kind < 4) return made + (kind === 2 ? 0.25 : 0);
  if (kind === 4) return { v: made, f: `=A${made}`, d: `no. ${made}` };
  if (kind === 5) return { v: null, f: `=B${made}/0`, e: "#DIV/0!" };
  return `text ${made}`;
}

const rowOf = (columns: number, dice: Dice): Row => trimmed(Array.from({ length: columns }, () => cellOf(dice)));

export function trimmed(cells: Row): Row {
  let length = cells.length;
  while (length > 0 && (cells[length - 1] ?? null) === null) length -= 1;
  return cells.slice(0, length);
}

/** The next change of a random day: mostly typing, rows and columns that come, go and move, a sort, a proof. */
export function nextChange(content: Content, seq: number, seed: number, dice: Dice): Change {
  const common = { seq, loggedAt: Date.now(), cause: "edit" as const, readAt: [1, 2] as [number, number] };
  const sheet = { ...common, sheetId: SHEET_ID };
  const { rows, columns } = content;
  const below = (most: number): number => Math.floor(dice() * most);
  const kind = dice();
  if (kind < 0.62) {
    const [height, width] = [1 + below(3), 1 + below(3)];
    const at = { row: below(rows.length - height), column: below(columns - width) };
    const cells = Array.from({ length: height }, () => Array.from({ length: width }, () => cellOf(dice)));
    return { kind: "cells", ...sheet, at, cells };
  }
  if (kind < 0.9) return { kind: "rows", ...sheet, runs: rowRuns(content, dice, below) };
  if (kind < 0.94) return { kind: "columns", ...sheet, runs: columnRuns(columns, below) };
  const from = below(rows.length - 100);
  const to = from + 1 + below(100);
  const digest = digestText(
    digestOfWindow(
      from,
      rows.slice(from, to).map((row) => digestOfRow(row, seed)),
    ),
  );
  return { kind: "verified", ...sheet, cause: "sweep", window: { from, to }, digest };
}

function rowRuns({ rows, columns }: Content, dice: Dice, below: (most: number) => number): RowRun[] {
  const at = below(rows.length);
  const count = 1 + below(6);
  const kept = (from: number, length: number): RowRun[] => (length > 0 ? [{ keep: [from, length] }] : []);
  const kind = dice();
  const isInsert = rows.length < ROWS_FEWEST || (kind < 0.4 && rows.length < ROWS_MOST);
  if (isInsert) {
    const put: RowRun =
      kind < 0.1 ? { blank: count } : { put: Array.from({ length: count }, () => rowOf(columns, dice)) };
    return [...kept(0, at), put, ...kept(at, rows.length - at)];
  }
  const end = Math.min(rows.length, at + count);
  if (kind < 0.75) return [...kept(0, at), ...kept(end, rows.length - end)];
  if (kind < 0.97) return [...kept(at, end - at), ...kept(0, at), ...kept(end, rows.length - end)];
  // A sort: every row moves by itself.
  const order = rows.map((_, index) => ({ index, by: dice() })).sort((a, b) => a.by - b.by);
  return order.map(({ index }): RowRun => ({ keep: [index, 1] }));
}

function columnRuns(columns: number, below: (most: number) => number): ColumnRun[] {
  const at = below(columns);
  const kept = (from: number, length: number): ColumnRun[] => (length > 0 ? [{ keep: [from, length] }] : []);
  if (columns < COLUMNS_FEWEST || (columns < COLUMNS_MOST && below(2) === 0)) {
    return [...kept(0, at), { blank: 1 }, ...kept(at, columns - at)];
  }
  return below(2) === 0
    ? [...kept(0, at), ...kept(at + 1, columns - at - 1)]
    : [...kept(at, 1), ...kept(0, at), ...kept(at + 1, columns - at - 1)];
}

/** What a change does, on plain rows; the content before it stays as it was. */
export function changed(content: Content, change: Change): Content {
  if (change.kind === "rows") {
    const rows = change.runs.flatMap((run): Row[] => {
      if ("keep" in run) return content.rows.slice(run.keep[0], run.keep[0] + run.keep[1]);
      return "put" in run ? run.put : Array.from({ length: "blank" in run ? run.blank : 0 }, () => []);
    });
    return { ...content, rows };
  }
  if (change.kind === "columns") {
    const rows = content.rows.map((row) =>
      trimmed(
        change.runs.flatMap((run): Row => {
          const [from, count] = "keep" in run ? run.keep : [content.columns, run.blank];
          return Array.from({ length: count }, (_, n) => row[from + n] ?? null);
        }),
      ),
    );
    return { rows, columns: change.runs.reduce((sum, run) => sum + ("keep" in run ? run.keep[1] : run.blank), 0) };
  }
  if (change.kind !== "cells") return content;
  const rows = content.rows.slice();
  const width = Math.max(...change.cells.map((cells) => cells.length));
  change.cells.forEach((cells, offset) => {
    const row = (rows[change.at.row + offset] ?? []).slice();
    while (row.length < change.at.column) row.push(null);
    for (let column = 0; column < width; column += 1) row[change.at.column + column] = cells[column] ?? null;
    rows[change.at.row + offset] = trimmed(row);
  });
  return { ...content, rows };
}
