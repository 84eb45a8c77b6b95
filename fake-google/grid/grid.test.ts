import { describe, expect, test } from "vitest";
import { actionNames, actionSchema, createSpreadsheet, type Loaded, type Spreadsheet } from "./grid.ts";

function open(rows: Loaded[][], locale = "en_US"): Spreadsheet {
  const options = { id: "s1", title: "T", locale, timeZone: "Etc/UTC", owner: "ada@example.com" };
  const spreadsheet = createSpreadsheet(options, { now: () => Date.UTC(2024, 0, 2), random: () => 0.5 });
  spreadsheet.load(spreadsheet.addSheet("A", 100, 10), rows);
  return spreadsheet;
}

function act(spreadsheet: Spreadsheet, action: object) {
  const outcome = spreadsheet.act(actionSchema.parse({ sheetId: 0, ...action }));
  if ("refused" in outcome) throw new Error(outcome.refused);
  return outcome;
}

const rowsOf = (spreadsheet: Spreadsheet, sheetId = 0) => {
  const sheet = spreadsheet.sheetById(sheetId);
  return sheet ? spreadsheet.wireRows(sheet).rows : undefined;
};

test("formulas follow what they name, through chains and across sheets", () => {
  const s = open([[1, { f: "=A1+1" }, { f: "=B1*2" }]]);
  act(s, { action: "addSheet", title: "My Sheet" });
  const other = s.state.sheets[1]?.sheetId ?? -1;
  act(s, { action: "type", sheetId: other, a1: "A1", value: "=SUM(A!A1:C1)" });
  act(s, { action: "type", a1: "A1", value: "10" });
  expect(rowsOf(s)).toEqual([[10, { v: 11, f: "=A1+1" }, { v: 22, f: "=B1*2" }]]);
  expect(rowsOf(s, other)).toEqual([[{ v: 43, f: "=SUM(A!A1:C1)" }]]);
  act(s, { action: "renameSheet", title: "It's new" });
  expect(rowsOf(s, other)).toEqual([[{ v: 43, f: "=SUM('It''s new'!A1:C1)" }]]);
  act(s, { action: "deleteSheet" });
  expect(rowsOf(s, other)).toEqual([[{ v: null, f: "=SUM(#REF!)", e: "#REF!" }]]);
});

test("whatever was done before, formulas show what they show in a sheet that was just made", () => {
  const formulas = [
    "=A2&B3",
    "=SUM(C2:C9)",
    "=COUNTA(A:A)",
    '=IF(B3="","none",B3)',
    "=ROW()",
    "=1+2",
    "=SUM($A$1:$A$3)",
  ];
  const s = open(Array.from({ length: 12 }, (_, row) => [row, `t${row}`, row * 2, null]));
  let state = 7;
  const below = (most: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * most);
  };
  for (let step = 0; step < 150; step++) {
    const down = below(12) + 1;
    act(
      s,
      [
        { action: "type", a1: `D${down}`, value: formulas[below(formulas.length)] },
        { action: "type", a1: `${"ABC"[below(3)]}${down}`, value: String(below(9)) },
        { action: "insertRows", row: below(10), count: 1 },
        { action: "deleteRows", row: below(10), count: 1 },
        { action: "moveRows", row: 8, count: 1, to: below(7) },
        { action: "renameSheet", title: `A${below(3)}` },
        { action: "undo" },
      ][step % 2 === 0 ? 0 : below(7)] ?? {},
    );
    const rows = rowsOf(s) ?? [];
    const made = open(
      rows.map((row) => row.map((cell) => (typeof cell === "object" && cell?.f ? { f: cell.f } : cell))),
    );
    expect(rows).toEqual(rowsOf(made));
  }
});

test.each([
  ["=1/0", { v: null, e: "#DIV/0!" }],
  ["=NOSUCH(1)", { v: null, e: "#NAME?" }],
  ['="a"+1', { v: null, e: "#VALUE!" }],
  ["=SUM(", { v: null, e: "#ERROR!" }],
  ["=B1", { v: null, e: "#REF!" }],
  ["=SUM(C1:C3)", { v: 6 }],
  ["=AVERAGE(C:C)", { v: 2 }],
  ["=MIN(C1:C3)", { v: 1 }],
  ['=IF(C1<2,"small","large")', { v: "small" }],
  ["=C9", { v: null }],
  ["=SUM(D1:D2)", { v: null, e: "#N/A" }],
  ["=COUNTA(C1:C9)", { v: 3 }],
  ["=SUM($C$1:C2)^2", { v: 9 }],
  ['=C1&" A1 "', { v: "1 A1 " }],
])("%s in B1 gives its result", (formula, result) => {
  const s = open([
    [null, null, 1, { e: "#N/A" }],
    [null, null, 2],
    [null, null, 3],
  ]);
  act(s, { action: "type", a1: "B1", value: formula });
  expect(rowsOf(s)?.[0]?.[1]).toEqual({ f: formula, ...result });
});

