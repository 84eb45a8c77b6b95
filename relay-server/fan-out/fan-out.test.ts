import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { FIRST_CHAIN, nextChain } from "@sheetwire/shared/digest";
import { limits } from "@sheetwire/shared/limits";
import { downFrameSchema, type RefusalCode } from "@sheetwire/shared/protocol";
import fc from "fast-check";
import { afterEach, expect, test, vi } from "vitest";
import { createMemoryLog } from "../log/engines/memory.ts";
import { createSqliteLog } from "../log/engines/sqlite.ts";
import { partsOf, type ChangeLog, type Entry } from "../log/log.ts";
import { openStore } from "../store/store.ts";
import { learn, typed, soon } from "../testing/testing.ts";
import { createFactsTeller, createFanOut, type Beginning, type FanOut, type Reader } from "./fan-out.ts";

vi.setConfig({ testTimeout: 30_000 });

const open: FanOut[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.stop();
});

function stage(log: ChangeLog = createMemoryLog({ randomId: randomUUID })) {
  const faults: unknown[] = [];
  const fanOut = createFanOut({ log, elapsed: () => performance.now(), onFault: (error) => faults.push(error) });
  open.push(fanOut);
  return { log, fanOut, faults };
}

/** A reader that keeps what it got; `queued` is what its network has not taken. */
function reader() {
  const got = {
    beginnings: [] as Beginning[],
    frames: [] as Entry[],
    told: [] as string[],
    refetched: [] as { reason: string; seq: number }[],
    ended: undefined as RefusalCode | undefined,
    queued: 0,
    drain: (): void => {},
    seqs: (): number[] =>
      got.frames.flatMap(({ data }) => {
        const frame = downFrameSchema.parse(JSON.parse(data.toString()));
        return frame.kind === "changes" ? frame.changes.map((change) => change.seq) : [];
      }),
  };
  const end: Reader = {
    begin: (beginning) => void got.beginnings.push(beginning),
    deliver: (entries) => void got.frames.push(...entries),
    refetch: (reason, { seq }) => void got.refetched.push({ reason, seq }),
    tell: (status) => void got.told.push(status),
    queuedBytes: () => got.queued,
    drained: () => (got.queued < 1_000 ? Promise.resolve() : new Promise((resolve) => (got.drain = resolve))),
    end: (code) => {
      got.ended = code;
    },
  };
  return { got, end };
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const upTo = (last: number, from = 1): number[] => Array.from({ length: last - from + 1 }, (_, at) => from + at);

test("F1 readers that join while changes flow get each change after their cursor once and in order", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          join: fc.boolean(),
          changes: fc.integer({ min: 1, max: 3 }),
          pause: fc.integer({ min: 0, max: 3 }),
        }),
        {
          minLength: 1,
          maxLength: 30,
        },
      ),
      fc.infiniteStream(fc.integer({ min: 0, max: 2 })),
      async (steps, delays) => {
        const memory = createMemoryLog({ randomId: randomUUID });
        // A log that takes its time to read, so that changes come in between.
        const log: ChangeLog = {
          ...memory,
          readAfter: async (...asked) => {
            const found = await memory.readAfter(asked[0], asked[1], 1);
            for (let turn = delays.next().value ?? 0; turn > 0; turn -= 1) await nextTurn();
            return found;
          },
        };
        const { fanOut, faults } = stage(log);
        await memory.create("sheet-1");
        const readers: { from: number; got: ReturnType<typeof reader>["got"] }[] = [];
        for (const step of steps) {
          if (step.join) {
            const { got, end } = reader();
            const head = await memory.head("sheet-1");
            const from = Math.floor((head?.seq ?? 0) / 2);
            const chain = (await memory.chainAt("sheet-1", from)) ?? "";
            fanOut.join("sheet-1", { epoch: head?.epoch ?? "", seq: from, chain }, end);
            readers.push({ from, got });
          }
          await learn({ log: memory }, "sheet-1", ...upTo(step.changes).map(() => typed("x")));
          for (let turn = step.pause; turn > 0; turn -= 1) await nextTurn();
        }
        const last = (await memory.head("sheet-1"))?.seq ?? 0;
        await soon(() => {
          for (const { from, got } of readers) expect(got.seqs()).toEqual(upTo(last, from + 1));
        });
        expect(faults).toEqual([]);
        for (const { got } of readers) expect(got.beginnings).toMatchObject([{ recovered: true }]);
        fanOut.stop();
      },
    ),
    { numRuns: 60 },
  );
}, 30_000);

