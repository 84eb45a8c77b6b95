import { limits } from "@sheetwire/shared/limits";
import { describe, expect, test } from "vitest";
import { isScarce, webAppWorks, whatIsDue, type Due, type Situation } from "./policy.ts";

const NOW = 1_800_000_000_000;
const SECOND = 1_000;
const MINUTE = 60 * SECOND;

/** A web app that works, swept a minute ago, with nothing open. */
const situation = (more: Partial<Situation> = {}): Situation => ({
  now: NOW,
  hasWebApp: true,
  health: { okAt: NOW - MINUTE },
  openItems: 0,
  unprovenRows: 0,
  openSince: undefined,
  lastHeardAt: NOW - MINUTE,
  lastSweepAt: NOW - MINUTE,
  answeringUntil: undefined,
  isCalling: false,
  retryAt: undefined,
  fruitless: 0,
  ...more,
});

const call = (sweepAll: boolean): Due => ({ callNow: true, nextAt: undefined, sweepAll });
const wait = (ms: number): Due => ({ callNow: false, nextAt: NOW + ms, sweepAll: false });
const never: Due = { callNow: false, nextAt: undefined, sweepAll: false };
const open = { unprovenRows: 1, openSince: NOW - 3 * SECOND };

const table: readonly [what: string, Partial<Situation>, Due][] = [
  ["nothing is open: the next sweep", {}, wait(9 * MINUTE)],
  ["a sweep is due", { lastSweepAt: NOW - limits.tickEveryMs }, call(true)],
  ["a sweep is due and rows are open", { ...open, lastSweepAt: NOW - limits.tickEveryMs }, call(true)],
  ["without a web app the script's own timer sweeps", { ...open, hasWebApp: false }, never],
  ["during a call its end is waited for", { ...open, isCalling: true }, never],
  ["rows changed 3 s ago", { ...open, lastHeardAt: NOW - 3 * SECOND }, wait(2 * SECOND)],
  ["rows changed 5 s ago", { ...open, lastHeardAt: NOW - 5 * SECOND }, call(false)],
  ["rows are unknown", { openItems: 1_000, openSince: NOW, lastHeardAt: NOW - 5 * SECOND }, call(false)],
  [
    "edit after edit, for half a minute",
    { unprovenRows: 9, openSince: NOW - 30 * SECOND, lastHeardAt: NOW - SECOND },
    wait(4 * SECOND),
  ],
  [
    "edit after edit, for a minute",
    { unprovenRows: 9, openSince: NOW - MINUTE, lastHeardAt: NOW - SECOND },
    call(false),
  ],
  [
    "a run of the script is answering",
    { ...open, lastHeardAt: NOW - 10 * SECOND, answeringUntil: NOW + 20 * SECOND },
    wait(20 * SECOND),
  ],
  ["a call failed", { ...open, lastHeardAt: NOW - 10 * SECOND, retryAt: NOW + 7 * SECOND }, wait(7 * SECOND)],
  ["a sweep failed", { lastSweepAt: NOW - 20 * MINUTE, retryAt: NOW + MINUTE }, wait(MINUTE)],
  ["a whole look was put off", { putOffUntil: NOW + 30 * SECOND }, wait(30 * SECOND)],
  [
    "a whole look was put off, and rows just changed",
    { putOffUntil: NOW + SECOND, lastHeardAt: NOW - 2 * SECOND },
    wait(3 * SECOND),
  ],
  ["a web app just heard of", { health: {}, lastSweepAt: undefined, lastHeardAt: NOW - SECOND }, wait(4 * SECOND)],
  ["a web app never called", { health: {}, lastHeardAt: NOW - 5 * SECOND }, call(true)],
  [
    "a call changed nothing: twice the quiet",
    { unprovenRows: 1, openSince: NOW, lastHeardAt: NOW - 5 * SECOND, fruitless: 1 },
    wait(5 * SECOND),
  ],
  [
    "cells that change for ever are left to sweeps",
    { unprovenRows: 1, openSince: NOW - MINUTE, lastHeardAt: NOW - MINUTE, fruitless: 1_000 },
    wait(9 * MINUTE),
  ],
  ["a relay that has forgotten when", { lastHeardAt: undefined, lastSweepAt: undefined, health: {} }, call(true)],
];

describe("what is due when", () => {
  test.each(table)("%s", (_what, more, due) => {
    expect(whatIsDue(situation(more))).toEqual(due);
  });

  test("whoever looks again at the time that was named calls then, unless something was heard", () => {
    const named = table.flatMap(([, more]) => {
      const { nextAt } = whatIsDue(situation(more));
      return nextAt === undefined ? [] : [whatIsDue(situation({ ...more, now: nextAt })).callNow];
    });
    expect(named.length).toBeGreaterThan(5);
    expect(named.every(Boolean)).toBe(true);
  });
});

describe("a web app counts as an answerer", () => {
  test.each([
    ["before its first answer", {}, false],
    ["after an answer", { okAt: NOW - MINUTE }, true],
    ["not after two sweeps without one", { okAt: NOW - 2 * limits.tickEveryMs }, false],
    ["not while a call is unanswered", { okAt: NOW - MINUTE, unansweredSince: NOW - SECOND }, false],
    ["not while only the triggers speak", { okAt: NOW - MINUTE, isBroken: true }, false],
  ])("%s", (_what, health, works) => {
    expect(webAppWorks(health, NOW)).toBe(works);
  });
});

test("the day's trigger time is scarce below a fifth", () => {
  expect(isScarce({ spentMs: limits.triggerDayMs * 0.8 })).toBe(false);
  expect(isScarce({ spentMs: limits.triggerDayMs * 0.8 + 1 })).toBe(true);
});
