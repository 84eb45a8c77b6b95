import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openStore, type Store } from "../store/store.ts";
import { createSqliteLog } from "./engines/sqlite.ts";
import { appendTo, entryAfter, headAfter } from "./log.contract.ts";
import { DamagedError, HeadMovedError, partsOf, type ChangeLog, type Head } from "./log.ts";
import { diceOf } from "../testing/testing.ts";

let folder: string;
let path: string;
let store: Store;
let log: ChangeLog;
let lost: number | undefined;
let faults: unknown[];
let clock: number;
function open(as: "owner" | "guest" = "owner", prepare?: (s: Store) => void): [ChangeLog, Store] {
  const opened = openStore(path, "full");
  prepare?.(opened);
  return [
    createSqliteLog(opened, {
      randomId: randomUUID,
      now: () => clock,
      onFault: (e) => faults.push(e),
      onLost: (n) => {
        lost = n;
      },
      as,
    }),
    opened,
  ];
}
function openAnew(prepare?: (s: Store) => void): void {
  if (store.db.isOpen) store.close();
  lost = undefined;
  [log, store] = open("owner", prepare);
}
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sheetwire-interleavings-"));
  path = join(folder, "sheetwire.db");
  clock = 1_000_000;
  faults = [];
  lost = undefined;
  [log, store] = open();
});
afterEach(() => {
  if (store.db.isOpen) store.close();
  rmSync(folder, { recursive: true, force: true });
});
const count = (sql: string): number => Number(store.db.prepare(sql).get()?.["n"]);
const postOf = (webhookId: string, takenAt = 1_000) => ({
  webhookId,
  bodyHash: "b0d1",
  answer: `{"id":"${webhookId}"}`,
  takenAt,
});
const linesOf = async (l: ChangeLog, id: string): Promise<string[]> => {
  const lines: string[] = [];
  for await (const line of (await l.state(id))?.lines ?? []) lines.push(line);
  return lines;
};
const allTidy = async (): Promise<void> => {
  for (let n = 0; n < 200; n += 1) {
    clock += 10_000;
    if (!(await log.tidy())) return;
    await turn();
  }
};

test("erase leaves nothing, also of what is appended while it puts things in their place", async () => {
  let head = await log.create("sheet-1");
  for (const text of ["a", "b"]) {
    const entry = entryAfter(head, [text]);
    await log.append([{ spreadsheetId: "sheet-1", expected: head, entry }]);
    head = headAfter(head, entry);
  }
  const erasing = log.erase("sheet-1"); // first slice ran, now it awaits a turn
  await log
    .append([
      { spreadsheetId: "sheet-1", expected: head, entry: entryAfter(head, ["SECRET"]), post: postOf("p"), desk: "{}" },
    ])
    .catch(() => "refused");
  await erasing;
  await allTidy();
  expect([
    count("SELECT count(*) n FROM frames"),
    count("SELECT count(*) n FROM desks"),
    count("SELECT count(*) n FROM taken"),
    count("SELECT count(*) n FROM journal"),
  ]).toEqual([0, 0, 0, 0]);
});

test("erase that was killed midway is ended later", async () => {
  let head = await log.create("sheet-1");
  for (let n = 0; n < 600; n += 1) {
    const entry = entryAfter(head, ["SECRET " + "x".repeat(40_000)]);
    await log.append([{ spreadsheetId: "sheet-1", expected: head, entry }]);
    head = headAfter(head, entry);
  }
  await allTidy();
  const before = count("SELECT count(*) n FROM frames");
  const erasing = log.erase("sheet-1").catch(() => "killed");
  for (;;) {
    await turn();
    if (count("SELECT count(*) n FROM frames") < before) break;
  }
  store.close();
  await erasing;
  openAnew();
  await log.erase("sheet-1");
  await allTidy();
  expect(count("SELECT count(*) n FROM frames")).toBe(0);
});

test("a guest that erases another spreadsheet leaves a state that is being written alone", async () => {
  const head = await appendTo(log, "sheet-1", "a");
  await appendTo(log, "sheet-2", "b");
  const lines = Array.from({ length: 8 }, (_, n) => `${n}`.repeat(300_000));
  const saving = log.saveState("sheet-1", { head, lines });
  for (let n = 0; n < 3; n += 1) await turn();
  const [guest, opened] = open("guest");
  const erasing = guest.erase("sheet-2");
  await Promise.all([saving, erasing]);
  opened.close();
  await expect(linesOf(log, "sheet-1")).resolves.toEqual(lines);
});

