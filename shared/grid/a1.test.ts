import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { limits } from "@sheetwire/shared/limits";
import type { GridRange } from "@sheetwire/shared/protocol";
import { cellName, columnIndex, columnName, parseA1, rangeName, sheetRangeName } from "./a1.ts";

const size = { rows: 1_000, columns: 26 };
const range = (top: number, bottom: number, left: number, right: number): GridRange => ({
  startRowIndex: top,
  endRowIndex: bottom,
  startColumnIndex: left,
  endColumnIndex: right,
});

const anyColumn = fc.nat(limits.sheetMaxColumns - 1);
const anyRow = fc.nat(limits.spreadsheetMaxCells - 1);
const anyRange = fc
  .tuple(anyRow, anyRow, anyColumn, anyColumn)
  .map(([a, b, c, d]) => range(Math.min(a, b), Math.max(a, b) + 1, Math.min(c, d), Math.max(c, d) + 1));

describe("names of columns", () => {
  test.each([
    [0, "A"],
    [25, "Z"],
    [26, "AA"],
    [51, "AZ"],
    [701, "ZZ"],
    [702, "AAA"],
    [18_277, "ZZZ"],
  ])("column %i is %s", (index, name) => {
    expect(columnName(index)).toBe(name);
    expect(columnIndex(name)).toBe(index);
  });

  test("are all different, and lead back to their column, small letters too", () => {
    fc.assert(
      fc.property(anyColumn, (column) => {
        expect(columnIndex(columnName(column))).toBe(column);
        expect(columnIndex(columnName(column).toLowerCase())).toBe(column);
      }),
    );
  });
});

describe("A1 notation", () => {
  test("of any range leads back to that range", () => {
    fc.assert(
      fc.property(anyRange, (some) => {
        expect(parseA1(rangeName(some), size)).toEqual({ title: undefined, range: some });
      }),
    );
  });

  test("with any sheet's title leads back to that title and range", () => {
    const title = fc.string({ unit: "grapheme", minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(title, anyRange, (name, some) => {
        expect(parseA1(sheetRangeName(name, some), size)).toEqual({ title: name, range: some });
      }),
    );
  });

  test.each([
    ["B2", range(1, 2, 1, 2)],
    ["$B$2", range(1, 2, 1, 2)],
    ["b2:d4", range(1, 4, 1, 4)],
    ["D4:B2", range(1, 4, 1, 4)],
    ["A:C", range(0, 1_000, 0, 3)],
    ["3:5", range(2, 5, 0, 26)],
    ["A2:C", range(1, 1_000, 0, 3)],
    ["ZZZ1", range(0, 1, 18_277, 18_278)],
  ])("%s is understood", (text, expected) => {
    expect(parseA1(text, size)).toEqual({ title: undefined, range: expected });
  });

  test.each([
    ["Sheet1!A1", "Sheet1", range(0, 1, 0, 1)],
    ["'My Sheet'!3:5", "My Sheet", range(2, 5, 0, 26)],
    ["'It''s'!A1", "It's", range(0, 1, 0, 1)],
    ["'wow!'!A1", "wow!", range(0, 1, 0, 1)],
    ["Umsätze", "Umsätze", undefined],
    ["'A1'", "A1", undefined],
    ["'wow!'", "wow!", undefined],
    ["'a'!b'", undefined, undefined],
  ])("%s names a sheet", (text, title, expected) => {
    expect(parseA1(text, size)).toEqual(title === undefined ? undefined : { title, range: expected });
  });

  test.each(["", "'", "''", "''!A1", "!A1", "Sheet1!", "Sheet1!A", "Sheet1!A1:B2:C3", "'open!A1"])(
    "%j means nothing",
    (text) => expect(parseA1(text, size)).toBeUndefined(),
  );

  test.each(["A0", "S!A0", "S!A:3", "S!1:C", "S!A1:3", "S!AAAA1", "S!A10000001", "S!A1:", "S!:B2", "S!-1", "S!A1;B2"])(
    "%j is no range",
    (text) => expect(parseA1(text, size)?.range).toBeUndefined(),
  );

  test("an open range that begins beyond the sheet is no range", () => {
    expect(parseA1("S!A1001:B", size)).toBeUndefined();
    expect(parseA1("S!A1000:B", size)?.range).toEqual(range(999, 1_000, 0, 2));
  });

  test("whole columns of a sheet without rows are no range", () => {
    expect(parseA1("S!A:C", { rows: 0, columns: 0 })).toBeUndefined();
  });

  test("a single cell has a single name", () => {
    expect(rangeName(range(0, 1, 0, 1))).toBe("A1");
    expect(cellName(9, 27)).toBe("AB10");
  });

  test.each([
    ["Sheet1", "Sheet1!A1"],
    ["My Sheet", "'My Sheet'!A1"],
    ["It's", "'It''s'!A1"],
    ["B2", "'B2'!A1"],
    ["R1C1", "'R1C1'!A1"],
    ["2026", "'2026'!A1"],
  ])("the title %s is quoted where a reader could mistake it", (title, expected) => {
    expect(sheetRangeName(title, range(0, 1, 0, 1))).toBe(expected);
  });
});
