import { request, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { limits } from "@sheetwire/shared/limits";
import { downFrameSchema } from "@sheetwire/shared/protocol";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { bearer, filled, learn, letIn, openRelay, typed, type TestRelay, soon } from "../testing/testing.ts";

vi.setConfig({ testTimeout: 30_000 });

let relay: TestRelay;
let token: string;
let deviceId: string;
const id = "sheet-1";
const streams: IncomingMessage[] = [];
beforeEach(async () => {
  relay = await openRelay();
  ({ token, deviceId } = letIn(relay, id));
});
afterEach(async () => {
  for (const one of streams.splice(0)) one.destroy();
  await relay.stop();
});

type Event = { id?: string; event: string; data: string };

/** Follows as `curl -N` does. */
async function follow(more: Record<string, string> = {}, query = "") {
  const events: Event[] = [];
  const { headers } = bearer(token, { accept: "text/event-stream", ...more });
  const answer = await new Promise<IncomingMessage>((resolve, reject) =>
    request(`${relay.url}/v1/spreadsheets/${id}/changes${query}`, { headers }, resolve).on("error", reject).end(),
  );
  streams.push(answer);
  let text = "";
  let ended = false;
  answer.on("error", () => {});
  answer.on("data", (piece: Buffer) => {
    text += piece.toString();
    const blocks = text.split("\n\n");
    text = blocks.pop() ?? "";
    for (const block of blocks) {
      if (block.startsWith(":")) continue;
      const fields = Object.fromEntries(
        block.split("\n").map((line) => line.split(/: (.*)/s).slice(0, 2) as [string, string]),
      );
      events.push(fields as unknown as Event);
    }
  });
  answer.on("close", () => (ended = true));
  const seqs = (): number[] =>
    events.flatMap(({ event, data }) => {
      if (event !== "changes") return [];
      const frame = downFrameSchema.parse(JSON.parse(data));
      return frame.kind === "changes" ? frame.changes.map((change) => change.seq) : [];
    });
  return { answer, events, seqs, hasEnded: () => ended };
}

test("an event stream begins where it stands and brings what comes, with ids to resume from", async () => {
  await learn(relay, id, ...filled([["a"]]));
  const stream = await follow();
  expect(stream.answer.headers["content-type"]).toContain("text/event-stream");
  await soon(() => expect(stream.events[0]?.event).toBe("watching"));
  await learn(relay, id, typed("b\nwith lines"), typed("c"));
  await soon(() => expect(stream.seqs()).toEqual([3, 4]));
  await soon(() => expect(stream.events.some((one) => one.event === "status")).toBe(true));
  const last = stream.events.findLast((one) => one.event === "changes")?.id ?? "";
  stream.answer.destroy();
  await learn(relay, id, typed("d"));
  const again = await follow({ "last-event-id": last });
  await soon(() => expect(again.seqs()).toEqual([5]));
  expect(JSON.parse(again.events[0]?.data ?? "")).toMatchObject({ recovered: true, seq: 5 });
  // The id of the beginning is the reader's place, not the head: nothing is skipped by resuming from it.
  expect(again.events[0]?.id).toBe(last);
});

test("an event stream from a place in another life of the log is refused, as a page is", async () => {
  await learn(relay, id, ...filled([["a"]]), typed("b"));
  const before = await relay.log.head(id);
  const after = await relay.log.restart(id);
  await learn(relay, id, typed("c"), typed("d"), typed("e"), typed("f"));
  for (const accept of ["application/json", "text/event-stream"]) {
    const gone = await follow({ accept }, `?since=${before?.seq}&epoch=${before?.epoch}`);
    expect(gone.answer.statusCode).toBe(410);
  }
  const stream = await follow({}, `?since=${before?.seq}&epoch=${after?.epoch}`);
  await soon(() => expect(stream.seqs()).toEqual([4, 5, 6, 7]));
});

test("a change larger than a frame is a refetch event, and its id resumes behind it", async () => {
  await learn(relay, id, ...filled([["a"]]));
  const stream = await follow();
  await soon(() => expect(stream.events[0]?.event).toBe("watching"));
  const cells = Array.from({ length: 30 }, () => ["x".repeat(49_000)]);
  await learn(relay, id, { kind: "cells", sheetId: 7, at: { row: 0, column: 0 }, cells });
  await soon(() => expect(stream.events.some(({ event }) => event === "refetch")).toBe(true));
  const told = stream.events.find(({ event }) => event === "refetch");
  expect(downFrameSchema.parse(JSON.parse(told?.data ?? ""))).toMatchObject({ reason: "change-too-large" });
  await learn(relay, id, typed("next"));
  const again = await follow({ "last-event-id": told?.id ?? "" });
  for (const one of [stream, again]) await soon(() => expect(one.seqs()).toEqual([4]));
  expect(again.events.filter(({ event }) => event === "refetch")).toEqual([]);
});

test("since begins anywhere in the log, and an id of another life says to start afresh", async () => {
  await learn(relay, id, typed("a"), typed("b"));
  const stream = await follow({}, "?since=1");
  await soon(() => expect(stream.seqs()).toEqual([2]));
  const other = await follow({ "last-event-id": "another:1:0123456789abcdef" });
  await soon(() => expect(other.events[0]).toBeDefined());
  expect(JSON.parse(other.events[0]?.data ?? "")).toMatchObject({ recovered: false, seq: 2 });
});

test("a life that the log begins without a change is told at once, and its changes follow", async () => {
  await learn(relay, id, typed("a"));
  const stream = await follow();
  await soon(() => expect(stream.events[0]?.event).toBe("watching"));
  const anew = await relay.log.restart(id);
  const beginnings = (): unknown[] =>
    stream.events.filter(({ event }) => event === "watching").map(({ data }) => JSON.parse(data));
  await soon(() => expect(beginnings()).toHaveLength(2));
  expect(beginnings()[1]).toMatchObject({ ...anew, recovered: false });
  await learn(relay, id, typed("b"));
  await soon(() => expect(stream.seqs()).toEqual([2]));
  expect(beginnings()).toHaveLength(2);
  expect(stream.events.findLast(({ event }) => event === "changes")?.id).toMatch(new RegExp(`^${anew?.epoch}:2:`));
});

test("an id that no stream gave is malformed, and a since beyond the log is gone", async () => {
  expect((await follow({ "last-event-id": "yesterday" })).answer.statusCode).toBe(400);
  expect((await follow({}, "?since=9")).answer.statusCode).toBe(410);
});

test("a revoked device's stream ends with the reason", async () => {
  const stream = await follow();
  await soon(() => expect(stream.events[0]?.event).toBe("watching"));
  relay.access.revokeDevice(id, deviceId);
  await soon(() => expect(stream.hasEnded()).toBe(true));
  expect(stream.events.at(-1)).toMatchObject({ event: "refused" });
  expect(JSON.parse(stream.events.at(-1)?.data ?? "")).toMatchObject({ code: "unauthorized" });
  await learn(relay, id, typed("not for you"));
  expect(stream.seqs()).toEqual([]);
});

test("a stream ends when the relay stops, and the relay does not wait for it", async () => {
  const stream = await follow();
  await soon(() => expect(stream.events[0]?.event).toBe("watching"));
  const before = performance.now();
  await relay.stop();
  expect(performance.now() - before).toBeLessThan(4_000);
  await soon(() => expect(stream.hasEnded()).toBe(true));
  expect(JSON.parse(stream.events.at(-1)?.data ?? "")).toMatchObject({ code: "shutting-down", nextStep: "redial" });
});

test("a reader that stops reading is cut off before it holds more than its share of memory", async () => {
  const stream = await follow();
  await soon(() => expect(stream.events[0]?.event).toBe("watching"));
  stream.answer.pause();
  const cells = Array.from({ length: 5 }, () => ["x".repeat(49_000)]);
  const change = { kind: "cells", sheetId: 7, at: { row: 0, column: 0 }, cells } as const;
  const most = (3 * limits.readerQueueMaxBytes) / 245_000;
  for (let at = 0; at < most; at += 1) {
    await learn({ log: relay.log }, id, change);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await soon(async () => {
    const watches = await relay.metrics.watches.get();
    expect(watches.values[0]?.value).toBe(0);
  });
  stream.answer.resume();
  await soon(() => expect(stream.hasEnded()).toBe(true));
});

test("a reader that takes nothing is cut off long before its queue is full, also one that goes on talking", async () => {
  const impatient = await openRelay({ stalledMs: 1_000 });
  const ask = (): Socket => {
    const socket = connect(Number(new URL(impatient.url).port), "127.0.0.1");
    const head = `Host: x\r\nAuthorization: Bearer ${one.token}\r\nAccept: text/event-stream`;
    socket.write(`GET /v1/spreadsheets/${id}/changes HTTP/1.1\r\n${head}\r\n\r\n`);
    return socket.on("error", () => {}).pause();
  };
  const one = letIn(impatient, id);
  const [frozen, talking] = [ask(), ask()];
  // Another request behind the one that is being answered.
  const talk = setInterval(() => talking.write("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
  const watches = async (): Promise<number | undefined> => (await impatient.metrics.watches.get()).values[0]?.value;
  try {
    await soon(async () => expect(await watches()).toBe(2));
    const cells = Array.from({ length: 20 }, () => ["x".repeat(49_000)]);
    for (let at = 0; at < 9; at += 1) {
      await learn({ log: impatient.log }, id, { kind: "cells", sheetId: 7, at: { row: 0, column: 0 }, cells });
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(await watches()).toBe(2);
    await soon(async () => expect(await watches()).toBe(0));
  } finally {
    clearInterval(talk);
    for (const socket of [frozen, talking]) socket.destroy();
    await impatient.stop();
  }
});

test("access that changes again and again while a revoked stream's goodbye is stuck ends nothing else", async () => {
  await learn(relay, id, typed("a"));
  const stream = await follow();
  await soon(() => expect(stream.events[0]?.event).toBe("watching"));
  stream.answer.socket.pause();
  const uncaught: unknown[] = [];
  const others = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => uncaught.push(error));
  try {
    const cells = Array.from({ length: 20 }, () => ["x".repeat(49_000)]);
    for (let at = 0; at < 7; at += 1) {
      await learn({ log: relay.log }, id, { kind: "cells", sheetId: 7, at: { row: 0, column: 0 }, cells });
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    relay.access.revokeDevice(id, deviceId);
    for (let at = 0; at < 4; at += 1) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      relay.access.addDevice(id, `another ${at}`, ["read"]);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  } finally {
    process.removeAllListeners("uncaughtException");
    for (const one of others) process.on("uncaughtException", one);
  }
  expect(uncaught).toEqual([]);
});

test.each([
  ["a reader that goes", (socket: Socket) => void socket.destroy()],
  ["a token that is revoked", () => void relay.access.revokeDevice(id, deviceId)],
] as const)("%s while the log is looked at opens no stream", async (_name, meanwhile) => {
  await learn(relay, id, ...filled([["a"]]));
  const head = relay.log.head.bind(relay.log);
  const looked = vi.spyOn(relay.log, "head").mockImplementationOnce(async (spreadsheetId) => {
    await new Promise((resolve) => setTimeout(resolve, 100));
    return head(spreadsheetId);
  });
  const socket = connect(Number(new URL(relay.url).port), "127.0.0.1");
  let heard = "";
  socket.on("data", (data) => (heard += data.toString()));
  const lines = ["Host: x", `Authorization: Bearer ${token}`, "Accept: text/event-stream"];
  socket.write(`GET /v1/spreadsheets/${id}/changes HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
  await soon(() => expect(looked).toHaveBeenCalled());
  meanwhile(socket);
  await new Promise((resolve) => setTimeout(resolve, 300));
  await learn(relay, id, typed("secret"));
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect((await relay.metrics.watches.get()).values[0]?.value ?? 0).toBe(0);
  expect(heard).not.toContain("secret");
  socket.destroy();
});
