/** From one state of a table to the next by the fewest things a person would do: rows, columns, then cells in blocks. */
import type { Action } from "../stage/stage.ts";
import { alignLines } from "./alignment.ts";

export type State = readonly (readonly string[])[];

/** What a sheet can hold. */
const most = { cellChars: 50_000, columns: 18_278, cells: 10_000_000 };

/** Why a history cannot be played: for people, without contents. */
export class HistoryError extends Error {
  override readonly name = "HistoryError";
}

/** A history from its JSON, or a HistoryError that says where it is none. */
export function readHistory(json: string): readonly State[] {
  let held: unknown;
  try {
    held = JSON.parse(json);
  } catch {
    throw new HistoryError("The history is not JSON.");
  }
  if (!Array.isArray(held) || held.length === 0) throw new HistoryError("A history is a JSON array of states.");
  held.forEach((state: unknown, at) => {
    const wrong = wrongIn(state);
    if (wrong !== undefined) throw new HistoryError(`State ${at} of the history ${wrong}`);
  });
  return held as State[];
}

function wrongIn(state: unknown): string | undefined {
  if (!Array.isArray(state)) return "is no array of rows.";
  let width = 0;
  for (const [at, row] of state.entries()) {
    if (!Array.isArray(row)) return `has a row ${at} that is no array.`;
    width = Math.max(width, row.length);
    for (const [column, cell] of row.entries()) {
      if (typeof cell !== "string") return `has a cell that is no text, in row ${at}, column ${column}.`;
      if (cell.length > most.cellChars)
        return `has a cell of more than ${most.cellChars} characters, in row ${at}, column ${column}.`;
    }
  }
  if (width > most.columns) return `is wider than ${most.columns} columns.`;
  // A sheet has at least 1,000 rows of 26 cells.
  if (Math.max(1_000, state.length) * Math.max(26, width) > most.cells) return `has more than ${most.cells} cells.`;
  return undefined;
}

const widthOf = (state: State): number => state.reduce((widest, row) => Math.max(widest, row.length), 0);

/** Short rows padded with blank cells. */
export function padded(state: State): string[][] {
  const width = widthOf(state);
  return state.map((row) => Array.from({ length: width }, (_, at) => row[at] ?? ""));
}

export type Step = {
  readonly actions: Action[];
  /** Cells in the rows that are written in: a row is what is read. */
  readonly cellsChanged: number;
};

/** The actions that lead from one state to the next on a sheet that holds the first. */
export function stepBetween(sheetId: number, from: State, to: State): Step {
  const rows = padded(from);
  const after = padded(to);
  const width = widthOf(after);
  const columns = linesFrom(widthOf(rows), columnsKept(rows, after));
  const actions: Action[] = [];
  for (const { at, count } of columns.deleted) {
    actions.push({ action: "deleteColumns", sheetId, column: at, count });
    for (const row of rows) row.splice(at, count);
  }
  for (const { at, count } of columns.inserted) {
    actions.push({ action: "insertColumns", sheetId, column: at, count });
    for (const row of rows) row.splice(at, 0, ...Array.from({ length: count }, () => ""));
  }
  const lines = linesFrom(
    rows.length,
    alignLines(rows.length, after.length, {
      keyBefore: (at) => JSON.stringify(rows[at]),
      keyAfter: (at) => JSON.stringify(after[at]),
      alike: (a, b) => likeness(rows[a] ?? [], after[b] ?? []),
    }),
  );
  for (const { at, count } of lines.deleted) {
    actions.push({ action: "deleteRows", sheetId, row: at, count });
    rows.splice(at, count);
  }
  for (const { at, count } of lines.inserted) {
    actions.push({ action: "insertRows", sheetId, row: at, count });
    rows.splice(at, 0, ...Array.from({ length: count }, () => Array.from({ length: width }, () => "")));
  }
  let cellsChanged = 0;
  for (const block of blocksOf(rows, after)) {
    cellsChanged += block.values.length * Math.max(width, rows[0]?.length ?? 0);
    actions.push(actionOf(sheetId, block));
  }
  return { actions, cellsChanged };
}

