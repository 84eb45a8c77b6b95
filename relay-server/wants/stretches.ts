/** Sorted, non-touching stretches of rows, half-open. */
export type Stretch = { from: number; to: number };

/** With so many stretches they are no longer worth telling apart: they become one. */
const MOST = 500;

/** Adds a stretch; what overlaps or touches is joined. `join` says what a joined stretch carries beside its bounds. */
export function addStretch<T extends Stretch>(list: readonly T[], added: T, join: (a: T, b: T) => T): T[] {
  const after: T[] = [];
  let grown = added;
  let isIn = false;
  for (const one of list) {
    if (one.to < grown.from) after.push(one);
    else if (one.from > grown.to) {
      if (!isIn) after.push(grown);
      isIn = true;
      after.push(one);
    } else grown = { ...join(one, grown), from: Math.min(one.from, grown.from), to: Math.max(one.to, grown.to) };
  }
  if (!isIn) after.push(grown);
  const [first, ...others] = after;
  return first && after.length > MOST
    ? [others.reduce((a, b) => ({ ...join(a, b), from: a.from, to: b.to }), first)]
    : after;
}

/** Takes rows out of those stretches for which `concerns` holds. */
export function cutStretch<T extends Stretch>(list: readonly T[], cut: Stretch, concerns: (one: T) => boolean): T[] {
  const after: T[] = [];
  for (const one of list) {
    if (!concerns(one) || one.to <= cut.from || one.from >= cut.to) {
      after.push(one);
      continue;
    }
    if (one.from < cut.from) after.push({ ...one, to: cut.from });
    if (one.to > cut.to) after.push({ ...one, from: cut.to });
  }
  return after;
}

export const includes = (list: readonly Stretch[], row: number): boolean =>
  list.some(({ from, to }) => row >= from && row < to);

/** What of `whole` is not covered. */
export function gapsIn(whole: Stretch, covered: readonly Stretch[]): Stretch[] {
  const gaps: Stretch[] = [];
  let from = whole.from;
  for (const one of [...covered].sort((a, b) => a.from - b.from)) {
    if (one.from > from) gaps.push({ from, to: Math.min(one.from, whole.to) });
    from = Math.max(from, one.to);
    if (from >= whole.to) break;
  }
  if (from < whole.to) gaps.push({ from, to: whole.to });
  return gaps.filter((gap) => gap.from < gap.to);
}

export const lengthOf = (list: readonly Stretch[]): number => list.reduce((sum, one) => sum + one.to - one.from, 0);

/** Rows as stretches, given in rising order. */
export function stretchesOf(rows: readonly number[]): Stretch[] {
  const list: Stretch[] = [];
  for (const row of rows) {
    const last = list[list.length - 1];
    if (last && last.to === row) last.to += 1;
    else list.push({ from: row, to: row + 1 });
  }
  return list;
}
