/** Starts a relay: reads the settings, picks the engines, opens the port, and stops cleanly when asked. */
import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createAccess } from "./access/access.ts";
import { createMemoryAccessStore } from "./access/engines/memory.ts";
import { createSqliteAccessStore } from "./access/engines/sqlite.ts";
import { ConfigError, LISTENING_FILE, readConfig, type Config } from "./config.ts";
import { createIngest } from "./ingest/ingest.ts";
import { createMemoryLog } from "./log/engines/memory.ts";
import { createSqliteLog } from "./log/engines/sqlite.ts";
import { DamagedError } from "./log/log.ts";
import { createRelay } from "./relay.ts";
import { holdStore, openStore, startCheckpoints, StoreError, storeErrorOf } from "./store/store.ts";
import { createLogger, createMetrics } from "./telemetry/telemetry.ts";

/** What a deployer can put right is said in plain words and ends with exit code 2; anything else is a fault of ours. */
function settings(): Config {
  try {
    return readConfig(process.env, process.cwd());
  } catch (error) {
    return giveUp(error);
  }
}

function giveUp(error: unknown): never {
  if (error instanceof ConfigError || error instanceof StoreError) {
    process.stderr.write(`${error.message}\n`);
    process.exit(2);
  }
  throw error;
}

/** Files and sockets that are needed beside connections: the store, its lock, the log lines. */
const OTHER_FILES = 64;

/** As many connections as the system lets this process have open, where it says so. */
function connectionsGranted(): number {
  try {
    const soft = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
    return soft === undefined ? Number.POSITIVE_INFINITY : Math.max(1, Number(soft) - OTHER_FILES);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

function openEngines(config: Config, onFault: (error: unknown) => void, onLost: (commits: number) => void) {
  const randomId = randomUUID;
  const now = (): number => Date.now();
  if (config.store.kind === "memory") {
    const log = createMemoryLog({ randomId, now, onFault });
    return { log, access: createAccess({ store: createMemoryAccessStore(), now }), close: () => log.close() };
  }
  try {
    const letGo = holdStore(config.store.path);
    const store = openStore(config.store.path, config.durability);
    const log = createSqliteLog(store, { randomId, now, onFault, onLost, as: "owner" });
    const access = createAccess({ store: createSqliteAccessStore(store), now });
    const stopCheckpoints = startCheckpoints({ store, path: config.store.path, onFault });
    const close = async (): Promise<void> => {
      await stopCheckpoints();
      await log.close();
      store.close();
      letGo();
    };
    return { log, access, close };
  } catch (error) {
    return giveUp(storeErrorOf(config.store.path, error) ?? error);
  }
}

const config = settings();
const logger = createLogger(config.logLevel);
const metrics = createMetrics();
const onDamage = ({ spreadsheetId, message, afterSeq, throughSeq }: DamagedError): void => {
  metrics.damaged.inc();
  logger.error({ spreadsheetId, what: message, afterSeq, throughSeq }, "damaged");
};
const onFault = (error: unknown): void => {
  if (error instanceof DamagedError) {
    onDamage(error);
    return;
  }
  metrics.faults.inc();
  logger.error({ err: error }, "fault");
};
const { log, access, close } = openEngines(config, onFault, (commits) => {
  metrics.damaged.inc();
  // Readers take new snapshots, and the sheets are checked: that finds what is missing.
  logger.error({ commits }, "damaged: the end of the log is missing, every log begins a new life");
});
const now = (): number => Date.now();
const ingest = createIngest({
  log,
  keysOf: (spreadsheetId) => access.keysOf(spreadsheetId),
  now,
  onFault,
  onDamage,
  postsPerSecond: config.postsPerSecond,
  holdBytes: config.holdMegabytes * 1024 * 1024,
});
const elapsed = (): number => performance.now();
const connectionsMax = connectionsGranted();
const relay = createRelay(config, { log, access, ingest, logger, metrics, now, elapsed, connectionsMax });
const listeningFile = join(config.dataDir, LISTENING_FILE);

let stopping: Promise<void> | undefined;
const stop = (signal: string): void => {
  stopping ??= (async () => {
    logger.info({ signal }, "stopping");
    rmSync(listeningFile, { force: true });
    await relay.stop();
    await close();
    metrics.stop();
    logger.info("stopped");
  })().catch((error: unknown) => {
    onFault(error);
    process.exit(1);
  });
};
process.on("SIGTERM", stop);
process.on("SIGINT", stop);
// After a fault that nobody caught, memory is not to be trusted: the store is. Whoever supervises starts it again.
process.on("uncaughtException", (error) => {
  logger.fatal({ err: error }, "ending after a fault that nobody caught");
  process.exit(70);
});

try {
  const url = await relay.listen();
  if (config.store.kind === "sqlite") {
    mkdirSync(config.dataDir, { recursive: true });
    writeFileSync(listeningFile, JSON.stringify({ url, pid: process.pid }));
  }
  logger.info({ url, durability: config.durability, store: config.store.kind }, "listening");
} catch (error) {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code !== "EADDRINUSE" && code !== "EACCES" && code !== "EADDRNOTAVAIL") throw error;
  await close();
  process.stderr.write(
    `Port ${config.port} on ${config.host} cannot be opened (${code}). Set SHEETWIRE_PORT or SHEETWIRE_HOST to another.\n`,
  );
  process.exit(2);
}
