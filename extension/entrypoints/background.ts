import { browser } from "wxt/browser";
import { defineBackground } from "wxt/utils/define-background";
import * as z from "zod";
import type { SyncFacts } from "@sheetwire/shared/status";
import { createConnection } from "../connection/connection.ts";
import { createKeeper } from "../keeper/keeper.ts";
import { openInBackground } from "../mirror/mirror.ts";
import { followSettings, loadSettings, lockSettings, removeConnection } from "../settings/settings.ts";
import { askSchema, type Tell } from "../status/status.ts";
import { startSync } from "../sync/sync.ts";

const looksSchema = z.record(z.string(), z.number());
const tabsSchema = z.record(z.string(), z.string());
const ALARM = "reconnect";
const TICK_EVERY_MS = 10_000;
/** Facts that change many times a second, as while a copy arrives, are told this often, in milliseconds. */
const TELL_EVERY_MS = 100;

declare function importScripts(url: string): void;

const SCHEMA = "/schema.js";
/** A service worker may run a script later only if it has had it at its installation. Firefox has a page in its place. */
const isWorker = "importScripts" in globalThis;
if (isWorker) globalThis.addEventListener("install", () => importScripts(SCHEMA));

/** See entrypoints/schema.ts: its script leaves the schema behind. */
async function loadSchema(): Promise<NonNullable<typeof globalThis.__sheetwireSchema>> {
  if (isWorker) importScripts(SCHEMA);
  else await import(/* @vite-ignore */ browser.runtime.getURL(SCHEMA));
  if (!globalThis.__sheetwireSchema) throw new Error("The schema was not loaded.");
  return globalThis.__sheetwireSchema;
}

