/**
 * Keeps one sync for each spreadsheet that somebody is looking at, and one socket for each relay. Nothing in here is
 * precious: the background may be ended at any moment, and a fresh keeper goes on from the mirror's cursors with the
 * next heartbeat.
 */
import type { SyncFacts } from "@sheetwire/shared/status";
import type { Connection } from "../connection/connection.ts";
import type { CopyWriter, Mirror } from "../mirror/mirror.ts";
import type { Settings } from "../settings/settings.ts";
import { GONE_AFTER_MS } from "../heartbeat/heartbeat.ts";
import { NO_FACTS, type RelayDigests } from "../status/status.ts";
import { fetchDigests, type Sync, type SyncNeeds } from "../sync/sync.ts";

export type KeeperNeeds = {
  mirror: () => Promise<{ ok: true; mirror: Mirror<CopyWriter> } | { ok: false; why: "newer" | "failed" }>;
  settings: () => Promise<Settings>;
  /** Takes the setting of a spreadsheet away. */
  disconnect: (spreadsheetId: string) => Promise<void>;
  connect: (relayUrl: string) => Connection;
  startSync: (spreadsheetId: string, needs: SyncNeeds) => Promise<Sync>;
  fetch: SyncNeeds["fetch"];
  now: () => number;
  die: () => number;
  after: (ms: number, run: () => void) => () => void;
  onFacts: (spreadsheetId: string, facts: SyncFacts) => void;
  /** Who is looking since when, for a keeper that comes after this one. */
  rememberLooks: (looks: Record<string, number>) => void;
};

export type Keeper = {
  /** Somebody is looking: starts or nudges the sync, and answers what is known. */
  here: (spreadsheetId: string) => Promise<SyncFacts>;
  /** Takes over who was looking when the background was ended. */
  resume: (looks: Record<string, number>) => Promise<void>;
  settingsChanged: (settings: Settings) => Promise<void>;
  /**
   * Deletes the copy and then the setting, with nothing of it begun again in between. Rejects where the copy is still
   * there; then the setting is too, to be removed again.
   */
  forget: (spreadsheetId: string) => Promise<void>;
  /** The relay's digests of the sheets that are held. */
  relayDigests: (spreadsheetId: string) => Promise<RelayDigests>;
  /** The browser took the database away: everything begins again with the one that is there now. */
  mirrorLost: () => Promise<void>;
  /** Lets go of what nobody has looked at for a minute. Called every few seconds, and by the alarm. */
  tick: () => Promise<void>;
  stop: () => Promise<void>;
};

type Kept = { relayUrl: string; token: string; sync: Sync | undefined };