test("F1 so it is also where the log begins new lives, told of by a change or in silence", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          joins: fc.integer({ min: 0, max: 2 }),
          isNewLife: fc.boolean(),
          changes: fc.integer({ min: 0, max: 2 }),
          pause: fc.integer({ min: 0, max: 3 }),
        }),
        { minLength: 1, maxLength: 20 },
      ),
      fc.infiniteStream(fc.integer({ min: 0, max: 2 })),
      async (steps, delays) => {
        const memory = createMemoryLog({ randomId: randomUUID });
        const { fanOut, faults } = stage({
          ...memory,
          readAfter: async (...asked) => {
            const found = await memory.readAfter(...asked);
            for (let turn = delays.next().value ?? 0; turn > 0; turn -= 1) await nextTurn();
            return found;
          },
        });
        await memory.create("sheet-1");
        const readers: { epoch: string; seq: number; wrong: string[]; end: Reader }[] = [];
        const join = (): void => {
          const { end } = reader();
          const one = { epoch: "", seq: 0, wrong: [] as string[], end };
          end.begin = ({ from }) => {
            if (one.epoch === from.epoch) one.wrong.push(`began twice at ${from.seq}`);
            Object.assign(one, { epoch: from.epoch, seq: from.seq });
          };
          end.deliver = (entries) => {
            for (const { firstSeq, lastSeq } of entries) {
              if (firstSeq !== one.seq + 1) one.wrong.push(`${firstSeq} after ${one.seq}`);
              one.seq = lastSeq;
            }
          };
          end.end = (code) => void one.wrong.push(code);
          readers.push(one);
          fanOut.join("sheet-1", undefined, end);
        };
        for (const { joins, isNewLife, changes, pause } of steps) {
          for (let at = 0; at < joins; at += 1) join();
          if (isNewLife) {
            await memory.erase("sheet-1");
            await memory.create("sheet-1");
          }
          if (changes > 0) await learn({ log: memory }, "sheet-1", ...upTo(changes).map(() => typed("x")));
          for (let turn = pause; turn > 0; turn -= 1) await nextTurn();
        }
        // Nobody may be left in a life that is over, though neither a change nor another reader comes.
        const head = await memory.head("sheet-1");
        await soon(() => {
          for (const { epoch, seq, wrong } of readers)
            expect({ epoch, seq, wrong }).toEqual({ epoch: head?.epoch, seq: head?.seq, wrong: [] });
        });
        expect(faults).toEqual([]);
        fanOut.stop();
      },
    ),
    { numRuns: 100 },
  );
}, 60_000);

test("F2 what becomes durable in one turn is one frame, and the same frame for all", async () => {
  const { log, fanOut } = stage();
  const readers = [reader(), reader(), reader()];
  for (const one of readers) fanOut.join("sheet-1", undefined, one.end);
  await soon(() => expect(readers.every((one) => one.got.beginnings.length === 1)).toBe(true));
  await nextTurn();
  const head = await log.create("sheet-1");
  const texts = [1, 2].map((seq) => JSON.stringify({ seq, loggedAt: 1, cause: "edit", readAt: [1, 1], ...typed("x") }));
  const middle = nextChain(head.chain, texts[0] ?? "");
  const end = nextChain(middle, texts[1] ?? "");
  await log.append([
    {
      spreadsheetId: "sheet-1",
      expected: head,
      entry: { firstSeq: 1, lastSeq: 1, json: `[${texts[0]}]`, chain: middle },
    },
    {
      spreadsheetId: "sheet-1",
      expected: { ...head, seq: 1, chain: middle },
      entry: { firstSeq: 2, lastSeq: 2, json: `[${texts[1]}]`, chain: end },
    },
  ]);
  await soon(() => expect(readers.every((one) => one.got.frames.length === 1)).toBe(true));
  const frames = readers.map((one) => one.got.frames[0]);
  expect(frames[0]).toMatchObject({ firstSeq: 1, lastSeq: 2, chain: end });
  expect(frames[1]).toBe(frames[0]);
  expect(frames[2]).toBe(frames[0]);
});

