/**
 * Posts as they come in, before any server of HTTP: most of what a small post costs is the parsing and writing of HTTP in
 * general. A connection belongs to this door as long as nothing but plain posts come over it (see {@link readPlainHead});
 * with anything else it goes over to `node:http`, bytes and all, and stays there.
 */
import type { Socket } from "node:net";
import { limits } from "@sheetwire/shared/limits";
import type { IngestResult } from "../ingest/ingest.ts";
import { readPlainHead, type PlainHead } from "./plain-head.ts";
import type { Refused } from "./route.ts";

type Needs = {
  /** Takes a post; resolves when it can be answered. */
  take: (spreadsheetId: string, headers: PlainHead["headers"], body: Buffer) => Promise<IngestResult>;
  /** Notes an answer, and says what a refusal is answered with. */
  taken: () => void;
  refused: (refused: Refused) => { status: number; body: string; retryAfter: string | undefined };
  /** Bytes of bodies that are being read, together with whoever else reads any. */
  reading: { bytes: number };
  headers: Readonly<Record<string, string>>;
  onFault: (error: unknown) => void;
  isStopping: () => boolean;
  /** Milliseconds by a clock that never jumps. */
  elapsed: () => number;
  /** Milliseconds since 1970. */
  now: () => number;
  timeouts: { readonly headersTimeout: number; readonly requestTimeout: number; readonly keepAliveTimeout: number };
};

/** Refusals in a row on one connection after which it is closed: an honest script has nothing to try there. */
export const MOST_REFUSED = 20;

export type PlainPosts = ReturnType<typeof createPlainPosts>;

