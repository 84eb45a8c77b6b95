import "fake-indexeddb/auto";
import { Dexie } from "dexie";
import fc from "fast-check";
import { afterEach, expect, test } from "vitest";
import { digestOfRow, digestOfWindow, digestText, seedOf } from "@sheetwire/shared/digest";
import { applyChange, emptyModel, MisfitError, type SpreadsheetModel } from "@sheetwire/shared/grid";
import type {
  Cell,
  Change,
  ColumnRun,
  Cursor,
  Row,
  RowRun,
  Sheet,
  SnapshotHead,
  SnapshotRows,
} from "@sheetwire/shared/protocol";
import { MIRROR_VERSION } from "./database.ts";
import {
  GapError,
  MismatchError,
  openMirror,
  type Mirror,
  type MirrorOptions,
  type Moment,
  type Notice,
  type Viewport,
} from "./mirror.ts";

const S1 = "spreadsheet-1";
const chain = (seq: number): string => seq.toString(16).padStart(16, "0");
const cursorAt = (seq: number, epoch = "e1"): Cursor => ({ epoch, seq, chain: chain(seq) });
const sheetOf = (sheetId: number, rows: number, columns = 4, title = `Sheet ${sheetId}`): Sheet => ({
  sheetId,
  title,
  index: sheetId,
  rows,
  columns,
  hidden: false,
  kind: "GRID",
});
const headOf = (seq: number, ...sheets: Sheet[]): SnapshotHead => ({
  ...cursorAt(seq),
  spreadsheet: { title: "Budget", locale: "en_US", timeZone: "Etc/UTC", sheets },
});
const common = (seq: number) => ({
  seq,
  loggedAt: 1_000 + seq,
  cause: "edit" as const,
  readAt: [1, 2] as [number, number],
});
const cells = (seq: number, row: number, column: number, rows: Row[], sheetId = 0): Change => ({
  kind: "cells",
  ...common(seq),
  sheetId,
  at: { row, column },
  cells: rows,
});
const rowsChange = (seq: number, runs: RowRun[]): Change => ({ kind: "rows", ...common(seq), sheetId: 0, runs });

const opened: Mirror[] = [];
let names = 0;
async function open(name = `mirror-${(names += 1)}`, options: MirrorOptions = {}): Promise<Mirror> {
  const result = await openMirror(name, options);
  if (!result.ok) throw new Error(`not opened: ${result.why}`);
  opened.push(result.mirror);
  return result.mirror;
}
afterEach(() => {
  for (const mirror of opened.splice(0)) mirror.close();
});

const lineOf = (rows: SnapshotRows): Uint8Array => new TextEncoder().encode(JSON.stringify(rows));
/** A mirror that holds one sheet of these rows at seq 10. */
async function holding(rows: (Row | null)[], columns = 4, name?: string): Promise<Mirror> {
  const mirror = await open(name);
  const writer = await mirror.of(S1).startSnapshot(headOf(10, sheetOf(0, rows.length, columns)));
  for (let from = 0; from < rows.length; from += 256) {
    await writer.putLine(lineOf({ sheetId: 0, fromRow: from, rows: rows.slice(from, from + 256) }));
  }
  await writer.finish();
  return mirror;
}
const all = { startRowIndex: 0, endRowIndex: 1_000_000, startColumnIndex: 0, endColumnIndex: 100 };
const rowsIn = async (mirror: Mirror, sheetId = 0): Promise<(Row | null)[] | undefined> =>
  (await mirror.of(S1).viewport(sheetId, all))?.rows;
const numbered = (count: number): Row[] => Array.from({ length: count }, (_, row) => [row, `row ${row}`]);

test("a snapshot is shown with its cursor, and changes continue from there", async () => {
  const mirror = await holding([["a", 1], [], ["c"]]);
  await mirror.of(S1).take([cells(11, 1, 0, [["b", { v: 3, f: "=1+2" }]])], cursorAt(11));
  expect(await rowsIn(mirror)).toEqual([["a", 1], ["b", { v: 3, f: "=1+2" }], ["c"]]);
  expect(await mirror.of(S1).cursor()).toEqual(cursorAt(11));
});

