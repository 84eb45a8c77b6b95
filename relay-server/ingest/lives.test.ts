import { mkdtempSync, rmSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nextChain } from "@sheetwire/shared/digest";
import type { ReadingOf } from "@sheetwire/shared/protocol";
import { expect, test } from "vitest";
import { createMemoryLog } from "../log/engines/memory.ts";
import { createSqliteLog } from "../log/engines/sqlite.ts";
import type { DamagedError } from "../log/log.ts";
import { openStore } from "../store/store.ts";
import { SheetDouble } from "../wants/sheet-double.ts";
import { createLives } from "./lives.ts";

test("a spreadsheet that is forgotten and loaded while its state is stored is not taken for damaged", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sheetwire-lives-"));
  const store = openStore(join(folder, "s.db"), "full");
  const onFault = (error: unknown): void => {
    throw error;
  };
  const log = createSqliteLog(store, { randomId: randomUUID, onFault, as: "owner" });
  const damages: DamagedError[] = [];
  const lives = createLives({ log, holdBytes: 0, now: () => 1, onFault, onDamage: (d) => damages.push(d) });
  const rows = Array.from({ length: 20_000 }, (_, n) => [`${n} ${"x".repeat(400)}`]);
  const double = new SheetDouble([{ sheetId: 7, title: "One", columns: 1, rows }], "sheet-1");
  const live = (await lives.of("sheet-1", true))!;
  const told = double.sheets() as ReadingOf<"sheets">;
  live.state.apply({ kind: "sheets", spreadsheet: told.spreadsheet });
  for (let row = 0; row < rows.length; row += 1_000) {
    live.state.apply({ kind: "cells", sheetId: 7, at: { row, column: 0 }, cells: rows.slice(row, row + 1_000) });
  }
  const before = live.state.head.epoch;
  await lives.store("sheet-1", live);
  const storing = lives.store("sheet-1", live);
  for (let n = 0; n < 25; n += 1) await new Promise(setImmediate);
  // As when a commit found no room.
  lives.forget("sheet-1");
  let over = false;
  const keeper = (async () => {
    while (!over) {
      await log.tidy();
      await new Promise((r) => setTimeout(r, 1));
    }
  })();
  const anew = await lives.of("sheet-1", true);
  over = true;
  await Promise.all([keeper, storing]);
  expect([damages.map(String), anew?.state.head.epoch === before, anew?.state.sheets().length]).toEqual([[], true, 1]);
  store.close();
  rmSync(folder, { recursive: true });
}, 30_000);

test("one that was forgotten remembers no reading from before: its floor is that moment", async () => {
  let moment = 1_000;
  const onFault = (error: unknown): void => {
    throw error;
  };
  const log = createMemoryLog({ randomId: randomUUID, onFault });
  const lives = createLives({ log, holdBytes: 0, now: () => moment, onFault, onDamage: onFault });
  moment = 2_000;
  expect((await lives.of("sheet-1", true))?.desk.startedAt).toBe(1_000);
  moment = 3_000;
  lives.forget("sheet-1");
  moment = 4_000;
  expect((await lives.of("sheet-1", true))?.desk.startedAt).toBe(3_000);
});

