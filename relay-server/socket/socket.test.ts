import { connect } from "node:net";
import { text as textOf } from "node:stream/consumers";
import { limits } from "@sheetwire/shared/limits";
import { problemSchema, refusals } from "@sheetwire/shared/protocol";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import {
  bearer,
  dial,
  filled,
  greet,
  learn,
  letIn,
  openRelay,
  seqsOf,
  sheetsPost,
  signed,
  typed,
  type TestRelay,
  soon,
} from "../testing/testing.ts";

vi.setConfig({ testTimeout: 30_000 });

let relay: TestRelay;
let id: string;
let token: string;
let deviceId: string;
beforeEach(async () => {
  relay = await openRelay();
  ({ spreadsheetId: id, token, deviceId } = letIn(relay, "sheet-1"));
});
afterEach(() => relay.stop());

const cursorAt = async (seq: number) => {
  const head = await relay.log.head(id);
  return { epoch: head?.epoch ?? "", seq, chain: (await relay.log.chainAt(id, seq)) ?? "" };
};

describe("a conversation", () => {
  test("begins with hello and welcome, which names the limits", async () => {
    const client = await dial(relay.url);
    client.say({ kind: "hello", token, client: "test 1" });
    const welcome = await client.until("welcome");
    expect(welcome.limits.frameMaxBytes).toBe(limits.frameMaxBytes);
    client.say({ kind: "ping" });
    await client.until("pong");
  });

  test("brings a post to its watchers as changes, and how the sync stands", async () => {
    const { ingestKey } = letIn(relay, "sheet-2");
    const device = relay.access.addDevice("sheet-2", "panel", ["read"]);
    const client = await greet(relay.url, device?.token ?? "");
    client.say({ kind: "watch", spreadsheetId: "sheet-2" });
    const watching = await client.until("watching");
    expect(watching).toMatchObject({ seq: 0, recovered: false });
    const answer = await fetch(`${relay.url}/v1/spreadsheets/sheet-2/posts`, signed(ingestKey, sheetsPost("Ledger")));
    expect(answer.status).toBe(202);
    const { changes, chain } = await client.until("changes");
    expect(changes).toMatchObject([{ seq: 1, kind: "sheets", spreadsheet: { title: "Ledger" } }]);
    expect(chain).toBe(await relay.log.chainAt("sheet-2", 1));
    const status = await client.until("status", ({ facts }) => facts.script.lastHeardAt !== undefined);
    expect(status.facts.watchers).toBe(1);
  });

  test.each([
    ["no JSON", "{"],
    ["JSON of no frame", '{"kind":"dance"}'],
    ["a binary frame", Buffer.from('{"kind":"ping"}')],
    ["an array", "[]"],
    ["a second hello", JSON.stringify({ kind: "hello", token: "x".repeat(20), client: "again" })],
    ["a watch of no possible spreadsheet", JSON.stringify({ kind: "watch", spreadsheetId: "../etc" })],
    ["a cursor that is none", JSON.stringify({ kind: "watch", spreadsheetId: "sheet-1", cursor: { seq: -1 } })],
  ])("ends with malformed on %s", async (_, data) => {
    const client = await greet(relay.url, token);
    client.sayRaw(data);
    expect((await client.until("refused")).code).toBe("malformed");
    expect((await client.closed).code).toBe(refusals.malformed.closeCode);
  });

  test("ends when anything but hello or ping comes first", async () => {
    const client = await dial(relay.url);
    client.say({ kind: "watch", spreadsheetId: id });
    expect((await client.closed).code).toBe(refusals.malformed.closeCode);
  });

  test("ends with unauthorized when nobody made the token of hello or renew", async () => {
    const stranger = await dial(relay.url);
    stranger.say({ kind: "hello", token: "swd_nobody_made_this_token", client: "test" });
    expect((await stranger.until("refused")).code).toBe("unauthorized");
    expect((await stranger.closed).code).toBe(4401);
    const client = await greet(relay.url, token);
    client.say({ kind: "renew", token: "swd_nobody_made_this_token" });
    expect((await client.closed).code).toBe(4401);
  });

  test("refuses a watch that the token does not open, and goes on", async () => {
    const other = letIn(relay, "sheet-2");
    const client = await greet(relay.url, token);
    client.say({ kind: "watch", spreadsheetId: "sheet-2" });
    expect(await client.until("refused")).toMatchObject({ code: "unauthorized", spreadsheetId: "sheet-2" });
    client.say({ kind: "watch", spreadsheetId: "not-known-here" });
    await client.until("refused", (frame) => frame.spreadsheetId === "not-known-here");
    // With the right token beside it, the same socket takes it.
    client.say({ kind: "watch", spreadsheetId: "sheet-2", token: other.token });
    await client.until("watching", (frame) => frame.spreadsheetId === "sheet-2");
    client.say({ kind: "watch", spreadsheetId: id });
    await client.until("watching", (frame) => frame.spreadsheetId === id);
  });

  test("a store that does not answer ends one conversation with internal, and the relay goes on", async () => {
    const client = await greet(relay.url, token);
    const opens = relay.access.opens.bind(relay.access);
    relay.access.opens = () => {
      throw new Error("The store does not answer.");
    };
    client.say({ kind: "watch", spreadsheetId: id });
    expect((await client.closed).code).toBe(refusals.internal.closeCode);
    relay.access.opens = opens;
    const another = await greet(relay.url, token);
    another.say({ kind: "watch", spreadsheetId: id });
    await another.until("watching");
    expect(relay.lines.join("")).toContain('"msg":"fault"');
  });

  test("ends when a frame is larger than a reader may send", async () => {
    const client = await greet(relay.url, token);
    client.sayRaw(JSON.stringify({ kind: "hello", token, client: "x".repeat(limits.upFrameMaxBytes) }));
    expect((await client.closed).code).toBe(1009);
  });

  test("ends when far too many frames come", async () => {
    const client = await greet(relay.url, token);
    for (let at = 0; at < 3_000; at += 1) client.say({ kind: "ping" });
    expect((await client.closed).code).toBe(refusals["rate-limited"].closeCode);
  });

  test("takes so many watches and no more", async () => {
    const client = await greet(relay.url, token);
    const known = Array.from({ length: 60 }, (_, at) => letIn(relay, `sheet-many-${at}`));
    const rest = Array.from({ length: 41 }, (_, at) => letIn(relay, `sheet-more-${at}`));
    for (const one of known) client.say({ kind: "watch", spreadsheetId: one.spreadsheetId, token: one.token });
    await soon(() => expect(client.frames.filter((frame) => frame.kind === "watching")).toHaveLength(60));
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    for (const one of rest) client.say({ kind: "watch", spreadsheetId: one.spreadsheetId, token: one.token });
    expect(await client.until("refused")).toMatchObject({ code: "too-many-watches", spreadsheetId: "sheet-more-40" });
  });

  test("that stays without hello, or falls silent, is ended with silent; a ping keeps it", async () => {
    const mute = await dial(relay.url);
    const quiet = await greet(relay.url, token);
    const awake = await greet(relay.url, token);
    relay.skip(limits.helloWithinMs + 1_000);
    expect((await mute.closed).code).toBe(refusals.silent.closeCode);
    relay.skip(limits.socketSilentMs - limits.helloWithinMs - 3_000);
    awake.say({ kind: "ping" });
    await awake.until("pong");
    relay.skip(4_000);
    expect((await quiet.until("refused")).code).toBe("silent");
    expect((await quiet.closed).code).toBe(refusals.silent.closeCode);
    expect(awake.socket.readyState).toBe(WebSocket.OPEN);
  });
});

