import { readdirSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import type { Fault } from "./faults.ts";
import { command, has } from "./machine.ts";
import { progress } from "./progress.ts";

/** More connections than the process may have open files: who is connected is served on, and later everybody is again. */
export const fds: Fault = {
  cannot: async () => (has("prlimit") && process.platform === "linux" ? undefined : "needs prlimit"),
  async strike({ house, dice, acknowledged, readers }) {
    await progress(acknowledged, dice.below(100));
    const { relay } = house;
    if (!relay) throw new Error("No relay runs.");
    const pid = String(relay.pid);
    const open = readdirSync(`/proc/${pid}/fd`).length;
    const before = (await command("prlimit", "--pid", pid, "--nofile", "--output", "SOFT", "--noheadings")).trim();
    await command("prlimit", "--pid", pid, `--nofile=${open + 8}:`);
    const { hostname, port } = new URL(relay.url);
    const crowd: Socket[] = Array.from({ length: 100 }, () => connect(Number(port), hostname).on("error", () => {}));
    try {
      await wait(dice.between(200, 800));
      dice.pick(readers).cut();
      await progress(acknowledged, 30);
    } finally {
      for (const socket of crowd) socket.destroy();
      await command("prlimit", "--pid", pid, `--nofile=${before}:`);
    }
    await progress(acknowledged, 30);
    const alive = await fetch(`${relay.url}/livez`);
    if (!alive.ok) throw new Error(`/livez answered ${alive.status}.`);
  },
};
