/** The way from one state of a table to the next, tried on a sheet of texts. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createDice } from "../simulation/dice.ts";
import { HistoryError, padded, readHistory, stepBetween, type State } from "./history.ts";

/** A sheet of texts that does what the actions say. */
function played(from: State, to: State): string[][] {
  const rows = padded(from);
  let width = rows[0]?.length ?? 0;
  for (const action of stepBetween(1, from, to).actions) {
    const { row = 0, column = 0, count = 0 } = action as { row?: number; column?: number; count?: number };
    if (action.action === "insertRows") {
      if (row > rows.length) throw new Error("Rows are inserted where there are none.");
      rows.splice(row, 0, ...Array.from({ length: count }, () => Array.from({ length: width }, () => "")));
    } else if (action.action === "deleteRows") {
      if (row + count > rows.length || count === rows.length) throw new Error("More rows are deleted than there may.");
      rows.splice(row, count);
    } else if (action.action === "insertColumns") {
      width += count;
      for (const cells of rows) cells.splice(column, 0, ...Array.from({ length: count }, () => ""));
    } else if (action.action === "deleteColumns") {
      width -= count;
      for (const cells of rows) cells.splice(column, count);
    } else {
      const { a1 = "", value, values } = action as { a1?: string; value?: string; values?: string[][] };
      const [from1 = "", to1 = from1] = a1.split(":");
      const [first, last] = [spot(from1), spot(to1)];
      const cleared = Array.from({ length: last.row - first.row + 1 }, () =>
        Array.from({ length: last.column - first.column + 1 }, () => ""),
      );
      const block = values ?? (action.action === "clear" ? cleared : [[value ?? ""]]);
      block.forEach((line, down) =>
        line.forEach((text, right) => rows[first.row + down]?.splice(first.column + right, 1, text)),
      );
    }
  }
  return rows;
}

function spot(a1: string): { row: number; column: number } {
  const [, letters = "", digits = ""] = /^([A-Z]+)(\d+)$/.exec(a1) ?? [];
  const column = letters.split("").reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 64, 0) - 1;
  return { row: Number(digits) - 1, column };
}

const trimmed = (rows: State): string[][] => {
  const cut = rows.map((row) => row.slice(0, row.findLastIndex((cell) => cell !== "") + 1));
  while (cut.length > 0 && cut.at(-1)?.length === 0) cut.pop();
  return cut;
};

test("the actions between any two states lead from one to the other", () => {
  const dice = createDice(1);
  for (let n = 0; n < 2_000; n += 1) {
    const state = (): string[][] =>
      Array.from({ length: dice.below(7) }, () =>
        Array.from({ length: dice.below(6) }, () => dice.pick(["", "a", "b", "c", "d"])),
      );
    const from = state();
    const to = dice.chance(0.5) ? state() : padded(from).map((row) => [...row.slice(0, 1), "new", ...row.slice(1)]);
    expect(trimmed(played(from, to)), JSON.stringify([from, to])).toEqual(trimmed(to));
  }
});

test("a row or column that came in the middle costs one action and its own cells", () => {
  const from = Array.from({ length: 20 }, (_, row) => Array.from({ length: 6 }, (_unused, at) => `${row} ${at}`));
  const row = [...from.slice(0, 7), ["x", "y"], ...from.slice(7)];
  expect(stepBetween(1, from, row).actions.map((one) => one.action)).toEqual(["insertRows", "paste"]);
  const column = from.map((cells) => [...cells.slice(0, 2), "", ...cells.slice(2)]);
  expect(stepBetween(1, from, column).actions.map((one) => one.action)).toEqual(["insertColumns"]);
});

test("cells that changed side by side and below each other are one block", () => {
  const from = Array.from({ length: 9 }, (_, row) => Array.from({ length: 9 }, (_unused, at) => `${row} ${at}`));
  const to = from.map((cells, row) => cells.map((cell, at) => (row > 2 && row < 6 && at > 3 && at < 6 ? "new" : cell)));
  const { actions, cellsChanged } = stepBetween(1, from, to);
  const row = ["new", "new"];
  expect(actions).toMatchObject([{ action: "paste", a1: "E4", values: [row, row, row] }]);
  expect(cellsChanged).toBe(27);
});

test("tables of thousands of rows are compared in a moment, also where nearly all rows are alike", () => {
  const many = Array.from({ length: 6_000 }, (_, row) => [row % 3 === 0 ? "same" : `row ${row}`, "x"]);
  const inserted = [...many.slice(0, 2_500), ["new", "x"], ...many.slice(2_500, 5_000), ...many.slice(5_010)];
  expect(played(many, inserted)).toEqual(inserted);
  expect(stepBetween(1, many, inserted).actions.length).toBeLessThan(5);
  const alike = Array.from({ length: 6_000 }, (_, row) => [row % 2 === 0 ? "a" : "b"]);
  const turned = Array.from({ length: 5_000 }, (_, row) => [row % 3 === 0 ? "c" : "a"]);
  expect(trimmed(played(alike, turned))).toEqual(turned);
});

test("a real table's states lead from one to the next", () => {
  const history = readHistory(readFileSync(join(import.meta.dirname, "../histories/country-codes.json"), "utf8"));
  for (const [at, state] of history.slice(1).entries()) {
    expect(trimmed(played(history[at] ?? [], state))).toEqual(trimmed(padded(state)));
  }
});

test.each([
  ["{", "The history is not JSON."],
  ["[]", "A history is a JSON array of states."],
  ['{"states":[]}', "A history is a JSON array of states."],
  ["[7]", "State 0 of the history is no array of rows."],
  ['[[], [["a"], "b"]]', "State 1 of the history has a row 1 that is no array."],
  ['[[["a", 7]]]', "State 0 of the history has a cell that is no text, in row 0, column 1."],
  ['[[["a"]], [[null]]]', "State 1 of the history has a cell that is no text, in row 0, column 0."],
  [JSON.stringify([[["x".repeat(50_001)]]]), "has a cell of more than 50000 characters, in row 0, column 0."],
  [JSON.stringify([[Array(18_279).fill("")]]), "is wider than 18278 columns."],
  [JSON.stringify([Array(600).fill(Array(10_001).fill(""))]), "has more than 10000000 cells."],
])("what is no history is refused with the reason: %#", (json, reason) => {
  expect(() => readHistory(json)).toThrow(HistoryError);
  expect(() => readHistory(json)).toThrow(reason);
});