test("M2 a change past a hole is refused and nothing of its batch is kept", async () => {
  const mirror = await holding([["a"]]);
  const batch = [cells(11, 0, 0, [["b"]]), cells(13, 0, 0, [["d"]])];
  await expect(mirror.of(S1).take(batch, cursorAt(13))).rejects.toThrow(GapError);
  expect(await rowsIn(mirror)).toEqual([["a"]]);
  expect(await mirror.of(S1).cursor()).toEqual(cursorAt(10));
});

test("M2 changes of another life of the log, a repeated change and a cursor that does not match are refused", async () => {
  const mirror = await holding([["a"]]);
  const copy = mirror.of(S1);
  await expect(copy.take([cells(11, 0, 0, [["b"]])], cursorAt(11, "e2"))).rejects.toThrow(GapError);
  await expect(copy.take([cells(10, 0, 0, [["b"]])], cursorAt(10))).rejects.toThrow(GapError);
  await expect(copy.take([cells(11, 0, 0, [["b"]])], cursorAt(12))).rejects.toThrow(GapError);
  await expect(open().then((empty) => empty.of(S1).take([cells(1, 0, 0, [["b"]])], cursorAt(1)))).rejects.toThrow(
    GapError,
  );
  expect(await rowsIn(mirror)).toEqual([["a"]]);
});

test("M1 killed at any step of a commit, the copy stands at one seq: content and cursor agree", async () => {
  for (const method of ["add", "get"] as const) {
    const mirror = await holding(numbered(3));
    // The transaction is cut off after it has begun to write, as when the process ends in it.
    const change = cells(11, 0, 0, [["new"]]);
    let isCut = false;
    const original = IDBObjectStore.prototype[method] as (...args: unknown[]) => IDBRequest;
    const cut = function (this: IDBObjectStore, ...args: unknown[]) {
      const request = original.apply(this, args);
      if (!isCut && this.transaction.mode === "readwrite") {
        isCut = true;
        this.transaction.abort();
      }
      return request;
    };
    Object.assign(IDBObjectStore.prototype, { [method]: cut });
    try {
      await expect(mirror.of(S1).take([change], cursorAt(11))).rejects.toThrow();
    } finally {
      Object.assign(IDBObjectStore.prototype, { [method]: original });
    }
    expect(isCut).toBe(true);
    expect((await rowsIn(mirror))?.[0]).toEqual([0, "row 0"]);
    expect(await mirror.of(S1).cursor()).toEqual(cursorAt(10));
    await mirror.of(S1).take([change], cursorAt(11));
    expect((await rowsIn(mirror))?.[0]).toEqual(["new", "row 0"]);
  }
});

test("M3 a first copy can be read as it arrives; a later one shows only when it is whole", async () => {
  const mirror = await open();
  const copy = mirror.of(S1);
  const first = await copy.startSnapshot(headOf(5, sheetOf(0, 3)));
  await first.putLine(lineOf({ sheetId: 0, fromRow: 0, rows: [["a"], ["b"]] }));
  await expect.poll(() => rowsIn(mirror)).toEqual([["a"], ["b"]]);
  expect(await copy.cursor()).toBeUndefined();
  await first.finish();
  expect(await rowsIn(mirror)).toEqual([["a"], ["b"], null]);

  const second = await copy.startSnapshot(headOf(9, sheetOf(0, 1)));
  await second.putLine(lineOf({ sheetId: 0, fromRow: 0, rows: [["z"]] }));
  expect(await rowsIn(mirror)).toEqual([["a"], ["b"], null]);
  expect(await copy.cursor()).toEqual(cursorAt(5));
  await second.finish();
  expect(await rowsIn(mirror)).toEqual([["z"]]);
  expect(await copy.cursor()).toEqual(cursorAt(9));
});