test("an older state never takes the place of a newer one that the log was trimmed for", async () => {
  const old = await appendTo(log, "sheet-1", "a");
  const lines = Array.from({ length: 10 }, (_, n) => `${n}`.repeat(300_000));
  const saving = log.saveState("sheet-1", { head: old, lines });
  const head = await appendTo(log, "sheet-1", "b", "c");
  await log.saveState("sheet-1", { head, lines: ["new"] });
  await log.trim("sheet-1", head.seq);
  await saving.catch(() => undefined);
  const stored = (await log.state("sheet-1"))?.head.seq ?? 0;
  expect(stored).toBeGreaterThanOrEqual(await log.floor("sheet-1"));
});

test("the floor is the new one after a trim, whatever a guest wrote meanwhile", async () => {
  for (let n = 0; n < 3; n += 1) await appendTo(log, "sheet-1", "x".repeat(400_000));
  const head = (await log.head("sheet-1"))!;
  await log.saveState("sheet-1", { head, lines: ["s"] });
  const [guest, opened] = open("guest");
  await guest.create("another");
  opened.close();
  const trimming = log.trim("sheet-1", 2); // notices the guest with its first slice, and gives a turn
  await log.head("sheet-1"); // anybody asks meanwhile
  await trimming;
  expect(count("SELECT floor_seq n FROM spreadsheets WHERE spreadsheet_id = 'sheet-1'")).toBe(2);
  const error = await log.readAfter("sheet-1", await log.floor("sheet-1"), 1).catch((e: unknown) => e);
  expect([await log.floor("sheet-1"), error instanceof DamagedError]).toEqual([2, false]);
});

/** A spreadsheet with a state to trim for, and a log that is long enough to need a turn to be put in its place. */
async function longLog(): Promise<Head> {
  const head = await appendTo(log, "sheet-1", "a", "b", "c");
  await log.saveState("sheet-1", { head, lines: ["s"] });
  for (let n = 0; n < 3; n += 1) await appendTo(log, "sheet-1", "x".repeat(300_000));
  const [guest, opened] = open("guest");
  await guest.create("another");
  opened.close();
  return (await log.head("sheet-1"))!;
}
test.each(["trim", "restart"] as const)(
  "what is acknowledged while a %s gives a turn stays, whatever a guest wrote before",
  async (work) => {
    const head = await longLog();
    const working = work === "trim" ? log.trim("sheet-1", 3) : log.restart("sheet-1");
    const entry = entryAfter(head, ["acknowledged"]);
    await log.append([{ spreadsheetId: "sheet-1", expected: head, entry }]);
    await working;
    await allTidy();
    openAnew();
    const after = await log.head("sheet-1");
    expect(after).toMatchObject({ seq: head.seq + 1, chain: entry.chain });
    const next = entryAfter(after!, ["next"]);
    await log.append([{ spreadsheetId: "sheet-1", expected: after!, entry: next }]);
    await allTidy();
    expect([lost, faults, await log.head("sheet-1")]).toEqual([undefined, [], headAfter(after!, next)]);
  },
);

test("no desk comes into a new life that was written while damage was looked for", async () => {
  const head = await longLog();
  const restarting = log.restart("sheet-1");
  await log.append([{ spreadsheetId: "sheet-1", expected: head, desk: '{"of":"the life before"}' }]);
  await restarting;
  expect(await log.desk("sheet-1")).toBeUndefined();
  openAnew();
  expect(await log.desk("sheet-1")).toBeUndefined();
});

test("a spreadsheet that a guest removed and added again has the new log", async () => {
  const old = await appendTo(log, "sheet-1", "removed");
  const [guest, opened] = open("guest");
  await guest.erase("sheet-1");
  const fresh = await guest.create("sheet-1");
  opened.close();
  expect(fresh.epoch).not.toBe(old.epoch);
  expect([await log.create("sheet-1"), await log.head("sheet-1")]).toEqual([fresh, fresh]);
  expect(await log.readAfter("sheet-1", 0, 1_000)).toEqual([]);
});

