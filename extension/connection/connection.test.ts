import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { WebSocketServer, type WebSocket as ServerSocket } from "ws";
import type { Cursor, DownFrame, UpFrame } from "@sheetwire/shared/protocol";
import {
  createConnection,
  feedUrl,
  type Connection,
  type Link,
  type SpreadsheetFrame,
  type Watcher,
} from "./connection.ts";

const ZERO = "0000000000000000";
let server: WebSocketServer;
let sockets: { socket: ServerSocket; heard: UpFrame[]; subprotocol: string; url: string }[];
let connections: Connection[];
let pauses: number[];

const welcome = (pingEveryMs = 20_000): DownFrame => ({
  kind: "welcome",
  limits: { frameMaxBytes: 1, upFrameMaxBytes: 1, pingEveryMs, socketMaxWatches: 9 },
  relay: { version: "0.1.0", protocol: 1 },
  now: Date.now() - 5_000,
});
const watching = (spreadsheetId: string, seq = 0): DownFrame => ({
  kind: "watching",
  spreadsheetId,
  epoch: "e1",
  seq,
  chain: ZERO,
  recovered: true,
});
/** What the relay does with each frame; replaced by tests. */
let answer: (frame: UpFrame, say: (frame: DownFrame) => void, socket: ServerSocket) => void;
const politely: typeof answer = (frame, say) => {
  if (frame.kind === "hello") say(welcome());
  if (frame.kind === "watch") say(watching(frame.spreadsheetId, 7));
  if (frame.kind === "ping") say({ kind: "pong" });
};

beforeEach(async () => {
  sockets = [];
  connections = [];
  pauses = [];
  answer = politely;
  server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  await new Promise((resolve) => server.once("listening", resolve));
  server.on("connection", (socket, request) => {
    const held = { socket, heard: [] as UpFrame[], subprotocol: socket.protocol, url: request.url ?? "" };
    sockets.push(held);
    socket.on("message", (data: Buffer) => {
      const frame = JSON.parse(data.toString()) as UpFrame;
      held.heard.push(frame);
      answer(frame, (down) => socket.send(JSON.stringify(down)), socket);
    });
  });
});
afterEach(async () => {
  for (const connection of connections) connection.stop();
  for (const client of server.clients) client.terminate();
  await new Promise((resolve) => server.close(resolve));
});

const relayUrl = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

/** A connection whose pauses are a twentieth as long, so that tests need not wait. */
function connect(url = relayUrl()): Connection {
  const connection = createConnection(url, "test 1", {
    dial: (address, subprotocol) => new WebSocket(address, subprotocol),
    now: Date.now,
    die: () => 0.5,
    after: (ms, run) => {
      pauses.push(ms);
      const timer = setTimeout(run, ms / 20);
      return () => clearTimeout(timer);
    },
  });
  connections.push(connection);
  return connection;
}

function watcher(spreadsheetId: string, more: { token?: string; cursor?: () => Cursor | undefined } = {}) {
  const frames: SpreadsheetFrame[] = [];
  const links: Link[] = [];
  const it: Watcher = {
    spreadsheetId,
    token: more.token ?? `token-of-${spreadsheetId}-long`,
    cursor: more.cursor ?? (() => undefined),
    onFrame: (frame) => frames.push(frame),
    onLink: (link) => links.push(link),
  };
  return { ...it, frames, links, last: () => links.at(-1) };
}
const heard = (index: number): string[] => sockets[index]?.heard.map((frame) => frame.kind) ?? [];

test("says hello first, then watches from the cursor; the token is in a frame and never in the address", async () => {
  const cursor: Cursor = { epoch: "e1", seq: 4, chain: ZERO };
  const one = watcher("sheet-one", { cursor: () => cursor });
  connect().watch(one);
  await expect.poll(() => one.frames).toEqual([watching("sheet-one", 7)]);
  expect(sockets[0]?.heard).toEqual([
    { kind: "hello", token: one.token, client: "test 1" },
    { kind: "watch", spreadsheetId: "sheet-one", token: one.token, cursor },
  ]);
  expect(sockets[0]).toMatchObject({ url: "/v1/feed", subprotocol: "sheetwire.v1" });
  expect(one.last()).toMatchObject({ state: "up" });
  expect(one.last()?.clockAheadMs).toBeGreaterThan(4_000);
});

test("many spreadsheets of one relay share a socket, each with its own token and frames", async () => {
  const connection = connect();
  const [one, two] = [watcher("sheet-one"), watcher("sheet-two")];
  connection.watch(one);
  const second = connection.watch(two);
  await expect.poll(() => two.frames.length).toBe(1);
  await expect.poll(() => one.frames.length).toBe(1);
  expect(sockets.length).toBe(1);
  second.took(9);
  second.stop();
  await expect.poll(() => heard(0).slice(-2)).toEqual(["took", "unwatch"]);
  expect(connection.watchCount()).toBe(1);
});

