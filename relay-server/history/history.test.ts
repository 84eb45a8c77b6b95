import { randomUUID } from "node:crypto";
import { applyChange, emptyModel, sameCell, type SpreadsheetModel } from "@sheetwire/shared/grid";
import type { Cell, Change, Row } from "@sheetwire/shared/protocol";
import fc from "fast-check";
import { beforeEach, expect, test } from "vitest";
import { createMemoryLog } from "../log/engines/memory.ts";
import type { ChangeLog } from "../log/log.ts";
import { filled, learn, sheet, typed } from "../testing/testing.ts";
import { historyOf, type HistoryEntry } from "./history.ts";

const id = "sheet-1";
let log: ChangeLog;
beforeEach(() => {
  log = createMemoryLog({ randomId: randomUUID });
});

type Draft = ReturnType<typeof typed>;
const rows = (...runs: Extract<Draft, { kind: "rows" }>["runs"]): Draft => ({ kind: "rows", sheetId: 7, runs });
const columns = (...runs: Extract<Draft, { kind: "columns" }>["runs"]): Draft => ({
  kind: "columns",
  sheetId: 7,
  runs,
});
const cells = (row: number, column: number, now: Row[], was?: Row[]): Draft => ({
  kind: "cells",
  sheetId: 7,
  at: { row, column },
  cells: now,
  ...(was ? { was } : {}),
});

const tell = (...drafts: Draft[]): Promise<void> => learn({ log }, id, ...drafts);
const story = async (row: number, column: number, limit = 100) => {
  const seq = (await log.head(id))?.seq ?? 0;
  return historyOf(log, id, seq, { sheetId: 7, row, column }, limit);
};
/** The entries as pairs: what it was (undefined where not known), what it became. */
const pairs = async (row: number, column: number): Promise<(Cell | undefined)[][]> =>
  (await story(row, column)).entries.map(({ was, now }) => [was, now]);

test("a cell's story has what it was and became, newest first, and ends where its row came", async () => {
  await tell(...filled([["a"], ["b"]]));
  await tell(cells(0, 0, [["a2"]], [["a"]]));
  await tell(cells(1, 0, [["another cell"]], [["b"]]));
  await tell(cells(0, 0, [[null]], [["a2"]]));
  const { entries, end } = await story(0, 0);
  expect(end).toBe("beginning");
  expect(entries).toEqual([
    { seq: 5, loggedAt: 1, cause: "edit", was: "a2", now: null },
    { seq: 3, loggedAt: 1, cause: "edit", was: "a", now: "a2" },
    { seq: 2, loggedAt: 1, cause: "edit", now: "a" },
  ]);
});

test("the story follows its row across an insertion above it, a sort and a deletion", async () => {
  await tell(...filled([["x"], ["y"], ["z"]]));
  await tell(cells(2, 0, [["z2"]], [["z"]]));
  await tell(rows({ keep: [0, 1] }, { blank: 2 }, { keep: [1, 2] }));
  await tell(cells(4, 0, [["z3"]], [["z2"]]));
  await tell(rows({ keep: [4, 1] }, { keep: [3, 1] }, { keep: [0, 1] }, { keep: [1, 2] }));
  await tell(cells(0, 0, [["z4"]], [["z3"]]));
  await tell(rows({ keep: [2, 3] }, { keep: [0, 1] }));
  expect(await pairs(3, 0)).toEqual([
    ["z3", "z4"],
    ["z2", "z3"],
    ["z", "z2"],
    [undefined, "z"],
  ]);
});

test("the story follows its column across an insertion and a move", async () => {
  await tell(...filled([["a", "b", "c"]]));
  await tell(columns({ keep: [0, 1] }, { blank: 1 }, { keep: [1, 2] }));
  await tell(cells(0, 2, [["b2"]], [["b"]]));
  await tell(columns({ keep: [2, 1] }, { keep: [0, 2] }, { keep: [3, 1] }));
  expect(await pairs(0, 0)).toEqual([
    ["b", "b2"],
    [undefined, "b"],
  ]);
  await tell(cells(0, 2, [["new"]], [[null]]));
  expect(await pairs(0, 2)).toEqual([[null, "new"]]);
});

