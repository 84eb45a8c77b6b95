/** Everything that people see of the extension, for those who do not see it, use no mouse, or need the dark. */
import axe from "axe-core";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openStage, untilEqual, type Browser, type Stage } from "../stage/stage.ts";

let stage: Stage;
let browser: Browser;
let spreadsheetId: string;
let sheets: { sheetId: number; title: string }[];

beforeAll(async () => {
  stage = await openStage();
  browser = await stage.browser();
  browser.context.setDefaultTimeout(10_000);
  const created = await stage.control.create({
    title: "Looks",
    sheets: [
      {
        title: "First",
        rows: [
          ["name", "count", "ready"],
          ["one", 1, true],
          ["two", { v: null, f: "=1/0" }, false],
        ],
      },
      { title: "Second", rows: [["other"]] },
    ],
  });
  ({ spreadsheetId, sheets } = created);
  await stage.connect(spreadsheetId);
  await stage.pair(browser, spreadsheetId);
  const panel = await browser.open(`sidepanel.html?spreadsheet=${spreadsheetId}`);
  await untilEqual(stage.control, panel, spreadsheetId);
  const sheetId = sheets[0]?.sheetId ?? -1;
  const type = { action: "type", sheetId, a1: "A2", value: "changed", as: "grace@example.com" };
  for (const action of [type, { action: "insertRows", sheetId, row: 2, count: 1 }]) {
    await stage.control.act(spreadsheetId, [action]);
    await untilEqual(stage.control, panel, spreadsheetId);
    await stage.control.idle(spreadsheetId);
  }
  await panel.close();
});
afterAll(() => stage.stop());

/** What axe finds wrong on a page, or in the part of it that a selector names. */
async function faults(page: Page, part?: string): Promise<string[]> {
  await page.evaluate(axe.source);
  return page.evaluate(async (selector) => {
    const { axe: checker } = globalThis as unknown as { axe: typeof axe };
    const { violations, incomplete } = await checker.run(selector === undefined ? document : { include: [[selector]] });
    const unsure = incomplete.filter((one) => one.id !== "color-contrast");
    return [...violations, ...unsure].flatMap(({ id, nodes }) =>
      nodes.map(
        (node) =>
          `${id}: ${node.target.join(" ")}: ${(node.failureSummary ?? "").replaceAll(/\s+/g, " ").slice(0, 200)}`,
      ),
    );
  }, part);
}

const panelPage = async (): Promise<Page> => {
  const panel = await browser.open(`sidepanel.html?spreadsheet=${spreadsheetId}`);
  await panel.getByText("Up to date.").first().waitFor();
  await panel.getByText("changed").first().waitFor();
  return panel;
};

test.each(["light", "dark"] as const)(
  "nothing on panel, popup, options and badge is out of reach, in %s",
  async (colorScheme) => {
    const dressed = async (page: Page): Promise<Page> => {
      await page.emulateMedia({ colorScheme });
      return page;
    };
    const panel = await dressed(await panelPage());
    expect(await faults(panel)).toEqual([]);
    await panel.getByRole("tab", { name: "Sheet" }).click();
    await panel.getByRole("gridcell", { name: "changed" }).waitFor();
    expect(await faults(panel)).toEqual([]);
    await panel.getByRole("searchbox").fill("changed");
    await panel.getByRole("searchbox").press("Enter");
    expect(await faults(panel)).toEqual([]);
    await panel.close();

    const alone = await dressed(await browser.open("sidepanel.html"));
    await alone.getByRole("heading").first().waitFor();
    expect(await faults(alone)).toEqual([]);
    await alone.close();

    const popup = await dressed(await browser.open("popup.html"));
    await popup.getByText("Looks").waitFor();
    expect(await faults(popup)).toEqual([]);
    await popup.close();

    const options = await dressed(await browser.open("options.html"));
    await options.getByText("Looks").first().waitFor();
    expect(await faults(options)).toEqual([]);
    await options.close();

    const sheet = await dressed(await browser.context.newPage());
    await sheet.goto(`https://docs.google.com/spreadsheets/d/${spreadsheetId}/edit`);
    await sheet.locator("sheetwire-badge").getByRole("button", { name: "Up to date" }).waitFor();
    expect(await faults(sheet, "sheetwire-badge")).toEqual([]);
    await sheet.close();
  },
);

/** What has the keyboard now: its role and its name, as a screen reader would say them. */
const focused = (page: Page): Promise<string> =>
  page.evaluate(() => {
    let element = document.activeElement;
    while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
    if (!element || element === document.body) return "nothing";
    const name = element.getAttribute("aria-label") ?? element.textContent ?? "";
    return `${element.getAttribute("role") ?? element.tagName.toLowerCase()}: ${name.trim().slice(0, 30)}`;
  });

