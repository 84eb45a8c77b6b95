import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { House } from "../house.ts";
import type { Fault } from "./faults.ts";
import { progress } from "./progress.ts";

const MINUTE_MS = 60_000;
const JUMPS_MS = [-24 * 60, -60, -6, -1, 1, 6, 60, 24 * 60].map((minutes) => minutes * MINUTE_MS);

/**
 * The relay's clock jumps and comes back, sometimes with a start in between. Posts may be refused while it is wrong. What
 * was read in such a time may be wanted again rather than believed, so the writers read it again when the clock is right.
 */
export const clock: Fault = {
  cannot: async () => undefined,
  async prepare(house) {
    setClock(house, 0);
    house.env["SHEETWIRE_CLOCK_FILE"] = fileOf(house);
    house.env["NODE_OPTIONS"] = `--import ${join(import.meta.dirname, "..", "..", "converge", "clock-file.mjs")}`;
  },
  async strike({ house, dice, acknowledged, sheets, rest, write }) {
    await progress(acknowledged, dice.below(100));
    const known = sheets.map(([, ledger]) => new Set(ledger.acknowledged.keys()));
    setClock(house, dice.pick(JUMPS_MS));
    await wait(dice.between(100, 500));
    if (dice.chance(0.4)) {
      await house.kill();
      await rest();
      await house.start();
      write();
      await wait(dice.between(100, 500));
    }
    setClock(house, 0);
    await wait(600);
    await rest();
    sheets.forEach(([, ledger], at) => {
      for (const k of ledger.acknowledged.keys()) {
        if (known[at]?.has(k)) continue;
        ledger.acknowledged.delete(k);
        ledger.again.push(k);
      }
    });
    write();
    await progress(acknowledged, 100);
  },
};

const fileOf = (house: House): string => join(house.folder, "clock");

function setClock(house: House, aheadMs: number): void {
  const bytes = new Float64Array([0, aheadMs]);
  writeFileSync(fileOf(house), new Uint8Array(bytes.buffer));
}
