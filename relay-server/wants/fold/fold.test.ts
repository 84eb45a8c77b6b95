import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalRow } from "@sheetwire/shared/grid";
import type { Cell, Reading, Want } from "@sheetwire/shared/protocol";
import { RelayDouble, SheetDouble } from "../sheet-double.ts";
import { Stamps } from "../stamps.ts";

const DAY_MS = 24 * 3_600_000;

const table = (rows: number, columns: number): Cell[][] =>
  Array.from({ length: rows }, (_row, row) =>
    Array.from({ length: columns }, (_column, column) => `r${row}c${column}`),
  );

function copied(rows: Cell[][], columns = 4): { sheet: SheetDouble; relay: RelayDouble } {
  const sheet = new SheetDouble([{ sheetId: 7, title: "One", columns, rows }]);
  const relay = new RelayDouble(sheet);
  relay.run("install", [sheet.sheets()]);
  sheet.now += 120_000;
  relay.changes.length = 0;
  relay.cellsSent = 0;
  return { sheet, relay };
}

const truth = (sheet: SheetDouble, sheetId = 7): Cell[][] => sheet.grid(sheetId).rows.map(canonicalRow);

describe("the first copy", () => {
  test("arrives by wants, is proven by digests and leaves nothing open", () => {
    const { sheet, relay } = copied([...table(300, 4), ...Array.from({ length: 50 }, () => [])]);
    expect(relay.rows(7)).toEqual(truth(sheet));
    expect(relay.desk.sheets.get(7)).toMatchObject({ doubts: [], unproven: [], digestsSince: undefined });
    expect(relay.desk.sheets.get(7)?.checkedAt).toBeDefined();
  });

  test("of a sheet with one row of 18,278 columns is whole", () => {
    const row = Array.from({ length: 18_278 }, (_, column) => column);
    const { sheet, relay } = copied([row, row.slice(0, 3)], 18_278);
    expect(relay.rows(7)).toEqual(truth(sheet));
  });

  test("goes on when the sheet is renamed and another is deleted in the middle", () => {
    const sheet = new SheetDouble([
      { sheetId: 7, title: "One", columns: 4, rows: table(200_000, 1) },
      { sheetId: 8, title: "Two", columns: 4, rows: table(3_000, 4) },
    ]);
    const relay = new RelayDouble(sheet);
    const run = sheet.newRun();
    let wants = relay.take(sheet.post(run, 0, "install", [sheet.sheets()]));
    sheet.grid(7).title = "Renamed";
    for (let n = 1; wants.length > 0; n += 1) {
      if (n === 3) sheet.grids.splice(1, 1);
      sheet.now += 300;
      wants = relay.take(
        sheet.post(
          run,
          n,
          "install",
          wants.map((want) => sheet.answer(want)),
        ),
      );
      expect(n).toBeLessThan(60);
    }
    relay.run("sweep", [sheet.sheets()]);
    expect(relay.state.sheets().map((one) => one.title)).toEqual(["Renamed"]);
    expect(relay.rows(7)).toEqual(truth(sheet));
  }, 30_000);
});