test("a copy that broke off leaves nothing behind, whether it was given up or the background was killed", async () => {
  const name = `mirror-${(names += 1)}`;
  const mirror = await open(name);
  const copy = mirror.of(S1);
  const first = await copy.startSnapshot(headOf(5, sheetOf(0, 1)));
  await first.putLine(lineOf({ sheetId: 0, fromRow: 0, rows: [["a"]] }));
  await first.finish();
  const givenUp = await copy.startSnapshot(headOf(6, sheetOf(0, 1)));
  await givenUp.putLine(lineOf({ sheetId: 0, fromRow: 0, rows: [["b"]] }));
  await givenUp.abandon();
  const killed = await copy.startSnapshot(headOf(7, sheetOf(0, 1)));
  await killed.putLine(lineOf({ sheetId: 0, fromRow: 0, rows: [["c"]] }));
  const last = await (await open(name)).of(S1).startSnapshot(headOf(8, sheetOf(0, 1)));
  await last.putLine(lineOf({ sheetId: 0, fromRow: 0, rows: [["d"]] }));
  await expect(killed.finish()).rejects.toThrow(GapError);
  await last.finish();
  expect(await rowsIn(mirror)).toEqual([["d"]]);
  const raw = await new Dexie(name).open();
  expect(await raw.table("packed").count()).toBe(1);
  expect(await raw.table("grids").count()).toBe(1);
  raw.close();
});

test("rows of a sheet that the snapshot does not name, and rows that come twice, are refused", async () => {
  const copy = (await open()).of(S1);
  const writer = await copy.startSnapshot(headOf(5, sheetOf(0, 3)));
  await expect(writer.putLine(lineOf({ sheetId: 4, fromRow: 0, rows: [[]] }))).rejects.toThrow(MisfitError);
  await writer.putLine(lineOf({ sheetId: 0, fromRow: 0, rows: [["a"], ["b"]] }));
  await expect(writer.putLine(lineOf({ sheetId: 0, fromRow: 1, rows: [["b"]] }))).rejects.toThrow(MisfitError);
});

test("an insertion in a big sheet is one small record, and its checkpoint writes one or two blocks", async () => {
  const mirror = await holding(numbered(2_560));
  const written: string[] = [];
  const { put, add } = IDBObjectStore.prototype;
  IDBObjectStore.prototype.put = function (this: IDBObjectStore, ...args: Parameters<typeof put>) {
    written.push(this.name);
    return put.apply(this, args);
  };
  IDBObjectStore.prototype.add = function (this: IDBObjectStore, ...args: Parameters<typeof add>) {
    written.push(this.name);
    return add.apply(this, args);
  };
  try {
    const runs: RowRun[] = [{ keep: [0, 300] }, { put: [["new"]] }, { keep: [300, 2_260] }];
    await mirror.of(S1).take([rowsChange(11, runs)], cursorAt(11));
    expect(written).toEqual(["log"]);
    await mirror.of(S1).checkpoint();
  } finally {
    Object.assign(IDBObjectStore.prototype, { put, add });
  }
  expect(written.filter((store) => store === "packed").length).toBeLessThanOrEqual(2);
  const rows = await rowsIn(mirror);
  expect(rows?.length).toBe(2_561);
  expect(rows?.slice(299, 302)).toEqual([[299, "row 299"], ["new"], [300, "row 300"]]);
});

test("runs that keep a row twice, or rows that are not there, are refused and change nothing", async () => {
  const mirror = await holding([["a"], ["b"]]);
  const copy = mirror.of(S1);
  for (const runs of [[{ keep: [0, 2] }, { keep: [1, 1] }], [{ keep: [0, 3] }]] as RowRun[][]) {
    await expect(copy.take([rowsChange(11, runs)], cursorAt(11))).rejects.toThrow(MisfitError);
  }
  await expect(copy.take([cells(11, 2, 0, [["x"]])], cursorAt(11))).rejects.toThrow(MisfitError);
  await expect(copy.take([cells(11, 0, 0, [["x"]], 9)], cursorAt(11))).rejects.toThrow(MisfitError);
  expect(await rowsIn(mirror)).toEqual([["a"], ["b"]]);
});

