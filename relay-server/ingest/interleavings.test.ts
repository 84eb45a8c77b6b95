import { createHmac, randomBytes, randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { nextChain } from "@sheetwire/shared/digest";
import type { PostAnswer, Reading } from "@sheetwire/shared/protocol";
import type { ChangeLog, DamagedError } from "../log/log.ts";
import { createSqliteLog } from "../log/engines/sqlite.ts";
import { openStore, type Store } from "../store/store.ts";
import { SheetDouble } from "../wants/sheet-double.ts";
import { createIngest, type Ingest, type PostHeaders } from "./ingest.ts";

const key = randomBytes(32);
let now = 1_800_000_000_000;
let log: ChangeLog;
let store: Store;
let folder: string;
let ingest: Ingest;
let sheet: SheetDouble;
let posts = 0;
let keys: Buffer[] = [key];
let damages: DamagedError[] = [];
let faults: string[] = [];
const open = (): Ingest =>
  createIngest({
    log,
    keysOf: () => keys,
    now: () => now,
    onFault: (error) => void faults.push(String(error)),
    onDamage: (d) => damages.push(d),
  });
beforeEach(() => {
  now = 1_800_000_000_000;
  keys = [key];
  damages = [];
  faults = [];
  sheet = new SheetDouble([{ sheetId: 7, title: "One", columns: 3, rows: [["a", "b", "c"], ["d"], []] }]);
  sheet.now = now;
  folder = mkdtempSync(join(tmpdir(), "sheetwire-interleavings-"));
  store = openStore(join(folder, "s.db"), "full");
  log = createSqliteLog(store, {
    randomId: randomUUID,
    now: () => now,
    onFault: (error) => void faults.push(String(error)),
    as: "owner",
  });
  ingest = open();
});
afterEach(() => {
  store.close();
  rmSync(folder, { recursive: true, force: true });
});
function sign(body: Buffer): PostHeaders {
  const id = `msg_${(posts += 1)}`;
  const timestamp = String(Math.floor(now / 1000));
  const hmac = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest("base64");
  return { id, timestamp, signature: `v1,${hmac}` };
}
const send = (post: unknown) => {
  const body = Buffer.from(JSON.stringify(post));
  return ingest.take(sheet.spreadsheetId, sign(body), body);
};
async function copy(): Promise<void> {
  const run = sheet.newRun();
  let readings: Reading[] = [sheet.sheets()];
  for (let n = 0; n < 20 && readings.length > 0; n += 1) {
    const result = await send(sheet.post(run, n, "install", readings));
    if (!result.ok) throw new Error(result.code);
    readings = (JSON.parse(result.answer) as PostAnswer).wants.map((want) => sheet.answer(want));
  }
  now += 10_000;
  sheet.now = now;
}

test("a post that waited while its spreadsheet was removed does not bring it back", async () => {
  await copy();
  const run = sheet.newRun();
  const answering = send(sheet.post(run, 0, "edit", [sheet.edit(7, 0, 0, 1, 1)]));
  // as keepKnown does when it sees that the spreadsheet was removed
  keys = [];
  ingest.forget(sheet.spreadsheetId);
  await log.erase(sheet.spreadsheetId);
  const answer = await answering;
  for (let n = 0; n < 20; n += 1) await turn();
  now += 10_000;
  while (await log.tidy()) await turn();
  const left = ["frames", "desks", "taken", "journal", "spreadsheets"].map((t) =>
    Number(store.db.prepare(`SELECT count(*) n FROM ${t}`).get()?.["n"]),
  );
  expect(answer.ok).toBe(false);
  expect(left).toEqual([0, 0, 0, 0, 0]);
});

test("a post that waited while its spreadsheet was removed does not bring it back", async () => {
  await copy();
  while (await log.tidy()) await turn();
  const run = sheet.newRun();
  const answering = send(sheet.post(run, 0, "edit", [sheet.edit(7, 0, 0, 1, 1)]));
  // as keepKnown does when it sees that the spreadsheet was removed
  keys = [];
  ingest.forget(sheet.spreadsheetId);
  await log.erase(sheet.spreadsheetId);
  const answer = await answering;
  expect([answer.ok, await log.head(sheet.spreadsheetId)]).toEqual([false, undefined]);
});

test("a desk that was half folded is not stored", async () => {
  await copy();
  now += 10_000;
  sheet.now = now;
  const run = sheet.newRun();
  const good = sheet.post(run, 0, "edit", []);
  sheet.grid(7).rows[0] = ["new", "b", "c"];
  const bad = sheet.post(
    run,
    1,
    "edit",
    [{ kind: "lists", readAt: [now, now] } as never, sheet.edit(7, 0, 0, 1, 1)].slice(1),
  );
  const live = await ingest.stateOf(sheet.spreadsheetId);
  live!.apply = () => {
    throw new Error("breaks off");
  }; // any fault of ours in a fold
  const [first, second] = await Promise.all([send(good), send(bad)]);
  const stored = JSON.parse((await log.desk(sheet.spreadsheetId))!) as {
    order: number;
    sheets: { seen?: { rows: number }; layout: number }[];
  };
  // They were folded together, so both were refused, and nothing of them is there.
  expect([first.ok, second.ok]).toEqual([false, false]);
  expect(stored.order).toBe(5);
  expect(faults).toEqual(["Error: breaks off"]);
});
test("a listener that throws does not end the taking of posts", async () => {
  await copy();
  const stop = ingest.onFacts(() => {
    throw new Error("a listener");
  });
  const run = sheet.newRun();
  const unhandled: unknown[] = [];
  const note = (e: unknown): void => void unhandled.push(e);
  const others = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", note);
  const first = await send(sheet.post(run, 0, "edit", []));
  stop();
  const second = await Promise.race([
    send(sheet.post(run, 1, "edit", [])),
    new Promise((r) => setTimeout(() => r("never answered"), 500)),
  ]);
  process.removeListener("unhandledRejection", note);
  for (const o of others) process.on("unhandledRejection", o);
  expect([first.ok, unhandled, faults]).toEqual([true, [], ["Error: a listener"]]);
  expect(second).toMatchObject({ ok: true });
});

test("nobody is told of what was folded onto what had just been loaded and found no room", async () => {
  await copy();
  await ingest.storeState(sheet.spreadsheetId);
  const before = await log.head(sheet.spreadsheetId);
  const { transact } = store;
  const full: Store["transact"] = (work, how) =>
    transact(() => {
      work();
      throw Object.assign(new Error("full"), { errcode: 13 });
    }, how);
  Object.assign(store, { transact: full });
  sheet.grid(7).rows[0] = ["new", "b", "c"];
  const seen: unknown[] = [];
  const read = async (): Promise<void> => {
    const state = await ingest.stateOf(sheet.spreadsheetId);
    seen.push([state?.head, state?.row(7, 0)?.[0]]);
  };
  for (let turns = 0; turns < 6; turns += 1) {
    ingest.forget(sheet.spreadsheetId);
    const answering = send(sheet.post(sheet.newRun(), 0, "edit", [sheet.edit(7, 0, 0, 1, 1)]));
    const reading = [read()];
    for (let n = 0; n < turns; n += 1) {
      await turn();
      reading.push(read());
    }
    expect(await answering).toMatchObject({ ok: false, code: "disk-full" });
    await Promise.all(reading);
  }
  for (const one of seen) expect(one).toEqual([before, "a"]);
});

/** A guest sees that the last commit is not as it was written, and the relay what the guest wrote. */
async function loseLastCommit(): Promise<void> {
  store.db.exec(
    "UPDATE journal SET frames = CAST('#' || substr(frames, 2) AS BLOB) WHERE id = (SELECT max(id) FROM journal)",
  );
  const beside = openStore(join(folder, "s.db"), "full", "guest");
  const onFault = (): undefined => undefined;
  await createSqliteLog(beside, { randomId: randomUUID, now: () => now, onFault, as: "guest" }).create("another");
  beside.close();
  // as keepKnown does when it sees the other one
  await log.create("another");
}

test("a spreadsheet in memory is of the life that its log began since", async () => {
  await copy();
  const before = await log.head(sheet.spreadsheetId);
  expect((await ingest.stateOf(sheet.spreadsheetId))?.head).toEqual(before);
  await loseLastCommit();
  const head = await log.head(sheet.spreadsheetId);
  expect(head?.seq).toBeLessThan(before?.seq ?? 0);
  expect((await ingest.stateOf(sheet.spreadsheetId))?.head).toEqual(head);
});

test("a spreadsheet is of the life that its log began while it was loaded", async () => {
  await copy();
  await ingest.storeState(sheet.spreadsheetId);
  const head = await log.create("third");
  const entry = { firstSeq: 1, lastSeq: 1, json: '[{"kind":"none"}]', chain: nextChain(head.chain, '{"kind":"none"}') };
  await log.append([{ spreadsheetId: "third", expected: head, entry }]);
  ingest.forget(sheet.spreadsheetId);
  const loading = ingest.stateOf(sheet.spreadsheetId);
  await loseLastCommit();
  const state = await loading;
  expect(state?.row(7, 0)).toEqual(["a", "b", "c"]);
  expect(state?.head).toEqual(await log.head(sheet.spreadsheetId));
});
