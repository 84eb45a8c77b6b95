import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { limits } from "@sheetwire/shared/limits";
import type { SyncFacts } from "@sheetwire/shared/status";
import type { Connection } from "../connection/connection.ts";
import { HERE_EVERY_MS } from "../heartbeat/heartbeat.ts";
import type { Copy, Mirror } from "../mirror/mirror.ts";
import type { Settings } from "../settings/settings.ts";
import { createKeeper, type Keeper, type KeeperNeeds } from "./keeper.ts";

const A = "spreadsheet-a";
const B = "spreadsheet-b";
const relay = "https://relay.example.org";
const token = "a-token-of-16-chars";
let now = 0;
let settings: Settings;
let events: string[];
let looks: Record<string, number>;
let told: [string, SyncFacts][];
let mirrorIs: "fine" | "newer";

beforeEach(() => {
  now = 1_000_000;
  settings = {
    connections: { [A]: { relayUrl: relay, token }, [B]: { relayUrl: relay, token } },
    acceptedAt: 1,
    unreadable: [],
  };
  events = [];
  looks = {};
  told = [];
  mirrorIs = "fine";
});
afterEach(() => vi.restoreAllMocks());

/** A background in memory: what it starts and stops is written down. */
function start(): Keeper {
  const copy = (spreadsheetId: string): Copy =>
    ({
      sheets: () => Promise.resolve(undefined),
      forget: async () => void events.push(`forget ${spreadsheetId}`),
    }) as unknown as Copy;
  const needs: KeeperNeeds = {
    mirror: async () =>
      mirrorIs === "newer" ? { ok: false, why: "newer" } : { ok: true, mirror: { of: copy } as unknown as Mirror },
    settings: async () => settings,
    disconnect: async (spreadsheetId) => void events.push(`disconnect ${spreadsheetId}`),
    connect: (relayUrl) => {
      events.push(`dial ${relayUrl}`);
      let watches = 0;
      return {
        watch: () => {
          watches += 1;
          return { took: () => undefined, again: () => undefined, stop: () => (watches -= 1) };
        },
        nudge: () => events.push("nudge"),
        watchCount: () => watches,
        stop: () => events.push(`hang up ${relayUrl}`),
      } satisfies Connection;
    },
    startSync: async (spreadsheetId, given) => {
      events.push(`start ${spreadsheetId}`);
      const facts: SyncFacts = { link: "up", behindBy: 0, copy: "whole" };
      const watch = given.watch({
        spreadsheetId,
        token: given.token,
        cursor: () => undefined,
        onFrame: () => undefined,
        onLink: () => undefined,
      });
      given.onFacts(facts);
      return {
        facts: () => facts,
        stop: async () => {
          watch.stop();
          events.push(`stop ${spreadsheetId}`);
        },
      };
    },
    fetch: () => Promise.reject(new TypeError("no network in this test")),
    now: () => now,
    die: () => 0,
    after: () => () => undefined,
    onFacts: (spreadsheetId, facts) => told.push([spreadsheetId, facts]),
    rememberLooks: (next) => (looks = next),
  };
  return createKeeper(needs);
}
const without = (...kinds: string[]): string[] => events.filter((event) => !kinds.includes(event.split(" ")[0] ?? ""));

test("the first heartbeat starts the sync and answers the facts; further ones only nudge", async () => {
  const keeper = start();
  expect(await keeper.here(A)).toEqual({ link: "up", behindBy: 0, copy: "whole" });
  await keeper.here(A);
  expect(without("nudge")).toEqual([`dial ${relay}`, `start ${A}`]);
  expect(told[0]).toEqual([A, { link: "up", behindBy: 0, copy: "whole" }]);
});

test("two heartbeats at the same moment start one sync", async () => {
  const keeper = start();
  await Promise.all([keeper.here(A), keeper.here(A), keeper.here(B)]);
  expect(without("nudge")).toEqual([`dial ${relay}`, `start ${A}`, `start ${B}`]);
});

test("a minute without a heartbeat ends the sync, and the last one of a relay ends its socket", async () => {
  const keeper = start();
  await keeper.here(A);
  await keeper.here(B);
  for (let beat = 0; beat < 4; beat += 1) {
    now += HERE_EVERY_MS;
    await keeper.here(B);
    await keeper.tick();
  }
  expect(without("nudge").slice(3)).toEqual([`stop ${A}`]);
  now += 61_000;
  await keeper.tick();
  expect(without("nudge").slice(4)).toEqual([`stop ${B}`, `hang up ${relay}`]);
  await keeper.here(A);
  expect(without("nudge").slice(6)).toEqual([`dial ${relay}`, `start ${A}`]);
});

test("heartbeats come more often than a silent background lives", () => {
  expect(HERE_EVERY_MS).toBeLessThan(30_000);
  expect(limits.pingEveryMs).toBeLessThan(30_000);
});

test("a background that was ended goes on for those who looked within the last minute", async () => {
  await start().here(A);
  const remembered = { ...looks, [B]: now - 70_000 };
  events = [];
  now += 5_000;
  await start().resume(remembered);
  expect(without("nudge")).toEqual([`dial ${relay}`, `start ${A}`]);
});

test("nothing is dialled before the person has agreed, and everything right after", async () => {
  settings.acceptedAt = undefined;
  const keeper = start();
  expect(await keeper.here(A)).toMatchObject({ link: "none", copy: "none" });
  expect(events).toEqual([]);
  settings = { ...settings, acceptedAt: 5 };
  await keeper.settingsChanged(settings);
  expect(events).toEqual([`dial ${relay}`, `start ${A}`]);
});

test("another token or relay takes effect at once, and a removed connection ends", async () => {
  const keeper = start();
  await keeper.here(A);
  settings = { ...settings, connections: { [A]: { relayUrl: "https://other.example.org", token } } };
  await keeper.settingsChanged(settings);
  settings = { ...settings, connections: {} };
  await keeper.settingsChanged(settings);
  expect(without("nudge").slice(2)).toEqual([
    `stop ${A}`,
    `hang up ${relay}`,
    "dial https://other.example.org",
    `start ${A}`,
    `stop ${A}`,
    "hang up https://other.example.org",
  ]);
  expect(told.at(-1)).toEqual([A, { link: "none", behindBy: 0, copy: "none" }]);
});

test("a mirror of a newer version is said so, and nothing is dialled", async () => {
  mirrorIs = "newer";
  expect(await start().here(A)).toMatchObject({ storage: "newer" });
  expect(events).toEqual([]);
});

test("forgetting ends the sync before the copy goes, and the setting goes last", async () => {
  const keeper = start();
  await keeper.here(A);
  await keeper.forget(A);
  expect(without("nudge").slice(2)).toEqual([`stop ${A}`, `hang up ${relay}`, `forget ${A}`, `disconnect ${A}`]);
});

test("where the copy cannot be deleted its setting stays, and whoever asked hears of it", async () => {
  const keeper = start();
  mirrorIs = "newer";
  await expect(keeper.forget(A)).rejects.toThrow("The mirror cannot be opened: newer.");
  expect(events).toEqual([]);
});