describe("resuming", () => {
  test("without a cursor a reader starts at the head and is told to take a snapshot", async () => {
    await learn(relay, id, typed("a"), typed("b"));
    const client = await greet(relay.url, token);
    client.say({ kind: "watch", spreadsheetId: id });
    expect(await client.until("watching")).toMatchObject({ ...(await cursorAt(2)), recovered: false });
    await learn(relay, id, typed("c"));
    await client.until("changes");
    expect(seqsOf(client.frames)).toEqual([3]);
  });

  test("with its cursor a reader gets exactly what it missed, also from inside an entry, and then what comes", async () => {
    await learn(relay, id, typed("a"));
    await learn(relay, id, typed("b"), typed("c"), typed("d"));
    await learn(relay, id, typed("e"));
    for (let seq = 0; seq <= 5; seq += 1) {
      const client = await greet(relay.url, token);
      client.say({ kind: "watch", spreadsheetId: id, cursor: await cursorAt(seq) });
      // `watching` names the head: how far there is to go.
      expect(await client.until("watching")).toMatchObject({ recovered: true, ...(await cursorAt(5)) });
      await soon(() => expect(seqsOf(client.frames)).toEqual([1, 2, 3, 4, 5].slice(seq)));
      const chains = client.frames.flatMap((frame) => (frame.kind === "changes" ? [frame.chain] : []));
      expect(chains.slice(-1)).toEqual(seq < 5 ? [(await cursorAt(5)).chain] : []);
      client.close();
      await client.closed;
    }
  });

  test("a cursor of another life, ahead of the log, of another chain, or from before what is kept is not recovered", async () => {
    await learn(relay, id, typed("a"));
    await learn(relay, id, typed("b"));
    const head = await cursorAt(2);
    const first = await cursorAt(1);
    await learn(relay, id, typed("c"));
    const client = await greet(relay.url, token);
    for (const cursor of [
      { ...head, epoch: "another" },
      { ...head, seq: 9 },
      { ...head, chain: "0123456789abcdef" },
      { ...head, seq: 1 },
    ]) {
      client.frames.length = 0;
      client.say({ kind: "watch", spreadsheetId: id, cursor });
      expect(await client.until("watching")).toMatchObject({ ...(await cursorAt(3)), recovered: false });
    }
    const state = { epoch: head.epoch, seq: 2, chain: head.chain };
    await relay.log.saveState(id, { head: state, lines: [] });
    await relay.log.trim(id, 2);
    client.frames.length = 0;
    client.say({ kind: "watch", spreadsheetId: id, cursor: first });
    expect(await client.until("watching")).toMatchObject({ recovered: false, seq: 3 });
    client.frames.length = 0;
    client.say({ kind: "watch", spreadsheetId: id, cursor: head });
    expect(await client.until("watching")).toMatchObject({ recovered: true, seq: 3 });
  });

  test("a sort of 100,000 rows, larger than any frame, is a refetch for those who listen and those who resume", async () => {
    const rows = 100_000;
    await learn(relay, id, ...filled(Array.from({ length: rows }, (_, row) => [row])));
    const live = await greet(relay.url, token);
    live.say({ kind: "watch", spreadsheetId: id });
    const { epoch, seq, chain } = await live.until("watching");
    const runs = Array.from({ length: rows }, (_, row) => ({ keep: [rows - 1 - row, 1] as [number, number] }));
    await learn(relay, id, { kind: "rows", sheetId: 7, runs });
    expect(await live.until("refetch")).toMatchObject({ spreadsheetId: id, reason: "change-too-large" });
    const later = await greet(relay.url, token);
    later.say({ kind: "watch", spreadsheetId: id, cursor: { epoch, seq, chain } });
    await later.until("refetch");
    const snapshot = await fetch(`${relay.url}/v1/spreadsheets/${id}/snapshot`, bearer(token));
    const [, first] = (await snapshot.text()).split("\n");
    expect(JSON.parse(first ?? "")).toMatchObject({ fromRow: 0, rows: expect.arrayContaining([[rows - 1]]) });
    await learn(relay, id, typed("after"));
    for (const client of [live, later]) {
      await client.until("changes", ({ changes }) => changes[0]?.seq === seq + 2);
      expect(seqsOf(client.frames)).toEqual([seq + 2]);
    }
  });

  test("a life that the log begins without a change is told at once to those who listen, and its changes follow", async () => {
    await learn(relay, id, typed("a"));
    const client = await greet(relay.url, token);
    client.say({ kind: "watch", spreadsheetId: id });
    const { epoch } = await client.until("watching");
    const anew = await relay.log.restart(id);
    const told = await client.until("watching", (frame) => frame.epoch !== epoch);
    expect(told).toMatchObject({ ...anew, recovered: false });
    await learn(relay, id, typed("b"));
    await client.until("changes");
    expect(seqsOf(client.frames)).toEqual([2]);
    expect(client.frames.filter(({ kind }) => kind === "watching")).toHaveLength(2);
  });

  test("after unwatch nothing more comes", async () => {
    const client = await greet(relay.url, token);
    client.say({ kind: "watch", spreadsheetId: id });
    await client.until("watching");
    client.say({ kind: "unwatch", spreadsheetId: id });
    client.say({ kind: "ping" });
    await client.until("pong");
    await learn(relay, id, typed("a"));
    client.frames.length = 0;
    client.say({ kind: "ping" });
    await client.until("pong");
    expect(seqsOf(client.frames)).toEqual([]);
  });

  test("what a reader says it took is counted as delivered", async () => {
    const client = await greet(relay.url, token);
    client.say({ kind: "watch", spreadsheetId: id });
    await client.until("watching");
    await learn(relay, id, typed("a"));
    await client.until("changes");
    client.say({ kind: "took", spreadsheetId: id, seq: 1 });
    client.say({ kind: "ping" });
    await client.until("pong");
    expect(await relay.metrics.registry.metrics()).toContain("sheetwire_took_seconds_count 1");
  });
});

