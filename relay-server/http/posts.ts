import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { limits } from "@sheetwire/shared/limits";
import { problemOf, refusals } from "@sheetwire/shared/protocol";
import type { Ingest, IngestResult } from "../ingest/ingest.ts";
import type { Logger, Metrics, TellRefused } from "../telemetry/telemetry.ts";
import type { Asked, Refused, Route } from "./route.ts";

type Needs = { ingest: Ingest; metrics: Metrics; elapsed: () => number };

const ROUTE = "/v1/spreadsheets/:spreadsheetId/posts";

/** Signed posts of the script, for whoever lists the routes: the door below takes all of them, in front of the router. */
export const postsRoute: Route = {
  method: "POST",
  path: ROUTE,
  access: "open",
  handle: () => ({ ok: false, code: "not-found" }),
};

async function take(
  { ingest, metrics, elapsed }: Needs,
  spreadsheetId: string,
  headers: Asked["headers"],
  body: Buffer,
): Promise<IngestResult> {
  const startedAt = elapsed();
  const signed = {
    id: one(headers["webhook-id"]),
    timestamp: one(headers["webhook-timestamp"]),
    signature: one(headers["webhook-signature"]),
  };
  const result = await ingest.take(spreadsheetId, signed, body);
  metrics.posted(result.ok ? "taken" : result.code);
  metrics.postSeconds.observe((elapsed() - startedAt) / 1000);
  return result;
}

function encodingRefused(header: string | string[] | undefined): Refused | undefined {
  const encoding = one(header);
  if (encoding === undefined || encoding === "identity") return undefined;
  const detail = "The body is taken as it is, without content encoding.";
  return { ok: false, code: "unsupported-media-type", detail };
}

const one = (header: Asked["headers"][string]): string | undefined => (Array.isArray(header) ? header[0] : header);

/** Refusals in a row on one connection after which it is closed: an honest script has nothing to try there. */
const MOST_REFUSED = 20;
const BEFORE_ID = "/v1/spreadsheets/";
const AFTER_ID = "/posts";
const ID = /^[A-Za-z0-9_-]{5,128}$/;

/** A body on its way. */
type Reading = { bytes: number; readonly giveUp: () => void };

/**
 * Signed posts, answered when they are durable. They are taken in front of the router, since there are many and each costs
 * what is around it. Whatever can be refused is refused before the body is read, and nobody is known before it was: so all
 * bodies together have bounded room, and where it is full the one that has been on its way longest is given up. Whoever
 * holds the room with bodies that never end thus keeps nobody else out.
 */
