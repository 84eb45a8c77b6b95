import fc from "fast-check";
import { expect, test } from "vitest";
import type { Stamp } from "./desk.ts";
import { Stamps } from "./stamps.ts";

const stampOf = (order: number, sheetId: number, top: number, rows: number, left: number, columns: number): Stamp => ({
  sheetId,
  top,
  bottom: top + rows,
  left,
  right: left + columns,
  readAt: [order, order],
  run: "run-0001",
  n: 0,
  order,
  arrivedAt: order,
});

test("what overlaps is found, each once, however tall it is, until it is forgotten", () => {
  const area = fc.tuple(
    fc.integer({ min: 1, max: 2 }),
    fc.integer({ min: 0, max: 2_000 }),
    fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 3_000 })),
    fc.integer({ min: 0, max: 5 }),
    fc.integer({ min: 1, max: 5 }),
  );
  fc.assert(
    fc.property(fc.array(area, { maxLength: 60 }), area, fc.nat(60), (areas, asked, floor) => {
      const all = areas.map((one, at) => stampOf(at, ...one));
      const stamps = new Stamps();
      for (const stamp of all) stamps.add(stamp);
      const wanted = stampOf(0, ...asked);
      const overlaps = (stamp: Stamp): boolean =>
        stamp.sheetId === wanted.sheetId &&
        stamp.top < wanted.bottom &&
        wanted.top < stamp.bottom &&
        stamp.left < wanted.right &&
        wanted.left < stamp.right;
      const orders = (found: readonly Stamp[]): number[] => found.map(({ order }) => order).toSorted((a, b) => a - b);
      expect(orders(stamps.overlapping(wanted))).toEqual(orders(all.filter(overlaps)));
      stamps.forgetBefore(floor, 0);
      expect(orders(stamps.overlapping(wanted))).toEqual(
        orders(all.filter((stamp) => overlaps(stamp) && stamp.arrivedAt >= floor)),
      );
      stamps.forgetSheet(wanted.sheetId);
      expect(stamps.overlapping(wanted)).toEqual([]);
    }),
    { numRuns: 200 },
  );
});

test("the same rectangle told again by one post is remembered once, as the later", () => {
  const stamps = new Stamps();
  const told = (order: number, n: number): Stamp => ({ ...stampOf(order, 7, 3, 1, 0, 5), n, readAt: [9, 9] });
  for (let order = 1; order <= 1_000; order += 1) {
    stamps.add(told(order, 0));
    stamps.add({ ...stampOf(order, 7, 5, 1, 0, 5), readAt: [9, 9] });
  }
  const area = stampOf(0, 7, 3, 1, 0, 5);
  expect(stamps.overlapping(area).map(({ order, arrivedAt }) => [order, arrivedAt])).toEqual([[1_000, 1_000]]);
  stamps.add(told(1_001, 1));
  stamps.add({ ...told(1_002, 1), readAt: [10, 10] });
  expect(stamps.overlapping(area).map(({ order }) => order)).toEqual([1_000, 1_001, 1_002]);
});
