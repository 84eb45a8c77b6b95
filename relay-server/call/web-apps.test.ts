import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { limits } from "@sheetwire/shared/limits";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createWebApps, type WebApps } from "./web-apps.ts";

const post = { id: "msg_1", timestamp: "1800000000", signature: "v1,abc", body: '{"cells":"canary"}' };
const good = JSON.stringify({ ok: true, ...post });

let server: Server;
let origin: string;
let webApps: WebApps;
/** What came in: method, path, body. */
let asked: string[];
let respond: (request: IncomingMessage, response: ServerResponse) => void;

beforeEach(async () => {
  asked = [];
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      asked.push(`${request.method} ${request.url} ${Buffer.concat(chunks).toString()}`.trim());
      respond(request, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  webApps = createWebApps({ origins: [origin], timeoutMs: 300 });
});
afterEach(async () => {
  webApps.stop();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const ask = () => webApps.ask(`${origin}/macros/s/x/exec`, '{"wants":[]}');
const answering = (status: number, text: string, headers: Record<string, string> = {}): void => {
  respond = (_, response) => response.writeHead(status, headers).end(text);
};

test("Google's redirect is followed by a GET without the call's body, and the answer is the script's own", async () => {
  respond = (request, response) => {
    if (request.method === "POST") response.writeHead(302, { location: `${origin}/macros/echo?key=1` }).end();
    else response.writeHead(200, { "content-type": "application/json" }).end(good);
  };
  expect(await ask()).toEqual({ ok: true, post });
  expect(asked).toEqual(['POST /macros/s/x/exec {"wants":[]}', "GET /macros/echo?key=1"]);
});

test.each([
  ["a page of Google's, with status 200", 200, "<!DOCTYPE html><title>Error</title>", "not-json"],
  ["JSON that is no answer", 200, '{"ok":true,"id":"a"}', "not-json"],
  ["a deployment that is not there", 404, "gone", "bad-status"],
  ["a quota that is used up", 429, "later", "bad-status"],
  ["Google's own trouble", 503, "", "bad-status"],
])("%s is no answer", async (_what, status, text, code) => {
  answering(status, text);
  expect(await ask()).toEqual({ ok: false, code });
});

test("the script's own no is told by its code, and only if it looks like one", async () => {
  answering(200, '{"ok":false,"code":"unauthorized"}');
  expect(await ask()).toEqual({ ok: false, code: "refused", detail: "unauthorized" });
  answering(200, '{"ok":false,"code":"canary: Cell A1 says \\"x\\""}');
  expect(await ask()).toEqual({ ok: false, code: "not-json" });
});

test("nothing is waited for longer than a call may take", async () => {
  respond = () => undefined;
  expect(await ask()).toEqual({ ok: false, code: "timeout" });
  // Also where it trickles.
  respond = (_, response) => {
    response.writeHead(200);
    const drip = setInterval(() => response.write(" "), 20);
    response.on("close", () => clearInterval(drip));
  };
  expect(await ask()).toEqual({ ok: false, code: "timeout" });
});

test("an answer larger than any post is broken off", async () => {
  webApps = createWebApps({ origins: [origin], timeoutMs: 20_000 });
  respond = (_, response) => {
    response.writeHead(200);
    const piece = Buffer.alloc(1024 * 1024, 32);
    const pump = (): void => {
      while (!response.destroyed && response.write(piece)) continue;
      response.once("drain", pump);
    };
    pump();
  };
  expect(await ask()).toEqual({ ok: false, code: "too-large" });
  answering(200, JSON.stringify({ ok: true, ...post, body: "x".repeat(limits.postMaxBytes + 1) }));
  expect(await ask()).toEqual({ ok: false, code: "too-large" });
});

test("a server that is not there is unreachable, and what stops breaks off", async () => {
  respond = () => undefined;
  webApps = createWebApps({ origins: [origin] });
  const asking = ask();
  setTimeout(() => webApps.stop(), 50);
  expect(await asking).toEqual({ ok: false, code: "stopped" });
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  webApps = createWebApps({ origins: [origin] });
  expect(await ask()).toEqual({ ok: false, code: "unreachable" });
});

test("a redirect that goes round, or nowhere, ends", async () => {
  answering(302, "", { location: "/again" });
  expect(await ask()).toEqual({ ok: false, code: "bad-status" });
  expect(asked).toHaveLength(1 + limits.callMaxRedirects);
  answering(302, "");
  expect(await ask()).toEqual({ ok: false, code: "bad-status" });
  answering(302, "", { location: "https://example.com/steal" });
  expect(await ask()).toEqual({ ok: false, code: "not-allowed" });
});

test("an address that is not allowed is not asked", async () => {
  answering(200, good);
  expect(await webApps.ask(`${origin.replace("127.0.0.1", "localhost")}/x`, "{}")).toEqual({
    ok: false,
    code: "not-allowed",
  });
  expect(asked).toEqual([]);
});
