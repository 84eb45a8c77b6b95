import "fake-indexeddb/auto";
import { Dexie } from "dexie";
import { afterEach, expect, test, vi } from "vitest";
import type { Change, Cursor, Row, Sheet } from "@sheetwire/shared/protocol";
import type { SyncFacts } from "@sheetwire/shared/status";
import type { Link, SpreadsheetFrame, Watcher } from "../connection/connection.ts";
import { openMirror, type Copy, type Mirror } from "../mirror/mirror.ts";
import { QUEUE_MOST_CHANGES, startSync, type Sync } from "./sync.ts";

const ID = "spreadsheet-1";
const chainAt = (seq: number): string => seq.toString(16).padStart(16, "0");
const sheet: Sheet = { sheetId: 0, title: "Sheet", index: 0, rows: 2, columns: 3, hidden: false, kind: "GRID" };
const edit = (seq: number, text: string, row = 0): Change => ({
  kind: "cells",
  seq,
  loggedAt: seq,
  cause: "edit",
  readAt: [1, 2],
  sheetId: 0,
  at: { row, column: 0 },
  cells: [[text]],
});
const up: Link = { state: "up", heardAt: 1_000, clockAheadMs: 0 };
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});
let names = 0;

/** A relay that says only what a test makes it say, in memory. */
async function scripted(snapshots: (() => Response | Promise<Response>)[] = [], name = `sync-${(names += 1)}`) {
  const opened = await openMirror(name);
  if (!opened.ok) throw new Error(opened.why);
  const mirror: Mirror = opened.mirror;
  const copy: Copy = mirror.of(ID);
  const said: {
    again: number;
    took: number[];
    requests: { url: string; authorization: string | undefined; ifMatch: string | undefined }[];
  } = {
    again: 0,
    took: [],
    requests: [],
  };
  let watcher: Watcher | undefined;
  let facts: SyncFacts | undefined;
  const allFacts: SyncFacts[] = [];
  const sync: Sync = await startSync(ID, {
    relayUrl: "https://relay.example.org",
    token: "a-token-of-16-chars",
    copy,
    watch: (it) => {
      watcher = it;
      return { took: (seq) => said.took.push(seq), again: () => (said.again += 1), stop: () => undefined };
    },
    fetch: async (url, init) => {
      const headers = new Headers(init.headers);
      said.requests.push({
        url,
        authorization: headers.get("authorization") ?? undefined,
        ifMatch: headers.get("if-match") ?? undefined,
      });
      const next = snapshots.shift();
      if (!next) throw new TypeError("fetch failed");
      return next();
    },
    now: () => 5_000,
    die: () => 0,
    after: (ms, run) => {
      const timer = setTimeout(run, ms >= 30_000 ? ms : ms / 50);
      return () => clearTimeout(timer);
    },
    onFacts: (next) => {
      facts = next;
      allFacts.push(next);
    },
  });
  stops.push(async () => {
    await sync.stop();
    mirror.close();
  });
  const w = watcher!;
  const say = (frame: SpreadsheetFrame): void => w.onFrame(frame);
  return {
    copy,
    said,
    sync,
    say,
    allFacts,
    name,
    watcher: w,
    facts: () => facts,
    link: (link: Link) => w.onLink(link),
    watching: (seq: number, recovered: boolean, epoch = "e1") =>
      say({ kind: "watching", spreadsheetId: ID, epoch, seq, chain: chainAt(seq), recovered }),
    changes: (...changes: Change[]) =>
      say({ kind: "changes", spreadsheetId: ID, changes, chain: chainAt(changes.at(-1)?.seq ?? 0) }),
    cell: async (row = 0) => {
      const range = { startRowIndex: row, endRowIndex: row + 1, startColumnIndex: 0, endColumnIndex: 1 };
      return (await copy.viewport(0, range))?.rows[0];
    },
    seq: async () => (await copy.cursor())?.seq,
  };
}