test("F3 a reader that stopped reading is let go at its limit, the others are not kept waiting", async () => {
  const { log, fanOut, faults } = stage();
  const slow = reader();
  const quick = reader();
  fanOut.join("sheet-1", undefined, slow.end);
  fanOut.join("sheet-1", undefined, quick.end);
  await learn({ log }, "sheet-1", typed("a"));
  await soon(() => expect(slow.got.frames.length + quick.got.frames.length).toBeGreaterThan(0));
  await nextTurn();
  slow.got.queued = limits.readerQueueMaxBytes;
  await learn({ log }, "sheet-1", typed("b"));
  await soon(() => expect(slow.got.ended).toBe("too-slow"));
  await soon(() => expect(quick.got.seqs().at(-1)).toBe(2));
  expect(fanOut.watchers("sheet-1")).toBe(1);
  await learn({ log }, "sheet-1", typed("c"));
  await soon(() => expect(quick.got.seqs().at(-1)).toBe(3));
  expect(slow.got.seqs()).not.toContain(3);
  expect(faults).toEqual([]);
});

test("replay waits for a reader's network instead of filling memory", async () => {
  const { log, fanOut } = stage();
  for (let at = 0; at < 8; at += 1) await learn({ log }, "sheet-1", typed("x".repeat(49_000)));
  const { got, end } = reader();
  got.queued = 2_000;
  const head = await log.create("sheet-1");
  fanOut.join("sheet-1", { epoch: head.epoch, seq: 0, chain: (await log.chainAt("sheet-1", 0)) ?? "" }, end);
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(got.frames).toHaveLength(0);
  got.queued = 0;
  got.drain();
  await soon(() => expect(got.seqs()).toEqual(upTo(8)));
});

test("an entry larger than a frame arrives in several, each with its own chain, live and in replay", async () => {
  const { log, fanOut, faults } = stage();
  const head = await log.create("sheet-1");
  const start = { epoch: head.epoch, seq: 0, chain: head.chain };
  const live = [reader(), reader()];
  for (const one of live) fanOut.join("sheet-1", start, one.end);
  await learn({ log }, "sheet-1", typed("first"));
  await learn({ log }, "sheet-1", ...upTo(50).map((row) => typed("é".repeat(40_000), row)));
  await learn({ log }, "sheet-1", typed("last"));
  const later = reader();
  fanOut.join("sheet-1", start, later.end);
  for (const { got } of [...live, later]) {
    await soon(() => expect(got.seqs()).toEqual(upTo(52)));
    for (const frame of got.frames) {
      expect(frame.data.length).toBeLessThanOrEqual(limits.frameMaxBytes);
      expect(frame.chain).toBe(await log.chainAt("sheet-1", frame.lastSeq));
    }
    expect(got.frames.length).toBeGreaterThan(4);
  }
  expect(faults).toEqual([]);
});

test("F4 instead of a change larger than a frame a reader is told to refetch, live and in replay, and goes on behind it", async () => {
  const { log, fanOut, faults } = stage();
  const head = await log.create("sheet-1");
  const start = { epoch: head.epoch, seq: 0, chain: head.chain };
  const live = reader();
  fanOut.join("sheet-1", start, live.end);
  const huge = {
    kind: "cells" as const,
    sheetId: 7,
    at: { row: 0, column: 0 },
    cells: Array.from({ length: 30 }, () => ["x".repeat(49_000)]),
  };
  await learn({ log }, "sheet-1", typed("first"));
  await soon(() => expect(live.got.seqs()).toEqual([1]));
  await learn({ log }, "sheet-1", huge);
  await soon(() => expect(live.got.refetched).toEqual([{ reason: "change-too-large", seq: 2 }]));
  // Also in the middle of an entry, and at its end.
  await learn({ log }, "sheet-1", typed("a"), huge, typed("b"), huge);
  await soon(() => expect(live.got.refetched).toHaveLength(2));
  await learn({ log }, "sheet-1", typed("last"));
  await soon(() => expect(live.got.seqs()).toEqual([1, 3, 7]));
  const later = reader();
  fanOut.join("sheet-1", start, later.end);
  await soon(() => expect(later.got.refetched).toHaveLength(1));
  // What the snapshot holds need not be sent as well.
  expect(later.got.refetched).toEqual([{ reason: "change-too-large", seq: 7 }]);
  await learn({ log }, "sheet-1", typed("behind it"));
  await soon(() => expect(later.got.seqs()).toEqual([1, 8]));
  for (const { data } of [...live.got.frames, ...later.got.frames]) {
    expect(data.length).toBeLessThanOrEqual(limits.frameMaxBytes);
  }
  expect(faults).toEqual([]);
});

