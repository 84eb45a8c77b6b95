import "fake-indexeddb/auto";
import { Dexie } from "dexie";
import { afterEach, expect, test, vi } from "vitest";
import { applyChange, emptyModel, type SpreadsheetModel } from "@sheetwire/shared/grid";
import type { Change, Cursor, Row, RowRun, Sheet, SnapshotHead, SnapshotRows } from "@sheetwire/shared/protocol";
import { GapError, MismatchError, openMirror, type Mirror } from "./mirror.ts";

const S1 = "spreadsheet-1";
const cursorAt = (seq: number, epoch = "e1"): Cursor => ({ epoch, seq, chain: seq.toString(16).padStart(16, "0") });
const sheetOf = (rows: number): Sheet => ({
  sheetId: 0,
  title: "Sheet",
  index: 0,
  rows,
  columns: 4,
  hidden: false,
  kind: "GRID",
});
const headOf = (seq: number, rows: number): SnapshotHead => ({
  ...cursorAt(seq),
  spreadsheet: { title: "T", locale: "en_US", timeZone: "Etc/UTC", sheets: [sheetOf(rows)] },
});
const common = (seq: number) => ({ seq, loggedAt: seq, cause: "edit" as const, readAt: [1, 2] as [number, number] });
const cells = (seq: number, row: number, rows: Row[]): Change => ({
  kind: "cells",
  ...common(seq),
  sheetId: 0,
  at: { row, column: 0 },
  cells: rows,
});
const rowsChange = (seq: number, runs: RowRun[]): Change => ({ kind: "rows", ...common(seq), sheetId: 0, runs });
const all = { startRowIndex: 0, endRowIndex: 1_000_000, startColumnIndex: 0, endColumnIndex: 9 };
const numbered = (count: number): Row[] => Array.from({ length: count }, (_, row) => [row, `row ${row}`]);

const opened: Mirror[] = [];
let names = 0;
async function open(name: string): Promise<Mirror> {
  const result = await openMirror(name, { checkpointAfterMs: 3 });
  if (!result.ok) throw new Error(result.why);
  opened.push(result.mirror);
  return result.mirror;
}
const lineOf = (rows: SnapshotRows): Uint8Array => new TextEncoder().encode(JSON.stringify(rows));
async function holding(rows: Row[], name = `faults-${(names += 1)}`): Promise<{ mirror: Mirror; name: string }> {
  const mirror = await open(name);
  const writer = await mirror.of(S1).startSnapshot(headOf(1, rows.length));
  for (let from = 0; from < rows.length; from += 256) {
    await writer.putLine(lineOf({ sheetId: 0, fromRow: from, rows: rows.slice(from, from + 256) }));
  }
  await writer.finish();
  return { mirror, name };
}
afterEach(() => {
  vi.restoreAllMocks();
  for (const mirror of opened.splice(0)) mirror.close();
});

/** Ends a context as abruptly as a process: what it has under way in the store is given up, and nothing more begins. */
function killable(): { kill: () => void } {
  const running = new Set<IDBTransaction>();
  let isDead = false;
  const original = IDBDatabase.prototype.transaction;
  const spy = vi.spyOn(IDBDatabase.prototype, "transaction");
  spy.mockImplementation(function (this: IDBDatabase, ...args: Parameters<typeof original>) {
    if (isDead) throw new DOMException("ended", "InvalidStateError");
    const transaction = original.apply(this, args);
    running.add(transaction);
    transaction.addEventListener("complete", () => running.delete(transaction));
    return transaction;
  });
  return {
    kill: () => {
      isDead = true;
      for (const transaction of running) {
        try {
          transaction.abort();
        } catch {
          // It has ended by itself.
        }
      }
      spy.mockRestore();
    },
  };
}

/** A small generator of numbers: a round that fails can be played again by its number. */
function diceOf(seed: number): (below: number) => number {
  let state = seed * 2_654_435_761 + 1;
  return (below) => {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_519) + 374_761_393) | 0;
    return (state >>> 8) % below;
  };
}