export function createPostsDoor(
  needs: Needs & {
    logger: Logger;
    tellRefused: TellRefused;
    onFault: (error: unknown) => void;
    headers: Readonly<Record<string, string>>;
    /** A connection that takes nothing of its answers for so long, or twice that, is given up, in milliseconds. */
    stalledMs?: number | undefined;
  },
) {
  const { metrics, logger, tellRefused, onFault, headers: common, stalledMs = limits.readerStalledMs } = needs;
  const refusedOn = new WeakMap<Socket, number>();
  /** The oldest first. */
  const readings = new Set<Reading>();
  let readingBytes = 0;

  function answer(response: ServerResponse, status: number, type: string, body: string, more = {}): void {
    if (response.headersSent || response.destroyed) return;
    const length = Buffer.byteLength(body);
    response.writeHead(status, { ...common, "content-type": type, "content-length": length, ...more });
    response.end(body);
    // Nearly every answer is on its way at once, and needs no timer.
    if (response.writableLength > 0) response.req.socket.setTimeout(stalledMs);
  }

  function refuse(request: IncomingMessage, response: ServerResponse, refused: Refused): void {
    const { code, detail, maxBytes, retryAfterMs } = refused;
    const { status } = refusals[code];
    const count = (refusedOn.get(request.socket) ?? 0) + 1;
    refusedOn.set(request.socket, count);
    // A body that was not read to its end stands in the way of whatever comes behind it.
    const isLast = !request.complete || (status < 500 && count >= MOST_REFUSED);
    const body = JSON.stringify(problemOf(code, { detail, maxBytes, retryAfterMs }));
    answer(response, status, "application/problem+json", body, {
      ...(retryAfterMs === undefined ? {} : { "retry-after": String(Math.max(1, Math.ceil(retryAfterMs / 1000))) }),
      ...(isLast ? { connection: "close" } : {}),
    });
    if (isLast) request.resume();
    metrics.requested(ROUTE, "POST", status);
    const line = { route: ROUTE, method: "POST", status };
    if (status >= 500) logger.warn(line, "request failed");
    else tellRefused(line);
  }

  async function conclude(
    request: IncomingMessage,
    response: ServerResponse,
    spreadsheetId: string,
    body: Buffer,
  ): Promise<void> {
    try {
      const result = await take(needs, spreadsheetId, request.headers, body);
      if (!result.ok) return refuse(request, response, result);
      refusedOn.delete(request.socket);
      answer(response, 202, "application/json; charset=utf-8", result.answer);
      metrics.requested(ROUTE, "POST", 202);
      return undefined;
    } catch (error) {
      onFault(error);
      return refuse(request, response, { ok: false, code: "internal" });
    }
  }

  /** Takes the request if it is a post; false leaves it to the router. */
  return (request: IncomingMessage, response: ServerResponse): boolean => {
    const { method, url = "", headers } = request;
    if (method !== "POST") return false;
    const path = pathOf(url);
    if (!path.startsWith(BEFORE_ID) || !path.endsWith(AFTER_ID)) return false;
    const named = path.slice(BEFORE_ID.length, -AFTER_ID.length);
    if (named === "" || named.includes("/")) return false;
    const spreadsheetId = decoded(named);
    const type = headers["content-type"] ?? "";
    if (!/^application\/json *(;|$)/i.test(type)) {
      refuse(request, response, { ok: false, code: "unsupported-media-type" });
      return true;
    }
    const packed = encodingRefused(headers["content-encoding"]);
    if (packed) {
      refuse(request, response, packed);
      return true;
    }
    const declared = Number(headers["content-length"] ?? 0);
    if (declared > limits.postMaxBytes) {
      refuse(request, response, TOO_LARGE);
      return true;
    }
    // Nobody can be known before the body is there, but whoever does not even claim to be somebody is known not to be.
    if (
      !ID.test(spreadsheetId) ||
      !headers["webhook-id"] ||
      !headers["webhook-timestamp"] ||
      !headers["webhook-signature"]
    ) {
      metrics.posted("unauthorized");
      refuse(request, response, { ok: false, code: "unauthorized" });
      return true;
    }
    read(request, response, spreadsheetId);
    return true;
  };

  function read(request: IncomingMessage, response: ServerResponse, spreadsheetId: string): void {
    let only: Buffer | undefined;
    let pieces: Buffer[] | undefined;
    let isOver = false;
    const reading: Reading = { bytes: 0, giveUp: () => give({ ok: false, code: "busy", retryAfterMs: 1_000 }) };
    const letGo = (): void => {
      if (readings.delete(reading)) readingBytes -= reading.bytes;
    };
    const give = (refused: Refused): void => {
      isOver = true;
      pieces = undefined;
      only = undefined;
      letGo();
      refuse(request, response, refused);
    };
    readings.add(reading);
    request.on("data", (piece: Buffer) => {
      if (isOver) return;
      reading.bytes += piece.length;
      readingBytes += piece.length;
      if (reading.bytes > limits.postMaxBytes) return give(TOO_LARGE);
      if (!only) only = piece;
      else (pieces ??= [only]).push(piece);
      for (const oldest of readings) {
        if (readingBytes <= limits.readingBytes) break;
        oldest.giveUp();
      }
    });
    request.on("end", () => {
      if (isOver) return;
      isOver = true;
      letGo();
      const body = pieces ? Buffer.concat(pieces, reading.bytes) : (only ?? Buffer.alloc(0));
      void conclude(request, response, spreadsheetId, body);
    });
    request.on("close", letGo);
    // A connection that breaks has no use for an answer.
    request.on("error", letGo);
  }
}

/** The path of a request's target, which may name the host before it (RFC 9112, section 3.2.2). */
function pathOf(target: string): string {
  const local = target.startsWith("/") ? target : target.replace(/^https?:\/\/[^/?]+/i, "");
  const end = local.indexOf("?");
  return end < 0 ? local : local.slice(0, end);
}

/** One segment of a path; what is not well encoded names nothing. */
function decoded(segment: string): string {
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return "";
  }
}

const TOO_LARGE: Refused = { ok: false, code: "too-large", maxBytes: limits.postMaxBytes };
