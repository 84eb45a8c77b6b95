import { beforeEach, expect, test } from "vitest";
import { limits } from "@sheetwire/shared/limits";
import { RelayDouble, SheetDouble } from "./sheet-double.ts";

/** More rows of one column than the digests of one want tell of. */
const ROWS = limits.digestWantMaxCells + 10_000;
let sheet: SheetDouble;
let relay: RelayDouble;

beforeEach(() => {
  const rows = Array.from({ length: ROWS }, (_, row) => [row]);
  sheet = new SheetDouble([{ sheetId: 7, title: "Large", columns: 1, rows }]);
  relay = new RelayDouble(sheet);
  relay.run("install", [sheet.sheets()]);
  relay.run("manual", [sheet.sheets()]);
  sheet.now += 120_000;
});

const typed = (row: number): void => {
  sheet.grid(7).rows[row] = ["typed"];
  relay.take(sheet.post(sheet.newRun(), 0, "edit", [sheet.edit(7, row, 0, 1, 1, String(row))]));
};

test("an edit of a large sheet is proven by its own rows, not by reading everything", () => {
  expect(relay.desk.sheets.get(7)).toMatchObject({ unproven: [], checkedAt: expect.any(Number) });
  typed(5);
  typed(9);
  typed(ROWS - 1);
  const run = sheet.newRun();
  const wants = relay.take(sheet.post(run, 0, "call", []));
  expect(wants).toMatchObject([
    { kind: "digests", from: 5, to: 10 },
    { kind: "digests", from: ROWS - 1, to: ROWS },
  ]);
  sheet.now += 300;
  const readings = wants.map((want) => sheet.answer(want));
  expect(relay.take(sheet.post(run, 1, "call", readings))).toEqual([]);
  expect(relay.desk.sheets.get(7)?.unproven).toEqual([]);
});

test("where its rows are not what is held, everything is looked at, and ends right", () => {
  typed(9);
  sheet.grid(7).rows.splice(3, 0, ["unseen"]);
  sheet.grid(7).rows.splice(ROWS - 5, 1);
  relay.run("call", []);
  expect(relay.rows(7)).toEqual(sheet.grid(7).rows);
  expect(relay.desk.sheets.get(7)?.unproven).toEqual([]);
});
