/**
 * Says how a sheet's rows came about from the rows before, given only digests: which old row stands where now, which
 * rows are new, which changed in place. Linear in time and memory, whatever the rows are.
 */
import { NO_DIGEST, type Digest } from "@sheetwire/shared/digest";
import type { RowRun } from "@sheetwire/shared/protocol";
import { hasDigest, type StoredRow } from "../sheets/sheets.ts";
import { DigestNumbers, isBlank, NONE } from "./digest-numbers.ts";

export type Alignment = {
  readonly runs: readonly RowRun[];
  /** Whether any row moved, came or went; otherwise `runs` keeps everything where it is but what is `known` now. */
  readonly moved: boolean;
  /** Whether rows that were unknown are known now where they stand: they are blank. */
  readonly known: boolean;
  /** Rows, by their index after, that stand for an old row but have another digest now. */
  readonly changed: readonly number[];
  /** Rows, by their index after, that are new and must be read. */
  readonly unknown: readonly number[];
};

/** Stands where a row was that nobody knew, and is blank: nothing of it is left to be read. */
const KNOWN_BLANK = -2;

/**
 * `after` lists the digests of the rows now; a digest of zero is a blank row, and so is every one behind the list, up to
 * `rows` in all. There may be millions of those, so nothing is built for them, and where nothing can be found among them
 * they are passed over.
 */
export function align(before: readonly StoredRow[], after: readonly Digest[], rows = after.length): Alignment {
  const isEqual = (row: number, old: number): boolean => {
    const stored = before[old];
    return stored !== undefined && hasDigest(stored, after[row] ?? NO_DIGEST);
  };
  const most = Math.min(rows, before.length);
  let top = 0;
  while (top < most && isEqual(top, top)) top += 1;
  let bottom = 0;
  while (bottom < most - top && isEqual(rows - 1 - bottom, before.length - 1 - bottom)) bottom += 1;

  const source = new Int32Array(rows).fill(NONE);
  const taken = new Uint8Array(before.length);
  const take = (row: number, old: number): void => {
    source[row] = old;
    taken[old] = 1;
  };
  const same = (row: number, old: number): boolean => !taken[old] && isEqual(row, old);
  const end = rows - bottom;
  const oldEnd = before.length - bottom;
  // Of what is equal above and below only the edges are looked at again.
  taken.fill(1, 0, top).fill(1, oldEnd);
  if (top > 0) source[top - 1] = top - 1;
  if (bottom > 0) source[end] = oldEnd;
  if (top < end) {
    const listed = Math.min(end, after.length);
    const numbers = new DigestNumbers(after, top, listed);
    matchUnique(before, numbers, top, oldEnd, take);
    grow(1, top, end, listed, source, same, take);
    grow(-1, top, end, listed, source, same, take);
    matchLeftovers(before, after, numbers, top, listed, oldEnd, source, taken, take);
  }
  return describe(before, after, source, taken, top, end);
}

/** Rows whose digest stands once on each side are the same row, wherever it stands. */
function matchUnique(
  before: readonly StoredRow[],
  numbers: DigestNumbers,
  top: number,
  oldEnd: number,
  take: (row: number, old: number) => void,
): void {
  const olds = new Int32Array(numbers.size);
  const lastOld = new Int32Array(numbers.size);
  for (let old = top; old < oldEnd; old += 1) {
    const number = numbers.of(before[old]);
    if (number === NONE) continue;
    olds[number] = (olds[number] ?? 0) + 1;
    lastOld[number] = old;
  }
  for (let number = 0; number < numbers.size; number += 1) {
    const row = numbers.onlyRow(number);
    if (olds[number] === 1 && row !== NONE) take(row, lastOld[number] ?? NONE);
  }
}

/**
 * Repeated rows next to a row that is settled are settled with it: those below it (1) or those above it (-1). Behind what is
 * `listed` nothing else is settled, so there the first that is not ends it.
 */