export function createKeeper(needs: KeeperNeeds): Keeper {
  const lookedAt = new Map<string, number>();
  const kept = new Map<string, Kept>();
  const connections = new Map<string, Connection>();
  /** Starting and stopping run one after the other, so that no spreadsheet is ever followed twice. */
  let work: Promise<unknown> = Promise.resolve();

  const inTurn = <T>(step: () => Promise<T>): Promise<T> => {
    const done = work.then(step);
    work = done.catch(() => undefined);
    return done;
  };
  const isLooked = (spreadsheetId: string): boolean =>
    needs.now() - (lookedAt.get(spreadsheetId) ?? -Infinity) < GONE_AFTER_MS;
  const remember = (): void => needs.rememberLooks(Object.fromEntries(lookedAt));

  async function start(spreadsheetId: string, settings: Settings): Promise<void> {
    const setting = settings.acceptedAt === undefined ? undefined : settings.connections[spreadsheetId];
    const held = kept.get(spreadsheetId);
    if (held?.sync && setting?.relayUrl === held.relayUrl && setting.token === held.token) return;
    if (held) await letGo(spreadsheetId, held);
    const opened = await needs.mirror();
    if (!opened.ok) {
      tell(spreadsheetId, { ...NO_FACTS, storage: opened.why });
      return;
    }
    const copy = opened.mirror.of(spreadsheetId);
    if (!setting) {
      const whole = (await copy.sheets())?.whole ?? false;
      tell(spreadsheetId, { ...NO_FACTS, copy: whole ? "whole" : "none" });
      return;
    }
    const { relayUrl, token } = setting;
    const connection = connectionTo(relayUrl);
    const entry: Kept = { relayUrl, token, sync: undefined };
    kept.set(spreadsheetId, entry);
    entry.sync = await needs.startSync(spreadsheetId, {
      relayUrl,
      token,
      copy,
      watch: connection.watch,
      fetch: needs.fetch,
      now: needs.now,
      die: needs.die,
      after: needs.after,
      onFacts: (facts) => tell(spreadsheetId, facts),
    });
  }

  const known = new Map<string, SyncFacts>();
  function tell(spreadsheetId: string, facts: SyncFacts): void {
    known.set(spreadsheetId, facts);
    needs.onFacts(spreadsheetId, facts);
  }

  function connectionTo(relayUrl: string): Connection {
    const connection = connections.get(relayUrl) ?? needs.connect(relayUrl);
    connections.set(relayUrl, connection);
    return connection;
  }

  async function letGo(spreadsheetId: string, held: Kept): Promise<void> {
    kept.delete(spreadsheetId);
    known.delete(spreadsheetId);
    await held.sync?.stop();
    const connection = connections.get(held.relayUrl);
    if (connection?.watchCount() === 0) {
      connection.stop();
      connections.delete(held.relayUrl);
    }
  }

  return {
    async here(spreadsheetId) {
      lookedAt.set(spreadsheetId, needs.now());
      remember();
      await inTurn(async () => start(spreadsheetId, await needs.settings()));
      const held = kept.get(spreadsheetId);
      const connection = held && connections.get(held.relayUrl);
      connection?.nudge();
      return held?.sync?.facts() ?? known.get(spreadsheetId) ?? NO_FACTS;
    },
    async resume(looks) {
      for (const [spreadsheetId, at] of Object.entries(looks)) {
        lookedAt.set(spreadsheetId, Math.max(at, lookedAt.get(spreadsheetId) ?? 0));
      }
      await inTurn(async () => {
        const settings = await needs.settings();
        for (const spreadsheetId of lookedAt.keys()) if (isLooked(spreadsheetId)) await start(spreadsheetId, settings);
      });
    },
    async settingsChanged(settings) {
      await inTurn(async () => {
        for (const spreadsheetId of lookedAt.keys()) if (isLooked(spreadsheetId)) await start(spreadsheetId, settings);
      });
    },
    async forget(spreadsheetId) {
      await inTurn(async () => {
        const held = kept.get(spreadsheetId);
        if (held) await letGo(spreadsheetId, held);
        const opened = await needs.mirror();
        if (!opened.ok) throw new Error(`The mirror cannot be opened: ${opened.why}.`);
        await opened.mirror.of(spreadsheetId).forget();
        await needs.disconnect(spreadsheetId);
        tell(spreadsheetId, NO_FACTS);
      });
    },
    async relayDigests(spreadsheetId) {
      const setting = (await needs.settings()).connections[spreadsheetId];
      const opened = await needs.mirror();
      const held = opened.ok ? await opened.mirror.of(spreadsheetId).sheets() : undefined;
      if (!setting || !held) return { ok: false, why: "not-connected" };
      const { relayUrl, token } = setting;
      return fetchDigests({ relayUrl, token, spreadsheetId }, held.sheets, needs.fetch);
    },
    async mirrorLost() {
      await inTurn(async () => {
        for (const [spreadsheetId, held] of kept) await letGo(spreadsheetId, held);
        const settings = await needs.settings();
        for (const spreadsheetId of lookedAt.keys()) if (isLooked(spreadsheetId)) await start(spreadsheetId, settings);
      });
    },
    async tick() {
      await inTurn(async () => {
        for (const [spreadsheetId, held] of kept) {
          if (isLooked(spreadsheetId)) continue;
          await letGo(spreadsheetId, held);
        }
        for (const spreadsheetId of lookedAt.keys()) if (!isLooked(spreadsheetId)) lookedAt.delete(spreadsheetId);
      });
      for (const connection of connections.values()) connection.nudge();
    },
    async stop() {
      await inTurn(async () => {
        for (const [spreadsheetId, held] of kept) await letGo(spreadsheetId, held);
      });
    },
  };
}
