import fc from "fast-check";
import { expect, test } from "vitest";
import { applyRowRuns } from "@sheetwire/shared/grid";
import { NO_DIGEST, digestOfRow, type Digest } from "@sheetwire/shared/digest";
import { announced, BLANK, hasDigest, storedRow, UNKNOWN, type StoredRow } from "../sheets/row.ts";
import { align } from "./align.ts";

const SEED = 7;
const row = (text: string): StoredRow => (text === "" ? BLANK : storedRow([text], SEED));
const digest = (text: string): Digest => (text === "" ? NO_DIGEST : digestOfRow([text], SEED));
const rows = (texts: string): StoredRow[] => texts.split("").map((one) => row(one.trim()));
const digests = (texts: string): Digest[] => texts.split("").map((one) => digest(one.trim()));

/** The rows after, each with what is known of its content: the runs put to work. */
function play(before: readonly StoredRow[], after: readonly Digest[]): StoredRow[] {
  return applyRowRuns<StoredRow>(before, align(before, after).runs, {
    put: (cells) => storedRow(cells, SEED),
    blank: () => BLANK,
    unknown: () => UNKNOWN,
  });
}

test("an inserted row asks for that row alone and keeps all others", () => {
  expect(align(rows("abcd"), digests("abXcd"))).toEqual({
    runs: [{ keep: [0, 2] }, { unknown: 1 }, { keep: [2, 2] }],
    moved: true,
    known: false,
    changed: [],
    unknown: [2],
  });
});

test("an inserted blank row asks for nothing", () => {
  expect(align(rows("abcd"), digests("ab cd"))).toMatchObject({
    runs: [{ keep: [0, 2] }, { blank: 1 }, { keep: [2, 2] }],
    unknown: [],
  });
});

test("deleted rows are left out", () => {
  expect(align(rows("abcdef"), digests("abef"))).toMatchObject({
    runs: [{ keep: [0, 2] }, { keep: [4, 2] }],
    unknown: [],
  });
});

test("an edited row stays where it is and is read again", () => {
  expect(align(rows("abcd"), digests("aXcd"))).toEqual({
    runs: [{ keep: [0, 4] }],
    moved: false,
    known: false,
    changed: [1],
    unknown: [],
  });
});

test("a sort moves rows and asks for none", () => {
  const found = align(rows("dbca"), digests("abcd"));
  expect(found.unknown).toEqual([]);
  expect(found.changed).toEqual([]);
  expect(found.runs).toEqual([{ keep: [3, 1] }, { keep: [1, 2] }, { keep: [0, 1] }]);
});

test("an insertion and a deletion that leave the number of rows equal are both seen", () => {
  const found = align(rows("abcdef"), digests("aXbcdf"));
  expect(found.moved).toBe(true);
  expect(found.unknown).toEqual([1]);
});

test("rows still unknown are equal to nothing, and one that was announced is found again by its digest", () => {
  const before = [row("a"), UNKNOWN, announced(digest("c"))];
  expect(align(before, digests("acb"))).toMatchObject({ unknown: [2], changed: [], moved: true });
});

test("rows that were unknown and are blank are known where they stand, and not asked for", () => {
  const before = [row("a"), UNKNOWN, UNKNOWN, announced(digest("x")), row("d")];
  expect(align(before, digests("a b d"))).toEqual({
    runs: [{ keep: [0, 1] }, { blank: 1 }, { keep: [2, 1] }, { blank: 1 }, { keep: [4, 1] }],
    moved: false,
    known: true,
    changed: [2],
    unknown: [],
  });
  expect(align([row("a"), UNKNOWN, UNKNOWN], digests("a"), 3)).toMatchObject({
    runs: [{ keep: [0, 1] }, { blank: 2 }],
    moved: false,
    known: true,
  });
});

test("whatever the rows are, what is kept has the announced digest, and what is not is listed", () => {
  const texts = fc.array(fc.constantFrom("", "a", "b", "c", "d", "e", "f"), { maxLength: 40 });
  fc.assert(
    fc.property(texts, texts, (old, now) => {
      const before = old.map(row);
      const after = now.map(digest);
      const found = align(before, after);
      const result = play(before, after);
      expect(result).toHaveLength(after.length);
      const open = new Set([...found.changed, ...found.unknown]);
      const wrong = result.filter((one, index) => !open.has(index) && !hasDigest(one, after[index] ?? NO_DIGEST));
      expect(wrong).toEqual([]);
      // Content that exists on both sides is never asked for: no more rows are open than have no equal among the old.
      const spare = new Map<string, number>();
      for (const text of old) spare.set(text, (spare.get(text) ?? 0) + 1);
      let missing = 0;
      for (const text of now) {
        const left = spare.get(text) ?? 0;
        if (text !== "" && left === 0) missing += 1;
        else spare.set(text, left - 1);
      }
      const openButBlank = [...open].filter((index) => now[index] !== "").length;
      expect(openButBlank).toBe(missing);
    }),
    { numRuns: 2_000 },
  );
});

test("a whole sheet of equal rows replaced by another one takes linear time", () => {
  const before = Array.from({ length: 200_000 }, () => row("a"));
  const after = Array.from({ length: 200_001 }, () => digest("b"));
  expect(align(before, after).unknown).toHaveLength(200_001);
});

test("blank rows behind the list are as blank rows in it", () => {
  const texts = fc.array(fc.constantFrom("", "", "a", "b", "c"), { maxLength: 15 });
  const tail = fc.nat({ max: 15 });
  fc.assert(
    fc.property(texts, tail, texts, tail, fc.boolean(), (old, oldTail, now, nowTail, isUnknown) => {
      const behind = Array.from({ length: oldTail }, () => (isUnknown ? UNKNOWN : BLANK));
      const before = [...old.map(row), ...behind];
      const after = now.map(digest);
      const all = [...after, ...Array.from({ length: nowTail }, () => NO_DIGEST)];
      expect(align(before, after, all.length)).toEqual(align(before, all));
    }),
    { numRuns: 2_000 },
  );
});

test("what lies behind the last row of the sheet is not looked at", () => {
  expect(align(rows("ab"), digests("abc"), 2)).toEqual(align(rows("ab"), digests("ab")));
});

test("among thousands of rows those are told apart whose digests agree in one half, or differ in few bits", () => {
  const now: Digest[] = Array.from({ length: 10_000 }, (_, at) => ({
    high: at % 100,
    low: Math.floor(at / 100) << 16,
  }));
  const before = now.map(({ high, low }, at): StoredRow => ({ json: `[${at}]`, high, low })).toReversed();
  const found = align(before, now);
  expect([...found.changed, ...found.unknown]).toEqual([]);
  expect(play(before, now).filter((one, at) => !hasDigest(one, now[at] ?? NO_DIGEST))).toEqual([]);
});