test("of a pasted block each cell has its own old value, and those that stayed as they were have no entry", async () => {
  await tell(...filled([["a", "b"], ["c"]]));
  const was: Row[] = [["a", "b"], ["c"]];
  await tell(
    cells(
      0,
      0,
      [
        ["1", "b"],
        [null, "4"],
      ],
      was,
    ),
  );
  expect(await pairs(0, 0)).toEqual([
    ["a", "1"],
    [undefined, "a"],
  ]);
  expect(await pairs(0, 1)).toEqual([[undefined, "b"]]);
  expect(await pairs(1, 0)).toEqual([
    ["c", null],
    [undefined, "c"],
  ]);
  expect(await pairs(1, 1)).toEqual([[null, "4"]]);
});

test("changes of other sheets are not told, and a sheet that came back begins anew", async () => {
  await tell(...filled([["a"]]));
  await tell({ kind: "cells", sheetId: 8, at: { row: 0, column: 0 }, cells: [["other"]] });
  expect(await pairs(0, 0)).toEqual([[undefined, "a"]]);
  const spreadsheet = { title: "Ledger", locale: "en_GB", timeZone: "UTC" };
  await tell({ kind: "sheets", spreadsheet: { ...spreadsheet, sheets: [] } });
  await tell({ kind: "sheets", spreadsheet: { ...spreadsheet, sheets: [sheet({ rows: 1 })] } });
  await tell(cells(0, 0, [["back"]]));
  expect(await pairs(0, 0)).toEqual([[undefined, "back"]]);
});

test("with as many entries as were asked for it stops, and says that there is more", async () => {
  await tell(...filled([["0"]]));
  for (let at = 1; at <= 5; at += 1) await tell(cells(0, 0, [[`${at}`]], [[`${at - 1}`]]));
  const some = await story(0, 0, 2);
  expect([some.entries.map(({ now }) => now), some.end]).toEqual([["5", "4"], "limit"]);
  const all = await story(0, 0, 6);
  expect([all.entries.length, all.end]).toEqual([6, "beginning"]);
});

test("where it stops it goes on, also after more changes than one answer looks through, and wherever the row stood", async () => {
  await tell(...filled([["0"]]));
  for (let at = 1; at <= 5; at += 1) await tell(cells(0, 0, [[`${at}`]], [[`${at - 1}`]]));
  await tell({ kind: "rows", sheetId: 7, runs: [{ blank: 1 }, { keep: [0, 1] }] });
  await tell(cells(1, 0, [["6"]], [["5"]]));
  const whole = (await story(1, 0)).entries;
  expect(whole).toHaveLength(7);
  for (const [limit, most] of [
    [2, 1_000],
    [100, 3],
  ] as const) {
    const told: HistoryEntry[] = [];
    let begin = { seq: (await log.head(id))?.seq ?? 0, place: { sheetId: 7, row: 1, column: 0 } };
    for (;;) {
      const { entries, rest } = await historyOf(log, id, begin.seq, begin.place, limit, most);
      told.push(...entries);
      if (!rest) break;
      begin = rest;
    }
    expect(told).toEqual(whole);
  }
});

test("where the log was trimmed the story stops, and says so", async () => {
  await tell(...filled([["0"]]));
  for (let at = 1; at <= 4; at += 1) await tell(cells(0, 0, [[`${at}`]], [[`${at - 1}`]]));
  const head = await log.head(id);
  if (!head) throw new Error("No log.");
  await log.saveState(id, { head, lines: ["{}"] });
  await log.trim(id, 4);
  const { entries, end } = await story(0, 0);
  expect([entries.map(({ now }) => now), end]).toEqual([["4", "3"], "trimmed"]);
});

test("entries too large to be read at once are read all the same, each change once", async () => {
  await tell(...filled([["0"]]));
  for (let at = 1; at <= 12; at += 1) {
    await tell(cells(0, 0, [[`${at}${"x".repeat(200_000)}`]]), cells(0, 0, [[`${at}`]]), typed("below", 0));
  }
  const seqs = (await story(0, 0)).entries.map(({ seq }) => seq);
  expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => b - a));
  expect(seqs).toHaveLength(37);
});

