/** Who can send one message to many, and how each is started, watched and told what to send. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { spawnSync } from "node:child_process";
import {
  asFile,
  clientFrame,
  mqttConnect,
  mqttPublish,
  mqttSubscribe,
  redisCommand,
  upgrade,
  type Step,
} from "./bytes.ts";
import { createPosts, pingFrame, startProduct, startVariant, watchSteps } from "./product.ts";
import { freePort, has, peersFolder, type Running, type Workshop } from "./processes.ts";

/** A peer that runs. */
export type Peer = {
  readonly pid: number;
  readonly port: number;
  readonly framing: "ws" | "raw";
  readonly steps: readonly Step[];
  readonly keepalive?: Buffer;
  readonly publish: {
    readonly port: number;
    readonly as: "http" | "raw";
    readonly hello?: Buffer;
    /** The next so many messages, ready to be sent. */
    readonly next: (count: number) => (Buffer | string)[];
  };
  /** A command before the load generator, where the peer lives in a network of its own. */
  readonly within?: readonly string[];
  readonly stop: () => Promise<void>;
};

export type PeerKind = {
  readonly name: string;
  /** Why it cannot be had here. */
  readonly missing: () => string | undefined;
  readonly start: (workshop: Workshop) => Promise<Peer>;
};

/** A message as the relay's: the same text, with a seq of its own. */
export function createMessages(): (count: number) => string[] {
  let seq = 0;
  return (count) =>
    Array.from({ length: count }, () => {
      seq += 1;
      const change = `{"kind":"cells","sheetId":7,"at":{"row":${seq % 5_000},"column":0},"cells":[["cell ${seq}"]],"was":[[null]],"seq":${seq},"loggedAt":1795324619546,"cause":"edit","actor":"somebody@example.com","readAt":[1795324619505,1795324619505]}`;
      return `{"kind":"changes","spreadsheetId":"bench-0","changes":[${change}],"chain":"30ac2a293b21aa64"}`;
    });
}
const lengthAndText = (messages: readonly string[]): Buffer[] => messages.map((message) => asFile([message]));

const bunPath = (): string | undefined => {
  try {
    return join(dirname(createRequire(import.meta.url).resolve("@oven/bun-linux-x64/package.json")), "bin", "bun");
  } catch {
    return undefined;
  }
};
const node20 = (): string | undefined =>
  ["/usr/bin/node", "/usr/local/bin/node"].find(
    (path) => existsSync(path) && spawnSync(path, ["--version"], { encoding: "utf8" }).stdout.startsWith("v20."),
  );

/** Peers that listen on one port and are told what to send on another. */
const broadcaster = (
  name: string,
  missing: () => string | undefined,
  command: (workshop: Workshop) => string[],
): PeerKind => ({
  name,
  missing,
  async start(workshop) {
    const port = await freePort();
    const publishPort = await freePort();
    const [program = "", file = "", ...rest] = command(workshop);
    const running = await workshop.server([
      program,
      ...(file ? [file] : []),
      String(port),
      String(publishPort),
      ...rest,
    ]);
    const messages = createMessages();
    const socketIo: Step[] = [
      upgrade("/socket.io/?EIO=4&transport=websocket"),
      { send: Buffer.alloc(0), wait: '"sid"' },
      { send: clientFrame("40"), wait: "40{" },
    ];
    return {
      pid: running.pid,
      port,
      framing: "ws",
      steps: name === "socket.io" ? socketIo : [upgrade("/")],
      publish: { port: publishPort, as: "raw", next: (count) => lengthAndText(messages(count)) },
      stop: running.stop,
    };
  },
});

const always = (): undefined => undefined;
const needs = (program: string) => (): string | undefined => (has(program) ? undefined : `${program} is not installed`);
const script = (file: string): string => join(peersFolder, file);

const relay: PeerKind = {
  name: "sheetwire",
  missing: always,
  async start(workshop) {
    const product = await startProduct(workshop, { sheets: 1 });
    const [sheet] = product.sheets;
    if (!sheet) throw new Error("No spreadsheet was let in.");
    return {
      pid: product.pid,
      port: product.port,
      framing: "ws",
      steps: watchSteps(sheet),
      keepalive: pingFrame(),
      publish: { port: product.port, as: "http", next: createPosts(product.sheets, 1) },
      stop: product.stop,
    };
  },
};

/** Its fan-out alone: the whole relay around a log in memory, which is handed what the others are handed. */
const handed: PeerKind = {
  name: "sheetwire, handed the message",
  missing: always,
  async start(workshop) {
    const publishPort = await freePort();
    const product = await startVariant(workshop, "memory", 1, publishPort);
    const [sheet] = product.sheets;
    if (!sheet) throw new Error("No spreadsheet was let in.");
    const messages = createMessages();
    return {
      pid: product.pid,
      port: product.port,
      framing: "ws",
      steps: watchSteps(sheet),
      keepalive: pingFrame(),
      publish: { port: publishPort, as: "raw", next: (count) => lengthAndText(messages(count)) },
      stop: product.stop,
    };
  },
};

