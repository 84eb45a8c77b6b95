import fc from "fast-check";
import { expect, test } from "vitest";
import type { Stamp } from "./desk.ts";
import { Stamps } from "./stamps.ts";

/** All that overlap. */
function overlapping(stamps: Stamps, area: Stamp): Stamp[] {
  const found: Stamp[] = [];
  stamps.some(area, (stamp) => found.push(stamp) === 0);
  return found;
}

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
      expect(orders(overlapping(stamps, wanted))).toEqual(orders(all.filter(overlaps)));
      stamps.forgetBefore(floor, 0);
      expect(orders(overlapping(stamps, wanted))).toEqual(
        orders(all.filter((stamp) => overlaps(stamp) && stamp.arrivedAt >= floor)),
      );
      stamps.forgetSheet(wanted.sheetId);
      expect(overlapping(stamps, wanted)).toEqual([]);
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
  expect(overlapping(stamps, area).map(({ order, arrivedAt }) => [order, arrivedAt])).toEqual([[1_000, 1_000]]);
  stamps.add(told(1_001, 1));
  stamps.add({ ...told(1_002, 1), readAt: [10, 10] });
  expect(overlapping(stamps, area).map(({ order }) => order)).toEqual([1_000, 1_001, 1_002]);
});

test("each is remembered by its own moment, whichever way the clock goes", () => {
  const stamps = new Stamps();
  const at = (order: number, arrivedAt: number): Stamp => ({ ...stampOf(order, 7, order, 1, 0, 5), arrivedAt });
  for (const stamp of [at(1, 10), at(2, 5_000), at(3, 5_001), at(4, 100), at(5, 101)]) stamps.add(stamp);
  const orders = (): number[] => overlapping(stamps, stampOf(0, 7, 0, 100, 0, 5)).map(({ order }) => order);
  stamps.forgetBefore(11, 0);
  expect(orders()).toEqual([2, 3, 4, 5]);
  stamps.forgetBefore(101, 0);
  expect(orders()).toEqual([2, 3, 5]);
  stamps.forgetBefore(5_001, 0);
  expect(orders()).toEqual([3]);
});

test("what a clock left behind that was ahead holds up no room, and one told each minute does not either", () => {
  const stamps = new Stamps();
  const ahead = { ...stampOf(1, 7, 3, 1, 0, 5), arrivedAt: 1_000_000 };
  const tall = { ...stampOf(2, 7, 0, 5_000, 0, 5), arrivedAt: 1_000_000 };
  stamps.add(ahead);
  stamps.add(tall);
  const again = (order: number): Stamp => ({ ...stampOf(3, 7, 60, 40, 0, 5), order, arrivedAt: order });
  for (let order = 3; order <= 20_000; order += 1) {
    stamps.forgetBefore(order - 100, 25);
    stamps.add(again(order));
    stamps.add({ ...stampOf(order, 7, order % 50, 1, 0, 5), run: `run-${order % 7}` });
  }
  expect(stamps.room).toBeLessThan(2_000);
  const found = overlapping(stamps, stampOf(0, 7, 0, 100, 0, 5));
  expect(found).toContainEqual(ahead);
  expect(found).toContainEqual(tall);
  expect(found.filter(({ order }) => order > 19_900).length).toBeGreaterThanOrEqual(100);
});

test("what is told again and again for hours is remembered as of the last minute", () => {
  const stamps = new Stamps();
  for (let order = 1; order <= 5_000; order += 1) {
    stamps.forgetBefore(order - 100, 10);
    stamps.add({ ...stampOf(order, 7, order % 50, 1, 0, 5), run: `run-${order % 7}`, n: order });
  }
  const found = overlapping(stamps, stampOf(0, 7, 0, 50, 0, 5)).toSorted((a, b) => a.order - b.order);
  expect(found.length).toBeGreaterThanOrEqual(100);
  expect(found.length).toBeLessThanOrEqual(112);
  for (const [place, { order, run, n, top, readAt }] of found.entries()) {
    expect(order).toBe(5_000 - found.length + 1 + place);
    expect([run, n, top, readAt]).toEqual([`run-${order % 7}`, order, order % 50, [order, order]]);
  }
});
