/** The store of a simulated relay: the memory engine, with what was synced told apart from what may be lost. */
import { createMemoryLog } from "../../relay-server/log/engines/memory.ts";
import type { Append, ChangeLog } from "../../relay-server/log/log.ts";

export type Disk = {
  /** The log as it is now; another object after the tail was lost. */
  log: () => ChangeLog;
  append: (group: readonly Append[]) => Promise<void>;
  /** Forgets the last groups of appends, as a power cut does to what was not synced. */
  loseTail: (groups: number) => Promise<void>;
};

type Needs = {
  /** What one post brought is in the log. */
  hear: (append: Append) => void;
  /** The tail is lost: what the log still holds is told from its beginning. */
  startOver: () => void;
};

export function createDisk({ hear, startOver }: Needs): Disk {
  let groups: (readonly Append[])[] = [];
  // The life of the log stays the same, so that only its contents can tell that something is missing.
  const open = (): ChangeLog => createMemoryLog({ randomId: () => "epoch-1" });
  let log = open();
  return {
    log: () => log,
    async append(group) {
      await log.append(group);
      groups.push(group);
      group.forEach(hear);
    },
    async loseTail(count) {
      groups = groups.slice(0, Math.max(0, groups.length - count));
      log = open();
      startOver();
      for (const group of groups) {
        for (const { spreadsheetId } of group) await log.create(spreadsheetId);
        await log.append(group);
        group.forEach(hear);
      }
    },
  };
}
