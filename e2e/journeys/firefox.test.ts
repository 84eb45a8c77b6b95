/** The same extension in Firefox, whose background lives by other rules. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { launch, type Browser, type Page } from "puppeteer-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findFirefox } from "../../scripts/install.mjs";
import { mirrorOf, openStage, until, untilEqual, type Stage } from "../stage/stage.ts";

const executablePath = findFirefox();
if (!executablePath)
  process.stderr.write("Skipped: there is no Firefox here. Set FIREFOX to its path, or run npm test.\n");

const extensionId = "sheetwire@sheetwire.example.org";
const origin = "moz-extension://5f0c1a3e-6a52-4e0b-9d53-0d2f5d9c7a11";

let stage: Stage;
let firefox: Browser;
let panel: Page;
let profile: string;
let spreadsheetId: string;
let sheetId: number;
let tunnel: { port: number; stop: () => void };

beforeAll(async () => {
  if (!executablePath) return;
  stage = await openStage();
  tunnel = await openTunnel(Number(new URL(stage.google.sheetsUrl).port));
  const created = await stage.control.create({
    title: "Fox",
    sheets: [
      {
        title: "Fox",
        rows: [
          ["one", 1],
          ["two", 2],
        ],
      },
    ],
  });
  spreadsheetId = created.spreadsheetId;
  sheetId = created.sheets[0]?.sheetId ?? -1;
  await stage.connect(spreadsheetId);
  profile = mkdtempSync(join(tmpdir(), "sheetwire-firefox-"));
  firefox = await launch({
    browser: "firefox",
    executablePath,
    headless: true,
    userDataDir: profile,
    acceptInsecureCerts: true,
    args: ["--remote-allow-system-access"],
    extraPrefsFirefox: {
      "extensions.webextensions.uuids": JSON.stringify({ [extensionId]: new URL(origin).host }),
      // Ended sooner than usual, so that a death fits into a test.
      "extensions.background.idle.timeout": 3_000,
      "network.proxy.type": 1,
      "network.proxy.ssl": "127.0.0.1",
      "network.proxy.ssl_port": tunnel.port,
      "network.stricttransportsecurity.preloadlist": false,
      "security.cert_pinning.enforcement_level": 0,
    },
  });
  await firefox.installExtension(join(import.meta.dirname, "../../extension/.output/firefox-mv3"));
  const { token } = await stage.relay.command("device", "add", spreadsheetId, "--name", "firefox", "--json");
  const options = await openPage("options.html", "h1");
  await options.evaluate(
    async (id, relayUrl, value) => {
      const { browser } = globalThis as unknown as {
        browser: { storage: { local: { set: (items: object) => Promise<void> } } };
      };
      await browser.storage.local.set({
        connections: { [id]: { relayUrl, token: value } },
        disclosure: { acceptedAt: Date.now() },
      });
    },
    spreadsheetId,
    stage.relay.url,
    String(token),
  );
  panel = await openPage(`sidepanel.html?spreadsheet=${spreadsheetId}`, "main");
});
afterAll(async () => {
  if (!executablePath) return;
  await firefox.close();
  tunnel.stop();
  await stage.stop();
  rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
});

/** A page of the extension. Firefox tells of no load there, so what it shows is waited for. */
async function openPage(path: string, selector: string): Promise<Page> {
  const page = await firefox.newPage();
  await page.goto(`${origin}/${path}`, { waitUntil: [] });
  await page.waitForSelector(selector);
  return page;
}

/** A proxy that leads to the stand-in for Google, whatever it is asked for. */
async function openTunnel(port: number): Promise<{ port: number; stop: () => void }> {
  const open = new Set<Socket>();
  const server: Server = createServer((_request, response) => response.writeHead(502).end());
  server.on("connect", (_request, near: Socket) => {
    const far = connect(port, "127.0.0.1", () => near.write("HTTP/1.1 200 Connection established\r\n\r\n"));
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one);
      one.pipe(other);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    stop: () => {
      for (const socket of open) socket.destroy();
      server.closeAllConnections();
      server.close();
    },
  };
}

const type = (a1: string, value: string): Promise<void> =>
  stage.control.act(spreadsheetId, [{ action: "type", sheetId, a1, value }]);
const shows = (page: Page, text: string): Promise<unknown> =>
  until(`"${text}" to be shown`, () => page.evaluate((words) => document.body.innerText.includes(words), text));

test.skipIf(!executablePath)(
  "the first copy arrives in Firefox, and an edit is shown with its old and its new value",
  async () => {
    await untilEqual(stage.control, panel, spreadsheetId);
    await shows(panel, "Up to date.");
    await type("A2", "typed for Firefox");
    await untilEqual(stage.control, panel, spreadsheetId);
    await shows(panel, "typed for Firefox");
    await shows(panel, "two");
    expect((await mirrorOf(panel, spreadsheetId))?.sheets[0]?.rows[1]).toEqual(["typed for Firefox", 2]);
  },
);

test.skipIf(!executablePath)(
  "an edit made while Firefox had ended the background arrives with the next heartbeat",
  async () => {
    const silentAt = await until("the relay to have nobody watching", async () =>
      (await watchers()) === 0 ? Date.now() : false,
    );
    expect(silentAt).toBeGreaterThan(0);
    await type("B1", "while it slept");
    await untilEqual(stage.control, panel, spreadsheetId);
  },
);

test.skipIf(!executablePath)("the badge stands in the open sheet and says how the sync is", async () => {
  const sheet = await firefox.newPage();
  await sheet.goto(`https://docs.google.com/spreadsheets/d/${spreadsheetId}/edit`, { waitUntil: "domcontentloaded" });
  await until("the badge to say so", () =>
    sheet.evaluate(
      () =>
        document
          .querySelector("sheetwire-badge")
          ?.shadowRoot?.querySelector("button")
          ?.textContent?.includes("Up to date") ?? false,
    ),
  );
  await sheet.close();
  await type("A1", "the last word");
  await untilEqual(stage.control, panel, spreadsheetId);
  expect((await mirrorOf(panel, spreadsheetId))?.whole).toBe(true);
});

/** How many browsers follow the spreadsheet at the relay. */
async function watchers(): Promise<number> {
  const text = await (await fetch(`${stage.relay.url}/metrics`)).text();
  return Number(/^sheetwire_feed_sockets(?:\{[^}]*\})? (\d+)/m.exec(text)?.[1] ?? Number.NaN);
}