test("an unknown row takes a whole row, and refuses a part of one", async () => {
  const mirror = await holding([["a"], null, null]);
  const copy = mirror.of(S1);
  await expect(copy.take([cells(11, 1, 2, [["x"]])], cursorAt(11))).rejects.toThrow(MisfitError);
  await copy.take([cells(11, 1, 0, [["b", 2]])], cursorAt(11));
  expect(await rowsIn(mirror)).toEqual([["a"], ["b", 2], null]);
});

test("a new sheet has unknown rows until they are read, and one that is gone is forgotten", async () => {
  const mirror = await holding([["a"]]);
  const copy = mirror.of(S1);
  const sheets = (seq: number, ...list: Sheet[]): Change => ({
    kind: "sheets",
    ...common(seq),
    spreadsheet: headOf(0, ...list).spreadsheet,
  });
  await copy.take([sheets(11, sheetOf(0, 1), sheetOf(7, 600)), cells(12, 300, 0, [["deep"]], 7)], cursorAt(12));
  const rows = await rowsIn(mirror, 7);
  expect(rows?.length).toBe(600);
  expect(rows?.[300]).toEqual(["deep"]);
  expect(rows?.filter((row) => row === null).length).toBe(599);
  await copy.take([sheets(13, sheetOf(7, 600, 4, "Renamed"))], cursorAt(13));
  expect(await rowsIn(mirror, 0)).toBeUndefined();
  expect((await copy.sheets())?.sheets.map((sheet) => sheet.title)).toEqual(["Renamed"]);
  const words = (await copy.changes()).map((change) => change.text);
  expect(words[0]).toBe("sheet “Sheet 7” renamed to “Renamed”, sheet “Sheet 0” deleted");
});

test("M4 a proof is checked against the copy's own digest; a difference is refused", async () => {
  const rows: Row[] = [["a", 1], [], ["c"]];
  const mirror = await holding(rows);
  const copy = mirror.of(S1);
  const seed = seedOf(S1);
  const proof = (seq: number, digest: string): Change => ({
    kind: "verified",
    ...common(seq),
    sheetId: 0,
    window: { from: 1, to: 3 },
    digest,
  });
  const digest = digestText(
    digestOfWindow(
      1,
      rows.slice(1).map((row) => digestOfRow(row, seed)),
    ),
  );
  await copy.take([proof(11, digest)], cursorAt(11));
  await expect(copy.take([cells(12, 2, 0, [["d"]]), proof(13, digest)], cursorAt(13))).rejects.toThrow(MismatchError);
  expect(await copy.cursor()).toEqual(cursorAt(11));
});

const cellArbitrary: fc.Arbitrary<Cell> = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.integer({ min: -5, max: 5 }),
  fc.constantFrom("x", "é😀", "שלום", "<b>", "a\u0000b"),
  fc.record({ v: fc.integer({ min: 0, max: 9 }), f: fc.constant("=A1"), d: fc.constantFrom("$1", "2 %") }),
);
const rowArbitrary = fc.array(cellArbitrary, { maxLength: 4 });

type Pick = (below: number) => number;

/** A run list that fits a sheet of `length` rows: some kept in any order, some put, blank and unknown. */
function someRuns(length: number, pick: Pick, row: () => Row): RowRun[] {
  const parts: RowRun[] = [];
  for (let from = 0; from < length;) {
    const count = Math.min(length - from, 1 + pick(40));
    if (pick(5) > 0) parts.push({ keep: [from, count] });
    from += count;
  }
  if (pick(3) === 0) parts.reverse();
  const extra = (): RowRun =>
    [{ put: [row(), row()] }, { blank: 1 + pick(90) }, { unknown: 1 + pick(90) }, { put: [row()] }][pick(4)]!;
  for (let n = pick(3); n > 0; n -= 1) parts.splice(pick(parts.length + 1), 0, extra());
  return parts;
}