/** Columns are compared by those rows that stand for each other; where that is hardly any, by place. */
function columnsKept(before: State, after: State): (number | undefined)[] {
  const rows = alignLines(before.length, after.length, {
    keyBefore: (at) => JSON.stringify(before[at]),
    keyAfter: (at) => JSON.stringify(after[at]),
    alike: (a, b) => likeness(before[a] ?? [], after[b] ?? []),
  });
  const pairs = rows.flatMap((old, at) => (old === undefined ? [] : [[old, at] as const]));
  const isShuffled = pairs.length * 2 < Math.min(before.length, after.length);
  const columnBefore = (column: number): string[] =>
    isShuffled ? before.map((row) => row[column] ?? "") : pairs.map(([old]) => before[old]?.[column] ?? "");
  const columnAfter = (column: number): string[] =>
    isShuffled ? after.map((row) => row[column] ?? "") : pairs.map(([, at]) => after[at]?.[column] ?? "");
  const columns = {
    before: Array.from({ length: widthOf(before) }, (_, at) => columnBefore(at)),
    after: Array.from({ length: widthOf(after) }, (_, at) => columnAfter(at)),
  };
  return alignLines(columns.before.length, columns.after.length, {
    keyBefore: (at) => JSON.stringify(columns.before[at]),
    keyAfter: (at) => JSON.stringify(columns.after[at]),
    alike: (a, b) => likeness(columns.before[a] ?? [], columns.after[b] ?? []),
  });
}

/** How much of two lists is the same, place by place. */
function likeness(a: readonly string[], b: readonly string[]): number {
  const length = Math.max(a.length, b.length);
  if (length === 0) return 1;
  let same = 0;
  for (let at = 0; at < length; at += 1) if ((a[at] ?? "") === (b[at] ?? "")) same += 1;
  return same / length;
}

type Stretch = { at: number; count: number };

/** Deletions from the end, then insertions from the beginning. A sheet keeps one line: the last one is written over. */
function linesFrom(
  before: number,
  match: readonly (number | undefined)[],
): { deleted: Stretch[]; inserted: Stretch[] } {
  const kept = new Set(match);
  const deleted: Stretch[] = [];
  for (let at = before - 1; at >= 0; at -= 1) {
    if (kept.has(at) || (at === 0 && !match.some((old) => old !== undefined))) continue;
    const last = deleted.at(-1);
    if (last && last.at === at + 1) {
      last.at = at;
      last.count += 1;
    } else deleted.push({ at, count: 1 });
  }
  // The line that stays though nobody needs it is the first one after.
  const isFirstTaken = before > 0 && match.length > 0 && !match.some((old) => old !== undefined);
  const inserted: Stretch[] = [];
  match.forEach((old, at) => {
    if (old !== undefined || (at === 0 && isFirstTaken)) return;
    const last = inserted.at(-1);
    if (last && last.at + last.count === at) last.count += 1;
    else inserted.push({ at, count: 1 });
  });
  return { deleted, inserted };
}

type Block = { row: number; column: number; values: string[][] };

/** Cells that are not what they should be, neighbours together: sideways first, then downwards. */
function blocksOf(held: State, wanted: State): Block[] {
  const done: Block[] = [];
  let open: Block[] = [];
  const height = Math.max(held.length, wanted.length);
  const width = Math.max(widthOf(held), widthOf(wanted));
  for (let row = 0; row < height; row += 1) {
    const goOn: Block[] = [];
    for (let column = 0; column < width; column += 1) {
      const values: string[] = [];
      for (let at = column; at < width; at += 1) {
        const text = wanted[row]?.[at] ?? "";
        if ((held[row]?.[at] ?? "") === text) break;
        values.push(text);
      }
      if (values.length === 0) continue;
      const above = open.find((one) => one.column === column && one.values[0]?.length === values.length);
      if (above) above.values.push(values);
      goOn.push(above ?? { row, column, values: [values] });
      column += values.length - 1;
    }
    done.push(...open.filter((one) => !goOn.includes(one)));
    open = goOn;
  }
  return [...done, ...open];
}

function actionOf(sheetId: number, { row, column, values }: Block): Action {
  const a1 = a1Of(row, column);
  const wide = values[0]?.length ?? 1;
  if (values.every((line) => line.every((value) => value === ""))) {
    const end = a1Of(row + values.length - 1, column + wide - 1);
    return { action: "clear", sheetId, a1: a1 === end ? a1 : `${a1}:${end}` };
  }
  if (values.length === 1 && wide === 1) return { action: "type", sheetId, plain: true, a1, value: values[0]?.[0] };
  return { action: "paste", sheetId, plain: true, a1, values };
}

export function a1Of(row: number, column: number): string {
  let name = "";
  for (let left = column + 1; left > 0; left = Math.floor((left - 1) / 26)) {
    name = String.fromCharCode(65 + ((left - 1) % 26)) + name;
  }
  return `${name}${row + 1}`;
}