test("a log that began a new life tells its readers to start afresh", async () => {
  const { log, fanOut, faults } = stage();
  const { got, end } = reader();
  fanOut.join("sheet-1", undefined, end);
  await learn({ log }, "sheet-1", typed("a"), typed("b"));
  await soon(() => expect(got.frames).toHaveLength(1));
  await log.erase("sheet-1");
  await learn({ log }, "sheet-1", typed("c"), typed("d"), typed("e"));
  await soon(() => expect(got.beginnings).toHaveLength(2));
  const head = await log.head("sheet-1");
  expect(got.beginnings[1]).toMatchObject({ head: { epoch: head?.epoch }, recovered: false });
  await learn({ log }, "sheet-1", typed("f"));
  await soon(() => expect(got.seqs().at(-1)).toBe(4));
  expect(faults).toEqual([]);
});

test("F6 live readers hear at once, and once, of a life that begins without a change", async () => {
  for (const { log, end: close } of [{ log: createMemoryLog({ randomId: randomUUID }), end: () => {} }, stored()]) {
    const { fanOut, faults } = stage(log);
    const readers = [reader(), reader(), reader()];
    for (const { end } of readers) fanOut.join("sheet-1", undefined, end);
    await learn({ log }, "sheet-1", typed("a"), typed("b"));
    await soon(() =>
      expect(readers.map(({ got }) => got.seqs())).toEqual([
        [1, 2],
        [1, 2],
        [1, 2],
      ]),
    );
    const anew = await log.restart("sheet-1");
    await soon(() => expect(readers.map(({ got }) => got.beginnings.length)).toEqual([2, 2, 2]));
    await learn({ log }, "sheet-1", typed("c"));
    await soon(() =>
      expect(readers.map(({ got }) => got.seqs())).toEqual([
        [1, 2, 3],
        [1, 2, 3],
        [1, 2, 3],
      ]),
    );
    for (const { got } of readers) {
      expect(got.beginnings.slice(1)).toEqual([{ from: anew, head: anew, recovered: false }]);
      expect(got.ended).toBeUndefined();
    }
    expect(faults).toEqual([]);
    fanOut.stop();
    close();
  }
});

test("F6 changes right before and right behind the beginning of a life are told neither out of order nor twice", async () => {
  const { log, fanOut, faults } = stage();
  const { got, end } = reader();
  const order: string[] = [];
  end.begin = ({ from }) => void order.push(`begins at ${from.seq}`);
  end.deliver = (entries) => order.push(...entries.map(({ lastSeq }) => `change ${lastSeq}`));
  fanOut.join("sheet-1", undefined, end);
  await learn({ log }, "sheet-1", typed("a"));
  await soon(() => expect(order).toEqual(["begins at 0", "change 1"]));
  // All of it in one turn, before anybody can be told.
  const before = learn({ log }, "sheet-1", typed("b"));
  await Promise.resolve();
  await Promise.all([before, log.restart("sheet-1").then(() => learn({ log }, "sheet-1", typed("c")))]);
  await nextTurn();
  // The snapshot that it takes now holds them both.
  await soon(() => expect(order.at(-1)).toBe("begins at 3"));
  await learn({ log }, "sheet-1", typed("d"));
  await soon(() => expect(order).toEqual(["begins at 0", "change 1", "begins at 3", "change 4"]));
  expect([got.ended, faults]).toEqual([undefined, []]);
});

test("a reader that joins a log that began a new life in silence begins there, and so do those before it", async () => {
  const { log, fanOut, faults } = stage();
  const before = reader();
  fanOut.join("sheet-1", undefined, before.end);
  await learn({ log }, "sheet-1", typed("a"), typed("b"));
  await soon(() => expect(before.got.frames).toHaveLength(1));
  await log.erase("sheet-1");
  await log.create("sheet-1");
  const after = reader();
  fanOut.join("sheet-1", undefined, after.end);
  await soon(() => expect(after.got.beginnings).toHaveLength(1));
  await soon(() => expect(before.got.beginnings).toHaveLength(2));
  await learn({ log }, "sheet-1", typed("c"));
  await soon(() => expect([before.got.seqs(), after.got.seqs()]).toEqual([[1, 2, 1], [1]]));
  expect([before.got.ended, after.got.ended, faults]).toEqual([undefined, undefined, []]);
});

test("a log that fails ends its reader with internal, and the fault is told", async () => {
  const memory = createMemoryLog({ randomId: randomUUID });
  const broken = stage({ ...memory, readAfter: () => Promise.reject(new Error("gone")) });
  const { got, end } = reader();
  broken.fanOut.join("sheet-1", undefined, end);
  await soon(() => expect(got.ended).toBe("internal"));
  expect(broken.faults).toHaveLength(1);
  expect(broken.fanOut.watchers("sheet-1")).toBe(0);
});