const lines = (seq: number, rows: (Row | null)[], epoch = "e1"): string[] => [
  JSON.stringify({
    epoch,
    seq,
    chain: chainAt(seq),
    spreadsheet: { title: "T", locale: "en_US", timeZone: "Etc/UTC", sheets: [{ ...sheet, rows: rows.length }] },
  }),
  JSON.stringify({ sheetId: 0, fromRow: 0, rows }),
  JSON.stringify({ end: true, digest: chainAt(0) }),
];
const snapshot =
  (seq: number, rows: (Row | null)[], epoch = "e1") =>
  (): Response =>
    new Response(`${lines(seq, rows, epoch).join("\n")}\n`);

test("without a copy a snapshot is taken, and changes that came meanwhile follow without hole or repetition", async () => {
  const relay = await scripted([snapshot(6, [["a"], ["b"]])]);
  relay.link(up);
  relay.watching(5, false);
  relay.changes(edit(6, "in the snapshot already"), edit(7, "seven"));
  relay.changes(edit(8, "eight", 1));
  await expect.poll(relay.seq).toBe(8);
  expect(await relay.cell(0)).toEqual(["seven"]);
  expect(await relay.cell(1)).toEqual(["eight"]);
  expect(relay.said.requests).toEqual([
    {
      url: `https://relay.example.org/v1/spreadsheets/${ID}/snapshot`,
      authorization: "Bearer a-token-of-16-chars",
    },
  ]);
  await expect.poll(() => relay.said.took.at(-1)).toBe(8);
  expect(relay.said.took.length).toBeLessThanOrEqual(2);
  expect(relay.facts()).toMatchObject({ link: "up", copy: "whole", behindBy: 0 });
  expect(await relay.copy.cursor()).toEqual({ epoch: "e1", seq: 8, chain: chainAt(8) });
});

test("a snapshot whose lines are written in another way than the relay's says the same", async () => {
  const [head, , end] = lines(6, [["a"], ["b"]]);
  const rows = ' { "rows": [[ "a" ], [{"f":"=1", "v":1, "new":0}]], "fromRow": 0, "sheetId": 0 }\r';
  const relay = await scripted([() => new Response(`${head}\n${rows}\n${end}`)]);
  relay.link(up);
  relay.watching(6, false);
  await expect.poll(relay.seq).toBe(6);
  expect(await relay.cell(0)).toEqual(["a"]);
  expect(await relay.cell(1)).toEqual([{ v: 1, f: "=1" }]);
});

test("with a copy it goes on from the cursor, and acknowledgements are gathered", async () => {
  const relay = await scripted([snapshot(5, [["a"], []])]);
  relay.link(up);
  relay.watching(5, false);
  await expect.poll(relay.seq).toBe(5);
  const again = await scripted([], relay.name);
  expect(again.watcher.cursor()).toEqual({ epoch: "e1", seq: 5, chain: chainAt(5) } satisfies Cursor);
  again.link(up);
  again.watching(7, true);
  expect(again.facts()).toMatchObject({ behindBy: 2, copy: "whole" });
  again.changes(edit(6, "six"));
  again.changes(edit(7, "seven"));
  await expect.poll(again.seq).toBe(7);
  await expect.poll(() => again.said.took).toEqual([7]);
  expect(again.said.requests).toEqual([]);
});

test("a change that comes twice is applied once", async () => {
  const relay = await scripted([snapshot(5, [["a"]])]);
  relay.link(up);
  relay.watching(5, false);
  await expect.poll(relay.seq).toBe(5);
  relay.changes(edit(6, "six"));
  relay.changes(edit(6, "six"), edit(7, "seven"));
  await expect.poll(relay.seq).toBe(7);
  expect((await relay.copy.changes()).map((change) => change.seq)).toEqual([7, 6]);
});

test("a hole makes it ask again from its cursor; what comes before the answer is passed over", async () => {
  const relay = await scripted([snapshot(5, [["a"]])]);
  relay.link(up);
  relay.watching(5, false);
  await expect.poll(relay.seq).toBe(5);
  relay.changes(edit(7, "seven"));
  await expect.poll(() => relay.said.again).toBe(1);
  expect(relay.watcher.cursor()?.seq).toBe(5);
  relay.changes(edit(8, "eight"));
  relay.watching(8, true);
  relay.changes(edit(6, "six"), edit(7, "seven"), edit(8, "eight"));
  await expect.poll(relay.seq).toBe(8);
  expect(relay.said.again).toBe(1);
});

