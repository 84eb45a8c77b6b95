import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Cell, Change, ColumnRun, Row, RowRun, Sheet, Spreadsheet } from "@sheetwire/shared/protocol";
import { canonicalRow } from "./cell.ts";
import { applyChange, emptyModel, overlayRow, widthOf, type SpreadsheetModel } from "./model.ts";
import { applyColumnRuns, applyRowRuns, lengthAfter, MisfitError, rowAfter, rowBefore } from "./runs.ts";

const make = { put: (row: Row) => `put ${JSON.stringify(row)}`, blank: () => "blank", unknown: () => "unknown" };
const namesOf = (count: number): string[] => Array.from({ length: count }, (_, row) => `row ${row}`);

/** Rows after, as old indices and new pieces, in any order and each old row at most once. */
const anyRearrangement = fc
  .nat(40)
  .chain((count) =>
    fc.tuple(
      fc.constant(count),
      fc.shuffledSubarray([...namesOf(count).keys()]),
      fc.array(fc.tuple(fc.nat(50), fc.constantFrom("put", "blank", "unknown")), { maxLength: 10 }),
    ),
  )
  .map(([count, kept, inserted]) => {
    const after: (number | string)[] = kept.slice();
    for (const [at, piece] of inserted) after.splice(Math.min(at, after.length), 0, piece);
    return { count, after };
  });

/** The runs that say it, neighbours joined. */
function runsOf(after: readonly (number | string)[]): RowRun[] {
  const runs: RowRun[] = [];
  for (const piece of after) {
    const last = runs.at(-1);
    if (typeof piece === "number") {
      if (last && "keep" in last && last.keep[0] + last.keep[1] === piece) last.keep[1] += 1;
      else runs.push({ keep: [piece, 1] });
    } else if (piece === "put") {
      if (last && "put" in last) last.put.push(["x"]);
      else runs.push({ put: [["x"]] });
    } else if (piece === "blank") {
      if (last && "blank" in last) last.blank += 1;
      else runs.push({ blank: 1 });
    } else if (last && "unknown" in last) last.unknown += 1;
    else runs.push({ unknown: 1 });
  }
  return runs;
}

describe("runs say what became of a sheet's rows", () => {
  test("any mixture of moving, deleting, sorting and inserting comes out as it was done", () => {
    fc.assert(
      fc.property(anyRearrangement, ({ count, after }) => {
        const before = namesOf(count);
        const expected = after.map((piece) =>
          typeof piece === "number" ? before[piece] : piece === "put" ? make.put(["x"]) : piece,
        );
        const runs = runsOf(after);
        expect(applyRowRuns(before, runs, make)).toEqual(expected);
        expect(lengthAfter(runs)).toBe(after.length);
      }),
    );
  });

  test("every row can be followed to where it went, and back to where it was", () => {
    fc.assert(
      fc.property(anyRearrangement, ({ count, after }) => {
        const runs = runsOf(after);
        for (let row = 0; row < count; row += 1) {
          const now = after.indexOf(row);
          expect(rowAfter(row, runs)).toBe(now === -1 ? undefined : now);
        }
        after.forEach((piece, now) => {
          expect(rowBefore(now, runs)).toBe(typeof piece === "number" ? piece : undefined);
        });
        expect(rowBefore(after.length, runs)).toBeUndefined();
      }),
    );
  });

  test("a row that is kept is the very same object: sorting moves no contents", () => {
    const [a, b] = [{}, {}];
    const after = applyRowRuns([a, b], [{ keep: [1, 1] }, { keep: [0, 1] }], {
      put: Object,
      blank: Object,
      unknown: Object,
    });
    expect(after[0]).toBe(b);
    expect(after[1]).toBe(a);
  });

  test("no runs leave no rows", () => {
    expect(applyRowRuns(namesOf(3), [], make)).toEqual([]);
  });

  test("runs made for a longer sheet do not fit", () => {
    expect(() => applyRowRuns(namesOf(3), [{ keep: [2, 2] }], make)).toThrow(MisfitError);
    expect(() => applyRowRuns(namesOf(3), [{ keep: [3, 1] }], make)).toThrow("keep rows 3 to 4 of 3");
  });

  test("a row cannot be kept twice", () => {
    expect(() => applyRowRuns(namesOf(3), [{ keep: [0, 2] }, { keep: [1, 1] }], make)).toThrow("row 1 twice");
  });
});

