/** From one state of a table to the next by the fewest things a person would do: rows, columns, then cells. */
import * as z from "zod";
import type { Action } from "../stage/stage.ts";

export type State = readonly (readonly string[])[];

const historySchema = z.array(z.array(z.array(z.string()))).min(1);

/** A history from its JSON. Throws when it is none. */
export const readHistory = (json: string): readonly State[] => historySchema.parse(JSON.parse(json));

const rowKey = (row: readonly string[]): string => JSON.stringify(row);

/**
 * Which old line stands behind each new one, in rising order: the longest common subsequence of what is alike. `alike`
 * gives how much two lines have in common, from 0 to 1; below a half they are strangers.
 */
function alignLines(before: number, after: number, alike: (a: number, b: number) => number): (number | undefined)[] {
  let head = 0;
  while (head < before && head < after && alike(head, head) === 1) head += 1;
  let tail = 0;
  while (tail < before - head && tail < after - head && alike(before - 1 - tail, after - 1 - tail) === 1) tail += 1;
  const found: (number | undefined)[] = Array.from({ length: after }, () => undefined);
  for (let at = 0; at < head; at += 1) found[at] = at;
  for (let at = 1; at <= tail; at += 1) found[after - at] = before - at;
  const [m, n] = [before - head - tail, after - head - tail];
  const best: Float64Array[] = Array.from({ length: m + 1 }, () => new Float64Array(n + 1));
  const score = (a: number, b: number): number => {
    const part = alike(head + a, head + b);
    return part >= 0.5 ? part : 0;
  };
  const scores = Array.from({ length: m }, (_, a) => Float64Array.from({ length: n }, (_unused, b) => score(a, b)));
  for (let a = m - 1; a >= 0; a -= 1) {
    for (let b = n - 1; b >= 0; b -= 1) {
      const both = (scores[a]?.[b] ?? 0) > 0 ? (scores[a]?.[b] ?? 0) + (best[a + 1]?.[b + 1] ?? 0) : 0;
      (best[a] as Float64Array)[b] = Math.max(both, best[a + 1]?.[b] ?? 0, best[a]?.[b + 1] ?? 0);
    }
  }
  for (let a = 0, b = 0; a < m && b < n;) {
    const here = best[a]?.[b] ?? 0;
    if (here === (best[a]?.[b + 1] ?? 0)) b += 1;
    else if (here === (best[a + 1]?.[b] ?? 0)) a += 1;
    else {
      found[head + b] = head + a;
      a += 1;
      b += 1;
    }
  }
  return found;
}

/** How much of two lists is the same, place by place. */
function likeness(a: readonly string[], b: readonly string[]): number {
  const length = Math.max(a.length, b.length);
  if (length === 0) return 1;
  let same = 0;
  for (let at = 0; at < length; at += 1) if ((a[at] ?? "") === (b[at] ?? "")) same += 1;
  return same / length;
}

const widthOf = (state: State): number => state.reduce((most, row) => Math.max(most, row.length), 0);

/** Short rows padded with blank cells. */
export function padded(state: State): string[][] {
  const width = widthOf(state);
  return state.map((row) => Array.from({ length: width }, (_, at) => row[at] ?? ""));
}

type Lines = { deleted: { at: number; count: number }[]; inserted: { at: number; count: number }[] };

/** Deletions from the end, then insertions from the beginning. */
function changesOf(before: number, match: readonly (number | undefined)[]): Lines {
  const kept = new Set(match);
  const deleted: { at: number; count: number }[] = [];
  for (let at = before - 1; at >= 0; at -= 1) {
    if (kept.has(at)) continue;
    const last = deleted.at(-1);
    if (last && last.at === at + 1) {
      last.at = at;
      last.count += 1;
    } else deleted.push({ at, count: 1 });
  }
  const inserted: { at: number; count: number }[] = [];
  match.forEach((old, at) => {
    if (old !== undefined) return;
    const last = inserted.at(-1);
    if (last && last.at + last.count === at) last.count += 1;
    else inserted.push({ at, count: 1 });
  });
  return { deleted, inserted };
}

export type Step = {
  readonly actions: Action[];
  /** Cells that are not what they were, in rows and columns that stay, and all that are filled in new ones. */
  readonly cellsChanged: number;
};