describe("an edit", () => {
  test("of one cell is one post, one change and nothing wanted", () => {
    const { sheet, relay } = copied(table(50, 4));
    sheet.grid(7).rows[20]![2] = "new";
    const posts = relay.run("edit", [sheet.edit(7, 20, 2, 1, 1, "r20c2")]);
    expect(posts).toBe(1);
    expect(relay.changes).toMatchObject([
      { kind: "cells", sheetId: 7, at: { row: 20, column: 2 }, cells: [["new"]], was: [["r20c2"]] },
    ]);
  });

  test("that pastes a block is one change with its old contents", () => {
    const { sheet, relay } = copied(table(50, 4));
    for (let row = 10; row < 20; row += 1) sheet.grid(7).rows[row] = ["a", "b", "c", "d"];
    relay.run("edit", [sheet.edit(7, 10, 0, 10, 4)]);
    expect(relay.changes).toHaveLength(1);
    expect(relay.changes[0]).toMatchObject({ at: { row: 10, column: 0 }, was: table(50, 4).slice(10, 20) });
  });

  test("whose old value is not what is held makes the relay look again, and an earlier lost edit is found", () => {
    const { sheet, relay } = copied(table(50, 4));
    sheet.grid(7).rows[3]![0] = "lost";
    sheet.grid(7).rows[20]![2] = "new";
    relay.run("edit", [sheet.edit(7, 20, 2, 1, 1, "something else")]);
    expect(relay.rows(7)).toEqual(truth(sheet));
  });

  test("in a row that is not where it was applies nothing by its number", () => {
    const { sheet, relay } = copied(table(50, 4));
    sheet.grid(7).rows.splice(5, 0, ["inserted unseen"]);
    sheet.grid(7).rows.pop();
    sheet.grid(7).rows[21]![2] = "new";
    relay.run("edit", [sheet.edit(7, 21, 2, 1, 1, "r20c2")]);
    expect(relay.rows(7)).toEqual(truth(sheet));
    expect(relay.changes.filter((change) => change.kind === "rows")).toHaveLength(1);
  });

  test("in a spreadsheet with formulas heals what was calculated again, on other sheets too", () => {
    const { sheet, relay } = copied([[1, { v: 2, f: "=A1*2" }], ...table(20, 2)]);
    sheet.grids.push({ sheetId: 8, title: "Two", columns: 3, rows: [[{ v: 2, f: "=One!A1*2" }]] });
    relay.run("change:INSERT_GRID", [sheet.sheets()]);
    sheet.now += 60_000;
    sheet.grid(7).rows[0] = [5, { v: 10, f: "=A1*2" }];
    sheet.grid(8).rows[0] = [{ v: 10, f: "=One!A1*2" }];
    const posts = relay.run("edit", [sheet.edit(7, 0, 0, 1, 1, "1")]);
    expect(posts).toBeLessThanOrEqual(3);
    expect(relay.rows(7)).toEqual(truth(sheet, 7));
    expect(relay.rows(8)).toEqual(truth(sheet, 8));
  });

  test("larger than one run reads at once is read on by wants", () => {
    const { sheet, relay } = copied(table(50, 4));
    for (let row = 10; row < 40; row += 1) sheet.grid(7).rows[row] = ["a", row, null, "d"];
    const part = sheet.edit(7, 10, 0, 5, 4);
    relay.run("edit", [{ ...part, edited: { row: 10, column: 0, rows: 30, columns: 4 } } as Reading]);
    expect(relay.rows(7)).toEqual(truth(sheet));
  });
});

describe("an edit that moves rows", () => {
  test("within what one run reads is told as runs, with what changed besides", () => {
    const { sheet, relay } = copied(table(50, 4));
    const { rows } = sheet.grid(7);
    rows.splice(10, 20, ...rows.slice(10, 30).reverse());
    rows[12] = ["typed", "too", null, null];
    relay.run("edit", [sheet.edit(7, 10, 0, 20, 4)]);
    expect(relay.rows(7)).toEqual(truth(sheet));
    expect(relay.changes.map((change) => change.kind)).toEqual(["rows"]);
  });

  test("beyond what one run reads says digests, and no content is sent", () => {
    const { sheet, relay } = copied(table(500, 4));
    sheet.grid(7).rows.reverse();
    const all = { kind: "digests", id: "none", sheetId: 7, layout: 1, axis: "rows", from: 0, to: 500 } as const;
    relay.run("edit", [{ ...sheet.answer(all), want: undefined }]);
    expect(relay.rows(7)).toEqual(truth(sheet));
    expect(relay.cellsSent).toBe(0);
  });
});

describe("a row too large for one post", () => {
  test("comes in pieces and is whole with the last one", () => {
    const row = Array.from({ length: 10 }, (_cell, column) => `c${column}`);
    const sheet = new SheetDouble([{ sheetId: 7, title: "One", columns: 10, rows: [["a"], row, ["b"]] }]);
    const relay = new RelayDouble(sheet);
    const run = sheet.newRun();
    const wants = relay.take(sheet.post(run, 0, "install", [sheet.sheets()]));
    const [want] = wants;
    if (!want || want.kind !== "rows") throw new Error("Expected one want for rows.");
    const piece = (index: number, from: number, to: number): Reading => ({
      kind: "cells",
      readAt: [sheet.now, sheet.now],
      sheetId: 7,
      at: { row: index, column: from },
      cells: [canonicalRow(sheet.grid(7).rows[index] ?? []).slice(from, to)],
      size: { rows: 1, columns: to - from },
      sheetRows: 3,
      sheetColumns: 10,
    });
    relay.take(sheet.post(run, 1, "install", [piece(0, 0, 10), piece(1, 0, 4)]));
    relay.take(sheet.post(run, 2, "install", [piece(1, 4, 8)]));
    const last = relay.take(sheet.post(run, 3, "install", [piece(1, 8, 10), { ...piece(2, 0, 10), want: want.id }]));
    expect(relay.rows(7)).toEqual(truth(sheet));
    expect(last.map((one) => one.kind)).toEqual(["digests"]);
  });
});

