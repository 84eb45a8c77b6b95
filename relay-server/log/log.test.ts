import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { afterEach, describe, expect, test } from "vitest";
import { openStore, StoreTooNewError, StoreUnreadableError, type Durability, type Store } from "../store/store.ts";
import { createMemoryLog } from "./engines/memory.ts";
import { createSqliteLog } from "./engines/sqlite.ts";
import { appendTo, changeLogContract, entryAfter } from "./log.contract.ts";
import { DiskFullError, laterPart, partsOf, type ChangeLog, type Head } from "./log.ts";

const folders: string[] = [];
const stores: Store[] = [];
afterEach(() => {
  for (const store of stores.splice(0)) if (store.db.isOpen) store.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function newPath(): string {
  const folder = mkdtempSync(join(tmpdir(), "sheetwire-log-"));
  folders.push(folder);
  return join(folder, "sheetwire.db");
}

const noFault = (error: unknown): void => {
  throw error;
};

function openSqlite(
  path: string,
  durability: Durability = "full",
  as: "owner" | "guest" = "owner",
): [ChangeLog, Store] {
  const store = openStore(path, durability);
  stores.push(store);
  return [createSqliteLog(store, { randomId: randomUUID, onFault: noFault, as }), store];
}

describe("memory", () => changeLogContract(async () => createMemoryLog({ randomId: randomUUID })));
describe("sqlite", () => changeLogContract(async () => openSqlite(newPath())[0]));

test("what was appended is there when the store is opened again, and the epoch stays after a clean end", async () => {
  const path = newPath();
  for (const durability of ["full", "normal"] as const) {
    const [log, store] = openSqlite(path, durability);
    const head = await appendTo(log, "sheet-1", "a");
    await log.close();
    store.close();
    const [again] = openSqlite(path, durability);
    expect(await again.head("sheet-1")).toEqual(head);
  }
});

test("after an unclean end under durability normal every epoch is renewed; seq, chain and state stay", async () => {
  const path = newPath();
  const [log, store] = openSqlite(path, "normal");
  const head = await appendTo(log, "sheet-1", "a");
  await log.saveState("sheet-1", { head, lines: ["{}"] });
  store.close();
  const [again] = openSqlite(path, "normal");
  const renewed = await again.head("sheet-1");
  expect(renewed).toMatchObject({ seq: head.seq, chain: head.chain });
  expect(renewed?.epoch).not.toBe(head.epoch);
  expect((await again.state("sheet-1"))?.head).toEqual(renewed);
});

test("after an unclean end under durability full nothing can be missing, so the epoch stays", async () => {
  const path = newPath();
  const [log, store] = openSqlite(path, "full");
  const head = await appendTo(log, "sheet-1", "a");
  store.close();
  const [again] = openSqlite(path, "full");
  expect(await again.head("sheet-1")).toEqual(head);
});

test("a guest beside a running relay does not look like an unclean start", async () => {
  const path = newPath();
  const [log] = openSqlite(path, "normal");
  const head = await appendTo(log, "sheet-1", "a");
  const [guest, store] = openSqlite(path, "normal", "guest");
  expect(await guest.head("sheet-1")).toEqual(head);
  await guest.close();
  store.close();
  expect(await log.head("sheet-1")).toEqual(head);
});

test("a store of a newer version is refused in words, and not touched", () => {
  const path = newPath();
  openSqlite(path)[1].close();
  const db = new DatabaseSync(path);
  db.exec("PRAGMA user_version = 999");
  db.close();
  expect(() => openStore(path, "full")).toThrow(StoreTooNewError);
  expect(() => openStore(path, "full")).toThrow(/store version 999.*Update Sheetwire/s);
});

test("a file that is no database is refused in words, and not touched", () => {
  const path = newPath();
  writeFileSync(path, "this is a letter to my aunt, not a database ".repeat(50));
  const before = statSync(path).size;
  expect(() => openStore(path, "full")).toThrow(StoreUnreadableError);
  expect(statSync(path).size).toBe(before);
});

test("the database can be read by its owner alone", () => {
  const path = newPath();
  openSqlite(path);
  expect(statSync(path).mode & 0o077).toBe(0);
});

test("a full disk is named, keeps what was stored, and ends when there is room again", async () => {
  const [log, store] = openSqlite(newPath());
  const head = await appendTo(log, "sheet-1", "a");
  // A page limit makes SQLite say what it says on a full disk.
  const pages = Number(store.db.prepare("PRAGMA page_count").get()?.["page_count"]);
  store.db.exec(`PRAGMA max_page_count = ${pages + 1}`);
  const large = entryAfter(head, ["x".repeat(200_000)]);
  await expect(log.append([{ spreadsheetId: "sheet-1", expected: head, entry: large }])).rejects.toThrow(DiskFullError);
  expect(await log.head("sheet-1")).toEqual(head);
  store.db.exec("PRAGMA max_page_count = 1000000");
  await log.append([{ spreadsheetId: "sheet-1", expected: head, entry: large }]);
  expect((await log.head("sheet-1"))?.seq).toBe(2);
});

test("L2 what was acknowledged is there after the process is killed in the middle of its work", async () => {
  const path = newPath();
  const writer = join(import.meta.dirname, "writer.fixture.ts");
  for (let round = 0; round < 3; round += 1) {
    const child = spawn(process.execPath, [writer, path], { stdio: ["ignore", "pipe", "inherit"] });
    let acknowledged = 0;
    await new Promise<void>((resolve, reject) => {
      let text = "";
      child.on("error", reject);
      child.stdout.on("data", (data: Buffer) => {
        text += data.toString();
        const lines = text.split("\n");
        text = lines.pop() ?? "";
        for (const line of lines) acknowledged = Number(line);
        if (lines.length > 0 && acknowledged % 1_000 >= 20 + round * 7) child.kill("SIGKILL");
      });
      child.on("close", () => resolve());
    });
    const [log, store] = openSqlite(path);
    const head = await log.head("sheet-1");
    expect(acknowledged).toBeGreaterThan(0);
    expect(head?.seq).toBeGreaterThanOrEqual(acknowledged);
    const entries = await log.readAfter("sheet-1", 0, Number.MAX_SAFE_INTEGER);
    expect(entries.map((entry) => entry.firstSeq)).toEqual(entries.map((_, at) => at + 1));
    expect(entries.at(-1)?.chain).toBe(head?.chain);
    expect(await log.takenPost("sheet-1", `post-${acknowledged}`)).toBeDefined();
    store.close();
  }
}, 60_000);

test("an entry is cut at a seq without touching its changes' text", async () => {
  const changes = ['{"seq":1,"a":"],[{"}', '{"seq":2,"b":[[1,2],{"c":"\\"}"}]}', '{"seq":3}'];
  const log = createMemoryLog({ randomId: randomUUID });
  const head = await log.create("sheet-1");
  const whole = { firstSeq: 1, lastSeq: 3, json: `[${changes.join(",")}]`, chain: "0123456789abcdef" };
  await log.append([{ spreadsheetId: "sheet-1", expected: head, entry: whole }]);
  const [entry] = await log.readAfter("sheet-1", 0, 1);
  if (!entry) throw new Error("Nothing was stored.");
  expect(partsOf(entry.json)).toEqual(changes);
  expect(laterPart("sheet-1", entry, 0)).toBe(entry);
  const cut = laterPart("sheet-1", entry, 1);
  expect(cut).toMatchObject({ firstSeq: 2, lastSeq: 3, chain: entry.chain });
  expect(partsOf(cut.json)).toEqual(changes.slice(1));
});

test("the memory of an entry that was read from the store is back as soon as it is released", async () => {
  const path = newPath();
  const [written] = openSqlite(path);
  await appendTo(written, "sheet-1", "a", "b");
  // Until it is in its place it is held for everybody.
  await written.close();
  const [log] = openSqlite(path);
  const [entry] = await log.readAfter("sheet-1", 0, 1);
  expect(entry?.frame.length).toBeGreaterThan(0);
  entry?.release();
  expect(entry?.frame.length).toBe(0);
  await log.close();
});

test("erasing a spreadsheet leaves none of its posts, however far apart they are, and those of others stay", async () => {
  const [log, store] = openSqlite(newPath());
  const ours = await appendTo(log, "sheet-1", "a");
  const theirs = await appendTo(log, "sheet-2", "a");
  const take = (spreadsheetId: string, expected: Head, webhookId: string): Promise<void> =>
    log.append([{ spreadsheetId, expected, post: { webhookId, bodyHash: "h", answer: "{}", takenAt: 1 } }]);
  await take("sheet-1", ours, "first");
  for (let n = 0; n < 60; n += 1) await take("sheet-2", theirs, `other ${n}`);
  await take("sheet-1", ours, "last");
  await log.erase("sheet-1");
  expect(store.db.prepare("SELECT count(*) AS count FROM taken").get()).toEqual({ count: 60 });
  expect(await log.takenPost("sheet-2", "other 7")).toMatchObject({ webhookId: "other 7" });
});
