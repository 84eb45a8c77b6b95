import fc from "fast-check";
import { expect, test } from "vitest";
import { Lanes, type LaneLimits } from "./lanes.ts";

type Item = { spreadsheetId: string; bytes: number; n: number };
const roomy: LaneLimits = { laneMaxItems: 1_000, laneMaxBytes: 1e9, maxItems: 10_000, maxBytes: 1e9 };
const item = (spreadsheetId: string, n = 0, bytes = 1): Item => ({ spreadsheetId, bytes, n });

test("a flood on one spreadsheet lets another wait for one of its items at most", () => {
  const lanes = new Lanes<Item>(roomy);
  for (let n = 0; n < 900; n += 1) lanes.put(item("flood", n));
  lanes.put(item("quiet", 0));
  const first = [lanes.take(), lanes.take()].map((one) => one?.spreadsheetId);
  expect(new Set(first)).toEqual(new Set(["flood", "quiet"]));
});

test("a full lane refuses more of its own, a full house refuses everybody", () => {
  const lanes = new Lanes<Item>({ laneMaxItems: 2, laneMaxBytes: 100, maxItems: 3, maxBytes: 1_000 });
  expect(lanes.put(item("a"))).toBeUndefined();
  expect(lanes.put(item("a"))).toBeUndefined();
  expect(lanes.put(item("a"))).toBe("lane-full");
  expect(lanes.put(item("b", 0, 90))).toBeUndefined();
  expect(lanes.put(item("c"))).toBe("full");
  expect(lanes.size).toBe(3);
  lanes.take();
  expect(lanes.put(item("b", 1, 90))).toBe("lane-full");
  expect(lanes.put(item("c"))).toBeUndefined();
});

test("a spreadsheet that is held keeps its order and does not keep others waiting", () => {
  const lanes = new Lanes<Item>(roomy);
  for (let n = 0; n < 3; n += 1) lanes.put(item("a", n));
  lanes.put(item("b"));
  const first = lanes.take();
  if (!first) throw new Error("Nothing was taken.");
  lanes.hold(first);
  expect(lanes.take()?.spreadsheetId).toBe("b");
  expect(lanes.take()).toBeUndefined();
  expect(lanes.hasTurn).toBe(false);
  lanes.put(item("a", 3));
  expect(lanes.take()).toBeUndefined();
  lanes.letGo("a");
  expect([0, 1, 2, 3].map(() => lanes.take()?.n)).toEqual([0, 1, 2, 3]);
  expect(lanes.size).toBe(0);
});

test("whatever is put, held, let go and cleared: each item comes once, in its lane's order, and the count is right", () => {
  const name = fc.constantFrom("a", "b", "c");
  const step = fc.oneof(
    fc.record({ do: fc.constant("put" as const), name }),
    fc.record({ do: fc.constantFrom("take" as const, "hold" as const), name }),
    fc.record({ do: fc.constantFrom("letGo" as const, "clear" as const), name }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const lanes = new Lanes<Item>(roomy);
      const waiting = new Map<string, number[]>();
      let count = 0;
      for (const one of steps) {
        if (one.do === "put") {
          count += 1;
          lanes.put(item(one.name, count));
          waiting.set(one.name, [...(waiting.get(one.name) ?? []), count]);
        } else if (one.do === "letGo") lanes.letGo(one.name);
        else if (one.do === "clear") {
          const cleared = lanes.clear(one.name).map(({ n }) => n);
          if (String(cleared) !== String(waiting.get(one.name) ?? [])) throw new Error(`Cleared ${String(cleared)}.`);
          waiting.delete(one.name);
        } else {
          const taken = lanes.take();
          if (!taken) continue;
          const next = waiting.get(taken.spreadsheetId)?.[0];
          if (taken.n !== next) throw new Error(`${taken.n} came, but ${next} waits first.`);
          if (one.do === "hold") lanes.hold(taken);
          else waiting.get(taken.spreadsheetId)?.shift();
        }
        expect(lanes.size).toBe([...waiting.values()].reduce((sum, held) => sum + held.length, 0));
      }
      for (const one of ["a", "b", "c"]) lanes.letGo(one);
      for (let taken = lanes.take(); taken; taken = lanes.take()) {
        expect(taken.n).toBe(waiting.get(taken.spreadsheetId)?.shift());
      }
      expect([...waiting.values()].flat()).toEqual([]);
    }),
    { numRuns: 300 },
  );
});
