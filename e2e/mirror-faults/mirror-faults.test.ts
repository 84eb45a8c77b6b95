/** A few rounds of `npm run chaos:mirror`; hundreds of them are a command of their own. */
import { expect, test } from "vitest";
import { runMirrorFaults } from "./mirror-faults.ts";

test("a worker killed at any instant, and a browser, leave a copy whose content and cursor agree, and nothing twice", async () => {
  const totals = await runMirrorFaults({ rounds: 5, seed: 20, browserEvery: 3 });
  expect(totals.faults).toEqual([]);
  expect(totals).toMatchObject({ ok: true, workerKills: 4, browserKills: 1 });
}, 300_000);