/** Some change that fits the sheet, of the kinds that happen. */
function someChange(seq: number, held: { sheet: Sheet; rows: (Row | null)[] }, pick: Pick, row: () => Row): Change {
  const height = held.rows.length;
  if (height > 0 && pick(2) === 0) {
    const at = pick(height);
    const column = held.rows[at] === null ? 0 : pick(3);
    return cells(seq, at, column, [row().slice(0, held.sheet.columns - column)]);
  }
  if (pick(4) === 0) {
    const runs: ColumnRun[] =
      pick(3) === 0
        ? [{ keep: [0, held.sheet.columns - 1] }, { blank: 1 }]
        : [{ keep: [1, held.sheet.columns - 1] }, { blank: 1 }, { keep: [0, 1] }];
    return { kind: "columns", ...common(seq), sheetId: 0, runs };
  }
  return rowsChange(seq, someRuns(height, pick, row));
}

test(
  "whatever changes come, folded or not, every context holds what the plain model holds, and held then",
  { timeout: 120_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(1_000_000), { minLength: 80, maxLength: 80 }),
        fc.array(rowArbitrary, { minLength: 8, maxLength: 8 }),
        async (dice, rows) => {
          let at = 0;
          const pick = (below: number): number => (dice[(at += 1) % dice.length]! + at) % below;
          const row = (): Row => rows[pick(rows.length)]!;
          const start: (Row | null)[] = Array.from({ length: 1 + pick(700) }, () => (pick(20) === 0 ? null : row()));
          const name = `mirror-${(names += 1)}`;
          let mirror = await holding(start, 4, name);
          const watching = await open(name);
          const model: SpreadsheetModel = emptyModel();
          model.sheets.set(0, { sheet: sheetOf(0, start.length), rows: (await rowsIn(mirror)) ?? [] });
          const seen: Viewport[] = [];
          const states = new Map([[10, structuredClone(model.sheets.get(0)!.rows)]]);
          for (let seq = 11; seq < 19; seq += 1) {
            const change = someChange(seq, model.sheets.get(0)!, pick, row);
            applyChange(model, change);
            states.set(seq, structuredClone(model.sheets.get(0)!.rows));
            await mirror.of(S1).take([change], cursorAt(seq));
            if (pick(3) === 0) await mirror.of(S1).checkpoint();
            if (pick(5) === 0) mirror = await open(name);
            if (pick(3) === 0) seen.push((await watching.of(S1).viewport(0, all))!);
          }
          // Another context hears of a commit a moment later; what it shows is always one state, whole.
          for (const { seq, rows: shown } of seen) expect(shown).toEqual(states.get(seq!));
          for (const one of [mirror, watching, await open(name)]) {
            await expect.poll(async () => (await one.of(S1).cursor())?.seq).toBe(18);
            await expect.poll(async () => (await one.of(S1).viewport(0, all))?.seq).toBe(18);
            expect(await rowsIn(one)).toEqual(model.sheets.get(0)!.rows);
            expect((await one.of(S1).sheets())?.sheets[0]?.rows).toBe(model.sheets.get(0)!.rows.length);
          }
          for (const [seq, held] of states) {
            const past = await watching.of(S1).at({ seq });
            if (!past.ok) throw new Error(`kept back to ${past.kept} only`);
            expect((await past.copy.viewport(0, all))?.rows).toEqual(held);
          }
        },
      ),
      { numRuns: 60, endOnFailure: true },
    );
  },
);

