import type { Duplex } from "node:stream";
import { limits } from "@sheetwire/shared/limits";
import {
  PROTOCOL_VERSION,
  refusals,
  upFrameSchema,
  type DownFrame,
  type RefusalCode,
  type UpFrame,
} from "@sheetwire/shared/protocol";
import type { RawData, WebSocket } from "ws";
import type { Access } from "../access/access.ts";
import type { FanOut, Reader } from "../fan-out/fan-out.ts";
import type { Logger, Metrics } from "../telemetry/telemetry.ts";
import type { createTimerWheel, Deadline } from "./timer-wheel.ts";

export type ConversationNeeds = {
  access: Access;
  fanOut: FanOut;
  metrics: Metrics;
  logger: Logger;
  version: string;
  now: () => number;
  /** Milliseconds by a clock that never jumps. */
  elapsed: () => number;
};

export type Conversation = {
  /** Ends what a revoked token had opened. */
  checkAccess(): void;
  /** Says goodbye; resolves when the socket is closed, at the latest after `withinMs`. */
  stop(withinMs: number): Promise<void>;
};

/** One spreadsheet followed over this socket, and the device whose token opened it. */
type Watch = { deviceId: string; leave: () => void };

/** A socket that was told goodbye is cut after this long, in milliseconds. */
const CLOSE_WITHIN_MS = 5_000;
/** Frames up a second: words of a reader, far fewer in honest use. */
const MOST_FRAMES_A_SECOND = 100;
/** Replay goes on when the network holds less than this, in bytes. */
const SHORT_QUEUE_BYTES = 512 * 1024;