test.each(["runs", "starts later"])(
  "what a guest gives up as damaged begins new lives, whether the relay %s",
  async (when) => {
    await appendTo(log, "sheet-1", "one", "two");
    const before = await appendTo(log, "sheet-1", "three");
    await appendTo(log, "sheet-2", "x");
    const lives: string[] = [];
    log.follow(
      () => {},
      (spreadsheetId) => lives.push(spreadsheetId),
    );
    store.db.exec("UPDATE journal SET frames = CAST('#' || substr(frames, 2) AS BLOB) WHERE id = 2");
    if (when === "starts later") store.close();
    const [guest, opened] = open("guest");
    await guest.erase("sheet-2");
    opened.close();
    if (when === "runs") await log.create("sheet-9");
    else openAnew();
    const after = (await log.head("sheet-1"))!;
    expect([lost, after.seq, after.epoch === before.epoch]).toEqual([1, 2, false]);
    expect(lives.includes("sheet-1")).toBe(when === "runs");
    // It is told once.
    openAnew();
    expect([lost, await log.head("sheet-1")]).toEqual([undefined, after]);
  },
);

test("posts are forgotten also when the clock was ahead for a while", async () => {
  let n = 0;
  const head = await log.create("sheet-1");
  const take = async (many: number, takenAt: number): Promise<void> => {
    for (let i = 0; i < many; i += 1)
      await log.append([{ spreadsheetId: "sheet-1", expected: head, post: postOf(`p${n++}`, takenAt) }]);
  };
  await take(500, 400 * 86_400_000); // a year ahead
  await take(1_500, 1_000);
  for (let minute = 0; minute < 20; minute += 1) await log.forgetPosts(5_000);
  expect(count("SELECT count(*) n FROM taken")).toBe(500);
});

test("one post from the future among the oldest", async () => {
  let n = 0;
  const head = await log.create("sheet-1");
  const take = async (many: number, takenAt: number): Promise<void> => {
    for (let i = 0; i < many; i += 1)
      await log.append([{ spreadsheetId: "sheet-1", expected: head, post: postOf(`p${n++}`, takenAt) }]);
  };
  await take(1, 400 * 86_400_000);
  await take(1_500, 1_000);
  await log.forgetPosts(5_000);
  expect(count("SELECT count(*) n FROM taken")).toBe(1);
});

const readAll = async (id: string): Promise<string[]> => {
  const texts: string[] = [];
  for (let seq = 0; ;) {
    const entries = await log.readAfter(id, seq, 2_000_000);
    if (entries.length === 0) return texts;
    for (const { firstSeq, lastSeq, json } of entries) {
      const parts = partsOf(json);
      if (firstSeq !== seq + 1) throw new Error(`A silent hole: ${firstSeq} after ${seq}.`);
      if (parts.length !== lastSeq - firstSeq + 1) throw new Error(`A silent hole in ${firstSeq} to ${lastSeq}.`);
      texts.push(...parts);
      seq = lastSeq;
    }
  }
};

test("a hole is named also when the disk was full at the start", async () => {
  const texts = ["one", "damaged", "three"];
  for (const t of texts) await appendTo(log, "sheet-1", t + "x".repeat(9_000));
  store.db.exec("UPDATE journal SET frames = CAST('#' || substr(frames, 2) AS BLOB) WHERE id = 2");
  const pages = count("SELECT page_count n FROM pragma_page_count");
  openAnew((s) => s.db.exec(`PRAGMA max_page_count = ${pages}`));
  expect(lost).toBe(1);
  const inMemory = await readAll("sheet-1").catch((e: unknown) => e);
  store.db.exec("PRAGMA max_page_count = 1000000");
  await allTidy();
  const settled = await readAll("sheet-1").catch((e: unknown) => e);
  expect([String(inMemory), String(settled)]).toEqual([
    expect.stringContaining("DamagedError"),
    expect.stringContaining("DamagedError"),
  ]);
});

test("what a guest's write makes the relay take up anew is not missed silently", async () => {
  for (const t of ["one", "two"]) await appendTo(log, "sheet-1", t);
  const before = await log.head("sheet-1");
  const [guest, opened] = open("guest");
  opened.db.exec("UPDATE journal SET frames = CAST('#' || substr(frames, 2) AS BLOB) WHERE id = 2");
  await guest.create("another");
  opened.close();
  await log.create("sheet-9");
  const after = await log.head("sheet-1");
  const isSame = after?.seq === before?.seq;
  expect(isSame || after?.epoch !== before?.epoch || lost !== undefined || faults.length > 0).toBe(true);
});

