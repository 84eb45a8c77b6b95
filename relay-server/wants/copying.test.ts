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
  const first = relay.take(sheet.post(run, 1_000, "sweep", [sheet.sheets()]));
  sheet.grid(7).rows.splice(3, 0, ["new"]);
  sheet.now += 300;
  expect(
    relay.take(
      sheet.post(
        run,
        1_001,
        "sweep",
        first.map((want) => sheet.answer(want)),
      ),
    ),
  ).toEqual([]);
  sheet.now += 70_000;
  relay.run("sweep", [sheet.sheets()]);
  expect(relay.rows(7)).toEqual(sheet.grid(7).rows.map(canonicalRow));
});

test("a run that copies stays while another run looks where the rows are now, and then goes on", () => {
  const sheet = new SheetDouble([{ sheetId: 7, title: "Long", columns: 2, rows: rows(30) }]);
  const relay = new RelayDouble(sheet);
  const copying = sheet.newRun();
  let wants = relay.take(sheet.post(copying, 6, "install", [sheet.sheets()]));
  sheet.grid(7).rows.splice(3, 0, ["new"]);
  sheet.now += 300;
  const looking = sheet.newRun();
  const digests = relay.take(sheet.post(looking, 0, "change:INSERT_ROW", [sheet.sheets()]));
  expect(digests.map((want) => want.kind)).toEqual(["digests"]);
  let n = 7;
  const goOn = (): void => {
    sheet.now += 300;
    const answers = wants.map((want) => sheet.answer(want));
    wants = relay.take(sheet.post(copying, n, "install", answers));
    n += 1;
  };
  for (let rounds = 0; rounds < 20; rounds += 1) {
    goOn();
    expect(wants.map((want) => want.kind)).toEqual(["sheets"]);
  }
  for (let [others, round] = [digests, 1]; others.length > 0 && round < 20; round += 1) {
    const answers = others.map((want) => sheet.answer(want));
    others = relay.take(sheet.post(looking, round, "change:INSERT_ROW", answers));
  }
  for (let rounds = 0; rounds < 5 && wants.length > 0; rounds += 1) goOn();
  expect(wants).toEqual([]);
  expect(relay.rows(7)).toEqual(sheet.grid(7).rows.map(canonicalRow));
});

test("a run that copies does not wait for one that died: when its lease is over the copy goes on", () => {
  const sheet = new SheetDouble([{ sheetId: 7, title: "Long", columns: 2, rows: rows(30) }]);
  const relay = new RelayDouble(sheet);
  const copying = sheet.newRun();
  let wants = relay.take(sheet.post(copying, 0, "install", [sheet.sheets()]));
  sheet.grid(7).rows.splice(3, 0, ["new"]);
  sheet.now += 300;
  relay.take(sheet.post(sheet.newRun(), 0, "change:INSERT_ROW", [sheet.sheets()]));
  let n = 1;
  for (; wants.length > 0 && n < 100; n += 1) {
    sheet.now += 2_000;
    const answers = wants.map((want) => sheet.answer(want));
    wants = relay.take(sheet.post(copying, n, "install", answers));
  }
  expect(relay.rows(7)).toEqual(sheet.grid(7).rows.map(canonicalRow));
  expect(n).toBeLessThan(50);
});