function changeFor(seq: number, model: SpreadsheetModel, dice: (below: number) => number): Change {
  const height = model.sheets.get(0)?.rows.length ?? 0;
  if (height > 0 && dice(3) > 0) return cells(seq, dice(height), [[`round ${seq}`, seq]]);
  const at = dice(height + 1);
  const kept: RowRun[] = [
    ...(at > 0 ? [{ keep: [0, at] } satisfies RowRun] : []),
    { put: [[`new ${seq}`]] },
    ...(at < height ? [{ keep: [at, height - at] } satisfies RowRun] : []),
  ];
  return rowsChange(seq, kept);
}

test(
  "killed at random instants of commits and checkpoints, content and cursor always agree, nothing twice",
  { timeout: 120_000 },
  async () => {
    const { name } = await holding(numbered(300));
    opened.splice(0).forEach((mirror) => mirror.close());
    const model = emptyModel();
    model.sheets.set(0, { sheet: sheetOf(300), rows: numbered(300) });
    const log: Change[] = [];
    const states = new Map<number, (Row | null)[]>([[1, numbered(300)]]);
    let kills = 0;
    for (let round = 0; round < 150; round += 1) {
      const dice = diceOf(round);
      const context = killable();
      const mirror = await open(name);
      let held = (await mirror.of(S1).cursor())?.seq ?? 0;
      const isStale = { value: false };
      const working = (async () => {
        for (let n = 0; n < 12 && !isStale.value; n += 1) {
          const seq = held + 1;
          let change = log[seq - 2];
          if (!change) {
            change = changeFor(seq, model, dice);
            applyChange(model, change);
            log.push(change);
            states.set(seq, structuredClone(model.sheets.get(0)?.rows ?? []));
          }
          await mirror.of(S1).take([change], cursorAt(seq));
          held = seq;
          if (dice(4) === 0)
            void mirror
              .of(S1)
              .checkpoint()
              .catch(() => undefined);
        }
      })().catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, dice(25)));
      isStale.value = true;
      context.kill();
      kills += 1;
      await working;
      mirror.close();
      const after = await open(name);
      const seq = (await after.of(S1).cursor())?.seq ?? 0;
      const shown = await after.of(S1).viewport(0, all);
      // An answered commit is there; one that was under way is there whole or not at all.
      expect([round, seq >= held, shown?.seq]).toEqual([round, true, seq]);
      expect(shown?.rows).toEqual(states.get(seq));
      after.close();
    }
    expect(kills).toBe(150);
    expect(log.length).toBeGreaterThan(100);
  },
);

test("killed in the middle of a first copy, it goes on behind the last row that is in the store", async () => {
  const name = `faults-${(names += 1)}`;
  const rows = numbered(5_000);
  const context = killable();
  const mirror = await open(name);
  const writer = await mirror.of(S1).startSnapshot(headOf(5, rows.length), '"v1"');
  await writer.putLine(lineOf({ sheetId: 0, fromRow: 0, rows: rows.slice(0, 256) }));
  await expect.poll(async () => (await mirror.of(S1).viewport(0, all))?.rows.length).toBe(256);
  await writer.putLine(lineOf({ sheetId: 0, fromRow: 256, rows: rows.slice(256, 512) }));
  context.kill();
  const after = await open(name);
  const part = await after.of(S1).continueSnapshot();
  expect(part).toMatchObject({ etag: '"v1"', after: { sheetId: 0, row: 255 }, rows: 256 });
  await part?.writer.putLine(lineOf({ sheetId: 0, fromRow: 256, rows: rows.slice(256) }));
  await part?.writer.finish(headOf(7, rows.length));
  expect((await after.of(S1).viewport(0, all))?.rows).toEqual(rows);
  expect(await after.of(S1).cursor()).toEqual(cursorAt(7));
  expect(await after.of(S1).continueSnapshot()).toBeUndefined();
});

test("a new copy that broke off is not gone on with once the old one has been followed further", async () => {
  const { mirror, name } = await holding([["a"], ["b"]]);
  const writer = await mirror.of(S1).startSnapshot(headOf(1, 2), '"v1"');
  await writer.putLine(lineOf({ sheetId: 0, fromRow: 0, rows: [["a"]] }));
  await writer.leave();
  mirror.close();
  const after = await open(name);
  expect(await after.of(S1).continueSnapshot()).toBeDefined();
  await after.of(S1).take([cells(2, 0, [["two"]])], cursorAt(2));
  expect(await after.of(S1).continueSnapshot()).toBeUndefined();
  expect(await after.of(S1).cursor()).toEqual(cursorAt(2));
});

