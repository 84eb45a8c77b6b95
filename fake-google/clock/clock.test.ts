import { expect, test } from "vitest";
import { createClock, type ClockNeeds } from "./clock.ts";

const turns = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));
const open = (needs: Partial<ClockNeeds> = {}) =>
  createClock({ realNow: () => 1_000_000, nextTickAt: () => undefined, tick: () => undefined, ...needs });

test("virtual time jumps from one due thing to the next, in order, and stands still otherwise", async () => {
  const clock = open();
  clock.setVirtual(true);
  const seen: [string, number][] = [];
  const note = (name: string) => () => void seen.push([name, clock.now() - 1_000_000]);
  clock.after(3_600_000, "late", note("late"));
  clock.after(10, "soon", note("soon"));
  clock.after(10, "also", note("also"));
  await turns();
  expect(seen).toEqual([
    ["soon", 10],
    ["also", 10],
    ["late", 3_600_000],
  ]);
  await turns();
  expect(clock.now()).toBe(1_000_000 + 3_600_000);
  clock.stop();
});

test("as long as somebody works nothing jumps; who waits aside lets it", async () => {
  const clock = open();
  clock.setVirtual(true);
  const work = clock.work();
  let isDue = false;
  clock.after(5000, "x", () => (isDue = true));
  await turns();
  expect(isDue).toBe(false);
  await work.aside(() => clock.wait(7000, "y"));
  expect([isDue, clock.now()]).toEqual([true, 1_007_000]);
  clock.after(1, "z", () => (isDue = false));
  await turns();
  expect(isDue).toBe(true);
  work.end();
  await turns();
  expect(isDue).toBe(false);
  clock.stop();
});

test("clock triggers are met on the way, and none is waited for", async () => {
  let dueAt = 1_000_000 + 600_000;
  const ticks: number[] = [];
  const clock = open({
    nextTickAt: () => dueAt,
    tick: () => {
      ticks.push(clock.now() - 1_000_000);
      dueAt += 600_000;
    },
  });
  clock.setVirtual(true);
  await turns();
  expect(ticks).toEqual([]);
  await clock.advance(1_900_000);
  expect(ticks).toEqual([600_000, 1_200_000, 1_800_000]);
  clock.stop();
});

test("a clock that moves only when told reaches what is due by then and no further", async () => {
  const clock = open();
  clock.setVirtual(true, false);
  const seen: number[] = [];
  for (const ms of [100, 200, 300]) clock.after(ms, "x", () => void seen.push(ms));
  await turns();
  expect(seen).toEqual([]);
  await clock.advance(200);
  expect(seen).toEqual([100, 200]);
  clock.stop();
});

test("when faults end, what they hold is due and what people wait for is not", async () => {
  const clock = open();
  clock.setVirtual(true, false);
  const seen: string[] = [];
  clock.after(60_000, "fault", () => void seen.push("fault"), true);
  clock.after(50_000, "sleep", () => void seen.push("sleep"));
  clock.letGo();
  await turns();
  expect(seen).toEqual(["fault"]);
  clock.stop();
});

test("going back to the time outside goes on from where the clock stands", async () => {
  const clock = open();
  clock.setVirtual(true);
  await clock.advance(86_400_000);
  clock.setVirtual(false);
  expect(clock.now()).toBe(1_000_000 + 86_400_000);
  const due = clock.wait(5, "x");
  await clock.advance(10);
  await due;
  clock.stop();
});
