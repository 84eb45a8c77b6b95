/** A first copy that takes many rounds, while the sheet does not hold still. */
import { expect, test } from "vitest";
import type { Cell } from "@sheetwire/shared/protocol";
import { canonicalRow } from "@sheetwire/shared/grid";
import { RelayDouble, SheetDouble } from "./sheet-double.ts";

const rows = (count: number): Cell[][] => Array.from({ length: count }, (_, row) => [`r${row}`, row]);

test("a row that is inserted while a long run copies is found by that run, which then ends", () => {
  const sheet = new SheetDouble([{ sheetId: 7, title: "Long", columns: 2, rows: rows(30) }]);
  const relay = new RelayDouble(sheet);
  const run = sheet.newRun();
  let wants = relay.take(sheet.post(run, 6, "sweep", [sheet.sheets()]));
  expect(wants.map((want) => want.kind)).toEqual(["cells"]);
  sheet.grid(7).rows.splice(3, 0, ["new"]);
  let posts = 0;
  for (let n = 7; wants.length > 0; n += 1) {
    posts += 1;
    if (posts > 50) throw new Error("The run never ends.");
    sheet.now += 300;
    wants = relay.take(
      sheet.post(
        run,
        n,
        "sweep",
        wants.map((want) => sheet.answer(want)),
      ),
    );
  }
  expect(relay.rows(7)).toEqual(sheet.grid(7).rows.map(canonicalRow));
  expect(posts).toBeLessThan(8);
});

test("a run that has asked long enough leaves rows of a layout in doubt to the next run", () => {
  const sheet = new SheetDouble([{ sheetId: 7, title: "Long", columns: 2, rows: rows(30) }]);
  const relay = new RelayDouble(sheet);
  const run = sheet.newRun();
  const first = relay.take(sheet.post(run, 100, "sweep", [sheet.sheets()]));
  sheet.grid(7).rows.splice(3, 0, ["new"]);
  sheet.now += 300;
  expect(
    relay.take(
      sheet.post(
        run,
        101,
        "sweep",
        first.map((want) => sheet.answer(want)),
      ),
    ),
  ).toEqual([]);
  sheet.now += 70_000;
  relay.run("sweep", [sheet.sheets()]);
  expect(relay.rows(7)).toEqual(sheet.grid(7).rows.map(canonicalRow));
});
