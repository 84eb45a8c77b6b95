import { expect, test } from "vitest";
import { createTimerWheel } from "./timer-wheel.ts";

function wheelAt(start: number) {
  let now = start;
  const wheel = createTimerWheel(() => now, 1_000, 16);
  const expired: string[] = [];
  const put = (name: string, at: () => number) => {
    const deadline = { at, expire: () => void expired.push(name) };
    wheel.put(deadline);
    return deadline;
  };
  const goTo = (moment: number): void => {
    now = moment;
    wheel.turn();
  };
  return { wheel, expired, put, goTo };
}

test("a deadline expires once, within a step of its moment, and not before", () => {
  const { wheel, expired, put, goTo } = wheelAt(500);
  put("soon", () => 2_300);
  goTo(2_200);
  expect(expired).toEqual([]);
  goTo(3_300);
  expect(expired).toEqual(["soon"]);
  goTo(40_000);
  expect(expired).toEqual(["soon"]);
  wheel.stop();
});

test("a deadline that moved on waits for its new moment, also beyond one turn of the wheel", () => {
  const { wheel, expired, put, goTo } = wheelAt(0);
  let at = 5_000;
  put("heard", () => at);
  at = 60_000;
  for (let now = 1_000; now <= 59_000; now += 1_000) goTo(now);
  expect(expired).toEqual([]);
  goTo(61_000);
  expect(expired).toEqual(["heard"]);
  wheel.stop();
});

test("after a long pause everything that is due expires", () => {
  const { wheel, expired, put, goTo } = wheelAt(0);
  for (let at = 1; at <= 30; at += 1) put(String(at), () => at * 1_000);
  goTo(1_000_000);
  goTo(1_020_000);
  expect(expired.toSorted()).toEqual(Array.from({ length: 30 }, (_, at) => String(at + 1)).toSorted());
  wheel.stop();
});

test("what is removed never expires, and what is put again closer expires at the closer moment", () => {
  const { wheel, expired, put, goTo } = wheelAt(0);
  const gone = put("gone", () => 2_000);
  let at = 14_000;
  const closer = put("closer", () => at);
  wheel.remove(gone);
  at = 2_000;
  wheel.put(closer);
  goTo(3_100);
  expect(expired).toEqual(["closer"]);
  wheel.stop();
});