test("a take-up that breaks off is made good", async () => {
  for (const t of ["one", "two"]) await appendTo(log, "sheet-1", t);
  const before = await log.head("sheet-1");
  const [guest, opened] = open("guest");
  opened.db.exec(
    "CREATE TABLE kept AS SELECT frames FROM journal WHERE id = 2; UPDATE journal SET frames = 'x' WHERE id = 2",
  );
  await guest.create("another").catch(() => undefined);
  await log.create("sheet-8").catch(() => undefined);
  opened.db.exec("UPDATE journal SET frames = (SELECT frames FROM kept) WHERE id = 2");
  opened.close();
  await log.create("sheet-9");
  expect(await log.head("sheet-1")).toEqual(before);
});

test("erase takes what was there when it was called, not what was made after it", async () => {
  await appendTo(log, "sheet-2", "x");
  const erasing = log.erase("sheet-1"); // of which there is no record any more: a guest erased it
  const head = await appendTo(log, "sheet-1", "new, answered 202");
  await erasing;
  expect(await log.head("sheet-1")).toEqual(head);
});

test("on a full disk what may go can go", async () => {
  for (let n = 0; n < 60; n += 1) await appendTo(log, "sheet-1", "x".repeat(20_000));
  const head = (await log.head("sheet-1"))!;
  await log.saveState("sheet-1", { head, lines: ["s"] });
  await allTidy();
  const pages = count("SELECT page_count n FROM pragma_page_count");
  const free = count("SELECT freelist_count n FROM pragma_freelist_count");
  void free;
  store.db.exec(`PRAGMA max_page_count = ${pages}`);
  for (let n = 0; n < 400; n += 1) {
    try {
      await appendTo(log, "sheet-1", "y".repeat(20_000));
    } catch {
      break;
    }
  }
  const did: string[] = [];
  for (const [name, work] of [
    ["kept", () => log.kept("sheet-1")],
    ["dueThrough", () => log.dueThrough("sheet-1", 0, 1)],
    ["trim", () => log.trim("sheet-1", head.seq)],
    ["forgetPosts", () => log.forgetPosts(1)],
  ] as const) {
    did.push(
      `${name} ${await work().then(
        () => "ok",
        (e: unknown) => (e as Error).name,
      )}`,
    );
  }
  expect(did).toEqual(["kept ok", "dueThrough ok", "trim ok", "forgetPosts ok"]);
});

test("one damaged row of taken posts keeps no other spreadsheet from being erased", async () => {
  const head = await log.create("sheet-1");
  await log.append([{ spreadsheetId: "sheet-1", expected: head, post: postOf("post-1") }]);
  await appendTo(log, "sheet-2", "x");
  await log.close();
  store.close();
  const db = new DatabaseSync(path);
  db.exec(`UPDATE taken SET records = '#' || substr(records, 2)`);
  db.close();
  openAnew();
  await expect(log.erase("sheet-2")).resolves.toBeUndefined();
});

test("a damaged journal row's posts are not kept as good", async () => {
  const head = await log.create("sheet-1");
  await log.append([{ spreadsheetId: "sheet-1", expected: head, post: postOf("post-1") }]);
  store.close();
  const db = new DatabaseSync(path);
  db.exec(`UPDATE journal SET records = replace(records, 'b0d1', 'b0d0')`);
  db.close();
  openAnew();
  expect(lost).toBe(1);
  const found = await Promise.resolve(log.takenPost("sheet-1", "post-1")).catch((e: unknown) => e);
  expect(found).not.toMatchObject({ bodyHash: "b0d0" });
});

test("a restart leaves no desk, also when something is appended meanwhile", async () => {
  const head = await appendTo(log, "sheet-1", "a");
  const restarting = log.restart("sheet-1");
  await log.append([{ spreadsheetId: "sheet-1", expected: head, desk: '{"old":1}' }]);
  await restarting;
  expect(await log.desk("sheet-1")).toBeUndefined();
});

test("a post whose changes were lost with a damaged row is not remembered as taken", async () => {
  const head = await log.create("sheet-1");
  await log.append([
    { spreadsheetId: "sheet-1", expected: head, entry: entryAfter(head, ["a"]), post: postOf("post-1") },
  ]);
  store.db.exec("UPDATE journal SET frames = CAST('#' || substr(frames, 2) AS BLOB) WHERE id = 1");
  openAnew();
  expect([lost, (await log.head("sheet-1"))?.seq, await log.takenPost("sheet-1", "post-1")]).toEqual([1, 0, undefined]);
});

