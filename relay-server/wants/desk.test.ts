import { expect, test } from "vitest";
import { emptyDesk, emptySheetDesk, loadDesk, storeDesk, type SheetDesk, type StoredSheetDesk } from "./desk.ts";

const seen = { rows: 1000, columns: 26, usedRows: 10, usedColumns: 3 };
/** Each field as it is stored, and otherwise than in an empty one. */
const others: StoredSheetDesk = {
  layout: 2,
  layoutStamp: { readAt: [1, 2], run: "run-1", n: 0, order: 4 },
  digestsSince: 5,
  columnsSince: 6,
  columnsTried: true,
  doubts: [{ from: 1, to: 2, since: 3 }],
  unproven: [{ from: 2, to: 3 }],
  volatile: [{ from: 3, to: 4 }],
  volatileDue: true,
  seen: { ...seen, usedRows: 11 },
  explained: { rows: 1001, columns: 26 },
  restless: true,
  checkedAt: 7,
  recheck: { structureAt: 8, pauseMs: 9, dueAt: 10, isOpen: true },
};
const fields = Object.keys(others) as (keyof StoredSheetDesk)[];

function withSheets(...sheets: SheetDesk[]) {
  const desk = emptyDesk(0);
  for (const [at, sheet] of sheets.entries()) desk.sheets.set(at + 7, sheet);
  return desk;
}

const setField = <K extends keyof StoredSheetDesk>(sheet: SheetDesk, field: K): void => {
  sheet[field] = others[field] as SheetDesk[K];
};

test.each(fields)("what is replaced is stored the next time, and read again: %s", (field) => {
  const sheet = emptySheetDesk(seen);
  const desk = withSheets(emptySheetDesk(seen), sheet, emptySheetDesk(seen));
  storeDesk(desk);
  setField(sheet, field);
  const again = loadDesk(storeDesk(desk), 0);
  expect(again.sheets.get(8)).toEqual({ ...emptySheetDesk(seen), [field]: others[field] });
  for (const sheetId of [7, 9]) expect(again.sheets.get(sheetId)).toEqual(emptySheetDesk(seen));
});

test("a sheet that was stored before is stored as one that was not", () => {
  const known = emptySheetDesk(seen);
  const desk = withSheets(known);
  for (const field of fields) {
    setField(known, field);
    storeDesk(desk);
  }
  expect(storeDesk(desk)).toBe(storeDesk(withSheets({ ...emptySheetDesk(seen), ...others })));
});

test("a desk without sheets is stored and read", () => {
  expect(loadDesk(storeDesk(withSheets()), 0)).toEqual(emptyDesk(0));
});
