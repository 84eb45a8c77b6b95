import "fake-indexeddb/auto";
import { afterEach, expect, test } from "vitest";
import type { Row, Sheet, SnapshotRows } from "@sheetwire/shared/protocol";
import { openMirror, type Hit, type Mirror, type Notice } from "../mirror/mirror.ts";
import { linePair } from "./line-pair.ts";
import { openQueries, type LookedAt } from "./queries.ts";
import { serve } from "./serve.ts";
import type { Line } from "./talk.ts";

const ID = "spreadsheet-1";
const chain = "0000000000000000";
const opened: Mirror[] = [];
let names = 0;
afterEach(() => {
  for (const mirror of opened.splice(0)) mirror.close();
});

const lineOf = (rows: SnapshotRows): Uint8Array => new TextEncoder().encode(JSON.stringify(rows));
async function asking(rows: Row[]): Promise<{ mirror: Mirror; looked: LookedAt; name: string }> {
  const name = `queries-${(names += 1)}`;
  const first = await openMirror(name);
  if (!first.ok) throw new Error(first.why);
  const { mirror } = first;
  opened.push(mirror);
  const sheet: Sheet = {
    sheetId: 0,
    title: "Films",
    index: 0,
    rows: rows.length,
    columns: 3,
    hidden: false,
    kind: "GRID",
  };
  const spreadsheet = { title: "T", locale: "en_US", timeZone: "Etc/UTC", sheets: [sheet] };
  const writer = await mirror.of(ID).startSnapshot({ epoch: "e1", seq: 1, chain, spreadsheet });
  for (let from = 0; from < rows.length; from += 256) {
    await writer.putLine(lineOf({ sheetId: 0, fromRow: from, rows: rows.slice(from, from + 256) }));
  }
  await writer.finish();
  const again = async (): ReturnType<typeof openMirror> => {
    const result = await openMirror(name);
    if (result.ok) opened.push(result.mirror);
    return result;
  };
  const dial = (): { line: Line; hangUp: () => void } => {
    const [line, there] = linePair();
    serve(there, again);
    return { line, hangUp: () => {} };
  };
  const asked = await openQueries({ open: again, dial });
  if (!asked.ok) throw new Error(asked.why);
  return { mirror, looked: asked.mirror, name };
}
const films = (count: number): Row[] => Array.from({ length: count }, (_, n) => [`film ${n}`, n, n % 2 === 0]);

test("what a page asks is answered as the mirror would", async () => {
  const { mirror, looked } = await asking(films(600));
  const copy = looked.of(ID);
  const range = { startRowIndex: 0, endRowIndex: 600, startColumnIndex: 1, endColumnIndex: 2 };
  expect((await copy.sheets())?.sheets[0]?.title).toBe("Films");
  expect((await looked.held()).length).toBe(1);
  expect(await copy.viewport(0, range)).toEqual(await mirror.of(ID).viewport(0, range));
  expect(await copy.rangeSum(0, range)).toEqual({ count: 600, sum: (599 * 600) / 2, unknownRows: 0 });
  expect(await copy.columnStatistics(0, 1)).toMatchObject({ numbers: { count: 600, max: 599 } });
  expect(await copy.verify()).toEqual(await mirror.of(ID).verify());
});

test("an earlier moment is asked as the present is, by its seq or its time", async () => {
  const { mirror, looked } = await asking(films(600));
  const put = (seq: number, cell: string): Promise<void> =>
    mirror.of(ID).take(
      [
        {
          kind: "cells",
          seq,
          loggedAt: 1_000 * seq,
          cause: "edit",
          readAt: [1, 2],
          sheetId: 0,
          at: { row: 0, column: 0 },
          cells: [[cell]],
        },
      ],
      { epoch: "e1", seq, chain },
    );
  await put(2, "two");
  await put(3, "three");
  const range = { startRowIndex: 0, endRowIndex: 1, startColumnIndex: 0, endColumnIndex: 1 };
  const copy = looked.of(ID);
  const [second, first] = [await copy.at({ at: 2_500 }), await copy.at({ seq: 1 })];
  if (!second.ok || !first.ok) throw new Error("It is kept.");
  expect([second.seq, first.seq]).toEqual([2, 1]);
  // Both are asked at once, though only the last is kept ready.
  const both = [second, first].map(({ copy: then }) => then.viewport(0, range));
  expect((await Promise.all(both)).map((view) => view?.rows)).toEqual([[["two"]], [["film 0"]]]);
  expect((await second.copy.viewport(0, range))?.rows).toEqual([["two"]]);
  expect((await first.copy.viewport(0, range))?.rows).toEqual([["film 0"]]);
  expect((await copy.viewport(0, range))?.rows).toEqual([["three"]]);
  const hits: Hit[] = [];
  for await (const hit of first.copy.search("film 0")) hits.push(hit);
  expect(hits.map((hit) => hit.row)).toEqual([0]);
  let text = "";
  for await (const piece of second.copy.exportRows(0, "csv")) text += new TextDecoder().decode(piece);
  expect(text.split("\r\n")[0]).toBe("two,0,TRUE");
  expect(await copy.at({ seq: 99 })).toEqual({ ok: false, code: "not-kept", kept: 3 });
});

