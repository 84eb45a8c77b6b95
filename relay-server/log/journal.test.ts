/** What was committed and is not in its place yet: found as everything else, at any moment and after any end. */
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { crc32 } from "node:zlib";
import { DatabaseSync } from "node:sqlite";
import { FIRST_CHAIN, nextChain } from "@sheetwire/shared/digest";
import { afterEach, beforeEach, expect, test } from "vitest";
import { migrations } from "../store/migrations.ts";
import { openStore, type Store } from "../store/store.ts";
import { createSqliteLog } from "./engines/sqlite.ts";
import { appendTo, entryAfter, headAfter } from "./log.contract.ts";
import { DamagedError, DiskFullError, partsOf, type ChangeLog, type Entry, type Head } from "./log.ts";
import { packPrints, printOf } from "./prints.ts";
import { diceOf } from "../testing/testing.ts";

let folder: string;
let path: string;
let store: Store;
let log: ChangeLog;
let lost: number | undefined;
let clock: number;

function open(as: "owner" | "guest" = "owner"): [ChangeLog, Store] {
  const opened = openStore(path, "full");
  const onFault = (error: unknown): void => {
    throw error;
  };
  const onLost = (commits: number): void => {
    lost = commits;
  };
  return [createSqliteLog(opened, { randomId: randomUUID, now: () => clock, onFault, onLost, as }), opened];
}
/** As after the process was killed: nothing was put in its place, and what comes next finds the files as they are. */
function openAnew(): void {
  if (store.db.isOpen) store.close();
  lost = undefined;
  [log, store] = open();
}
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sheetwire-journal-"));
  path = join(folder, "sheetwire.db");
  clock = 1_000_000;
  lost = undefined;
  [log, store] = open();
});
afterEach(() => {
  if (store.db.isOpen) store.close();
  rmSync(folder, { recursive: true, force: true });
});

const rowsOf = (table: string): number =>
  Number(store.db.prepare(`SELECT count(*) AS count FROM ${table}`).get()?.["count"]);
const postOf = (webhookId: string) => ({
  webhookId,
  bodyHash: "b0d1",
  answer: `{"id":"${webhookId}"}`,
  takenAt: 1_000,
});

/** The texts of all changes; entries that leave a hole or overlap are a fault. */
async function readAll(from: ChangeLog, spreadsheetId: string): Promise<string[]> {
  const changes: string[] = [];
  for (let seq = 0; ;) {
    const entries: readonly Entry[] = await from.readAfter(spreadsheetId, seq, 2_000);
    if (entries.length === 0) return changes;
    for (const entry of entries) {
      if (entry.firstSeq !== seq + 1) throw new Error(`Change ${entry.firstSeq} came after ${seq}.`);
      changes.push(...partsOf(entry.json));
      seq = entry.lastSeq;
    }
  }
}

test("a commit writes one row, whatever it brings, and is put in its place when it is some seconds old", async () => {
  const one = await log.create("sheet-1");
  const two = await log.create("sheet-2");
  await log.append([
    { spreadsheetId: "sheet-1", expected: one, entry: entryAfter(one, ["a"]), post: postOf("p1"), desk: '{"desk":1}' },
    { spreadsheetId: "sheet-2", expected: two, entry: entryAfter(two, ["b"]), post: postOf("p2") },
  ]);
  expect([rowsOf("journal"), rowsOf("frames"), rowsOf("taken"), rowsOf("desks")]).toEqual([1, 0, 0, 0]);
  while (await log.tidy());
  expect(rowsOf("journal")).toBe(1);
  clock += 10_000;
  while (await log.tidy());
  expect([rowsOf("journal"), rowsOf("frames"), rowsOf("taken"), rowsOf("desks")]).toEqual([0, 2, 1, 1]);
  expect(await log.desk("sheet-1")).toBe('{"desk":1}');
  expect(await log.takenPost("sheet-2", "p2")).toEqual(postOf("p2"));
  expect(await log.takenPost("sheet-1", "p2")).toBeUndefined();
});

