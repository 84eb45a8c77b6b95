import { mkdirSync, statfsSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import type { Scene } from "../chaos.ts";
import type { Fault } from "./faults.ts";
import { cannotMount, command, unmount } from "./machine.ts";

const FIRST_KB = 4_096;
const MORE_KB = 1_536;
/** What lies in the write-ahead log has to find room behind the database before that begins anew. */
const MOST_MORE_KB = 32 * 1_024;

/** The disk fills up under load, stays full for a while, and gets room again; then a kill, to see what is really there. */
export const disk: Fault = {
  cannot: () => cannotMount(),
  async prepare(house) {
    mkdirSync(house.dataDir);
    await command("mount", "-t", "tmpfs", "-o", `size=${FIRST_KB}k`, "none", house.dataDir);
  },
  async strike(scene) {
    const { house, acknowledged, refusedNow, rest, write, dice } = scene;
    const full = (): number => refusedNow(507) + refusedNow(503);
    const seen = full();
    for (let left = 6_000; left > 0 && full() < seen + 20; left -= 1) await wait(10);
    if (full() < seen + 20) throw new Error("The disk did not fill up, or posts were not refused.");
    await livesOn(scene);
    await wait(dice.between(50, 500));
    const before = acknowledged();
    for (let more = MORE_KB; acknowledged() < before + 20; more += MORE_KB) {
      if (more > MOST_MORE_KB) throw new Error("There was room again, but posts were not taken.");
      await command("mount", "-o", `remount,size=${sizeKb(house.dataDir) + MORE_KB}k`, house.dataDir);
      for (let left = 200; left > 0 && acknowledged() < before + 20; left -= 1) await wait(10);
    }
    await house.kill();
    await rest();
    await house.start();
    write();
  },
  async clean(house) {
    await house.kill();
    await unmount(house.dataDir).catch(() => undefined);
  },
};

function sizeKb(folder: string): number {
  const { blocks, bsize } = statfsSync(folder);
  return (blocks * bsize) / 1_024;
}

/** Whatever is missing, the process answers and what it has can be read. */
export async function livesOn({ house, sheets }: Scene): Promise<void> {
  const url = house.relay?.url ?? "";
  const alive = await fetch(`${url}/livez`);
  if (!alive.ok) throw new Error(`/livez answered ${alive.status}.`);
  for (const [{ spreadsheetId, token }] of sheets) {
    const page = await fetch(`${url}/v1/spreadsheets/${spreadsheetId}/changes?since=0&limit=5`, {
      headers: { authorization: `Bearer ${token}` },
    });
    if (!page.ok) throw new Error(`A page of the log was answered ${page.status}.`);
    await page.text();
  }
}