/** Everything is registered synchronously: the browser starts the background for a message and hands it over at once. */
export default defineBackground({
  main() {
    const client = `extension ${browser.runtime.getManifest().version}`;
    /** Which spreadsheet a tab shows; kept in `storage.session` for the next life of the background. */
    const tabs = new Map<number, string>();
    let mirror: ReturnType<typeof openInBackground> | undefined;

    /** Into the extension's own console, for whoever debugs it: what failed and the kind of error, never contents. */
    const report = (what: string, error: unknown): void => {
      // eslint-disable-next-line no-console
      console.error(`sheetwire: ${what}: ${error instanceof Error ? error.name : "unknown"}`);
    };
    const seen = (what: string, promise: Promise<unknown>): void => {
      promise.catch((error: unknown) => report(what, error));
    };

    const after = (ms: number, run: () => void): (() => void) => {
      const timer = setTimeout(run, ms);
      return () => clearTimeout(timer);
    };
    async function openedMirror(): ReturnType<typeof openInBackground> {
      const onCheckpointFailed = (error: unknown): void => report("checkpoint", error);
      mirror ??= openInBackground(loadSchema, { onCheckpointFailed }).then((opened) => {
        if (opened.ok) {
          opened.mirror.onLost(() => {
            mirror = undefined;
            seen("open again", keeper.mirrorLost());
          });
        }
        return opened;
      });
      const opened = await mirror;
      if (!opened.ok && opened.why === "failed") mirror = undefined;
      return opened;
    }
    const keeper = createKeeper({
      mirror: openedMirror,
      settings: loadSettings,
      disconnect: removeConnection,
      connect: (relayUrl) =>
        createConnection(relayUrl, client, {
          dial: (url, subprotocol) => new WebSocket(url, subprotocol),
          now: Date.now,
          die: Math.random,
          after,
        }),
      startSync,
      fetch: (url, init) => fetch(url, init),
      now: Date.now,
      die: Math.random,
      after,
      onFacts: tellSoon,
      rememberLooks: (looks) => seen("remember", browser.storage.session.set({ looks })),
    });

    const waiting = new Map<string, SyncFacts>();
    let isTelling = false;
    function tellSoon(spreadsheetId: string, facts: SyncFacts): void {
      waiting.set(spreadsheetId, facts);
      if (isTelling) return;
      isTelling = true;
      after(TELL_EVERY_MS, () => {
        isTelling = false;
        for (const [id, latest] of waiting) tell({ kind: "facts", spreadsheetId: id, facts: latest });
        waiting.clear();
      });
    }
    /** Nobody listening is the ordinary case: a closed popup, a tab that was left. */
    function tell(told: Tell): void {
      browser.runtime.sendMessage(told).catch(() => undefined);
      for (const [tabId, spreadsheetId] of tabs) {
        if (spreadsheetId === told.spreadsheetId) browser.tabs.sendMessage(tabId, told).catch(() => tabs.delete(tabId));
      }
    }

    /** The panel belongs to tabs that show a sheet; its address tells it which. */
    async function offerPanel(tabId: number, spreadsheetId: string): Promise<void> {
      if (!browser.sidePanel) return;
      const path = `sidepanel.html?tab=${tabId}&spreadsheet=${spreadsheetId}`;
      const present = await browser.sidePanel.getOptions({ tabId });
      if (present.path !== path || !present.enabled) await browser.sidePanel.setOptions({ tabId, path, enabled: true });
    }

    /** What the background knew when it was ended: who was looking since when, and which tab shows what. */
    async function recall(): Promise<Record<string, number>> {
      const stored = await browser.storage.session.get(["looks", "tabs"]);
      const heldTabs = tabsSchema.safeParse(stored["tabs"]);
      for (const [tabId, spreadsheetId] of Object.entries(heldTabs.success ? heldTabs.data : {})) {
        if (!tabs.has(Number(tabId))) tabs.set(Number(tabId), spreadsheetId);
      }
      const looks = looksSchema.safeParse(stored["looks"]);
      return looks.success ? looks.data : {};
    }
    const recalled = recall();
    /** Whoever asks may be who woke the background. */
    async function shownIn(tabId: number): Promise<{ spreadsheetId: string | undefined }> {
      await recalled.catch(() => undefined);
      return { spreadsheetId: tabs.get(tabId) };
    }

    // A listener that answers later returns a promise, in Firefox and in Chrome since 148.
    // eslint-disable-next-line typescript/no-misused-promises
    browser.runtime.onMessage.addListener((message: unknown, sender) => {
      if (sender.id !== browser.runtime.id) return undefined;
      const ask = askSchema.safeParse(message);
      if (!ask.success) return undefined;
      const tabId = sender.tab?.id;
      const isPage = sender.url?.startsWith(browser.runtime.getURL("/")) ?? false;
      switch (ask.data.kind) {
        case "open-panel":
          // In the same tick as the message, or the click no longer counts as a gesture.
          if (tabId === undefined || !browser.sidePanel) return Promise.resolve({ opened: false });
          return browser.sidePanel.open({ tabId }).then(() => ({ opened: true }));
        case "here": {
          const { spreadsheetId } = ask.data;
          if (tabId !== undefined && !isPage) {
            tabs.set(tabId, spreadsheetId);
            seen("offer the panel", offerPanel(tabId, spreadsheetId));
            seen("remember", browser.storage.session.set({ tabs: Object.fromEntries(tabs) }));
          }
          return keeper.here(spreadsheetId).then((facts) => ({ facts }));
        }
        case "shown-in":
          return isPage ? shownIn(ask.data.tabId) : undefined;
        case "relay-digests":
          return isPage ? keeper.relayDigests(ask.data.spreadsheetId) : undefined;
        case "forget":
          return isPage ? keeper.forget(ask.data.spreadsheetId).then(() => ({ ok: true })) : undefined;
      }
    });
    browser.alarms.onAlarm.addListener((alarm) => {
      if (alarm.name === ALARM) seen("tick", keeper.tick());
    });
    browser.tabs.onRemoved.addListener((tabId) => tabs.delete(tabId));
    browser.runtime.onInstalled.addListener(({ reason }) => {
      if (reason === "install") seen("open the options", browser.runtime.openOptionsPage());
    });
    followSettings(
      (settings) => seen("follow the settings", keeper.settingsChanged(settings)),
      (error) => report("follow the settings", error),
    );
    setInterval(() => seen("tick", keeper.tick()), TICK_EVERY_MS);

    async function boot(): Promise<void> {
      const looks = await recalled;
      // Whoever was looking waits for the mirror: it opens while the rest is seen to.
      if (Object.keys(looks).length > 0) seen("open", openedMirror());
      await lockSettings();
      await browser.sidePanel?.setOptions({ enabled: false });
      if (!(await browser.alarms.get(ALARM))) await browser.alarms.create(ALARM, { periodInMinutes: 1 });
      await keeper.resume(looks);
    }
    seen("boot", boot());
  },
});
