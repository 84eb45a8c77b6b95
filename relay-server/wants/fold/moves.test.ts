import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { canonicalRow } from "@sheetwire/shared/grid";
import { limits } from "@sheetwire/shared/limits";
import type { Cell, Want } from "@sheetwire/shared/protocol";
import { RelayDouble, SheetDouble } from "../sheet-double.ts";

let sheet: SheetDouble;
let relay: RelayDouble;

const open = (columns: number, rows: Cell[][]): void => {
  sheet = new SheetDouble([{ sheetId: 7, title: "Rows", columns, rows }]);
  relay = new RelayDouble(sheet);
  relay.run("install", [sheet.sheets()]);
  relay.run("manual", [sheet.sheets()]);
  sheet.now += 120_000;
};

/** Rows dragged elsewhere, as Google tells it: an edit of whole rows, where they went. */
function drag(from: number, to: number): number {
  const { rows, columns } = sheet.grid(7);
  rows.splice(to, 0, ...rows.splice(from, 1));
  return relay.run("edit", [sheet.edit(7, to, 0, 1, columns)]);
}

const expectEqual = (): void => {
  expect(relay.rows(7)).toEqual(sheet.grid(7).rows.map(canonicalRow));
  expect(relay.desk.sheets.get(7)).toMatchObject({ doubts: [], digestsSince: undefined });
};

beforeEach(() =>
  open(2, [
    ["a", 1],
    ["b", 2],
    ["c", 3],
    ["d", 4],
  ]),
);

test("a row that was dragged leaves its old place, and sends its contents once", () => {
  const before = relay.cellsSent;
  drag(0, 2);
  expectEqual();
  expect(relay.cellsSent - before).toBe(2);
  expect(relay.changes.at(-1)).toMatchObject({
    kind: "rows",
    runs: [{ keep: [1, 2] }, { keep: [0, 1] }, { keep: [3, 1] }],
  });
});

test("so does one that was typed into before it was read", () => {
  const { rows } = sheet.grid(7);
  rows.splice(2, 0, ...rows.splice(0, 1));
  rows[2] = ["a", "typed"];
  relay.run("edit", [sheet.edit(7, 2, 0, 1, 2)]);
  expectEqual();
});

test("so does one that was dragged to where an equal row stood", () => {
  open(2, [
    ["b", 2],
    ["a", 1],
    ["b", 2],
    ["c", 3],
  ]);
  drag(0, 2);
  expectEqual();
});

test("in a sheet of one column too", () => {
  open(1, [["a"], ["b"], ["c"]]);
  drag(2, 0);
  expectEqual();
});

test("a cell that is typed in a sheet of one column is one post", () => {
  open(1, [["a"], ["b"], ["c"]]);
  sheet.grid(7).rows[1] = ["a"];
  expect(relay.run("edit", [sheet.edit(7, 1, 0, 1, 1, "b")])).toBe(1);
  expectEqual();
});

test("whole rows that are pasted cost one look at the digests of a small sheet", () => {
  sheet.grid(7).rows[1] = ["pasted", 9];
  expect(relay.run("edit", [sheet.edit(7, 1, 0, 1, 2)])).toBe(2);
  expectEqual();
});

describe("a check in several windows", () => {
  const { digestWantMaxCells } = limits;
  afterEach(() => void Object.assign(limits, { digestWantMaxCells }));

  test("proves what moved between its looks only by looking at all of it again", () => {
    Object.assign(limits, { digestWantMaxCells: 4 });
    const { rows } = sheet.grid(7);
    const run = sheet.newRun();
    const digests = relay.take(sheet.post(run, 0, "manual", [sheet.sheets()]));
    expect(digests).toMatchObject([
      { from: 0, to: 2 },
      { from: 2, to: 4 },
    ]);
    const early = sheet.answer(digests[0] as Want);
    // The last row goes to the top: it is in neither window, and the row at their border is in both.
    rows.unshift(...rows.splice(-1));
    sheet.now += 300;
    relay.take(sheet.post(run, 1, "manual", [early, sheet.answer(digests[1] as Want)]));
    expect(relay.desk.sheets.get(7)?.unproven).toEqual([{ from: 0, to: 4 }]);
    sheet.now += 120_000;
    relay.run("call", []);
    expectEqual();
    expect(relay.desk.sheets.get(7)?.unproven).toEqual([]);
  });

  test("begins again when the rows that it still lacked are blank meanwhile", () => {
    Object.assign(limits, { digestWantMaxCells: 4 });
    const { rows } = sheet.grid(7);
    const run = sheet.newRun();
    const digests = relay.take(sheet.post(run, 0, "manual", [sheet.sheets()]));
    relay.take(sheet.post(run, 1, "manual", [sheet.answer(digests[0] as Want)]));
    rows.splice(0, 4, ["other", 1], ["rows", 2], [], []);
    sheet.now += 120_000;
    relay.run("manual", [sheet.sheets()]);
    expectEqual();
  });
});
