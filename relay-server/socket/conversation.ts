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
import { WebSocket } from "ws";
import type { Access } from "../access/access.ts";
import { SHORT_QUEUE_BYTES, type Beginning, type FanOut, type Reader } from "../fan-out/fan-out.ts";
import { textFrame, type Entry } from "../log/log.ts";
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
  /** The socket is gone. */
  onClosed?: (conversation: Conversation) => void;
};

export type Conversation = {
  readonly wire: Wire;
  /** Says why, and ends. */
  refuse(code: RefusalCode): void;
  /** Ends what a revoked token had opened. */
  checkAccess(): void;
  /** Says goodbye; resolves when the socket is closed, at the latest after `withinMs`. */
  stop(withinMs: number): Promise<void>;
};

/** What a conversation writes to beside `ws`: the network socket under it. */
export type Wire = Pick<Duplex, "on" | "off" | "write" | "cork" | "uncork" | "writableLength" | "destroyed">;

/** A socket that was told goodbye is cut after this long, in milliseconds. */
const CLOSE_WITHIN_MS = 5_000;
/** Frames up a second: one that dials again may take up all its watches at once, each in two words. */
const MOST_FRAMES_A_SECOND = 2 * limits.socketMaxWatches + 20;
/** One that keeps asking and takes none of the answers is cut off with so many bytes of them. */
const MOST_UNTAKEN_BYTES = 4 * limits.readerQueueMaxBytes;

/** Holds one conversation with one reader: hello first, then watches, each to its end. */
export function converse(
  ws: FeedSocket,
  wire: Wire,
  wheel: ReturnType<typeof createTimerWheel>,
  needs: ConversationNeeds,
): Conversation {
  const talk = new Talk(ws, wire, wheel, needs);
  ws.talk = talk;
  return talk;
}

/**
 * A WebSocket that tells its conversation what happens. Of ten thousand sockets a list of listeners each would be felt, and
 * so would what is put on a socket after its birth.
 */
export class FeedSocket extends WebSocket {
  talk: Talk | undefined = undefined;

  override emit(event: string | symbol, ...told: unknown[]): boolean {
    const { talk } = this;
    if (talk && event === "message") talk.heard(told[0], told[1] === true);
    else if (talk && event === "ping") talk.pinged();
    else if (talk && event === "error") talk.broken(told[0]);
    else {
      if (event === "close") talk?.closed();
      return super.emit(event, ...told);
    }
    return true;
  }
}

class Talk implements Conversation, Deadline {
  readonly ws: WebSocket;
  readonly wire: Wire;
  readonly #wheel: ReturnType<typeof createTimerWheel>;
  readonly #needs: ConversationNeeds;
  /** A list, since nearly everybody has one, and of ten thousand readers each map would be felt. */
  #watches: readonly Watcher[] = NO_WATCHES;
  #token: string | undefined;
  #deviceId: string | undefined;
  #heardAt: number;
  #closeBy: number | undefined;
  #second = 0;
  #framesInSecond = 0;

  constructor(ws: WebSocket, wire: Wire, wheel: ReturnType<typeof createTimerWheel>, needs: ConversationNeeds) {
    this.ws = ws;
    this.wire = wire;
    this.#wheel = wheel;
    this.#needs = needs;
    this.#heardAt = needs.elapsed();
    wheel.put(this);
  }

  at(): number {
    const silentMs = this.#token === undefined ? limits.helloWithinMs : limits.socketSilentMs;
    return this.#closeBy ?? this.#heardAt + silentMs;
  }