test("a circle of formulas is #REF! in each of them", () => {
  const s = open([[{ f: "=B1" }, { f: "=A1" }]]);
  expect(rowsOf(s)?.[0]).toEqual([
    { v: null, f: "=B1", e: "#REF!" },
    { v: null, f: "=A1", e: "#REF!" },
  ]);
  act(s, { action: "type", a1: "B1", value: "3" });
  expect(rowsOf(s)?.[0]).toEqual([{ v: 3, f: "=B1" }, 3]);
});

test("references keep their cells when rows are inserted, deleted and moved", () => {
  const s = open([[1], [2], [3], [{ f: "=SUM(A1:A3)" }, { f: "=A2" }, { f: "=$A$3" }]]);
  act(s, { action: "insertRows", row: 1, count: 2 });
  expect(rowsOf(s)?.[5]).toEqual([
    { v: 6, f: "=SUM(A1:A5)" },
    { v: 2, f: "=A4" },
    { v: 3, f: "=$A$5" },
  ]);
  act(s, { action: "deleteRows", row: 3, count: 1 });
  expect(rowsOf(s)?.[4]).toEqual([
    { v: 4, f: "=SUM(A1:A4)" },
    { v: null, f: "=#REF!", e: "#REF!" },
    { v: 3, f: "=$A$4" },
  ]);
  act(s, { action: "moveRows", row: 3, count: 1, to: 0 });
  expect(rowsOf(s)?.[0]).toEqual([3]);
  expect(rowsOf(s)?.[4]?.[2]).toEqual({ v: 3, f: "=$A$1" });
});

test("columns are inserted, deleted and moved with what names them", () => {
  const s = open([[1, 2, { f: "=A1+B1" }]]);
  act(s, { action: "insertColumns", column: 1 });
  expect(rowsOf(s)).toEqual([[1, null, 2, { v: 3, f: "=A1+C1" }]]);
  act(s, { action: "moveColumns", column: 0, count: 1, to: 2 });
  expect(rowsOf(s)).toEqual([[null, 1, 2, { v: 3, f: "=B1+C1" }]]);
  act(s, { action: "deleteColumns", column: 0 });
  expect(rowsOf(s)).toEqual([[1, 2, { v: 3, f: "=A1+B1" }]]);
});

test("sorting keeps rows together, puts blanks last and shifts a row's own references with it", () => {
  const s = open([[3, { f: "=A1*10" }], ["b"], [null, "last"], [1, { f: "=A4*10" }], [2]]);
  act(s, { action: "sort", column: 0, ascending: true });
  expect(rowsOf(s)).toEqual([[1, { v: 10, f: "=A1*10" }], [2], [3, { v: 30, f: "=A3*10" }], ["b"], [null, "last"]]);
  act(s, { action: "sort", column: 0, ascending: false });
  expect(rowsOf(s)?.map((row) => row[0])).toEqual(["b", 3, 2, 1, null]);
});

test("undo and redo go back and forth, per person", () => {
  const s = open([["old"]]);
  act(s, { action: "type", a1: "A1", value: "new" });
  act(s, { action: "type", a1: "A2", value: "bob's", as: "bob@example.com" });
  act(s, { action: "insertRows", row: 0, count: 1, as: "bob@example.com" });
  expect(() => act(s, { action: "undo" })).toThrow("Somebody else");
  act(s, { action: "undo", as: "bob@example.com" });
  act(s, { action: "undo" });
  expect(rowsOf(s)).toEqual([["old"], ["bob's"]]);
  act(s, { action: "redo" });
  expect(rowsOf(s)).toEqual([["new"], ["bob's"]]);
  expect(() => act(s, { action: "redo" })).toThrow("nothing to redo");
});

const stateOf = (s: Spreadsheet) =>
  s.state.sheets.map((sheet) => [sheet.sheetId, sheet.title, sheet.hidden, sheet.columnCount, s.wireRows(sheet).rows]);

