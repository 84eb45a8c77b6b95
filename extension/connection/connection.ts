/**
 * The one room that holds a WebSocket: one socket to one relay, for as many spreadsheets as are watched there. It dials,
 * redials with growing pauses, says hello, pings, and reads every frame with the protocol's schema. It knows no store and
 * no browser API.
 */
import { limits } from "@sheetwire/shared/limits";
import {
  downFrameSchema,
  FEED_SUBPROTOCOL,
  nextStepAfterClose,
  refusals,
  type Cursor,
  type DownFrame,
  type NextStep,
  type RefusalCode,
  type UpFrame,
} from "@sheetwire/shared/protocol";
import { waitBefore } from "@sheetwire/shared/retry";

export type Refused = { code: RefusalCode; nextStep: NextStep };

/**
 * How the link stands. `up`: the relay has answered the watch, and follows it since. `heardAt` is when the relay said anything last, in
 * milliseconds by this machine's clock.
 */
export type Link = {
  state: "connecting" | "up" | "refused";
  heardAt: number | undefined;
  refused?: Refused;
  /** This machine's clock minus the relay's. */
  clockAheadMs: number | undefined;
};

/** Frames about one spreadsheet. */
export type SpreadsheetFrame = Extract<DownFrame, { kind: "watching" | "changes" | "status" | "refetch" }>;

/** Somebody who follows one spreadsheet. `cursor` is asked at every dial. */
export interface Watcher {
  readonly spreadsheetId: string;
  readonly token: string;
  cursor(): Cursor | undefined;
  onFrame(frame: SpreadsheetFrame): void;
  onLink(link: Link): void;
}

export type Watch = {
  took: (seq: number) => void;
  /** Asks again from the watcher's cursor. */
  again: () => void;
  stop: () => void;
};

export type Connection = {
  watch: (watcher: Watcher) => Watch;
  /** Somebody is looking: a pause before the next dial is cut short, a refused watch is tried again. */
  nudge: () => void;
  readonly watchCount: () => number;
  stop: () => void;
};

/** The part of the standard WebSocket that is used. */
export type Socket = Pick<WebSocket, "send" | "close" | "readyState" | "onopen" | "onmessage" | "onclose" | "onerror">;

export type ConnectionNeeds = {
  dial: (url: string, subprotocol: string) => Socket;
  now: () => number;
  die: () => number;
  /** Runs once after `ms`; answers how to call it off. */
  after: (ms: number, run: () => void) => () => void;
};

/** Pauses stay below what an idle background outlives; after that the next heartbeat dials. */
const PAUSE_MOST_MS = 15_000;
/** A watch that was refused is tried again this often while somebody is looking. */
const REFUSED_AGAIN_MS = 60_000;
const OPEN = 1;

/** `isFollowed`: the relay has answered the watch, and not ended it since. Until then nobody would hear of a change. */
type Held = { watcher: Watcher; isFollowed: boolean; refusedAt?: number; refused?: Refused; stopRetry?: () => void };

