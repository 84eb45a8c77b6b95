import { expect, test } from "vitest";
import { digestOfRow, seedOf, type Digest } from "@sheetwire/shared/digest";
import type { Row } from "@sheetwire/shared/protocol";
import { storedRow, type StoredRow } from "../sheets/sheets.ts";
import { isNarrow, narrowed, rowsToProbe, startProbe, windowOf, type Probe } from "./probe.ts";

const SEED = seedOf("probe");
const COLUMNS = 50;
const stored = (rows: readonly Row[]): StoredRow[] => rows.map((row) => storedRow(row, SEED));
const digestAt = (rows: readonly Row[], at: number): Digest => digestOfRow(rows[at] ?? [], SEED);

/** Probes until little is left: how many rounds, and what is left; undefined where it was given up. */
function search(before: readonly Row[], after: readonly Row[]): { rounds: number; probe: Probe } | undefined {
  const held = stored(before);
  let probe = startProbe(before.length, after.length);
  for (let rounds = 0; probe; rounds += 1) {
    if (isNarrow(probe, COLUMNS)) return { rounds, probe };
    const asked = rowsToProbe(probe, held, 16);
    if (asked.length === 0) return undefined;
    for (const at of asked) {
      probe = probe && narrowed(probe, held, at, digestAt(after, at));
      if (!probe) return undefined;
    }
  }
  return undefined;
}

/** Every row outside the window stands where the probe says. */
function expectTrue(before: readonly Row[], after: readonly Row[], probe: Probe): void {
  const { from, to } = windowOf(probe);
  const shift = after.length - before.length;
  expect(after.slice(0, from)).toEqual(before.slice(0, from));
  expect(after.slice(to)).toEqual(before.slice(to - shift));
}

const distinct = (count: number): Row[] => Array.from({ length: count }, (_, row) => [`row ${row}`]);
const spliced = (rows: readonly Row[], at: number, gone: number, come: number): Row[] =>
  rows.toSpliced(at, gone, ...Array.from({ length: come }, (_, n): Row => [`new ${n}`]));

test("one stretch of rows that came or went is found wherever it is, in few rounds", () => {
  const before = distinct(60_000);
  for (const at of [0, 1, 31, 4_000, 29_999, 59_968, 59_999, 60_000]) {
    for (const [gone, come] of [
      [0, 1],
      [0, 7],
      [1, 0],
      [7, 0],
    ] as const) {
      if (at + gone > before.length) continue;
      const after = spliced(before, at, gone, come);
      const found = search(before, after);
      expect(found, `${gone} gone, ${come} came at ${at}`).toBeDefined();
      if (!found) continue;
      expect(found.rounds).toBeLessThanOrEqual(3);
      expectTrue(before, after, found.probe);
    }
  }
});

test("rows that repeat lead nobody astray", () => {
  // Blank for long, and then two contents in turn: most rows tell nothing.
  const before = [
    ...distinct(5_000),
    ...Array.from({ length: 20_000 }, (): Row => []),
    ...Array.from({ length: 20_000 }, (_, row): Row => [row % 2]),
    ...distinct(5_000),
  ];
  const givenUp: number[] = [];
  for (const at of [10, 4_999, 5_000, 30_000, 30_001, 44_999, 45_001, 49_990]) {
    for (const [gone, come] of [
      [0, 1],
      [0, 2],
      [3, 0],
    ] as const) {
      const after = spliced(before, at, gone, come);
      // Within blank rows nothing can be told: then the whole is looked at instead.
      const found = search(before, after);
      if (found) expectTrue(before, after, found.probe);
      else givenUp.push(at);
    }
  }
  expect(givenUp.filter((at) => at < 4_990 || at > 45_010)).toEqual([]);
});

test("two places, a sort, or another sheet altogether are given up as soon as a row does not fit", () => {
  const before = distinct(60_000);
  const twice = spliced(spliced(before, 50_000, 0, 1), 10_000, 0, 1);
  expect(search(before, twice)).toBeUndefined();
  const other = Array.from({ length: 60_001 }, (_, row): Row => [`other ${row}`]);
  expect(search(before, other)).toBeUndefined();
  expect(search(before, spliced(before, 0, 1, 0).reverse())).toBeUndefined();
  expect(startProbe(5, 5)).toBeUndefined();
});

test("rows of unknown content are not asked for", () => {
  const held: StoredRow[] = Array.from({ length: 10_000 }, () => ({ json: null, high: 0, low: 0 }));
  const probe = startProbe(10_000, 10_001);
  expect(probe && rowsToProbe(probe, held, 16)).toEqual([]);
});