test("two contexts that write at once: one goes on, the other is told to look again, nothing is there twice", async () => {
  const { mirror, name } = await holding([["a"], ["b"]]);
  const other = await open(name);
  const change = cells(2, 0, [["two"]]);
  const results = await Promise.allSettled([
    mirror.of(S1).take([change], cursorAt(2)),
    other.of(S1).take([change], cursorAt(2)),
  ]);
  expect(results.filter(({ status }) => status === "fulfilled").length).toBe(1);
  const refused = results.find((result) => result.status === "rejected");
  expect(refused?.reason).toBeInstanceOf(GapError);
  await other.of(S1).take([cells(3, 1, [["three"]])], cursorAt(3));
  await Promise.all([mirror.of(S1).checkpoint(), other.of(S1).checkpoint()]);
  await mirror.of(S1).take([cells(4, 1, [["four"]])], cursorAt(4));
  for (const one of [mirror, other]) {
    await expect.poll(async () => (await one.of(S1).viewport(0, all))?.rows).toEqual([["two"], ["four"]]);
  }
});

test("a copy in the layout of version 1 is let go, and a new one can be fetched", async () => {
  const name = `faults-${(names += 1)}`;
  const old = new Dexie(name);
  old.version(1).stores({
    spreadsheets: "spreadsheetId",
    sheets: "[copy+sheetId]",
    blocks: "[copy+sheetId+block]",
    changes: "[spreadsheetId+seq]",
  });
  await old.open();
  await old.table("spreadsheets").put({ spreadsheetId: S1, shown: "x", whole: true, copies: 1 });
  old.close();
  const mirror = await open(name);
  expect([await mirror.held(), await mirror.of(S1).cursor()]).toEqual([[], undefined]);
  const { mirror: again } = await holding([["a"]], name);
  expect((await again.of(S1).viewport(0, all))?.rows).toEqual([["a"]]);
  const raw = await new Dexie(name).open();
  expect(raw.tables.map((table) => table.name).sort()).toEqual(["copies", "grids", "log", "packed"]);
  raw.close();
});

test("a database that is deleted under us is let go, said, and can be made anew", async () => {
  const { mirror, name } = await holding([["a"]]);
  let lost = 0;
  mirror.onLost(() => (lost += 1));
  await new Promise((resolve) => (indexedDB.deleteDatabase(name).onsuccess = resolve));
  expect(lost).toBe(1);
  await expect(mirror.of(S1).take([cells(2, 0, [["b"]])], cursorAt(2))).rejects.toThrow(/closed/);
  expect(await (await open(name)).held()).toEqual([]);
});

test("a search sees the copy as it was when it began, whatever is written, folded or dropped meanwhile", async () => {
  const { mirror } = await holding(numbered(3_000));
  const copy = mirror.of(S1);
  const found: string[] = [];
  let seq = 1;
  for await (const hit of copy.search("row 29", { most: 500 })) {
    found.push(hit.display);
    if (found.length % 20 !== 0) continue;
    seq += 1;
    await copy.take([cells(seq, 2_900 + found.length / 20, [["gone", "gone"]])], cursorAt(seq));
    await copy.checkpoint();
  }
  expect(found).toEqual(Array.from({ length: 3_000 }, (_, n) => `row ${n}`).filter((text) => text.includes("row 29")));
});

test("a block that cannot be read is a difference, which leads to a new copy", async () => {
  const { mirror, name } = await holding(numbered(10));
  const raw = await new Dexie(name).open();
  const [key] = await raw.table("packed").toCollection().primaryKeys();
  await raw.table("packed").put(new Uint8Array([9, 9, 9]), key);
  raw.close();
  await expect(mirror.of(S1).take([cells(2, 0, [["b"]])], cursorAt(2))).rejects.toThrow(MismatchError);
});