export function createConnection(relayUrl: string, client: string, needs: ConnectionNeeds): Connection {
  const watches = new Map<string, Held>();
  let socket: Socket | undefined;
  let isWelcomed = false;
  let attempt = 0;
  let heardAt: number | undefined;
  let clockAheadMs: number | undefined;
  let refused: Refused | undefined;
  /** The watch whose token opened the conversation. It may have been stopped since, and another begun in its place. */
  let helloOf: Held | undefined;
  let retryAfterMs: number | undefined;
  let stopPause: (() => void) | undefined;
  let stopPing: (() => void) | undefined;
  let stopDeadline: (() => void) | undefined;
  let pingEveryMs: number = limits.pingEveryMs;

  const linkOf = (held: Held): Link => {
    const no = held.refused ?? refused;
    const state = no ? "refused" : isWelcomed && held.isFollowed ? "up" : "connecting";
    return { state, heardAt, clockAheadMs, ...(no ? { refused: no } : {}) };
  };
  const tellAll = (): void => {
    for (const held of watches.values()) held.watcher.onLink(linkOf(held));
  };
  const say = (frame: UpFrame): void => {
    if (socket?.readyState === OPEN) socket.send(JSON.stringify(frame));
  };

  function dial(): void {
    stopPause?.();
    stopPause = undefined;
    const first = firstToTry();
    if (socket || !first) return;
    isWelcomed = false;
    let next: Socket;
    try {
      next = needs.dial(feedUrl(relayUrl), FEED_SUBPROTOCOL);
    } catch {
      // An address that no socket can be made for; settings refuse those, so this is rare. Try as for any failure.
      pause();
      return;
    }
    socket = next;
    helloOf = first;
    const { token } = first.watcher;
    expectWithin(limits.helloWithinMs);
    next.onopen = () => {
      if (socket === next) say({ kind: "hello", token, client });
    };
    next.onmessage = (event: MessageEvent<unknown>) => {
      if (socket === next) hear(event.data);
    };
    next.onclose = (event: CloseEvent) => {
      if (socket === next) ended(event.code);
    };
    // `close` follows and says the same.
    next.onerror = () => undefined;
  }

  /** The watch whose token is used for hello: one that has not been refused, or may be tried again. */
  function firstToTry(): Held | undefined {
    return [...watches.values()].find((held) => !held.refused);
  }

  const heldOfHello = (): Held | undefined =>
    helloOf && watches.get(helloOf.watcher.spreadsheetId) === helloOf ? helloOf : undefined;

  function hear(data: unknown): void {
    heardAt = needs.now();
    stopDeadline?.();
    stopDeadline = undefined;
    const frame = readFrame(data);
    if (frame === "unknown") return;
    if (frame === "malformed") {
      refused = { code: "malformed", nextStep: "retry-later" };
      hangUp(4400);
      return;
    }
    if (frame.kind === "welcome") {
      isWelcomed = true;
      attempt = 0;
      refused = undefined;
      clockAheadMs = heardAt - frame.now;
      pingEveryMs = Math.max(1_000, Math.min(limits.pingEveryMs, frame.limits.pingEveryMs));
      schedulePing();
      tellAll();
      for (const held of watches.values()) if (!held.refused) sayWatch(held.watcher);
      return;
    }
    if (frame.kind === "refused") {
      onRefused(frame);
      return;
    }
    const held = frame.kind === "pong" ? undefined : watches.get(frame.spreadsheetId);
    if (held && frame.kind !== "pong") {
      if (frame.kind === "watching") held.isFollowed = true;
      held.watcher.onFrame(frame);
    }
    tellAll();
  }

  function onRefused(frame: Extract<DownFrame, { kind: "refused" }>): void {
    const no = { code: frame.code, nextStep: refusals[frame.code].nextStep };
    if (frame.spreadsheetId === undefined) {
      retryAfterMs = frame.retryAfterMs;
      const held = heldOfHello();
      // Hello's token is one watch's token: the others may be good, also a newer one for the same spreadsheet.
      if (no.nextStep === "ask-for-access") {
        if (held) refuse(held, no);
      } else if (no.nextStep !== "redial") refused = no;
      tellAll();
      return;
    }
    const held = watches.get(frame.spreadsheetId);
    if (!held) return;
    held.isFollowed = false;
    if (no.nextStep === "start-afresh") {
      held.watcher.onFrame({ kind: "refetch", spreadsheetId: frame.spreadsheetId, reason: frame.code });
    } else if (no.nextStep === "redial" || no.nextStep === "retry-later") {
      held.stopRetry?.();
      held.stopRetry = needs.after(pauseMs(frame.retryAfterMs), () => sayWatch(held.watcher));
    } else {
      refuse(held, no);
    }
    held.watcher.onLink(linkOf(held));
  }

  function refuse(held: Held, no: Refused): void {
    held.refused = no;
    held.refusedAt = needs.now();
  }

  function sayWatch(watcher: Watcher): void {
    const cursor = watcher.cursor();
    const { spreadsheetId, token } = watcher;
    say({ kind: "watch", spreadsheetId, token, ...(cursor ? { cursor } : {}) });
  }

  function schedulePing(): void {
    stopPing?.();
    stopPing = needs.after(pingEveryMs, () => {
      ping();
      schedulePing();
    });
  }

  function ping(): void {
    if (socket?.readyState !== OPEN || !isWelcomed) return;
    say({ kind: "ping" });
    if (!stopDeadline) expectWithin(limits.pongWithinMs);
  }

  /** A socket that does not answer in time is half-open: give it up. */
  function expectWithin(ms: number): void {
    stopDeadline?.();
    stopDeadline = needs.after(ms, () => {
      stopDeadline = undefined;
      hangUp(4008);
    });
  }

  /** Closes our side and goes on as if it had closed: a half-open socket never says so itself. */
  function hangUp(code: number): void {
    const old = socket;
    if (!old) return;
    release(old);
    old.close(code);
    ended(code, true);
  }

  function ended(code: number, isOurs = false): void {
    socket = undefined;
    isWelcomed = false;
    for (const one of watches.values()) one.isFollowed = false;
    stopPing?.();
    stopDeadline?.();
    stopPing = stopDeadline = undefined;
    const nextStep = isOurs ? "redial" : nextStepAfterClose(code);
    const held = heldOfHello();
    if (nextStep === "ask-for-access" && held && !held.refused) {
      refuse(held, { code: "unauthorized", nextStep });
    } else if (nextStep === "ask-user-to-update") {
      refused = { code: "protocol-too-old", nextStep };
    }
    tellAll();
    pause();
  }

  const pauseMs = (atLeastMs: number | undefined): number => {
    const wait = waitBefore(attempt, needs.die(), 500, PAUSE_MOST_MS);
    attempt += 1;
    return Math.min(PAUSE_MOST_MS, Math.max(wait, atLeastMs ?? 0));
  };

  function pause(): void {
    stopPause?.();
    stopPause = undefined;
    if (!firstToTry()) return;
    stopPause = needs.after(pauseMs(retryAfterMs), dial);
    retryAfterMs = undefined;
  }

  return {
    watch(watcher) {
      const held: Held = { watcher, isFollowed: false };
      watches.set(watcher.spreadsheetId, held);
      if (socket && isWelcomed) sayWatch(watcher);
      else if (!socket && !stopPause) dial();
      watcher.onLink(linkOf(held));
      return {
        took: (seq) => say({ kind: "took", spreadsheetId: watcher.spreadsheetId, seq }),
        again: () => {
          if (watches.get(watcher.spreadsheetId) !== held || !isWelcomed) return;
          say({ kind: "unwatch", spreadsheetId: watcher.spreadsheetId });
          sayWatch(watcher);
        },
        stop: () => {
          if (watches.get(watcher.spreadsheetId) !== held) return;
          held.stopRetry?.();
          watches.delete(watcher.spreadsheetId);
          say({ kind: "unwatch", spreadsheetId: watcher.spreadsheetId });
        },
      };
    },
    nudge() {
      const now = needs.now();
      for (const held of watches.values()) {
        if (held.refusedAt === undefined || now - held.refusedAt < REFUSED_AGAIN_MS) continue;
        delete held.refused;
        delete held.refusedAt;
        if (isWelcomed) sayWatch(held.watcher);
      }
      if (!socket && (!stopPause || attempt > 3)) dial();
    },
    watchCount: () => watches.size,
    stop() {
      for (const held of watches.values()) held.stopRetry?.();
      watches.clear();
      stopPause?.();
      stopPing?.();
      stopDeadline?.();
      const old = socket;
      socket = undefined;
      if (old) {
        release(old);
        old.close(1000);
      }
    },
  };
}

/** `https://relay.example/base` -> `wss://relay.example/base/v1/feed`. */
export function feedUrl(relayUrl: string): string {
  return `${relayUrl.replace(/^http/, "ws").replace(/\/+$/, "")}/v1/feed`;
}

function release(socket: Socket): void {
  socket.onopen = socket.onmessage = socket.onclose = null;
  socket.onerror = () => undefined;
}

const knownKinds = new Set<unknown>(downFrameSchema.options.map((option) => option.shape.kind.value));

/** One frame from the relay. A kind that is not known comes from a newer relay and is passed over. */
function readFrame(data: unknown): DownFrame | "malformed" | "unknown" {
  if (typeof data !== "string" || data.length > limits.readerQueueMaxBytes) return "malformed";
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    return "malformed";
  }
  const frame = downFrameSchema.safeParse(value);
  if (frame.success) return frame.data;
  const kind = typeof value === "object" && value !== null && "kind" in value ? value.kind : undefined;
  return typeof kind === "string" && !knownKinds.has(kind) ? "unknown" : "malformed";
}
