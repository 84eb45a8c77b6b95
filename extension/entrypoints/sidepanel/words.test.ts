import { expect, test } from "vitest";
import type { ChangeSummary } from "../../mirror/mirror.ts";
import { causeWords, gatherReads, statisticsWords, whoWords } from "./words.ts";

const read = (seq: number, row: number, rows: number, sheetId = 0): ChangeSummary => ({
  seq,
  loggedAt: seq,
  cause: "install",
  sheetId,
  what: "read",
  place: { row, column: 0 },
  rows,
  text: `${rows} rows read`,
});

test("the pieces of a first copy become one entry a sheet, and a change in between keeps its place", () => {
  const edit: ChangeSummary = { seq: 3, loggedAt: 3, cause: "edit", what: "cell", where: "A1" };
  const entries = gatherReads([read(6, 512, 256), read(5, 256, 1_000), read(4, 0, 5, 9), edit, read(1, 0, 256)]);
  expect(entries.map(({ seq, text, place }) => [seq, text, place?.row])).toEqual([
    [6, "1,256 rows read", 256],
    [4, "5 rows read", 0],
    [3, undefined, undefined],
    [1, "256 rows read", 0],
  ]);
});

test("who did it is as much as Google says", () => {
  expect(whoWords("mara@example.org")).toBe("mara@example.org");
  expect(whoWords("AKeyOfGoogle")).toBe("Somebody without a name");
  expect(whoWords(undefined)).toBe("Google does not say who");
});

test("every cause has words, those that are new to us too", () => {
  expect(causeWords("edit")).toBe("edited");
  expect(causeWords("change:INSERT_ROW")).toBe("rows inserted");
  expect(causeWords("change:SOMETHING_NEW")).toBe("changed without an edit");
});

test("what a column holds is said in one line, and nothing of what it does not hold", () => {
  const none = { unknown: 0, blank: 0, texts: 0, booleans: 0, errors: 0, formulas: 0 };
  const noNumbers = { count: 0, sum: 0, min: undefined, max: undefined, mean: undefined };
  expect(
    statisticsWords({
      ...none,
      rows: 3_201,
      texts: 1,
      blank: 200,
      formulas: 2,
      numbers: { count: 3_000, sum: 1_234.5, min: -1, max: 12, mean: 0.4115 },
    }),
  ).toBe(
    "3,201 rows: 3,000 numbers, 1 text, 200 blank. Sum 1,234.5, mean 0.4115, from -1 to 12. 2 formulas among them.",
  );
  expect(statisticsWords({ ...none, rows: 2, booleans: 2, numbers: noNumbers })).toBe("2 rows: 2 checkboxes.");
  expect(statisticsWords({ ...none, rows: 0, numbers: noNumbers })).toBe("0 rows: nothing.");
});
