/** The HTTP server: bounds, refusals and what is told of every request. It knows no feature: routes are handed in. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Duplex, Readable } from "node:stream";
import { limits } from "@sheetwire/shared/limits";
import { problemOf, refusals, type RefusalCode } from "@sheetwire/shared/protocol";
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { Access, Device } from "../access/access.ts";
import { DamagedError, DiskFullError } from "../log/log.ts";
import type { Logger, Metrics, TellRefused } from "../telemetry/telemetry.ts";
import type { Refused, Route } from "./route.ts";

export { changesRoute } from "./changes.ts";
export { createEventStreams, type EventStreams } from "./event-streams.ts";
export { healthRoutes } from "./health.ts";
export { historyRoute } from "./history.ts";
export { openapiRoute } from "./openapi.ts";
export { createPostsDoor, postsRoute } from "./posts.ts";
export { readRoutes } from "./reads.ts";
export { snapshotRoute } from "./snapshot.ts";
export type { Answer, Asked, Refused, Route } from "./route.ts";

type Needs = {
  routes: readonly Route[];
  access: Access;
  metrics: Metrics;
  logger: Logger;
  tellRefused: TellRefused;
  elapsed: () => number;
  onFault: (error: unknown) => void;
  /** Asked first, before the router: true when it has taken the request, and whatever may become of its connection. */
  frontDoor?: (request: IncomingMessage, response: ServerResponse) => boolean;
  maxConnections: number;
  /** An answer of which the reader takes nothing for so long, or twice that, is given up, in milliseconds. */
  stalledMs?: number | undefined;
  isStopping: () => boolean;
};

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;
/** The longest path parameter: an A1 name with a long sheet title, percent-encoded. */
const PARAM_MAX_CHARS = 4_096;

export function createHttp({
  routes,
  access,
  metrics,
  logger,
  tellRefused,
  elapsed,
  onFault,
  frontDoor,
  maxConnections,
  stalledMs = limits.readerStalledMs,
  isStopping,
}: Needs): FastifyInstance {
  const app = fastify({
    serverFactory: (handler) => {
      // Node would refuse both by itself, without a word.
      const server = createServer(
        { ...TIMEOUTS, requireHostHeader: false, shouldUpgradeCallback: asksForWebSocket },
        (request, response) => {
          if (!lacksHost(request) && !isStopping() && frontDoor?.(request, response)) return;
          // Not the server's own, which gives every socket of the feed a timer that is soon of no use. For each request anew:
          // Node takes it away when one follows another.
          request.socket.setTimeout(stalledMs);
          if (lacksHost(request)) return refuseBeforeRouting(request, response, "The header Host is missing.");
          handler(request, response);
        },
      );
      server.on("checkExpectation", (request, response) =>
        refuseBeforeRouting(request, response, "Nothing can be expected here but 100-continue."),
      );
      server.on("clientError", refuseNoHttp);
      return server;
    },
    forceCloseConnections: "idle",
    return503OnClosing: false,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: PARAM_MAX_CHARS },
    frameworkErrors: (_error, _request, reply) => void refuse(reply, { ok: false, code: "malformed" }),
  });
  app.server.maxConnections = maxConnections;

  app.removeAllContentTypeParsers();
  // Only posts have a body, and they have a door of their own: what else is sent is never read.
  app.addContentTypeParser("*", (_request, _body, done) => done(null));
  app.addHook("onRequest", async (request, reply) => {
    startedAt.set(request, elapsed());
    reply.headers(COMMON_HEADERS);
    if (isStopping()) {
      reply.header("connection", "close");
      return refuse(reply, { ok: false, code: "shutting-down", retryAfterMs: 1_000 });
    }
    return undefined;
  });
  app.addHook("onResponse", async (request, reply) => {
    // The pattern, never the path: a path can hold a sheet's title.
    const route = request.routeOptions.url ?? "none";
    const since = startedAt.get(request);
    metrics.requests.inc({ route, method: request.method, status: reply.statusCode });
    const ms = since === undefined ? undefined : Math.round((elapsed() - since) * 10) / 10;
    if (ms !== undefined) metrics.requestSeconds.observe({ route }, ms / 1000);
    const line = { route, method: request.method, status: reply.statusCode, ms };
    if (reply.statusCode >= 500) logger.warn(line, "request failed");
    else if (reply.statusCode >= 400) tellRefused(line);
    else logger.debug(line, "request");
  });
  app.setNotFoundHandler((_request, reply) => refuse(reply, { ok: false, code: "not-found" }));
  app.setErrorHandler((error: FastifyError, _request, reply) => refuse(reply, refusalOf(error)));

  function refusalOf(error: FastifyError): Refused {
    if (error instanceof DiskFullError) return { ok: false, code: "disk-full", retryAfterMs: 60_000 };
    if (error instanceof DamagedError) {
      // What is there is not what was written, so it is not served.
      onFault(error);
      return { ok: false, code: "history-gone" };
    }
    if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500)
      return { ok: false, code: "malformed" };
    onFault(error);
    return { ok: false, code: "internal" };
  }

  for (const url of new Set(routes.map((route) => route.path))) {
    const atPath = routes.filter((route) => route.path === url);
    const forTokens = atPath.some((route) => route.access === "token");
    for (const route of atPath) serve(app, route, access);
    if (forTokens) {
      // A browser asks before it sends a bearer token across origins. There are no cookies to be abused.
      app.options(url, (_request, reply) => reply.code(204).headers(PREFLIGHT_HEADERS).send());
    }
    const taken: string[] = [...atPath.map((route) => route.method), ...(forTokens ? ["OPTIONS"] : [])];
    const others = METHODS.filter((method) => !taken.includes(method));
    app.route({
      method: others,
      url,
      onRequest: async (_request, reply) =>
        refuse(reply.header("allow", taken.join(", ")), { ok: false, code: "method-not-allowed" }),
      handler: () => undefined,
    });
  }
  return app;
}

