/** A real Chromium with the real extension beside a page that it takes for Google's. */
import { cpSync, existsSync, mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type BrowserContext, type Page } from "playwright-core";

export type Look = {
  headless?: boolean;
  width?: number;
  height?: number;
  args?: readonly string[];
  colorScheme?: "light" | "dark";
};

export type Browser = {
  readonly context: BrowserContext;
  readonly extensionId: string;
  readonly profile: string;
  /** A page of the extension, in a tab of its own. */
  open: (path: string) => Promise<Page>;
  /** Ends the background worker as the browser would, without a word. */
  killWorker: () => Promise<void>;
  /** The real side panel once it is open, over a second connection. */
  sidePanel: () => Promise<Page>;
  /** Closes the browser; `keepProfile` for opening it again with the same profile. */
  close: (how?: { keepProfile?: boolean }) => Promise<void>;
};

export type BrowserNeeds = {
  executablePath: string;
  extensionDir: string;
  sheetsUrl: string;
  spki: string;
  profile?: string;
  look?: Look;
};

export async function openBrowser(needs: BrowserNeeds): Promise<Browser> {
  const profile = needs.profile ?? mkdtempSync(join(tmpdir(), "sheetwire-profile-"));
  mkdirSync(join(profile, "Default"), { recursive: true });
  if (!needs.profile) {
    writeFileSync(
      join(profile, "Default", "Preferences"),
      JSON.stringify({ extensions: { ui: { developer_mode: true } } }),
    );
  }
  // The browser gets a copy of its own: a build that runs meanwhile does not pull the files from under it, and the same
  // profile finds the extension under the same id again.
  const extensionDir = join(profile, "extension-under-test");
  if (!existsSync(extensionDir)) cpSync(needs.extensionDir, extensionDir, { recursive: true });
  const { headless = true, width = 1400, height = 900, args = [], colorScheme = "light" } = needs.look ?? {};
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: needs.executablePath,
    headless,
    viewport: null,
    colorScheme,
    ignoreDefaultArgs: headless ? [] : ["--enable-automation"],
    args: [
      `--disable-extensions-except=${extensionDir}`,
      `--load-extension=${extensionDir}`,
      `--host-resolver-rules=MAP docs.google.com ${new URL(needs.sheetsUrl).host}`,
      `--ignore-certificate-errors-spki-list=${needs.spki}`,
      "--remote-debugging-port=0",
      "--enable-unsafe-extension-debugging",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--disable-quic",
      "--no-first-run",
      `--window-size=${width},${height}`,
      ...args,
    ],
  });
  const worker = context.serviceWorkers()[0] ?? (await context.waitForEvent("serviceworker", { timeout: 20_000 }));
  const extensionId = new URL(worker.url()).host;

  async function open(path: string): Promise<Page> {
    const page = await context.newPage();
    const url = `chrome-extension://${extensionId}/${path}`;
    // A fresh extension opens its options by itself, and takes for that a tab that is on the way there.
    await page.goto(url).catch(async (error: unknown) => {
      if (!String(error).includes("interrupted by another navigation")) throw error;
      await page.waitForURL(url);
    });
    return page;
  }

  return {
    context,
    extensionId,
    profile,
    open,
    async killWorker() {
      const page =
        context.pages().find((one) => one.url().startsWith(`chrome-extension://${extensionId}/`)) ??
        (await open("options.html"));
      const session = await context.newCDPSession(page);
      await session.send("ServiceWorker.enable");
      await session.send("ServiceWorker.stopAllWorkers");
      await session.detach();
    },
    async sidePanel() {
      const port = readFileSync(join(profile, "DevToolsActivePort"), "utf8").split("\n")[0];
      for (let attempt = 0; attempt < 50; attempt += 1) {
        const second = await chromium.connectOverCDP(`http://127.0.0.1:${port}`);
        const panel = second
          .contexts()[0]
          ?.pages()
          .find((page) => page.url().includes("sidepanel.html"));
        if (panel) return panel;
        await second.close();
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      throw new Error("The side panel did not open within 5 s.");
    },
    async close(how = {}) {
      await context.close();
      if (!how.keepProfile) rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
