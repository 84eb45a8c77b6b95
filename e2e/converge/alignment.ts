/** Which lines of a table stayed what they were, in rising order. */

/** Pairs of lines that are looked at one by one; beyond that only lines that are alike to the letter are found. */
const MOST_PAIRS = 250_000;

export type Alikeness = {
  /** Equal exactly where the lines are equal. */
  readonly keyBefore: (line: number) => string;
  readonly keyAfter: (line: number) => string;
  /** How much two lines have in common, from 0 to 1; below a half they are strangers. */
  readonly alike: (before: number, after: number) => number;
};

/** For each line after, the line before that it was, if it was there at all. */
export function alignLines(before: number, after: number, lines: Alikeness): (number | undefined)[] {
  const found: (number | undefined)[] = Array.from({ length: after }, () => undefined);
  const old = Array.from({ length: before }, (_, at) => lines.keyBefore(at));
  const now = Array.from({ length: after }, (_, at) => lines.keyAfter(at));
  alignPart({ from: 0, to: before }, { from: 0, to: after });
  return found;

  type Part = { from: number; to: number };

  function alignPart(a: Part, b: Part): void {
    while (a.from < a.to && b.from < b.to && old[a.from] === now[b.from]) {
      found[b.from] = a.from;
      a = { ...a, from: a.from + 1 };
      b = { ...b, from: b.from + 1 };
    }
    while (a.from < a.to && b.from < b.to && old[a.to - 1] === now[b.to - 1]) {
      found[b.to - 1] = a.to - 1;
      a = { ...a, to: a.to - 1 };
      b = { ...b, to: b.to - 1 };
    }
    if (a.from === a.to || b.from === b.to) return;
    if ((a.to - a.from) * (b.to - b.from) <= MOST_PAIRS) return alignPairs(a, b);
    const anchors = risingPairs(uniquePairs(a, b));
    let [fromA, fromB] = [a.from, b.from];
    for (const [atA, atB] of [...anchors, [a.to, b.to] as const]) {
      if (anchors.length > 0) alignPart({ from: fromA, to: atA }, { from: fromB, to: atB });
      if (atB < b.to) found[atB] = atA;
      [fromA, fromB] = [atA + 1, atB + 1];
    }
    // With nothing to hold on to, what stands in a place is written over.
    if (anchors.length > 0) return;
    for (let n = 0; n < Math.min(a.to - a.from, b.to - b.from); n += 1) found[b.from + n] = a.from + n;
  }

  /** Lines that stand once in each part. */
  function uniquePairs(a: Part, b: Part): (readonly [number, number])[] {
    const count = new Map<string, { a: number[]; b: number[] }>();
    const at = (key: string) => {
      const held = count.get(key) ?? { a: [], b: [] };
      count.set(key, held);
      return held;
    };
    for (let line = a.from; line < a.to; line += 1) at(old[line] ?? "").a.push(line);
    for (let line = b.from; line < b.to; line += 1) at(now[line] ?? "").b.push(line);
    return [...count.values()]
      .flatMap((held) =>
        held.a.length === 1 && held.b.length === 1 ? [[held.a[0] ?? 0, held.b[0] ?? 0] as const] : [],
      )
      .toSorted((one, other) => one[1] - other[1]);
  }

  /** The longest common subsequence, weighed by how much the lines have in common. */
  function alignPairs(a: Part, b: Part): void {
    const [m, n] = [a.to - a.from, b.to - b.from];
    const scores = Array.from({ length: m }, (_, one) =>
      Float64Array.from({ length: n }, (_unused, other) => {
        const part = old[a.from + one] === now[b.from + other] ? 1 : lines.alike(a.from + one, b.from + other);
        return part >= 0.5 ? part : 0;
      }),
    );
    const best = Array.from({ length: m + 1 }, () => new Float64Array(n + 1));
    const at = (table: readonly Float64Array[], one: number, other: number): number => table[one]?.[other] ?? 0;
    for (let one = m - 1; one >= 0; one -= 1) {
      const row = best[one] ?? new Float64Array();
      for (let other = n - 1; other >= 0; other -= 1) {
        const score = at(scores, one, other);
        const both = score > 0 ? score + at(best, one + 1, other + 1) : 0;
        row[other] = Math.max(both, at(best, one + 1, other), at(best, one, other + 1));
      }
    }
    for (let one = 0, other = 0; one < m && other < n;) {
      const here = at(best, one, other);
      if (here === at(best, one, other + 1)) other += 1;
      else if (here === at(best, one + 1, other)) one += 1;
      else {
        found[b.from + other] = a.from + one;
        one += 1;
        other += 1;
      }
    }
  }
}

/** The longest part of these pairs, in order of their second, whose first rises too. */
function risingPairs(pairs: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  const tails: number[] = [];
  const previous: number[] = [];
  pairs.forEach(([value], at) => {
    let [low, high] = [0, tails.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((pairs[tails[middle] ?? 0]?.[0] ?? 0) < value) low = middle + 1;
      else high = middle;
    }
    previous[at] = low > 0 ? (tails[low - 1] ?? -1) : -1;
    tails[low] = at;
  });
  const rising: (readonly [number, number])[] = [];
  for (let at = tails.at(-1) ?? -1; at >= 0; at = previous[at] ?? -1) {
    const pair = pairs[at];
    if (pair) rising.push(pair);
  }
  return rising.toReversed();
}