/** Holds one conversation with one reader: hello first, then watches, each to its end. */
export function converse(
  ws: WebSocket,
  wire: Duplex,
  wheel: ReturnType<typeof createTimerWheel>,
  { access, fanOut, metrics, logger, version, now, elapsed }: ConversationNeeds,
): Conversation {
  const watches = new Map<string, Watch>();
  let hello: { token: string; deviceId: string } | undefined;
  let heardAt = elapsed();
  let closeBy: number | undefined;
  let second = 0;
  let framesInSecond = 0;

  const deadline: Deadline = {
    at: () => closeBy ?? heardAt + (hello ? limits.socketSilentMs : limits.helloWithinMs),
    expire: () => {
      if (closeBy !== undefined) return ws.terminate();
      return refuse("silent");
    },
  };
  wheel.put(deadline);

  ws.on("message", (data, isBinary) => {
    if (closeBy !== undefined) return;
    if (hello) heardAt = elapsed();
    if (tooMany()) return refuse("rate-limited");
    const frame = isBinary ? undefined : frameFrom(data);
    if (!frame) return refuse("malformed");
    return hear(frame);
  });
  ws.on("ping", () => {
    if (hello) heardAt = elapsed();
  });
  // Too large a frame, reserved bits, bad UTF-8: ws closes by itself with the right code.
  ws.on("error", (error) => logger.debug({ err: error }, "feed socket broke the rules of WebSocket"));
  ws.on("close", () => {
    wheel.remove(deadline);
    for (const spreadsheetId of watches.keys()) end(spreadsheetId);
  });

  function hear(frame: UpFrame): void {
    if (frame.kind === "ping") return say({ kind: "pong" });
    if (frame.kind === "hello") return hello ? refuse("malformed") : greet(frame.token);
    if (!hello) return refuse("malformed");
    if (frame.kind === "renew") return renew(frame.token);
    if (frame.kind === "watch") return watch(frame, frame.token ?? hello.token);
    if (frame.kind === "unwatch") return end(frame.spreadsheetId);
    return took(frame.spreadsheetId, frame.seq);
  }

  function greet(token: string): void {
    const device = access.deviceOf(token);
    if (!device) return refuse("unauthorized");
    hello = { token, deviceId: device.deviceId };
    heardAt = elapsed();
    const { frameMaxBytes, upFrameMaxBytes, pingEveryMs, socketMaxWatches } = limits;
    return say({
      kind: "welcome",
      limits: { frameMaxBytes, upFrameMaxBytes, pingEveryMs, socketMaxWatches },
      relay: { version, protocol: PROTOCOL_VERSION },
      now: now(),
    });
  }

  function renew(token: string): void {
    const device = access.deviceOf(token);
    if (!device) return refuse("unauthorized");
    hello = { token, deviceId: device.deviceId };
  }

  function watch({ spreadsheetId, cursor }: Extract<UpFrame, { kind: "watch" }>, token: string): void {
    const device = access.opens(token, spreadsheetId, "read");
    if (!device) return refuse("unauthorized", spreadsheetId);
    // Watching again begins again, from the cursor that is given now.
    end(spreadsheetId);
    if (watches.size >= limits.socketMaxWatches) return refuse("too-many-watches", spreadsheetId);
    const leave = fanOut.join(spreadsheetId, cursor, readerOf(spreadsheetId));
    watches.set(spreadsheetId, { deviceId: device.deviceId, leave });
    metrics.watches.inc();
  }

  function readerOf(spreadsheetId: string): Reader {
    return {
      // The head tells a reader that was recovered how far it is behind.
      begin: ({ head: { epoch, seq, chain }, recovered }) =>
        say({ kind: "watching", spreadsheetId, epoch, seq, chain, recovered }),
      deliver: ({ data }) => ws.send(data, { binary: false }),
      refetch: (reason) => say({ kind: "refetch", spreadsheetId, reason }),
      tell: (status) => ws.send(status),
      queuedBytes: () => ws.bufferedAmount,
      drained: () => drained(wire, () => ws.bufferedAmount),
      end: (code) => {
        // A socket that takes nothing cannot even be told; all its watches stand behind the same queue.
        if (code === "too-slow" || code === "shutting-down") return refuse(code);
        end(spreadsheetId);
        return refuse(code, spreadsheetId);
      },
    };
  }

  function took(spreadsheetId: string, seq: number): void {
    const sinceMs = watches.has(spreadsheetId) ? fanOut.sinceLogged(spreadsheetId, seq) : undefined;
    if (sinceMs !== undefined) metrics.deliverySeconds.observe(sinceMs / 1000);
  }

  function end(spreadsheetId: string): void {
    const held = watches.get(spreadsheetId);
    if (!held) return;
    watches.delete(spreadsheetId);
    metrics.watches.dec();
    held.leave();
  }

  function say(frame: DownFrame): void {
    if (ws.readyState === ws.OPEN) ws.send(JSON.stringify(frame));
  }

  /** With a spreadsheet only its watch ends, without one the conversation does. */
  function refuse(code: RefusalCode, spreadsheetId?: string): void {
    if (closeBy !== undefined) return;
    metrics.refusals.inc({ code });
    if (spreadsheetId !== undefined) return say({ kind: "refused", code, spreadsheetId });
    say({ kind: "refused", code });
    for (const watched of watches.keys()) end(watched);
    closeBy = elapsed() + CLOSE_WITHIN_MS;
    wheel.put(deadline);
    ws.close(refusals[code].closeCode, code);
  }

  function tooMany(): boolean {
    const current = Math.floor(elapsed() / 1000);
    framesInSecond = current === second ? framesInSecond + 1 : 1;
    second = current;
    return framesInSecond > MOST_FRAMES_A_SECOND;
  }

  return {
    checkAccess() {
      if (hello && !access.isGood(hello.deviceId)) return refuse("unauthorized");
      for (const [spreadsheetId, { deviceId }] of watches) {
        if (access.isGood(deviceId)) continue;
        end(spreadsheetId);
        refuse("unauthorized", spreadsheetId);
      }
    },
    async stop(withinMs) {
      if (ws.readyState === ws.CLOSED) return;
      const closed = new Promise<void>((resolve) => ws.once("close", () => resolve()));
      refuse("shutting-down");
      const timer = setTimeout(() => ws.terminate(), withinMs);
      await closed;
      clearTimeout(timer);
    },
  };
}

function frameFrom(data: RawData): UpFrame | undefined {
  // With the default binary type a text message is one Buffer.
  if (!Buffer.isBuffer(data)) return undefined;
  try {
    const parsed = upFrameSchema.safeParse(JSON.parse(data.toString("utf8")));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** Resolves when the wire's queue is short, or it is gone. */
export function drained(
  wire: { on: Duplex["on"]; off: Duplex["off"]; readonly destroyed: boolean },
  queuedBytes: () => number,
): Promise<void> {
  if (queuedBytes() < SHORT_QUEUE_BYTES || wire.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      wire.off("drain", done);
      wire.off("close", done);
      resolve();
    };
    wire.on("drain", done);
    wire.on("close", done);
  });
}