/** The actions that lead from one state to the next on a sheet that holds the first. */
export function stepBetween(sheetId: number, from: State, to: State): Step {
  const before = padded(from);
  const after = padded(to);
  const width = { before: widthOf(before), after: widthOf(after) };
  const column = (state: readonly (readonly string[])[], at: number): string[] => state.map((row) => row[at] ?? "");
  const rowMatchFirst = alignLines(before.length, after.length, (a, b) =>
    rowKey(before[a] ?? []) === rowKey(after[b] ?? []) ? 1 : likeness(before[a] ?? [], after[b] ?? []),
  );
  // Columns are compared by those rows that stand for each other; where that is none, by place.
  const pairs = rowMatchFirst.flatMap((old, at) => (old === undefined ? [] : [[old, at] as const]));
  const isShuffled = pairs.length * 2 < Math.min(before.length, after.length);
  const columnMatch = alignLines(width.before, width.after, (a, b) =>
    isShuffled
      ? likeness(column(before, a), column(after, b))
      : likeness(
          pairs.map(([old]) => before[old]?.[a] ?? ""),
          pairs.map(([, at]) => after[at]?.[b] ?? ""),
        ),
  );
  const actions: Action[] = [];
  const plain = { sheetId, plain: true };
  const columns = changesOf(width.before, columnMatch);
  // A sheet keeps one column and one row: what is new comes first where nothing else would be left.
  for (const { at, count } of columns.inserted.length > 0 && columns.deleted.length > 0 ? [] : columns.deleted) {
    if (count < width.before) actions.push({ action: "deleteColumns", sheetId, column: at, count });
  }
  const working = { rows: before.map((row) => row.slice()) };
  if (columns.deleted.length > 0 && columns.inserted.length > 0) {
    for (const { at, count } of columns.deleted) {
      if (count < width.before) actions.push({ action: "deleteColumns", sheetId, column: at, count });
    }
  }
  for (const { at, count } of columns.deleted) {
    if (count < width.before) for (const row of working.rows) row.splice(at, count);
  }
  for (const { at, count } of columns.inserted) {
    actions.push({ action: "insertColumns", sheetId, column: at, count });
    for (const row of working.rows) row.splice(at, 0, ...Array.from({ length: count }, () => ""));
  }
  const rowMatch = alignLines(working.rows.length, after.length, (a, b) =>
    likeness(working.rows[a] ?? [], after[b] ?? []),
  );
  const rows = changesOf(working.rows.length, rowMatch);
  for (const { at, count } of rows.deleted) {
    if (count >= working.rows.length) continue;
    actions.push({ action: "deleteRows", sheetId, row: at, count });
    working.rows.splice(at, count);
  }
  for (const { at, count } of rows.inserted) {
    actions.push({ action: "insertRows", sheetId, row: at, count });
    const blank = Array.from({ length: count }, () => Array.from({ length: width.after }, () => ""));
    working.rows.splice(at, 0, ...blank);
  }
  let cellsChanged = 0;
  const height = Math.max(working.rows.length, after.length);
  for (let row = 0; row < height; row += 1) {
    const held = working.rows[row] ?? [];
    const wanted = after[row] ?? [];
    for (let at = 0; at < Math.max(width.after, held.length); at += 1) {
      if ((held[at] ?? "") === (wanted[at] ?? "")) continue;
      // Neighbours that changed together are pasted together.
      const values: string[] = [];
      while (at + values.length < Math.max(width.after, held.length)) {
        const next = at + values.length;
        if ((held[next] ?? "") === (wanted[next] ?? "")) break;
        values.push(wanted[next] ?? "");
      }
      cellsChanged += values.length;
      const a1 = a1Of(row, at);
      if (values.length === 1) {
        const value = values[0] ?? "";
        actions.push(value === "" ? { action: "clear", sheetId, a1 } : { action: "type", ...plain, a1, value });
      } else actions.push({ action: "paste", ...plain, a1, values: [values] });
      at += values.length - 1;
    }
  }
  return { actions, cellsChanged };
}

export function a1Of(row: number, column: number): string {
  let name = "";
  for (let left = column + 1; left > 0; left = Math.floor((left - 1) / 26)) {
    name = String.fromCharCode(65 + ((left - 1) % 26)) + name;
  }
  return `${name}${row + 1}`;
}
