/** A whole relay over a log and access records of your choice. Reading this file shows every route. */
import { randomUUID } from "node:crypto";
import type { AddressInfo } from "node:net";
import { limits } from "@sheetwire/shared/limits";
import { PROTOCOL_VERSION, type RelayFacts } from "@sheetwire/shared/protocol";
import type { Access } from "./access/access.ts";
import { createCaller, createWebApps } from "./call/call.ts";
import { urlOf, type Config } from "./config.ts";
import { createFactsTeller, createFanOut } from "./fan-out/fan-out.ts";
import {
  changesRoute,
  COMMON_HEADERS,
  createEventStreams,
  createHttp,
  createPostsDoor,
  healthRoutes,
  historyRoute,
  openapiRoute,
  postsRoute,
  readRoutes,
  snapshotRoute,
  type Route,
} from "./http/http.ts";
import type { Ingest } from "./ingest/ingest.ts";
import { createKeeper, DamagedError, type ChangeLog } from "./log/log.ts";
import { createFeed } from "./socket/socket.ts";
import { createRefusalLines, type Logger, type Metrics } from "./telemetry/telemetry.ts";
import { VERSION } from "./version.ts";

export type RelayNeeds = {
  log: ChangeLog;
  access: Access;
  ingest: Ingest;
  logger: Logger;
  metrics: Metrics;
  /** Milliseconds since 1970. */
  now: () => number;
  /** Milliseconds by a clock that never jumps. */
  elapsed: () => number;
  /** Connections at most, where the system grants fewer than the relay would take. */
  connectionsMax?: number;
  /** A reader that takes nothing for so long is cut off; of an answer that is no feed for twice that, in milliseconds. */
  stalledMs?: number | undefined;
};

export type Relay = {
  /** Where it listens; only after `listen`. */
  readonly url: string;
  listen(): Promise<string>;
  /** Says goodbye to every reader, lets requests under way end, and frees the port. The log stays open: who opened it closes it. */
  stop(): Promise<void>;
};

/** How long requests under way may take to end once the relay stops, in milliseconds. */
const LAST_REQUESTS_MS = 5_000;
const DAY_MS = 24 * 60 * 60_000;

