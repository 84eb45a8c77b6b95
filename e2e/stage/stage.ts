/** A whole Sheetwire on one machine: the stand-in for Google, a relay, and as many browsers as a story needs. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { buildAppsScript } from "../../apps-script/build.ts";
import { findChromium } from "../../scripts/install.mjs";
import { openBrowser, type Browser, type Look } from "./browser.ts";
import { controlOf, type Control } from "./control.ts";
import { differencesOf, mirrorOf, type Evaluates } from "./mirror-rows.ts";
import { startProgram, type Program } from "./program.ts";

export { cursorOf, type StoredCursor } from "./cursor.ts";
export { mirrorOf } from "./mirror-rows.ts";
export { seqOfAll } from "./relay-head.ts";
export type { Browser } from "./browser.ts";
export type { Action, Control, ControlCell } from "./control.ts";
export type { Program } from "./program.ts";

const root = join(import.meta.dirname, "../..");
const exec = promisify(execFile);

export type Relay = {
  readonly url: string;
  readonly dataDir: string;
  output: () => string;
  stop: () => Promise<void>;
  kill: () => Promise<void>;
  /** Starts it again on the same port and store. */
  start: () => Promise<void>;
  /** The `sheetwire` command, beside the running relay; answers its JSON. */
  command: (...args: string[]) => Promise<Record<string, unknown>>;
};

export type Stage = {
  readonly google: Program & { readonly sheetsUrl: string; readonly spki: string };
  readonly control: Control;
  readonly relay: Relay;
  browser: (how?: { look?: Look; profile?: string }) => Promise<Browser>;
  /** Makes the spreadsheet known to the relay; answers its connection string. */
  register: (spreadsheetId: string) => Promise<string>;
  /** Installs the add-on in the spreadsheet, as an admin would; registers it first unless a string is given. */
  connect: (spreadsheetId: string, connectionString?: string) => Promise<void>;
  /** A device token for it, a new one unless given, entered into the browser's extension as a person would in the options. */
  pair: (browser: Browser, spreadsheetId: string, token?: string) => Promise<string>;
  stop: () => Promise<void>;
};

/**
 * Starts Google's stand-in and a relay. `env` reaches the relay. With `emails` the script is one that asks Google who
 * edits, as an admin can choose. In `clockFile` Google writes its virtual time where that is shared; `googleEnv` reaches
 * Google's stand-in.
 */
export async function openStage(
  env: Record<string, string> = {},
  how: { emails?: boolean; clockFile?: string; googleEnv?: Record<string, string> } = {},
): Promise<Stage> {
  const args = ["--port", "0", ...(how.clockFile === undefined ? [] : ["--clock-file", how.clockFile])];
  if (how.emails) {
    const outDir = join(root, "node_modules/.cache/sheetwire/script-with-emails");
    await buildAppsScript({ outDir, emails: true });
    args.push("--bundle", outDir);
  }
  const google = await startProgram(join(root, "fake-google/main.ts"), args, how.googleEnv ?? {});
  const said = google.listening;
  const sheets = { sheetsUrl: String(said["sheetsUrl"]), spki: String(said["spki"]) };
  const control = controlOf(google.url);
  // Only a spreadsheet whose web app is deployed is ever called.
  const relay = await startRelay({ SHEETWIRE_WEB_APP_ORIGINS: sheets.sheetsUrl, ...env });
  const browsers = new Set<Browser>();

  async function register(spreadsheetId: string): Promise<string> {
    const { connectionString } = await relay.command("spreadsheet", "add", spreadsheetId, "--json");
    return String(connectionString);
  }

  async function newToken(spreadsheetId: string): Promise<string> {
    const asked = ["device", "add", spreadsheetId, "--name", "e2e", "--scope", "read", "--json"];
    return String((await relay.command(...asked))["token"]);
  }

  return {
    google: { ...google, ...sheets },
    control,
    relay,
    async browser(looks = {}) {
      const executablePath = findChromium();
      if (!executablePath) throw new Error("No Chromium: run `npm test` or set CHROMIUM.");
      const browser = await openBrowser({
        executablePath,
        extensionDir: join(root, "extension/.output/chrome-mv3"),
        ...sheets,
        ...looks,
      });
      browsers.add(browser);
      return browser;
    },
    register,
    async connect(spreadsheetId, connectionString) {
      await control.connect(spreadsheetId, connectionString ?? (await register(spreadsheetId)));
    },
    async pair(browser, spreadsheetId, given) {
      const token = given ?? (await newToken(spreadsheetId));
      const page = await browser.open("options.html");
      await page.evaluate(
        async ([id, relayUrl, value]) => {
          const { chrome } = globalThis as unknown as {
            chrome: {
              storage: { local: { get: (key: string) => Promise<object>; set: (items: object) => Promise<void> } };
            };
          };
          const held = (await chrome.storage.local.get("connections")) as { connections?: object };
          await chrome.storage.local.set({
            connections: { ...held.connections, [String(id)]: { relayUrl, token: value } },
            disclosure: { acceptedAt: Date.now() },
          });
        },
        [spreadsheetId, relay.url, token],
      );
      await page.close();
      return token;
    },
    async stop() {
      for (const browser of browsers) await browser.close().catch(() => undefined);
      await Promise.all([google.stop(), relay.stop()]);
      rmSync(relay.dataDir, { recursive: true, force: true });
    },
  };
}