test("a snapshot older than the head leaves a hole: the log is asked from the snapshot's cursor", async () => {
  const relay = await scripted([snapshot(3, [["a"]])]);
  relay.link(up);
  relay.watching(5, false);
  relay.changes(edit(6, "six"));
  await expect.poll(() => relay.said.again).toBe(1);
  expect(relay.watcher.cursor()?.seq).toBe(3);
  relay.watching(6, true);
  relay.changes(edit(4, "4"), edit(5, "5"), edit(6, "six"));
  await expect.poll(relay.seq).toBe(6);
});

test("a snapshot of another life of the log is kept only until the relay says what follows it", async () => {
  const relay = await scripted([snapshot(2, [["new life"]], "e2"), snapshot(9, [["e3"]], "e3")]);
  relay.link(up);
  relay.watching(5, false);
  relay.changes(edit(6, "of the old life"));
  await expect.poll(() => relay.said.again).toBe(1);
  expect(await relay.cell()).toEqual(["new life"]);
  relay.watching(9, false, "e3");
  await expect.poll(() => relay.cell()).toEqual(["e3"]);
});

test("told to refetch, it keeps showing the old copy until the new one is whole", async () => {
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const slow = (): Response => {
    const [head, rows, end] = lines(9, [["new"]]);
    return new Response(
      new ReadableStream({
        async start(controller) {
          controller.enqueue(new TextEncoder().encode(`${head}\n${rows}\n`));
          await held;
          controller.enqueue(new TextEncoder().encode(`${end}\n`));
          controller.close();
        },
      }),
    );
  };
  const relay = await scripted([snapshot(5, [["old"]]), slow]);
  relay.link(up);
  relay.watching(5, false);
  await expect.poll(relay.seq).toBe(5);
  relay.say({ kind: "refetch", spreadsheetId: ID, reason: "restored from a backup" });
  await expect.poll(() => relay.facts()?.fetched).toEqual({ rows: 1, ofRows: 1 });
  expect(await relay.cell()).toEqual(["old"]);
  release();
  await expect.poll(() => relay.cell()).toEqual(["new"]);
  expect(relay.facts()).toMatchObject({ copy: "whole", fetched: undefined });
});

test("a change that does not fit, and a proof that differs, are reported and healed by a new copy", async () => {
  const relay = await scripted([snapshot(5, [["a"]]), snapshot(8, [["b"]]), snapshot(12, [["c"]])]);
  relay.link(up);
  relay.watching(5, false);
  await expect.poll(relay.seq).toBe(5);
  relay.changes(edit(6, "beyond the sheet", 40));
  await expect.poll(relay.seq).toBe(8);
  expect(relay.allFacts.some((facts) => facts.mismatch)).toBe(true);
  expect(relay.facts()?.mismatch).toBeUndefined();
  relay.changes({
    kind: "verified",
    seq: 9,
    loggedAt: 9,
    cause: "sweep",
    readAt: [1, 2],
    sheetId: 0,
    window: { from: 0, to: 1 },
    digest: "00000000deadbeef",
  });
  await expect.poll(relay.seq).toBe(12);
  expect(await relay.cell()).toEqual(["c"]);
});

test.each([
  [
    "breaks off in the middle of a line",
    () =>
      new Response(
        lines(5, [["a"]])
          .join("\n")
          .slice(0, -12),
      ),
  ],
  [
    "ends without its last line",
    () =>
      new Response(
        lines(5, [["a"]])
          .slice(0, 2)
          .join("\n"),
      ),
  ],
  ["is no snapshot at all", () => new Response("<html>a proxy says hello</html>")],
  [
    "names rows of a sheet that is not in it",
    () => new Response([lines(5, [["a"]])[0], '{"sheetId":9,"fromRow":0,"rows":[[]]}'].join("\n") + "\n"),
  ],
  [
    "is refused because the relay is busy",
    () => Response.json({ type: "/problems/busy", title: "t", status: 503, code: "busy" }, { status: 503 }),
  ],
  [
    "is refused for a day by a proxy",
    () => new Response("<html>later</html>", { status: 503, headers: { "retry-after": "86400" } }),
  ],
])("a snapshot that %s is fetched again", async (_, bad) => {
  const relay = await scripted([bad, snapshot(6, [["good"]])]);
  relay.link(up);
  relay.watching(5, false);
  await expect.poll(relay.seq, { timeout: 4_000 }).toBe(6);
  expect(await relay.cell()).toEqual(["good"]);
});

