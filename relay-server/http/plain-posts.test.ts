/** Posts before HTTP: one by one, in pieces, in a heap, among other requests; and what is no plain post. */
import { createConnection, createServer, type AddressInfo, type Socket } from "node:net";
import { limits } from "@sheetwire/shared/limits";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { letIn, openRelay, sheetsPost, signed, soon, type TestRelay } from "../testing/testing.ts";
import { readPlainHead } from "./plain-head.ts";
import { createPlainPosts } from "./plain-posts.ts";

type Line = { socket: Socket; heard: () => string; isClosed: () => boolean };

async function dial(port: number): Promise<Line> {
  const socket = createConnection({ port, host: "127.0.0.1", allowHalfOpen: true });
  let text = "";
  let isClosed = false;
  socket.on("data", (data) => (text += data.toString()));
  socket.on("end", () => socket.end());
  socket.on("close", () => (isClosed = true));
  socket.on("error", () => (isClosed = true));
  await new Promise((resolve) => socket.on("connect", resolve));
  return { socket, heard: () => text, isClosed: () => isClosed };
}
const statusesIn = (text: string): string[] =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status ?? "");

const headOf = (headers: Record<string, string>): string =>
  [
    "POST /v1/spreadsheets/sheet-1/posts HTTP/1.1",
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    "",
    "",
  ].join("\r\n");

describe("at the relay", () => {
  let relay: TestRelay;
  let ingestKey: string;
  let port: number;
  beforeEach(async () => {
    relay = await openRelay();
    ({ ingestKey } = letIn(relay, "sheet-1"));
    port = Number(new URL(relay.url).port);
  });
  afterEach(() => relay.stop());

  function postOf(title: string, over: Record<string, string> = {}): string {
    const text = sheetsPost(title);
    const { headers } = signed(ingestKey, text);
    return `${headOf({ Host: "x", ...headers, "Content-Length": String(Buffer.byteLength(text)), ...over })}${text}`;
  }
  const taken = async (): Promise<number | undefined> =>
    (await relay.metrics.posts.get()).values.find(({ labels }) => labels["outcome"] === "taken")?.value;

  test("several posts that come in one piece are answered each in its turn", async () => {
    const { socket, heard } = await dial(port);
    socket.write(postOf("one") + postOf("two") + postOf("three"));
    await soon(() => expect(statusesIn(heard())).toEqual(["202", "202", "202"]));
    expect(await taken()).toBe(3);
    socket.destroy();
  });

  test("a post cut anywhere is taken once", async () => {
    const length = postOf("title 0").length;
    const cuts = [1, 30, 60, 200, postOf("title 0").indexOf("\r\n\r\n") + 2, length - 40, length - 1];
    for (const [at, cut] of cuts.entries()) {
      const { socket, heard } = await dial(port);
      const text = postOf(`title ${at}`);
      socket.setNoDelay(true);
      socket.write(text.slice(0, cut));
      await new Promise((resolve) => setTimeout(resolve, 20));
      socket.write(text.slice(cut));
      await soon(() => expect(statusesIn(heard())).toEqual(["202"]));
      expect(await taken()).toBe(at + 1);
      socket.destroy();
    }
  });

  test("posts and other requests share a connection, whichever comes first", async () => {
    const get = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
    const { socket, heard } = await dial(port);
    socket.write(postOf("one") + get + postOf("two") + get);
    await soon(() => expect(statusesIn(heard())).toEqual(["202", "200", "202", "200"]));
    const chunked = postOf("three").replace(/Content-Length: \d+/, "Transfer-Encoding: chunked");
    const [head = "", body = ""] = chunked.split("\r\n\r\n");
    socket.write(`${head}\r\n\r\n${Buffer.byteLength(body).toString(16)}\r\n${body}\r\n0\r\n\r\n`);
    await soon(() => expect(statusesIn(heard())).toHaveLength(5));
    expect(await taken()).toBe(3);
    socket.destroy();
  });

  test("whoever says no more after a post still gets the answer, and then the connection ends", async () => {
    const { socket, heard, isClosed } = await dial(port);
    socket.end(postOf("one"));
    await soon(() => expect(isClosed()).toBe(true));
    expect(statusesIn(heard())).toEqual(["202"]);
  });

  test("an answer says what an answer of HTTP says", async () => {
    const { socket, heard } = await dial(port);
    socket.write(postOf("one"));
    await soon(() => expect(heard()).toContain('"wants"'));
    const [head = "", body = ""] = heard().split("\r\n\r\n");
    const names = head.split("\r\n").map((line) => line.split(":")[0]?.toLowerCase());
    expect(names).toEqual(expect.arrayContaining(["date", "content-type", "cache-control", "x-content-type-options"]));
    expect(head).toContain(`content-length: ${Buffer.byteLength(body)}`);
    socket.destroy();
  });

  test("a body that takes a minute is not waited for", async () => {
    const { socket, heard, isClosed } = await dial(port);
    const text = postOf("one");
    socket.write(text.slice(0, -20));
    await new Promise((resolve) => setTimeout(resolve, 50));
    relay.skip(61_000);
    socket.write(text.slice(-20, -10));
    await soon(() => expect(isClosed()).toBe(true));
    expect(statusesIn(heard())).toEqual(["408"]);
    expect(await taken()).toBeUndefined();
  });

  test("when the relay stops, connections on which nothing is under way end", async () => {
    const { socket, heard, isClosed } = await dial(port);
    socket.write(postOf("one"));
    await soon(() => expect(statusesIn(heard())).toEqual(["202"]));
    await relay.stop();
    await soon(() => expect(isClosed()).toBe(true));
  });
});

