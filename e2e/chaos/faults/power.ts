import { mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { House } from "../house.ts";
import { openTruth } from "../truth.ts";
import type { Fault } from "./faults.ts";
import { cannotMount, command, unmount } from "./machine.ts";

/**
 * A power cut: the data lies on a mounted image, and a copy of the image file holds just what had reached the disk. The
 * relay goes on from the copy. What was answered before the copy has to be there; what came after never happened.
 *
 * With durability `full` nothing may be lost. With `normal` something has to be lost, else this shows nothing; and then
 * every reader that had seen it must be told to refetch.
 */
export const power: Fault = {
  cannot: () => cannotMount("losetup", "mkfs.ext4", "cp"),
  async prepare(house) {
    const image = join(house.folder, "disk.img");
    await command("truncate", "--size=512M", image);
    await command("mkfs.ext4", "-q", "-F", image);
    await mountAt(house, image, 0);
  },
  async open() {
    // That the spreadsheets are known is not what is tried here.
    await command("sync");
  },
  async strike({ house, dice, sheets, truths, acknowledged, rest }, round) {
    const enough = acknowledged() + 20 + dice.below(250);
    for (let left = 400; left > 0 && acknowledged() < enough; left -= 1) await wait(5);
    const { relay } = house;
    if (!relay) throw new Error("No relay runs.");
    // It stands still while the copy is made: as if all of it had happened in one instant.
    process.kill(relay.pid, "SIGSTOP");
    // Answers that had left it are on their way.
    await wait(100);
    const before = sheets.map(([, ledger]) => new Map(ledger.acknowledged));
    const cut = join(house.folder, "cut.img");
    await command("cp", "--sparse=always", join(house.folder, "disk.img"), cut);
    await house.kill();
    await rest();
    sheets.forEach(([{ spreadsheetId }, ledger], at) => {
      ledger.acknowledged.clear();
      for (const [k, seq] of before[at] ?? []) ledger.acknowledged.set(k, seq);
      ledger.unanswered.length = 0;
      ledger.recent.length = 0;
      truths.set(spreadsheetId, openTruth());
    });
    await unmount(mountOf(house, round));
    renameSync(cut, join(house.folder, "disk.img"));
    await mountAt(house, join(house.folder, "disk.img"), round + 1);
    await house.start();
  },
  async clean(house) {
    await house.kill();
    const mounted = await command("mount");
    for (const line of mounted.split("\n")) {
      const at = / on (\S+) /.exec(line)?.[1];
      if (at?.startsWith(house.folder)) await unmount(at);
    }
  },
  judge: (totals) => {
    if (totals.durability === "full") return totals.lost === 0;
    if (totals.lost === 0) totals["void"] = "With durability normal a power cut has to lose something, and did not.";
    return totals.lost > 0 && totals.refetches > 0;
  },
};

const mountOf = (house: House, round: number): string => join(house.folder, `disk-${round}`);

async function mountAt(house: House, image: string, round: number): Promise<void> {
  const at = mountOf(house, round);
  mkdirSync(at);
  await command("mount", "-o", "loop", image, at);
  house.dataDir = join(at, "data");
}
