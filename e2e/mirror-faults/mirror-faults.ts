/**
 * The mirror under kills: the real extension in a real Chromium follows a relay that never rests, and its worker, or the
 * whole browser, is killed at random instants. After each kill the store is read without a line of the product: content and
 * cursor must agree to the cell, nothing may be there twice, nothing that was acknowledged may be gone with a worker, and
 * nothing that was seen before with the browser.
 */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { findChromium } from "../../scripts/install.mjs";
import { openBrowser, type Browser } from "../stage/browser.ts";
import { differencesOf } from "../stage/mirror-rows.ts";
import { cursorOf, mirrorOf, type StoredCursor } from "../stage/stage.ts";
import { chainAt, RelayDouble, SPREADSHEET_ID, TOKEN } from "./relay-double.ts";
import { diceOf, type Dice } from "./sheet.ts";

export type FaultRounds = {
  rounds: number;
  seed: number;
  /** Each so-manieth round kills the browser, not only the worker. */
  browserEvery: number;
  engine?: "leveldb" | "sqlite";
  say?: (line: string) => void;
};

export type FaultTotals = {
  ok: boolean;
  seed: number;
  rounds: number;
  workerKills: number;
  browserKills: number;
  /** How often a kill met what. */
  met: Record<Weather, number>;
  changes: number;
  snapshots: number;
  continued: number;
  /** What was wrong, in words without contents. */
  faults: string[];
};

/** What goes on when the kill comes. */
type Weather = "stream" | "burst" | "checkpoint" | "new copy";
const WEATHERS: readonly Weather[] = ["stream", "stream", "stream", "burst", "checkpoint", "new copy"];
const SETTLE_MS = 60_000;

