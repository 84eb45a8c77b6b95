import { expect, test } from "vitest";
import { followTab } from "./follow-tab.ts";

/** A panel whose answers come when the test lets them. */
function panel() {
  const finds: ((spreadsheetId: string | undefined) => void)[] = [];
  const gathers: (() => void)[] = [];
  const shown: string[] = [];
  const tab = followTab({
    find: () => new Promise((resolve) => finds.push(resolve)),
    show: (spreadsheetId) => shown.push(spreadsheetId),
    gather: () => new Promise((resolve) => gathers.push(() => resolve(() => shown.push("none")))),
  });
  return { ...tab, finds, gathers, shown };
}
const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

test("a tab without a sheet that was left meanwhile is not shown over the sheet in front", async () => {
  const { follow, finds, gathers, shown } = panel();
  void follow();
  finds[0]?.(undefined);
  await soon();
  void follow();
  finds[1]?.("sheet-one");
  await soon();
  gathers[0]?.();
  await soon();
  expect(shown).toEqual(["sheet-one"]);
});

test("of two tabs the one in front now is shown, whichever answer comes first", async () => {
  const { follow, finds, shown } = panel();
  void follow();
  void follow();
  finds[1]?.("sheet-two");
  await soon();
  finds[0]?.("sheet-one");
  await soon();
  expect(shown).toEqual(["sheet-two"]);
});

test("a sheet is drawn once as long as it is in front, and again after another or none", async () => {
  const { follow, choose, finds, gathers, shown } = panel();
  const next = async (spreadsheetId: string | undefined): Promise<void> => {
    void follow();
    finds.at(-1)?.(spreadsheetId);
    await soon();
    gathers.splice(0).forEach((gather) => gather());
    await soon();
  };
  await next("sheet-one");
  await next("sheet-one");
  await next(undefined);
  choose("sheet-two");
  await next(undefined);
  await next("sheet-one");
  expect(shown).toEqual(["sheet-one", "none", "sheet-two", "none", "sheet-one"]);
});
