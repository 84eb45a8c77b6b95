/** The door for posts at the level of bytes: what it says before it has read them, and when it hangs up. */
import { createConnection, type Socket } from "node:net";
import { limits } from "@sheetwire/shared/limits";
import { problemSchema } from "@sheetwire/shared/protocol";
import { afterEach, beforeEach, expect, test } from "vitest";
import { letIn, openRelay, sheetsPost, signed, soon, type TestRelay } from "../testing/testing.ts";

let relay: TestRelay;
let ingestKey: string;
beforeEach(async () => {
  relay = await openRelay();
  ({ ingestKey } = letIn(relay, "sheet-1"));
});
afterEach(() => relay.stop());

/** A connection that keeps all it hears. */
async function dial(): Promise<{ socket: Socket; heard: () => string; isClosed: () => boolean }> {
  const socket = createConnection(Number(new URL(relay.url).port), "127.0.0.1");
  let text = "";
  let isClosed = false;
  socket.on("data", (data) => (text += data.toString()));
  socket.on("close", () => (isClosed = true));
  socket.on("error", () => (isClosed = true));
  await new Promise((resolve) => socket.on("connect", resolve));
  return { socket, heard: () => text, isClosed: () => isClosed };
}

const headersOf = (headers: Record<string, string>, length: number, path = "/v1/spreadsheets/sheet-1/posts"): string =>
  [
    `POST ${path} HTTP/1.1`,
    "Host: x",
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    `Content-Length: ${length}`,
    "",
    "",
  ].join("\r\n");

const statusesIn = (text: string): string[] =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status ?? "");

test("what is too large, or claims to be nobody, is refused before its body comes, and the connection ends", async () => {
  const { headers } = signed(ingestKey, "x");
  for (const [asked, length, status] of [
    [headers, limits.postMaxBytes + 1, "413"],
    [{ "content-type": "application/json" }, 100, "401"],
    [{ ...headers, "content-type": "text/plain" }, 100, "415"],
  ] as const) {
    const { socket, heard, isClosed } = await dial();
    socket.write(headersOf(asked, length));
    await soon(() => expect(statusesIn(heard())).toEqual([status]));
    await soon(() => expect(isClosed()).toBe(true));
    expect(problemSchema.parse(JSON.parse(heard().split("\r\n\r\n")[1] ?? "")).status).toBe(Number(status));
  }
});

