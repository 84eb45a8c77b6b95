/** A headless Chromium with one origin a peer, so that no store disturbs another's, and a look at its processes. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type BrowserContext, type CDPSession, type Page } from "playwright-core";
import { findChromium } from "../../scripts/install.mjs";
import { assetsOf, type Assets, type PeerName } from "./peers.ts";

export type Engine = "leveldb" | "sqlite";
export type StageNeeds = {
  engine: Engine;
  peers: readonly PeerName[];
  snapshot: Uint8Array;
  skip: (peer: PeerName, why: string) => void;
};

/** A peer's page, with the worker in which it lives. */
export type PeerPage = {
  readonly page: Page;
  ask: Ask;
  /** Forgets the most memory that the page's process ever held, and answers what it holds now, in bytes. */
  markMemory: () => Promise<number>;
  /** The most memory since the mark, in bytes. */
  mostMemory: () => number;
  close: () => Promise<void>;
};

export type MirrorStage = {
  readonly peers: readonly PeerName[];
  readonly chromiumVersion: string;
  open: (peer: PeerName) => Promise<PeerPage>;
  /** Reloads the page that paints a viewport; answers the milliseconds from the reload to the paint. */
  reload: (peer: PeerName) => Promise<number>;
  /** What IndexedDB keeps of the peer's origin on the disk, in bytes. */
  storedBytes: (peer: PeerName) => number;
  /** Removes everything that the peer has stored. */
  clear: (peer: PeerName) => Promise<void>;
  stop: () => Promise<void>;
};

/** Chromium's other engine for IndexedDB, by the name of its feature. */
const SQLITE_ENGINE = "IdbSqliteBackingStore";
const BURN_MS = 500;

export async function openMirrorStage({ engine, peers, snapshot, skip }: StageNeeds): Promise<MirrorStage> {
  const executablePath = findChromium();
  if (!executablePath) throw new Error("No Chromium: run `npm test` or set CHROMIUM.");
  const servers = new Map<PeerName, { url: string; server: Server }>();
  for (const peer of peers) {
    const assets = await assetsOf(peer).catch((error: unknown) => skip(peer, String(error)));
    if (assets) servers.set(peer, await serve(assets, snapshot));
  }
  const profile = mkdtempSync(join(tmpdir(), "sheetwire-bench-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    args: engineArgs(engine),
  });
  const browser = context.browser();
  if (!browser) throw new Error("Chromium is there, but not its browser session.");
  const session = await browser.newBrowserCDPSession();
  const urlOf = (peer: PeerName): string => {
    const url = servers.get(peer)?.url;
    if (url === undefined) throw new Error(`${peer} is not on the stage.`);
    return url;
  };

  return {
    peers: [...servers.keys()],
    chromiumVersion: browser.version(),
    open: (peer) => openPage(context, session, urlOf(peer)),
    async reload(peer) {
      const page = await context.newPage();
      const painted = async (): Promise<number> => {
        const found = await page.waitForFunction(() => (globalThis as { painted?: number }).painted, undefined, {
          polling: 20,
          timeout: 600_000,
        });
        return (await found.jsonValue()) ?? Number.NaN;
      };
      await page.goto(`${urlOf(peer)}/reload`);
      await painted();
      await page.reload();
      const ms = await painted();
      await page.close();
      return ms;
    },
    storedBytes(peer) {
      const folder = join(profile, "Default", "IndexedDB");
      const prefix = `http_127.0.0.1_${new URL(urlOf(peer)).port}`;
      const own = existsSync(folder)
        ? readdirSync(folder).filter((name) => name.split(".indexeddb")[0] === prefix)
        : [];
      return own.reduce((sum, name) => sum + sizeOf(join(folder, name)), 0);
    },
    async clear(peer) {
      const page = await context.newPage();
      const own = await context.newCDPSession(page);
      await own.send("Storage.clearDataForOrigin", { origin: urlOf(peer), storageTypes: "all" });
      await page.close();
    },
    async stop() {
      await context.close();
      for (const { server } of servers.values()) server.close();
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** How Chromium is started for an engine of IndexedDB. */
export const engineArgs = (engine: Engine): string[] => [
  `--${engine === "sqlite" ? "enable" : "disable"}-features=${SQLITE_ENGINE}`,
  "--js-flags=--expose-gc",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export type Ask = <T>(what: string, ...args: unknown[]) => Promise<T>;

/** Asks the worker of a page. */
export const askerOf =
  (page: Page): Ask =>
  async <T>(what: string, ...args: unknown[]): Promise<T> =>
    (await page.evaluate(
      ([name, ...rest]) =>
        (globalThis as unknown as { ask: (...all: unknown[]) => Promise<unknown> }).ask(name, ...rest),
      [what, ...args],
    )) as T;

async function openPage(context: BrowserContext, session: CDPSession, url: string): Promise<PeerPage> {
  const page = await context.newPage();
  await page.goto(url);
  const ask = askerOf(page);
  let pid: number | undefined;
  return {
    page,
    ask,
    async markMemory() {
      for (let attempt = 1; pid === undefined && attempt <= 5; attempt += 1) {
        pid = await processOf(session, () => ask("burn", BURN_MS * attempt));
      }
      if (pid === undefined) throw new Error("No process of the page was found.");
      // 5 forgets the peak: see proc(5).
      writeFileSync(`/proc/${pid}/clear_refs`, "5");
      return memoryOf(pid, "VmRSS");
    },
    mostMemory: () => (pid === undefined ? Number.NaN : memoryOf(pid, "VmHWM")),
    close: () => page.close(),
  };
}

/** Which renderer is busy while `work` keeps one busy: pages share processes and browsers keep spare ones. */
async function processOf(session: CDPSession, work: () => Promise<unknown>): Promise<number | undefined> {
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const renderers = processInfo
    .filter(({ type }) => type === "renderer")
    .map(({ id }) => ({ id, before: ticksOf(id) }));
  await work();
  const spent = renderers.map(({ id, before }) => ({ id, ticks: ticksOf(id) - before }));
  const busiest = spent.sort((a, b) => b.ticks - a.ticks)[0];
  // Ticks are hundredths of a second; on a busy machine the page gets but a part of them.
  return busiest && busiest.ticks * 10 > BURN_MS / 10 ? busiest.id : undefined;
}

/** The time that a process has had, user and system. */
function ticksOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return Number(fields[11]) + Number(fields[12]);
}

function memoryOf(pid: number, field: "VmRSS" | "VmHWM"): number {
  const kilobytes = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes) * 1_024;
}

function sizeOf(path: string): number {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats?.isDirectory()) return stats?.size ?? 0;
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}

export async function serve(assets: Assets, snapshot: Uint8Array): Promise<{ url: string; server: Server }> {
  const server = createServer((request, response) => {
    const asset =
      request.url === "/snapshot" ? { type: "application/x-ndjson", body: snapshot } : assets.get(request.url ?? "");
    // Isolated, so that the clock ticks in microseconds.
    response.setHeader("cross-origin-opener-policy", "same-origin");
    response.setHeader("cross-origin-embedder-policy", "require-corp");
    response.setHeader("access-control-allow-origin", "*");
    response.setHeader("cache-control", "no-store");
    if (!asset) return void response.writeHead(404).end();
    response.setHeader("content-type", asset.type);
    response.end(asset.body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}