  expire(): void {
    if (this.#closeBy === undefined) this.refuse("silent");
    else this.ws.terminate();
  }

  heard(data: unknown, isBinary: boolean): void {
    try {
      this.#hear(data, isBinary);
    } catch (error) {
      this.#failed(error);
    }
  }

  #hear(data: unknown, isBinary: boolean): void {
    if (this.#closeBy !== undefined) return;
    this.pinged();
    if (this.#isTooMany()) return this.refuse("rate-limited");
    if (this.wire.writableLength > MOST_UNTAKEN_BYTES) return this.refuse("too-slow");
    const frame = isBinary ? undefined : frameFrom(data);
    if (!frame) return this.refuse("malformed");
    if (frame.kind === "ping") return this.write(PONG);
    if (frame.kind === "hello") return this.#token === undefined ? this.#greet(frame.token) : this.refuse("malformed");
    if (this.#token === undefined) return this.refuse("malformed");
    if (frame.kind === "renew") return this.#renew(frame.token);
    if (frame.kind === "watch") return this.#watch(frame, frame.token ?? this.#token);
    if (frame.kind === "unwatch") return this.end(frame.spreadsheetId);
    return this.#took(frame.spreadsheetId, frame.seq);
  }

  pinged(): void {
    if (this.#token !== undefined) this.#heardAt = this.#needs.elapsed();
  }

  /** A fault of ours, a store that does not answer: it ends this conversation and no other. */
  #failed(error: unknown): void {
    this.#needs.metrics.faults.inc();
    this.#needs.logger.error({ err: error }, "fault");
    this.refuse("internal");
  }

  /** Too large a frame, reserved bits, bad UTF-8: ws closes by itself with the right code. */
  broken(error: unknown): void {
    this.#needs.logger.debug({ err: error }, "feed socket broke the rules of WebSocket");
  }

  closed(): void {
    this.#wheel.remove(this);
    for (const { spreadsheetId } of this.#watches) this.end(spreadsheetId);
    this.#needs.onClosed?.(this);
  }

  checkAccess(): void {
    const { access } = this.#needs;
    if (this.#deviceId !== undefined && !access.isGood(this.#deviceId)) return this.refuse("unauthorized");
    for (const { spreadsheetId, deviceId } of this.#watches) {
      if (access.isGood(deviceId)) continue;
      this.end(spreadsheetId);
      this.refuse("unauthorized", spreadsheetId);
    }
  }

  async stop(withinMs: number): Promise<void> {
    const { ws } = this;
    if (ws.readyState === ws.CLOSED) return;
    const closed = new Promise<void>((resolve) => ws.once("close", () => resolve()));
    this.refuse("shutting-down");
    const timer = setTimeout(() => ws.terminate(), withinMs);
    await closed;
    clearTimeout(timer);
  }

  /**
   * Writes a ready frame, or several. It goes to the network socket itself: without compression `ws` writes at once and
   * keeps no queue of its own, so nothing can come in between; after its close frame nothing more may be sent.
   */
  write(frame: Buffer): void {
    if (this.ws.readyState === this.ws.OPEN) this.wire.write(frame);
  }

  say(frame: DownFrame): void {
    if (this.ws.readyState === this.ws.OPEN) this.ws.send(JSON.stringify(frame));
  }

  /** With a spreadsheet only its watch ends, without one the conversation does. */
  refuse(code: RefusalCode, spreadsheetId?: string): void {
    if (this.#closeBy !== undefined) return;
    this.#needs.metrics.refusals.inc({ code });
    if (spreadsheetId !== undefined) return this.say({ kind: "refused", code, spreadsheetId });
    this.say({ kind: "refused", code });
    for (const watched of this.#watches) this.end(watched.spreadsheetId);
    this.#closeBy = this.#needs.elapsed() + CLOSE_WITHIN_MS;
    this.#wheel.put(this);
    this.ws.close(refusals[code].closeCode, code);
  }

  end(spreadsheetId: string): void {
    const held = this.#watcherOf(spreadsheetId);
    if (!held) return;
    this.#watches = this.#watches.filter((one) => one !== held);
    this.#needs.metrics.watches.dec();
    this.#needs.fanOut.leave(spreadsheetId, held);
  }

  #greet(token: string): void {
    const { access, version, now } = this.#needs;
    const device = access.deviceOf(token);
    if (!device) return this.refuse("unauthorized");
    this.#token = token;
    this.#deviceId = device.deviceId;
    this.pinged();
    const { frameMaxBytes, upFrameMaxBytes, pingEveryMs, socketMaxWatches } = limits;
    return this.say({
      kind: "welcome",
      limits: { frameMaxBytes, upFrameMaxBytes, pingEveryMs, socketMaxWatches },
      relay: { version, protocol: PROTOCOL_VERSION },
      now: now(),
    });
  }

  #renew(token: string): void {
    const device = this.#needs.access.deviceOf(token);
    if (!device) return this.refuse("unauthorized");
    this.#token = token;
    this.#deviceId = device.deviceId;
  }

  #watch({ spreadsheetId, cursor }: Extract<UpFrame, { kind: "watch" }>, token: string): void {
    const { access, fanOut, metrics } = this.#needs;
    const device = access.opens(token, spreadsheetId, "read");
    if (!device) return this.refuse("unauthorized", spreadsheetId);
    // Watching again begins again, from the cursor that is given now.
    this.end(spreadsheetId);
    if (this.#watches.length >= limits.socketMaxWatches) return this.refuse("too-many-watches", spreadsheetId);
    const watcher = new Watcher(this, spreadsheetId, device.deviceId);
    fanOut.join(spreadsheetId, cursor, watcher);
    // Spread, a list of one would take the room of seventeen.
    this.#watches = this.#watches.length === 0 ? [watcher] : [...this.#watches, watcher];
    metrics.watches.inc();
  }

  #took(spreadsheetId: string, seq: number): void {
    const { fanOut, metrics } = this.#needs;
    const sinceMs = this.#watcherOf(spreadsheetId) ? fanOut.sinceLogged(spreadsheetId, seq) : undefined;
    if (sinceMs !== undefined) metrics.deliverySeconds.observe(sinceMs / 1000);
  }

  #watcherOf(spreadsheetId: string): Watcher | undefined {
    return this.#watches.find((one) => one.spreadsheetId === spreadsheetId);
  }

  #isTooMany(): boolean {
    const current = Math.floor(this.#needs.elapsed() / 1000);
    this.#framesInSecond = current === this.#second ? this.#framesInSecond + 1 : 1;
    this.#second = current;
    return this.#framesInSecond > MOST_FRAMES_A_SECOND;
  }
}

/** One spreadsheet followed over this socket, and the device whose token opened it. */
class Watcher implements Reader {
  readonly spreadsheetId: string;
  readonly deviceId: string;
  readonly #talk: Talk;
  /** The talk's, held here as well: a delivery looks at as little memory as it can. */
  readonly #ws: WebSocket;
  readonly #wire: Wire;

  constructor(talk: Talk, spreadsheetId: string, deviceId: string) {
    this.spreadsheetId = spreadsheetId;
    this.deviceId = deviceId;
    this.#talk = talk;
    this.#ws = talk.ws;
    this.#wire = talk.wire;
  }

  /** The head tells a reader that was recovered how far it is behind. */
  begin({ head: { epoch, seq, chain }, recovered }: Beginning): void {
    this.#talk.say({ kind: "watching", spreadsheetId: this.spreadsheetId, epoch, seq, chain, recovered });
  }
  deliver(entries: readonly Entry[]): void {
    if (this.#ws.readyState !== this.#ws.OPEN) return;
    const wire = this.#wire;
    if (entries.length > MOST_WRITTEN_APART) {
      wire.write(Buffer.concat(entries.map((entry) => entry.frame)));
      return;
    }
    // A few large ones leave in one system call as they are.
    if (entries.length > 1) wire.cork();
    for (const entry of entries) wire.write(entry.frame);
    if (entries.length > 1) wire.uncork();
  }
  refetch(reason: string): void {
    this.#talk.say({ kind: "refetch", spreadsheetId: this.spreadsheetId, reason });
  }
  tell(status: string): void {
    this.#talk.write(framed(status));
  }
  queuedBytes(): number {
    return this.#wire.writableLength;
  }
  drained(): Promise<void> {
    return drained(this.#wire);
  }
  end(code: RefusalCode): void {
    // A socket that takes nothing cannot even be told; all its watches stand behind the same queue.
    if (code === "too-slow" || code === "shutting-down") return this.#talk.refuse(code);
    this.#talk.end(this.spreadsheetId);
    return this.#talk.refuse(code, this.spreadsheetId);
  }
}

const NO_WATCHES: readonly Watcher[] = [];

/** More frames than this are put together before they are written: each by itself costs more than its copy. */
const MOST_WRITTEN_APART = 16;

const PONG = textFrame(JSON.stringify({ kind: "pong" } satisfies DownFrame));

/** The same text for one reader after the other is framed once. */
let lastText = "";
let lastFrame: Buffer = Buffer.alloc(0);
function framed(text: string): Buffer {
  if (text !== lastText) {
    lastText = text;
    lastFrame = textFrame(text);
  }
  return lastFrame;
}

function frameFrom(data: unknown): UpFrame | undefined {
  // With the default binary type a text message is one Buffer.
  if (!Buffer.isBuffer(data)) return undefined;
  try {
    const parsed = upFrameSchema.safeParse(JSON.parse(data.toString("utf8")));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

type Draining = Pick<Wire, "on" | "off" | "writableLength" | "destroyed">;

/** Resolves when the wire's queue is short, or it is gone. All who wait for one wire wait for the same. */
export function drained(wire: Draining): Promise<void> {
  if (wire.writableLength < SHORT_QUEUE_BYTES || wire.destroyed) return Promise.resolve();
  const known = draining.get(wire);
  if (known) return known;
  const made = new Promise<void>((resolve) => {
    const done = (): void => {
      wire.off("drain", done);
      wire.off("close", done);
      draining.delete(wire);
      resolve();
    };
    wire.on("drain", done);
    wire.on("close", done);
  });
  draining.set(wire, made);
  return made;
}
const draining = new WeakMap<Draining, Promise<void>>();