test("a desk that a relay before this one wrote as a text within the row is read as well", async () => {
  const head = await log.create("sheet-1");
  await log.append([{ spreadsheetId: "sheet-1", expected: head, desk: '{"desk":1}' }]);
  const { id, at, posts_crc: postsCrc, parts, frames } = store.db.prepare("SELECT * FROM journal").get() ?? {};
  const asText = String(parts).replace('{"desk":1}', JSON.stringify('{"desk":1}'));
  expect(asText).not.toBe(parts);
  const crc = crc32(frames as Uint8Array, crc32(asText, crc32([id, at, postsCrc].join(" "))));
  store.db.prepare("UPDATE journal SET parts = ?, crc = ?").run(asText, crc);
  openAnew();
  expect(lost).toBeUndefined();
  expect(await log.desk("sheet-1")).toBe('{"desk":1}');
});

test("at any moment, after any end, the log says what was appended, and so does a guest", async () => {
  const ids = ["sheet-1", "sheet-2", "sheet-3"];
  const roll = diceOf(7);
  const expected = new Map<string, { head: Head; chains: string[]; texts: string[]; desk: string; posts: string[] }>();
  for (const id of ids)
    expected.set(id, { head: await log.create(id), chains: [FIRST_CHAIN], texts: [], desk: "", posts: [] });
  const said: unknown[] = [];
  const right: unknown[] = [];
  const compare = (is: unknown, should: unknown): void => {
    said.push(is);
    right.push(should);
  };
  for (let step = 0; step < 600; step += 1) {
    const group = ids.slice(0, 1 + roll(3)).map((spreadsheetId) => {
      const known = expected.get(spreadsheetId);
      if (!known) throw new Error("Unknown.");
      const texts = Array.from({ length: 1 + roll(3) }, (_, at) => `${step} ${at} ${"é".repeat(roll(300))}`);
      const before = known.head;
      const entry = entryAfter(before, texts);
      known.head = headAfter(before, entry);
      for (const change of partsOf(entry.json)) {
        known.texts.push(change);
        known.chains.push(nextChain(known.chains.at(-1) ?? "", change));
      }
      known.desk = `{"step":${step}}`;
      known.posts.push(`post-${step}`);
      return { spreadsheetId, expected: before, entry, desk: known.desk, post: postOf(`post-${step}`) };
    });
    await log.append(group);
    clock += roll(200);
    const what = roll(40);
    if (what < 12) await log.tidy();
    if (what === 12) while (await log.tidy());
    if (what === 13) openAnew();
    if (what === 14) {
      await log.close();
      openAnew();
    }
    if (what === 15) {
      const [guest, opened] = open("guest");
      await guest.create(`another-${step}`);
      for (const [id, { head }] of expected) compare(await guest.head(id), head);
      opened.close();
    }
    if (what === 16) compare(await log.dueThrough("sheet-1", 0, Number.MAX_SAFE_INTEGER), 0);
    if (what < 20) continue;
    for (const [id, { head, chains, desk, posts }] of expected) {
      compare(await log.head(id), head);
      const seq = roll(head.seq + 1);
      compare(await log.chainAt(id, seq), chains[seq]);
      compare(await log.desk(id), desk || undefined);
      const post = posts[roll(posts.length)];
      compare(post && (await log.takenPost(id, post)), post && postOf(post));
    }
  }
  expect(said).toEqual(right);
  expect(lost).toBeUndefined();
  for (const [id, known] of expected) expect(await readAll(log, id)).toEqual(known.texts);
});

