/** The demo: one edit, all the way, in real programs. `--once` measures itself and prints one JSON line. */
import { parseArgs } from "node:util";
import type { Page } from "playwright-core";
import {
  cursorOf,
  mirrorOf,
  openStage,
  seqOfAll,
  until,
  untilEqual,
  type Browser,
  type Stage,
} from "../e2e/stage/stage.ts";
import { findChromium } from "./install.mjs";

const { values } = parseArgs({
  options: {
    once: { type: "boolean", default: false },
    headless: { type: "boolean", default: false },
    dataset: { type: "string", default: "movies" },
  },
});

/** One change as the panel drew it: its seq, when the relay had taken it, when it was on screen. */
type Drawn = { seq: number; loggedAt: number; drawnAt: number };

const say = (line: string): void => void process.stderr.write(`${line}\n`);

const EDITS = 20;

async function main(): Promise<number> {
  say("starting the stand-in for Google and the relay");
  const stage = await openStage({}, { emails: true });
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, resolve);
  });
  try {
    const { spreadsheetId, sheets } = await stage.control.load(values.dataset);
    const sheetId = sheets[0]?.sheetId ?? 0;
    if (!findChromium()) return await withoutBrowser(stage, spreadsheetId, stopped);
    const headless = values.once || values.headless || !process.env["DISPLAY"];
    const browser = await stage.browser({ look: { headless } });
    if (values.once) {
      const result = await measure(stage, browser, spreadsheetId, sheetId);
      process.stdout.write(`${JSON.stringify(result)}\n`);
      return result.ok ? 0 : 1;
    }
    await show(stage, browser, spreadsheetId, stopped);
    return 0;
  } finally {
    await stage.stop();
  }
}

async function measure(
  stage: Stage,
  browser: Browser,
  spreadsheetId: string,
  sheetId: number,
): Promise<{ ok: boolean } & Record<string, unknown>> {
  const { control } = stage;
  const connectionString = await stage.register(spreadsheetId);
  const token = await stage.pair(browser, spreadsheetId);
  const sheet = await openSheet(browser, spreadsheetId);
  await sheet.locator("sheetwire-badge").getByRole("button").click();
  const panel = await browser.sidePanel();

  say("first copy");
  const beganAt = Date.now();
  const connecting = stage.connect(spreadsheetId, connectionString);
  // Reading the whole mirror is work for the browser, which is why only its place is asked for.
  const knownAt = await until(
    "the relay to know every row",
    () => seqOfAll(stage.relay.url, spreadsheetId, token),
    30_000,
    20,
  );
  await until("the first copy", async () => ((await cursorOf(panel, spreadsheetId))?.seq ?? -1) >= knownAt);
  const firstCopyMs = Date.now() - beganAt;
  await connecting;
  await untilEqual(control, panel, spreadsheetId);
  const before = (await mirrorOf(panel, spreadsheetId))?.seq ?? 0;

  say(`${EDITS} typed edits, a pasted block, an inserted row`);
  for (let n = 0; n < EDITS; n += 1) {
    if (n % 2 === 0) await typeInPage(sheet, `edited in the page ${n}`);
    else await control.act(spreadsheetId, [{ action: "type", sheetId, a1: `B${3 + n * 7}`, value: String(n * 1.5) }]);
    await until(
      "the edit in the panel",
      async () => (await drawn(panel)).filter((one) => one.seq > before).length > n,
      10_000,
    );
  }
  const block = Array.from({ length: 10 }, (_row, row) =>
    Array.from({ length: 10 }, (_column, column) => `p${row}-${column}`),
  );
  await control.act(spreadsheetId, [{ action: "paste", sheetId, a1: "C200", values: block }]);
  await control.act(spreadsheetId, [{ action: "insertRows", sheetId, row: 100, count: 1 }]);
  await control.idle(spreadsheetId);
  const equal = await untilEqual(control, panel, spreadsheetId).then(
    () => true,
    (error: unknown) => {
      say(String(error));
      return false;
    },
  );
  const times = (await drawn(panel)).filter((one) => one.seq > before).map((one) => one.drawnAt - one.loggedAt);
  const copy = await mirrorOf(panel, spreadsheetId);
  const rows = copy?.sheets.reduce((sum, one) => sum + one.rows.length, 0) ?? 0;
  const cells =
    copy?.sheets.reduce(
      (sum, one) => sum + one.rows.reduce((most, row) => most + (row?.filter((cell) => cell !== null).length ?? 0), 0),
      0,
    ) ?? 0;
  const postToPanelMs = { p50: quantile(times, 0.5), p99: quantile(times, 0.99) };
  const ok = equal && times.length >= EDITS + 2;
  return { ok, edits: EDITS + 2, equal, rows, cells, postToPanelMs, firstCopyMs };
}

