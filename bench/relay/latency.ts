/** From a post's receipt to the last of 100 watchers, at 200 posts a second. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { clientFrame, upgrade, type Step } from "./bytes.ts";
import { spread, type Figures, type Scale } from "./figures.ts";
import { keysOf, strangers } from "./ingest.ts";
import { startLoad } from "./loading.ts";
import { createMessages } from "./peers.ts";
import { freePort, has, peersFolder, type Workshop } from "./processes.ts";
import { createPosts, pingFrame, startProduct, startVariant, watchSteps, type Product } from "./product.ts";

const WATCHERS = 100;
const PER_SECOND = 200;
const NCHAN_MODULE = "/usr/lib/nginx/modules/ngx_nchan_module.so";

type Way = {
  readonly pid: number;
  readonly port: number;
  readonly steps: readonly Step[];
  readonly keepalive?: Buffer;
  readonly next: (count: number) => string[];
  readonly stop: () => Promise<void>;
};
type Kind = {
  readonly name: string;
  readonly missing: () => string | undefined;
  readonly start: (workshop: Workshop) => Promise<Way>;
};
const never = (): undefined => undefined;

function wayOf(product: Product): Way {
  const [sheet] = product.sheets;
  if (!sheet) throw new Error("No spreadsheet was let in.");
  return { ...product, steps: watchSteps(sheet), keepalive: pingFrame(), next: createPosts(product.sheets, 1) };
}

const kinds: readonly Kind[] = [
  ...(["full", "normal"] as const).map((durability) => ({
    name: `sheetwire ${durability}`,
    missing: never,
    start: async (workshop: Workshop) => wayOf(await startProduct(workshop, { sheets: 1, durability })),
  })),
  {
    name: "sheetwire in memory",
    missing: never,
    start: async (workshop) => wayOf(await startVariant(workshop, "memory", 1)),
  },
  {
    name: "Fastify, a transaction each, socket.io",
    missing: never,
    async start(workshop) {
      const sheets = strangers(1);
      const port = await freePort();
      const file = join(workshop.folder, "ordinary-latency.db");
      const command = [process.execPath, join(peersFolder, "ordinary.ts"), String(port), file, keysOf(sheets)];
      const steps = [
        upgrade("/socket.io/?EIO=4&transport=websocket"),
        { send: Buffer.alloc(0), wait: '"sid"' },
        { send: clientFrame("40"), wait: "40{" },
      ];
      return { ...(await workshop.server(command)), port, steps, next: createPosts(sheets, 1) };
    },
  },
  {
    name: "nchan",
    missing: () => (has("nginx") && existsSync(NCHAN_MODULE) ? undefined : "nginx with nchan is not installed"),
    async start(workshop) {
      const port = await freePort();
      const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
        (one) => `${one}_temp_path ${workshop.folder}/nginx-${one};`,
      );
      const config = workshop.file(
        "nginx.conf",
        `load_module ${NCHAN_MODULE};\ndaemon off;\nmaster_process off;\nworker_processes 1;\npid ${workshop.folder}/nginx.pid;\nerror_log ${workshop.folder}/nginx-error.log;\nevents { worker_connections 4096; }\nhttp { access_log off; ${temporary.join(" ")} server { listen 127.0.0.1:${port}; location /publish { nchan_publisher; nchan_channel_id sheet; nchan_message_buffer_length 100; } location /watch { nchan_subscriber websocket; nchan_subscriber_first_message newest; nchan_channel_id sheet; } } }\n`,
      );
      const running = await workshop.server(["nginx", "-p", workshop.folder, "-c", config], { port });
      const messages = createMessages();
      const post = (text: string): string =>
        `POST /publish HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
      return { ...running, port, steps: [upgrade("/watch")], next: (count) => messages(count).map(post) };
    },
  },
];

export async function benchLatency(workshop: Workshop, scale: Scale, figures: Figures): Promise<void> {
  const question = `${PER_SECOND} posts a second, to the last of ${WATCHERS} watchers`;
  const posts = PER_SECOND * (scale.isQuick ? 2 : 5);
  const running = new Map<string, Way>();
  try {
    for (const kind of kinds) {
      const why = kind.missing();
      if (why === undefined) running.set(kind.name, await kind.start(workshop));
      else figures.skip(question, kind.name, why);
    }
    const times = new Map<string, { p50: number[]; p99: number[]; lost: number }>();
    for (let round = 0; round < scale.rounds; round += 1) {
      for (const [name, way] of running) {
        const load = await startLoad(workshop, {
          pid: way.pid,
          watch: { port: way.port, framing: "ws", steps: way.steps, count: WATCHERS, keepalive: way.keepalive },
          publish: { port: way.port, connections: 32, as: "http", requests: way.next(PER_SECOND + posts) },
        });
        const known = times.get(name) ?? { p50: [], p99: [], lost: 0 };
        times.set(name, known);
        try {
          await load.ask(`run ${PER_SECOND} 32 ${PER_SECOND}`);
          const result = await load.ask(`run ${posts} 32 ${PER_SECOND}`);
          known.p50.push(Number(result["p50Us"]) / 1_000);
          known.p99.push(Number(result["p99Us"]) / 1_000);
          known.lost += Number(result["missing"]) + Number(result["holes"]) + Number(result["refused"]);
        } finally {
          await load.stop();
        }
      }
    }
    for (const [name, { p50, p99, lost }] of times)
      figures.add({
        question,
        who: name,
        unit: "ms, p50",
        ...spread(p50),
        p99: spread(p99).median,
        ...(lost > 0 ? { lost } : {}),
      });
  } finally {
    for (const way of running.values()) await way.stop();
  }
}