test("a spreadsheet that a guest erased is gone, not damaged", async () => {
  await appendTo(log, "sheet-1", "a");
  await allTidy();
  const [guest, opened] = open("guest");
  await guest.erase("sheet-1");
  opened.close();
  expect(await log.readAfter("sheet-1", 0, 1)).toEqual([]);
  expect(await log.head("sheet-1")).toBeUndefined();
  expect(await log.restart("sheet-1")).toBeUndefined();
  expect(count("SELECT count(*) n FROM states")).toBe(0);
});

test("a relay starts on a full disk after it was ended in order, and says that it runs once there is room", async () => {
  await appendTo(log, "sheet-1", "a");
  await log.close();
  let isFull = true;
  openAnew((s) => {
    const { transact } = s;
    const full: Store["transact"] = (work, how) =>
      transact(() => {
        const result = work();
        if (isFull) throw Object.assign(new Error("full"), { errcode: 13 });
        return result;
      }, how);
    Object.assign(s, { transact: full });
  });
  expect(faults).toMatchObject([{ name: "DiskFullError" }]);
  expect((await log.head("sheet-1"))?.seq).toBe(1);
  await expect(appendTo(log, "sheet-1", "b")).rejects.toThrow("no room");
  const mark = (): unknown => store.db.prepare("SELECT value FROM meta WHERE name = 'log'").get()?.["value"];
  expect(mark()).toBe("clean");
  isFull = false;
  await appendTo(log, "sheet-1", "b");
  expect(mark()).toBe("open-full");
});

test("changes go by age also when the clock was ahead for a while, and not before what follows them", async () => {
  const append = async (at: number, text: string): Promise<void> => {
    clock = at;
    await appendTo(log, "sheet-1", text);
    await log.kept("sheet-1");
  };
  const due = (moment: number): Promise<number> => log.dueThrough("sheet-1", moment, Number.MAX_SAFE_INTEGER);
  await append(1_000, "a");
  await append(400 * 86_400_000, "ahead");
  await append(3_000, "b");
  await append(400 * 86_400_000, "ahead again");
  clock = 9_000;
  expect([await due(1_000), await due(2_000), await due(3_001), await due(9_000)]).toEqual([0, 1, 3, 3]);
});

test("what is lost when a row is taken up anew is told of once, and the log goes on in its new life", async () => {
  for (const text of ["one", "two"]) await appendTo(log, "sheet-1", text);
  const before = await log.head("sheet-1");
  const lives: string[] = [];
  log.follow(
    () => {},
    (spreadsheetId) => lives.push(spreadsheetId),
  );
  const [guest, opened] = open("guest");
  opened.db.exec("UPDATE journal SET frames = CAST('#' || substr(frames, 2) AS BLOB) WHERE id = 2");
  await guest.create("another");
  opened.close();
  if (!before) throw new Error("There is no head.");
  await expect(
    log.append([{ spreadsheetId: "sheet-1", expected: before, entry: entryAfter(before, ["three"]) }]),
  ).rejects.toMatchObject({ name: "HeadMovedError" });
  expect([lost, lives.toSorted()]).toEqual([1, ["another", "sheet-1"]]);
  lost = undefined;
  expect((await appendTo(log, "sheet-1", "three")).seq).toBe(2);
  expect([lost, lives.length]).toEqual([undefined, 2]);
});

test("a restart keeps what can be read, also when the log is trimmed meanwhile", async () => {
  let head = await log.create("sheet-1");
  for (let n = 0; n < 300; n += 1) {
    const entry = entryAfter(head, [`${n} ${"x".repeat(40_000)}`]);
    await log.append([{ spreadsheetId: "sheet-1", expected: head, entry }]);
    head = headAfter(head, entry);
  }
  await log.saveState("sheet-1", { head, lines: ["state"] });
  await allTidy();
  const restarting = log.restart("sheet-1");
  await log.trim("sheet-1", 250);
  await restarting;
  expect(await log.floor("sheet-1")).toBe(250);
  expect((await log.readAfter("sheet-1", 250, 1))[0]?.firstSeq).toBe(251);
});

