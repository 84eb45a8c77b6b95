import { cellsReadingSchema } from "@sheetwire/shared/protocol";
import fc from "fast-check";
import { expect, test } from "vitest";
import { isPlainCells } from "./plain-cells.ts";

const edit = {
  kind: "cells",
  readAt: [1_795_324_619_505, 1_795_324_619_546],
  sheetId: 7,
  at: { row: 3, column: 1 },
  cells: [
    ["a", 1.5, null, true],
    [],
    [
      { v: 3, f: "=1+2" },
      { v: null, f: "=1/0", e: "#DIV/0!" },
      { v: 1, d: "1,00" },
    ],
  ],
  sheetRows: 100,
  sheetColumns: 20,
};
const optional = {
  want: "w-1",
  size: { rows: 3, columns: 4 },
  edited: { row: 3, column: 1, rows: 1, columns: 1 },
  was: "before",
};

test("readings as the script posts them are recognised", () => {
  expect(isPlainCells(edit)).toBe(true);
  expect(isPlainCells({ ...edit, ...optional })).toBe(true);
});

/** Values that stand at the edge of what the schema takes, or beyond it. */
const odd = fc.oneof(
  fc.constantFrom(-1, -0, 0.5, 18_278, 18_279, 10_000_000, 10_000_001, 8.64e15, 8.65e15, 2 ** 53, Infinity, Number.NaN),
  fc.constantFrom("", "x".repeat(32), "x".repeat(33), "x".repeat(64), "x".repeat(65)),
  fc.constantFrom("x".repeat(50_000), "x".repeat(50_001)),
  fc.constantFrom<unknown>(
    null,
    true,
    [],
    {},
    [[]],
    [1, 2],
    [1, 2, 3],
    { v: 1 },
    { f: "=A1" },
    { v: [] },
    { v: 1, x: 1 },
  ),
  fc.constantFrom<unknown>({ row: 0, column: 0 }, { row: 0, column: 0, more: 0 }, { rows: 1, columns: 1 }),
  fc.json().map((text) => JSON.parse(text) as unknown),
);

/** The same reading with something else at one place of it, or with something more. */
const changed = fc
  .record({
    base: fc.subarray(Object.keys(optional)),
    steps: fc.array(fc.nat(), { maxLength: 5 }),
    odd,
    isMore: fc.boolean(),
  })
  .map(({ base, steps, odd: value, isMore }) => {
    const reading = structuredClone({
      ...edit,
      ...Object.fromEntries(Object.entries(optional).filter(([key]) => base.includes(key))),
    }) as Record<string, unknown>;
    let place = reading;
    for (const step of steps) {
      const inner = Object.values(place).filter((one) => typeof one === "object" && one !== null);
      if (inner.length === 0) break;
      place = inner[step % inner.length] as Record<string, unknown>;
    }
    const keys = Object.keys(place);
    const key = keys.length === 0 ? "0" : (keys[(steps[0] ?? 0) % keys.length] ?? "0");
    place[isMore && !Array.isArray(place) ? "more" : key] = value;
    return reading;
  });

test("whatever is recognised is what the schema takes as it is", () => {
  let recognised = 0;
  fc.assert(
    fc.property(changed, (reading) => {
      if (!isPlainCells(reading)) return;
      recognised += 1;
      const parsed = cellsReadingSchema.safeParse(reading);
      expect(parsed.success).toBe(true);
      expect(parsed.data).toEqual(reading);
      expect(Object.keys(parsed.data ?? {}).length).toBe(Object.keys(reading).length);
    }),
    { numRuns: 5_000 },
  );
  expect(recognised).toBeGreaterThan(100);
});

test("whatever the schema takes as it is, is recognised", () => {
  fc.assert(
    fc.property(changed, (reading) => {
      const parsed = cellsReadingSchema.safeParse(reading);
      fc.pre(parsed.success && JSON.stringify(sorted(parsed.data)) === JSON.stringify(sorted(reading)));
      expect(isPlainCells(reading)).toBe(true);
    }),
    { numRuns: 1_000 },
  );
});

const sorted = (value: unknown): unknown =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(
        Object.entries(value)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([key, one]) => [key, sorted(one)]),
      )
    : Array.isArray(value)
      ? value.map(sorted)
      : value;
