import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { limits } from "@sheetwire/shared/limits";
import { refusalCodes, refusals, type RelayFacts } from "@sheetwire/shared/protocol";
import { ago, clock, describeStatus, type Status, type SyncFacts, type Tone } from "./status.ts";

const NOW = new Date(2026, 4, 17, 12, 0, 0).getTime();
const SECOND = 1_000;
const MINUTE = 60 * SECOND;

/** A sheet that reported a minute ago, by the relay's clock. */
const relay = (more: Partial<RelayFacts> = {}): RelayFacts => ({
  script: { lastHeardAt: NOW - MINUTE, lastRunAt: NOW - MINUTE, answerers: ["trigger"], triggers: ["edit"] },
  allowance: { spentMs: 0, limitMs: limits.triggerDayMs },
  sweep: { nextBy: NOW + 9 * MINUTE, openRows: 0, unprovenRows: 0 },
  healed: { count: 0 },
  watchers: 1,
  relay: { version: "0.1.0", protocol: 1 },
  ...more,
});
/** All is well, but for what a test says. */
const facts = (more: Partial<SyncFacts> = {}): SyncFacts => ({
  link: "up",
  linkHeardAt: NOW - 5 * SECOND,
  behindBy: 0,
  copy: "whole",
  relay: relay(),
  ...more,
});
const heardAgo = (ms: number): RelayFacts =>
  relay({ script: { lastHeardAt: NOW - ms, answerers: ["trigger"], triggers: [] } });
const statusOf = (more: Partial<SyncFacts> = {}): Status => describeStatus(facts(more), NOW);

const table: readonly [situation: string, Partial<SyncFacts>, Tone, word: string, headline: string][] = [
  ["nothing is set up", { link: "none", copy: "none" }, "quiet", "Not set up", "This spreadsheet is not connected."],
  [
    "dialling for the first time",
    { link: "connecting", copy: "none" },
    "bad",
    "Offline",
    "No connection to the relay.",
  ],
  ["offline with a copy", { link: "connecting" }, "bad", "Offline", "Offline. You see the copy as it was."],
  [
    "a token that is revoked",
    { link: "refused", refused: { code: "unauthorized", nextStep: "ask-for-access" } },
    "bad",
    "Refused",
    "The relay does not accept this token.",
  ],
  [
    "an extension that is too old",
    { link: "refused", refused: { code: "protocol-too-old", nextStep: "ask-user-to-update" } },
    "bad",
    "Refused",
    "This version of Sheetwire is too old for the relay.",
  ],
  [
    "a relay that is full",
    { link: "refused", refused: { code: "disk-full", nextStep: "retry-later" } },
    "bad",
    "Refused",
    "The relay refused the connection.",
  ],
  ["a copy on its way", { copy: "fetching" }, "waiting", "Copying", "Fetching the copy."],
  [
    "a copy on its way, with numbers",
    { copy: "fetching", fetched: { rows: 512, ofRows: 3_000 } },
    "waiting",
    "Copying",
    "Fetching the copy.",
  ],
  [
    "a copy that differs from its digest",
    { mismatch: true },
    "waiting",
    "Repairing",
    "The copy differed from the sheet and is being fetched again.",
  ],
  ["one change behind", { behindBy: 1 }, "waiting", "Catching up", "Catching up."],
  ["three changes behind", { behindBy: 3 }, "waiting", "Catching up", "Catching up."],
  [
    "a relay that never heard of the sheet",
    { relay: relay({ script: { answerers: [], triggers: [] } }) },
    "waiting",
    "Waiting",
    "Waiting for the spreadsheet to report.",
  ],
  [
    "a first copy at Google's pace",
    { relay: relay({ firstCopy: { doneCells: 999, totalCells: 1_000 } }) },
    "waiting",
    "Copying",
    "The sheet is being read for the first time.",
  ],
  [
    "the daily allowance used up",
    { relay: relay({ allowance: { spentMs: 1, limitMs: 1, resumesAt: NOW + 60 * MINUTE } }) },
    "bad",
    "Paused",
    "Google's daily allowance for scripts is used up.",
  ],
  [
    "rows that are read again",
    { relay: relay({ sweep: { openRows: 2, unprovenRows: 2 } }) },
    "waiting",
    "Checking",
    "Some rows are being read again.",
  ],
  [
    "rows that wait for their proof",
    { relay: relay({ sweep: { openRows: 0, unprovenRows: 2 } }) },
    "good",
    "Up to date",
    "Up to date.",
  ],
  [
    "rows that no proof speaks of",
    { relay: relay({ sweep: { openRows: 0, unprovenRows: 0, volatileRows: 2 } }) },
    "good",
    "Up to date",
    "Up to date.",
  ],
  ["nothing changed yet", {}, "good", "Up to date", "Up to date."],
  ["a change just now", { lastChangeAt: NOW - SECOND }, "good", "Up to date", "Up to date."],
];