export function createRelay(
  config: Pick<Config, "host" | "port" | "webAppOrigins"> &
    Partial<Pick<Config, "keepDays" | "keepMegabytes" | "holdMegabytes">>,
  needs: RelayNeeds,
): Relay {
  const { log, access, ingest, logger, metrics, now, elapsed } = needs;
  const maxConnections = Math.min(limits.connectionsMax, needs.connectionsMax ?? limits.connectionsMax);
  const onFault = (error: unknown): void => {
    if (error instanceof DamagedError) {
      void mend(error);
      return;
    }
    metrics.faults.inc();
    logger.error({ err: error }, "fault");
  };
  const mend = async (damage: DamagedError): Promise<void> => {
    try {
      await ingest.mend(damage);
    } catch (error) {
      metrics.faults.inc();
      logger.error({ err: error }, "fault");
    }
  };
  const fanOut = createFanOut({
    log,
    elapsed,
    onFault,
    onDelivered: (frames) => metrics.delivered.inc(frames),
    onLogged: (changes) => metrics.changes.inc(changes),
  });
  const factsOf = async (spreadsheetId: string): Promise<RelayFacts> => ({
    ...((await ingest.factsOf(spreadsheetId)) ?? NOTHING_HEARD),
    watchers: fanOut.watchers(spreadsheetId),
    relay: { version: VERSION, protocol: PROTOCOL_VERSION },
  });
  metrics.measureHeld(() => ingest.heldBytes());
  const facts = createFactsTeller({ fanOut, factsOf, elapsed, onFault });
  fanOut.onWatchers((spreadsheetId) => facts.changed(spreadsheetId));
  const stopFacts = ingest.onFacts((spreadsheetId) => facts.changed(spreadsheetId));
  const streams = createEventStreams({ fanOut, access, metrics, stalledMs: needs.stalledMs });
  const feed = createFeed({
    access,
    fanOut,
    metrics,
    logger,
    version: VERSION,
    now,
    elapsed,
    maxSockets: maxConnections,
    stalledMs: needs.stalledMs,
  });
  const caller = createCaller({
    ingest,
    webApps: createWebApps({ origins: config.webAppOrigins }),
    keysOf: (spreadsheetId) => access.keysOf(spreadsheetId),
    now,
    after: (ms, run) => {
      const timer = setTimeout(run, ms);
      timer.unref();
      return () => clearTimeout(timer);
    },
    randomId: randomUUID,
    die: Math.random,
    onCall(spreadsheetId, outcome, rounds) {
      metrics.calls.inc({ outcome: outcome.split(":")[0] ?? "" });
      logger[outcome === "answered" ? "debug" : "warn"]({ spreadsheetId, outcome, rounds }, "call");
    },
    onFault,
  });
  const stopWatchingAccess = access.watch(onFault);
  const stopKnowing = keepKnown(access, log, ingest, onFault);
  const keeper = createKeeper({
    log,
    spreadsheets: () => access.spreadsheets().map(({ spreadsheetId }) => spreadsheetId),
    storeState: (spreadsheetId) => ingest.storeState(spreadsheetId),
    keepMs: (config.keepDays ?? limits.keepDays) * DAY_MS,
    keepBytes: (config.keepMegabytes ?? limits.keepMegabytes) * 1024 * 1024,
    postIdMemoryMs: limits.postIdMemoryMs,
    now,
    onFault,
  });
  let isStopping = false;
  let url = "";

  const routes: Route[] = [
    /* POST /v1/spreadsheets/:spreadsheetId/posts */ postsRoute,
    /* GET /v1/spreadsheets, /v1/spreadsheets/:spreadsheetId, …/values/:a1, …/digests, …/status */
    ...readRoutes({ ingest, factsOf }),
    /* GET /v1/spreadsheets/:spreadsheetId/cells/:a1/history */ historyRoute({ ingest, log }),
    /* GET /v1/spreadsheets/:spreadsheetId/snapshot */ snapshotRoute({
      ingest,
      elapsed,
      mostBytes: config.holdMegabytes === undefined ? undefined : (config.holdMegabytes / 2) * 1024 * 1024,
    }),
    /* GET /v1/spreadsheets/:spreadsheetId/changes, as JSON or as events */ changesRoute({ log, streams }),
    /* GET /livez, /readyz, /metrics, /status */
    ...healthRoutes({
      metrics,
      version: VERSION,
      elapsed,
      isReady: () => isReady(log, onFault),
      counts: () => ({ spreadsheets: access.spreadsheets().length }),
    }),
  ];
  /* GET /v1/openapi.json */
  routes.push(openapiRoute(VERSION, routes));
  const tellRefused = createRefusalLines(logger, elapsed);
  const app = createHttp({
    routes,
    access,
    metrics,
    logger,
    tellRefused,
    elapsed,
    onFault,
    /* Takes POST /v1/spreadsheets/:spreadsheetId/posts */
    frontDoor: createPostsDoor({
      ingest,
      metrics,
      elapsed,
      logger,
      tellRefused,
      onFault,
      headers: COMMON_HEADERS,
      stalledMs: needs.stalledMs,
    }),
    maxConnections,
    stalledMs: needs.stalledMs,
    isStopping: () => isStopping,
  });
  /* WebSocket /v1/feed */
  app.server.on("upgrade", (request, socket, head) => feed.upgrade(request, socket, head));

  return {
    get url() {
      return url;
    },
    async listen() {
      await app.listen({ host: config.host, port: config.port });
      const { port } = app.server.address() as AddressInfo;
      url = urlOf(config.host, port);
      caller.start(access.spreadsheets().map(({ spreadsheetId }) => spreadsheetId));
      return url;
    },
    async stop() {
      if (isStopping) return;
      isStopping = true;
      stopKnowing();
      stopWatchingAccess();
      stopFacts();
      facts.stop();
      streams.stop();
      await feed.stop();
      fanOut.stop();
      await caller.stop();
      const cut = setTimeout(() => app.server.closeAllConnections(), LAST_REQUESTS_MS);
      await app.close();
      clearTimeout(cut);
      await keeper.stop();
      await ingest.close();
    },
  };
}

const NOTHING_HEARD: Omit<RelayFacts, "watchers" | "relay"> = {
  script: { answerers: [], triggers: [] },
  allowance: { spentMs: 0, limitMs: limits.triggerDayMs },
  sweep: { openRows: 0, unprovenRows: 0 },
  healed: { count: 0 },
};

async function isReady(log: ChangeLog, onFault: (error: unknown) => void): Promise<boolean> {
  try {
    await log.head("readyz");
    return true;
  } catch (error) {
    onFault(error);
    return false;
  }
}

/** Keeps step with the spreadsheets that are known: each has a log, and of one that was removed nothing stays in memory. */
function keepKnown(access: Access, log: ChangeLog, ingest: Ingest, onFault: (error: unknown) => void): () => void {
  let known = new Map<string, number>();
  const look = (): void => {
    const current = new Map(access.spreadsheets().map((one) => [one.spreadsheetId, one.createdAt]));
    for (const [spreadsheetId, createdAt] of known) {
      if (current.get(spreadsheetId) === createdAt) continue;
      ingest.forget(spreadsheetId);
      // Whoever removed it has erased its log; a reader that came in between may have begun a new one.
      if (!current.has(spreadsheetId)) log.erase(spreadsheetId).catch(onFault);
    }
    for (const [spreadsheetId, createdAt] of current) {
      if (known.get(spreadsheetId) !== createdAt) log.create(spreadsheetId).catch(onFault);
    }
    known = current;
  };
  look();
  return access.onChange(look);
}