test("a lost socket is dialled again and the watch goes on from the cursor held by then", async () => {
  const held: { cursor?: Cursor } = {};
  const one = watcher("sheet-one", { cursor: () => held.cursor });
  connect().watch(one);
  await expect.poll(() => one.frames.length).toBe(1);
  held.cursor = { epoch: "e1", seq: 12, chain: ZERO };
  sockets[0]?.socket.terminate();
  await expect.poll(() => one.frames.length).toBe(2);
  expect(sockets[1]?.heard[1]).toMatchObject({ kind: "watch", cursor: held.cursor });
  expect(one.links.map((link) => link.state)).toContain("connecting");
});

test("pauses between dials grow, and never beyond what an idle background outlives", { timeout: 10_000 }, async () => {
  const port = (server.address() as AddressInfo).port;
  await new Promise((resolve) => server.close(resolve));
  const one = watcher("sheet-one");
  connect(`http://127.0.0.1:${port}`).watch(one);
  const waits = (): number[] => pauses.filter((ms) => ms !== 10_000);
  await expect.poll(() => waits().length, { timeout: 8_000 }).toBeGreaterThan(6);
  expect(waits()[0]).toBeLessThan(600);
  expect(Math.max(...waits())).toBeLessThanOrEqual(15_000);
  expect(waits()[5]).toBeGreaterThan(waits()[0] ?? 0);
  expect(one.last()).toMatchObject({ state: "connecting" });
  server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
});

test("a socket that answers no ping in time is given up and dialled again", async () => {
  answer = (frame, say) => {
    if (frame.kind === "hello") say(welcome(1_000));
    if (frame.kind === "watch") say(watching(frame.spreadsheetId));
  };
  const one = watcher("sheet-one");
  connect().watch(one);
  await expect.poll(() => sockets.length, { timeout: 5_000 }).toBeGreaterThan(1);
  expect(heard(0)).toContain("ping");
});

test("a socket that never says welcome is given up", async () => {
  answer = () => undefined;
  connect().watch(watcher("sheet-one"));
  await expect.poll(() => sockets.length, { timeout: 5_000 }).toBeGreaterThan(1);
});

test.each([
  ["no JSON", "{"],
  ["not an object", "[]"],
  [
    "a change without its place in the log",
    JSON.stringify({ kind: "changes", spreadsheetId: "sheet-one", changes: [{}], chain: ZERO }),
  ],
  ["bytes", Buffer.from([1, 2, 3])],
])("a frame that cannot be read (%s) ends the socket, is shown, and heals with the next", async (_, bad) => {
  let isBad = true;
  answer = (frame, say, socket) => {
    if (frame.kind === "watch" && isBad) {
      isBad = false;
      socket.send(bad);
    } else politely(frame, say, socket);
  };
  const one = watcher("sheet-one");
  connect().watch(one);
  await expect.poll(() => one.frames.length).toBe(1);
  expect(one.links.some((link) => link.refused?.code === "malformed")).toBe(true);
  expect(one.last()).toMatchObject({ state: "up" });
  expect(one.last()?.refused).toBeUndefined();
  expect(sockets.length).toBe(2);
});

test("a kind of frame from a newer relay is passed over", async () => {
  answer = (frame, say, socket) => {
    if (frame.kind === "watch") socket.send(JSON.stringify({ kind: "festival", confetti: true }));
    politely(frame, say, socket);
  };
  const one = watcher("sheet-one");
  connect().watch(one);
  await expect.poll(() => one.frames.length).toBe(1);
  expect(sockets.length).toBe(1);
});

test("a token that opens nothing ends that watch alone, is told, and is not tried again at once", async () => {
  answer = (frame, say, socket) => {
    if (frame.kind === "watch" && frame.spreadsheetId === "sheet-two") {
      say({ kind: "refused", code: "unauthorized", spreadsheetId: "sheet-two" });
    } else politely(frame, say, socket);
  };
  const connection = connect();
  const [one, two] = [watcher("sheet-one"), watcher("sheet-two")];
  connection.watch(one);
  connection.watch(two);
  await expect.poll(() => two.last()?.state).toBe("refused");
  expect(two.last()?.refused).toEqual({ code: "unauthorized", nextStep: "ask-for-access" });
  await expect.poll(() => one.last()?.state).toBe("up");
  connection.nudge();
  connection.nudge();
  await expect.poll(() => one.frames.length).toBe(1);
  expect(
    sockets[0]?.heard.filter((frame) => frame.kind === "watch" && frame.spreadsheetId === "sheet-two").length,
  ).toBe(1);
});