test("when the disk is full, history goes first, and the copy stays", async () => {
  const { mirror } = await holding([["a"]]);
  const copy = mirror.of(S1);
  for (let seq = 2; seq < 10; seq += 1) await copy.take([cells(seq, 0, [[`text ${seq}`]])], cursorAt(seq));
  await copy.checkpoint();
  expect((await copy.storage())?.historyBytes).toBeGreaterThan(0);
  const add = vi.spyOn(IDBObjectStore.prototype, "add");
  add.mockImplementationOnce(() => {
    throw new DOMException("full", "QuotaExceededError");
  });
  await copy.take([cells(10, 0, [["ten"]])], cursorAt(10));
  expect((await copy.viewport(0, all))?.rows).toEqual([["ten"]]);
  expect((await copy.changes()).map(({ seq }) => seq)).toEqual([10]);
  expect(await copy.at({ seq: 8 })).toEqual({ ok: false, code: "not-kept", kept: 9 });
});

test("when the disk is full and there is nothing to give, the commit is refused and nothing of it is kept", async () => {
  const { mirror } = await holding([["a"]]);
  vi.spyOn(IDBObjectStore.prototype, "add").mockImplementation(() => {
    throw new DOMException("full", "QuotaExceededError");
  });
  await expect(mirror.of(S1).take([cells(2, 0, [["b"]])], cursorAt(2))).rejects.toThrow("full");
  expect((await mirror.of(S1).viewport(0, all))?.rows).toEqual([["a"]]);
  vi.restoreAllMocks();
  await mirror.of(S1).take([cells(2, 0, [["b"]])], cursorAt(2));
  expect((await mirror.of(S1).viewport(0, all))?.rows).toEqual([["b"]]);
});

test("a checkpoint that fails is told, loses nothing, and the next one does its work", async () => {
  const name = `faults-${(names += 1)}`;
  const told: unknown[] = [];
  const result = await openMirror(name, { checkpointAfterMs: 3, onCheckpointFailed: (error) => told.push(error) });
  if (!result.ok) throw new Error(result.why);
  opened.push(result.mirror);
  const copy = result.mirror.of(S1);
  await (await holding([["a"]], name)).mirror.of(S1).cursor();
  const { put } = IDBObjectStore.prototype;
  vi.spyOn(IDBObjectStore.prototype, "put").mockImplementation(function broken(this: IDBObjectStore, ...args) {
    if (this.name === "packed") throw new DOMException("no", "UnknownError");
    return put.apply(this, args);
  });
  await copy.take([cells(2, 0, [["b"]])], cursorAt(2));
  await vi.waitFor(() => expect(told.length).toBeGreaterThan(0));
  expect((await copy.viewport(0, all))?.rows).toEqual([["b"]]);
  vi.restoreAllMocks();
  await copy.take([cells(3, 0, [["c"]])], cursorAt(3));
  await copy.checkpoint();
  expect((await copy.viewport(0, all))?.rows).toEqual([["c"]]);
});

test("a sort of many rows is one commit, and its checkpoint writes each row once", async () => {
  const { mirror } = await holding(numbered(2_000));
  const runs: RowRun[] = Array.from({ length: 2_000 }, (_, n) => ({ keep: [1_999 - n, 1] }));
  await mirror.of(S1).take([rowsChange(2, runs)], cursorAt(2));
  expect((await mirror.of(S1).viewport(0, all))?.rows).toEqual(numbered(2_000).toReversed());
  await mirror.of(S1).checkpoint();
  expect((await mirror.of(S1).viewport(0, all))?.rows).toEqual(numbered(2_000).toReversed());
});

test("a checkpoint that fails while a commit is under way takes nothing from it", async () => {
  const { mirror, name } = await holding(numbered(2_000));
  const copy = mirror.of(S1);
  const raw = await new Dexie(name).open();
  await raw.table("packed").clear();
  raw.close();
  const refused: string[] = [];
  for (let seq = 2; seq < 60; seq += 1) {
    const change: Change = { ...cells(seq, 5, [[seq]]), was: [[5]] } as Change;
    await copy.take([change], cursorAt(seq)).catch((error: unknown) => refused.push(String(error)));
    // The checkpoint begins after 3 ms, and finds that a block is gone a little later.
    await new Promise((resolve) => setTimeout(resolve, 3 + (seq % 3)));
  }
  expect(refused).toEqual([]);
});

