import { expect, test } from "vitest";
import { runChaos } from "./chaos.ts";

test("killed at any instant, the relay has what it answered with 202, once, and so has every reader", async () => {
  const totals = await runChaos({ rounds: 3, seed: 5, fault: "kill" });
  expect(totals).toMatchObject({ ok: true, rounds: 3, lost: 0, doubled: 0, holes: 0, unnoticed: 0 });
  expect(totals.acknowledged).toBeGreaterThan(100);
  expect(totals.mostInFlight).toBeGreaterThanOrEqual(64);
}, 300_000);

test("a bit that turned in the store is named, and nothing else is served than what was there before", async () => {
  const totals = await runChaos({ rounds: 2, seed: 4, fault: "flip" });
  expect(totals).toMatchObject({ ok: true, lost: 0, servedWrong: 0, unnamed: 0 });
}, 300_000);

test("what was refused while the disk was full is there once it is taken", async () => {
  const totals = await runChaos({ rounds: 2, seed: 6, fault: "disk" });
  expect(totals).toMatchObject({ ok: true, lost: 0, doubled: 0, holes: 0, unnoticed: 0 });
  // Where nothing may be mounted it says so.
  expect(totals.skipped ?? totals.refused["507"]).toBeTruthy();
}, 300_000);

test("commands beside the relay take nothing away, also when it is killed meanwhile", async () => {
  const totals = await runChaos({ rounds: 3, seed: 2, fault: "commands" });
  expect(totals).toMatchObject({ ok: true, rounds: 3, lost: 0, doubled: 0, holes: 0, unnoticed: 0, refetches: 0 });
}, 300_000);