describe("structure", () => {
  test("an inserted row sends its own content only", () => {
    const { sheet, relay } = copied(table(500, 4));
    sheet.grid(7).rows.splice(100, 0, ["x", "y"]);
    relay.run("change:INSERT_ROW", [sheet.sheets()]);
    expect(relay.rows(7)).toEqual(truth(sheet));
    expect(relay.cellsSent).toBe(2);
  });

  test("a sort sends no content at all", () => {
    const { sheet, relay } = copied(table(500, 4));
    sheet.grid(7).rows.reverse();
    relay.run("change:OTHER", [sheet.sheets()]);
    expect(relay.rows(7)).toEqual(truth(sheet));
    expect(relay.cellsSent).toBe(0);
  });

  test("an insertion and a deletion nobody told of are found by the next check", () => {
    const { sheet, relay } = copied(table(500, 4));
    sheet.grid(7).rows.splice(100, 0, ["x"]);
    sheet.grid(7).rows.splice(300, 1);
    relay.run("sweep", [sheet.sheets()]);
    expect(relay.rows(7)).toEqual(truth(sheet));
    expect(relay.desk.healed.count).toBeGreaterThan(0);
  });

  test.each([
    ["inserted", (row: Cell[]) => row.splice(1, 0, null), 5],
    ["deleted", (row: Cell[]) => row.splice(1, 1), 3],
    ["moved", (row: Cell[]) => row.push(...row.splice(0, 1)), 4],
  ] as const)("a column that is %s sends no content", (_, change, columns) => {
    const { sheet, relay } = copied(table(100, 4));
    const grid = sheet.grid(7);
    grid.columns = columns;
    for (const row of grid.rows) change(row);
    relay.run("change:OTHER", [sheet.sheets()]);
    expect(relay.rows(7)).toEqual(truth(sheet));
    expect(relay.state.sheetState(7)?.sheet.columns).toBe(columns);
    expect(relay.cellsSent).toBe(0);
    expect(relay.changes.map((one) => one.kind)).toContain("columns");
  });

  test("a column inserted with content, in a sheet that is still being copied, ends right", () => {
    const sheet = new SheetDouble([{ sheetId: 7, title: "One", columns: 4, rows: table(200_000, 1) }]);
    const relay = new RelayDouble(sheet);
    const run = sheet.newRun();
    const wants = relay.take(sheet.post(run, 0, "install", [sheet.sheets()]));
    sheet.now += 300;
    const grid = sheet.grid(7);
    grid.columns = 5;
    for (const row of grid.rows) row.splice(0, 0, "new");
    relay.take(
      sheet.post(
        run,
        1,
        "install",
        wants.map((want) => sheet.answer(want)),
      ),
    );
    sheet.now += 70_000;
    for (let attempt = 0; attempt < 4; attempt += 1) {
      relay.run("manual", [sheet.sheets()]);
      sheet.now += 70_000;
    }
    expect(relay.rows(7)).toEqual(truth(sheet));
  }, 90_000);
});

test("a sheet that was typed into before its list came is not taken for blank", () => {
  const { sheet, relay } = copied(table(3, 2), 2);
  sheet.grids.push({ sheetId: 8, title: "New", columns: 2, rows: [[], [], []] });
  const older = sheet.sheets();
  sheet.now += 400;
  sheet.grid(8).rows[1] = [null, "typed"];
  const typing = sheet.newRun();
  const wants = relay.take(sheet.post(typing, 0, "edit", [sheet.edit(8, 1, 1, 1, 1)]));
  const goOn = (run: string, cause: "edit" | "change:INSERT_GRID", asked: readonly Want[]): void => {
    for (let [n, left] = [1, asked]; left.length > 0; n += 1) {
      const answers = left.map((want) => sheet.answer(want));
      left = relay.take(sheet.post(run, n, cause, answers));
    }
  };
  // The list that was read before comes after it.
  const inserting = sheet.newRun();
  const others = relay.take(sheet.post(inserting, 0, "change:INSERT_GRID", [older]));
  goOn(typing, "edit", wants);
  goOn(inserting, "change:INSERT_GRID", others);
  expect(relay.desk.sheets.get(8)).toMatchObject({ doubts: [], digestsSince: undefined });
  expect(relay.rows(8)).toEqual(truth(sheet, 8));
});

