/** Real programs on a bad day, and whether the comparison could fail at all. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openConvergence, playAll, type Converged, type Convergence, type ConvergePlan } from "./converge.ts";
import { readHistory, type State } from "./history.ts";

let convergence: Convergence;
beforeAll(async () => {
  convergence = await openConvergence();
});
afterAll(() => convergence.stop());

const MINUTE_MS = 60_000;
/** The nightly run plays 2,000. */
const SEEDS = 200;
/** A slow machine plays fewer: after so long no day is begun any more, but so many are played at least. */
const BEGIN_WITHIN_MS = 3 * MINUTE_MS;
const LEAST_PLAYED = 40;
/** Beside each other: a stream waits for answers a good part of its time. */
const STREAMS = 4;

/** Seeds that found something, each with what it was. They are played first. */
const found: Readonly<Record<number, string>> = {
  16: "a number below 0 in a cell with a date's format was not told to the letter",
  40: "rows that turned out to be blank were told as unknown for two minutes",
  1_091: "a number in a cell with a date's format was a year before 1, which Google writes without its sign",
  1_177: "a number in a cell with a date's format was a year after 9999, and every run broke off",
  205: "a sum in a cell with a date's format is known to the millisecond, and no finer",
};

test(
  `on up to ${SEEDS} bad days sheet, relay and mirror are equal in the end`,
  async () => {
    const seeds = new Set([...Object.keys(found).map(Number), ...Array.from({ length: SEEDS }, (_, at) => at + 1)]);
    const plans = [...seeds].map((seed): ConvergePlan => ({ seed, steps: 300, profile: "hostile" }));
    const played: Converged[] = [];
    const enough = new AbortController();
    const until = performance.now() + BEGIN_WITHIN_MS;
    const keep = (one: Converged): void => {
      played.push(one);
      if (played.length >= LEAST_PLAYED && performance.now() > until) enough.abort();
    };
    await playAll(plans, STREAMS, keep, { signal: enough.signal });
    expect(played.filter((one) => !one.ok)).toEqual([]);
    expect(played.length).toBeGreaterThanOrEqual(LEAST_PLAYED);
    if (played.length < seeds.size) process.stderr.write(`${played.length} of ${seeds.size} bad days were played.\n`);
  },
  15 * MINUTE_MS,
);

test(
  "a real table's history is followed, for few cells more than those that changed",
  async () => {
    const history = readHistory(readFileSync(join(import.meta.dirname, "../histories/country-codes.json"), "utf8"));
    const done = await convergence.play({ seed: 1, steps: 0, profile: "hostile", history });
    expect(done.problems).toEqual([]);
    expect(done.steps).toBe(11);
  },
  2 * MINUTE_MS,
);

/** States as nobody would keep a table, and as somebody's program writes them. */
const odd: readonly State[] = [
  [],
  [[""]],
  [["only"]],
  [["=1+1", "'quoted", "'=2+2", "+3", "-4", "@x"], [], ["0017", "1e3", "1,000.50", "2024-02-29", "TRUE", "#REF!"]],
  Array.from({ length: 60 }, (_, row) => ["same", row % 2 === 0 ? "same" : "", "", "same"]),
  Array.from({ length: 59 }, (_, row) => ["same", row % 2 === 0 ? "" : "same", "", "same"]),
  [["e\u0301", "\u00e9", "👩🏽‍🚀", "\u202eright", "\u0000", " lead", "trail ", "a\nb", "\ttab", "\ud83d"]],
  [Array.from({ length: 400 }, (_, column) => `column ${column}`), ["short"]],
  Array.from({ length: 1_200 }, (_, row) => [`${row}`, `${row % 7}`, row % 3 === 0 ? "" : "x"]),
  Array.from({ length: 1_200 }, (_, row) => [`${1_199 - row}`, `${row % 7}`, row % 3 === 0 ? "" : "x"]),
  [["back", "to"], ["almost", ""], ["nothing"]],
  [],
  [["again"]],
];

test(
  "a table of odd values that grows, shrinks and is replaced is followed as well",
  async () => {
    const done = await convergence.play({ seed: 2, steps: 0, profile: "hostile", history: odd });
    expect(done.problems).toEqual([]);
    expect(done.steps).toBe(odd.length - 1);
  },
  2 * MINUTE_MS,
);

test(
  "on an ordinary day too",
  async () => {
    const { problems } = await convergence.play({ seed: 5, steps: 60, profile: "normal" });
    expect(problems).toEqual([]);
  },
  2 * MINUTE_MS,
);

test(
  "a script that is deaf to wants loses what was lost, and the comparison says so",
  async () => {
    const { ok, equal } = await convergence.play({ seed: 3, steps: 120, profile: "hostile", withoutWants: true });
    expect(ok).toBe(false);
    expect(equal).toEqual({ relay: false, mirror: false });
  },
  2 * MINUTE_MS,
);
