import { setTimeout as wait } from "node:timers/promises";
import type { Fault } from "./faults.ts";

/** SIGKILL at any instant: of the work, and now and then of the start after it. */
export const kill: Fault = {
  cannot: async () => undefined,
  async strike({ house, dice, rest, acknowledged }) {
    // At a random place in the work rather than on the clock: also a slow machine gets some of it done.
    const enough = acknowledged() + dice.below(250);
    for (let left = 300; left > 0 && acknowledged() < enough; left -= 1) await wait(5);
    await wait(dice.between(0, 10));
    await house.kill();
    await rest();
    if (dice.chance(0.2)) await house.startAndKill(dice.between(50, 600));
    await house.start();
  },
};