test("while a long log is read the others have their turns", async () => {
  const onFault = (error: unknown): void => {
    throw error;
  };
  const log = createMemoryLog({ randomId: randomUUID, onFault });
  const rows = 20_000;
  const told = new SheetDouble([{ sheetId: 7, title: "One", columns: 1, rows: [] }], "sheet-1").sheets();
  const [sheet] = (told as ReadingOf<"sheets">).spreadsheet.sheets;
  const spreadsheet = { ...(told as ReadingOf<"sheets">).spreadsheet, sheets: [{ ...sheet!, rows }] };
  let head = await log.create("sheet-1");
  const add = async (content: object): Promise<void> => {
    const json = JSON.stringify({ ...content, seq: head.seq + 1, loggedAt: 1, cause: "edit", readAt: [1, 1] });
    const chain = nextChain(head.chain, json);
    const entry = { firstSeq: head.seq + 1, lastSeq: head.seq + 1, json: `[${json}]`, chain };
    await log.append([{ spreadsheetId: "sheet-1", expected: head, entry }]);
    head = { ...head, seq: head.seq + 1, chain };
  };
  await add({ kind: "sheets", spreadsheet });
  for (let row = 0; row < rows; row += 1_000) {
    const cells = Array.from({ length: 1_000 }, (_, n) => [`${row + n} ${"x".repeat(400)}`]);
    await add({ kind: "cells", sheetId: 7, at: { row, column: 0 }, cells });
  }
  const lives = createLives({ log, holdBytes: 0, now: () => 1, onFault, onDamage: onFault });
  let turns = 0;
  let isOver = false;
  const others = (async () => {
    for (; !isOver; turns += 1) await new Promise(setImmediate);
  })();
  const live = await lives.of("sheet-1", false);
  isOver = true;
  await others;
  expect(live?.state.head).toEqual(head);
  expect(live?.state.sheetState(7)?.unknownRows).toBe(0);
  // Some 8 MB, of which each turn reads a quarter of one, and an entry of 400 kB at least.
  expect(turns).toBeGreaterThanOrEqual(20);
});

/** Two spreadsheets of 1,000 rows in memory, with time at hand. */
async function openTwo(holdBytes: number) {
  const clock = { at: 1_000_000 };
  const onFault = (error: unknown): void => {
    throw error;
  };
  const log = createMemoryLog({ randomId: randomUUID, onFault });
  const lives = createLives({ log, holdBytes, now: () => clock.at, onFault, onDamage: onFault });
  const rows = Array.from({ length: 1_000 }, (_, n) => [`row ${n}`]);
  const told = new SheetDouble([{ sheetId: 7, title: "One", columns: 1, rows }], "x").sheets() as ReadingOf<"sheets">;
  for (const id of ["sheet-1", "sheet-2"]) {
    const { state } = (await lives.of(id, true))!;
    state.apply({ kind: "sheets", spreadsheet: told.spreadsheet });
    state.apply({ kind: "cells", sheetId: 7, at: { row: 0, column: 0 }, cells: rows });
  }
  return { clock, log, lives };
}

test("where more is held than may be, what was not used for longest rests, and goes on with the desk that it had", async () => {
  const { clock, log, lives } = await openTwo(100_000);
  expect(lives.heldBytes()).toBeGreaterThan(150_000);
  expect(lives.heldBytes()).toBeLessThan(200_000);
  const [one, two] = [lives.now("sheet-1")!, lives.now("sheet-2")!];
  one.usedAt = one.busyAt = clock.at;
  two.usedAt = two.busyAt = clock.at + 1;
  clock.at += 9_000;
  lives.makeRoom();
  expect(lives.now("sheet-1")).toBe(one);
  clock.at += 2_000;
  lives.makeRoom();
  expect(lives.now("sheet-1")).toBeUndefined();
  expect(lives.now("sheet-2")).toBe(two);
  const again = await lives.of("sheet-1", false);
  expect(again).not.toBe(one);
  expect(again?.desk).toBe(one.desk);
  expect(again?.state.head).toEqual(await log.head("sheet-1"));
});

test("what is within the bounds stays, however long nobody uses it", async () => {
  const { clock, lives } = await openTwo(200_000);
  clock.at += 3_600_000;
  lives.makeRoom();
  expect(lives.now("sheet-1")).toBeDefined();
  expect(lives.now("sheet-2")).toBeDefined();
});

test("one whose log began another life while it rested has nothing on its desk, and believes nothing from before", async () => {
  const { clock, log, lives } = await openTwo(0);
  const before = lives.now("sheet-1")!.desk;
  clock.at += 11_000;
  lives.makeRoom();
  expect(lives.resting("sheet-1")).toBeDefined();
  clock.at += 1_000;
  await log.restart("sheet-1");
  expect(lives.resting("sheet-1")).toBeUndefined();
  const again = await lives.of("sheet-1", false);
  expect(again?.desk).not.toBe(before);
  expect(again?.desk.startedAt).toBe(clock.at);
});
