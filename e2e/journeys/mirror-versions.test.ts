/** A copy that a newer version of the extension has made: an older one says so and leaves it alone. */
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { mirrorOf, openStage, until, untilEqual, type Browser, type Stage } from "../stage/stage.ts";

const NEWER = "The copy on this machine was made by a newer version.";

let stage: Stage;
let browser: Browser;
let spreadsheetId: string;
let sheetId: number;

beforeAll(async () => {
  stage = await openStage();
  browser = await stage.browser();
  const created = await stage.control.create({
    title: "Kept",
    sheets: [{ title: "Kept", rows: [["kept", 1, { v: null, f: "=B1+1" }]] }],
  });
  spreadsheetId = created.spreadsheetId;
  sheetId = created.sheets[0]?.sheetId ?? -1;
  await stage.connect(spreadsheetId);
  await stage.pair(browser, spreadsheetId);
  const panel = await browser.open(`sidepanel.html?spreadsheet=${spreadsheetId}`);
  await untilEqual(stage.control, panel, spreadsheetId);
  await panel.close();
});
afterAll(() => stage.stop());

/** Raises the database's version and adds a store, as a later version's upgrade would. */
async function upgrade(page: Page): Promise<void> {
  await page.evaluate(
    () =>
      new Promise<void>((resolve, reject) => {
        const request = indexedDB.open("sheetwire-mirror", 990);
        request.onupgradeneeded = () => request.result.createObjectStore("of-the-future").put("treasure", "key");
        request.onsuccess = () => {
          request.result.close();
          resolve();
        };
        request.onerror = () => reject(new Error(String(request.error)));
      }),
  );
}

const treasure = (page: Page): Promise<unknown> =>
  page.evaluate(
    () =>
      new Promise<unknown>((resolve, reject) => {
        const request = indexedDB.open("sheetwire-mirror");
        request.onerror = () => reject(new Error(String(request.error)));
        request.onsuccess = () => {
          const database = request.result;
          const asked = database.transaction("of-the-future").objectStore("of-the-future").get("key");
          asked.onsuccess = () => {
            database.close();
            resolve([database.version, asked.result]);
          };
          asked.onerror = () => reject(new Error(String(asked.error)));
        };
      }),
  );

test("panel and badge say that a newer version made the copy, and nothing of it is touched", async () => {
  const { profile } = browser;
  const page = await browser.open("options.html");
  await upgrade(page);
  const before = await mirrorOf(page, spreadsheetId);
  expect(before?.sheets[0]?.rows[0]).toEqual(["kept", 1, { v: 2, f: "=B1+1" }]);
  await browser.close({ keepProfile: true });

  browser = await stage.browser({ profile });
  const panel = await browser.open(`sidepanel.html?spreadsheet=${spreadsheetId}`);
  await panel.getByText(NEWER).first().waitFor();
  await panel.getByText("Update the extension.").waitFor();

  const sheet = await browser.context.newPage();
  await sheet.goto(`https://docs.google.com/spreadsheets/d/${spreadsheetId}/edit`);
  const badge = sheet.locator("sheetwire-badge").getByRole("button");
  await badge.getByText("Update").waitFor();
  expect(await badge.getAttribute("title")).toContain(NEWER);

  const popup = await browser.open("popup.html");
  await popup.getByText(NEWER).waitFor();

  await stage.control.act(spreadsheetId, [{ action: "type", sheetId, a1: "A2", value: "an edit in the meantime" }]);
  await stage.control.idle(spreadsheetId);
  await browser.killWorker();
  await panel.reload();
  await panel.getByText(NEWER).first().waitFor();
  expect(await mirrorOf(panel, spreadsheetId)).toEqual(before);
  expect(await treasure(panel)).toEqual([990, "treasure"]);
});

test("a copy that becomes newer under a running extension is let go, and nothing of it is touched", async () => {
  const second = await stage.browser();
  await stage.pair(second, spreadsheetId);
  const panel = await second.open(`sidepanel.html?spreadsheet=${spreadsheetId}`);
  await untilEqual(stage.control, panel, spreadsheetId);
  const options = await second.open("options.html");
  await upgrade(options);
  const before = await mirrorOf(options, spreadsheetId);
  await stage.control.act(spreadsheetId, [{ action: "type", sheetId, a1: "A3", value: "after the update" }]);
  await stage.control.idle(spreadsheetId);
  await panel.reload();
  await until("the words", async () => (await panel.getByText(NEWER).count()) > 0);
  expect(await mirrorOf(options, spreadsheetId)).toEqual(before);
  expect(await treasure(options)).toEqual([990, "treasure"]);
  await second.close();
});
