/**
 * The search for where rows came or went in a sheet too large to be looked at whole: digests of single rows, sixteen at a
 * time, tell whether a row stands where it stood or further on. Each round leaves a seventeenth of the sheet; the last
 * stretch is looked at whole. What lies outside is believed, not proven.
 */
import type { Digest } from "@sheetwire/shared/digest";
import { limits } from "@sheetwire/shared/limits";
import { hasDigest, type StoredRow } from "../sheets/sheets.ts";
import type { Stretch } from "./stretches.ts";

/**
 * The rows came or went in one place: above row `low` all stand where they stood, and from `high` on all stand
 * `sheetRows - heldRows` further down. Both count rows of the sheet as it was.
 */
export type Probe = {
  readonly heldRows: number;
  readonly sheetRows: number;
  readonly low: number;
  readonly high: number;
};

/** Rows above and below what is left, to see that they fit. */
const MARGIN_ROWS = 32;
/** The last stretch has so many cells at most: it is read in one moment. */
const WINDOW_MOST_CELLS = limits.editReadMaxCells;

/** Nothing where as many rows are there as before: what moved within a sheet is not found by this. */
export function startProbe(heldRows: number, sheetRows: number): Probe | undefined {
  return heldRows === sheetRows ? undefined : { heldRows, sheetRows, low: 0, high: Math.min(heldRows, sheetRows) };
}

/** What a row's digest tells. Undefined: it is not one stretch of rows that came or went, or more than that happened. */
export function narrowed(probe: Probe, rows: readonly StoredRow[], at: number, digest: Digest): Probe | undefined {
  const { stayed, shifted } = candidates(probe, rows, at);
  const hasStayed = stayed !== undefined && hasDigest(stayed, digest);
  const hasShifted = shifted !== undefined && hasDigest(shifted, digest);
  if (hasStayed && hasShifted) return probe;
  const came = Math.max(0, shiftOf(probe));
  let { low, high } = probe;
  if (hasStayed) low = Math.max(low, at + 1);
  else if (hasShifted) high = Math.min(high, at - came);
  else if (came > 0) [low, high] = [Math.max(low, at - came + 1), Math.min(high, at)];
  else return undefined;
  return low <= high ? { ...probe, low, high } : undefined;
}

/** What is left, as rows of the sheet now, with a margin. */
export function windowOf(probe: Probe): Stretch {
  const { low, high, sheetRows } = probe;
  const came = Math.max(0, shiftOf(probe));
  return { from: Math.max(0, low - MARGIN_ROWS), to: Math.min(sheetRows, high + came + MARGIN_ROWS) };
}

/** Whether what is left is looked at whole. `columns` are those that are in use. */
export function isNarrow(probe: Probe, columns: number): boolean {
  const { from, to } = windowOf(probe);
  return (to - from) * Math.max(1, columns) <= WINDOW_MOST_CELLS;
}

/**
 * At most so many rows of the sheet now whose digest tells something, spread over what is left. None: all rows there are
 * alike, or their contents are not known.
 */
export function rowsToProbe(probe: Probe, rows: readonly StoredRow[], most: number): number[] {
  const { low, high } = probe;
  const found: number[] = [];
  const step = (high - low) / (most + 1);
  let next = low;
  for (let n = 1; n <= most; n += 1) {
    const until = n === most ? high : Math.floor(low + step * (n + 1));
    let at = Math.max(next, Math.floor(low + step * n));
    while (at < until && !isTelling(probe, rows, at)) at += 1;
    if (at >= until) continue;
    found.push(at);
    next = at + 1;
  }
  // Where only the beginning is not all alike, the first row that tells does.
  for (let at = low; found.length === 0 && at < high; at += 1) if (isTelling(probe, rows, at)) found.push(at);
  return found;
}

export const shiftOf = ({ sheetRows, heldRows }: Probe): number => sheetRows - heldRows;

function candidates(
  probe: Probe,
  rows: readonly StoredRow[],
  at: number,
): { stayed: StoredRow | undefined; shifted: StoredRow | undefined } {
  return { stayed: rows[at], shifted: rows[at - shiftOf(probe)] };
}

const isDigestKnown = (row: StoredRow): boolean => row.json !== null || row.high !== 0 || row.low !== 0;

function isTelling(probe: Probe, rows: readonly StoredRow[], at: number): boolean {
  const { stayed, shifted } = candidates(probe, rows, at);
  if (!stayed || !isDigestKnown(stayed)) return false;
  if (!shifted) return true;
  return isDigestKnown(shifted) && ((stayed.high ^ shifted.high) !== 0 || (stayed.low ^ shifted.low) !== 0);
}