test("what is committed while a checkpoint runs is folded too when changes pause", async () => {
  const { mirror, name } = await holding(numbered(20_000));
  const copy = mirror.of(S1);
  for (let row = 0; row < 20_000; row += 500) {
    await copy.take([cells(row / 500 + 2, row, [["x"]])], cursorAt(row / 500 + 2));
  }
  const folding = copy.checkpoint();
  await copy.take([cells(42, 0, [["during"]])], cursorAt(42));
  await copy.take([cells(43, 0, [["later"]])], cursorAt(43));
  await folding;
  const raw = await new Dexie(name).open();
  const foldedTo = async (): Promise<number> => ((await raw.table("copies").get(S1)) as { cursor: Cursor }).cursor.seq;
  await expect.poll(foldedTo).toBe(43);
  raw.close();
});

test("a spreadsheet that was forgotten and copied anew is read anew by whoever held the copy before", async () => {
  const { mirror, name } = await holding(numbered(600));
  const reader = (await open(name)).of(S1);
  expect((await reader.viewport(0, { ...all, endRowIndex: 1 }))?.rows).toEqual([[0, "row 0"]]);
  await mirror.of(S1).forget();
  await mirror
    .of(S1)
    .startSnapshot({ ...headOf(1, 1), epoch: "e2" })
    .then(async (writer) => {
      await writer.putLine(lineOf({ sheetId: 0, fromRow: 0, rows: [["another life"]] }));
      await writer.finish();
    });
  expect((await reader.viewport(0, all))?.rows).toEqual([["another life"]]);
  expect((await reader.sheets())?.cursor?.epoch).toBe("e2");
});

test("a writer that held a copy before it was forgotten and copied anew writes nothing over the new one", async () => {
  const { mirror, name } = await holding(numbered(600));
  const other = (await open(name)).of(S1);
  await other.take([cells(2, 0, [["old life"]])], cursorAt(2));
  await mirror.of(S1).forget();
  const writer = await mirror.of(S1).startSnapshot({ ...headOf(2, 1), epoch: "e2" });
  await writer.putLine(lineOf({ sheetId: 0, fromRow: 0, rows: [["another life"]] }));
  await writer.finish();
  await expect(other.take([cells(3, 0, [["old life"]])], cursorAt(3))).rejects.toThrow(GapError);
  expect(await mirror.of(S1).cursor()).toEqual(cursorAt(2, "e2"));
});

test("a copy whose lists cannot be read keeps nobody from the others", async () => {
  const { mirror, name } = await holding(numbered(3));
  await (await mirror.of("spreadsheet-2").startSnapshot(headOf(1, 0))).finish();
  const raw = await new Dexie(name).open();
  const damaged = (grid: { copy: string }): boolean => grid.copy.startsWith(S1);
  await raw
    .table("grids")
    .filter(damaged)
    .modify({ blocks: new Float64Array(0) });
  raw.close();
  expect((await (await open(name)).held()).map(({ spreadsheetId }) => spreadsheetId)).toEqual(["spreadsheet-2"]);
});

test("when the disk is full, a copy that is followed is not given up because nothing changed in it for days", async () => {
  const { name } = await holding([["quiet"]]);
  const later = Date.now() + 3 * 24 * 60 * 60 * 1_000;
  const result = await openMirror(name, { now: () => later });
  if (!result.ok) throw new Error(result.why);
  opened.push(result.mirror);
  const other = result.mirror.of("spreadsheet-2");
  await (await other.startSnapshot(headOf(1, 1))).finish();
  // Somebody looks: the background begins to follow it.
  expect(await result.mirror.of(S1).cursor()).toEqual(cursorAt(1));
  vi.spyOn(IDBObjectStore.prototype, "add").mockImplementationOnce(() => {
    throw new DOMException("full", "QuotaExceededError");
  });
  await expect(other.take([cells(2, 0, [["busy"]])], cursorAt(2))).rejects.toThrow("full");
  expect((await result.mirror.of(S1).viewport(0, all))?.rows).toEqual([["quiet"]]);
});
