import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cellSchema, type Cell, type CellValue } from "@sheetwire/shared/protocol";
import { canonicalCell, canonicalRow, displayOf, formulaOf, plainRendering, sameCell, valueOf } from "./cell.ts";

const anyNumber = fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(-0));
const anyText = fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom("", "0", "TRUE", "=A1", "#N/A"));
const anyValue: fc.Arbitrary<CellValue> = fc.oneof(fc.constant(null), fc.boolean(), anyNumber, anyText);
const anyCell: fc.Arbitrary<Cell> = fc.oneof(
  anyValue,
  fc.record(
    { v: anyValue, f: fc.constantFrom("=A1", "=NOW()"), d: anyText, e: fc.constantFrom("#REF!", "#N/A") },
    { requiredKeys: ["v"] },
  ),
);

describe("there is one way to write a cell", () => {
  test.each<[string, Cell, Cell]>([
    ["blank text is a blank", "", null],
    ["minus zero is zero", -0, 0],
    ["minus zero behind a formula is zero", { v: -0, f: "=-0" }, { v: 0, f: "=-0" }],
    ["a rich cell that says only its value is the value", { v: 5 }, 5],
    ["a rich cell that says nothing is a blank", { v: "" }, null],
    ["a display that only repeats the value is left out", { v: 5, d: "5" }, 5],
    ["a display of a checkbox that only repeats it is left out", { v: true, d: "TRUE" }, true],
    ["a display that differs stays", { v: 46_160, d: "18/05/2026" }, { v: 46_160, d: "18/05/2026" }],
    ["a display that repeats the error is left out", { v: null, e: "#N/A", d: "#N/A" }, { v: null, e: "#N/A" }],
    ["a hidden value keeps its empty display", { v: 5, d: "" }, { v: 5, d: "" }],
  ])("%s", (_name, cell, canonical) => {
    expect(canonicalCell(cell)).toStrictEqual(canonical);
  });

  test("its keys stand in one order, whatever order they came in", () => {
    const cell: Cell = { d: "1.00", f: "=1", v: 1 };
    expect(JSON.stringify(canonicalCell(cell))).toBe('{"v":1,"f":"=1","d":"1.00"}');
  });

  test("writing it twice changes nothing, and nobody sees a difference", () => {
    fc.assert(
      fc.property(anyCell, (cell) => {
        const once = canonicalCell(cell);
        expect(canonicalCell(once)).toStrictEqual(once);
        expect(displayOf(once)).toBe(displayOf(cell));
        expect(formulaOf(once)).toBe(formulaOf(cell));
        expect(cellSchema.safeParse(once).success).toBe(true);
      }),
    );
  });

  test("it survives a journey as JSON", () => {
    fc.assert(
      fc.property(anyCell, (cell) => {
        const canonical = canonicalCell(cell);
        expect(canonicalCell(JSON.parse(JSON.stringify(canonical)))).toStrictEqual(canonical);
      }),
    );
  });

  test("blanks at a row's end do not count, those in the middle do", () => {
    expect(canonicalRow([1, "", null, 2, "", { v: "" }])).toEqual([1, null, null, 2]);
    expect(canonicalRow(["", null])).toEqual([]);
  });
});

describe("two cells say the same", () => {
  test("exactly when they are written the same", () => {
    fc.assert(
      fc.property(anyCell, anyCell, (a, b) => {
        const isSame = JSON.stringify(canonicalCell(a)) === JSON.stringify(canonicalCell(b));
        expect(sameCell(a, b)).toBe(isSame);
        expect(sameCell(a, canonicalCell(a))).toBe(true);
      }),
    );
  });

  test("also where one of them repeats its value as its display", () => {
    expect(sameCell({ v: 1, d: "1", f: "=1" }, { v: 1, f: "=1" })).toBe(true);
    expect(sameCell({ v: 1, d: "1.0", f: "=1" }, { v: 1, f: "=1" })).toBe(false);
  });

  test("never when one is a number and the other its text", () => {
    expect(sameCell(1, "1")).toBe(false);
    expect(sameCell(null, false)).toBe(false);
    expect(sameCell(0, null)).toBe(false);
  });
});

describe("what a person sees", () => {
  test.each<[Cell, string]>([
    [null, ""],
    [true, "TRUE"],
    [1e21, "1e+21"],
    [0.1, "0.1"],
    ["text", "text"],
    [{ v: 0.5, d: "50%" }, "50%"],
    [{ v: null, f: "=1/0", e: "#DIV/0!" }, "#DIV/0!"],
    [{ v: 7, f: "=3+4" }, "7"],
  ])("%j shows %s", (cell, seen) => {
    expect(displayOf(cell)).toBe(seen);
  });

  test("a value without a number format is rendered in no locale", () => {
    expect(plainRendering(1_234_567.891)).toBe("1234567.891");
    expect(valueOf({ v: 5, d: "5 €" })).toBe(5);
  });
});
