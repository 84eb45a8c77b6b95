import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { fakeBrowser } from "wxt/testing/fake-browser";
import type { SyncFacts } from "@sheetwire/shared/status";
import { readFacts } from "../status/status.ts";
import { followFacts, HERE_EVERY_MS, isContextGone, readFactsLightly, spreadsheetIdIn } from "./heartbeat.ts";

const ID = "spreadsheet-1";
const facts: SyncFacts = { link: "up", linkHeardAt: 5, behindBy: 0, copy: "whole" };

/** A background that answers so. */
function answering(answer: (message: unknown) => Promise<unknown>): void {
  fakeBrowser.runtime.sendMessage = answer;
}
const sendMessage = fakeBrowser.runtime.sendMessage;

beforeEach(() => {
  fakeBrowser.reset();
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  fakeBrowser.runtime.sendMessage = sendMessage;
});

test("says here at once and every twenty seconds, and hands on what comes back", async () => {
  const asked: unknown[] = [];
  answering(async (message) => {
    asked.push(message);
    return { facts };
  });
  const heard: SyncFacts[] = [];
  const stop = followFacts(ID, { read: readFacts, onFacts: (next) => heard.push(next) });
  await vi.advanceTimersByTimeAsync(HERE_EVERY_MS * 2 + 10);
  expect(asked).toEqual(Array.from({ length: 3 }, () => ({ kind: "here", spreadsheetId: ID })));
  expect(heard).toEqual([facts, facts, facts]);
  stop();
  await vi.advanceTimersByTimeAsync(HERE_EVERY_MS * 3);
  expect(asked.length).toBe(3);
});

test("a background that is being ended is no fault; the next beat reaches it", async () => {
  let beats = 0;
  answering(async () => {
    beats += 1;
    if (beats === 1) throw new Error("Could not establish connection. Receiving end does not exist.");
    return { facts };
  });
  const heard: SyncFacts[] = [];
  let lost = 0;
  const stop = followFacts(ID, { read: readFacts, onFacts: (next) => heard.push(next), onLost: () => (lost += 1) });
  await vi.advanceTimersByTimeAsync(HERE_EVERY_MS + 10);
  expect([heard.length, lost]).toEqual([1, 0]);
  stop();
});

test("a page left behind by an update is told once, and stops", async () => {
  const send = vi
    .spyOn(fakeBrowser.runtime, "sendMessage")
    .mockRejectedValue(new Error("Extension context invalidated."));
  let lost = 0;
  followFacts(ID, { read: readFacts, onFacts: () => undefined, onLost: () => (lost += 1) });
  await vi.advanceTimersByTimeAsync(HERE_EVERY_MS * 4);
  expect(lost).toBe(1);
  expect(send).toHaveBeenCalledTimes(1);
  expect(isContextGone(new Error("anything else"))).toBe(false);
});

test("facts of another spreadsheet and messages that are none are passed over, with the schema and without", () => {
  for (const read of [readFacts, readFactsLightly]) {
    expect(read({ kind: "facts", spreadsheetId: ID, facts }, ID)).toEqual(facts);
    expect(read({ facts }, ID)).toEqual(facts);
    expect(read({ kind: "facts", spreadsheetId: "another-sheet", facts }, ID)).toBeUndefined();
    for (const bad of [
      undefined,
      null,
      7,
      "facts",
      {},
      { facts: null },
      { facts: { ...facts, link: "great" } },
      { facts: { link: "up" } },
    ]) {
      expect(read(bad, ID)).toBeUndefined();
    }
  }
});

test("the spreadsheet is read from the sheet's address, with and without an account in it", () => {
  expect(spreadsheetIdIn("https://docs.google.com/spreadsheets/d/1aB_c-9xyz/edit?gid=0#gid=0")).toBe("1aB_c-9xyz");
  expect(spreadsheetIdIn("https://docs.google.com/spreadsheets/u/2/d/1aB_c-9xyz/edit")).toBe("1aB_c-9xyz");
  expect(spreadsheetIdIn("https://docs.google.com/spreadsheets/u/0/")).toBeUndefined();
});
