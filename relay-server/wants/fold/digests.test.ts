import { canonicalRow } from "@sheetwire/shared/grid";
import type { Cell, Reading } from "@sheetwire/shared/protocol";
import { expect, test } from "vitest";
import { RelayDouble, SheetDouble, type Grid } from "../sheet-double.ts";

const open = (...grids: Grid[]): { sheet: SheetDouble; relay: RelayDouble } => {
  const sheet = new SheetDouble(grids);
  const relay = new RelayDouble(sheet);
  relay.run("install", [sheet.sheets()]);
  relay.run("manual", [sheet.sheets()]);
  sheet.now += 120_000;
  return { sheet, relay };
};
const grid = (sheetId: number, rows: Cell[][]): Grid => ({ sheetId, title: `Sheet ${sheetId}`, columns: 2, rows });

/** The digests of a window that nobody asked for, as an edit of many rows sends them. */
const look = (sheet: SheetDouble, from: number, to: number): Reading => {
  const reading = sheet.answer({ id: "", kind: "digests", sheetId: 7, layout: 1, axis: "rows", from, to });
  delete reading.want;
  return reading;
};

test("a row that was filled below what a look had seen stays filled when the look arrives late", () => {
  const { sheet, relay } = open(grid(7, [[], [], ["x", 1], ["y", 2], [], []]));
  const { rows } = sheet.grid(7);
  rows.unshift(...rows.splice(3, 1));
  const late = look(sheet, 0, 4);
  sheet.now += 1_000;
  rows[4] = ["c"];
  relay.take(sheet.post(sheet.newRun(), 0, "edit", [sheet.edit(7, 4, 0, 1, 1)]));
  sheet.now += 1_000;
  relay.take(sheet.post(sheet.newRun(), 0, "edit", [late]));
  expect(relay.state.row(7, 4)).toEqual(["c"]);
  sheet.now += 120_000;
  relay.run("manual", [sheet.sheets()]);
  expect(relay.rows(7)).toEqual(rows.map(canonicalRow));
});

test("two runs that read in the same moments prove nothing of each other", () => {
  const { sheet, relay } = open(grid(7, [["a", 1]]));
  const run = sheet.newRun();
  const [want] = relay.take(sheet.post(run, 0, "manual", [sheet.sheets()]));
  if (!want) throw new Error("Nothing was wanted.");
  // Both saw a half of what was typed: the value is still the old one.
  sheet.now += 300;
  sheet.grid(7).rows[0] = ["a", { v: 1, d: "2" }];
  const torn = sheet.answer(want);
  relay.take(sheet.post(sheet.newRun(), 0, "edit", [sheet.edit(7, 0, 1, 1, 1)]));
  sheet.grid(7).rows[0] = ["a", 2];
  const before = relay.changes.length;
  const again = relay.take(sheet.post(run, 1, "manual", [torn]));
  expect(relay.changes.slice(before)).toEqual([]);
  expect(again).toMatchObject([{ kind: "digests", sheetId: 7 }]);
  sheet.now += 1_000;
  for (let wants = again, n = 2; wants.length > 0; n += 1) {
    const answers = wants.map((one) => sheet.answer(one));
    wants = relay.take(sheet.post(run, n, "manual", answers));
    sheet.now += 300;
  }
  expect(relay.rows(7)).toEqual([["a", 2]]);
});

test("a column that was dragged is found also where nothing but the column was read", () => {
  const { sheet, relay } = open(
    grid(7, [
      ["a", 1],
      ["b", 2],
      ["c", 3],
    ]),
  );
  const { rows } = sheet.grid(7);
  for (const row of rows) row.reverse();
  const read: Reading = {
    kind: "cells",
    readAt: [sheet.now, sheet.now],
    sheetId: 7,
    at: { row: 0, column: 1 },
    cells: rows.map((row) => [row[1] ?? null]),
    size: { rows: 3, columns: 1 },
    sheetRows: 3,
    sheetColumns: 2,
    edited: { row: 0, column: 1, rows: 3, columns: 1 },
  };
  relay.run("edit", [read]);
  expect(relay.rows(7)).toEqual(rows.map(canonicalRow));
});

/** Two sheets of which the relay has not heard since: rows went in one; in the other one came and one went. */
function oneShrinksAndOneShifts(): ReturnType<typeof open> {
  const opened = open(
    grid(7, [
      ["a", 1],
      ["b", 2],
      ["c", 3],
    ]),
    grid(8, [["x", 1], ["y", 2], []]),
  );
  opened.sheet.grid(7).rows.splice(0, 1);
  opened.sheet.grid(8).rows.splice(0, 3, [], ["x", 1], ["y", 2]);
  return opened;
}

test("of two lists of sheets that tell the same new size, one is explained by it, the other is of something else", () => {
  const { sheet, relay } = oneShrinksAndOneShifts();
  const lists = [sheet.newRun(), sheet.newRun()];
  for (const run of lists) {
    relay.take(sheet.post(run, 0, "change:REMOVE_ROW", [sheet.sheets()]));
    sheet.now += 1_000;
  }
  sheet.now += 120_000;
  relay.run("call", []);
  for (const { sheetId, rows } of sheet.grids) expect(relay.rows(sheetId)).toEqual(rows.map(canonicalRow));
});

test("a list of sheets that stands for several changes is explained by no new size", () => {
  const { sheet, relay } = oneShrinksAndOneShifts();
  relay.run("change:SEVERAL", [sheet.sheets()]);
  for (const { sheetId, rows } of sheet.grids) expect(relay.rows(sheetId)).toEqual(rows.map(canonicalRow));
});

test("a window that was read for its proof alone begins no look, however few rows are filled", () => {
  const { sheet, relay } = open(grid(7, [["a", 1], ["b", 2], [], []]));
  const { rows } = sheet.grid(7);
  relay.take(sheet.post(sheet.newRun(), 0, "manual", [look(sheet, 1, 4)]));
  rows[0] = ["untold", 1];
  sheet.now += 120_000;
  relay.run("manual", [sheet.sheets()]);
  relay.run("sweep", [sheet.sheets()]);
  expect(relay.rows(7)).toEqual(rows.map(canonicalRow));
});