describe("time", () => {
  test("a late post with an older content never overwrites a newer one", () => {
    const { sheet, relay } = copied(table(50, 4));
    const a = sheet.newRun();
    const b = sheet.newRun();
    sheet.grid(7).rows[5]![1] = "older";
    const readByA = sheet.edit(7, 5, 1, 1, 1, "r5c1");
    sheet.now += 1_000;
    sheet.grid(7).rows[5]![1] = "newer";
    const readByB = sheet.edit(7, 5, 1, 1, 1, "older");
    relay.run("edit", [readByB], b);
    sheet.now += 1_000;
    relay.run("edit", [readByA], a);
    expect(relay.rows(7)).toEqual(truth(sheet));
  });

  test("an agreeing reading is remembered: a box ticked, unticked and ticked again ends ticked", () => {
    const { sheet, relay } = copied([[false, null, null, null]]);
    const set = (value: boolean): Reading => {
      sheet.now += 10;
      sheet.grid(7).rows[0]![0] = value;
      return sheet.edit(7, 0, 0, 1, 1);
    };
    const on = set(true);
    const off = set(false);
    for (const reading of [off, on]) relay.run("edit", [reading]);
    expect(relay.rows(7)).toEqual(truth(sheet));
  });

  test("what was stamped before the relay started is only a reason to read again", () => {
    const { sheet, relay } = copied(table(50, 4));
    const late = sheet.edit(7, 5, 1, 1, 1);
    (late as { cells: Cell[][] }).cells[0]![1] = "from before the restart";
    sheet.now += 1_000;
    relay.desk = { ...relay.desk, startedAt: sheet.now, stamps: new Stamps() };
    sheet.now += 1_000;
    relay.run("edit", [late]);
    expect(relay.rows(7)).toEqual(truth(sheet));
  });
});

describe("a clock that was set back", () => {
  test("does not leave the relay waiting until it is as late again: what is typed is believed", () => {
    const { sheet, relay } = copied(table(50, 4));
    // It started while the clock was a day ahead.
    relay.desk = {
      ...relay.desk,
      startedAt: sheet.now + DAY_MS,
      lastHeardAt: sheet.now + DAY_MS,
      stamps: new Stamps(),
    };
    sheet.now += 1_000;
    relay.run("edit", [sheet.edit(7, 5, 1, 1, 1)]);
    sheet.now += 1_000;
    sheet.grid(7).rows[5]![1] = "typed now";
    relay.changes.length = 0;
    relay.take(sheet.post(sheet.newRun(), 0, "edit", [sheet.edit(7, 5, 1, 1, 1)]));
    expect(relay.changes).toMatchObject([{ kind: "cells", at: { row: 5, column: 1 }, cells: [["typed now"]] }]);
  });

  test("makes of what was read before it noticed a reason to read again, and no more", () => {
    const { sheet, relay } = copied(table(50, 4));
    const late = sheet.edit(7, 5, 1, 1, 1);
    (late as { cells: Cell[][] }).cells[0]![1] = "from before";
    sheet.now += 1_000;
    relay.desk = { ...relay.desk, startedAt: sheet.now + DAY_MS, stamps: new Stamps() };
    sheet.now += 1_000;
    relay.run("edit", [late]);
    expect(relay.rows(7)).toEqual(truth(sheet));
  });
});