test("facts are told soon after they changed, coalesced, and to those who read", async () => {
  vi.useFakeTimers();
  try {
    const log = createMemoryLog({ randomId: randomUUID });
    let elapsed = 0;
    const { fanOut } = stage(log);
    let asked = 0;
    const facts = {
      script: { answerers: [], triggers: [] },
      allowance: { spentMs: 0, limitMs: 1 },
      sweep: { openRows: 0, unprovenRows: 0 },
      healed: { count: 0 },
      watchers: 1,
      relay: { version: "1", protocol: 1 },
    };
    const teller = createFactsTeller({
      fanOut,
      factsOf: async () => {
        asked += 1;
        return facts;
      },
      elapsed: () => elapsed,
      onFault: () => {},
    });
    const pass = async (ms: number): Promise<void> => {
      for (let left = ms; left > 0; left -= 250) {
        elapsed += 250;
        await vi.advanceTimersByTimeAsync(250);
      }
    };
    const { got, end } = reader();
    teller.changed("sheet-1");
    await pass(1_000);
    expect(asked).toBe(0);
    fanOut.join("sheet-1", undefined, end);
    await pass(250);
    expect(got.told).toHaveLength(1);
    for (let at = 0; at < 50; at += 1) teller.changed("sheet-1");
    await pass(250);
    expect(got.told).toHaveLength(2);
    await pass(10_000);
    expect(got.told).toHaveLength(2);
    await pass(5_250);
    expect(got.told).toHaveLength(3);
    teller.stop();
  } finally {
    vi.useRealTimers();
  }
});

test("a frame's changes are the stored text, byte for byte", async () => {
  const { log, fanOut } = stage();
  const { got, end } = reader();
  fanOut.join("sheet-1", undefined, end);
  await soon(() => expect(got.beginnings).toHaveLength(1));
  await learn({ log }, "sheet-1", typed('"] } \\ \u2028 \ud83d\ude00 \u0000'));
  await soon(() => expect(got.frames).toHaveLength(1));
  const [entry] = await log.readAfter("sheet-1", 0, 1);
  const text = got.frames[0]?.data.toString() ?? "";
  expect(text).toContain(entry?.json);
  expect(partsOf(entry?.json ?? "")).toHaveLength(1);
});

test("for a reader whose network takes nothing the log is not even read, and leaving ends its wait", async () => {
  const memory = createMemoryLog({ randomId: randomUUID });
  let reads = 0;
  const log: ChangeLog = { ...memory, readAfter: (...asked) => ((reads += 1), memory.readAfter(...asked)) };
  const { fanOut, faults } = stage(log);
  await learn({ log }, "sheet-1", typed("a"), typed("b"));
  const start = await log.head("sheet-1");
  const { got, end } = reader();
  got.queued = 2_000;
  fanOut.join("sheet-1", { epoch: start?.epoch ?? "", seq: 0, chain: FIRST_CHAIN }, end);
  await soon(() => expect(got.beginnings).toHaveLength(1));
  await nextTurn();
  expect(reads).toBe(0);
  fanOut.leave("sheet-1", end);
  await nextTurn();
  // Its network comes back when it has gone already: nobody is served.
  got.queued = 0;
  got.drain();
  await nextTurn();
  expect([reads, got.frames.length, faults.length]).toEqual([0, 0, 0]);
  expect(fanOut.watchers("sheet-1")).toBe(0);
});