test("a relay that was killed while it started begins a new life of a log that lost something all the same", async () => {
  for (const text of ["one", "two"]) await appendTo(log, "sheet-1", text);
  const before = await log.head("sheet-1");
  store.db.exec("UPDATE journal SET frames = CAST('#' || substr(frames, 2) AS BLOB) WHERE id = 2");
  let writes = 0;
  const killed = (): unknown =>
    openAnew((s) => {
      const { transact } = s;
      const cut: Store["transact"] = (work, how) => {
        // What is put in its place is the first.
        if ((writes += 1) > 1) throw new Error("killed");
        return transact(work, how);
      };
      Object.assign(s, { transact: cut });
    });
  expect(killed).toThrow("killed");
  openAnew();
  expect((await log.head("sheet-1"))?.seq).toBe(1);
  expect((await log.head("sheet-1"))?.epoch).not.toBe(before?.epoch);
});

test.each([41, 86, 101, ...Array.from({ length: 16 }, (_, n) => n)])(
  "housekeeping, commands, ends and kills in any order take nothing away (%i)",
  async (seed) => {
    const roll = diceOf(seed);
    const ids = ["sheet-1", "sheet-2"];
    const known = new Map<string, { head: Head; texts: string[] }>();
    for (const id of ids) known.set(id, { head: await log.create(id), texts: [] });
    let working: Promise<unknown>[] = [];
    const same = (is: unknown, should: unknown): void => expect(is).toEqual(should);
    /** Goes on beside what comes next: a kill may cut it off, and a new life make a state useless. */
    const beside = (work: Promise<unknown>): void => {
      const at = store;
      const isNoFault = (error: unknown): boolean => !at.db.isOpen || error instanceof HeadMovedError;
      working.push(work.catch((error: unknown) => (isNoFault(error) ? undefined : Promise.reject(error))));
      working.at(-1)?.catch(() => undefined);
    };
    const ended = async (): Promise<void> => {
      await Promise.all(working);
      working = [];
    };
    const compare = async (): Promise<void> => {
      for (const [id, { head, texts }] of known) {
        expect([id, await log.head(id)]).toEqual([id, head]);
        for (let seq = await log.floor(id); seq < head.seq;) {
          const entries = await log.readAfter(id, seq, 1 + roll(500_000));
          const from = entries[0]?.firstSeq ?? 0;
          const read = entries.flatMap(({ json }) => partsOf(json));
          expect(read).toEqual(texts.slice(from - 1, from - 1 + read.length));
          expect(from + read.length - 1).toBeGreaterThan(seq);
          seq = from + read.length - 1;
        }
      }
    };
    for (let step = 0; step < 150; step += 1) {
      clock += roll(300);
      const id = ids[roll(4) === 0 ? 1 : 0] ?? "";
      const one = known.get(id)!;
      const what = roll(28);
      if (what < 9) {
        const entry = entryAfter(one.head, [`${step} ${"x".repeat(roll(3) === 0 ? 300_000 : 300)}`]);
        await log.append([{ spreadsheetId: id, expected: one.head, entry, desk: `{"step":${step}}` }]);
        one.head = headAfter(one.head, entry);
        one.texts.push(...partsOf(entry.json));
      } else if (what === 9) beside(log.tidy());
      else if (what < 13) beside(log.saveState(id, { head: one.head, lines: ["s".repeat(200_000)] }));
      else if (what < 18) beside(log.trim(id, Math.max(0, one.head.seq - roll(8))));
      else if (what === 18) beside(log.forgetPosts(clock));
      else if (what < 23) {
        const [guest, opened] = open("guest");
        await guest.create(`other-${step}`);
        if (roll(2) === 0) await guest.erase(`other-${roll(step + 1)}`);
        opened.close();
      } else if (what === 23) {
        const before = one.head;
        one.head = (await log.restart(id))!;
        same(one.head, { ...before, epoch: one.head.epoch });
        same([await log.desk(id), (await log.state(id))?.head], [undefined, one.head]);
      } else if (what < 26) {
        openAnew();
        await ended();
      } else if (what === 26) {
        await ended();
        await log.close();
        openAnew();
      } else {
        await ended();
        await compare();
      }
      for (let turns = roll(2); turns > 0; turns -= 1) await turn();
    }
    await ended();
    await compare();
    expect([lost, faults]).toEqual([undefined, []]);
  },
);