describe("a head that is not plain is left to a parser", () => {
  const HEADERS = {
    Host: "x",
    "Content-Type": "application/json",
    "webhook-id": "msg_1",
    "webhook-timestamp": "1",
    "webhook-signature": "v1,x",
    "Content-Length": "10",
  };
  const read = (text: string) => readPlainHead(Buffer.from(text, "latin1"));

  test("a plain one is read", () => {
    expect(read(`${headOf({ ...HEADERS, "X-Forwarded-For": "::1", Connection: "Keep-Alive" })}body`)).toEqual({
      spreadsheetId: "sheet-1",
      headers: { "webhook-id": "msg_1", "webhook-timestamp": "1", "webhook-signature": "v1,x" },
      from: headOf({ ...HEADERS, "X-Forwarded-For": "::1", Connection: "Keep-Alive" }).length,
      length: 10,
    });
  });

  test.each<[string, string]>([
    ["without an end", headOf(HEADERS).slice(0, -2)],
    ["with two lengths", headOf({ ...HEADERS, "content-length": "9" })],
    ["with a length that is no number", headOf({ ...HEADERS, "Content-Length": "+10" })],
    ["with several lengths in one", headOf({ ...HEADERS, "Content-Length": "10, 10" })],
    ["with a length that is too large", headOf({ ...HEADERS, "Content-Length": String(limits.postMaxBytes + 1) })],
    ["with a length and chunks", headOf({ ...HEADERS, "Transfer-Encoding": "chunked" })],
    ["that waits to be told to go on", headOf({ ...HEADERS, Expect: "100-continue" })],
    ["with an encoded body", headOf({ ...HEADERS, "Content-Encoding": "gzip" })],
    ["that wants the connection closed", headOf({ ...HEADERS, Connection: "close" })],
    ["that wants another protocol", headOf({ ...HEADERS, Connection: "keep-alive, Upgrade", Upgrade: "x" })],
    ["of HTTP/1.0", headOf(HEADERS).replace("HTTP/1.1", "HTTP/1.0")],
    ["of another method", headOf(HEADERS).replace("POST", "PUT")],
    ["to another path", headOf(HEADERS).replace("/posts", "/posts?x=1")],
    ["with a space before a colon", headOf({ ...HEADERS, "X-Odd ": "1" })],
    ["with a folded line", headOf(HEADERS).replace("Host: x", "Host: x\r\n y")],
    ["with a bare line feed", headOf(HEADERS).replace("Host: x", "Host: x\nContent-Length: 3")],
    ["with a bare carriage return", headOf(HEADERS).replace("Host: x", "Host: x\rContent-Length: 3")],
    ["with a zero byte", headOf({ ...HEADERS, "X-Odd": "\0" })],
    ["without a host", headOf(HEADERS).replace("Host: x\r\n", "")],
    ["with two hosts", headOf({ ...HEADERS, host: "y" })],
    ["with two signatures in two lines", headOf({ ...HEADERS, "Webhook-Signature": "v1,y" })],
    ["without a signature", headOf({ ...HEADERS, "webhook-signature": "" })],
    ["of another type", headOf({ ...HEADERS, "Content-Type": "text/plain" })],
    ["longer than any of ours", headOf({ ...HEADERS, "X-Long": "x".repeat(5_000) })],
  ])("%s", (_name, text) => {
    expect(read(`${text}0123456789`)).toBeUndefined();
  });
});

test("a body that breaks off, or never comes, gives back the room that was kept for it", async () => {
  const reading = { bytes: 0 };
  const plain = createPlainPosts({
    take: async () => ({ ok: true, answer: "{}" }),
    taken: () => {},
    refused: () => ({ status: 408, body: "", retryAfter: undefined }),
    reading,
    headers: {},
    onFault: (error) => {
      throw error;
    },
    isStopping: () => false,
    elapsed: () => performance.now(),
    now: () => Date.now(),
    timeouts: { headersTimeout: 200, requestTimeout: 10_000, keepAliveTimeout: 200 },
  });
  const server = createServer((socket) => plain.connected(socket, () => socket.destroy()));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const signedHeaders = { "webhook-id": "msg_1", "webhook-timestamp": "1", "webhook-signature": "v1,x" };
  const head = headOf({ Host: "x", "Content-Type": "application/json", ...signedHeaders, "Content-Length": "1000" });
  const broken = await dial(port);
  broken.socket.write(`${head}{`);
  await soon(() => expect(reading.bytes).toBe(1000));
  broken.socket.destroy();
  await soon(() => expect(reading.bytes).toBe(0));
  const slow = await dial(port);
  slow.socket.write(`${head}{`);
  await soon(() => expect(reading.bytes).toBe(1000));
  await soon(() => expect(slow.isClosed()).toBe(true));
  expect(statusesIn(slow.heard())).toEqual(["408"]);
  const silent = await dial(port);
  await soon(() => expect(silent.isClosed()).toBe(true));
  const whole = await dial(port);
  whole.socket.write(`${head}${"x".repeat(300)}`);
  await soon(() => expect(reading.bytes).toBe(1000));
  whole.socket.write("x".repeat(700));
  await soon(() => expect(statusesIn(whole.heard())).toEqual(["202"]));
  expect(reading.bytes).toBe(0);
  plain.endAll();
  await new Promise((resolve) => server.close(resolve));
});