test("a row of the journal that is not as it was written is missed, named, and everything else can be read", async () => {
  const before = await appendTo(log, "sheet-1", "before");
  await log.create("sheet-2");
  await appendTo(log, "sheet-1", "the damaged one");
  await appendTo(log, "sheet-1", "behind");
  await appendTo(log, "sheet-2", "of another");
  store.db.exec("UPDATE journal SET frames = CAST('#' || substr(frames, 2) AS BLOB) WHERE id = 2");
  openAnew();
  expect(lost).toBe(1);
  expect((await log.head("sheet-1"))?.epoch).not.toBe(before.epoch);
  expect(await log.readAfter("sheet-1", 0, 1_000_000)).toHaveLength(1);
  await expect(log.readAfter("sheet-1", 1, 1)).rejects.toThrow(DamagedError);
  expect((await log.readAfter("sheet-1", 2, 1)).map(({ firstSeq }) => firstSeq)).toEqual([3]);
  expect(await readAll(log, "sheet-2")).toHaveLength(1);
});

test("a disk that is full while things are put in their place takes nothing away", async () => {
  let head = await log.create("sheet-1");
  for (let n = 0; n < 50; n += 1) head = await appendTo(log, "sheet-1", `change ${n} ${"x".repeat(2_000)}`);
  const pages = Number(store.db.prepare("PRAGMA page_count").get()?.["page_count"]);
  store.db.exec(`PRAGMA max_page_count = ${pages + 2}`);
  clock += 10_000;
  await expect(log.tidy()).rejects.toThrow(DiskFullError);
  expect(await readAll(log, "sheet-1")).toHaveLength(50);
  store.db.exec("PRAGMA max_page_count = 1000000");
  while (await log.tidy());
  expect(rowsOf("journal")).toBe(0);
  expect(await readAll(log, "sheet-1")).toHaveLength(50);
  expect(await log.head("sheet-1")).toEqual(head);
});

test("a relay starts on a full disk with what is not in its place yet, and puts it there when there is room", async () => {
  let head = await log.create("sheet-1");
  for (let n = 0; n < 50; n += 1) head = await appendTo(log, "sheet-1", `change ${n} ${"x".repeat(2_000)}`);
  store.close();
  const db = new DatabaseSync(path);
  const pages = Number(db.prepare("PRAGMA page_count").get()?.["page_count"]);
  db.close();
  store = openStore(path, "full");
  store.db.exec(`PRAGMA max_page_count = ${pages + 1}`);
  const faults: unknown[] = [];
  log = createSqliteLog(store, {
    randomId: randomUUID,
    now: () => clock,
    onFault: (error) => faults.push(error),
    as: "owner",
  });
  expect(faults).toEqual([expect.any(DiskFullError)]);
  expect(await log.head("sheet-1")).toEqual(head);
  expect(await readAll(log, "sheet-1")).toHaveLength(50);
  store.db.exec("PRAGMA max_page_count = 1000000");
  clock += 10_000;
  while (await log.tidy());
  expect([rowsOf("journal"), rowsOf("frames") > 0]).toEqual([0, true]);
  expect(await readAll(log, "sheet-1")).toHaveLength(50);
});

test("a relay ends on a full disk, and the next one has everything", async () => {
  await log.close();
  store.close();
  const faults: unknown[] = [];
  store = openStore(path, "full");
  log = createSqliteLog(store, { randomId: randomUUID, onFault: (error) => faults.push(error), as: "owner" });
  let head = await log.create("sheet-1");
  for (let n = 0; n < 50; n += 1) head = await appendTo(log, "sheet-1", `change ${n} ${"x".repeat(2_000)}`);
  const pages = Number(store.db.prepare("PRAGMA page_count").get()?.["page_count"]);
  store.db.exec(`PRAGMA max_page_count = ${pages}`);
  await log.close();
  expect(faults).toContainEqual(expect.any(DiskFullError));
  openAnew();
  expect(lost).toBeUndefined();
  expect(await log.head("sheet-1")).toEqual(head);
  expect(await readAll(log, "sheet-1")).toHaveLength(50);
});

