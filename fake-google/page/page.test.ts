import { existsSync } from "node:fs";
import { join } from "node:path";
import { chromium, type Browser, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createFakeGoogle, type FakeGoogle } from "../fake-google.ts";
import type { Project } from "../projects/projects.ts";

const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";

describe.skipIf(!existsSync(executablePath))("the sheet's page in a real browser", () => {
  let google: FakeGoogle;
  let browser: Browser;

  beforeAll(async () => {
    google = await createFakeGoogle({ bundleDir: join(import.meta.dirname, "..", "testing", "script") });
    browser = await chromium.launch({
      executablePath,
      args: [
        "--no-sandbox",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        `--ignore-certificate-errors-spki-list=${google.spki}`,
        `--host-resolver-rules=MAP docs.google.com 127.0.0.1:${new URL(google.sheetsUrl).port}`,
      ],
    });
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await google?.stop();
  });

  async function create(rows: (string | number)[][]): Promise<Project> {
    const project = google.world.create({ title: "Films", sheets: [{ title: "One", rows }] });
    project.push(await google.world.readBundle());
    return project;
  }

  async function open(project: Project, as = "ada@example.com"): Promise<{ page: Page; faults: string[] }> {
    const page = await browser.newPage();
    const faults: string[] = [];
    page.on("pageerror", (error) => faults.push(error.message));
    page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
    await page.goto(`https://docs.google.com/spreadsheets/d/${project.spreadsheet.state.id}/edit?as=${as}`);
    await cell(page, 0, 0)
      .getByText(/./)
      .or(cell(page, 0, 0))
      .first()
      .waitFor();
    return { page, faults };
  }

  const cell = (page: Page, row: number, column: number) =>
    page.locator(`revogr-viewport-scroll.rgCol revogr-data [data-rgrow="${row}"][data-rgcol="${column}"]`).first();
  const valueAt = (project: Project, row: number, column: number) =>
    project.spreadsheet.sheetById(0)?.rows[row]?.[column]?.value ?? null;
  const until = (look: () => unknown) => expect.poll(look, { timeout: 5000 });

  test("a person types, uses the formula bar, pastes, deletes and undoes", async () => {
    const project = await create([
      ["head", 1],
      ["x", 2],
    ]);
    const { page, faults } = await open(project);
    await cell(page, 1, 0).click();
    await page.keyboard.type("typed");
    await page.keyboard.press("Enter");
    await until(() => valueAt(project, 1, 0)).toBe("typed");
    await cell(page, 3, 1).click();
    await page.getByLabel("Formula bar").fill("=SUM(B1:B2)");
    await page.keyboard.press("Enter");
    await until(() => cell(page, 3, 1).textContent()).toBe("3");
    await cell(page, 0, 1).click();
    await page.evaluate(() => {
      const clipboardData = new DataTransfer();
      clipboardData.setData("text/plain", '10\t"a ""b"""\r\n20\t');
      document.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
    });
    await until(() => [valueAt(project, 0, 1), valueAt(project, 0, 2), valueAt(project, 1, 1)]).toEqual([
      10,
      'a "b"',
      20,
    ]);
    await until(() => cell(page, 3, 1).textContent()).toBe("30");
    await cell(page, 0, 1).click();
    await page.keyboard.press("Delete");
    await until(() => valueAt(project, 0, 1)).toBeNull();
    await page.keyboard.press("Control+z");
    await until(() => valueAt(project, 0, 1)).toBe(10);
    expect(faults).toEqual([]);
    await page.close();
  }, 60_000);

  test("two people see each other's edits, rows and sheets", async () => {
    const project = await create([["shared"]]);
    const [ada, bob] = [await open(project), await open(project, "bob@example.com")];
    await cell(ada.page, 1, 0).click();
    await ada.page.keyboard.type("from Ada");
    await ada.page.keyboard.press("Tab");
    await until(() => cell(bob.page, 1, 0).textContent()).toBe("from Ada");
    await cell(bob.page, 0, 0).click();
    await bob.page.getByRole("button", { name: "Insert a row above" }).click();
    await until(() => cell(ada.page, 2, 0).textContent()).toBe("from Ada");
    await bob.page.getByRole("button", { name: "Add a sheet" }).click();
    await ada.page.getByRole("tab", { name: "Sheet2" }).click();
    await until(() => ada.page.url()).toContain(`#gid=${project.spreadsheet.state.sheets[1]?.sheetId}`);
    await until(() => cell(ada.page, 2, 0).textContent()).toBe("");
    expect([...ada.faults, ...bob.faults]).toEqual([]);
    await Promise.all([ada.page.close(), bob.page.close()]);
  }, 60_000);

  test("the script's menu is there, its panel asks the script, its alert is shown", async () => {
    const project = await create([["x"]]);
    const { page, faults } = await open(project);
    await page.getByRole("button", { name: "Wire", exact: true }).click();
    await page.getByRole("menuitem", { name: "Show panel" }).click();
    await page.frameLocator("aside iframe").getByText("answered 42").waitFor();
    const width = await page.locator("aside iframe").evaluate((frame) => frame.clientWidth);
    expect(width).toBe(300);
    await page.getByRole("button", { name: "Wire", exact: true }).click();
    await page.getByRole("menuitem", { name: "Say hello" }).click();
    await page.getByText("Hello from the script").waitFor();
    await page.getByRole("button", { name: "OK" }).click();
    await until(() => project.executions().map((one) => `${one.function} ${one.status}`)).toContain(
      "sayHello completed",
    );
    expect(faults).toEqual([]);
    await page.close();
  }, 60_000);
});
