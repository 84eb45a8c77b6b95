/** What a durable post costs, beside the same without a store, an ordinary server, a row for each change, and Redis. */
import { join } from "node:path";
import { redisCommand } from "./bytes.ts";
import { spread, type Figures, type Scale } from "./figures.ts";
import { startLoad } from "./loading.ts";
import { createPosts, editsBody, startProduct, startVariant, type LetIn } from "./product.ts";
import { freePort, has, peersFolder, type Running, type Workshop } from "./processes.ts";

const SHEETS = 50;
const CONNECTIONS = 64;
/** Rounds that are not counted: a program that compiles itself as it runs does so for some fifty thousand small posts. */
const WARM_UP_ROUNDS = { 1: 32, 50: 16 };
/** Short rounds, and many: what stands beside each other in one then met the same machine. */
const ROUNDS = 4;

export type Taker = {
  /** The server's process, or all of them where it takes several. */
  readonly pid: number | readonly number[];
  readonly port: number;
  readonly as: "http" | "redis";
  readonly sheets: readonly LetIn[];
  stop: () => Promise<void>;
};
type TakerKind = {
  readonly name: string;
  readonly missing: () => string | undefined;
  readonly start: (workshop: Workshop) => Promise<Taker>;
};

export const keysOf = (sheets: readonly LetIn[]): string =>
  JSON.stringify(Object.fromEntries(sheets.map(({ spreadsheetId, key }) => [spreadsheetId, key.toString("base64")])));

/** Spreadsheets for peers that know nothing of the relay's store. */
export const strangers = (count: number): LetIn[] =>
  Array.from({ length: count }, (_, at) => ({
    spreadsheetId: `bench-${at}`,
    key: Buffer.alloc(32, at + 1),
    token: "",
  }));

const product = (name: string, durability: "full" | "normal"): TakerKind => ({
  name,
  missing: () => undefined,
  async start(workshop) {
    const running = await startProduct(workshop, { sheets: SHEETS, durability });
    return { ...running, as: "http" };
  },
});

const variant = (name: string, kind: "memory" | "none"): TakerKind => ({
  name,
  missing: () => undefined,
  async start(workshop) {
    return { ...(await startVariant(workshop, kind, SHEETS)), as: "http" };
  },
});

const server = (name: string, file: string, more: readonly string[] = []): TakerKind => ({
  name,
  missing: () => undefined,
  async start(workshop) {
    const sheets = strangers(SHEETS);
    const port = await freePort();
    const store = join(workshop.folder, `${name.replaceAll(/\W+/g, "-")}.db`);
    const command = [process.execPath, join(peersFolder, file), String(port), store, keysOf(sheets), ...more];
    return { ...(await workshop.server(command)), port, as: "http", sheets };
  },
});

const noRedis = (): string | undefined => (has("redis-server") ? undefined : "redis-server is not installed");

/** Redis that answers when it is on the disk. */
async function startRedis(workshop: Workshop): Promise<Running & { port: number }> {
  const port = await freePort();
  const common = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--dir", workshop.folder];
  const durable = ["--appendonly", "yes", "--appenddirname", `redis-${port}`, "--appendfsync", "always"];
  return { ...(await workshop.server(["redis-server", ...common, ...durable], { port })), port };
}

/** Handed the bare bodies. */
const redis: TakerKind = {
  name: "redis appendfsync always",
  missing: noRedis,
  start: async (workshop) => ({ ...(await startRedis(workshop)), as: "redis", sheets: strangers(SHEETS) }),
};

/** With what makes a post one in front of it. */
const inFrontOfRedis: TakerKind = {
  name: "the same in front of redis appendfsync always",
  missing: noRedis,
  async start(workshop) {
    const store = await startRedis(workshop);
    const sheets = strangers(SHEETS);
    const port = await freePort();
    const file = join(peersFolder, "in-front-of-redis.ts");
    const door = await workshop.server([process.execPath, file, String(port), String(store.port), keysOf(sheets)]);
    return {
      pid: [door.pid, store.pid],
      port,
      as: "http",
      sheets,
      async stop() {
        await door.stop();
        await store.stop();
      },
    };
  },
};

const takers: readonly TakerKind[] = [
  product("sheetwire full", "full"),
  product("sheetwire normal", "normal"),
  variant("sheetwire in memory", "memory"),
  variant("sheetwire without a store", "none"),
  server("a row per change, full", "rows.ts", ["full"]),
  server("Fastify, a transaction each, socket.io", "ordinary.ts"),
  inFrontOfRedis,
  redis,
  server("node:http and nothing else", "http-floor.mjs"),
];

/** One run of posts over 64 connections. */
export async function post(
  workshop: Workshop,
  taker: Taker,
  requests: readonly (string | Buffer)[],
  connections = CONNECTIONS,
): Promise<Record<string, number | string>> {
  const load = await startLoad(workshop, {
    pid: taker.pid,
    publish: { port: taker.port, connections, as: taker.as === "http" ? "http" : "answered", requests },
  });
  try {
    return await load.ask(`run ${requests.length} ${connections} 0`);
  } finally {
    await load.stop();
  }
}

function requestsFor(taker: Taker, readings: number): (count: number) => (string | Buffer)[] {
  if (taker.as === "http") return createPosts(taker.sheets, readings);
  let made = 0;
  return (count) =>
    Array.from({ length: count }, () => {
      made += 1;
      const body = editsBody(made * readings, readings);
      return redisCommand("XADD", `bench-${made % SHEETS}`, "*", "body", body);
    });
}

export async function benchIngest(workshop: Workshop, scale: Scale, figures: Figures): Promise<void> {
  const running = new Map<string, { taker: Taker; next: Record<number, (count: number) => (string | Buffer)[]> }>();
  try {
    for (const kind of takers) {
      const why = kind.missing();
      if (why !== undefined) {
        figures.skip("ingest", kind.name, why);
        continue;
      }
      const taker = await kind.start(workshop);
      running.set(kind.name, { taker, next: {} });
    }
    for (const readings of [1, 50] as const) {
      const posts = Math.round((readings === 1 ? 1_500 : 150) / (scale.isQuick ? 5 : 1));
      const costs = new Map<string, { cpu: number[]; perSecond: number[]; refused: number }>();
      for (let round = -WARM_UP_ROUNDS[readings]; round < scale.rounds * ROUNDS; round += 1) {
        for (const [name, { taker, next }] of running) {
          const make = (next[readings] ??= requestsFor(taker, readings));
          const result = await post(workshop, taker, make(posts));
          if (round < 0) continue;
          const known = costs.get(name) ?? { cpu: [], perSecond: [], refused: 0 };
          costs.set(name, known);
          known.refused += Number(result["refused"]);
          known.cpu.push(Number(result["serverCpuUs"]) / (Number(result["published"]) * readings));
          known.perSecond.push((Number(result["published"]) * readings * 1_000) / Number(result["ms"]));
        }
      }
      for (const [name, { cpu, perSecond, refused }] of costs) {
        figures.add({
          question: `ingest, ${readings} reading${readings === 1 ? "" : "s"} a post`,
          who: name,
          unit: "us of server CPU a reading",
          ...spread(cpu),
          readingsPerSecond: Math.round(spread(perSecond).median),
          ...(refused > 0 ? { lost: refused } : {}),
        });
      }
    }
  } finally {
    for (const { taker } of running.values()) await taker.stop();
  }
}