/** Everything that Tab reaches on a page, once around: it begins where somebody clicked last. */
async function tabStops(page: Page): Promise<string[]> {
  const stops: string[] = [];
  const round = String(Math.random());
  for (let press = 0; press < 60; press += 1) {
    await page.keyboard.press("Tab");
    const met = await page.evaluate((now) => {
      const element = document.activeElement as (HTMLElement & { metIn?: string }) | null;
      if (!element || element === document.body) return "none";
      const isMet = element.metIn === now;
      element.metIn = now;
      return isMet ? "again" : "first";
    }, round);
    if (met === "again") break;
    if (met === "first") stops.push(await focused(page));
  }
  return stops;
}

/** How many things there are on a page that a mouse could use; of a list of tabs Tab reaches the chosen one. */
const operable = (page: Page): Promise<number> =>
  page.evaluate(
    () =>
      [
        ...document.querySelectorAll<HTMLElement>("a[href], button, input, select, textarea, summary, [role=grid]"),
      ].filter((one) => one.checkVisibility() && !one.matches(":disabled, [role=tab][aria-selected=false]")).length,
  );

test("Tab reaches everything on every page that a mouse reaches", async () => {
  const panel = await panelPage();
  expect((await tabStops(panel)).length).toBe(await operable(panel));
  await panel.getByRole("tab", { name: "Sheet" }).click();
  await panel.getByRole("gridcell", { name: "changed" }).waitFor();
  const stops = await tabStops(panel);
  expect(stops.length).toBe(await operable(panel));
  expect(stops).toContain("grid: Cells of First");
  await panel.close();
  for (const path of ["popup.html", "options.html"]) {
    const page = await browser.open(path);
    await page.getByRole("heading").first().waitFor();
    await page.getByText("Looks").first().waitFor();
    expect([path, (await tabStops(page)).length]).toEqual([path, await operable(page)]);
    await page.close();
  }
});

test("arrow keys move between the tabs and through the cells, and the active cell is told", async () => {
  const panel = await panelPage();
  await panel.getByRole("tab", { name: "Changes" }).focus();
  await panel.keyboard.press("ArrowRight");
  expect(await focused(panel)).toBe("tab: Sheet");
  expect(await panel.getByRole("tab", { name: "Sheet" }).getAttribute("aria-selected")).toBe("true");
  const grid = panel.getByRole("grid");
  await panel.getByRole("gridcell", { name: "changed" }).waitFor();
  await grid.focus();
  const active = (): Promise<string | null> =>
    grid.evaluate(
      (one) => document.getElementById(one.getAttribute("aria-activedescendant") ?? "")?.textContent ?? null,
    );
  expect(await active()).toBe("name");
  await panel.keyboard.press("ArrowDown");
  expect(await active()).toBe("changed");
  await panel.keyboard.press("ArrowRight");
  expect(await active()).toBe("1");
  await panel.keyboard.press("Control+End");
  expect(await grid.getAttribute("aria-activedescendant")).toBe("cell-1000-25");
  await expect.poll(active).toBe("");
  await panel.keyboard.press("Control+Home");
  await expect.poll(active).toBe("name");
  await panel.keyboard.press("ArrowUp");
  expect(await active()).toBe("name");
  await panel.getByRole("tab", { name: "Sheet" }).focus();
  await panel.keyboard.press("ArrowLeft");
  expect(await focused(panel)).toMatch(/^tab: Changes/);
  await panel.close();
});

test("when the relay is gone a screen reader hears so, in panel and badge", async () => {
  const panel = await panelPage();
  const sheet = await browser.context.newPage();
  await sheet.goto(`https://docs.google.com/spreadsheets/d/${spreadsheetId}/edit`);
  await sheet.locator("sheetwire-badge").getByRole("button", { name: "Up to date" }).waitFor();
  await stage.relay.stop();
  await panel
    .getByRole("status")
    .filter({ hasText: "Offline. You see the copy as it was." })
    .waitFor({ timeout: 45_000 });
  await sheet
    .locator("sheetwire-badge")
    .getByRole("status")
    .filter({ hasText: "Offline" })
    .waitFor({ timeout: 45_000 });
  await sheet.locator("sheetwire-badge").getByRole("button", { name: "Offline" }).waitFor();
  expect(await faults(panel)).toEqual([]);
  expect(await faults(sheet, "sheetwire-badge")).toEqual([]);
  await stage.relay.start();
  await panel.getByRole("status").filter({ hasText: "Up to date." }).waitFor({ timeout: 45_000 });
});

test.each(["light", "dark"] as const)("nothing is out of reach for those who begin, in %s", async (colorScheme) => {
  const fresh = await stage.browser({ look: { colorScheme } });
  for (const path of ["options.html", "popup.html", `sidepanel.html?spreadsheet=${spreadsheetId}`]) {
    const page = await fresh.open(path);
    await page.getByRole("heading").first().waitFor();
    expect([path, await faults(page)]).toEqual([path, []]);
    await page.close();
  }
  await fresh.close();
});
