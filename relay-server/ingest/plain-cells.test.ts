import { cellsReadingSchema, postSchema } from "@sheetwire/shared/protocol";
import fc from "fast-check";
import { expect, test } from "vitest";
import { isPlainCells, isPlainPost, wrongInLists } from "./plain-cells.ts";

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

const post = {
  protocol: 1,
  run: "7f0c2c5e-4f3f-4c39-9a0a-3f2f5b6d8e11",
  n: 0,
  cause: "edit",
  script: { version: "1.0.0", installation: "one" },
  allowance: { spentMs: 212.5, runLimitMs: 360_000 },
  readings: [edit],
};

test("readings as the script posts them are recognised", () => {
  expect(isPlainPost(post)).toBe(true);
  expect(isPlainPost({ ...post, cause: "change:INSERT_ROW", actor: "somebody@example.com", readings: [] })).toBe(true);
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

/** The same with something else at one place of it, or with something more. */
const changedFrom = (whole: object, more: object) =>
  fc
    .record({
      base: fc.subarray(Object.keys(more)),
      steps: fc.array(fc.nat(), { maxLength: 5 }),
      odd,
      isMore: fc.boolean(),
    })
    .map(({ base, steps, odd: value, isMore }) => {
      const reading = structuredClone({
        ...whole,
        ...Object.fromEntries(Object.entries(more).filter(([key]) => base.includes(key))),
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

const changed = changedFrom(edit, optional);
const changedPost = changedFrom({ ...post, readings: [] }, { actor: "somebody@example.com", cause: "change:OTHER" });

test("whatever post is recognised is what the schema takes as it is, and the other way round", () => {
  let recognised = 0;
  fc.assert(
    fc.property(changedPost, (value) => {
      const parsed = postSchema.safeParse(value);
      const isAsItIs = parsed.success && JSON.stringify(sorted(parsed.data)) === JSON.stringify(sorted(value));
      expect(isPlainPost(value)).toBe(isAsItIs);
      if (isAsItIs) recognised += 1;
    }),
    { numRuns: 4_000 },
  );
  expect(recognised).toBeGreaterThan(100);
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

const others = [
  {
    kind: "rows",
    readAt: [1, 2],
    sheetId: 7,
    rows: [
      [3, ["a", { v: 1, f: "=1" }]],
      [4, []],
    ],
  },
  { kind: "alive", readAt: [1, 2], triggers: ["onEdit"], webApp: "https://example.com/exec" },
  {
    kind: "sheets",
    readAt: [1, 2],
    spreadsheet: {
      title: "Ledger",
      locale: "en_GB",
      timeZone: "UTC",
      sheets: [{ sheetId: 7, title: "Data", index: 0, rows: 10, columns: 5, hidden: false, kind: "GRID" }],
    },
  },
];

test("what is refused by its lists alone, the schema does not take either", () => {
  let refused = 0;
  const anyReading = fc.oneof(changed, ...others.map((reading) => changedFrom(reading, { want: "w-1" })));
  expect(others.map((reading) => postSchema.safeParse({ ...post, readings: [reading] }).success)).not.toContain(false);
  fc.assert(
    fc.property(fc.array(anyReading, { minLength: 1, maxLength: 3 }), (readings) => {
      const value = { ...post, readings };
      if (wrongInLists(value) === undefined) return;
      refused += 1;
      expect(postSchema.safeParse(value).success).toBe(false);
    }),
    { numRuns: 4_000 },
  );
  expect(refused).toBeGreaterThan(100);
});

const manyOf = (count: number, one: unknown): unknown[] => Array.from({ length: count }, () => one);

test.each([
  ["cells that are none", { ...edit, cells: manyOf(1_000, manyOf(1_000, {})) }],
  ["rows without numbers", { ...others[0], rows: manyOf(1_500, manyOf(500, {})) }],
  ["more rows than any want asks for", { ...others[0], rows: manyOf(1_000_000, [1]) }],
  ["triggers without end", { ...others[1], triggers: manyOf(1_000_000, 1) }],
  ["sheets without end", { ...others[2], spreadsheet: { sheets: manyOf(1_000_000, {}) } }],
])("a million %s are refused at the first, before the schema lists all of them", (_what, reading) => {
  expect(wrongInLists({ ...post, readings: [edit, reading] })).toMatch(/^readings\.1: /);
});

test("so are a million readings", () => {
  expect(wrongInLists({ ...post, readings: manyOf(1_000_000, 1) })).toBe("readings: too_big");
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
