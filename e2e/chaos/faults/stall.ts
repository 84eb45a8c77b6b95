import { setTimeout as wait } from "node:timers/promises";
import { progress } from "./progress.ts";
import type { Fault } from "./faults.ts";

/** The whole process stands still for a while, as under a machine that swaps or was put to sleep. */
export const stall: Fault = {
  cannot: async () => (process.platform === "win32" ? "needs SIGSTOP" : undefined),
  async strike({ house, dice, acknowledged }) {
    await progress(acknowledged, dice.below(200));
    const pid = house.relay?.pid;
    if (pid === undefined) throw new Error("No relay runs.");
    process.kill(pid, "SIGSTOP");
    await wait(dice.between(300, 3_000));
    process.kill(pid, "SIGCONT");
    await progress(acknowledged, 50);
  },
};
