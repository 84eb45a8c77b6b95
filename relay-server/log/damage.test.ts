/** Files that are not as they were written: found, named, and never served as good. */
import { closeSync, copyFileSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openStore, storeErrorOf, StoreUnreadableError, type Store } from "../store/store.ts";
import { createSqliteLog } from "./engines/sqlite.ts";
import { appendTo } from "./log.contract.ts";
import { DamagedError, type ChangeLog } from "./log.ts";

let folder: string;
let path: string;
let store: Store;
let log: ChangeLog;
let lost: number | undefined;
let faults: unknown[];

function open(): void {
  lost = undefined;
  faults = [];
  store = openStore(path, "full");
  log = createSqliteLog(store, {
    randomId: randomUUID,
    onFault: (error) => void faults.push(error),
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

/** Closes the store, in order or not, changes rows of it, and opens it again. */
async function change(sql: string, how: "closed" | "killed" = "closed"): Promise<void> {
  if (how === "closed") await log.close();
  store.close();
  const db = new DatabaseSync(path);
  expect(db.prepare(sql).run().changes).toBe(1);
  db.close();
  open();
}
const postOf = (webhookId: string) => ({
  webhookId,
  bodyHash: "b0d1",
  answer: `{"id":"${webhookId}"}`,
  takenAt: 1_000,
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
  const bytes = readFileSync(path);
  const file = openSync(path, "r+");
  // Where it stood before it was put in its place may still hold it.
  let found = 0;
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1), found += 1)
    writeSync(file, "#", at + 3);
  closeSync(file);
  expect(found).toBeGreaterThan(0);
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

test("a row whose end was cut off is damage, also where the write-ahead log says how long the file was", async () => {
  const head = await log.create("sheet-1");
  const posts = Array.from({ length: 400 }, (_, n) => ({
    spreadsheetId: "sheet-1",
    expected: head,
    post: postOf(`post-${n}`),
  }));
  await log.append(posts);
  await log.forgetPosts(0);
  store.db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  store.db.exec("INSERT INTO meta VALUES ('beside', 'in the write-ahead log')");
  const cut = join(folder, "cut.db");
  for (const suffix of ["", "-wal"]) copyFileSync(path + suffix, cut + suffix);
  truncateSync(cut, readFileSync(cut).lastIndexOf("post-399"));
  const opened = openStore(cut, "full");
  try {
    let error: unknown;
    try {
      createSqliteLog(opened, { randomId: randomUUID, onFault: (fault) => void faults.push(fault), as: "owner" });
    } catch (thrown) {
      error = thrown;
    }
    expect(storeErrorOf(cut, error)).toBeInstanceOf(StoreUnreadableError);
  } finally {
    opened.close();
  }
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

test.each([
  "records = replace(records, 'b0d1', 'b0d0')",
  "prints = CAST(x'00' || substr(prints, 2) AS BLOB)",
  "taken_at = 9e12",
])("taken posts of which a bit flipped are forgotten and told of, and those of others stay: %s", async (flipped) => {
  const head = await log.create("sheet-1");
  for (const id of ["post-1", "post-2"])
    await log.append([{ spreadsheetId: "sheet-1", expected: head, post: postOf(id) }]);
  await change(`UPDATE taken SET ${flipped} WHERE id = 1`);
  expect([await log.takenPost("sheet-1", "post-1"), await log.takenPost("sheet-1", "post-2")]).toEqual([
    undefined,
    postOf("post-2"),
  ]);
  expect(String(faults)).toContain("1 rows of taken posts are damaged");
  await reopen();
  expect(faults).toEqual([]);
});

test.each([
  "records = replace(records, 'b0d1', 'b0d0')",
  "prints = CAST(x'00' || substr(prints, 2) AS BLOB)",
  "taken_at = 9e12",
  "at = 5",
])("a commit that is not in its place yet is missed when a bit of it flipped: %s", async (flipped) => {
  const head = await log.create("sheet-1");
  await log.append([{ spreadsheetId: "sheet-1", expected: head, post: postOf("post-1") }]);
  await change(`UPDATE journal SET ${flipped}`, "killed");
  expect(lost).toBe(1);
  expect(await log.takenPost("sheet-1", "post-1")).toBeUndefined();
  expect((await log.head("sheet-1"))?.epoch).not.toBe(head.epoch);
});

test.each(["seq = 2", "seq = 40", "chain = 'ffffffffffffffff'", "floor_seq = 3", "epoch = 'another'"])(
  "a record of which a bit flipped begins a new life where its entries end, and keeps nobody from starting: %s",
  async (flipped) => {
    const before = await appendTo(log, "sheet-1", "a", "b", "c", "d");
    await appendTo(log, "sheet-2", "x");
    const other = await log.head("sheet-2");
    await change(`UPDATE spreadsheets SET ${flipped} WHERE spreadsheet_id = 'sheet-1'`);
    expect(faults).toMatchObject([{ name: "DamagedError", spreadsheetId: "sheet-1" }]);
    const head = await log.head("sheet-1");
    expect(head).toMatchObject({ seq: 4, chain: before.chain });
    expect(head?.epoch).not.toBe(before.epoch);
    expect((await log.readAfter("sheet-1", 0, 1_000_000)).map((entry) => entry.lastSeq).at(-1)).toBe(4);
    await appendTo(log, "sheet-1", "goes on");
    await reopen();
    expect(faults).toEqual([]);
    expect([(await log.head("sheet-1"))?.seq, await log.head("sheet-2")]).toEqual([5, other]);
  },
);

test("a record with a flipped bit goes on from its state where no entry is left, and with what is not in its place yet", async () => {
  const head = await appendTo(log, "sheet-1", "a", "b");
  await log.saveState("sheet-1", { head, lines: ["the state"] });
  await log.trim("sheet-1", head.seq);
  await reopen();
  const later = await appendTo(log, "sheet-1", "c");
  await change("UPDATE spreadsheets SET seq = 1", "killed");
  expect(await log.head("sheet-1")).toMatchObject({ seq: 3, chain: later.chain });
  expect(await log.readAfter("sheet-1", 2, 1_000)).toHaveLength(1);
});

test.each(["seq = 0", "pieces = 1", "version = 9", "chain = 'ffffffffffffffff'"])(
  "a state whose row has a flipped bit is not taken for good: %s",
  async (flipped) => {
    const head = await appendTo(log, "sheet-1", "a");
    await log.saveState("sheet-1", { head, lines: ["x".repeat(300_000), "y".repeat(300_000)] });
    await change(`UPDATE states SET ${flipped}`);
    await expect(log.state("sheet-1")).rejects.toThrow(DamagedError);
    expect((await log.kept("sheet-1"))?.stateSeq).toBe(0);
    await log.saveState("sheet-1", { head, lines: ["anew"] });
    expect((await log.state("sheet-1"))?.head).toEqual(head);
  },
);