test("whatever happened, each step of the story is what the cell really was and became", async () => {
  const row = fc.array(fc.constantFrom<Cell>("a", "b", null), { minLength: 3, maxLength: 3 });
  const action = fc.oneof(
    fc.record({ kind: fc.constant("cells" as const), at: fc.nat(20), column: fc.nat(2), now: row }),
    fc.record({ kind: fc.constant("insert" as const), at: fc.nat(20), put: row }),
    fc.record({ kind: fc.constant("delete" as const), at: fc.nat(20) }),
    fc.record({ kind: fc.constant("rotate" as const), at: fc.nat(20) }),
    fc.record({ kind: fc.constant("columns" as const), by: fc.nat(2) }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(action, { minLength: 1, maxLength: 25 }),
      fc.nat(20),
      fc.nat(2),
      async (actions, r, c) => {
        log = createMemoryLog({ randomId: randomUUID });
        const model = emptyModel();
        // Each cell carries its own story along, the plain way.
        let told: SpreadsheetModel | undefined;
        const stories = new Map<string, Cell[]>();
        let tags: string[][] = [];
        let tag = 0;
        const newTag = (first: Cell): string => {
          tag += 1;
          stories.set(`${tag}`, [first]);
          return `${tag}`;
        };
        const apply = async (draft: Draft): Promise<void> => {
          await tell(draft);
          const change: Change = { seq: 1, loggedAt: 1, cause: "edit", readAt: [1, 1], ...draft };
          applyChange(model, change);
          told = model;
        };
        const start = [
          ["1", "2", "3"],
          ["4", "5", "6"],
          ["7", "8", "9"],
        ];
        for (const draft of filled(start)) await apply(draft);
        tags = start.map((cellsOfRow) => cellsOfRow.map(newTag));
        for (const one of actions) {
          const held = told?.sheets.get(7)?.rows ?? [];
          const count = held.length;
          if (one.kind === "columns") {
            const order = [0, 1, 2].map((column) => (column + one.by) % 3);
            await apply(columns(...order.map((column) => ({ keep: [column, 1] as [number, number] }))));
            tags = tags.map((line) => order.map((column) => line[column] ?? ""));
            continue;
          }
          const at = one.at % count;
          if (one.kind === "cells") {
            const now = one.now.slice(one.column);
            const was = (held[at] ?? []).slice(one.column);
            while (was.length < now.length) was.push(null);
            await apply(cells(at, one.column, [now], [was]));
            now.forEach((cell, offset) => {
              const mine = stories.get(tags[at]?.[one.column + offset] ?? "");
              if (mine && !sameCell(mine.at(-1) ?? null, cell)) mine.push(cell);
            });
          } else if (one.kind === "insert") {
            const rest = at < count ? [{ keep: [at, count - at] as [number, number] }] : [];
            await apply(rows(...(at > 0 ? [{ keep: [0, at] as [number, number] }] : []), { put: [one.put] }, ...rest));
            tags.splice(at, 0, one.put.map(newTag));
          } else if (one.kind === "delete" && count > 1) {
            const parts = [
              { keep: [0, at] as [number, number] },
              { keep: [at + 1, count - at - 1] as [number, number] },
            ].filter(({ keep }) => keep[1] > 0);
            await apply(rows(...parts));
            tags.splice(at, 1);
          } else if (one.kind === "rotate" && at > 0) {
            await apply(rows({ keep: [at, count - at] }, { keep: [0, at] }));
            tags = [...tags.slice(at), ...tags.slice(0, at)];
          }
        }
        const place = { row: r % tags.length, column: c };
        const { entries, end } = await story(place.row, place.column);
        const expected = [...(stories.get(tags[place.row]?.[place.column] ?? "") ?? [])];
        // A cell that came blank has no first entry.
        if (expected[0] === null) expected.shift();
        expect(entries.map(({ now }) => now)).toEqual(expected.toReversed());
        expect(end).toBe("beginning");
      },
    ),
    { numRuns: 300 },
  );
});

test("while a long story is told the others have their turns", async () => {
  await tell(...filled([["0"]]));
  for (let n = 0; n < 20; n += 1) {
    const drafts = Array.from({ length: 500 }, (_, at) => typed(`${n} ${at} ${"x".repeat(200)}`, 0));
    await tell(...drafts);
  }
  let turns = 0;
  let isOver = false;
  const others = (async () => {
    for (; !isOver; turns += 1) await new Promise(setImmediate);
  })();
  const { entries } = await story(0, 5);
  isOver = true;
  await others;
  expect(entries).toEqual([]);
  // 10,000 changes, 512 in a turn at most.
  expect(turns).toBeGreaterThanOrEqual(19);
});