const redis: PeerKind = {
  name: "redis pub/sub",
  missing: needs("redis-server"),
  async start(workshop) {
    const port = await freePort();
    const running = await workshop.server(
      [
        "redis-server",
        "--port",
        String(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--maxclients",
        "12000",
        "--client-output-buffer-limit",
        "pubsub 0 0 0",
      ],
      { port },
    );
    const messages = createMessages();
    return {
      pid: running.pid,
      port,
      framing: "raw",
      steps: [{ send: redisCommand("SUBSCRIBE", "sheet"), wait: "subscribe" }],
      publish: {
        port,
        as: "raw",
        next: (count) => messages(count).map((text) => redisCommand("PUBLISH", "sheet", text)),
      },
      stop: running.stop,
    };
  },
};

const nats: PeerKind = {
  name: "nats",
  missing: needs("nats-server"),
  async start(workshop) {
    const port = await freePort();
    const wsPort = await freePort();
    const config = workshop.file(
      "nats.conf",
      `host: 127.0.0.1\nport: ${port}\nping_interval: "10m"\nwebsocket { host: 127.0.0.1, port: ${wsPort}, no_tls: true }\n`,
    );
    const running = await workshop.server(["nats-server", "-c", config], { port: wsPort });
    const messages = createMessages();
    const connect = 'CONNECT {"verbose":false,"pedantic":false}\r\n';
    return {
      pid: running.pid,
      port: wsPort,
      framing: "ws",
      steps: [
        upgrade("/"),
        { send: clientFrame(`${connect}PING\r\n`, 2), wait: "PONG" },
        { send: clientFrame("SUB sheet 1\r\nPING\r\n", 2), wait: "PONG" },
      ],
      publish: {
        port,
        as: "raw",
        hello: Buffer.from(connect),
        next: (count) => messages(count).map((text) => `PUB sheet ${Buffer.byteLength(text)}\r\n${text}\r\n`),
      },
      stop: running.stop,
    };
  },
};

/** Its WebSocket listener takes no address to bind, so it gets a network in which there is only itself. */
const mosquitto: PeerKind = {
  name: "mosquitto",
  missing: () =>
    needs("mosquitto")() ??
    needs("ip")() ??
    (process.getuid?.() === 0 ? undefined : "needs root for a network of its own"),
  async start(workshop) {
    const name = `sheetwire-bench-${process.pid}`;
    const within = ["ip", "netns", "exec", name];
    const ip = (...args: string[]): void => {
      const { status, stderr } = spawnSync("ip", args, { encoding: "utf8" });
      if (status !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr}`);
    };
    ip("netns", "add", name);
    let running: Running;
    const config = workshop.file(
      "mosquitto.conf",
      "listener 1883 127.0.0.1\nlistener 1884 127.0.0.1\nprotocol websockets\nallow_anonymous true\nset_tcp_nodelay true\nmax_queued_messages 0\nuser root\n",
    );
    try {
      ip("-n", name, "link", "set", "lo", "up");
      running = await workshop.server(["mosquitto", "-c", config], { port: 1884, within });
    } catch (error) {
      ip("netns", "delete", name);
      throw error;
    }
    const messages = createMessages();
    return {
      pid: running.pid,
      port: 1884,
      framing: "ws",
      within,
      steps: [
        upgrade("/mqtt", "mqtt"),
        { send: clientFrame(mqttConnect(), 2), wait: Buffer.from([0x20, 2, 0, 0]) },
        { send: clientFrame(mqttSubscribe("sheet"), 2), wait: Buffer.from([0x90, 3]) },
      ],
      publish: {
        port: 1883,
        as: "raw",
        hello: mqttConnect(),
        next: (count) => messages(count).map((text) => mqttPublish("sheet", text)),
      },
      async stop() {
        await running.stop();
        ip("netns", "delete", name);
      },
    };
  },
};

export const fanOutPeers: readonly PeerKind[] = [
  relay,
  handed,
  broadcaster("C epoll", needs("cc"), (workshop) => [workshop.compile("broadcaster"), "", "each"]),
  broadcaster("C epoll, a write per turn", needs("cc"), (workshop) => [workshop.compile("broadcaster"), "", "turn"]),
  broadcaster("raw sockets", always, () => [process.execPath, script("raw.mjs"), "each"]),
  broadcaster("raw sockets, a write per turn", always, () => [process.execPath, script("raw.mjs"), "turn"]),
  broadcaster("ws.send loop", always, () => [process.execPath, script("ws-loop.mjs")]),
  broadcaster(
    "uWebSockets",
    () => (node20() ? undefined : "needs Node 20 beside this one"),
    () => [node20() ?? "", script("uws.cjs")],
  ),
  broadcaster(
    "Bun",
    () => (bunPath() ? undefined : "@oven/bun-linux-x64 is not installed"),
    () => [bunPath() ?? "", script("bun.mjs")],
  ),
  broadcaster("socket.io", always, () => [process.execPath, script("socket-io.mjs")]),
  mosquitto,
  nats,
  redis,
];