test("what another process erased does not come back", async () => {
  await appendTo(log, "sheet-1", "a");
  const [guest, opened] = open("guest");
  await guest.erase("sheet-1");
  opened.close();
  // With its next write the relay notices.
  await log.create("sheet-2");
  expect(await log.create("sheet-1")).toMatchObject({ seq: 0, chain: FIRST_CHAIN });
  openAnew();
  expect(await log.head("sheet-1")).toMatchObject({ seq: 0, chain: FIRST_CHAIN });
});

test("posts that an older store took are still known", async () => {
  await log.close();
  store.close();
  copyFileSync(path, `${path}.new`);
  rmSync(path);
  const db = new DatabaseSync(path);
  for (const step of migrations.slice(0, 3)) db.exec(step);
  db.exec("PRAGMA user_version = 3");
  db.exec("INSERT INTO spreadsheets VALUES (7, 'sheet-1', 'epoch', 0, '0000000000000000', 0, '0000000000000000')");
  db.exec("INSERT INTO meta VALUES ('commits', '2'), ('log', 'clean')");
  const records = JSON.stringify(["p1", "p2"].map((id) => [id, `hash of ${id}`, `{"answer":"${id} \\"quoted\\""}`]));
  db.prepare("INSERT INTO taken VALUES (40, 7, 1000, ?, ?)").run(
    packPrints(["p1", "p2"].map((id) => printOf("sheet-1", id))),
    records,
  );
  db.close();
  openAnew();
  for (const id of ["p1", "p2"]) {
    expect(await log.takenPost("sheet-1", id)).toEqual({
      webhookId: id,
      bodyHash: `hash of ${id}`,
      answer: `{"answer":"${id} \\"quoted\\""}`,
      takenAt: 1_000,
    });
  }
  const head = await log.head("sheet-1");
  if (!head) throw new Error("The spreadsheet is gone.");
  await log.append([{ spreadsheetId: "sheet-1", expected: head, post: postOf("p3") }]);
  await log.close();
  openAnew();
  expect(await log.takenPost("sheet-1", "p3")).toEqual(postOf("p3"));
  expect(await log.takenPost("sheet-1", "p1")).toMatchObject({ bodyHash: "hash of p1" });
});

test("a store of version 4 has checksums afterwards, and what was damaged in it stays so", async () => {
  store.close();
  rmSync(path);
  const db = new DatabaseSync(path);
  for (const step of migrations.slice(0, 4)) db.exec(step);
  db.exec("PRAGMA user_version = 4");
  const chain = "0000000000000000";
  db.exec(`INSERT INTO spreadsheets VALUES (7, 'sheet-1', 'epoch', 0, '${chain}', 0, '${chain}')`);
  db.exec(`INSERT INTO states VALUES (7, 'epoch', 0, '${chain}', 1, 0)`);
  db.exec("INSERT INTO meta VALUES ('commits', '1'), ('log', 'open-full')");
  const recordsOf = (id: string): string => JSON.stringify([[7, id, "b0d1", "{}"]]);
  const prints = (id: string): Buffer => packPrints([printOf("sheet-1", id)]);
  db.prepare("INSERT INTO taken VALUES (1, 1000, ?, ?)").run(prints("p1"), recordsOf("p1"));
  const add = db.prepare("INSERT INTO journal VALUES (?, 1000, 1000, ?, '[]', ?, ?, x'')");
  const crc = (id: number, records: string): number => crc32(records, crc32("[]", crc32(String(id))));
  add.run(2, crc(2, recordsOf("p2")), recordsOf("p2"), prints("p2"));
  add.run(3, crc(3, recordsOf("p3")) ^ 1, recordsOf("p3"), prints("p3"));
  db.close();
  openAnew();
  expect(lost).toBe(1);
  const known = await Promise.all(["p1", "p2", "p3"].map(async (id) => log.takenPost("sheet-1", id)));
  expect(known.map((post) => post?.webhookId)).toEqual(["p1", "p2", undefined]);
  expect((await log.state("sheet-1"))?.head).toMatchObject({ seq: 0, chain });
});
