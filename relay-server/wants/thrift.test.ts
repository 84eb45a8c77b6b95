/** What changes when Google's daily trigger time runs low, and while the web app works. */
import { limits } from "@sheetwire/shared/limits";
import { beforeEach, expect, test } from "vitest";
import { factsOf, noteAnswered, noteHeard, noteUnanswered } from "./wants.ts";
import { RelayDouble, SheetDouble } from "./sheet-double.ts";

let sheet: SheetDouble;
let relay: RelayDouble;

beforeEach(() => {
  sheet = new SheetDouble([
    { sheetId: 7, title: "One", columns: 2, rows: [["a", { v: 1, f: "=1" }], ["b"], ["c"]] },
    { sheetId: 8, title: "Two", columns: 2, rows: [["x"], ["y"]] },
  ]);
  relay = new RelayDouble(sheet);
  relay.run("install", [sheet.sheets()]);
  sheet.now += 120_000;
});

const edit = () => {
  sheet.grid(8).rows[0] = ["typed"];
  return relay.take(sheet.post(sheet.newRun(), 0, "edit", [sheet.edit(8, 0, 0, 1, 1)]));
};
const kinds = (wants: readonly { kind: string }[]): string[] => wants.map((want) => want.kind);

test("an edit's run checks formulas while there is trigger time", () => {
  expect(kinds(edit())).toEqual(["digests"]);
});

test("with less than a fifth of the day's trigger time left, an edit's run checks no formulas", () => {
  relay.desk.allowance.spentMs = limits.triggerDayMs * 0.81;
  expect(edit()).toEqual([]);
  expect(relay.desk.sheets.get(7)?.digestsSince).toBeUndefined();
});

test("where the web app works, formulas are then checked by it", () => {
  relay.desk.allowance.spentMs = limits.triggerDayMs * 0.81;
  noteAnswered(relay.desk, sheet.now, false);
  expect(edit()).toEqual([]);
  expect(relay.desk.sheets.get(7)?.digestsSince).toBeDefined();
});

test("rows in doubt are then asked of an edit's run only where it touched them", () => {
  relay.desk.allowance.spentMs = limits.triggerDayMs * 0.81;
  for (const sheetId of [7, 8]) {
    const desk = relay.desk.sheets.get(sheetId);
    if (desk) desk.doubts = [...desk.doubts, { from: 0, to: 2, since: 0 }];
  }
  const wants = edit();
  expect(wants).toMatchObject([{ kind: "rows", sheetId: 8, rows: [0] }]);
});

test("the script's own timer checks everything, unless the web app does", () => {
  const tick = () => kinds(relay.take(sheet.post(sheet.newRun(), 0, "sweep", [])));
  noteAnswered(relay.desk, sheet.now, true);
  expect(tick()).toEqual([]);
  noteUnanswered(relay.desk, sheet.now);
  expect(tick()).toEqual(["digests", "digests"]);
});

test("an unanswered call is a fact until anything is heard, and then the web app is what is broken", () => {
  const script = () => factsOf(relay.state, relay.desk, sheet.now).script;
  noteAnswered(relay.desk, sheet.now, false);
  noteUnanswered(relay.desk, sheet.now + 1);
  noteUnanswered(relay.desk, sheet.now + 9);
  expect(script().callUnansweredSince).toBe(sheet.now + 1);
  noteHeard(sheet.post(sheet.newRun(), 0, "edit", []), relay.desk, sheet.now);
  expect(script()).not.toHaveProperty("callUnansweredSince");
  noteUnanswered(relay.desk, sheet.now + 20);
  expect(script()).not.toHaveProperty("callUnansweredSince");
  expect(script().answerers).not.toContain("webApp");
  noteAnswered(relay.desk, sheet.now, false);
  expect(script().answerers).toContain("webApp");
});

test("the panel counts as an answerer for 45 s after it was heard", () => {
  const answerers = () => factsOf(relay.state, relay.desk, sheet.now).script.answerers;
  noteHeard(sheet.post(sheet.newRun(), 0, "call", []), relay.desk, sheet.now);
  expect(answerers()).toContain("sidebar");
  sheet.now += limits.sidebarFreshMs;
  expect(answerers()).not.toContain("sidebar");
});

test("what a run has spent counts once, however many of its posts tell of it, and few runs are remembered", () => {
  const { allowance } = relay.desk;
  const spentBefore = allowance.spentMs;
  const heard = (run: string, n: number, spentMs: number): void =>
    noteHeard(
      { ...sheet.post(run, n, "edit", []), allowance: { spentMs, runLimitMs: limits.runLimitMs } },
      relay.desk,
      sheet.now,
    );
  heard("long", 0, 300);
  heard("other", 0, 50);
  heard("long", 1, 700);
  heard("long", 0, 300);
  expect(allowance.spentMs - spentBefore).toBe(750);
  for (let n = 0; n < 1_000; n += 1) heard(`short ${n}`, 0, 1);
  expect(allowance.spentMs - spentBefore).toBe(1_750);
  expect(allowance.runs.size).toBeLessThan(100);
});
