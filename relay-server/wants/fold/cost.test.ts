/** What sizes cost that somebody merely wrote, in milliseconds of this thread alone: a busy machine changes little of it. */
import { expect, test, vi } from "vitest";
import { packDigests } from "@sheetwire/shared/digest";
import { SpreadsheetState } from "../../sheets/sheets.ts";
import { emptyDesk, foldPost, issueWants } from "../wants.ts";
import type { Post, Reading } from "../types.ts";

vi.setConfig({ testTimeout: 60_000 });

const NOW = 1_700_000_000_000;

function stage() {
  const state = new SpreadsheetState("s", { epoch: "e", seq: 0, chain: "0000000000000000" });
  const desk = emptyDesk(NOW - 100_000);
  let n = 0;
  /** Milliseconds that folding these cost, and the changes that came of them. */
  const take = (...readings: Reading[]) => {
    const post: Post = {
      protocol: 1,
      run: "run-of-a-test",
      n: n++,
      cause: "install",
      script: { version: "1", installation: "i" },
      allowance: { spentMs: 0, runLimitMs: 360_000 },
      readings,
    };
    const kinds: string[] = [];
    const before = process.threadCpuUsage();
    foldPost(post, state, desk, (content) => (kinds.push(content.kind), state.apply(content)), NOW);
    issueWants(post, state, desk, NOW);
    const { user, system } = process.threadCpuUsage(before);
    return { ms: (user + system) / 1_000, kinds };
  };
  return { state, take };
}

const readAt: [number, number] = [NOW - 10, NOW - 10];
const list = (rows: number, usedRows: number): Reading => {
  const sheet = { sheetId: 7, title: "Data", index: 0, rows, usedRows, columns: 1, hidden: false, kind: "GRID" };
  return { kind: "sheets", readAt, spreadsheet: { title: "t", locale: "en", timeZone: "UTC", sheets: [sheet] } };
};
const blank = (rows: number, sheetRows = rows): Reading => ({
  kind: "cells",
  readAt,
  sheetId: 7,
  at: { row: 0, column: 0 },
  cells: [],
  size: { rows, columns: 1 },
  sheetRows,
  sheetColumns: 1,
});

test.each([0, 5, 10_000_000])(
  "a list that names ten million rows, %i of them used, costs a fraction of a look at each",
  (usedRows) => {
    const { state, take } = stage();
    expect(take(list(10_000_000, usedRows)).ms).toBeLessThan(1_500);
    const held = state.sheetState(7);
    expect([held?.rows.length, held?.unknownRows]).toEqual([10_000_000, usedRows]);
  },
);

test("a million blank rows that are held as blank are told in no time, and change nothing", () => {
  const { state, take } = stage();
  take(list(1_000_000, 0));
  const before = state.digest();
  const { ms, kinds } = take(blank(1_000_000));
  expect(ms).toBeLessThan(150);
  expect([kinds, state.digest()]).toEqual([[], before]);
});

test("a million blank rows are learned, and once", () => {
  const { state, take } = stage();
  take(list(1_000_000, 1_000_000));
  const { ms, kinds } = take(blank(1_000_000));
  expect(ms).toBeLessThan(1_500);
  expect(new Set(kinds)).toEqual(new Set(["cells"]));
  expect(state.sheetState(7)?.unknownRows).toBe(0);
  expect(take(blank(1_000_000))).toMatchObject({ kinds: [] });
});

test("a million blank rows of a sheet of another size are not looked for", () => {
  const { take } = stage();
  take(list(1_000_000, 1_000_000));
  expect(take(blank(1_000_000, 1_000_001)).ms).toBeLessThan(400);
});

const DIGESTS = packDigests(Array.from({ length: 1_000 }, (_, row) => ({ high: row + 1, low: row + 1 })));
/** A look at a thousand rows, behind which all are blank. */
const look = (sheetRows: number): Reading => ({
  kind: "digests",
  readAt,
  sheetId: 7,
  axis: "rows",
  from: 0,
  to: 1_000,
  digests: DIGESTS,
  sheetRows,
  sheetColumns: 1,
  usedRows: 1_000,
  usedColumns: 1,
});

test("a look at few rows that tells of ten million costs a fraction of a look at each, and so does the way back", () => {
  const { state, take } = stage();
  take(list(1_000, 1_000));
  take(look(1_000));
  for (const rows of [10_000_000, 1_000]) {
    expect(take(look(rows)).ms).toBeLessThan(1_500);
    expect(state.sheetState(7)?.rows).toHaveLength(rows);
  }
});

test("millions of unknown rows that a look tells are blank are known at once, and nobody is asked for them", () => {
  const { state, take } = stage();
  take(list(10_000_000, 10_000_000));
  expect(state.sheetState(7)?.unknownRows).toBe(10_000_000);
  expect(take(look(10_000_000))).toMatchObject({ kinds: ["rows"] });
  expect(state.sheetState(7)?.unknownRows).toBe(1_000);
  expect(take(look(10_000_000)).ms).toBeLessThan(1_500);
});