async function openSheet(browser: Browser, spreadsheetId: string): Promise<Page> {
  const page = await browser.context.newPage();
  await page.goto(`https://docs.google.com/spreadsheets/d/${spreadsheetId}/edit`);
  await page.locator("sheetwire-badge").waitFor({ state: "attached" });
  return page;
}

/** Types into the selected cell as a person does, then goes on to the next row. */
async function typeInPage(sheet: Page, text: string): Promise<void> {
  await sheet.bringToFront();
  if (!(await sheet.evaluate(() => document.body.dataset["typed"]))) {
    await sheet.mouse.click(260, 320);
    await sheet.evaluate(() => (document.body.dataset["typed"] = "yes"));
  }
  await sheet.keyboard.type(text);
  await sheet.keyboard.press("Enter");
}

const drawn = (panel: Page): Promise<Drawn[]> =>
  panel.evaluate(() => (globalThis as unknown as { __sheetwireDrawn?: Drawn[] }).__sheetwireDrawn ?? []);

function quantile(numbers: readonly number[], q: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN);
}

/** For a person: opens everything, prints the addresses, then each edit with its time from keystroke to panel. */
async function show(stage: Stage, browser: Browser, spreadsheetId: string, stopped: Promise<void>): Promise<void> {
  say("connecting the spreadsheet and reading it for the first time");
  await stage.connect(spreadsheetId);
  await stage.pair(browser, spreadsheetId);
  const sheet = await openSheet(browser, spreadsheetId);
  for (const page of browser.context.pages()) if (page !== sheet) await page.close();
  const actedAt: number[] = [];
  sheet.on("request", (request) => {
    if (request.method() === "POST" && request.url().includes("/actions")) actedAt.push(Date.now());
  });
  await sheet.locator("sheetwire-badge").getByRole("button").click();
  const panel = await browser.sidePanel();
  await until("the copy in the panel", async () => (await mirrorOf(panel, spreadsheetId))?.whole);
  say("");
  say(`  spreadsheet  https://docs.google.com/spreadsheets/d/${spreadsheetId}/edit  (in the browser that just opened)`);
  say("  side panel   is open beside it; the Sheetwire badge in the sheet opens it again");
  say(`  relay        ${stage.relay.url}/status`);
  say(`  control      ${stage.google.url}/control`);
  say("");
  say("Edit a cell. Every edit is listed here with its time from keystroke to panel. Ctrl+C ends the demo.");
  let told = (await mirrorOf(panel, spreadsheetId))?.seq ?? 0;
  const timer = setInterval(() => {
    void (async () => {
      for (const one of await drawn(panel)) {
        if (one.seq <= told) continue;
        told = one.seq;
        const keystroke = actedAt.filter((at) => at <= one.loggedAt).at(-1);
        const fromKey = keystroke === undefined ? "" : `, ${Math.round(one.drawnAt - keystroke)} ms from the keystroke`;
        say(`  change ${one.seq}: ${Math.round(one.drawnAt - one.loggedAt)} ms from relay to panel${fromKey}`);
      }
    })().catch(() => undefined);
  }, 200);
  const closed = new Promise<void>((resolve) => browser.context.once("close", () => resolve()));
  await Promise.race([stopped, closed]);
  clearInterval(timer);
}

/** No browser can be had: everything else runs, and a person opens the panel by hand. */
async function withoutBrowser(stage: Stage, spreadsheetId: string, stopped: Promise<void>): Promise<number> {
  await stage.connect(spreadsheetId);
  const { token } = await stage.relay.command(
    "device",
    "add",
    spreadsheetId,
    "--name",
    "demo",
    "--scope",
    "read",
    "--json",
  );
  say("No Chromium was found, and none could be installed. Install one (`apt-get install chromium`) or set CHROMIUM,");
  say("then load extension/.output/chrome-mv3 as an unpacked extension and enter in its options:");
  say(`  relay        ${stage.relay.url}`);
  say(`  spreadsheet  ${spreadsheetId}`);
  say(`  token        ${String(token)}`);
  say(`The sheet is at ${stage.google.sheetsUrl}/spreadsheets/d/${spreadsheetId}/edit.`);
  if (values.once) {
    process.stdout.write(`${JSON.stringify({ ok: false, reason: "no browser" })}\n`);
    return 1;
  }
  await stopped;
  return 0;
}

process.exitCode = await main();