async function startRelay(env: Record<string, string>): Promise<Relay> {
  const dataDir = mkdtempSync(join(tmpdir(), "sheetwire-relay-"));
  const settings = { SHEETWIRE_DATA_DIR: dataDir, SHEETWIRE_HOST: "127.0.0.1", SHEETWIRE_LOG_LEVEL: "info", ...env };
  const main = join(root, "relay-server/main.ts");
  let program = await startProgram(main, [], { ...settings, SHEETWIRE_PORT: "0" });
  const { url } = program;
  const fixed = { ...settings, SHEETWIRE_PORT: new URL(url).port, SHEETWIRE_PUBLIC_URL: url };
  return {
    url,
    dataDir,
    output: () => program.output(),
    stop: () => program.stop(),
    kill: () => program.kill(),
    async start() {
      program = await startProgram(main, [], fixed);
    },
    async command(...args) {
      const { stdout } = await exec(process.execPath, [join(root, "relay-server/bin/sheetwire.mjs"), ...args], {
        env: { ...process.env, ...fixed },
      });
      return JSON.parse(stdout) as Record<string, unknown>;
    },
  };
}

/** Waits for a condition, looking now and then; says what it waited for when it gives up. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  withinMs = 30_000,
  lookEveryMs = 50,
): Promise<T> {
  const end = Date.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > end) throw new Error(`Waited ${withinMs} ms in vain for ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
  }
}

/** Whether the mirror in this browser is the sheet: where it differs, or nothing. */
export async function compare(control: Control, page: Evaluates, spreadsheetId: string): Promise<string[]> {
  const copy = await mirrorOf(page, spreadsheetId);
  if (!copy) return ["there is no copy"];
  if (!copy.whole) return ["the copy is not whole"];
  const named = (sheets: readonly { sheetId: number; title: string }[]): string =>
    JSON.stringify(sheets.map(({ sheetId, title }) => [sheetId, title]));
  if (named(await control.sheets(spreadsheetId)) !== named(copy.sheets)) return ["the list of sheets"];
  const found: string[] = [];
  for (const { sheetId, title, rows } of copy.sheets) {
    const truth = await control.rows(spreadsheetId, sheetId);
    found.push(
      ...differencesOf(truth.rows, rows).map(
        (place) => `sheet ${copy.sheets.findIndex((one) => one.title === title)}, ${place}`,
      ),
    );
  }
  return found;
}

/** Waits until the mirror is the sheet. */
export async function untilEqual(
  control: Control,
  page: Evaluates,
  spreadsheetId: string,
  withinMs = 30_000,
): Promise<void> {
  let found: string[] = [];
  await until(
    "the mirror to equal the sheet",
    async () => {
      found = await compare(control, page, spreadsheetId);
      return found.length === 0;
    },
    withinMs,
  ).catch((error: unknown) => {
    throw new Error(`${String(error)} It differs at: ${found.join("; ")}.`);
  });
}