export async function runMirrorFaults(asked: FaultRounds): Promise<FaultTotals> {
  const dice = diceOf(asked.seed);
  const relay = new RelayDouble(dice);
  const relayUrl = await relay.listen();
  const held = await openHeld(relayUrl, asked.engine);
  const met: Record<Weather, number> = { stream: 0, burst: 0, checkpoint: 0, "new copy": 0 };
  const totals = { workerKills: 0, browserKills: 0 };
  const faults: string[] = [];
  let ordered = 1;
  let seenSeq = 0;
  let round = 0;
  try {
    relay.stream(5);
    await wake(held.page());
    await untilSeq(held, 1);
    for (round = 1; round <= asked.rounds && faults.length === 0; round += 1) {
      const weather = WEATHERS[Math.floor(dice() * WEATHERS.length)] ?? "stream";
      met[weather] += 1;
      await wake(held.page());
      if (weather !== "new copy") await untilSeq(held, seenSeq + 1);
      ordered += await letHappen(weather, relay, dice);
      const isBrowser = asked.browserEvery > 0 && round % asked.browserEvery === 0;
      totals[isBrowser ? "browserKills" : "workerKills"] += 1;
      // Before the kill: who comes back goes on at once, and acknowledges more while it is being looked at.
      const tookSeq = relay.tookSeq;
      await (isBrowser ? held.killBrowser() : held.killWorker());
      relay.still();
      const cursor = await cursorOf(held.page(), SPREADSHEET_ID);
      const atLeast = Math.max(seenSeq, tookSeq);
      faults.push(
        ...(await wrongsIn(held.page(), relay, cursor, atLeast)).map((wrong) => `round ${round}, ${weather}: ${wrong}`),
      );
      if (relay.asked.strangers > 0) faults.push(`round ${round}: a cursor came that the log does not know`);
      seenSeq = cursor?.seq ?? 0;
      relay.heldSeq = Math.max(relay.heldSeq, seenSeq);
      asked.say?.(
        `round ${round} ${isBrowser ? "browser" : "worker"} killed in ${weather}: seq ${seenSeq} of ${relay.seq}`,
      );
      relay.linePauseMs = 0;
      relay.stream(5 + Math.floor(dice() * 20));
    }
    // The storm is over: the mirror comes to where the log is, and stays the same sheet.
    relay.still();
    await wake(held.page());
    await untilSeq(held, relay.seq);
    const last = await cursorOf(held.page(), SPREADSHEET_ID);
    faults.push(...(await wrongsIn(held.page(), relay, last, relay.seq)).map((wrong) => `at the end: ${wrong}`));
    // A mirror that heals itself by fetching everything again would hide what was lost.
    if (relay.asked.snapshots > ordered + relay.asked.gone) {
      faults.push(`${relay.asked.snapshots} snapshots were fetched, where ${ordered} had a reason`);
    }
  } catch (error) {
    faults.push(`round ${round}: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    await held.close();
    await relay.close();
  }
  const { snapshots, rests: continued } = relay.asked;
  const { seed } = asked;
  return {
    ok: faults.length === 0,
    seed,
    rounds: asked.rounds,
    ...totals,
    met,
    changes: relay.seq,
    snapshots,
    continued,
    faults,
  };
}

/** Lets something begin, and stops at a random instant of it. Answers how many snapshots it gives reason for. */
async function letHappen(weather: Weather, relay: RelayDouble, dice: Dice): Promise<number> {
  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
  if (weather === "stream") await pause(dice() * 400);
  else if (weather === "burst") {
    relay.happen(500 + Math.floor(dice() * 4_500));
    await pause(dice() * 600);
  } else if (weather === "checkpoint") {
    // It begins when changes have paused for a second.
    relay.still();
    await pause(700 + dice() * 900);
  } else {
    relay.linePauseMs = Math.floor(dice() * 80);
    relay.refetch();
    await pause(dice() * 500);
    // Begun once for the order, and once more where the kill met it before anything of it was stored.
    return 2;
  }
  return 0;
}

async function wrongsIn(
  page: Page,
  relay: RelayDouble,
  cursor: StoredCursor | undefined,
  atLeast: number,
): Promise<string[]> {
  const copy = await mirrorOf(page, SPREADSHEET_ID);
  if (!copy || !cursor) return ["the copy is gone"];
  if (!copy.whole) return ["the copy is not whole any more"];
  const wrongs: string[] = cursor.holes.map((hole) => `the log has a hole or an overlap at ${hole}`);
  // Read one after the other: a worker that a heartbeat woke in between may have gone on.
  if (copy.seq < cursor.seq) wrongs.push(`content at ${copy.seq}, cursor at ${cursor.seq}`);
  if (cursor.chain !== chainAt(cursor.seq)) wrongs.push(`the chain at ${cursor.seq} is of another place`);
  if (cursor.seq < atLeast) wrongs.push(`stands at ${cursor.seq}, where ${atLeast} was acknowledged`);
  const { rows } = relay.contentAt(copy.seq);
  const sheet = copy.sheets[0];
  if (!sheet || copy.sheets.length !== 1) wrongs.push(`${copy.sheets.length} sheets`);
  else {
    if (sheet.rows.length !== rows.length) wrongs.push(`${sheet.rows.length} rows, where there are ${rows.length}`);
    wrongs.push(...differencesOf(rows, sheet.rows));
  }
  return wrongs;
}

type Held = {
  /** A page of the extension that reads the store; the worker can be dead meanwhile. */
  page: () => Page;
  killWorker: () => Promise<void>;
  /** SIGKILL, and the same profile opened again. */
  killBrowser: () => Promise<void>;
  close: () => Promise<void>;
};

async function openHeld(relayUrl: string, engine: FaultRounds["engine"] = "leveldb"): Promise<Held> {
  const executablePath = findChromium();
  if (!executablePath) throw new Error("No Chromium: run `npm test` or set CHROMIUM.");
  const open = async (profile?: string): Promise<{ browser: Browser; page: Page }> => {
    const browser = await openBrowser({
      executablePath,
      extensionDir: join(import.meta.dirname, "../../extension/.output/chrome-mv3"),
      sheetsUrl: "https://127.0.0.1:9",
      spki: "",
      look: { args: [`--${engine === "sqlite" ? "enable" : "disable"}-features=IdbSqliteBackingStore`] },
      ...(profile === undefined ? {} : { profile }),
    });
    return { browser, page: await browser.open("options.html") };
  };
  let { browser, page } = await open();
  await page.evaluate(
    async ([id, url, token]) => {
      type Chrome = { storage: { local: { set: (items: object) => Promise<void> } } };
      const { chrome } = globalThis as unknown as { chrome: Chrome };
      const connections = { [String(id)]: { relayUrl: url, token } };
      await chrome.storage.local.set({ connections, disclosure: { acceptedAt: Date.now() } });
    },
    [SPREADSHEET_ID, relayUrl, TOKEN],
  );
  return {
    page: () => page,
    killWorker: () => browser.killWorker(),
    async killBrowser() {
      const { profile } = browser;
      for (const pid of processesOf(profile)) process.kill(pid, "SIGKILL");
      await browser.close({ keepProfile: true }).catch(() => undefined);
      for (let attempt = 0; processesOf(profile).length > 0 && attempt < 100; attempt += 1) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      ({ browser, page } = await open(profile));
    },
    close: () => browser.close(),
  };
}

/** Every process of the browser with this profile: all are killed at once, as when the power of a laptop's battery ends. */
function processesOf(profile: string): number[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      return readFileSync(`/proc/${name}/cmdline`, "utf8").includes(profile) ? [Number(name)] : [];
    } catch {
      // It ended while we looked.
      return [];
    }
  });
}

/** As a heartbeat of a page does; the worker dials from its cursor. */
const wake = async (page: Page): Promise<void> =>
  void (await page.evaluate(async (spreadsheetId) => {
    type Chrome = { runtime: { sendMessage: (message: unknown) => Promise<unknown> } };
    const { chrome } = globalThis as unknown as { chrome: Chrome };
    return chrome.runtime.sendMessage({ kind: "here", spreadsheetId }).catch(() => undefined);
  }, SPREADSHEET_ID));

async function untilSeq(held: Held, seq: number): Promise<void> {
  const end = Date.now() + SETTLE_MS;
  for (let looks = 1; ; looks += 1) {
    const at = (await cursorOf(held.page(), SPREADSHEET_ID))?.seq ?? 0;
    if (at >= seq) return;
    if (Date.now() > end) throw new Error(`The mirror stood at ${at} for ${SETTLE_MS} ms, where ${seq} was to come.`);
    // A kill can meet the very message that was to wake it.
    if (looks % 40 === 0) await wake(held.page());
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