const undoable: object[] = [
  { action: "type", a1: "A1", value: "x" },
  { action: "clear", a1: "A1:B2" },
  { action: "paste", a1: "B2", values: [["1", "=A1"], ["3"]] },
  { action: "fill", from: "A1:A2", to: "A1:A6" },
  { action: "toggleCheckbox", a1: "D1:D2" },
  { action: "insertRows", row: 1, count: 2 },
  { action: "deleteRows", row: 1, count: 2 },
  { action: "moveRows", row: 0, count: 1, to: 3 },
  { action: "insertColumns", column: 1, count: 2 },
  { action: "deleteColumns", column: 0, count: 1 },
  { action: "moveColumns", column: 2, count: 1, to: 0 },
  { action: "moveCells", from: "A1:A2", to: "E5" },
  { action: "sort", column: 0, ascending: false },
  { action: "findReplace", find: "b", replace: "c" },
  { action: "format", a1: "A1:A3", numberFormat: "0.00" },
  { action: "addSheet", title: "New" },
  { action: "deleteSheet" },
  { action: "duplicateSheet" },
  { action: "renameSheet", title: "Other" },
  { action: "reorderSheets", order: [1, 0] },
  { action: "hideSheet" },
];

describe.each(undoable)("$action", (action) => {
  const made = (): Spreadsheet => {
    const s = open([[1, "b", { f: "=SUM(A1:A3)" }, true], [2, "bob", { f: "=A2*B!A1" }], [3]]);
    s.load(s.addSheet("B", 10, 10), [[7, { f: "=A!A1" }]]);
    s.rebuild({ kind: "sheets" });
    return s;
  };

  test("is undone and done again, and what follows it is undone before it", () => {
    const s = made();
    const [, other = { sheetId: -1 }] = s.state.sheets;
    const given = "order" in action ? { ...action, order: [other.sheetId, 0] } : action;
    const before = stateOf(s);
    act(s, given);
    const after = stateOf(s);
    expect(after).not.toEqual(before);
    act(s, { action: "type", sheetId: other.sheetId, a1: "J9", value: "later" });
    const later = stateOf(s);
    act(s, { action: "undo" });
    expect(stateOf(s)).toEqual(after);
    act(s, { action: "undo" });
    expect(stateOf(s)).toEqual(before);
    act(s, { action: "redo" });
    expect(stateOf(s)).toEqual(after);
    act(s, { action: "redo" });
    expect(stateOf(s)).toEqual(later);
  });
});

test("every action is undone, or is one that nobody undoes", () => {
  const named = new Set(undoable.map((one) => (one as { action: string }).action));
  expect(actionNames.filter((name) => !named.has(name))).toEqual([
    "undo",
    "redo",
    "renameSpreadsheet",
    "setTimeZone",
    "setLocale",
    "importData",
    "apiWrite",
    "scriptWrite",
    "recalc",
  ]);
});

test("what programs write stays when a person's own typing is undone", () => {
  const s = open([["old", "b"]]);
  act(s, { action: "type", a1: "A1", value: "mine" });
  act(s, { action: "apiWrite", a1: "B1", values: [["theirs"]] });
  act(s, { action: "undo" });
  expect(rowsOf(s)).toEqual([["old", "theirs"]]);
  act(s, { action: "importData", rows: [["all"], ["new"]] });
  act(s, { action: "redo" });
  expect(rowsOf(s)).toEqual([["mine"], ["new"]]);
});

test("fill goes on with a series, repeats what is none, and shifts formulas", () => {
  const s = open([[1, "x", { f: "=A1" }], [3]]);
  act(s, { action: "fill", from: "A1:A2", to: "A1:A4" });
  act(s, { action: "fill", from: "B1:C1", to: "B2:C3" });
  expect(rowsOf(s)).toEqual([
    [1, "x", { v: 1, f: "=A1" }],
    [3, "x", { v: 3, f: "=A2" }],
    [5, "x", { v: 5, f: "=A3" }],
    [7],
  ]);
});

test("cells that are cut and moved take their references along", () => {
  const s = open([[1, { f: "=A1" }]]);
  act(s, { action: "moveCells", from: "A1", to: "C3" });
  expect(rowsOf(s)).toEqual([[null, { v: 1, f: "=C3" }], [], [null, null, 1]]);
});

test("a paste beyond the end makes the sheet larger; a blank in it empties", () => {
  const s = open([["gone"]]);
  act(s, { action: "paste", a1: "A1", values: [[null], [5]] });
  act(s, { action: "paste", a1: "A100", values: [["x"], ["y"]] });
  expect(s.sheetById(0)?.rowCount).toBe(101);
  expect(rowsOf(s)?.slice(0, 2)).toEqual([[], [5]]);
});