test("a snapshot that is not allowed says what to do, and is tried again", async () => {
  const no = (): Response =>
    Response.json({ type: "/problems/unauthorized", title: "t", status: 401, code: "unauthorized" }, { status: 401 });
  const relay = await scripted([no, snapshot(5, [["a"]])]);
  relay.link(up);
  relay.watching(5, false);
  await expect
    .poll(() => relay.allFacts.find((facts) => facts.refused)?.refused)
    .toEqual({
      code: "unauthorized",
      nextStep: "ask-for-access",
    });
  await expect.poll(relay.seq).toBe(5);
  expect(relay.facts()).toMatchObject({ link: "up", refused: undefined });
});

test("more changes than may wait are dropped and read from the log again", async () => {
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const relay = await scripted([
    async () => {
      await held;
      return snapshot(5, [["a"]])();
    },
  ]);
  relay.link(up);
  relay.watching(5, false);
  const half = QUEUE_MOST_CHANGES / 2 + 1;
  relay.changes(...Array.from({ length: half }, (_, n) => edit(6 + n, "x")));
  relay.changes(...Array.from({ length: half }, (_, n) => edit(6 + half + n, "y")));
  release();
  await expect.poll(() => relay.said.again).toBe(1);
  expect(await relay.seq()).toBe(5);
});

test("a full disk keeps the copy as it was, says so, and goes on when there is room", async () => {
  const relay = await scripted([snapshot(5, [["a"]])]);
  relay.link(up);
  relay.watching(5, false);
  await expect.poll(relay.seq).toBe(5);
  const add = IDBObjectStore.prototype.add;
  IDBObjectStore.prototype.add = () => {
    throw new DOMException("full", "QuotaExceededError");
  };
  try {
    relay.changes(edit(6, "six"));
    await expect.poll(() => relay.facts()?.storage).toBe("full");
  } finally {
    IDBObjectStore.prototype.add = add;
  }
  expect(await relay.cell()).toEqual(["a"]);
  await expect.poll(() => relay.said.again).toBe(1);
  relay.watching(6, true);
  relay.changes(edit(6, "six"));
  await expect.poll(relay.seq).toBe(6);
  expect(relay.facts()?.storage).toBeUndefined();
});

test("a relay that went away and came back in the middle of a snapshot leaves no hole", async () => {
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const relay = await scripted([
    async () => {
      await held;
      return snapshot(6, [["a"]])();
    },
  ]);
  relay.link(up);
  relay.watching(5, false);
  relay.changes(edit(6, "six"), edit(7, "seven"));
  relay.link({ ...up, state: "connecting" });
  relay.link(up);
  relay.watching(9, false);
  relay.changes(edit(10, "ten"));
  release();
  await expect.poll(() => relay.said.again).toBe(1);
  relay.watching(10, true);
  relay.changes(edit(7, "7"), edit(8, "8"), edit(9, "9"), edit(10, "ten"));
  await expect.poll(relay.seq).toBe(10);
});

test("a snapshot that broke off goes on behind the last row that is here, as long as the relay has that version", async () => {
  const first = Array.from({ length: 256 }, (_, n): Row => [`row ${n}`]);
  const rest = Array.from({ length: 44 }, (_, n): Row => [`row ${256 + n}`]);
  const head = (seq: number): string => lines(seq, [...first, ...rest])[0] ?? "";
  const etag = { headers: { etag: '"v1"' } };
  const relay = await scripted([
    () => new Response(`${head(5)}\n${JSON.stringify({ sheetId: 0, fromRow: 0, rows: first })}\n`, etag),
    () =>
      new Response(
        `${head(6)}\n${JSON.stringify({ sheetId: 0, fromRow: 256, rows: rest })}\n${JSON.stringify({ end: true, digest: chainAt(0) })}\n`,
        etag,
      ),
  ]);
  relay.link(up);
  relay.watching(5, false);
  await expect.poll(relay.seq).toBe(6);
  expect(relay.said.requests.map(({ url, ifMatch }) => [url.split("?")[1], ifMatch])).toEqual([
    [undefined, undefined],
    ["after=0:255", '"v1"'],
  ]);
  expect([await relay.cell(0), await relay.cell(255), await relay.cell(299)]).toEqual([
    ["row 0"],
    ["row 255"],
    ["row 299"],
  ]);
});

