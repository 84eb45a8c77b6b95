/** What somebody removes in the options is gone from the browser, copy and all. */
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { mirrorOf, openStage, until, untilEqual, type Browser, type Stage } from "../stage/stage.ts";

let stage: Stage;
let browser: Browser;

beforeAll(async () => {
  stage = await openStage();
  browser = await stage.browser();
});
afterAll(() => stage.stop());

/** Connects a spreadsheet, waits for its copy, and opens the options. */
async function copied() {
  const { spreadsheetId } = await stage.control.create({
    title: "Secret",
    sheets: [{ title: "One", rows: [["kept"]] }],
  });
  await stage.connect(spreadsheetId);
  await stage.pair(browser, spreadsheetId);
  const panel = await browser.open(`sidepanel.html?spreadsheet=${spreadsheetId}`);
  await untilEqual(stage.control, panel, spreadsheetId);
  await panel.close();
  return { spreadsheetId, options: await browser.open("options.html") };
}

type Storage = { get: (key: string) => Promise<{ connections?: object }>; set: (items: object) => Promise<void> };

const storedIn = (page: Page): Promise<string> =>
  page.evaluate(async () => {
    const { chrome } = globalThis as unknown as { chrome: { storage: { local: Storage } } };
    return JSON.stringify(await chrome.storage.local.get("connections"));
  });

/** Stores something under a spreadsheet's name that no version of the extension has written. */
const spoil = (page: Page, spreadsheetId: string): Promise<void> =>
  page.evaluate(async (id) => {
    const { chrome } = globalThis as unknown as { chrome: { storage: { local: Storage } } };
    const { connections } = await chrome.storage.local.get("connections");
    await chrome.storage.local.set({ connections: { ...connections, [id]: { relayUrl: "no address" } } });
  }, spreadsheetId);

test("a spreadsheet is removed with its copy, after a question", async () => {
  const { spreadsheetId, options } = await copied();
  await options.getByRole("button", { name: "Remove" }).click();
  await options.getByRole("button", { name: "Remove it" }).click();
  await until("it is gone", async () => (await options.getByRole("heading", { name: "Secret" }).count()) === 0);
  expect(await storedIn(options)).not.toContain(spreadsheetId);
  expect(await mirrorOf(options, spreadsheetId)).toBeUndefined();
  await options.close();
});

test("one whose setting cannot be read is removed with its copy too", async () => {
  const { spreadsheetId, options } = await copied();
  await spoil(options, spreadsheetId);
  await options.getByText("What is stored for Secret cannot be read").waitFor();
  await options.getByRole("button", { name: "Remove" }).click();
  await options.getByRole("button", { name: "Remove it" }).click();
  await until("it is gone", async () => !(await storedIn(options)).includes(spreadsheetId));
  expect(await mirrorOf(options, spreadsheetId)).toBeUndefined();
  await options.close();
});

test("a setting under a name that no spreadsheet has is removed as well", async () => {
  const options = await browser.open("options.html");
  await spoil(options, "no id");
  await options.getByText("What is stored for no id cannot be read").waitFor();
  await options.getByRole("button", { name: "Remove" }).click();
  await options.getByRole("button", { name: "Remove it" }).click();
  await until("it is gone", async () => !(await storedIn(options)).includes("no id"));
  await options.close();
});