/**
 * Slow headers, a slow body, a connection that nobody uses: each ends, in milliseconds, the last before it counts as stalled. What the network lost is noticed
 * where nothing is sent for long.
 */
const TIMEOUTS = {
  keepAlive: true,
  keepAliveInitialDelay: 30_000,
  headersTimeout: 10_000,
  requestTimeout: 60_000,
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 2_000,
};

/**
 * Whoever offers another protocol, as some do with each request (`h2c`), is answered in this one (RFC 9110, section 7.8). So is
 * who asks while answers to what was asked before are on their way: these would come into the middle of the other protocol.
 */
const asksForWebSocket = ({ headers, socket }: IncomingMessage): boolean =>
  (headers.upgrade ?? "").split(",").some((one) => one.trim().toLowerCase() === "websocket") &&
  !(socket as { _httpMessage?: unknown })._httpMessage;

/** Not HTTP, or its headers did not come in time: there is no request to answer in the usual way. */
function refuseNoHttp(error: Error & { code?: string }, socket: Duplex): void {
  const problem = problemOf(REFUSAL_OF_NODE[error.code ?? ""] ?? "malformed");
  const body = JSON.stringify(problem);
  if (!socket.writable) return void socket.destroy();
  socket.end(
    `HTTP/1.1 ${problem.status} Refused\r\nContent-Type: application/problem+json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
  );
}

const lacksHost = ({ headers, httpVersion }: IncomingMessage): boolean =>
  headers.host === undefined && httpVersion === "1.1";

/** The request is one, and asks for what no server may give: its connection ends with the answer. */
function refuseBeforeRouting(request: IncomingMessage, response: ServerResponse, detail: string): void {
  const problem = problemOf("malformed", { detail });
  const body = JSON.stringify(problem);
  response.writeHead(problem.status, {
    ...COMMON_HEADERS,
    "content-type": "application/problem+json",
    "content-length": Buffer.byteLength(body),
    connection: "close",
  });
  response.end(body);
  request.resume();
}

const startedAt = new WeakMap<FastifyRequest, number>();

export const COMMON_HEADERS = {
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
  "access-control-allow-origin": "*",
  "access-control-expose-headers": "ETag, Retry-After",
};

const PREFLIGHT_HEADERS = {
  "access-control-allow-methods": "GET",
  "access-control-allow-headers": "Authorization, If-Match, If-None-Match, Last-Event-ID",
  "access-control-max-age": "86400",
};

const REFUSAL_OF_NODE: Readonly<Record<string, RefusalCode>> = {
  ERR_HTTP_REQUEST_TIMEOUT: "silent",
  HPE_HEADER_OVERFLOW: "too-large",
};

function serve(app: FastifyInstance, route: Route, access: Access): void {
  const devices = new WeakMap<FastifyRequest, Device>();
  app.route({
    method: route.method,
    url: route.path,
    // Before the body is read: nobody without a token makes the relay take one.
    onRequest: async (request, reply) => {
      if (route.access !== "token") return undefined;
      const token = /^Bearer +([\x21-\x7e]{1,512})$/i.exec(request.headers.authorization ?? "")?.[1];
      const { spreadsheetId } = paramsOf(request);
      const device =
        token && (spreadsheetId === undefined ? access.deviceOf(token) : access.opens(token, spreadsheetId, "read"));
      if (!device) return refuse(reply.header("www-authenticate", "Bearer"), { ok: false, code: "unauthorized" });
      devices.set(request, device);
      return undefined;
    },
    handler: async (request, reply) => {
      const { headers, query } = request;
      const device = devices.get(request);
      const answer = await route.handle({
        params: paramsOf(request),
        query,
        headers,
        device,
      });
      if (!answer.ok) return refuse(reply, answer);
      if ("takeOver" in answer) {
        reply.hijack();
        // How long a reader follows is no measure of ours.
        startedAt.delete(request);
        for (const [name, value] of Object.entries(reply.getHeaders()))
          if (value !== undefined) reply.raw.setHeader(name, value);
        answer.takeOver(reply.raw);
        return reply;
      }
      if (device && typeof answer.body !== "string") endWithDevice(answer.body, device, access);
      return reply
        .code(answer.status ?? 200)
        .type(answer.type ?? "application/json; charset=utf-8")
        .headers(answer.headers ?? {})
        .send(answer.body);
    },
  });
}

/** A token that is revoked reads no further, also of what it was let in to: the answer breaks off. */
function endWithDevice(body: Readable, { deviceId }: Device, access: Access): void {
  const look = (): void => {
    if (!access.isGood(deviceId)) body.destroy();
  };
  body.once("close", access.onChange(look));
  look();
}

function paramsOf(request: FastifyRequest): Readonly<Record<string, string>> {
  // The router yields text for every named parameter, and nothing else.
  return (request.params ?? {}) as Record<string, string>;
}

function refuse(reply: FastifyReply, { code, detail, maxBytes, retryAfterMs }: Refused): FastifyReply {
  if (retryAfterMs !== undefined) reply.header("retry-after", String(Math.max(1, Math.ceil(retryAfterMs / 1000))));
  return reply
    .code(refusals[code].status)
    .type("application/problem+json")
    .send(JSON.stringify(problemOf(code, { detail, maxBytes, retryAfterMs })));
}
