/** What people and programs do to a table of real data, drawn by seed. */
import type { Action } from "../stage/stage.ts";
import type { Dice } from "../simulation/dice.ts";
import { a1Of } from "./history.ts";

/** A sheet as the generator believes it to be. */
export type KnownSheet = { sheetId: number; rows: number; columns: number };

export type Edit = {
  readonly action: Action;
  /** Cells in the rows that this touches: a row is what is read. */
  readonly cellsChanged: number;
};

const words = [
  "alpha",
  "beta",
  "Straße",
  "北京",
  "00417",
  "3.25",
  "17",
  "2024-02-29",
  "TRUE",
  "=1+2",
  "",
  "ok 👍🏽",
  "-5%",
];
/** Results that follow other cells, with no event of their own. */
const formulas = ["=A2&B3", "=SUM(C2:C9)", "=COUNTA(A:A)", '=IF(B3="","none",B3)', "=ROW()"];

type Maker = (sheet: KnownSheet, dice: Dice) => Edit | undefined;

const rectangle = (
  sheet: KnownSheet,
  dice: Dice,
  mostRows: number,
): { row: number; column: number; rows: number; columns: number } => {
  const row = dice.below(sheet.rows);
  const column = dice.below(sheet.columns);
  return {
    row,
    column,
    rows: 1 + dice.below(Math.min(mostRows, sheet.rows - row)),
    columns: 1 + dice.below(Math.min(5, sheet.columns - column)),
  };
};

const values = (dice: Dice, rows: number, columns: number): string[][] =>
  Array.from({ length: rows }, () => Array.from({ length: columns }, () => dice.pick(words)));

const block =
  (action: string): Maker =>
  (sheet, dice) => {
    const { row, column, rows, columns } = rectangle(sheet, dice, 8);
    return {
      action: { action, sheetId: sheet.sheetId, a1: a1Of(row, column), values: values(dice, rows, columns) },
      cellsChanged: rows * sheet.columns,
    };
  };

const type: Maker = (sheet, dice) => ({
  action: {
    action: "type",
    sheetId: sheet.sheetId,
    a1: a1Of(dice.below(sheet.rows), dice.below(sheet.columns)),
    value: dice.pick(dice.chance(0.1) ? formulas : words),
  },
  cellsChanged: sheet.columns,
});

const clear: Maker = (sheet, dice) => {
  const { row, column, rows, columns } = rectangle(sheet, dice, 4);
  const a1 = `${a1Of(row, column)}:${a1Of(row + rows - 1, column + columns - 1)}`;
  return { action: { action: "clear", sheetId: sheet.sheetId, a1 }, cellsChanged: rows * sheet.columns };
};

const insertRows: Maker = (sheet, dice) => {
  const count = 1 + dice.below(3);
  const row = dice.below(sheet.rows);
  sheet.rows += count;
  return { action: { action: "insertRows", sheetId: sheet.sheetId, row, count }, cellsChanged: 0 };
};

const deleteRows: Maker = (sheet, dice) => {
  if (sheet.rows < 20) return undefined;
  const count = 1 + dice.below(3);
  const row = dice.below(sheet.rows - count);
  sheet.rows -= count;
  return { action: { action: "deleteRows", sheetId: sheet.sheetId, row, count }, cellsChanged: 0 };
};

const moveRows: Maker = (sheet, dice) => {
  const count = 1 + dice.below(3);
  const row = dice.below(sheet.rows - count);
  const to = dice.below(sheet.rows);
  if (to >= row && to <= row + count) return undefined;
  return {
    action: { action: "moveRows", sheetId: sheet.sheetId, row, count, to },
    cellsChanged: count * sheet.columns,
  };
};

const insertColumns: Maker = (sheet, dice) => {
  if (sheet.columns > 24) return undefined;
  const column = dice.below(sheet.columns);
  sheet.columns += 1;
  return { action: { action: "insertColumns", sheetId: sheet.sheetId, column, count: 1 }, cellsChanged: 0 };
};

const deleteColumns: Maker = (sheet, dice) => {
  if (sheet.columns < 4) return undefined;
  const column = dice.below(sheet.columns);
  sheet.columns -= 1;
  // A row without one of its cells is another row where it cannot be told which column went.
  return { action: { action: "deleteColumns", sheetId: sheet.sheetId, column, count: 1 }, cellsChanged: 0 };
};

const sort: Maker = (sheet, dice) => ({
  action: {
    action: "sort",
    sheetId: sheet.sheetId,
    column: dice.below(sheet.columns),
    ascending: dice.chance(0.5),
  },
  cellsChanged: sheet.rows * sheet.columns,
});

const moveColumns: Maker = (sheet, dice) => {
  const column = dice.below(sheet.columns);
  const to = dice.below(sheet.columns);
  if (to === column || to === column + 1) return undefined;
  return { action: { action: "moveColumns", sheetId: sheet.sheetId, column, count: 1, to }, cellsChanged: 0 };
};

/** A range and a place that it is filled or moved to. */
const carry =
  (action: "fill" | "moveCells"): Maker =>
  (sheet, dice) => {
    const { row, column, rows, columns } = rectangle(sheet, dice, 4);
    const from = `${a1Of(row, column)}:${a1Of(row + rows - 1, column + columns - 1)}`;
    const isFill = action === "fill";
    const down = isFill ? row : dice.below(sheet.rows - rows + 1);
    const end = isFill ? Math.min(sheet.rows, row + rows + 1 + dice.below(6)) : down + rows;
    if (isFill && end <= row + rows) return undefined;
    const to = `${a1Of(down, column)}:${a1Of(end - 1, column + columns - 1)}`;
    const touched = (isFill ? end - row : 2 * rows) * sheet.columns;
    return { action: { action, sheetId: sheet.sheetId, from, to }, cellsChanged: touched };
  };

/** What can touch every cell of a sheet. */
const everywhere =
  (make: (dice: Dice) => { action: string } & Record<string, unknown>): Maker =>
  (sheet, dice) => ({
    action: { sheetId: sheet.sheetId, ...make(dice) },
    cellsChanged: sheet.rows * sheet.columns,
  });

const rename: Maker = (sheet, dice) => ({
  action: { action: "renameSheet", sheetId: sheet.sheetId, title: `Table ${dice.below(10_000)}` },
  cellsChanged: 0,
});

const kinds: readonly (readonly [weight: number, make: Maker])[] = [
  [40, type],
  [10, block("paste")],
  [6, block("apiWrite")],
  [3, block("scriptWrite")],
  [6, clear],
  [8, insertRows],
  [6, deleteRows],
  [4, moveRows],
  [1, insertColumns],
  [1, deleteColumns],
  [1, moveColumns],
  [2, carry("fill")],
  [1, carry("moveCells")],
  [1, everywhere((dice) => ({ action: "findReplace", find: dice.pick(["alpha", "17", "a"]), replace: "other" }))],
  [1, everywhere(() => ({ action: "undo" }))],
  [1, everywhere(() => ({ action: "redo" }))],
  [0.2, everywhere((dice) => ({ action: "duplicateSheet", title: `Copy ${dice.below(10_000)}` }))],
  [1, sort],
  [1, rename],
];
const total = kinds.reduce((sum, [weight]) => sum + weight, 0);

/** One more thing that somebody does to this sheet. */
export function nextEdit(sheet: KnownSheet, dice: Dice): Edit {
  for (;;) {
    let left = dice.between(0, total);
    for (const [weight, make] of kinds) {
      left -= weight;
      if (left > 0) continue;
      const edit = make(sheet, dice);
      if (edit) return edit;
      break;
    }
  }
}