test("posts follow each other on one connection; one that only ever tries is hung up on", async () => {
  const { socket, heard, isClosed } = await dial();
  for (let at = 1; at <= 3; at += 1) {
    const { headers, body } = signed(ingestKey, sheetsPost(`title ${at}`));
    socket.write(`${headersOf(headers, Buffer.byteLength(body))}${String(body)}`);
    await soon(() => expect(statusesIn(heard())).toHaveLength(at));
  }
  expect(statusesIn(heard())).toEqual(["202", "202", "202"]);
  expect(isClosed()).toBe(false);
  for (let at = 1; !isClosed() && at <= 100; at += 1) {
    const { headers } = signed("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "{}");
    socket.write(`${headersOf(headers, 2)}{}`);
    await soon(() => expect(isClosed() || statusesIn(heard()).length === 3 + at).toBe(true));
  }
  const refused = statusesIn(heard()).slice(3);
  expect(new Set(refused)).toEqual(new Set(["401"]));
  expect(refused.length).toBeLessThan(50);
});

test("a body that breaks off, or comes in pieces and without its length, leaves nothing behind", async () => {
  const { headers, body } = signed(ingestKey, sheetsPost("Ledger"));
  const broken = await dial();
  broken.socket.write(`${headersOf(headers, 10_000)}{"half`);
  await soon(() => expect(relay.url).toBeTruthy());
  broken.socket.destroy();
  const pieces = await dial();
  const text = String(body);
  const chunk = (part: string): string => `${Buffer.byteLength(part).toString(16)}\r\n${part}\r\n`;
  const chunked = headersOf(headers, 0).replace("Content-Length: 0", "Transfer-Encoding: chunked");
  pieces.socket.write(`${chunked}${chunk(text.slice(0, 40))}`);
  pieces.socket.write(`${chunk(text.slice(40))}0\r\n\r\n`);
  await soon(() => expect(statusesIn(pieces.heard())).toEqual(["202"]));
  expect((await relay.log.head("sheet-1"))?.seq).toBe(1);
  pieces.socket.destroy();
});

test("whoever fills all the room with bodies that never end keeps nobody else out", async () => {
  const { headers } = signed("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "{}");
  const most = Buffer.alloc(limits.postMaxBytes - 1, 32);
  const holding: Awaited<ReturnType<typeof dial>>[] = [];
  for (let at = 0; at <= limits.readingBytes / limits.postMaxBytes; at += 1) {
    const one = await dial();
    holding.push(one);
    one.socket.write(headersOf(headers, limits.postMaxBytes));
    await new Promise((resolve) => one.socket.write(most, resolve));
  }
  const [oldest, ...others] = holding;
  await soon(() => expect(statusesIn(oldest?.heard() ?? "")).toEqual(["503"]));
  await soon(() => expect(oldest?.isClosed()).toBe(true));
  expect(oldest?.heard()).toMatch(/retry-after: 1\r\n/i);
  const { headers: good, body } = signed(ingestKey, sheetsPost("Ledger"));
  const honest = await dial();
  honest.socket.write(`${headersOf(good, Buffer.byteLength(body))}${String(body)}`);
  await soon(() => expect(statusesIn(honest.heard())).toEqual(["202"]));
  expect(others.filter(({ isClosed }) => isClosed()).length).toBeLessThanOrEqual(1);
  for (const { socket } of [honest, ...holding]) socket.destroy();
});

test("many who announce large bodies and send none of them keep nobody out either", async () => {
  const { headers, body } = signed(ingestKey, sheetsPost("Ledger"));
  const silent = await Promise.all(Array.from({ length: 40 }, dial));
  for (const { socket } of silent) socket.write(`${headersOf(headers, limits.postMaxBytes)}{`);
  const honest = await dial();
  honest.socket.write(`${headersOf(headers, Buffer.byteLength(body))}${String(body)}`);
  await soon(() => expect(statusesIn(honest.heard())).toEqual(["202"]));
  expect(silent.some(({ isClosed }) => isClosed())).toBe(false);
  for (const { socket } of [honest, ...silent]) socket.destroy();
});

test.each(["/nothing", "/v1/spreadsheets", "/v1/spreadsheets/sheet-1/values/A1", "/v1/spreadsheets/a/b/posts"])(
  "a body sent to %s is not waited for",
  async (path) => {
    const { socket, heard } = await dial();
    socket.write(`${headersOf({ "content-type": "application/json" }, limits.postMaxBytes, path)}{`);
    await soon(() => expect(statusesIn(heard())[0]).toMatch(/^40[45]$/));
    socket.destroy();
  },
);

test.each([
  "/v1/spreadsheets/sheet-1/posts?from=proxy",
  "/v1/spreadsheets/sheet%2D1/posts",
  "http://x/v1/spreadsheets/sheet-1/posts",
])("%s means the same door", async (path) => {
  const { headers, body } = signed(ingestKey, sheetsPost("Ledger"));
  const { socket, heard } = await dial();
  socket.write(`${headersOf(headers, Buffer.byteLength(body), path)}${String(body)}`);
  await soon(() => expect(statusesIn(heard())).toEqual(["202"]));
  const nobody = await dial();
  nobody.socket.write(headersOf({ "content-type": "application/json" }, 100, path));
  await soon(() => expect(statusesIn(nobody.heard())).toEqual(["401"]));
  for (const one of [socket, nobody.socket]) one.destroy();
});

test.each(["abc", "%E0%A4%A", "sheet 1", "x".repeat(200)].map(encodeURI))(
  "nobody is known by the name of %s, and no body is read for it",
  async (name) => {
    const { headers } = signed(ingestKey, "{}");
    const { socket, heard, isClosed } = await dial();
    socket.write(headersOf(headers, 100, `/v1/spreadsheets/${name}/posts`));
    await soon(() => expect(statusesIn(heard())).toEqual(["401"]));
    await soon(() => expect(isClosed()).toBe(true));
  },
);

test("more posts at once than one spreadsheet may have waiting are refused with a time to come again", async () => {
  const posts = Array.from({ length: limits.waitingPostsOfOne + 400 }, (_, at) => {
    const body = Buffer.from(sheetsPost(`title ${at}`));
    const { headers } = signed(ingestKey, body);
    const signature = {
      id: headers["webhook-id"],
      timestamp: headers["webhook-timestamp"],
      signature: headers["webhook-signature"],
    };
    return () => relay.ingest.take("sheet-1", signature, body);
  });
  const answers = await Promise.all(posts.map((take) => take()));
  const refused = answers.filter((answer) => !answer.ok);
  expect(refused.length).toBeGreaterThan(0);
  expect(new Set(refused.map((answer) => JSON.stringify(answer)))).toEqual(
    new Set([JSON.stringify({ ok: false, code: "rate-limited", retryAfterMs: 1_000 })]),
  );
  const taken = answers.length - refused.length;
  expect(taken).toBe(limits.waitingPostsOfOne);
  const again = posts[answers.findIndex((answer) => !answer.ok)];
  expect((await again?.())?.ok).toBe(true);
});

test(
  "a connection whose posts are answered and that takes none of the answers is let go",
  { timeout: 60_000 },
  async () => {
    const impatient = await openRelay({ stalledMs: 1_000 });
    const known = letIn(impatient, "sheet-1");
    const { headers, body } = signed(known.ingestKey, sheetsPost("title"));
    const posts = Buffer.from(`${headersOf(headers, Buffer.byteLength(body))}${String(body)}`.repeat(100));
    const socket = createConnection(Number(new URL(impatient.url).port), "127.0.0.1");
    let isClosed = false;
    socket.on("close", () => (isClosed = true));
    socket.on("error", () => (isClosed = true));
    // Nothing of it is read, until the relay reads no further either.
    try {
      for (let at = 0; at < 1_000 && socket.writableLength < 1024 * 1024 && !isClosed; at += 1) {
        socket.write(posts);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      await soon(() => expect(isClosed).toBe(true));
    } finally {
      socket.destroy();
      await impatient.stop();
    }
  },
);
