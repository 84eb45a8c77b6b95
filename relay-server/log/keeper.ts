/** Keeps a log in order while it is used: joins small entries, and drops what is too old or too much. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { ChangeLog } from "./log.ts";

type Needs = {
  log: Pick<ChangeLog, "tidy" | "kept" | "dueThrough" | "trim" | "forgetPosts">;
  spreadsheets: () => readonly string[];
  /** Writes the state at the head, so that nothing depends on the log behind it. */
  storeState: (spreadsheetId: string) => Promise<void>;
  /** Changes stay for so long, in milliseconds, and the newest of a spreadsheet up to so many bytes. */
  keepMs: number;
  keepBytes: number;
  /** Posts are remembered for so long, in milliseconds. */
  postIdMemoryMs: number;
  /** Milliseconds since 1970. */
  now: () => number;
  onFault: (error: unknown) => void;
};

/** Between two pieces of tidying: others have their turns. And when there was nothing to do. In milliseconds. */
const TIDY_AGAIN_MS = 10;
const TIDY_IDLE_MS = 500;
/** How often it is looked for what may go, in milliseconds. */
const TRIM_EVERY_MS = 60_000;
/** What is due is dropped once it is a tenth of what may stay; a log that is trimmed with every look would never rest. */
const SLACK = 0.1;

export function createKeeper(needs: Needs) {
  const { log, spreadsheets, storeState, keepMs, keepBytes, postIdMemoryMs, now, onFault } = needs;
  let isStopped = false;
  let tidying: Promise<void> = Promise.resolve();
  let trimming: Promise<void> | undefined;

  async function tidy(): Promise<void> {
    let more = false;
    try {
      more = await log.tidy();
    } catch (error) {
      onFault(error);
    }
    if (!isStopped) later(more ? TIDY_AGAIN_MS : TIDY_IDLE_MS);
  }
  let tidyTimer: NodeJS.Timeout | undefined;
  const later = (ms: number): void => {
    tidyTimer = setTimeout(() => {
      tidying = tidy();
    }, ms);
    tidyTimer.unref();
  };

  /** Of one spreadsheet, everything older or beyond the bound; first the state is stored that it is needed for. */
  async function trim(spreadsheetId: string): Promise<void> {
    const kept = await log.kept(spreadsheetId);
    if (!kept) return;
    const isTooMuch = kept.bytes > keepBytes * (1 + SLACK);
    const due = await log.dueThrough(spreadsheetId, now() - keepMs, isTooMuch ? keepBytes : Number.MAX_SAFE_INTEGER);
    if (due <= kept.floor) return;
    if (kept.stateSeq < due) await storeState(spreadsheetId);
    await log.trim(spreadsheetId, due);
  }

  async function trimAll(): Promise<void> {
    for (const spreadsheetId of spreadsheets()) {
      // There may be thousands, and the log answers without waiting for anything: the others have their turns in between.
      await nextTurn();
      if (isStopped) return;
      try {
        await trim(spreadsheetId);
      } catch (error) {
        onFault(error);
      }
    }
    try {
      await log.forgetPosts(now() - postIdMemoryMs);
    } catch (error) {
      onFault(error);
    }
  }

  const trimTimer = setInterval(() => {
    trimming ??= trimAll().finally(() => {
      trimming = undefined;
    });
  }, TRIM_EVERY_MS);
  trimTimer.unref();
  later(TIDY_IDLE_MS);

  return {
    trimAll,
    async stop(): Promise<void> {
      isStopped = true;
      clearTimeout(tidyTimer);
      clearInterval(trimTimer);
      await tidying;
      await trimming;
    },
  };
}