describe("an answer that took its time", () => {
  test("is not applied by its row numbers after a further insertion, but its rows are recognised", () => {
    const { sheet, relay } = copied(table(10, 4));
    sheet.grid(7).rows.splice(3, 0, ["x"]);
    const run = sheet.newRun();
    let wants = relay.take(sheet.post(run, 0, "change:INSERT_ROW", [sheet.sheets()]));
    sheet.now += 300;
    wants = relay.take(
      sheet.post(
        run,
        1,
        "change:INSERT_ROW",
        wants.map((want) => sheet.answer(want)),
      ),
    );
    const slow = wants.map((want) => sheet.answer(want));
    sheet.now += 1_000;
    sheet.grid(7).rows.splice(1, 0, ["y"]);
    relay.run("change:INSERT_ROW", [sheet.sheets()]);
    relay.changes.length = 0;
    sheet.now += 1_000;
    relay.take(sheet.post(run, 2, "change:INSERT_ROW", slow));
    const wrong = relay.changes.filter((change) => change.kind === "cells" && change.at.row === 3);
    expect(wrong).toEqual([]);
    relay.run("manual", [sheet.sheets()]);
    expect(relay.rows(7)).toEqual(truth(sheet));
  });

  test("does not overwrite an edit that was read later and arrived earlier", () => {
    const { sheet, relay } = copied(table(10, 4));
    const [a, b] = [sheet.newRun(), sheet.newRun()];
    const older = sheet.edit(7, 2, 0, 1, 1);
    sheet.now += 100;
    sheet.grid(7).rows[2] = ["first", "r2c1", "r2c2", "r2c3"];
    const newer = sheet.edit(7, 2, 0, 1, 1);
    relay.take(sheet.post(a, 0, "edit", [newer]));
    const wants = relay.take(sheet.post(b, 0, "edit", [{ ...older, readAt: [sheet.now, sheet.now] }]));
    expect(wants).toMatchObject([{ kind: "rows", rows: [2] }]);
    sheet.now += 300;
    const slow = wants.map((want) => sheet.answer(want));
    sheet.now += 1_000;
    sheet.grid(7).rows[2] = ["second", "r2c1", "r2c2", "r2c3"];
    relay.run("edit", [sheet.edit(7, 2, 0, 1, 1)]);
    sheet.now += 1_000;
    const left = relay.take(sheet.post(b, 1, "edit", slow));
    expect(relay.rows(7)[2]).toEqual(["second", "r2c1", "r2c2", "r2c3"]);
    expect(left).toMatchObject([{ kind: "rows", rows: [2] }]);
  });
});

/** What can happen to a sheet, as numbers so that a failing case shrinks. */
type Step = { kind: number; a: number; b: number; isLost: boolean; isLate: boolean };

test("whatever happens, lost events and late posts included, a check makes the state equal to the sheet", () => {
  const step: fc.Arbitrary<Step> = fc.record({
    kind: fc.nat(6),
    a: fc.nat(1_000),
    b: fc.nat(1_000),
    isLost: fc.boolean(),
    isLate: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const { sheet, relay } = copied(table(12, 3));
      const late: { run: string; cause: "edit" | `change:${string}`; reading: Reading }[] = [];
      for (const { kind, a, b, isLost, isLate } of steps) {
        sheet.now += a % 700;
        const grid = sheet.grid(7);
        const row = a % grid.rows.length;
        let cause: "edit" | `change:${string}` = "edit";
        let reading: Reading;
        if (kind <= 2) {
          const column = b % 3;
          const cells = grid.rows[row] ?? [];
          while (cells.length <= column) cells.push(null);
          const was = cells[column];
          cells[column] = b % 5 === 0 ? null : `v${b % 7}`;
          reading = sheet.edit(7, row, column, 1, 1, typeof was === "string" ? was : undefined);
        } else {
          if (kind === 3) grid.rows.splice(row, 0, ...Array.from({ length: (b % 3) + 1 }, () => [] as Cell[]));
          else if (kind === 4 && grid.rows.length > 3) grid.rows.splice(row, 1);
          else if (kind === 5) grid.rows.reverse();
          else grid.rows.push(...grid.rows.splice(0, (b % 3) + 1));
          cause = `change:${kind === 3 ? "INSERT_ROW" : kind === 4 ? "REMOVE_ROW" : "OTHER"}`;
          reading = sheet.sheets();
        }
        if (isLost) continue;
        if (isLate) late.push({ run: sheet.newRun(), cause, reading });
        else relay.run(cause, [reading]);
        if (late.length > 2) {
          const one = late.shift();
          if (one) relay.run(one.cause, [one.reading], one.run);
        }
      }
      for (const one of late) relay.run(one.cause, [one.reading], one.run);
      sheet.now += 1_000;
      relay.run("sweep", [sheet.sheets()]);
      expect(relay.rows(7)).toEqual(truth(sheet));
      expect(relay.desk.sheets.get(7)).toMatchObject({ doubts: [], digestsSince: undefined });
    }),
    { numRuns: 1_500 },
  );
}, 60_000);
