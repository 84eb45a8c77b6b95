import fc from "fast-check";
import { expect, test } from "vitest";
import { packPrints, printOf, Prints, unpackPrints, type Print } from "./prints.ts";

const up = (a: number, b: number): number => a - b;

test("what was put in and not taken out is found, also among prints that want the same place", () => {
  // Few different prints, so that they collide and follow each other.
  const print = fc.record({ high: fc.integer({ min: 0, max: 2 }), low: fc.constantFrom(0, 1, 2, 1_022, 1_023, 2_047) });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.boolean(), print, fc.integer({ min: 1, max: 5 })), { maxLength: 300 }),
      (steps) => {
        const prints = new Prints();
        const held: { print: Print; row: number }[] = [];
        const isSame = (one: { print: Print; row: number }, other: Print, row: number): boolean =>
          one.row === row && one.print.high === other.high && one.print.low === other.low;
        for (const [isAdded, one, row] of steps) {
          if (isAdded) {
            prints.add(one, row);
            held.push({ print: one, row });
          } else {
            prints.remove(one, row);
            const at = held.findIndex((other) => isSame(other, one, row));
            if (at >= 0) held.splice(at, 1);
          }
          expect(prints.size).toBe(held.length);
          const rows = held
            .filter(({ print: { high, low } }) => high === one.high && low === one.low)
            .map((other) => other.row);
          expect(prints.find(one).toSorted(up)).toEqual(rows.toSorted(up));
        }
      },
    ),
    { numRuns: 300 },
  );
});

test("a hundred thousand ids are found, each by its own row, and no other is", () => {
  const prints = new Prints();
  for (let row = 1; row <= 100_000; row += 1) prints.add(printOf("sheet-1", `post-${row}`), row);
  for (let row = 1; row <= 100_000; row += 997) expect(prints.find(printOf("sheet-1", `post-${row}`))).toEqual([row]);
  expect(prints.find(printOf("sheet-2", "post-1"))).toEqual([]);
  expect(() => prints.add({ high: 1, low: 1 }, 0)).toThrow(RangeError);
});

test("prints come back from how they are stored", () => {
  const prints = [printOf("sheet-1", "a"), { high: 0xffff_ffff, low: 0 }, printOf("sheet-1", "b")];
  expect([...unpackPrints(packPrints(prints))]).toEqual(prints);
});
