/** Real programs on a bad day, and whether the comparison could fail at all. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openConvergence, type Convergence } from "./converge.ts";
import { padded, readHistory, stepBetween, type State } from "./history.ts";
import { createDice } from "../simulation/dice.ts";

let convergence: Convergence;
beforeAll(async () => {
  convergence = await openConvergence();
});
afterAll(() => convergence.stop());

const history = readHistory(readFileSync(join(import.meta.dirname, "../histories/country-codes.json"), "utf8"));

test("on a bad day sheet, relay and mirror are equal in the end", async () => {
  for (let seed = 1; seed <= 10; seed += 1) {
    const { problems, equal } = await convergence.play({ seed, steps: 300, profile: "hostile" });
    expect(problems, `seed ${seed}`).toEqual([]);
    expect(equal).toEqual({ relay: true, mirror: true });
  }
}, 300_000);

test("a real table's history is followed, for few cells more than those that changed", async () => {
  const done = await convergence.play({ seed: 1, steps: 0, profile: "hostile", history });
  expect(done.problems).toEqual([]);
  expect(done.steps).toBe(11);
}, 120_000);

test("on an ordinary day too", async () => {
  const { problems } = await convergence.play({ seed: 5, steps: 60, profile: "normal" });
  expect(problems).toEqual([]);
}, 120_000);

test("a script that is deaf to wants loses what was lost, and the comparison says so", async () => {
  const { ok, equal } = await convergence.play({ seed: 4, steps: 120, profile: "hostile", withoutWants: true });
  expect(ok).toBe(false);
  expect(equal).toEqual({ relay: false, mirror: false });
}, 120_000);

/** A sheet of texts that does what the actions say. */
function played(from: State, to: State): string[][] {
  const rows = padded(from);
  for (const action of stepBetween(1, from, to).actions) {
    const { row = 0, column = 0, count = 0 } = action as { row?: number; column?: number; count?: number };
    const width = rows[0]?.length ?? 0;
    if (action.action === "insertRows") {
      rows.splice(row, 0, ...Array.from({ length: count }, () => Array.from({ length: width }, () => "")));
    } else if (action.action === "deleteRows") rows.splice(row, count);
    else if (action.action === "insertColumns") {
      for (const cells of rows) cells.splice(column, 0, ...Array.from({ length: count }, () => ""));
    } else if (action.action === "deleteColumns") for (const cells of rows) cells.splice(column, count);
    else {
      const { a1, value, values } = action as { a1?: string; value?: string; values?: string[][] };
      const [, letters = "", digits = ""] = /^([A-Z]+)(\d+)$/.exec(a1 ?? "") ?? [];
      const left = letters.split("").reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 64, 0) - 1;
      const cells = rows[Number(digits) - 1];
      (values?.[0] ?? [value ?? ""]).forEach((text, at) => cells?.splice(left + at, 1, text));
    }
  }
  return rows;
}

const trimmed = (rows: State): string[][] => {
  const cut = rows.map((row) => row.slice(0, row.findLastIndex((cell) => cell !== "") + 1));
  while (cut.length > 0 && cut.at(-1)?.length === 0) cut.pop();
  return cut;
};

test("the actions between any two states lead from one to the other", () => {
  const dice = createDice(1);
  for (let n = 0; n < 500; n += 1) {
    const state = (): string[][] =>
      Array.from({ length: 1 + dice.below(6) }, () =>
        Array.from({ length: 1 + dice.below(5) }, () => dice.pick(["", "a", "b", "c", "d"])),
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
