import type { ColumnRun, Row, RowRun } from "@sheetwire/shared/protocol";

/** Runs that do not fit the rows or columns they are applied to. The copy is then not the sheet's: fetch it again. */
export class MisfitError extends Error {
  override readonly name = "MisfitError";
}

/** How to make rows of a store's own kind; `T` is whatever that store keeps for a row. */
export type RowMaker<T> = { put: (row: Row) => T; blank: () => T; unknown: () => T };

/** The rows after, from the rows before. Keeps references; copies no contents. */
export function applyRowRuns<T>(rows: readonly T[], runs: readonly RowRun[], make: RowMaker<T>): T[] {
  const after: T[] = [];
  const kept = new Uint8Array(rows.length);
  for (const run of runs) {
    if ("keep" in run) {
      const [from, count] = run.keep;
      if (from + count > rows.length) {
        throw new MisfitError(`Asked to keep rows ${from} to ${from + count} of ${rows.length}.`);
      }
      for (let index = from; index < from + count; index += 1) {
        if (kept[index]) throw new MisfitError(`Asked to keep row ${index} twice.`);
        kept[index] = 1;
        after.push(rows[index] as T);
      }
    } else if ("put" in run) {
      for (const row of run.put) after.push(make.put(row));
    } else if ("blank" in run) {
      for (let n = 0; n < run.blank; n += 1) after.push(make.blank());
    } else {
      for (let n = 0; n < run.unknown; n += 1) after.push(make.unknown());
    }
  }
  return after;
}

/** How many rows or columns there are after the runs. */
export function lengthAfter(runs: readonly (RowRun | ColumnRun)[]): number {
  let length = 0;
  for (const run of runs) {
    if ("keep" in run) length += run.keep[1];
    else if ("put" in run) length += run.put.length;
    else if ("blank" in run) length += run.blank;
    else length += run.unknown;
  }
  return length;
}

/** One row's cells after column runs, given how many columns the sheet had. Trailing blanks are dropped. */
export function applyColumnRuns(row: Row, columns: number, runs: readonly ColumnRun[]): Row {
  const after: Row = [];
  // Blanks are written when something follows them.
  let at = 0;
  for (const run of runs) {
    if ("keep" in run) {
      const [from, count] = run.keep;
      if (from + count > columns) {
        throw new MisfitError(`Asked to keep columns ${from} to ${from + count} of ${columns}.`);
      }
      for (let index = from; index < Math.min(from + count, row.length); index += 1) {
        const cell = row[index] ?? null;
        if (cell === null) continue;
        while (after.length < at + index - from) after.push(null);
        after.push(cell);
      }
      at += count;
    } else at += run.blank;
  }
  return after;
}

/** Where an old row stands after the runs, or undefined when it is gone. */
export function rowAfter(row: number, runs: readonly RowRun[]): number | undefined {
  let at = 0;
  for (const run of runs) {
    if ("keep" in run && row >= run.keep[0] && row < run.keep[0] + run.keep[1]) return at + row - run.keep[0];
    at += lengthAfter([run]);
  }
  return undefined;
}

/** Where a row came from before the runs, or undefined when it is new. */
export function rowBefore(row: number, runs: readonly RowRun[]): number | undefined {
  let at = 0;
  for (const run of runs) {
    const length = lengthAfter([run]);
    if (row < at + length) return "keep" in run ? run.keep[0] + row - at : undefined;
    at += length;
  }
  return undefined;
}