test("a mirror made by a newer version is refused and left as it is", async () => {
  const name = `mirror-${(names += 1)}`;
  const newer = new Dexie(name);
  newer.version(MIRROR_VERSION + 1).stores({ spreadsheets: "spreadsheetId", packed: "id" });
  await newer.open();
  await newer.table("packed").put({ id: 1, bytes: "kept" });
  newer.close();
  expect(await openMirror(name)).toMatchObject({ ok: false, why: "newer" });
  const again = await new Dexie(name).open();
  expect(await again.table("packed").get(1)).toEqual({ id: 1, bytes: "kept" });
  again.close();
});

test("the live list says what happened in words: a cell, a block, inserted rows, sorted rows", async () => {
  const mirror = await holding([
    ["a", 1],
    ["b", 2],
    ["c", 3],
  ]);
  const copy = mirror.of(S1);
  const changes: Change[] = [
    { ...cells(11, 1, 1, [[{ v: 5, f: "=2+3", d: "$5" }]]), actor: "mara@example.org" },
    cells(12, 0, 0, [
      ["p", "q"],
      ["r", "s"],
    ]),
    rowsChange(13, [{ keep: [0, 1] }, { blank: 2 }, { keep: [1, 2] }]),
    rowsChange(14, [{ keep: [4, 1] }, { keep: [0, 4] }]),
    rowsChange(15, [{ keep: [0, 3] }]),
    cells(16, 0, 0, [["c"]]),
  ];
  await copy.take(changes, cursorAt(16));
  const [deleted, sorted, inserted, block, cell] = await copy.changes();
  expect(cell).toMatchObject({
    what: "cell",
    where: "B2",
    before: "2",
    after: "$5",
    formula: "=2+3",
    actor: "mara@example.org",
    loggedAt: 1_011,
  });
  expect(block).toMatchObject({ what: "block", where: "A1:B2", text: "4 cells" });
  expect(inserted).toMatchObject({ what: "rows", text: "2 rows inserted above row 2" });
  expect(sorted).toMatchObject({ what: "rows", text: "rows reordered" });
  expect(deleted).toMatchObject({ what: "rows", text: "2 rows deleted at row 4" });
});

test("rows that were unknown are told as read, not as somebody's change", async () => {
  const mirror = await holding([null, null, ["c"]]);
  const copy = mirror.of(S1);
  await copy.take(
    [cells(11, 0, 0, [["a"]]), rowsChange(12, [{ keep: [0, 1] }, { put: [["b"]] }, { keep: [2, 1] }])],
    cursorAt(12),
  );
  expect((await copy.changes()).map(({ what, rows }) => ({ what, rows }))).toEqual([
    { what: "read", rows: 1 },
    { what: "read", rows: 1 },
  ]);
});

test("the list has the last five hundred changes, over a restart too", async () => {
  const name = `mirror-${(names += 1)}`;
  const mirror = await open(name);
  const writer = await mirror.of(S1).startSnapshot(headOf(0, sheetOf(0, 1)));
  await writer.putLine(lineOf({ sheetId: 0, fromRow: 0, rows: [["0"]] }));
  await writer.finish();
  const changes = Array.from({ length: 620 }, (_, n) => cells(n + 1, 0, 0, [[String(n + 1)]]));
  await mirror.of(S1).take(changes.slice(0, 400), cursorAt(400));
  await mirror.of(S1).take(changes.slice(400, 600), cursorAt(600));
  for (const change of changes.slice(600)) await mirror.of(S1).take([change], cursorAt(change.seq));
  mirror.close();
  const kept = await (await open(name)).of(S1).changes();
  expect(kept.length).toBe(500);
  expect(kept.map(({ seq }) => seq)).toEqual(Array.from({ length: 500 }, (_, n) => 620 - n));
  expect(kept[0]).toMatchObject({ seq: 620, before: "619", after: "620" });
  expect((await opened.at(-1)!.of(S1).changes(610)).length).toBe(10);
});

