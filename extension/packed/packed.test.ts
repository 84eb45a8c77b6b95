import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalRow, displayOf, formulaOf } from "@sheetwire/shared/grid";
import type { Cell, Row } from "@sheetwire/shared/protocol";
import { BrokenBlockError, CsvWriter, openBlock, packRows } from "./packed.ts";

const number = fc.oneof(
  fc.integer({ min: -300, max: 300 }),
  fc.integer(),
  fc.integer({ min: -5_000, max: 5_000 }).map((cents) => cents / 100),
  fc.tuple(fc.maxSafeInteger(), fc.nat(12)).map(([whole, decimals]) => whole / 10 ** decimals),
  fc.tuple(fc.integer(), fc.nat(8)).map(([whole, decimals]) => whole / 10 ** decimals),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0.1 + 0.2, 1e21, 5e-324, Number.MAX_VALUE, -0, 46_160.75),
);
const text = fc.oneof(
  fc.constantFrom("", "a", "Ärger", "İstanbul", "ΟΔΟΣ", "\ufeffmark", "\u0000", "😀", "\ud83d", "\ude00", "TRUE", "12"),
  fc.string({ unit: "binary", maxLength: 6 }),
  fc.constant("long ".repeat(80)),
);
const value = fc.oneof(fc.constant(null), fc.boolean(), number, text);
const rich = fc.record({ v: value, f: text, d: text, e: fc.constantFrom("#N/A", "#REF!") }, { requiredKeys: ["v"] });
const cell: fc.Arbitrary<Cell> = fc.oneof(value, rich);
/** Columns of one kind, as sheets mostly have, and such with everything in them. */
const rows: fc.Arbitrary<(Row | null)[]> = fc
  .tuple(fc.array(fc.constantFrom(fc.boolean(), number, text, value, rich, cell), { maxLength: 6 }), fc.nat(90))
  .chain(([columns, count]) => {
    const some = fc.tuple(...columns.map((one) => fc.oneof({ weight: 4, arbitrary: one }, fc.constant(null))));
    return fc.array(fc.oneof({ weight: 9, arbitrary: some.map((row): Row | null => row) }, fc.constant(null)), {
      maxLength: count,
    });
  });
const canonical = (all: readonly (Row | null)[]): (Row | null)[] => all.map((row) => row && canonicalRow(row));

test("what was packed comes back cell by cell, in its one way of being written", () => {
  fc.assert(
    fc.property(rows, (some) => {
      const back = openBlock(packRows(some)).rows();
      expect(back).toStrictEqual(canonical(some));
      expect(JSON.stringify(back)).toBe(JSON.stringify(canonical(some)));
    }),
    { numRuns: 400 },
  );
});

test("any part of a block is what that part of the rows is", () => {
  fc.assert(
    fc.property(rows, fc.nat(90), fc.nat(90), fc.nat(6), fc.nat(6), (some, a, b, c, d) => {
      const [from, to] = [Math.min(a, b, some.length), Math.min(Math.max(a, b), some.length)];
      const [left, right] = [Math.min(c, d), Math.max(c, d)];
      const expected = canonical(some)
        .slice(from, to)
        .map((row) => row && canonicalRow(row.slice(left, right)));
      expect(openBlock(packRows(some)).rows(from, to, left, right)).toStrictEqual(expected);
    }),
    { numRuns: 300 },
  );
});

test("a search finds exactly the cells whose display or formula contains the words, case ignored", () => {
  const wanted = fc.oneof(
    fc.constantFrom("a", "1", "0.", "-", "true", "als", "ä", "i̇", "ς", "σ", "ong l", "e+", "#n/a", "\ud83d"),
    fc.string({ unit: "binary", minLength: 1, maxLength: 2 }).map((some) => some.toLowerCase()),
  );
  fc.assert(
    fc.property(rows, wanted, (some, words) => {
      const expected: string[] = [];
      for (const [r, row] of canonical(some).entries()) {
        for (const [c, one] of (row ?? []).entries()) {
          if (one === null) continue;
          const shown = displayOf(one);
          const matches = shown.toLowerCase().includes(words) || formulaOf(one)?.toLowerCase().includes(words);
          if (matches) expected.push(`${r} ${c} ${shown}`);
        }
      }
      const found: string[] = [];
      openBlock(packRows(some)).search(words, (row, column, shown) => found.push(`${row} ${column} ${shown}`));
      expect(found.toSorted()).toEqual(expected.toSorted());
    }),
    { numRuns: 500 },
  );
});

