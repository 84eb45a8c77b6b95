/**
 * Makes the pictures of the README and the docs: a real browser window with the panel beside a sheet, photographed from
 * its screen. `npm run screenshots` (needs Xvfb and ImageMagick: apt-get install xvfb imagemagick).
 */
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { openStage, untilEqual, type Stage } from "../e2e/stage/stage.ts";

const root = join(import.meta.dirname, "..");
const SCREEN = { width: 1440, height: 900 };

/** A screen of our own; ends with the function it hands back. */
async function openScreen(): Promise<{ display: string; close: () => void }> {
  const xvfb = spawn(
    "Xvfb",
    ["-displayfd", "1", "-screen", "0", `${SCREEN.width}x${SCREEN.height}x24`, "-nolisten", "tcp"],
    {
      stdio: ["ignore", "pipe", "ignore"],
    },
  );
  const number = await new Promise<string>((resolve, reject) => {
    xvfb.once("error", () => reject(new Error("Xvfb is missing: apt-get install xvfb imagemagick")));
    xvfb.once("exit", (code) => reject(new Error(`Xvfb ended with ${code}.`)));
    xvfb.stdout.once("data", (data: Buffer) => resolve(data.toString().trim()));
  });
  return { display: `:${number}`, close: () => xvfb.kill() };
}

/** Edits as people make them, so that the panel has something to show. */
async function edits(stage: Stage, spreadsheetId: string, sheetId: number): Promise<void> {
  const act = async (action: { action: string } & Record<string, unknown>): Promise<void> => {
    await stage.control.act(spreadsheetId, [{ sheetId, ...action }]);
    await stage.control.idle(spreadsheetId);
  };
  await act({
    action: "paste",
    a1: "D2",
    values: [
      ["12.5%", "2,000,000"],
      ["9%", "450,000"],
    ],
    as: "grace@example.com",
  });
  await act({ action: "insertRows", row: 8, count: 1, as: "ada@example.com" });
  await act({ action: "type", a1: "A9", value: "Metropolis", as: "ada@example.com" });
  await act({ action: "type", a1: "B9", value: "1,236,166", as: "grace@example.com" });
  await act({ action: "type", a1: "G6", value: "PG-13", as: "ada@example.com" });
  await act({ action: "type", a1: "B4", value: "=B3+B5", as: "ada@example.com" });
}

const screen = await openScreen();
process.env["DISPLAY"] = screen.display;
const stage = await openStage({}, { emails: true });
try {
  const { spreadsheetId, sheets } = await stage.control.load("movies");
  await stage.connect(spreadsheetId);
  const browser = await stage.browser({
    look: { headless: false, ...SCREEN, args: ["--test-type", "--window-position=0,0"] },
  });
  await stage.pair(browser, spreadsheetId);
  const sheet = await browser.context.newPage();
  await sheet.goto(`https://docs.google.com/spreadsheets/d/${spreadsheetId}/edit`);
  for (const page of browser.context.pages()) if (page !== sheet) await page.close();
  await sheet.locator("sheetwire-badge").getByRole("button").click();
  const panel = await browser.sidePanel();
  await untilEqual(stage.control, panel, spreadsheetId);
  await edits(stage, spreadsheetId, sheets[0]?.sheetId ?? 0);
  await untilEqual(stage.control, panel, spreadsheetId);
  await panel.getByText("Up to date").first().waitFor();
  await sheet.mouse.click(420, 330);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  mkdirSync(join(root, "docs"), { recursive: true });
  execFileSync("import", ["-window", "root", join(root, "docs/panel.png")]);
  process.stdout.write("docs/panel.png\n");
} finally {
  await stage.stop();
  screen.close();
}