test("a cell's history is followed through inserted rows, newest first", async () => {
  const mirror = await holding([["a"], ["b"]]);
  const copy = mirror.of(S1);
  await copy.take(
    [
      cells(11, 1, 0, [["b2"]]),
      rowsChange(12, [{ blank: 3 }, { keep: [0, 2] }]),
      cells(13, 4, 0, [["b3"]]),
      cells(14, 0, 0, [["other"]]),
    ],
    cursorAt(14),
  );
  const history = await copy.history(0, 4, 0);
  expect(history.entries.map(({ seq, before, after }) => [seq, before, after])).toEqual([
    [13, "b2", "b3"],
    [11, "b", "b2"],
  ]);
  expect(history.reachesTo).toBe(11);
  expect((await copy.history(0, 1, 0)).entries.map(({ seq, after }) => [seq, after])).toEqual([[12, null]]);
});

test("an earlier state is the sheet as it was then, with its deleted rows and columns, at a seq or a moment", async () => {
  const mirror = await holding([["a", 1], ["b", 2], null]);
  const copy = mirror.of(S1);
  const changes: Change[] = [
    rowsChange(11, [{ keep: [1, 2] }]),
    { kind: "columns", ...common(12), sheetId: 0, runs: [{ keep: [1, 3] }] },
    cells(13, 1, 0, [["read"]]),
    cells(14, 0, 0, [[{ v: 3, f: "=1+2" }]]),
  ];
  await copy.take(changes, cursorAt(14));
  const stateAt = async (moment: Moment): Promise<unknown> => {
    const past = await copy.at(moment);
    return past.ok ? [past.seq, (await past.copy.viewport(0, all))?.rows] : past;
  };
  expect(await stateAt({ seq: 10 })).toEqual([10, [["a", 1], ["b", 2], null]]);
  expect(await stateAt({ seq: 11 })).toEqual([11, [["b", 2], null]]);
  expect(await stateAt({ seq: 12 })).toEqual([12, [[2], null]]);
  expect(await stateAt({ at: 1_013 })).toEqual([13, [[2], ["read"]]]);
  expect(await stateAt({ seq: 14 })).toEqual([14, [[{ v: 3, f: "=1+2" }], ["read"]]]);
  const past = await copy.at({ seq: 10 });
  if (!past.ok) throw new Error("not kept");
  const hits: number[] = [];
  for await (const hit of past.copy.search("a")) hits.push(hit.row);
  expect(hits).toEqual([0]);
});

test("states from before the copy came, and such whose content is not kept, are refused, not guessed", async () => {
  const copy = (await holding(Array.from({ length: 9_000 }, (_, n) => [n, n, n]))).of(S1);
  expect(await copy.at({ seq: 9 })).toEqual({ ok: false, code: "not-kept", kept: 10 });
  expect(await copy.at({ seq: 11 })).toEqual({ ok: false, code: "not-kept", kept: 10 });
  await copy.take([rowsChange(11, [{ keep: [8_990, 10] }])], cursorAt(11));
  expect(await copy.at({ seq: 10 })).toEqual({ ok: false, code: "not-kept", kept: 11 });
  expect(await copy.at({ at: 5 })).toEqual({ ok: false, code: "not-kept", kept: 11 });
});

test("search finds display texts and formulas in every sheet, case ignored, and stops at the wanted number", async () => {
  const mirror = await holding([["Apple"], [{ v: 3, f: "=PINEAPPLE()", d: "3" }], null, ["pear"]]);
  const found = async (text: string, most?: number): Promise<string[]> => {
    const hits: string[] = [];
    for await (const hit of mirror.of(S1).search(text, most === undefined ? {} : { most }))
      hits.push(`${hit.row}:${hit.column}`);
    return hits;
  };
  expect(await found("apple")).toEqual(["0:0", "1:0"]);
  expect(await found("apple", 1)).toEqual(["0:0"]);
  expect(await found("")).toEqual([]);
});