test("when hello's token is refused, the other spreadsheets of the relay go on with theirs", async () => {
  answer = (frame, say, socket) => {
    if (frame.kind === "hello" && frame.token.includes("one")) {
      say({ kind: "refused", code: "unauthorized" });
      socket.close(4401);
    } else politely(frame, say, socket);
  };
  const connection = connect();
  const [one, two] = [watcher("sheet-one"), watcher("sheet-two")];
  connection.watch(one);
  connection.watch(two);
  await expect.poll(() => two.frames.length).toBe(1);
  expect(one.last()).toMatchObject({ state: "refused", refused: { code: "unauthorized" } });
  expect(two.last()).toMatchObject({ state: "up" });
});

test("a relay that is too new is said so", async () => {
  answer = (_, say, socket) => {
    say({ kind: "refused", code: "protocol-too-old" });
    socket.close(4426);
  };
  const one = watcher("sheet-one");
  connect().watch(one);
  await expect.poll(() => one.last()?.refused).toEqual({ code: "protocol-too-old", nextStep: "ask-user-to-update" });
});

test("history that is gone reaches the watcher as: take a new snapshot", async () => {
  answer = (frame, say, socket) => {
    if (frame.kind === "watch") say({ kind: "refused", code: "history-gone", spreadsheetId: frame.spreadsheetId });
    else politely(frame, say, socket);
  };
  const one = watcher("sheet-one");
  connect().watch(one);
  await expect
    .poll(() => one.frames)
    .toEqual([{ kind: "refetch", spreadsheetId: "sheet-one", reason: "history-gone" }]);
});

test("stop closes the socket and dials no more", async () => {
  const connection = connect();
  const one = watcher("sheet-one");
  connection.watch(one);
  await expect.poll(() => one.frames.length).toBe(1);
  connection.stop();
  await expect.poll(() => sockets[0]?.socket.readyState).toBe(3);
  connection.nudge();
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(sockets.length).toBe(1);
});

test("the feed's address follows the relay's, path and encryption included", () => {
  expect(feedUrl("https://relay.example.org")).toBe("wss://relay.example.org/v1/feed");
  expect(feedUrl("http://127.0.0.1:8080/base/")).toBe("ws://127.0.0.1:8080/base/v1/feed");
});

test("a link is up only for whom the relay has answered its watch, and follows it since", async () => {
  const answers = new Map<string, (frame: DownFrame) => void>();
  let isFailing = false;
  answer = (frame, say, socket) => {
    if (frame.kind !== "watch") politely(frame, say, socket);
    else if (frame.spreadsheetId === "sheet-one") say(watching("sheet-one", 7));
    else if (isFailing) say({ kind: "refused", code: "internal", spreadsheetId: "sheet-two" });
    else answers.set(frame.spreadsheetId, say);
  };
  const connection = connect();
  const [one, two] = [watcher("sheet-one"), watcher("sheet-two")];
  connection.watch(one);
  connection.watch(two);
  // Welcome came, and frames of another spreadsheet; of this one nothing yet.
  await expect.poll(() => one.last()?.state).toBe("up");
  expect(two.links.map((link) => link.state)).not.toContain("up");
  answers.get("sheet-two")?.(watching("sheet-two", 7));
  await expect.poll(() => two.last()?.state).toBe("up");
  // The relay cannot read its log any more: it ends this watch alone, and whatever is said of others is no word of this one.
  isFailing = true;
  answers.get("sheet-two")?.({ kind: "refused", code: "internal", spreadsheetId: "sheet-two" });
  await expect.poll(() => two.last()?.state).toBe("connecting");
  answers.get("sheet-two")?.({ kind: "pong" });
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(two.last()?.state).toBe("connecting");
  expect(one.last()?.state).toBe("up");
});

test("when hello's token ends, a newer one for the same spreadsheet is not held to be bad", async () => {
  const connection = connect();
  const [old, two] = [watcher("sheet-one", { token: "the-old-token-of-sheet-one" }), watcher("sheet-two")];
  const first = connection.watch(old);
  connection.watch(two);
  await expect.poll(() => two.last()?.state).toBe("up");
  first.stop();
  const renewed = watcher("sheet-one", { token: "the-new-token-of-sheet-one" });
  connection.watch(renewed);
  await expect.poll(() => renewed.last()?.state).toBe("up");
  // The old token is revoked: the relay ends the conversation that it opened.
  sockets[0]?.socket.send(JSON.stringify({ kind: "refused", code: "unauthorized" } satisfies DownFrame));
  sockets[0]?.socket.close(4401);
  await expect.poll(() => sockets.length).toBe(2);
  await expect.poll(() => renewed.last()?.state).toBe("up");
  expect(renewed.links.map((link) => link.state)).not.toContain("refused");
});
