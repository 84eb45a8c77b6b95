import { cellSchema, changeSchema, type Cell } from "@sheetwire/shared/protocol";
import fc from "fast-check";
import { expect, test } from "vitest";
import { changeWriter } from "./write-change.ts";

const content = {
  kind: "cells",
  sheetId: 7,
  at: { row: 1, column: 2 },
  cells: [["a}", null, '"']],
  was: [[1]],
} as const;
const cells = { ...content, at: { ...content.at }, cells: [[...content.cells[0]]], was: [[...content.was[0]]] };

test.each([{ actor: "somebody@example.com" }, {}])("a change is written as the protocol has it: %o", (by) => {
  const write = changeWriter({ cause: "edit", ...by }, 1_795_324_619_546);
  const expected = { ...cells, seq: 41, loggedAt: 1_795_324_619_546, cause: "edit", ...by, readAt: [5, 6] };
  expect(write(cells, 41, [5, 6])).toBe(JSON.stringify(expected));
  expect(changeSchema.parse(JSON.parse(write(cells, 41, [5, 6])))).toEqual(expected);
});

test("whatever is in its cells, it is the JSON of what it says", () => {
  const value = fc.oneof(
    fc.string({ unit: "binary", maxLength: 5 }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
    fc.constant(null),
  );
  const cell: fc.Arbitrary<Cell> = fc.oneof(value, fc.record({ v: value, f: fc.string({ maxLength: 5 }) }));
  const rows = fc.array(fc.array(cell, { maxLength: 3 }), { minLength: 1, maxLength: 3 });
  const write = changeWriter({ cause: "edit" }, 1_795_324_619_546);
  fc.assert(
    fc.property(rows, fc.option(rows, { nil: undefined }), fc.nat(), (now, was, row) => {
      expect(now.flat().every((one) => cellSchema.safeParse(one).success)).toBe(true);
      const change = {
        kind: "cells",
        sheetId: 7,
        at: { row, column: 0 },
        cells: now,
        ...(was ? { was } : {}),
      } as const;
      const expected = { ...change, seq: 1, loggedAt: 1_795_324_619_546, cause: "edit", readAt: [5, 6.5] };
      expect(write({ ...change, at: { ...change.at } }, 1, [5, 6.5])).toBe(JSON.stringify(expected));
    }),
  );
});
