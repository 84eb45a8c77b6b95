import { changeSchema } from "@sheetwire/shared/protocol";
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