describe("a slow reader", () => {
  test("is cut off with too-slow once its queue is full, and has lost nothing when it comes back", async () => {
    const client = await greet(relay.url, token);
    client.say({ kind: "watch", spreadsheetId: id });
    const { seq, epoch, chain } = await client.until("watching");
    client.socket.pause();
    const cells = Array.from({ length: 5 }, () => ["x".repeat(49_000)]);
    let count = 0;
    while ((await relay.metrics.watches.get()).values[0]?.value !== 0) {
      await learn({ log: relay.log }, id, { kind: "cells", sheetId: 7, at: { row: 0, column: 0 }, cells });
      count += 1;
      if (count > 200) throw new Error("The reader was never cut off.");
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await relay.metrics.registry.metrics()).toContain('sheetwire_feed_refusals_total{code="too-slow"} 1');
    client.socket.resume();
    expect((await client.closed).code).toBe(refusals["too-slow"].closeCode);
    const again = await greet(relay.url, token);
    again.say({ kind: "watch", spreadsheetId: id, cursor: { epoch, seq, chain } });
    await soon(() => expect(seqsOf(again.frames)).toEqual(Array.from({ length: count }, (_, at) => at + 1)));
  }, 30_000);

  test("that talks and takes nothing of what it missed is cut off with too-slow", async () => {
    const impatient = await openRelay({ log: relay.log, stalledMs: 1_000 });
    try {
      const { token: another } = letIn(impatient, id);
      const start = await cursorAt(0);
      const cells = Array.from({ length: 20 }, () => ["x".repeat(49_000)]);
      for (let at = 0; at < 24; at += 1) {
        await learn(relay, id, { kind: "cells", sheetId: 7, at: { row: 0, column: 0 }, cells });
      }
      const client = await greet(impatient.url, another);
      const pinging = setInterval(() => client.say({ kind: "ping" }), 50);
      client.say({ kind: "watch", spreadsheetId: id, cursor: start });
      await client.until("watching");
      client.socket.pause();
      const counted = 'sheetwire_feed_refusals_total{code="too-slow"} 1';
      await soon(async () => expect(await impatient.metrics.registry.metrics()).toContain(counted));
      clearInterval(pinging);
      expect((await impatient.metrics.watches.get()).values[0]?.value).toBe(0);
      impatient.skip(6_000);
      await soon(async () => expect((await impatient.metrics.sockets.get()).values[0]?.value).toBe(0));
      client.socket.resume();
    } finally {
      await impatient.stop();
    }
  });

  test("that takes not even the goodbye is cut all the same", async () => {
    const client = await greet(relay.url, token);
    client.say({ kind: "watch", spreadsheetId: id });
    await client.until("watching");
    client.socket.pause();
    relay.access.revokeDevice(id, deviceId);
    relay.skip(6_000);
    await soon(async () => expect((await relay.metrics.sockets.get()).values[0]?.value).toBe(0));
  });
});

