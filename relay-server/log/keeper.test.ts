import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { createMemoryLog } from "./engines/memory.ts";
import { appendTo } from "./log.contract.ts";
import { createKeeper, type ChangeLog } from "./log.ts";

const DAY_MS = 24 * 60 * 60_000;

function stage(keepMs: number, keepBytes: number, spreadsheets = ["sheet-1", "sheet-2"]) {
  const clock = { now: 1_000 * DAY_MS };
  const log = createMemoryLog({ randomId: randomUUID, now: () => clock.now });
  const faults: unknown[] = [];
  const stored: string[] = [];
  const keeper = createKeeper({
    log,
    spreadsheets: () => spreadsheets,
    storeState: async (spreadsheetId) => {
      stored.push(spreadsheetId);
      const head = await log.head(spreadsheetId);
      if (head) await log.saveState(spreadsheetId, { head, lines: ["{}"] });
    },
    keepMs,
    keepBytes,
    postIdMemoryMs: DAY_MS,
    now: () => clock.now,
    onFault: (error) => faults.push(error),
  });
  return { clock, log, keeper, faults, stored };
}

const fill = async (log: ChangeLog, spreadsheetId: string, changes: number): Promise<void> => {
  for (let at = 0; at < changes; at += 1) await appendTo(log, spreadsheetId, "x".repeat(1_000));
};

test("changes that are too old go once a state is stored without them, those of others stay", async () => {
  const { clock, log, keeper, faults, stored } = stage(DAY_MS, 1e9);
  await fill(log, "sheet-1", 3);
  clock.now += 2 * DAY_MS;
  await fill(log, "sheet-1", 2);
  await fill(log, "sheet-2", 2);
  await keeper.trimAll();
  expect([await log.floor("sheet-1"), await log.floor("sheet-2")]).toEqual([3, 0]);
  expect(stored).toEqual(["sheet-1"]);
  expect(faults).toEqual([]);
  await keeper.stop();
});

test("of a log that grew too large the newest part stays", async () => {
  const { log, keeper } = stage(DAY_MS, 20_000);
  await fill(log, "sheet-1", 100);
  await keeper.trimAll();
  const kept = await log.kept("sheet-1");
  expect(kept?.bytes).toBeLessThanOrEqual(20_000);
  expect(kept?.bytes).toBeGreaterThan(15_000);
  expect(kept?.stateSeq).toBe(100);
  await keeper.stop();
});

test("what cannot be stored keeps its log, and the others are looked after all the same", async () => {
  const { clock, log, keeper, faults } = stage(DAY_MS, 1e9);
  await fill(log, "sheet-1", 2);
  await fill(log, "sheet-2", 2);
  clock.now += 2 * DAY_MS;
  const save = log.saveState.bind(log);
  log.saveState = async (spreadsheetId, state) => {
    if (spreadsheetId === "sheet-1") throw new Error("No room.");
    return save(spreadsheetId, state);
  };
  await keeper.trimAll();
  expect([await log.floor("sheet-1"), await log.floor("sheet-2")]).toEqual([0, 2]);
  expect(faults).toHaveLength(1);
  await keeper.stop();
});

test("however many spreadsheets there are, others have their turns in between", async () => {
  const { keeper } = stage(
    DAY_MS,
    1e9,
    Array.from({ length: 100 }, (_, at) => `sheet-${at}`),
  );
  let turns = 0;
  let isOver = false;
  const others = (async () => {
    for (; !isOver; turns += 1) await new Promise(setImmediate);
  })();
  await keeper.trimAll();
  isOver = true;
  await others;
  expect(turns).toBeGreaterThanOrEqual(100);
  await keeper.stop();
});
