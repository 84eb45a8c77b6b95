import fc from "fast-check";
import { expect, test } from "vitest";
import { waitBefore } from "./retry.ts";

const die = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });

test("the first wait is short, and each further one may be twice as long, up to half a minute", () => {
  const longest = [0, 1, 2, 3, 4, 5, 6, 7].map((attempt) => waitBefore(attempt, 1));
  expect(longest).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
});

test("no wait is shorter than a quarter of its longest or longer than its longest", () => {
  fc.assert(
    fc.property(fc.nat(10_000), die, (attempt, roll) => {
      const longest = Math.min(30_000, 500 * 2 ** Math.min(attempt, 30));
      const waitMs = waitBefore(attempt, roll);
      expect(waitMs).toBeGreaterThanOrEqual(longest / 4);
      expect(waitMs).toBeLessThanOrEqual(longest);
    }),
  );
});

test("clients that lost the same relay come back spread out", () => {
  const waits = Array.from({ length: 1_000 }, (_, client) => waitBefore(6, client / 1_000));
  const seconds = new Set(waits.map((waitMs) => Math.floor(waitMs / 1_000)));
  expect(seconds.size).toBeGreaterThanOrEqual(22);
});

test("a program may start slower and wait longer", () => {
  expect(waitBefore(0, 1, 2_000, 120_000)).toBe(2_000);
  expect(waitBefore(99, 1, 2_000, 120_000)).toBe(120_000);
});