describe("runs say what became of a sheet's columns", () => {
  test.each<[string, ColumnRun[], Row]>([
    ["inserted", [{ keep: [0, 1] }, { blank: 2 }, { keep: [1, 3] }], ["a", null, null, "b", "c"]],
    ["deleted", [{ keep: [0, 1] }, { keep: [2, 2] }], ["a", "c"]],
    ["moved", [{ keep: [2, 2] }, { keep: [0, 2] }], ["c", null, "a", "b"]],
    ["deleted at the end", [{ keep: [0, 1] }], ["a"]],
    ["all deleted but a blank one", [{ keep: [3, 1] }], []],
  ])("%s", (_name, runs, after) => {
    expect(applyColumnRuns(["a", "b", "c"], 4, runs)).toEqual(after);
  });

  test("a whole sheet of rows agrees with doing it cell by cell", () => {
    const order = fc.shuffledSubarray([0, 1, 2, 3, 4, 5]);
    fc.assert(
      fc.property(order, fc.array(fc.constantFrom<Cell>(null, 1, "a"), { maxLength: 6 }), (kept, cells) => {
        const runs: ColumnRun[] = kept.map((column) => ({ keep: [column, 1] }));
        const expected = canonicalRow(kept.map((column) => cells[column] ?? null));
        expect(applyColumnRuns(canonicalRow(cells), 6, runs)).toEqual(expected);
      }),
    );
  });

  test("runs made for a wider sheet do not fit", () => {
    expect(() => applyColumnRuns(["a"], 4, [{ keep: [3, 2] }])).toThrow(MisfitError);
  });
});

const sheet = (more: Partial<Sheet> = {}): Sheet => ({
  sheetId: 7,
  title: "Data",
  index: 0,
  rows: 3,
  columns: 4,
  hidden: false,
  kind: "GRID",
  ...more,
});
const spreadsheet = (...sheets: Sheet[]): Spreadsheet => ({ title: "Book", locale: "en", timeZone: "Etc/UTC", sheets });

type Untimed<T> = T extends unknown ? Omit<T, "seq" | "loggedAt" | "cause" | "readAt"> : never;
const change = (said: Untimed<Change>): Change => ({ seq: 1, loggedAt: 1, cause: "edit", readAt: [1, 1], ...said });

function modelOf(...rows: (Row | null)[]): SpreadsheetModel {
  const model = emptyModel();
  applyChange(model, change({ kind: "sheets", spreadsheet: spreadsheet(sheet({ rows: rows.length })) }));
  const held = model.sheets.get(7);
  if (held) held.rows = rows;
  return model;
}
const rowsOf = (model: SpreadsheetModel): unknown => model.sheets.get(7)?.rows;