test("a snapshot whose version is gone is begun again", async () => {
  const first = Array.from({ length: 256 }, (_, n): Row => [`old ${n}`]);
  const etag = { headers: { etag: '"v1"' } };
  const problem = { type: "about:blank", title: "gone", status: 412, code: "version-gone" };
  const relay = await scripted([
    () =>
      new Response(`${lines(5, first)[0] ?? ""}\n${JSON.stringify({ sheetId: 0, fromRow: 0, rows: first })}\n`, etag),
    () =>
      new Response(JSON.stringify(problem), { status: 412, headers: { "content-type": "application/problem+json" } }),
    snapshot(9, [["new"]]),
  ]);
  relay.link(up);
  relay.watching(9, false);
  await expect.poll(relay.seq).toBe(9);
  expect(relay.said.requests.length).toBe(3);
  expect(await relay.cell(0)).toEqual(["new"]);
});

/** Makes the lists of all that is held name blocks that are in no list of blocks. */
async function damage(name: string): Promise<void> {
  const raw = await new Dexie(name).open();
  await raw
    .table("grids")
    .toCollection()
    .modify({ blocks: new Float64Array(0), pieces: Float64Array.of(7, 0, 2) });
  raw.close();
}

test("a copy whose lists cannot be read is fetched anew", async () => {
  const before = await scripted([snapshot(5, [["a"], ["b"]])]);
  before.link(up);
  before.watching(5, false);
  await expect.poll(before.seq).toBe(5);
  await before.sync.stop();
  await damage(before.name);
  const after = await scripted([snapshot(6, [["c"], ["d"]])], before.name);
  expect(after.watcher.cursor()).toBeUndefined();
  after.link(up);
  after.watching(6, false);
  await expect.poll(after.facts).toMatchObject({ copy: "whole", storage: undefined });
  expect(await after.cell()).toEqual(["c"]);
});

test("a copy that broke off and whose lists cannot be read is begun anew", async () => {
  const [head, rows] = lines(5, [["a"], ["b"]]);
  const cut = (): Response => new Response(`${head}\n${rows}\n`, { headers: { etag: '"v1"' } });
  const before = await scripted([cut]);
  before.link(up);
  before.watching(5, false);
  await expect.poll(() => before.said.requests.length).toBeGreaterThan(1);
  await before.sync.stop();
  await damage(before.name);
  const after = await scripted([snapshot(6, [["c"], ["d"]])], before.name);
  after.link(up);
  after.watching(6, false);
  await expect.poll(after.facts).toMatchObject({ copy: "whole", storage: undefined });
  expect(await after.cell()).toEqual(["c"]);
});

test("a store that fails when it is asked where the copy stands after a hole is asked again", async () => {
  const relay = await scripted([snapshot(5, [["a"], ["b"]])]);
  relay.link(up);
  relay.watching(5, false);
  await expect.poll(relay.facts).toMatchObject({ copy: "whole" });
  vi.spyOn(relay.copy, "cursor").mockRejectedValueOnce(new DOMException("It failed.", "UnknownError"));
  relay.changes(edit(7, "behind a hole"));
  await expect.poll(relay.facts).toMatchObject({ storage: "failed", behindBy: 2 });
  await expect.poll(() => relay.said.again).toBe(1);
  relay.watching(7, true);
  relay.changes(edit(6, "six"), edit(7, "seven"));
  await expect.poll(relay.facts).toMatchObject({ storage: undefined, behindBy: 0 });
  expect(await relay.cell()).toEqual(["seven"]);
  await relay.sync.stop();
});