describe("access", () => {
  test("a revoked device's sockets are closed", async () => {
    const client = await greet(relay.url, token);
    client.say({ kind: "watch", spreadsheetId: id });
    await client.until("watching");
    relay.access.revokeDevice(id, deviceId);
    expect((await client.until("refused")).code).toBe("unauthorized");
    expect((await client.closed).code).toBe(4401);
  });

  test("only the watch ends whose own token was revoked", async () => {
    const other = letIn(relay, "sheet-2");
    const client = await greet(relay.url, token);
    client.say({ kind: "watch", spreadsheetId: id });
    client.say({ kind: "watch", spreadsheetId: "sheet-2", token: other.token });
    await client.until("watching", (frame) => frame.spreadsheetId === "sheet-2");
    relay.access.revokeDevice("sheet-2", other.deviceId);
    expect(await client.until("refused")).toMatchObject({ code: "unauthorized", spreadsheetId: "sheet-2" });
    await learn(relay, "sheet-2", typed("not for you"));
    await learn(relay, id, typed("for you"));
    await client.until("changes");
    expect(client.frames.filter((frame) => frame.kind === "changes").map((frame) => frame.spreadsheetId)).toEqual([id]);
  });

  test("of a removed spreadsheet nobody hears more", async () => {
    const client = await greet(relay.url, token);
    client.say({ kind: "watch", spreadsheetId: id });
    await client.until("watching");
    relay.access.removeSpreadsheet(id);
    expect((await client.closed).code).toBe(4401);
  });
});