export function createPlainPosts(needs: Needs) {
  const { timeouts, reading, elapsed } = needs;
  const fixed = Object.entries(needs.headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("");
  const open = new Set<{ endIfIdle: () => void; end: () => void }>();
  let date = "";
  let dateSecond = -1;

  /** What stands before the length in every answer of this second. */
  function beginning(): string {
    const second = Math.floor(needs.now() / 1_000);
    if (second !== dateSecond) {
      dateSecond = second;
      date = `${fixed}date: ${new Date(second * 1_000).toUTCString()}\r\n`;
    }
    return date;
  }

  /** Takes a new connection; `toHttp` takes it from here if it turns out to be about something else. */
  function connected(socket: Socket, toHttp: () => void): void {
    let head: PlainHead | undefined;
    let pieces: Buffer[] = [];
    let missing = 0;
    let beganAt = 0;
    let isAnswering = false;
    let hasEnded = false;
    let isKnown = false;
    let behind: Buffer | undefined;
    let refusals = 0;

    const letGo = (): void => {
      if (head && missing > 0) reading.bytes -= head.length;
      head = undefined;
      pieces = [];
      missing = 0;
    };

    function heard(bytes: Buffer): void {
      if (isAnswering) {
        // One at a time: what follows waits, and whoever sends it with it.
        behind = behind ? Buffer.concat([behind, bytes]) : bytes;
        socket.pause();
      } else if (head) heardMore(head, bytes);
      else begin(bytes);
    }

    function begin(bytes: Buffer): void {
      const read = needs.isStopping() ? undefined : readPlainHead(bytes);
      if (!read) return leave(bytes);
      if (!isKnown) socket.setTimeout(timeouts.keepAliveTimeout);
      isKnown = true;
      const { from, length } = read;
      if (bytes.length >= from + length) {
        if (bytes.length > from + length) behind = bytes.subarray(from + length);
        conclude(read, bytes.subarray(from, from + length));
        return undefined;
      }
      if (reading.bytes + length > limits.readingBytes) return leave(bytes);
      reading.bytes += length;
      head = read;
      pieces = [bytes.subarray(from)];
      missing = from + length - bytes.length;
      beganAt = elapsed();
      return undefined;
    }

    function heardMore(current: PlainHead, bytes: Buffer): void {
      if (elapsed() - beganAt > timeouts.requestTimeout) return tooSlow();
      if (bytes.length < missing) {
        pieces.push(bytes);
        missing -= bytes.length;
        return undefined;
      }
      pieces.push(bytes.subarray(0, missing));
      if (bytes.length > missing) behind = bytes.subarray(missing);
      const body = Buffer.concat(pieces, current.length);
      letGo();
      conclude(current, body);
      return undefined;
    }

    function conclude({ spreadsheetId, headers }: PlainHead, body: Buffer): void {
      isAnswering = true;
      needs.take(spreadsheetId, headers, body).then(answer, (error: unknown) => {
        needs.onFault(error);
        answer({ ok: false, code: "internal" });
      });
    }

    function answer(result: IngestResult): void {
      isAnswering = false;
      if (socket.destroyed) return undefined;
      if (result.ok) {
        refusals = 0;
        needs.taken();
        write(202, "application/json; charset=utf-8", result.answer, "", needs.isStopping());
      } else {
        const { status, body, retryAfter } = needs.refused(result);
        if (status < 500) refusals += 1;
        const isLast = needs.isStopping() || refusals >= MOST_REFUSED;
        const more = retryAfter === undefined ? "" : `retry-after: ${retryAfter}\r\n`;
        write(status, "application/problem+json", body, more, isLast);
      }
      if (socket.writableEnded) return undefined;
      // Whoever does not read answers is asked nothing more.
      if (!socket.writableNeedDrain) return goOn();
      isAnswering = true;
      socket.once("drain", () => {
        isAnswering = false;
        goOn();
      });
      return undefined;
    }

    function write(status: number, type: string, body: string, more: string, isLast: boolean): void {
      const text = `HTTP/1.1 ${status} ${REASONS[status] ?? "Refused"}\r\n${beginning()}content-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${more}connection: ${isLast ? "close" : "keep-alive"}\r\n\r\n${body}`;
      if (isLast) socket.end(text);
      else socket.write(text);
    }

    function goOn(): void {
      if (socket.destroyed) return;
      const next = behind;
      behind = undefined;
      if (next) begin(next);
      else if (hasEnded) socket.end();
      if (!behind && socket.isPaused()) socket.resume();
    }

    /** Anything else: a parser takes it from the first byte that was not answered. */
    function leave(bytes: Buffer): void {
      if (hasEnded) return void socket.destroy();
      forget();
      socket.setTimeout(0);
      socket.pause();
      socket.unshift(bytes);
      toHttp();
      socket.resume();
      return undefined;
    }

    function tooSlow(): void {
      const { body } = needs.refused({ ok: false, code: "silent" });
      write(408, "application/problem+json", body, "", true);
      letGo();
      socket.destroySoon();
    }

    function timedOut(): void {
      if (isAnswering && !socket.writableNeedDrain) return;
      if (head) tooSlow();
      else socket.destroy();
    }
    function ended(): void {
      hasEnded = true;
      if (!isAnswering) socket.end();
    }
    function closed(): void {
      letGo();
      behind = undefined;
      open.delete(me);
    }
    // Who breaks off has no use for an answer; `close` follows.
    const broke = (): void => {};
    function forget(): void {
      open.delete(me);
      socket.off("data", heard).off("end", ended).off("close", closed).off("error", broke).off("timeout", timedOut);
    }
    const me = {
      endIfIdle: () => {
        if (!isAnswering && !head) socket.destroySoon();
      },
      end: () => socket.destroy(),
    };
    open.add(me);
    socket.setTimeout(timeouts.headersTimeout);
    socket.on("data", heard).on("end", ended).on("close", closed).on("error", broke).on("timeout", timedOut);
  }

  return {
    connected,
    /** Ends connections on which nothing is under way; others end with their answer once the relay stops. */
    endIdle: (): void => open.forEach((one) => one.endIfIdle()),
    endAll: (): void => open.forEach((one) => one.end()),
  };
}

const REASONS: Readonly<Record<number, string>> = {
  202: "Accepted",
  400: "Bad Request",
  401: "Unauthorized",
  408: "Request Timeout",
  409: "Conflict",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
  507: "Insufficient Storage",
};
