import { describe, expect, test } from "vitest";
import { runBlocking, type Hands } from "../effects/effects.ts";
import { createZone, serialOf } from "./dates.ts";

const dayMs = 86_400_000;

/** The zone's real offset, from the rules that Node knows. */
function offsetIn(timeZone: string) {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  return (ms: number): number => {
    const found: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(ms)) found[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = found;
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(ms / 1_000) * 1_000;
  };
}

/** A zone whose calls are counted. */
function counted(timeZone: string) {
  const offset = offsetIn(timeZone);
  const count = { calls: 0 };
  const hands = {
    zoneOffset: ({ ms }: { ms: number }) => {
      count.calls += 1;
      return offset(ms);
    },
  } as unknown as Hands;
  const zone = createZone(timeZone);
  const learn = (instants: readonly number[]) => runBlocking(zone.learnAll(instants), hands);
  return { zone, learn, count, offset };
}

/** The instant at which clocks of the zone show this. */
function instantOf(offset: (ms: number) => number, localMs: number): number {
  const guess = localMs - offset(localMs);
  return localMs - offset(guess);
}

describe("a date's serial number", () => {
  test.each([
    ["1970-01-01T00:00:00Z", 25_569],
    ["1899-12-30T00:00:00Z", 0],
    ["1899-12-31T12:00:00Z", 1.5],
    ["1899-12-29T06:00:00Z", -0.75],
    ["2026-11-22T02:03:04Z", 46_348 + 7_384_000 / dayMs],
  ])("%s is %d", (iso, serial) => {
    expect(serialOf(Date.parse(iso), 0)).toBe(serial);
  });

  test("of a time typed to the second or millisecond is the same double as days plus the part of the day", () => {
    for (let n = 0; n < 20_000; n += 1) {
      const days = (n * 7) % 60_000;
      const ms = n % 2 === 0 ? ((n * 7_919) % 86_400) * 1_000 : (n * 104_729) % dayMs;
      expect(serialOf((days - 25_569) * dayMs + ms - 7_200_000, 7_200_000)).toBe(days + ms / dayMs);
    }
  });

  test("a number that a date's format shows is that number, also below 0", () => {
    for (const serial of [-0.05, -1, -1.25, -3_000.5, 0, 0.1, 1.1]) {
      expect(serialOf(Math.round((serial - 25_569) * dayMs), 0)).toBe(serial);
    }
  });
});

describe("the zone's offsets", () => {
  const zones = [
    "Europe/Berlin",
    "America/New_York",
    "Africa/Casablanca",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Etc/UTC",
  ];

  test.each(zones)("in %s are right for every hour of four years", (timeZone) => {
    const { zone, learn, offset } = counted(timeZone);
    const hours = Array.from({ length: 4 * 366 * 24 }, (_, hour) => Date.UTC(2023, 0, 1) + hour * 3_600_000);
    learn(hours);
    const wrong = hours.filter((ms) => zone.offsetAt(ms) !== offset(ms));
    expect(wrong).toEqual([]);
  });

  test.each(zones)("in %s cost 1,461 daily dates few calls, and none the second time", (timeZone) => {
    // Morocco changes its clocks four times a year, every other zone twice at most.
    const most = timeZone === "Africa/Casablanca" ? 150 : 120;
    const { zone, learn, count, offset } = counted(timeZone);
    const days = Array.from({ length: 1_461 }, (_, day) => instantOf(offset, Date.UTC(2012, 0, 1) + day * dayMs));
    learn(days);
    expect(count.calls).toBeLessThan(most);
    const { calls } = count;
    learn(days.toReversed());
    expect(count.calls).toBe(calls);
    expect(days.map((ms) => serialOf(ms, zone.offsetAt(ms) ?? NaN))).toEqual(days.map((_, day) => 40_909 + day));
  });

  test("cost a single date one call, and times without a date another one for all of them", () => {
    const { learn, count } = counted("Asia/Kolkata");
    learn([Date.UTC(2026, 10, 22)]);
    expect(count.calls).toBe(1);
    learn(Array.from({ length: 500 }, (_, n) => Date.UTC(1899, 11, 29, 18, 30) + n * 60_000));
    expect(count.calls).toBe(3);
  });

  test("before 1900 are known to the second, as Google's wall clock shows them", () => {
    const { zone, learn } = counted("Asia/Kolkata");
    const ms = Date.UTC(1899, 11, 30, 7, 30);
    learn([ms]);
    expect((zone.offsetAt(ms) ?? 0) % 60_000).not.toBe(0);
  });

  test("of scattered dates cost no more than one call a date", () => {
    const { learn, count } = counted("Europe/Berlin");
    learn(Array.from({ length: 300 }, (_, n) => Date.UTC(1950 + (n % 70), n % 12, (n % 28) + 1)));
    expect(count.calls).toBeLessThanOrEqual(300);
  });
});