describe("a change in a sheet", () => {
  test("a typed cell widens its row", () => {
    const model = modelOf(["a"], [], []);
    applyChange(model, change({ kind: "cells", sheetId: 7, at: { row: 1, column: 2 }, cells: [["x"]] }));
    expect(rowsOf(model)).toEqual([["a"], [null, null, "x"], []]);
  });

  test("a pasted block is as wide as its longest row: what is shorter ends in blanks", () => {
    const model = modelOf(["a", "b", "c"], ["d", "e", "f"]);
    applyChange(model, change({ kind: "cells", sheetId: 7, at: { row: 0, column: 1 }, cells: [["x"], ["y", "z"]] }));
    expect(rowsOf(model)).toEqual([
      ["a", "x"],
      ["d", "y", "z"],
    ]);
  });

  test("clearing a row's last cells leaves no blanks behind", () => {
    const model = modelOf(["a", "b", "c"]);
    applyChange(model, change({ kind: "cells", sheetId: 7, at: { row: 0, column: 1 }, cells: [[null, ""]] }));
    expect(rowsOf(model)).toEqual([["a"]]);
  });

  test("a whole row makes an unknown row known", () => {
    const model = modelOf(null, ["b"]);
    applyChange(model, change({ kind: "cells", sheetId: 7, at: { row: 0, column: 0 }, cells: [["a", 1]] }));
    expect(rowsOf(model)).toEqual([["a", 1], ["b"]]);
  });

  test("part of an unknown row does not fit", () => {
    const misfit = change({ kind: "cells", sheetId: 7, at: { row: 0, column: 1 }, cells: [["x"]] });
    expect(() => applyChange(modelOf(null), misfit)).toThrow("Part of row 0, which is unknown.");
  });

  test("cells below the last row do not fit", () => {
    const misfit = change({ kind: "cells", sheetId: 7, at: { row: 1, column: 0 }, cells: [["x"], ["y"]] });
    expect(() => applyChange(modelOf(["a"], ["b"]), misfit)).toThrow(MisfitError);
  });

  test.each<Change>([
    change({ kind: "cells", sheetId: 8, at: { row: 0, column: 0 }, cells: [["x"]] }),
    change({ kind: "rows", sheetId: 8, runs: [] }),
    change({ kind: "columns", sheetId: 8, runs: [] }),
  ])("$kind of a sheet that is not held do not fit, and the error names no contents", (misfit) => {
    expect(() => applyChange(modelOf(["secret"]), misfit)).toThrow(/sheet 8, which is not held/);
  });

  test("inserted rows move the others down and lengthen the sheet", () => {
    const model = modelOf(["a"], ["b"]);
    applyChange(
      model,
      change({ kind: "rows", sheetId: 7, runs: [{ keep: [0, 1] }, { blank: 1 }, { unknown: 1 }, { keep: [1, 1] }] }),
    );
    expect(rowsOf(model)).toEqual([["a"], [], null, ["b"]]);
    expect(model.sheets.get(7)?.sheet.rows).toBe(4);
  });

  test("columns are moved in every known row, and unknown rows stay unknown", () => {
    const model = modelOf(["a", "b"], null);
    applyChange(model, change({ kind: "columns", sheetId: 7, runs: [{ keep: [1, 1] }, { keep: [0, 1] }] }));
    expect(rowsOf(model)).toEqual([["b", "a"], null]);
    expect(model.sheets.get(7)?.sheet.columns).toBe(2);
  });

  test("a verified window changes nothing", () => {
    const model = modelOf(["a"]);
    const before = structuredClone(model);
    applyChange(
      model,
      change({ kind: "verified", sheetId: 7, window: { from: 0, to: 1 }, digest: "0123456789abcdef" }),
    );
    expect(model).toEqual(before);
  });

  test("writing over part of a row agrees with writing cell by cell", () => {
    const cells = fc.array(fc.constantFrom<Cell>(null, 1, "a"), { maxLength: 6 });
    fc.assert(
      fc.property(cells, fc.nat(6), cells, (row, column, written) => {
        const expected = Array.from({ length: 12 }, (_, at) => {
          const isWritten = at >= column && at < column + written.length;
          return (isWritten ? written[at - column] : row[at]) ?? null;
        });
        expect(overlayRow(canonicalRow(row), column, written, widthOf([written]))).toEqual(canonicalRow(expected));
      }),
    );
  });
});

describe("a change of the sheets", () => {
  test("a new sheet comes with unknown rows, one that is gone is forgotten", () => {
    const model = modelOf(["a"]);
    applyChange(model, change({ kind: "sheets", spreadsheet: spreadsheet(sheet({ sheetId: 8, rows: 2 })) }));
    expect([...model.sheets.keys()]).toEqual([8]);
    expect(model.sheets.get(8)?.rows).toEqual([null, null]);
  });

  test("a renamed sheet keeps its rows; how many it has is told by rows changes alone", () => {
    const model = modelOf(["a"], ["b"]);
    applyChange(model, change({ kind: "sheets", spreadsheet: spreadsheet(sheet({ title: "New", rows: 9 })) }));
    expect(rowsOf(model)).toEqual([["a"], ["b"]]);
    expect(model.sheets.get(7)?.sheet).toMatchObject({ title: "New", rows: 2 });
  });

  test("a chart sheet is named but holds no rows", () => {
    const model = emptyModel();
    applyChange(model, change({ kind: "sheets", spreadsheet: spreadsheet(sheet({ kind: "OBJECT" })) }));
    expect(model.sheets.size).toBe(0);
    expect(model.spreadsheet?.sheets).toHaveLength(1);
  });
});