test("find and replace, checkboxes, plain text, clear", () => {
  const s = open([["cat", "concat", 12]]);
  act(s, { action: "findReplace", find: "CAT", replace: "$&" });
  expect(rowsOf(s)).toEqual([["$&", "con$&", 12]]);
  act(s, { action: "toggleCheckbox", a1: "D1" });
  act(s, { action: "type", a1: "E1", value: "007", plain: true });
  expect(rowsOf(s)?.[0]?.slice(3)).toEqual([true, "007"]);
  expect(() => act(s, { action: "toggleCheckbox", a1: "A1" })).toThrow("no checkbox");
  act(s, { action: "clear", a1: "A1:E1" });
  expect(rowsOf(s)).toEqual([]);
});

test("sheets are added, duplicated, hidden and reordered under ids that stay", () => {
  const s = open([[1]]);
  act(s, { action: "duplicateSheet" });
  const copy = s.state.sheets[1]?.sheetId ?? -1;
  expect(rowsOf(s, copy)).toEqual([[1]]);
  act(s, { action: "reorderSheets", order: [copy, 0] });
  act(s, { action: "hideSheet" });
  expect(s.state.sheets.map((sheet) => [sheet.sheetId, sheet.hidden])).toEqual([
    [copy, false],
    [0, true],
  ]);
  expect(() => act(s, { action: "deleteSheet", sheetId: copy })).toThrow("visible");
});

test.each([
  [{ action: "type", a1: "Z999", value: "x" }, "outside"],
  [{ action: "type", a1: "A1:B2", value: "x" }, "one cell"],
  [{ action: "type", a1: "hello", value: "x" }, "written like"],
  [{ action: "type", sheetId: 99, a1: "A1", value: "x" }, "no sheet 99"],
  [{ action: "deleteRows", row: 0, count: 100 }, "all the rows"],
  [{ action: "deleteRows", row: 90, count: 20 }, "no such rows"],
  [{ action: "insertRows", row: 101 }, "no such row"],
  [{ action: "moveRows", row: 1, count: 3, to: 2 }, "cannot be moved"],
  [{ action: "deleteSheet" }, "visible sheets"],
  [{ action: "renameSheet", title: "B" }, "already exists"],
  [{ action: "undo" }, "nothing to undo"],
  [{ action: "setTimeZone", timeZone: "Mars/Olympus" }, "not known"],
  [{ action: "setLocale", locale: "klingon" }, "written like"],
  [{ action: "sort", a1: "A1:B2", column: 5 }, "outside the range"],
  [{ action: "insertColumns", column: 0, count: 20_000 }, "columns"],
])("%j is refused and changes nothing", (action, reason) => {
  const s = open([[1, { f: "=A1" }]]);
  s.state.history = [];
  s.addSheet("B", 1, 1);
  if (action.action === "deleteSheet") s.state.sheets.pop();
  const before = JSON.stringify([
    s.state.sheets.map((sheet) => [sheet.title, sheet.rowCount, s.wireRows(sheet)]),
    s.state.locale,
  ]);
  expect(() => act(s, action)).toThrow(reason);
  expect(
    JSON.stringify([s.state.sheets.map((sheet) => [sheet.title, sheet.rowCount, s.wireRows(sheet)]), s.state.locale]),
  ).toBe(before);
});

test("displays differ from the plain rendering only where a format says so", () => {
  const s = open([[]], "de_DE");
  act(s, { action: "paste", a1: "A1", values: [["1,5", "50%", "2.1.2024", "wahr", true, "=A1+1"]] });
  expect(rowsOf(s)).toEqual([
    [
      { v: 1.5, d: "1,5" },
      { v: 0.5, d: "50%" },
      { v: 45293, d: "02.01.2024" },
      "wahr",
      true,
      { v: 2.5, f: "=A1+1", d: "2,5" },
    ],
  ]);
});

test("one typed cell costs the same in a sheet of 50,000 as in an empty one", () => {
  const rows = Array.from({ length: 5000 }, (_, row) => Array.from({ length: 10 }, (_cell, column) => row + column));
  const options = { id: "s1", title: "T", locale: "en_US", timeZone: "Etc/UTC", owner: "ada@example.com" };
  const make = (content: Loaded[][]): Spreadsheet => {
    const s = createSpreadsheet(options, { now: () => 0, random: () => 0.5 });
    s.load(s.addSheet("A", 5001, 10), content);
    return s;
  };
  const [large, small] = [make(rows), make([[1]])];
  const timeOf = (s: Spreadsheet): number => {
    const began = performance.now();
    for (let n = 0; n < 300; n++) act(s, { action: "type", a1: "C7", value: String(n) });
    return performance.now() - began;
  };
  timeOf(small);
  timeOf(large);
  expect(timeOf(large)).toBeLessThan(10 * timeOf(small) + 50);
});
