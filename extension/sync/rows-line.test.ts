import fc from "fast-check";
import { expect, test } from "vitest";
import { limits } from "@sheetwire/shared/limits";
import { snapshotRowsSchema } from "@sheetwire/shared/protocol";
import { readRowsLine } from "./rows-line.ts";

const odd = fc.constantFrom<unknown>(
  undefined,
  null,
  "",
  "x".repeat(33),
  "x".repeat(limits.cellMaxChars),
  "x".repeat(limits.cellMaxChars + 1),
  Infinity,
  Number.NaN,
  -1,
  1.5,
  0,
  2 ** 53,
  10_000_000,
  10_000_001,
  [],
  [1],
  {},
  { v: 1 },
  { v: undefined },
);
const rich = fc.record({ v: odd, f: odd, d: odd, e: odd, other: odd }, { requiredKeys: [] });
const cell = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom<unknown>(1, "a", true, null, { v: 2, f: "=2" }) },
  odd,
  rich,
);
const row = fc.oneof({ weight: 5, arbitrary: fc.array(cell, { maxLength: 3 }) }, odd);
const rows = fc.oneof({ weight: 8, arbitrary: fc.array(row, { maxLength: 3 }) }, odd);
const line = fc.oneof(
  { weight: 9, arbitrary: fc.record({ sheetId: fc.oneof(fc.nat(9), odd), fromRow: fc.oneof(fc.nat(9), odd), rows }) },
  odd,
);

test("a line of rows is read and refused exactly as the protocol's schema says", () => {
  fc.assert(
    fc.property(line, (value) => {
      expect(readRowsLine(value) !== undefined).toBe(snapshotRowsSchema.safeParse(value).success);
    }),
    { numRuns: 3_000 },
  );
});

test("a row as wide as a sheet may be is taken, a wider one is not", () => {
  const wide = (count: number): unknown => ({ sheetId: 0, fromRow: 0, rows: [Array.from({ length: count }, () => 1)] });
  expect(readRowsLine(wide(limits.sheetMaxColumns))).toBeDefined();
  expect(readRowsLine(wide(limits.sheetMaxColumns + 1))).toBeUndefined();
});