describe("what people read", () => {
  test.each(table)("%s", (_situation, more, tone, word, headline) => {
    expect(statusOf(more)).toMatchObject({ tone, word, headline });
  });

  test("every refusal has words, and what to do", () => {
    for (const code of refusalCodes) {
      const status = statusOf({ link: "refused", refused: { code, nextStep: refusals[code].nextStep } });
      expect(status).toMatchObject({ tone: "bad", word: "Refused" });
      expect(status.action).toBeTruthy();
    }
  });

  test("what counts or ages stands in the detail, so that a screen reader is not kept talking", () => {
    expect(statusOf({ behindBy: 1 }).detail).toContain("1 change that is not");
    expect(statusOf({ behindBy: 3 }).detail).toContain("3 changes that are not");
    expect(statusOf({ copy: "fetching", fetched: { rows: 512, ofRows: 3_000 } }).detail).toContain("512 of 3000 rows");
    expect(statusOf({ lastChangeAt: NOW - 12 * SECOND }).detail).toContain("Last change 12 s ago.");
    expect(statusOf({ relay: relay({ firstCopy: { doneCells: 999, totalCells: 1_000 } }) }).detail).toContain("99 %");
    for (const [, more] of table) expect(statusOf(more).headline).not.toMatch(/\d/);
  });

  test("every sentence is whole, whatever is known", () => {
    for (const [, more] of table) {
      const { headline, detail } = statusOf(more);
      expect(`${headline} ${detail}`).not.toMatch(/undefined|NaN|Infinity|\[object|\s\s/);
    }
  });

  test("a paused sheet says at what time it goes on, by the reader's clock", () => {
    const resumesAt = NOW + 60 * MINUTE;
    const paused = relay({ allowance: { spentMs: 1, limitMs: 1, resumesAt } });
    expect(statusOf({ relay: paused }).detail).toContain(clock(resumesAt));
    expect(statusOf({ relay: paused, clockAheadMs: 30 * MINUTE }).detail).toContain(clock(resumesAt + 30 * MINUTE));
  });

  test("with a web app that answers, a used-up allowance makes edits late but pauses nothing", () => {
    const slower = relay({ allowance: { spentMs: 1, limitMs: 1, resumesAt: NOW + 60 * MINUTE } });
    const status = statusOf({ relay: { ...slower, script: { ...slower.script, answerers: ["webApp"] } } });
    expect(status).toMatchObject({ tone: "waiting", word: "Slower" });
    expect(status.detail).toContain(clock(NOW + 60 * MINUTE));
  });

  test("an allowance that has renewed is no reason to pause", () => {
    const renewed = relay({ allowance: { spentMs: 1, limitMs: 1, resumesAt: NOW - 1 } });
    expect(statusOf({ relay: renewed }).word).toBe("Up to date");
  });

  test("proof is shown with its time, by the reader's clock", () => {
    const proven = relay({ sweep: { openRows: 0, unprovenRows: 0, lastFullAt: NOW - MINUTE } });
    expect(statusOf({ relay: proven }).checkedAt).toBe(NOW - MINUTE);
    expect(statusOf({ relay: proven, clockAheadMs: 500 }).checkedAt).toBe(NOW - MINUTE + 500);
    expect(statusOf().checkedAt).toBeUndefined();
  });

  test("rows that change by themselves are said to be left out", () => {
    const ticking = relay({ sweep: { openRows: 0, unprovenRows: 0, volatileRows: 1 } });
    expect(statusOf({ relay: ticking }).detail).toContain(" 1 row always changing: read at each check only.");
    expect(statusOf().detail).not.toContain("always changing");
  });

  test("a check that is late is said to be late", () => {
    expect(statusOf().detail).toContain(`Next check by ${clock(NOW + 9 * MINUTE)}.`);
    const late = relay({ sweep: { openRows: 0, unprovenRows: 0, nextBy: NOW - MINUTE } });
    expect(statusOf({ relay: late }).detail).toContain(`The check of ${clock(NOW - MINUTE)} is late.`);
  });
});

describe("no surface lies about being alive", () => {
  test("a link that said nothing for 30 s is offline, even where nobody noticed yet that it is broken", () => {
    expect(statusOf({ linkHeardAt: NOW - 30 * SECOND }).word).toBe("Up to date");
    expect(statusOf({ linkHeardAt: NOW - 30 * SECOND - 1 }).word).toBe("Offline");
    expect(statusOf({ linkHeardAt: undefined }).word).toBe("Offline");
  });

  test("a link that was heard in the future, since the clock was set back, is not called live by that", () => {
    const later = statusOf({ linkHeardAt: NOW + 60 * MINUTE });
    expect(later.word).toBe("Offline");
    expect(later.detail).not.toContain("Last heard from the relay");
    expect(statusOf({ linkHeardAt: NOW + SECOND }).word).toBe("Up to date");
  });

  test("a silent link is worse than anything the relay said before", () => {
    const silent = { linkHeardAt: NOW - MINUTE };
    const earlier = [{ behindBy: 5 }, { mismatch: true }, { copy: "fetching" as const }, { relay: undefined }];
    for (const more of earlier) expect(statusOf({ ...silent, ...more }).word).toBe("Offline");
  });

  test("nothing is called good in any state in which the link is not known to be up", () => {
    const anyFacts = fc.record({
      link: fc.constantFrom<SyncFacts["link"]>("none", "connecting", "up", "refused"),
      linkHeardAt: fc.option(fc.integer({ min: NOW - 10 * MINUTE, max: NOW + 10 * MINUTE }), { nil: undefined }),
      behindBy: fc.nat(3),
      copy: fc.constantFrom<SyncFacts["copy"]>("none", "fetching", "whole"),
      mismatch: fc.boolean(),
      relay: fc.constantFrom(undefined, relay(), heardAgo(MINUTE), heardAgo(60 * MINUTE)),
    });
    fc.assert(
      fc.property(anyFacts, (some) => {
        const isSound =
          some.link === "up" &&
          Math.abs(NOW - (some.linkHeardAt ?? 0)) <= limits.liveMaxSilenceMs &&
          some.behindBy === 0 &&
          some.copy === "whole" &&
          !some.mismatch &&
          NOW - (some.relay?.script.lastHeardAt ?? 0) <= 2 * limits.tickEveryMs;
        expect(describeStatus(some, NOW).tone === "good").toBe(isSound);
      }),
      { numRuns: 1_000 },
    );
  });

  test("an idle sheet is not called live: its status gives the age of what was heard", () => {
    const status = statusOf({ relay: heardAgo(4 * MINUTE) });
    expect(status.detail).toContain("Last heard from the sheet 4 min ago.");
    expect(`${status.word} ${status.headline} ${status.detail}`).not.toMatch(/\blive\b/i);
  });

  test("after two missed checks the script is called silent, and the person is told what to do", () => {
    expect(statusOf({ relay: heardAgo(20 * MINUTE) }).word).toBe("Up to date");
    const status = statusOf({ relay: heardAgo(20 * MINUTE + 1) });
    expect(status).toMatchObject({ tone: "bad", word: "Script silent" });
    expect(status.action).toContain("Sheetwire > Connect");
  });

  test("a first copy that stopped is called silent, not copying", () => {
    const stopped = { ...heardAgo(60 * MINUTE), firstCopy: { doneCells: 1, totalCells: 2 } };
    expect(statusOf({ relay: stopped }).word).toBe("Script silent");
  });

  test("P4 a call that goes unanswered shows within 30 s, with its age, and not before an answer may come", () => {
    const since = (ms: number): Partial<SyncFacts> => ({
      relay: relay({
        script: {
          lastHeardAt: NOW - MINUTE,
          answerers: ["trigger"],
          triggers: ["edit"],
          callUnansweredSince: NOW - ms,
        },
      }),
    });
    expect(statusOf(since(limits.callAnswerWithinMs - 1)).tone).toBe("good");
    expect(limits.callAnswerWithinMs).toBeLessThan(limits.liveMaxSilenceMs);
    const told = statusOf(since(4 * MINUTE));
    expect(told).toMatchObject({
      tone: "bad",
      word: "No answer",
      headline: "The spreadsheet does not answer.",
      detail: expect.stringMatching(/4 min ago.*Last heard from the sheet 1 min ago/),
    });
    expect(told.action).toBeDefined();
  });
  test("an unanswered call is aged by the relay's clock, however wrong this machine's is", () => {
    const script = {
      lastHeardAt: NOW - 90 * SECOND,
      answerers: [],
      triggers: [],
      callUnansweredSince: NOW - 60 * SECOND,
    };
    const far = { clockAheadMs: -90 * SECOND, relay: relay({ script }) };
    expect(describeStatus(facts({ ...far, linkHeardAt: NOW - 95 * SECOND }), NOW - 90 * SECOND).word).toBe("No answer");
    expect(describeStatus(facts({ ...far, clockAheadMs: 60 * SECOND }), NOW).tone).toBe("good");
  });
  test("silence is measured on one clock, however wrong this machine's is", () => {
    const clockAheadMs = -45 * MINUTE;
    const status = describeStatus(
      facts({ relay: relay(), clockAheadMs, linkHeardAt: NOW + clockAheadMs }),
      NOW + clockAheadMs,
    );
    expect(status.word).toBe("Up to date");
    expect(status.detail).toContain("Last heard from the sheet 1 min ago.");
  });
});

test.each([
  [-5 * SECOND, "just now"],
  [1_499, "just now"],
  [2 * SECOND, "2 s ago"],
  [59 * SECOND, "59 s ago"],
  [MINUTE, "1 min ago"],
  [3_599 * SECOND, "59 min ago"],
  [60 * MINUTE, "1 h ago"],
  [47 * 60 * MINUTE, "1 d ago"],
])("%i ms are %s", (ms, words) => {
  expect(ago(NOW - ms, NOW)).toBe(words);
});