const isHalf = (some: readonly (Row | null)[]): boolean =>
  JSON.stringify(some, (_, one: unknown) => (typeof one === "string" && !one.isWellFormed() ? "half" : one)) !==
  JSON.stringify(some);

test("CSV of a block is the CSV of its rows, as a file has it; none is written where a character is broken in two", () => {
  const field = (shown: string): string => (/[",\r\n]/.test(shown) ? `"${shown.replaceAll('"', '""')}"` : shown);
  const quoted = fc.constantFrom<Cell>(
    'say "hi"',
    "a,b",
    "two\nlines",
    { v: 1, d: "1,0" },
    { v: null, e: "#N/A" },
    { v: 5, d: "" },
  );
  const mixed = fc.array(fc.array(fc.oneof(cell, quoted), { maxLength: 5 }), { maxLength: 20 });
  fc.assert(
    fc.property(fc.oneof(rows, mixed), fc.nat(20), (some, from) => {
      const start = Math.min(from, some.length);
      const lines = canonical(some)
        .slice(start)
        .map((row) => `${(row ?? []).map((one) => field(displayOf(one))).join(",")}\r\n`);
      const into = new CsvWriter();
      into.text("before\r\n");
      const block = openBlock(packRows(some));
      expect(block.writeCsv(into, start)).toBe(!isHalf(canonical(some)));
      const after = isHalf(canonical(some)) ? "" : lines.join("");
      expect(new TextDecoder("utf-8", { ignoreBOM: true }).decode(into.taken())).toBe(`before\r\n${after}`);
      expect(into.taken().length).toBe(0);
    }),
    { numRuns: 400 },
  );
});

test("whole numbers, prices and repeated words take a byte or two each", () => {
  const some = Array.from({ length: 256 }, (_, n) => [n, n % 7 === 0, n / 100, ["open", "closed"][n % 2] as string]);
  expect(packRows(some).length).toBeLessThan(256 * 4);
});

test("blank columns cost nothing but their place in the table", () => {
  const row: Row = [];
  row[17] = 1;
  const some = Array.from({ length: 256 }, () => Array.from(row, (one) => one ?? null));
  expect(packRows(some).length).toBeLessThan(500);
  expect(openBlock(packRows(some)).rows()).toStrictEqual(some);
});

test("bytes of another format, cut off or none at all are refused", () => {
  const good = packRows([["a", 1]]);
  const other = good.slice();
  other[0] = 2;
  for (const bytes of [other, good.slice(0, -1), new Uint8Array(), good.slice(0, 10)]) {
    expect(() => openBlock(bytes)).toThrow(BrokenBlockError);
  }
});

test("texts that do not fill their heap, or are no UTF-8, are written into no file", () => {
  const good = packRows([["åäö", "a"]]);
  const heapAt = new DataView(good.buffer).getUint32(16, true);
  const lengthsAt = new DataView(good.buffer).getUint32(12, true);
  for (const [at, byte] of [
    [heapAt, 0xff],
    [heapAt + good.length - heapAt - 1, 0xc3],
    [lengthsAt, 2],
    [lengthsAt, 9],
  ] as const) {
    const other = good.slice();
    other[at] = byte;
    expect(() => openBlock(other).writeCsv(new CsvWriter())).toThrow(BrokenBlockError);
  }
});

test("a block without rows, and rows without cells", () => {
  expect(openBlock(packRows([])).rows()).toEqual([]);
  expect(openBlock(packRows([[], null, []])).rows()).toEqual([[], null, []]);
});