test("column statistics tell numbers, texts, blanks, errors and unknown rows apart", async () => {
  const copy = (await holding([[1], [{ v: 5, f: "=2+3" }], ["x"], [true], [], [{ v: null, e: "#N/A" }], null])).of(S1);
  expect(await copy.columnStatistics(0, 0)).toEqual({
    rows: 7,
    unknown: 1,
    blank: 1,
    texts: 1,
    booleans: 1,
    errors: 1,
    formulas: 1,
    numbers: { count: 2, sum: 6, min: 1, max: 5, mean: 3 },
  });
});

test("CSV quotes what needs it, JSON keeps formulas", async () => {
  const copy = (await holding([['say "hi"', "a,b", { v: 1, f: "=1", d: "1.00" }], ["two\nlines"]])).of(S1);
  const textOf = async (format: "csv" | "json"): Promise<string> => {
    let text = "";
    for await (const piece of copy.exportRows(0, format)) text += new TextDecoder().decode(piece);
    return text;
  };
  expect(await textOf("csv")).toBe('"say ""hi""","a,b",1.00\r\n"two\nlines"\r\n');
  expect(await textOf("json")).toBe('["say \\"hi\\"","a,b",{"v":1,"f":"=1","d":"1.00"}]\n["two\\nlines"]\n');
});

test("verify computes each sheet's digest from the copy, and none while rows are unknown", async () => {
  const rows = numbered(600);
  const [proof] = (await (await holding(rows)).of(S1).verify()).sheets;
  const seed = seedOf(S1);
  expect(proof?.digest).toBe(
    digestText(
      digestOfWindow(
        0,
        rows.map((row) => digestOfRow(row, seed)),
      ),
    ),
  );
  expect(await (await holding([["a"], null])).of(S1).verify()).toMatchObject({
    seq: 10,
    sheets: [{ unknownRows: 1, digest: undefined }],
  });
});

test("word of a large commit does not carry it", async () => {
  const mirror = await open(`mirror-${(names += 1)}`);
  const writer = await mirror.of(S1).startSnapshot(headOf(3, sheetOf(0, 1)));
  await writer.putLine(lineOf({ sheetId: 0, fromRow: 0, rows: [["a"]] }));
  await writer.finish();
  const heard: Notice[] = [];
  mirror.subscribe((notice) => heard.push(notice));
  const many = Array.from({ length: 17 }, (_, n) => cells(4 + n, 0, 0, [[`typed ${n}`]]));
  await mirror.of(S1).take(many, cursorAt(20));
  expect(heard).toEqual([{ spreadsheetId: S1, what: "changes", seq: 20 }]);
});

test("every commit is told here and in other contexts, and forgetting leaves nothing", async () => {
  const name = `mirror-${(names += 1)}`;
  const mirror = await open(name);
  const other = await open(name);
  const here: Notice[] = [];
  const there: Notice[] = [];
  mirror.subscribe((notice) => here.push(notice));
  other.subscribe((notice) => there.push(notice));
  const writer = await mirror.of(S1).startSnapshot(headOf(3, sheetOf(0, 1)));
  await writer.putLine(lineOf({ sheetId: 0, fromRow: 0, rows: [["a"]] }));
  await writer.finish();
  await mirror.of(S1).take([cells(4, 0, 0, [["b"]])], cursorAt(4));
  await mirror.of(S1).forget();
  expect(here.map((notice) => notice.what)).toEqual(["arriving", "arriving", "copy", "changes", "forgotten"]);
  expect(here[3]?.news).toEqual({
    afterSeq: 3,
    changes: [expect.objectContaining({ seq: 4, before: "a", after: "b" })],
  });
  await expect.poll(() => there).toEqual(here);
  expect(await mirror.held()).toEqual([]);
  const raw = await new Dexie(name).open();
  for (const table of raw.tables) expect(await table.count()).toBe(0);
  raw.close();
});