/** A log in the embedded database, and the way to reach its rows. */
function stored() {
  const folder = mkdtempSync(joinPath(tmpdir(), "sheetwire-fan-out-"));
  const store = openStore(joinPath(folder, "s.db"), "normal");
  const log = createSqliteLog(store, { randomId: randomUUID, onFault: () => {}, as: "owner" });
  return {
    log,
    store,
    end() {
      store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

test("a reader that replays while its damaged log begins anew is told of the new life, and the relay goes on", async () => {
  const { log: inner, store, end: close } = stored();
  try {
    const start = await inner.create("sheet-1");
    for (const text of ["a", "b", "c", "d"]) await learn({ log: inner }, "sheet-1", typed(text));
    await inner.kept("sheet-1");
    store.db.exec("UPDATE frames SET crc = crc + 1 WHERE last_seq = 3");
    let reads = 0;
    // Damage is met while the log is being restarted; a loop of promises alone would never end this test.
    const log: ChangeLog = {
      ...inner,
      async readAfter(spreadsheetId, seq) {
        reads += 1;
        if (reads === 2) await inner.restart(spreadsheetId);
        if (reads > 200) await nextTurn();
        return inner.readAfter(spreadsheetId, reads === 2 ? 2 : seq, 1);
      },
    };
    const { fanOut } = stage(log);
    const { got, end } = reader();
    fanOut.join("sheet-1", { epoch: start.epoch, seq: 0, chain: start.chain }, end);
    await soon(() => expect(got.beginnings).toHaveLength(2));
    expect(got.beginnings[1]?.head.epoch).toBe((await inner.head("sheet-1"))?.epoch);
    expect(reads).toBeLessThan(20);
    fanOut.stop();
  } finally {
    close();
  }
});

test("a trim under a reader that replays is no damage", async () => {
  const { log: inner, end: close } = stored();
  try {
    const start = await inner.create("sheet-1");
    for (const text of ["a", "b", "c", "d", "e", "f"]) await learn({ log: inner }, "sheet-1", typed(text));
    await inner.kept("sheet-1");
    const { fanOut, faults } = stage({ ...inner, readAfter: (id, seq) => inner.readAfter(id, seq, 1) });
    const { got, end } = reader();
    got.queued = 2_000;
    fanOut.join("sheet-1", { epoch: start.epoch, seq: 0, chain: start.chain }, end);
    await soon(() => expect(got.beginnings).toHaveLength(1));
    const head = await inner.head("sheet-1");
    if (head) await inner.saveState("sheet-1", { head, lines: [] });
    await inner.trim("sheet-1", 4);
    got.queued = 0;
    got.drain();
    await soon(() => expect(got.refetched.map(({ reason }) => reason)).toEqual(["history-gone"]));
    expect(faults).toEqual([]);
    fanOut.stop();
  } finally {
    close();
  }
});

test("a turn that brings more than a queue may hold is read from the log, and ends nobody", async () => {
  const { log, fanOut } = stage();
  const { got, end } = reader();
  fanOut.join("sheet-1", undefined, end);
  await learn({ log }, "sheet-1", typed("a"));
  await soon(() => expect(got.seqs()).toEqual([1]));
  const cells = Array.from({ length: 15 }, () => ["x".repeat(49_000)]);
  const large = { kind: "cells" as const, sheetId: 7, at: { row: 0, column: 0 }, cells };
  await learn({ log }, "sheet-1", ...Array.from({ length: 13 }, () => large));
  await soon(() => expect(got.seqs()).toEqual(upTo(14)));
  expect(got.ended).toBeUndefined();
});

test("a reader whose delivery throws is ended, and takes nothing from the others", async () => {
  const { log, fanOut, faults } = stage();
  const [bad, good] = [reader(), reader()];
  for (const { end } of [bad, good]) fanOut.join("sheet-1", undefined, end);
  await soon(() => expect(good.got.beginnings).toHaveLength(1));
  await nextTurn();
  bad.end.deliver = () => {
    throw new Error("a fault of ours");
  };
  await learn({ log }, "sheet-1", typed("a"));
  await learn({ log }, "sheet-1", typed("b"));
  await soon(() => expect(good.got.seqs()).toEqual([1, 2]));
  expect(bad.got.ended).toBe("internal");
  expect(faults).toHaveLength(1);
});

test("status is not sent to a reader that takes nothing", async () => {
  const { fanOut } = stage();
  const [stuck, other] = [reader(), reader()];
  stuck.got.queued = 100_000;
  for (const { end } of [stuck, other]) fanOut.join("sheet-1", undefined, end);
  await soon(() => expect(other.got.beginnings).toHaveLength(1));
  const facts = {
    script: { answerers: [], triggers: [] },
    allowance: { spentMs: 0, limitMs: 1 },
    sweep: { openRows: 0, unprovenRows: 0 },
    healed: { count: 0 },
    watchers: 2,
    relay: { version: "1", protocol: 1 },
  };
  const elapsed = (): number => performance.now();
  const teller = createFactsTeller({ fanOut, factsOf: async () => facts, elapsed, onFault: () => {} });
  teller.changed("sheet-1");
  await soon(() => expect(other.got.told).toHaveLength(1));
  expect(stuck.got.told).toEqual([]);
  teller.stop();
});
