import { createHmac, randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Change, PostAnswer, Reading } from "@sheetwire/shared/protocol";
import { createFanOut, type FanOut, type Reader } from "../fan-out/fan-out.ts";
import { partsOf, type ChangeLog, type Head } from "../log/log.ts";
import { createSqliteLog } from "../log/engines/sqlite.ts";
import { SpreadsheetState } from "../sheets/sheets.ts";
import { openStore, type Store } from "../store/store.ts";
import { diceOf } from "../testing/testing.ts";
import { SheetDouble } from "../wants/sheet-double.ts";
import { createIngest, type Ingest, type IngestResult, type PostHeaders } from "./ingest.ts";

const key = Buffer.alloc(32, 7);
let folder: string;
let path: string;
let clock: number;
let store: Store;
let log: ChangeLog;
let ingest: Ingest;
let fanOut: FanOut;
let faults: string[];
let lost: number;
let isFull: boolean;
/** With nothing, whatever is not used for ten seconds rests. */
let holdBytes = 0;

function openAll(): void {
  if (store?.db.isOpen) store.close();
  store = openStore(path, "full");
  const mine = store;
  const { transact } = mine;
  const changes = mine.db.prepare("SELECT total_changes() n");
  const cut: Store["transact"] = (work, how) =>
    transact(() => {
      const before = changes.get()?.["n"];
      const result = work();
      if (changes.get()?.["n"] === before) return result;
      // A look writes nothing, and needs no room.
      if (isFull) throw Object.assign(new Error("full"), { errcode: 13 });
      return result;
    }, how);
  Object.assign(mine, { transact: cut });
  const onFault = (e: unknown): void => {
    if (mine.db.isOpen) faults.push(String(e) + ((e as Error)?.stack ?? ""));
  };
  log = createSqliteLog(mine, {
    randomId: randomUUID,
    now: () => clock,
    onFault,
    onLost: (n) => (lost += n),
    as: "owner",
  });
  ingest = createIngest({
    log,
    keysOf: () => [key],
    now: () => clock,
    onFault,
    postsPerSecond: Number.POSITIVE_INFINITY,
    holdBytes,
    onDamage: (d) => onFault(d),
  });
  fanOut = createFanOut({ log, elapsed: () => 0, onFault });
}
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sheetwire-random-"));
  path = join(folder, "s.db");
  clock = 1_800_000_000_000;
  faults = [];
  lost = 0;
  isFull = false;
  openAll();
});
afterEach(() => {
  if (store.db.isOpen) store.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A reader that keeps a copy. */
class Copy {
  state: SpreadsheetState | undefined;
  at: Head | undefined;
  epoch = "";
  waiting: { firstSeq: number; lastSeq: number; chain: string; texts: string[]; epoch: string }[] = [];
  wantsSnapshot = false;
  ended: string | undefined;
  generation = 0;
  snapshots = 0;
  readonly id: string;
  constructor(id: string) {
    this.id = id;
  }
  reader: Reader | undefined;
  dial(): void {
    this.generation += 1;
    const mine = this.generation;
    this.ended = undefined;
    const isMine = (): boolean => this.generation === mine;
    this.reader = {
      begin: ({ from, head, recovered }) => {
        if (!isMine()) return;
        this.epoch = head.epoch;
        this.waiting = [];
        if (recovered && this.at) {
          const { epoch, seq, chain } = this.at;
          if (from.epoch !== epoch || from.seq !== seq || from.chain !== chain) problems.push("recovered elsewhere");
          this.wantsSnapshot = false;
        } else void this.fetch(from.seq);
      },
      deliver: (entries) => {
        if (!isMine()) return;
        for (const { firstSeq, lastSeq, chain, json } of entries)
          this.waiting.push({ firstSeq, lastSeq, chain, texts: partsOf(json), epoch: this.epoch });
        if (!this.wantsSnapshot) this.applyAll();
      },
      refetch: (_, at) => {
        if (!isMine()) return;
        this.waiting = [];
        void this.fetch(at.seq);
      },
      tell: () => undefined,
      queuedBytes: () => 0,
      drained: async () => {
        if (slow(3) === 0) await turn();
      },
      end: (code) => {
        if (isMine()) this.ended = code;
      },
    };
    fanOut.join(this.id, this.at, this.reader);
  }
  async fetch(least: number): Promise<void> {
    this.wantsSnapshot = true;
    const mine = this.generation;
    const { epoch } = this;
    const from = ingest;
    for (let tries = 0; tries < 400; tries += 1) {
      if (mine !== this.generation || epoch !== this.epoch) return;
      let found: SpreadsheetState | undefined;
      try {
        found = await from.stateOf(this.id);
      } catch {
        found = undefined;
      }
      this.snapshots += 1;
      if (mine !== this.generation || epoch !== this.epoch || !this.wantsSnapshot) return;
      if (found && found.head.epoch === epoch) {
        const { head } = found;
        if (head.seq < least) problems.push(`snapshot at ${head.seq} behind ${least}`);
        const lines = [...found.snapshotLines()];
        const copy = found.spreadsheet ? await SpreadsheetState.fromLines(this.id, lines) : undefined;
        if (mine !== this.generation || epoch !== this.epoch || !this.wantsSnapshot) return;
        this.state = copy ?? new SpreadsheetState(this.id, head);
        this.state.head = head;
        this.at = head;
        this.wantsSnapshot = false;
        this.applyAll();
        return;
      }
      await turn();
    }
  }
  applyAll(): void {
    for (const { firstSeq, lastSeq, chain, texts, epoch } of this.waiting.splice(0)) {
      if (!this.at || !this.state || epoch !== this.at.epoch) {
        problems.push("entry of another life");
        continue;
      }
      if (lastSeq <= this.at.seq) continue;
      if (firstSeq > this.at.seq + 1) problems.push(`hole: ${this.at.seq} then ${firstSeq}`);
      for (const text of texts.slice(this.at.seq + 1 - firstSeq)) this.state.apply(JSON.parse(text) as Change);
      this.at = { epoch, seq: lastSeq, chain };
      this.state.head = this.at;
    }
  }
}
const problems: string[] = [];
let slow = diceOf(1);

type Sent = { id: string; body: string; headers: PostHeaders; answer: PostAnswer; text: string };

const seeds = Number(process.env["SEEDS"] ?? 12);
const base = Number(process.env["BASE"] ?? 0);
test.each(Array.from({ length: seeds }, (_, n) => base + n))(
  "posts, commands, kills and full disks (%i)",
  async (seed) => {
    problems.length = 0;
    slow = diceOf(seed + 7);
    const roll = diceOf(seed);
    const big = roll(2) === 0;
    holdBytes = seed % 2 === 0 ? 0 : Number.POSITIVE_INFINITY;
    openAll();
    const ids = ["sheet-0001", "sheet-0002"];
    const sheets = new Map(
      ids.map((id) => {
        const rows = Array.from({ length: 40 }, (_, n) => [`${n}`, "b", "x".repeat(100)]);
        const sheet = new SheetDouble([{ sheetId: 7, title: "One", columns: 3, rows }], id);
        sheet.now = clock;
        return [id, sheet];
      }),
    );
    for (const id of ids) await log.create(id);
    const copies: Copy[] = [];
    const acked = new Map<string, Sent[]>(ids.map((id) => [id, []]));
    const working = new Set<Promise<unknown>>();
    const beside = (work: Promise<unknown>): void => {
      const mine = store;
      const one = work.catch((e: unknown) => {
        if (!mine.db.isOpen || ["HeadMovedError", "DiskFullError"].includes((e as Error).name)) return;
        problems.push(`beside: ${String((e as Error).stack)}`);
      });
      working.add(one);
      void one.finally(() => working.delete(one));
    };
    let n = 0;
    const sign = (body: string): PostHeaders => {
      const id = `msg_${(n += 1)}`;
      return signAs(id, body);
    };
    const signAs = (id: string, body: string): PostHeaders => {
      const timestamp = String(Math.floor(clock / 1000));
      const hmac = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest("base64");
      return { id, timestamp, signature: `v1,${hmac}` };
    };
    const pendingWants = new Map<string, Reading[]>();
    const removedAt = new Map<string, number>(ids.map((id) => [id, 0]));
    const sendBody = async (id: string, body: string, headers: PostHeaders): Promise<void> => {
      const mine = store;
      const times = removedAt.get(id);
      const result: IngestResult = await ingest.take(id, headers, Buffer.from(body));
      if (!mine.db.isOpen || mine !== store || !result.ok) {
        if (
          !result.ok &&
          mine.db.isOpen &&
          !["busy", "disk-full", "rate-limited", "shutting-down"].includes(result.code)
        )
          problems.push(`refused: ${result.code}`);
        return;
      }
      const answer = JSON.parse(result.answer) as PostAnswer;
      if (times !== removedAt.get(id)) return; // removed meanwhile
      const before = acked.get(id)?.find((one) => one.headers.id === headers.id);
      if (before && before.text !== result.answer) problems.push(`another answer for ${headers.id}`);
      if (!before) acked.get(id)?.push({ id, body, headers, answer, text: result.answer });
      const sheet = sheets.get(id)!;
      pendingWants.set(
        id,
        answer.wants.map((want) => sheet.answer(want)),
      );
    };
    const sendReadings = (id: string, readings: Reading[]): void => {
      const sheet = sheets.get(id)!;
      const body = JSON.stringify(sheet.post(sheet.newRun(), 0, "edit", readings));
      const headers = sign(body);
      beside(sendBody(id, body, headers));
      if (roll(4) === 0) beside(sendBody(id, body, headers));
    };
    const checkAcked = async (): Promise<void> => {
      for (const [id, list] of acked) {
        const head = await log.head(id);
        const last = list.reduce((most, { answer }) => Math.max(most, answer.seq), 0);
        if (!head || head.seq < last) problems.push(`${id}: acknowledged ${last}, the log ends at ${head?.seq}`);
        for (const one of list.slice(-3)) {
          const taken = await log.takenPost(id, one.headers.id ?? "");
          if (taken?.answer !== one.text) problems.push(`${id}: ${one.headers.id} is not remembered`);
        }
      }
    };
    const keepKnown = new Set<string>();
    const look = (): void => {
      for (const id of keepKnown) {
        ingest.forget(id);
        beside(log.create(id));
      }
      keepKnown.clear();
    };
    for (let step = 0; step < 160; step += 1) {
      clock += roll(20) === 0 ? 10_000 : roll(400);
      if (roll(40) === 0) clock -= 3_000;
      for (const sheet of sheets.values()) sheet.now = clock;
      const id = ids[roll(3) === 0 ? 1 : 0] ?? "";
      const sheet = sheets.get(id)!;
      const what = roll(34);
      if (what < 10) {
        for (let many = 1 + roll(3); many > 0; many -= 1) {
          const row = roll(40);
          sheet.grid(7).rows[row] = [`${step} ${many}`, "b", "x".repeat(roll(big ? 30_000 : 3000))];
          sendReadings(id, [sheet.edit(7, row, 0, 1, 1)]);
        }
      } else if (what < 13) {
        sendReadings(id, pendingWants.get(id)?.length ? pendingWants.get(id)! : [sheet.sheets()]);
        pendingWants.delete(id);
      } else if (what === 13) beside(log.tidy());
      else if (what === 14) beside(ingest.storeState(id));
      else if (what === 15) beside(log.head(id).then((head) => log.trim(id, Math.max(0, (head?.seq ?? 0) - roll(8)))));
      else if (what === 16) beside(log.forgetPosts(clock - 86_400_000));
      else if (what < 19) {
        const copy = new Copy(id);
        if (copies.length < 5) copies.push(copy);
        if (copies.includes(copy)) copy.dial();
      } else if (what === 19 && copies.length > 0) {
        const copy = copies[roll(copies.length)]!;
        if (copy.reader) fanOut.leave(copy.id, copy.reader);
        if (!copy.wantsSnapshot) copy.dial();
        else {
          copy.at = undefined;
          copy.dial();
        }
      } else if (what < 22) {
        const other = openStore(path, "full", "guest");
        const guest = createSqliteLog(other, {
          randomId: randomUUID,
          now: () => clock,
          onFault: (e) => faults.push(String(e)),
          as: "guest",
        });
        await guest.create(`other-${step}`);
        if (roll(2) === 0) await guest.erase(`other-${roll(step + 1)}`);
        if (roll(8) === 0) {
          removedAt.set(id, step + 1);
          const erasing = guest.erase(id);
          acked.set(id, []);
          await erasing;
          await guest.create(id);
          acked.set(id, []);
          removedAt.set(id, step + 2);
          keepKnown.add(id);
          const fresh = [sheet.sheets()];
          pendingWants.set(id, fresh);
          if (roll(2) === 0) look();
        }
        other.close();
      } else if (what === 22) look();
      else if (what === 23) isFull = true;
      else if (what < 26) isFull = false;
      else if (what === 26) ingest.forget(id);
      else if (what === 27 && roll(2) === 0 && !isFull) {
        // The state or the desk is not as it was written, and is read anew.
        store.db.exec(roll(2) ? "UPDATE state_pieces SET crc = 1" : "UPDATE desks SET crc = 1");
        ingest.forget(id);
        beside(ingest.stateOf(id));
      } else if (what === 28) {
        // Anybody who is told of a state is told of a durable one.
        const mine = store;
        const removed = removedAt.get(id);
        beside(
          ingest.stateOf(id).then(async (state) => {
            if (!mine.db.isOpen || mine !== store || keepKnown.has(id) || removed !== removedAt.get(id) || !state)
              return;
            const held = state.head;
            const head = await log.head(id);
            if (held.epoch !== head?.epoch || held.seq !== head.seq || held.chain !== head.chain)
              problems.push(`state at ${JSON.stringify(held)}, log at ${JSON.stringify(head)}`);
          }),
        );
      } else if (what < 31) {
        // Killed.
        const full = isFull && roll(2) === 0;
        isFull = full;
        fanOut.stop();
        if (roll(3) === 0 && !full) {
          // Ended in order.
          const mine = store;
          await ingest.close();
          if (mine === store) await log.close();
        }
        if (roll(3) === 0) clock -= 60_000;
        store.close();
        openAll();
        isFull = full;
        keepKnown.clear();
        await checkAcked();
        for (const copy of copies) {
          if (copy.wantsSnapshot) copy.at = undefined;
          copy.wantsSnapshot = false;
          copy.dial();
        }
      } else if (what === 31) {
        const list = acked.get(id) ?? [];
        const one = list[roll(Math.max(1, list.length))];
        if (one) beside(sendBody(id, one.body, signAs(one.headers.id ?? "", one.body)));
      } else {
        for (let turns = 0; turns < 60; turns += 1) await turn();
        if (what === 32) await checkAcked();
      }
      for (let turns = roll(4); turns > 0; turns -= 1) await turn();
    }
    isFull = false;
    look();
    for (let turns = 0; turns < 500 && working.size > 0; turns += 1) await turn();
    expect(working.size).toBe(0);
    for (let turns = 0; turns < 50; turns += 1) await turn();
    await checkAcked();
    // Readers and memory and what the store says are the same.
    const digests = new Map<string, unknown>();
    for (const id of ids) {
      const state = await ingest.stateOf(id);
      digests.set(id, [state?.digest(), state?.head]);
      expect(state?.head).toEqual(await log.head(id));
    }
    // A damaged state may have begun a new life just now, of which readers are told in a moment.
    for (let turns = 0; turns < 50; turns += 1) await turn();
    for (let turns = 0; turns < 500 && copies.some((c) => c.wantsSnapshot); turns += 1) await turn();
    for (const copy of copies) {
      if (copy.ended) continue;
      // A removed one's readers are ended by access; here they begin again with the next change.
      if (copy.at?.epoch !== (await log.head(copy.id))?.epoch && removedAt.get(copy.id)) continue;
      if (JSON.stringify([copy.state?.digest(), copy.at]) !== JSON.stringify(digests.get(copy.id)))
        problems.push(
          `copy of ${copy.id} at ${JSON.stringify(copy.at)} wants ${copy.wantsSnapshot}, not ${JSON.stringify(digests.get(copy.id))}`,
        );
    }
    fanOut.stop();
    store.close();
    openAll();
    for (const id of ids) {
      const known = faults.length;
      const state = await ingest.stateOf(id);
      // What was damaged by this test while it was in memory is read anew.
      if (faults.slice(known).some((one) => one.includes("DamagedError: The stored "))) continue;
      if (JSON.stringify([state?.digest(), state?.head]) !== JSON.stringify(digests.get(id)))
        problems.push(
          `after a kill ${id} is ${JSON.stringify([state?.digest(), state?.head])}, not ${JSON.stringify(digests.get(id))}`,
        );
    }
    const real = faults.filter((f) => !/DiskFullError|HeadMovedError|DamagedError: The stored (state|desk)/.test(f));
    expect({ seed, problems, real, lost }).toEqual({ seed, problems: [], real: [], lost: 0 });
  },
);