describe("the upgrade", () => {
  const answerTo = (path: string, headers: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const { port } = new URL(relay.url);
      const socket = connect(Number(port), "127.0.0.1", () =>
        socket.write(
          `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${headers}\r\n`,
        ),
      );
      let text = "";
      socket.on("data", (data) => (text += data.toString()));
      socket.on("close", () => resolve(text));
      socket.on("error", reject);
    });

  test("is refused elsewhere, and without the feed's subprotocol", async () => {
    expect(await answerTo("/v1/other", "")).toMatch(/^HTTP\/1\.1 404 .*"code":"not-found"/s);
    expect(await answerTo("/v1/feed", "")).toMatch(/^HTTP\/1\.1 400 .*sheetwire\.v1/s);
    expect(await answerTo("/v1/feed", "Sec-WebSocket-Protocol: chat\r\n")).toMatch(/^HTTP\/1\.1 400 /);
  });
});

describe("stopping", () => {
  test("every reader is told, keeps its cursor, and resumes at another relay over the same log", async () => {
    const client = await greet(relay.url, token);
    client.say({ kind: "watch", spreadsheetId: id });
    await client.until("watching");
    await learn(relay, id, typed("a"));
    await client.until("changes");
    const cursor = await cursorAt(1);
    await relay.stop();
    expect((await client.until("refused")).code).toBe("shutting-down");
    expect((await client.closed).code).toBe(1012);
    await expect(dial(relay.url)).rejects.toThrow();
    const next = await openRelay({ log: relay.log });
    const { token: another } = letIn(next, id);
    await learn(next, id, typed("b"));
    const again = await greet(next.url, another);
    again.say({ kind: "watch", spreadsheetId: id, cursor });
    expect(await again.until("watching")).toMatchObject({ recovered: true });
    await again.until("changes");
    expect(seqsOf(again.frames)).toEqual([2]);
    await next.stop();
  });
});

test("a reader may take up as many watches as welcome says, at once", async () => {
  const known = Array.from({ length: limits.socketMaxWatches }, (_, at) => letIn(relay, `sheet-many-${at}`));
  const client = await greet(relay.url, token);
  for (const one of known) client.say({ kind: "watch", spreadsheetId: one.spreadsheetId, token: one.token });
  const answered = () => client.frames.filter(({ kind }) => kind === "watching" || kind === "refused");
  await soon(() => expect(answered()).toHaveLength(known.length));
  expect(answered().filter(({ kind }) => kind === "refused")).toEqual([]);
});

test("a refused upgrade is let go, whatever its other end does, and keeps no relay from stopping", async () => {
  const another = await openRelay();
  const head = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13";
  const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
  const ask = `GET /nowhere HTTP/1.1\r\nHost: x\r\n${head}\r\n${key}\r\n\r\n`;
  const sockets = [true, false].map((allowHalfOpen) =>
    connect({ port: Number(new URL(another.url).port), host: "127.0.0.1", allowHalfOpen }),
  );
  for (const socket of sockets) {
    socket.on("error", () => {});
    socket.write(ask);
    await new Promise((resolve) => socket.once("data", resolve));
  }
  sockets[1]?.write("x");
  sockets[1]?.destroy();
  const stopped = another.stop().then(() => true);
  const isStopped = await Promise.race([stopped, new Promise((resolve) => setTimeout(() => resolve(false), 12_000))]);
  for (const socket of sockets) socket.destroy();
  expect(isStopped).toBe(true);
});