function grow(
  step: 1 | -1,
  top: number,
  end: number,
  listed: number,
  source: Int32Array,
  same: (row: number, old: number) => boolean,
  take: (row: number, old: number) => void,
): void {
  for (let row = step === 1 ? top : end - 1; row >= top && row < end; row += step) {
    if (source[row] !== NONE) continue;
    const neighbour = source[row - step] ?? NONE;
    const isFirst = step === 1 && row === 0;
    const old = isFirst ? 0 : neighbour === NONE ? NONE : neighbour + step;
    if (old >= 0 && same(row, old)) take(row, old);
    else if (step === 1 && row >= listed) break;
    else if (row > listed) row = listed;
  }
}

/** Among equal rows that are left, order is kept. */
function matchLeftovers(
  before: readonly StoredRow[],
  after: readonly Digest[],
  numbers: DigestNumbers,
  top: number,
  end: number,
  oldEnd: number,
  source: Int32Array,
  taken: Uint8Array,
  take: (row: number, old: number) => void,
): void {
  // For each digest the first old row that is left, and behind each old row the next with its digest.
  const first = new Int32Array(numbers.size).fill(NONE);
  const next = new Int32Array(oldEnd - top);
  for (let old = oldEnd - 1; old >= top; old -= 1) {
    const number = taken[old] ? NONE : numbers.of(before[old]);
    if (number === NONE) continue;
    next[old - top] = first[number] ?? NONE;
    first[number] = old;
  }
  for (let row = top; row < end; row += 1) {
    const number = source[row] === NONE ? numbers.of(after[row]) : NONE;
    const old = first[number] ?? NONE;
    if (old === NONE) continue;
    first[number] = next[old - top] ?? NONE;
    take(row, old);
  }
}

function describe(
  before: readonly StoredRow[],
  after: readonly Digest[],
  source: Int32Array,
  taken: Uint8Array,
  top: number,
  end: number,
): Alignment {
  const changed: number[] = [];
  const unknown: number[] = [];
  // Where as many unclaimed rows lie between two settled neighbours as before, they were edited where they stand.
  for (let row = top; row < end;) {
    if (source[row] !== NONE) {
      row += 1;
      continue;
    }
    const gap = stretch(row, end, (at) => source[at] === NONE);
    const neighbour = row === 0 ? -1 : (source[row - 1] ?? NONE);
    const old = row === 0 || neighbour !== NONE ? neighbour + 1 : NONE;
    const oldGap = old === NONE ? 0 : stretch(old, before.length, (at) => taken[at] === 0);
    if (oldGap === gap) {
      for (let offset = 0; offset < gap; offset += 1) {
        const isNews = before[old + offset]?.json === null && isBlank(after[row + offset] ?? NO_DIGEST);
        source[row + offset] = isNews ? KNOWN_BLANK : old + offset;
        taken[old + offset] = 1;
        if (!isNews) changed.push(row + offset);
      }
    }
    row += gap;
  }
  const runs: RowRun[] = [];
  const keep = (old: number, count: number): void => {
    const last = runs.at(-1);
    if (last && "keep" in last && last.keep[0] + last.keep[1] === old) last.keep[1] += count;
    else if (count > 0) runs.push({ keep: [old, count] });
  };
  let moved = before.length !== source.length;
  let known = false;
  keep(0, top);
  for (let row = top; row < end;) {
    const old = source[row] ?? NONE;
    if (old >= 0) {
      moved ||= old !== row;
      keep(old, 1);
      row += 1;
      continue;
    }
    const last = runs.at(-1);
    if (old === NONE) moved = true;
    else known = true;
    if (isBlank(after[row] ?? NO_DIGEST)) {
      const count = row < after.length ? 1 : stretch(row, end, (at) => source[at] === old);
      if (last && "blank" in last) last.blank += count;
      else runs.push({ blank: count });
      row += count;
    } else {
      unknown.push(row);
      if (last && "unknown" in last) last.unknown += 1;
      else runs.push({ unknown: 1 });
      row += 1;
    }
  }
  const below = source.length - end;
  keep(before.length - below, below);
  return { runs, moved, known, changed, unknown };
}

/** How many places in a row, from `from` on, have the property. */
function stretch(from: number, end: number, has: (at: number) => boolean): number {
  let length = 0;
  while (from + length < end && has(from + length)) length += 1;
  return length;
}
