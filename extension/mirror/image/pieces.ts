import { canonicalRow, MisfitError } from "@sheetwire/shared/grid";
import { limits } from "@sheetwire/shared/limits";
import type { Row, RowRun } from "@sheetwire/shared/protocol";
import type { Piece, Stretch } from "./sheet-image.ts";

/** Runs may keep each old row once, and only rows that are there. */
export function refuseKeptTwice(runs: readonly RowRun[], rowCount: number): void {
  const kept = runs.flatMap((run) => ("keep" in run ? [run.keep] : []));
  if (kept.some(([from], n) => n > 0 && from < (kept[n - 1]?.[0] ?? 0))) kept.sort((a, b) => a[0] - b[0]);
  let end = 0;
  for (const [from, count] of kept) {
    if (from < end) throw new MisfitError(`Asked to keep row ${from} twice.`);
    end = from + count;
    if (end > rowCount) throw new MisfitError(`Asked to keep rows ${from} to ${end} of ${rowCount}.`);
  }
}

/** The pieces of a sheet after row runs, in terms of its pieces before. No row is copied, but few new ones may join. */
export function piecesAfter(
  runs: readonly RowRun[],
  stretches: (from: number, to: number) => Iterable<Stretch>,
): Piece[] {
  const next: Piece[] = [];
  const push = (piece: Piece): void => {
    const joined = joinedWith(next.at(-1), piece);
    if (joined) next[next.length - 1] = joined;
    else next.push(piece);
  };
  for (const run of runs) {
    if ("blank" in run) push({ source: "blank", offset: 0, count: run.blank });
    else if ("unknown" in run) push({ source: "unknown", offset: 0, count: run.unknown });
    else if ("put" in run) {
      for (let from = 0; from < run.put.length; from += limits.blockRows) {
        const cells: Row[] = run.put.slice(from, from + limits.blockRows).map(canonicalRow);
        push({ source: { kind: "fresh", cells }, offset: 0, count: cells.length });
      }
    } else {
      for (const { piece, offset, count } of stretches(run.keep[0], run.keep[0] + run.keep[1])) {
        const { source } = piece;
        push(typeof source === "string" ? { source, offset: 0, count } : { source, offset, count });
      }
    }
  }
  return next;
}

/** Two neighbours as one piece, where they are that. */
function joinedWith(last: Piece | undefined, piece: Piece): Piece | undefined {
  if (!last) return undefined;
  if (typeof last.source === "string" || typeof piece.source === "string") {
    if (last.source !== piece.source || typeof last.source !== "string") return undefined;
    return { source: last.source, offset: 0, count: last.count + piece.count };
  }
  if (last.source !== piece.source || last.offset + last.count !== piece.offset) return undefined;
  return { source: last.source, offset: last.offset, count: last.count + piece.count };
}
