/** Two extensions in one Chromium: one whose background holds the mirror, one whose background holds nothing. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type Page, type Worker } from "playwright-core";
import { findChromium } from "../../scripts/install.mjs";
import { bundled, html } from "./peers.ts";
import { askerOf, engineArgs, serve, type Ask, type Engine } from "./stage.ts";

export type ExtensionPage = {
  /** Of the worker that a page of the extension holds: the panel's place. */
  ask: Ask;
  /** Sends the background a message and answers what it says, with the time until it said so. */
  tell: (message: unknown) => Promise<{ elapsedMs: number; ms: number; bootMs?: number }>;
  /** Ends the background as the browser would, without a word. */
  kill: () => Promise<void>;
};
export type ExtensionStage = {
  mirror: ExtensionPage;
  bare: ExtensionPage;
  snapshotUrl: string;
  stop: () => Promise<void>;
};

export async function openExtensionStage(engine: Engine, snapshot: Uint8Array): Promise<ExtensionStage> {
  const executablePath = findChromium();
  if (!executablePath) throw new Error("No Chromium: run `npm test` or set CHROMIUM.");
  const profile = mkdtempSync(join(tmpdir(), "sheetwire-bench-"));
  mkdirSync(join(profile, "Default"));
  writeFileSync(
    join(profile, "Default", "Preferences"),
    JSON.stringify({ extensions: { ui: { developer_mode: true } } }),
  );
  const folders = [join(profile, "mirror"), join(profile, "bare")] as const;
  await writeExtension(folders[0], "mirror", `import "./background.ts";`);
  await writeExtension(folders[1], "bare", `import "./bare-background.ts";`);
  const { url, server } = await serve(new Map(), snapshot);
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    args: [
      ...engineArgs(engine),
      `--disable-extensions-except=${folders.join(",")}`,
      `--load-extension=${folders.join(",")}`,
    ],
  });
  const workers = await workersOf(2, () => context.serviceWorkers());

  const open = async (name: string): Promise<ExtensionPage> => {
    for (const worker of workers) {
      const page = await context.newPage();
      await page.goto(new URL("/page.html", worker.url()).href);
      if ((await page.title()) === name) return extensionPage(page);
      await page.close();
    }
    throw new Error(`The extension ${name} did not start.`);
  };
  return {
    mirror: await open("mirror"),
    bare: await open("bare"),
    snapshotUrl: `${url}/snapshot`,
    async stop() {
      await context.close();
      server.close();
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function writeExtension(folder: string, name: string, background: string): Promise<void> {
  mkdirSync(folder);
  const files: Record<string, string> = {
    "manifest.json": JSON.stringify({
      manifest_version: 3,
      name,
      version: "1.0",
      permissions: ["unlimitedStorage"],
      background: { service_worker: "background.js", type: "module" },
    }),
    "background.js": await bundled(background),
    "page.html": html("page.js", name),
    "page.js": await bundled(`import { remotePeer } from "./remote.ts";
      globalThis.ask = remotePeer(new Worker("/worker.js", { type: "module" })).ask;`),
    "worker.js": await bundled(`import { peer } from "./mirror.ts"; import { serve } from "./worker.ts"; serve(peer);`),
  };
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
}

async function extensionPage(page: Page): Promise<ExtensionPage> {
  const session = await page.context().newCDPSession(page);
  await session.send("ServiceWorker.enable");
  return {
    ask: askerOf(page),
    async tell(message) {
      const told = await page.evaluate(async (sent) => {
        type Chrome = {
          runtime: { sendMessage(message: unknown): Promise<{ ms: number; bootMs?: number; error?: string }> };
        };
        const { runtime } = (globalThis as unknown as { chrome: Chrome }).chrome;
        const began = performance.now();
        const answer = await runtime.sendMessage(sent);
        return { ...answer, elapsedMs: performance.now() - began };
      }, message);
      if (told.error !== undefined) throw new Error(`The background failed: ${told.error}`);
      return told;
    },
    kill: async () => void (await session.send("ServiceWorker.stopAllWorkers")),
  };
}

async function workersOf(count: number, look: () => Worker[]): Promise<Worker[]> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const workers = look();
    if (workers.length >= count) return workers;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${count} extensions were to start within 10 s.`);
}
