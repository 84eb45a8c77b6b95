/** What can befall a relay. Each strikes while posts are under way and leaves a relay running. */
import type { House } from "../house.ts";
import type { Scene, Totals } from "../chaos.ts";
import { clock } from "./clock.ts";
import { commands } from "./commands.ts";
import { flip, truncate } from "./damage.ts";
import { disk } from "./disk.ts";
import { fds } from "./fds.ts";
import { kill } from "./kill.ts";
import { power } from "./power.ts";
import { stall } from "./stall.ts";

export type Fault = {
  /** Why it cannot be tried on this machine; undefined when it can. */
  readonly cannot: () => Promise<string | undefined>;
  /** Before the relay starts for the first time. */
  readonly prepare?: (house: House) => Promise<void>;
  /** Before the first round; the relay runs. */
  readonly open?: (scene: Scene) => Promise<void>;
  readonly strike: (scene: Scene, round: number) => Promise<void>;
  /** After the last round. */
  readonly close?: (scene: Scene) => Promise<void>;
  /** Whatever happened: mounts and the like. */
  readonly clean?: (house: House) => Promise<void>;
  /** Where "nothing lost" is not the whole of it. */
  readonly judge?: (totals: Totals) => boolean;
};

export const faults = { kill, power, disk, truncate, flip, clock, fds, stall, commands } satisfies Record<
  string,
  Fault
>;
export type FaultName = keyof typeof faults;
export const faultNames = Object.keys(faults) as FaultName[];
