/** What Google's services do between two of our calls. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { googleHands } from "./google.ts";

/** Sheets of which `doomed` are deleted the moment somebody looks at them. */
function spreadsheetOf(sheetIds: readonly number[], doomed: readonly number[], fault = "Sheet not found") {
  const there = new Set(sheetIds);
  const sheetOf = (sheetId: number) => {
    const look = <T>(value: T) =>
      vi.fn<() => T>(() => {
        if (doomed.includes(sheetId)) there.delete(sheetId);
        if (!there.has(sheetId)) throw new Error(fault);
        return value;
      });
    return {
      getSheetId: () => sheetId,
      getType: () => "GRID",
      getName: look(`Sheet ${sheetId}`),
      isSheetHidden: look(false),
      getMaxRows: look(10),
      getMaxColumns: look(5),
      getLastRow: look(2),
      getLastColumn: look(3),
      getFrozenRows: look(0),
      getFrozenColumns: look(0),
      getRange: look({ getValues: () => [["a"]] }),
    };
  };
  return {
    there,
    getName: () => "Plan",
    getSpreadsheetLocale: () => "en_US",
    getSpreadsheetTimeZone: () => "Etc/UTC",
    getSheets: () => sheetIds.map(sheetOf),
    getSheetById: (sheetId: number) => (there.has(sheetId) ? sheetOf(sheetId) : null),
  };
}

let spreadsheet = spreadsheetOf([], []);
beforeEach(() => {
  vi.stubGlobal("SpreadsheetApp", { getActive: () => spreadsheet });
});
afterEach(() => {
  vi.unstubAllGlobals();
});

describe("a sheet that is deleted while it is looked at", () => {
  beforeEach(() => {
    spreadsheet = spreadsheetOf([1, 2, 3], [2]);
  });

  test.each([
    ["size", () => googleHands().size({ sheetId: 2 })],
    ["used size", () => googleHands().usedSize({ sheetId: 2 })],
    ["values", () => googleHands().values({ sheetId: 2, row: 0, column: 0, rows: 1, columns: 1 })],
  ])("has no %s, and the run lives", (_what, look) => {
    expect(look()).toBeUndefined();
    expect(spreadsheet.there.has(2)).toBe(false);
  });

  test("is not in the list of sheets, and the others are counted without it", () => {
    expect(googleHands().spreadsheet({})).toMatchObject({
      sheets: [
        { sheetId: 1, index: 0 },
        { sheetId: 3, index: 1 },
      ],
    });
  });
});

test("a fault of Google over a sheet that is there stays a fault", () => {
  spreadsheet = spreadsheetOf([1], []);
  const getSheetById = spreadsheet.getSheetById.bind(spreadsheet);
  spreadsheet.getSheetById = (sheetId) => {
    const sheet = getSheetById(sheetId);
    if (sheet) {
      sheet.getMaxRows.mockImplementation(() => {
        throw new Error("Service Spreadsheets timed out");
      });
    }
    return sheet;
  };
  expect(() => googleHands().size({ sheetId: 1 })).toThrow("timed out");
});

describe("a zone's offset", () => {
  /** An hour ahead of UTC; the year is that of its era, as Java's SimpleDateFormat writes it. */
  const formatDate = (date: Date): string => {
    const wall = new Date(date.getTime() + 3_600_000);
    const year = wall.getUTCFullYear();
    return `${String(year > 0 ? year : 1 - year).padStart(4, "0")}-${wall.toISOString().slice(-19, -5).replace("T", " ")}`;
  };
  const year = (of: number): number => new Date(0).setUTCFullYear(of);

  test.each([
    ["in our days", Date.UTC(2026, 6, 1, 12, 30, 15)],
    ["before year 1", year(-562)],
    ["in year 1", year(1)],
    ["at the end of year 9999", Date.UTC(9999, 11, 31, 23, 59, 59)],
    ["after year 9999", year(10_113)],
    ["at the last instant there is", 8.64e15],
    ["at the first instant there is", -8.64e15],
  ])("is told %s", (_when, ms) => {
    vi.stubGlobal("Utilities", { formatDate });
    expect(googleHands().zoneOffset({ timeZone: "Etc/GMT-1", ms })).toBe(3_600_000);
  });
});
