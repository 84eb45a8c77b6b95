/** One edit, all the way: keyboard in the sheet, built script, relay, WebSocket, IndexedDB, panel. */
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { mirrorOf, openStage, until, untilEqual, type Browser, type Stage } from "../stage/stage.ts";

let stage: Stage;
let browser: Browser;
let panel: Page;
let spreadsheetId: string;
let sheetId: number;

beforeAll(async () => {
  stage = await openStage();
  browser = await stage.browser();
  const loaded = await stage.control.load("movies");
  spreadsheetId = loaded.spreadsheetId;
  sheetId = loaded.sheets[0]?.sheetId ?? -1;
});
afterAll(() => stage.stop());

const seq = async (): Promise<number> => (await mirrorOf(panel, spreadsheetId))?.seq ?? 0;
const act = (...actions: ({ action: string } & Record<string, unknown>)[]): Promise<void> =>
  stage.control.act(
    spreadsheetId,
    actions.map((one) => ({ sheetId, ...one })),
  );

test("the first copy of real data arrives and is the sheet", async () => {
  await stage.connect(spreadsheetId);
  await stage.pair(browser, spreadsheetId);
  panel = await browser.open(`sidepanel.html?spreadsheet=${spreadsheetId}`);
  await untilEqual(stage.control, panel, spreadsheetId);
  await panel.getByText(/Up to date/).waitFor();
});

test("a cell typed in the page is in the panel with its old and its new value", async () => {
  const sheet = await browser.context.newPage();
  await sheet.goto(`https://docs.google.com/spreadsheets/d/${spreadsheetId}/edit?as=grace@example.com`);
  await act({ action: "type", a1: "A2", value: "before the story" });
  await untilEqual(stage.control, panel, spreadsheetId);
  await act({ action: "type", a1: "A2", value: "after the story", as: "grace@example.com" });
  await panel.getByText("after the story").first().waitFor();
  await panel.getByText("before the story").first().waitFor();
  await untilEqual(stage.control, panel, spreadsheetId);
  await sheet.close();
});

test("a panel that follows the tab in front shows a sheet as soon as that has loaded", async () => {
  // As Firefox's sidebar, which is one for all tabs.
  const sidebar = await browser.open("sidepanel.html");
  await sidebar.getByText("This tab shows no connected sheet").waitFor();
  const sheet = await browser.context.newPage();
  await sheet.goto(`https://docs.google.com/spreadsheets/d/${spreadsheetId}/edit`);
  await sidebar.getByRole("tab", { name: "Changes" }).waitFor();
  await sheet.close();
  await sidebar.bringToFront();
  const isNone = sidebar.getByText("This tab shows no connected sheet");
  await isNone.waitFor();
  expect(await isNone.isVisible()).toBe(true);
  await sidebar.close();
});

test("a typed edit costs Google one fetch, one properties read, at most three range reads, and nothing else", async () => {
  await stage.control.idle(spreadsheetId);
  await stage.control.resetUsage();
  await act({ action: "type", a1: "C5", value: "counted" });
  await stage.control.idle(spreadsheetId);
  await untilEqual(stage.control, panel, spreadsheetId);
  const usage = await stage.control.usage(spreadsheetId);
  expect(usage).toMatchObject({ fetches: 1, propertyReads: 1, propertyWrites: 0, locks: 0 });
  expect(usage["reads"]).toBeLessThanOrEqual(3);
});

test("a pasted block is one change", async () => {
  const before = await seq();
  const values = Array.from({ length: 10 }, (_row, row) =>
    Array.from({ length: 10 }, (_cell, column) => `p${row}${column}`),
  );
  await act({ action: "paste", a1: "C40", values });
  await untilEqual(stage.control, panel, spreadsheetId);
  expect(await seq()).toBe(before + 1);
});

test("a row inserted in the middle moves what is below and sends no content", async () => {
  await act({ action: "insertRows", row: 1_500, count: 1 });
  await untilEqual(stage.control, panel, spreadsheetId);
  await act({ action: "deleteRows", row: 700, count: 2 });
  await untilEqual(stage.control, panel, spreadsheetId);
});

test("an edit made while the extension's worker is dead arrives", async () => {
  await browser.killWorker();
  await act({ action: "type", a1: "D9", value: "while it was dead" });
  await untilEqual(stage.control, panel, spreadsheetId);
});

test("edits made while the relay is down arrive when it is back", async () => {
  await stage.relay.stop();
  await act({ action: "type", a1: "E9", value: "while the relay was down" });
  await stage.control.idle(spreadsheetId);
  await panel
    .getByText(/Offline|No connection/)
    .first()
    .waitFor({ timeout: 40_000 });
  await stage.relay.start();
  await act({ action: "type", a1: "E10", value: "the next edit" });
  await untilEqual(stage.control, panel, spreadsheetId, 60_000);
});

test("a relay killed after it took a post and before it told anybody still tells of it", async () => {
  // Nobody is connected when the post is taken, so its change cannot have been told before the kill.
  await browser.killWorker();
  await act({ action: "type", a1: "F9", value: "killed after this" });
  await stage.control.idle(spreadsheetId);
  await stage.relay.kill();
  await stage.relay.start();
  await untilEqual(stage.control, panel, spreadsheetId, 60_000);
});

test("two browsers on one sheet hold the same", async () => {
  const other = await stage.browser();
  await stage.pair(other, spreadsheetId);
  const theirs = await other.open(`sidepanel.html?spreadsheet=${spreadsheetId}`);
  await untilEqual(stage.control, theirs, spreadsheetId);
  await act({ action: "type", a1: "G3", value: "for both" });
  await untilEqual(stage.control, panel, spreadsheetId);
  await untilEqual(stage.control, theirs, spreadsheetId);
  await other.close();
});

test("a browser that is restarted goes on from its copy", async () => {
  const held = await seq();
  const { profile } = browser;
  await browser.close({ keepProfile: true });
  await act({ action: "type", a1: "H3", value: "while the browser was closed" });
  browser = await stage.browser({ profile });
  panel = await browser.open(`sidepanel.html?spreadsheet=${spreadsheetId}`);
  expect((await mirrorOf(panel, spreadsheetId))?.seq ?? 0).toBeGreaterThanOrEqual(held);
  await untilEqual(stage.control, panel, spreadsheetId);
});

test("sheets added, renamed and deleted are followed", async () => {
  await act({ action: "addSheet", title: "Notes" });
  await until("the new sheet", async () =>
    (await mirrorOf(panel, spreadsheetId))?.sheets.some((one) => one.title === "Notes"),
  );
  const added = (await mirrorOf(panel, spreadsheetId))?.sheets.find((one) => one.title === "Notes")?.sheetId;
  await stage.control.act(spreadsheetId, [{ action: "type", sheetId: added ?? -1, a1: "A1", value: "=1+1" }]);
  await stage.control.act(spreadsheetId, [{ action: "renameSheet", sheetId: added ?? -1, title: "Sums" }]);
  await until("the new name", async () =>
    (await mirrorOf(panel, spreadsheetId))?.sheets.some((one) => one.title === "Sums"),
  );
  await untilEqual(stage.control, panel, spreadsheetId);
  await stage.control.act(spreadsheetId, [{ action: "deleteSheet", sheetId: added ?? -1 }]);
  await until("the sheet to be gone", async () =>
    (await mirrorOf(panel, spreadsheetId))?.sheets.every((one) => one.title !== "Sums"),
  );
});
