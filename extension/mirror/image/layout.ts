import { MisfitError } from "@sheetwire/shared/grid";
import type { ColumnRun, Row } from "@sheetwire/shared/protocol";

/**
 * Where a sheet's columns of now are found in rows that were packed before columns came, went or moved: pieces from the
 * left, `from` -1 for columns that the rows do not have. Nothing means: as they are.
 */
export type Layout = readonly { readonly from: number; readonly count: number }[] | undefined;

/** The layout after column runs. Refuses runs that keep a column twice, or one that is not there. */
export function layoutAfter(before: Layout, columns: number, runs: readonly ColumnRun[]): Layout {
  const pieces: { from: number; count: number }[] = [];
  const push = (from: number, count: number): void => {
    const last = pieces.at(-1);
    if (last && (from === -1 ? last.from === -1 : last.from !== -1 && last.from + last.count === from)) {
      last.count += count;
    } else pieces.push({ from, count });
  };
  for (const run of runs) {
    if ("blank" in run) push(-1, run.blank);
    else {
      let at = 0;
      const [from, to] = [run.keep[0], run.keep[0] + run.keep[1]];
      for (const piece of before ?? [{ from: 0, count: columns }]) {
        const start = Math.max(from, at);
        const end = Math.min(to, at + piece.count);
        if (start < end) push(piece.from === -1 ? -1 : piece.from + start - at, end - start);
        at += piece.count;
      }
    }
  }
  return pieces;
}

/** Column runs keep each old column at most once, and only columns that are there. */
export function refuseColumnsKeptTwice(runs: readonly ColumnRun[], columns: number): void {
  const kept = runs.flatMap((run) => ("keep" in run ? [run.keep] : [])).sort((a, b) => a[0] - b[0]);
  let end = 0;
  for (const [from, count] of kept) {
    if (from < end) throw new MisfitError(`Asked to keep column ${from} twice.`);
    end = from + count;
    if (end > columns) throw new MisfitError(`Asked to keep columns ${from} to ${end} of ${columns}.`);
  }
}

/** A packed row as the sheet has it now, trailing blanks dropped. */
export function laidOut(row: Row, layout: Layout): Row {
  if (!layout) return row;
  const after: Row = [];
  for (const { from, count } of layout) {
    for (let n = 0; n < count; n += 1) after.push(from === -1 ? null : (row[from + n] ?? null));
  }
  return trimmed(after);
}

/** Drops trailing blanks, in place. */
export function trimmed(row: Row): Row {
  while (row.length > 0 && row[row.length - 1] === null) row.pop();
  return row;
}