test("an upgrade that is not well asked for is refused with a problem document, and told the version", async () => {
  const right = {
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol": "sheetwire.v1",
  };
  for (const [method, wrong] of [
    ["GET", { "Sec-WebSocket-Version": "12" }],
    ["GET", { "Sec-WebSocket-Key": "short" }],
    ["GET", { "Sec-WebSocket-Protocol": "sheetwire.v1, sheetwire.v1" }],
    ["POST", {}],
  ] as const) {
    const socket = connect(Number(new URL(relay.url).port), "127.0.0.1");
    const lines = Object.entries({ ...right, ...wrong }).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(
      `${method} /v1/feed HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${lines.join("")}\r\n`,
    );
    const [head = "", body = ""] = (await textOf(socket)).split("\r\n\r\n");
    expect(head).toMatch(/^HTTP\/1\.1 400 .*application\/problem\+json.*Sec-WebSocket-Version: 13/s);
    expect(problemSchema.parse(JSON.parse(body)).code).toBe("malformed");
  }
});

test("an upgrade that was asked for before the answer to a post is there is none, and both have an answer in turn", async () => {
  const { ingestKey } = letIn(relay, "sheet-2");
  const { headers, body } = signed(ingestKey, sheetsPost("Ledger"));
  const head = Object.entries({ ...headers, "Content-Length": Buffer.byteLength(body) }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  const post = `POST /v1/spreadsheets/sheet-2/posts HTTP/1.1\r\nHost: x\r\n${head.join("\r\n")}\r\n\r\n${String(body)}`;
  const upgrade = [
    "GET /v1/feed HTTP/1.1",
    "Host: x",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol: sheetwire.v1",
    "",
    "",
  ].join("\r\n");
  const socket = connect(Number(new URL(relay.url).port), "127.0.0.1");
  let heard = "";
  socket.on("data", (data) => (heard += data.toString("latin1")));
  const statuses = () => [...heard.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status);
  socket.write(post + upgrade);
  await soon(() => expect(statuses()).toEqual(["202", "404"]));
  // Once they are given it may.
  socket.write(upgrade);
  await soon(() => expect(statuses()).toEqual(["202", "404", "101"]));
  socket.destroy();
});

test("a refused upgrade behind answers that nobody takes keeps no relay from stopping", async () => {
  const another = await openRelay();
  const socket = connect(Number(new URL(another.url).port), "127.0.0.1");
  socket.on("error", () => {});
  socket.pause();
  // Asked all at once, since the relay reads no further while answers wait; too many for any network on the way.
  const asks = 1_400;
  socket.write("GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(asks));
  await soon(() => expect(another.lines.some((line) => line.includes("openapi.json"))).toBe(true));
  await new Promise((resolve) => setTimeout(resolve, 500));
  socket.write("GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  await new Promise((resolve) => setTimeout(resolve, 200));
  const stopped = another.stop().then(() => true);
  const isStopped = await Promise.race([stopped, new Promise((resolve) => setTimeout(() => resolve(false), 12_000))]);
  socket.destroy();
  expect(isStopped).toBe(true);
});

test("one socket whose many watches resume at once is not called too slow while it reads", async () => {
  const cells = Array.from({ length: 5 }, () => ["x".repeat(49_000)]);
  const large = { kind: "cells" as const, sheetId: 7, at: { row: 0, column: 0 }, cells };
  const known = Array.from({ length: 60 }, (_, at) => letIn(relay, `sheet-large-${at}`));
  const cursors: Awaited<ReturnType<typeof relay.log.create>>[] = [];
  for (const { spreadsheetId } of known) {
    cursors.push(await relay.log.create(spreadsheetId));
    for (let at = 0; at < 4; at += 1) await learn(relay, spreadsheetId, large);
  }
  const client = await greet(relay.url, token);
  client.say({ kind: "watch", spreadsheetId: id });
  await client.until("watching");
  known.forEach((one, at) => {
    client.say({ kind: "watch", spreadsheetId: one.spreadsheetId, token: one.token, cursor: cursors[at] });
  });
  for (let at = 0; at < 100; at += 1) {
    await learn(relay, id, typed(`${at}`));
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await soon(() =>
    expect(
      seqsOf(client.frames.filter((frame) => frame.kind === "changes" && frame.spreadsheetId === id)),
    ).toHaveLength(100),
  );
  expect(client.frames.filter(({ kind }) => kind === "refused")).toEqual([]);
});
