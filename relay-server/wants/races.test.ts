/**
 * Runs that overlap: each reads when it reads and posts when it posts, in any order, by clocks that differ. No event is
 * lost here, so at the end the state is the sheet, or the relay knows that it has to look again (never a silent error).
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalRow } from "@sheetwire/shared/grid";
import type { Cause, Cell, Post, Reading, Want } from "@sheetwire/shared/protocol";
import { RelayDouble, SheetDouble } from "./sheet-double.ts";

type Run = {
  id: string;
  cause: Cause;
  n: number;
  skewMs: number;
  todo: (() => Reading)[];
  read: Reading[] | undefined;
};

const COLUMNS = 3;

/** A schedule is numbers: what happens next, and to whom. */
function play(
  choices: readonly [number, number, number][],
  withStructure: boolean,
): { sheet: SheetDouble; relay: RelayDouble } {
  const rows = Array.from({ length: 5 }, (_row, row) =>
    Array.from({ length: COLUMNS }, (_cell, column): Cell => `r${row}c${column}`),
  );
  const sheet = new SheetDouble([{ sheetId: 7, title: "One", columns: COLUMNS, rows }]);
  const relay = new RelayDouble(sheet);
  relay.run("install", [sheet.sheets()]);
  sheet.now += 120_000;
  const runs: Run[] = [];
  const start = (cause: Cause, todo: () => Reading, skew: number): void => {
    runs.push({ id: sheet.newRun(), cause, n: 0, skewMs: skew, todo: [todo], read: undefined });
  };
  const step = (run: Run): void => {
    if (run.read === undefined) {
      // It reads now, by its own clock.
      run.read = run.todo.map((one) => shifted(one(), run.skewMs));
      return;
    }
    const post: Post = sheet.post(run.id, run.n, run.cause, run.read);
    const wants: Want[] = relay.take(post);
    run.n += 1;
    run.read = undefined;
    run.todo = wants.map((want) => () => sheet.answer(want));
    if (wants.length === 0) runs.splice(runs.indexOf(run), 1);
  };
  for (const [kind, a, b] of choices) {
    sheet.now += b % 400;
    const grid = sheet.grid(7);
    const row = a % grid.rows.length;
    if (kind < 4 && runs.length > 0) {
      const run = runs[a % runs.length];
      if (run) step(run);
    } else if (kind < 8 || !withStructure) {
      const column = b % COLUMNS;
      const cells = grid.rows[row] ?? [];
      while (cells.length < COLUMNS) cells.push(null);
      const was = cells[column];
      cells[column] = `v${(a + b) % 3}`;
      const cell = { row, column };
      start(
        "edit",
        () => sheet.edit(7, cell.row, cell.column, 1, 1, typeof was === "string" ? was : undefined),
        (a % 5) * 200 - 400,
      );
    } else {
      if (kind === 8) grid.rows.splice(row, 0, [`n${b % 4}`]);
      else if (kind === 9 && grid.rows.length > 2) grid.rows.splice(row, 1);
      else grid.rows.reverse();
      start(kind === 8 ? "change:INSERT_ROW" : "change:OTHER", () => sheet.sheets(), (a % 5) * 200 - 400);
    }
  }
  for (let guard = 0; runs.length > 0; guard += 1) {
    if (guard > 10_000) throw new Error("The runs never end.");
    sheet.now += 50;
    const run = runs[guard % runs.length];
    if (run) step(run);
  }
  return { sheet, relay };
}

function shifted(reading: Reading, ms: number): Reading {
  return { ...reading, readAt: [reading.readAt[0] + ms, reading.readAt[1] + ms] };
}

const truth = (sheet: SheetDouble): Cell[][] => sheet.grid(7).rows.map(canonicalRow);
const isOpen = (relay: RelayDouble): boolean =>
  relay.desk.sheetsSince !== undefined ||
  [...relay.desk.sheets.values()].some((one) => one.doubts.length > 0 || one.digestsSince !== undefined) ||
  relay.state.sheetStates().some((held) => held.unknownRows > 0);

const schedule = fc.array(fc.tuple(fc.nat(10), fc.nat(1_000), fc.nat(1_000)), { maxLength: 60 });

/** Schedules that once ended wrong. Two insertions whose lists of sheets were read within the margin of order. */
const FAILED_ONCE: [[number, number, number][]][] = [
  [[0, 0, 0, 8, 0, 0, 0, 8].map((kind): [number, number, number] => [kind, 0, 0])],
];

test.each([
  ["edits", false],
  ["edits and structure", true],
] as const)(
  "overlapping runs of %s end right, or are known to be open",
  (_, withStructure) => {
    fc.assert(
      fc.property(schedule, (choices) => {
        const { sheet, relay } = play(choices, withStructure);
        const isEqual = JSON.stringify(relay.rows(7)) === JSON.stringify(truth(sheet));
        expect(isEqual || isOpen(relay)).toBe(true);
      }),
      { numRuns: 4_000, examples: FAILED_ONCE },
    );
  },
  60_000,
);

test("what overlapping runs left open is closed by one more run", () => {
  fc.assert(
    fc.property(schedule, (choices) => {
      const { sheet, relay } = play(choices, true);
      sheet.now += 70_000;
      relay.run("manual", [sheet.sheets()]);
      expect(relay.rows(7)).toEqual(truth(sheet));
      expect(isOpen(relay)).toBe(false);
    }),
    { numRuns: 2_000 },
  );
}, 60_000);
