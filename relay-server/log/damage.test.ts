/** Files that are not as they were written: found, named, and never served as good. */
import { closeSync, copyFileSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openStore, type Store } from "../store/store.ts";
import { createSqliteLog } from "./engines/sqlite.ts";
import { appendTo } from "./log.contract.ts";
import { DamagedError, type ChangeLog } from "./log.ts";

let folder: string;
let path: string;
let store: Store;
let log: ChangeLog;
let lost: number | undefined;

function open(): void {
  lost = undefined;
  store = openStore(path, "full");
  log = createSqliteLog(store, {
    randomId: randomUUID,
    onFault: (error) => {
      throw error;
    },
    onLost: (commits) => {
      lost = commits;
    },
    as: "owner",
  });
}
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sheetwire-damage-"));
  path = join(folder, "sheetwire.db");
  open();
});
afterEach(() => {
  if (store.db.isOpen) store.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A store that was closed has everything in its place. */
async function reopen(): Promise<void> {
  await log.close();
  store.close();
  open();
}

/** Closes the store, changes one byte of the file where `text` stands in it, and opens it again. */
async function flip(text: string): Promise<void> {
  await log.close();
  store.close();
  const at = readFileSync(path).indexOf(text);
  expect(at).toBeGreaterThan(0);
  const file = openSync(path, "r+");
  writeSync(file, "#", at + 3);
  closeSync(file);
  open();
}

const damage = (seq: number): Promise<unknown> =>
  log.readAfter("sheet-1", seq, 1).then(
    () => "read",
    (error: unknown) => error,
  );

test("a flipped bit in a change is named with its place, and everything else can be read", async () => {
  for (const text of ["before", "the damaged one", "behind"]) await appendTo(log, "sheet-1", text);
  await appendTo(log, "sheet-2", "of another");
  await flip("the damaged one");
  expect((await log.readAfter("sheet-1", 0, 1_000_000)).map((entry) => entry.lastSeq)).toEqual([1]);
  const error = await damage(1);
  expect(error).toBeInstanceOf(DamagedError);
  expect(error).toMatchObject({ spreadsheetId: "sheet-1", afterSeq: 1, throughSeq: 2 });
  expect(String(error)).not.toContain("damaged one");
  expect((await log.readAfter("sheet-1", 2, 1)).map((entry) => entry.firstSeq)).toEqual([3]);
  expect(await log.readAfter("sheet-2", 0, 1)).toHaveLength(1);
});

test("after a restart what lies behind the damage can still be read, and the log goes on", async () => {
  for (const text of ["before", "the damaged one", "behind"]) await appendTo(log, "sheet-1", text);
  await flip("the damaged one");
  await log.restart("sheet-1");
  expect(await log.floor("sheet-1")).toBe(2);
  await appendTo(log, "sheet-1", "goes on");
  expect((await log.readAfter("sheet-1", 2, 1_000_000)).map((entry) => entry.firstSeq)).toEqual([3, 4]);
  expect(await log.chainAt("sheet-1", 1)).toBeUndefined();
});

test("a row that is missing is a hole, and a hole is not read over", async () => {
  for (const text of ["a", "b", "c"]) await appendTo(log, "sheet-1", text);
  await reopen();
  store.db.exec("DELETE FROM frames WHERE last_seq = 2");
  expect(await log.readAfter("sheet-1", 0, 1_000_000)).toHaveLength(1);
  expect(await damage(1)).toBeInstanceOf(DamagedError);
  store.db.exec("DELETE FROM frames WHERE last_seq = 3");
  expect(await damage(1)).toMatchObject({ name: "DamagedError", afterSeq: 1 });
});

test("a state or a desk with a flipped bit is not taken for good", async () => {
  const head = await appendTo(log, "sheet-1", "a");
  await log.append([{ spreadsheetId: "sheet-1", expected: head, desk: '{"desk":"written"}' }]);
  await log.saveState("sheet-1", { head, lines: ['{"state":"written"}', '{"rows":1}'] });
  await flip('{"state":"written"}');
  const read = async (): Promise<unknown> => {
    const lines: string[] = [];
    for await (const line of (await log.state("sheet-1"))?.lines ?? []) lines.push(line);
    return lines;
  };
  await expect(read()).rejects.toThrow(DamagedError);
  await flip('{"desk":"written"}');
  await expect(log.desk("sheet-1")).rejects.toThrow(DamagedError);
});

test("L12 a state that is not written to its end leaves the one before in its place", async () => {
  const head = await appendTo(log, "sheet-1", "a");
  await log.saveState("sheet-1", { head, lines: ["the one before"] });
  function* breaksOff(): Generator<string> {
    yield "x".repeat(600_000);
    yield "y".repeat(600_000);
    throw new Error("The power went.");
  }
  await expect(log.saveState("sheet-1", { head, lines: breaksOff() })).rejects.toThrow("The power went.");
  const lines: string[] = [];
  for await (const line of (await log.state("sheet-1"))?.lines ?? []) lines.push(line);
  expect(lines).toEqual(["the one before"]);
  while (await log.tidy());
  expect(store.db.prepare("SELECT count(*) AS count FROM state_pieces").get()).toEqual({ count: 1 });
});

test("posts that were taken are known after the store was opened again, and no longer once they are forgotten", async () => {
  const head = await log.create("sheet-1");
  const post = { webhookId: "post-1", bodyHash: "b0d1", answer: "{}", takenAt: 1_000 };
  await log.append([{ spreadsheetId: "sheet-1", expected: head, post }]);
  await reopen();
  expect(await log.takenPost("sheet-1", "post-1")).toEqual(post);
  await log.forgetPosts(1_001);
  expect(await log.takenPost("sheet-1", "post-1")).toBeUndefined();
});

test("a log whose end is missing says so at the start, and begins a new life", async () => {
  const head = await appendTo(log, "sheet-1", "stays");
  const files = ["", "-wal"];
  for (const file of files) copyFileSync(`${path}${file}`, `${path}${file}.before`);
  await appendTo(log, "sheet-1", "is lost");
  await appendTo(log, "sheet-1", "is lost too");
  const mark = readFileSync(`${path}.mark`);
  store.close();
  // As after a power cut, or a write-ahead log that was cut short.
  for (const file of files) copyFileSync(`${path}${file}.before`, `${path}${file}`);
  expect(readFileSync(`${path}.mark`)).toEqual(mark);
  open();
  expect(lost).toBe(2);
  const anew = await log.head("sheet-1");
  expect(anew).toMatchObject({ seq: head.seq, chain: head.chain });
  expect(anew?.epoch).not.toBe(head.epoch);
  await appendTo(log, "sheet-1", "goes on");
  store.close();
  open();
  expect(lost).toBeUndefined();
});
