/** A bad day at Google, seen from a real browser: the mirror there is the sheet in the end. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { openConvergence, type Convergence } from "../converge/converge.ts";

let convergence: Convergence;
beforeAll(async () => {
  convergence = await openConvergence({ browser: true });
});
afterAll(() => convergence.stop());

test("what is lost, late, doubled and torn on the way is put right in the browser as well", async () => {
  const { problems, equal } = await convergence.play({ seed: 1, steps: 120, profile: "hostile" });
  expect(problems).toEqual([]);
  expect(equal).toEqual({ relay: true, mirror: true });
});