test("hits and pieces of an export arrive in order and completely, with progress", async () => {
  const { looked } = await asking(films(2_000));
  const hits: Hit[] = [];
  let last = [0, 0];
  const onProgress = (rows: number, ofRows: number): void => void (last = [rows, ofRows]);
  for await (const hit of looked.of(ID).search("film", { most: 5_000, onProgress })) hits.push(hit);
  expect(hits.map((hit) => hit.row)).toEqual(Array.from({ length: 2_000 }, (_, n) => n));
  expect(last).toEqual([2_000, 2_000]);
  let text = "";
  for await (const piece of looked.of(ID).exportRows(0, "csv")) text += new TextDecoder().decode(piece);
  expect(text.split("\r\n").slice(0, 3)).toEqual(["film 0,0,TRUE", "film 1,1,FALSE", "film 2,2,TRUE"]);
  expect(text.split("\r\n").length).toBe(2_001);
});

test("what is stopped ends with a word, and the next question is answered", async () => {
  const { looked } = await asking(films(3_000));
  const stop = new AbortController();
  const found = (async () => {
    let n = 0;
    for await (const _ of looked.of(ID).search("film", { most: 5_000, signal: stop.signal })) {
      n += 1;
      stop.abort();
    }
    return n;
  })();
  await expect(found).rejects.toMatchObject({ name: "AbortError" });
  const late = new AbortController();
  const proof = looked.of(ID).verify({ signal: late.signal });
  late.abort();
  await expect(proof).rejects.toMatchObject({ name: "AbortError" });
  expect((await looked.of(ID).sheets())?.whole).toBe(true);
});

test("a search that nobody reads on is let go", async () => {
  const { mirror, looked } = await asking(films(3_000));
  for await (const hit of looked.of(ID).search("film")) {
    expect(hit.row).toBe(0);
    break;
  }
  // Old blocks can go again when nobody reads at length.
  await mirror.of(ID).take(
    [
      {
        kind: "cells",
        seq: 2,
        loggedAt: 2,
        cause: "edit",
        readAt: [1, 2],
        sheetId: 0,
        at: { row: 0, column: 0 },
        cells: [["x"]],
      },
    ],
    { epoch: "e1", seq: 2, chain },
  );
  await mirror.of(ID).checkpoint();
  expect(
    (await looked.of(ID).viewport(0, { startRowIndex: 0, endRowIndex: 1, startColumnIndex: 0, endColumnIndex: 1 }))
      ?.rows,
  ).toEqual([["x"]]);
});

test("commits elsewhere are told", async () => {
  const { mirror, looked } = await asking(films(1));
  const heard: Notice[] = [];
  looked.subscribe((notice) => heard.push(notice));
  await mirror.of(ID).forget();
  await expect.poll(() => heard.map((notice) => notice.what)).toContain("forgotten");
  expect(await looked.held()).toEqual([]);
});

test("a database that was deleted is opened anew, is empty, and its next copy is told", async () => {
  const { looked, name } = await asking(films(1));
  const verify = async (): Promise<number> => (await looked.of(ID).verify()).sheets.length;
  expect(await verify()).toBe(1);
  const heard: Notice[] = [];
  looked.subscribe((notice) => heard.push(notice));
  await new Promise((resolve) => (indexedDB.deleteDatabase(name).onsuccess = resolve));
  await expect.poll(() => looked.held().catch(() => "not yet")).toEqual([]);
  await expect.poll(verify).toBe(0);
  const elsewhere = await openMirror(name);
  if (!elsewhere.ok) throw new Error(elsewhere.why);
  opened.push(elsewhere.mirror);
  const spreadsheet = { title: "T", locale: "en_US", timeZone: "Etc/UTC", sheets: [] };
  const writer = await elsewhere.mirror.of(ID).startSnapshot({ epoch: "e2", seq: 1, chain, spreadsheet });
  await writer.finish();
  await expect.poll(() => heard.map((notice) => notice.what)).toContain("copy");
  // What was open before hears nothing any more: each commit is told once.
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(heard.filter((notice) => notice.what === "copy")).toHaveLength(1);
});

test("no worker is started by short reads", async () => {
  const { mirror } = await asking(films(1));
  const asked = await openQueries({
    open: async () => ({ ok: true, mirror }),
    dial: () => {
      throw new Error("A worker was started.");
    },
  });
  if (!asked.ok) throw new Error(asked.why);
  expect((await asked.mirror.of(ID).sheets())?.whole).toBe(true);
  expect(() => asked.mirror.of(ID).verify()).toThrow("A worker was started.");
});

test("a mirror of a newer version is refused with that word", async () => {
  const refused = { ok: false, why: "newer" } as const;
  expect(await openQueries({ open: async () => refused })).toEqual(refused);
});
