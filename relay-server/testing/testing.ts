/** A whole relay for tests: memory engines, a real port, and the other ends of its wires. */
import { createHmac, randomUUID } from "node:crypto";
import { nextChain } from "@sheetwire/shared/digest";
import { downFrameSchema, FEED_SUBPROTOCOL, type Change, type DownFrame, type Sheet } from "@sheetwire/shared/protocol";
import { signatureHeader, signedPrefix } from "@sheetwire/shared/signing";
import { vi } from "vitest";
import { WebSocket } from "ws";
import { bytesOfIngestKey, createAccess, type Access, type AccessStore } from "../access/access.ts";
import { createMemoryAccessStore } from "../access/engines/memory.ts";
import { createIngest, type Ingest } from "../ingest/ingest.ts";
import { createMemoryLog } from "../log/engines/memory.ts";
import type { ChangeLog } from "../log/log.ts";
import { createRelay, type Relay } from "../relay.ts";
import { createLogger, createMetrics, faultOf, type Metrics } from "../telemetry/telemetry.ts";

export type TestRelay = {
  url: string;
  relay: Relay;
  log: ChangeLog;
  access: Access;
  ingest: Ingest;
  metrics: Metrics;
  /** Every line that was logged. */
  lines: string[];
  /** Seconds on the clock that never jumps, moved by the test. */
  skip(ms: number): void;
  stop(): Promise<void>;
};

export async function openRelay(
  options: {
    log?: ChangeLog;
    accessStore?: AccessStore;
    now?: () => number;
    wrapLog?: (log: ChangeLog) => ChangeLog;
    webAppOrigins?: readonly string[];
    stalledMs?: number;
  } = {},
): Promise<TestRelay> {
  const lines: string[] = [];
  const logger = createLogger("debug", { write: (line: string) => void lines.push(line) });
  const metrics = createMetrics();
  const now = options.now ?? ((): number => Date.now());
  const inner = options.log ?? createMemoryLog({ randomId: randomUUID });
  const log = options.wrapLog ? options.wrapLog(inner) : inner;
  const access = createAccess({ store: options.accessStore ?? createMemoryAccessStore(), now });
  const ingest = createIngest({
    log,
    keysOf: (spreadsheetId) => access.keysOf(spreadsheetId),
    now,
    onFault: (error) => void lines.push(`${JSON.stringify(faultOf(error))}\n`),
  });
  let skipped = 0;
  const elapsed = (): number => performance.now() + skipped;
  const relay = createRelay(
    { host: "127.0.0.1", port: 0, webAppOrigins: options.webAppOrigins ?? [] },
    { log, access, ingest, logger, metrics, now, elapsed, stalledMs: options.stalledMs },
  );
  const url = await relay.listen();
  return {
    url,
    relay,
    log,
    access,
    ingest,
    metrics,
    lines,
    skip: (ms) => {
      skipped += ms;
    },
    async stop() {
      await relay.stop();
      metrics.stop();
    },
  };
}

/** Waits until `check` passes; patient, since test machines are busy. */
export const soon = (check: () => void | Promise<void>): Promise<void> =>
  vi.waitFor(check, { timeout: 10_000, interval: 5 });

/** Makes a spreadsheet known with a device that reads it. */
export function letIn({ access }: Pick<TestRelay, "access">, spreadsheetId: string) {
  const spreadsheet = access.addSpreadsheet(spreadsheetId);
  const device = access.addDevice(spreadsheetId, "test", ["read"]);
  if (!spreadsheet || !device) throw new Error("The spreadsheet was known before.");
  return { spreadsheetId, ingestKey: spreadsheet.ingestKey, token: device.token, deviceId: device.deviceId };
}

export const bearer = (token: string, more: Record<string, string> = {}): { headers: Record<string, string> } => ({
  headers: { authorization: `Bearer ${token}`, ...more },
});

/** A post signed as the script signs it. */
export function signed(ingestKey: string, body: string | Buffer, at = Date.now(), id: string = randomUUID()) {
  const timestamp = String(Math.floor(at / 1000));
  const signature = createHmac("sha256", bytesOfIngestKey(ingestKey))
    .update(signedPrefix(id, timestamp))
    .update(body)
    .digest("base64");
  return {
    method: "POST",
    body,
    headers: {
      "content-type": "application/json",
      "webhook-id": id,
      "webhook-timestamp": timestamp,
      "webhook-signature": signatureHeader([signature]),
    },
  };
}

export const sheet = (more: Partial<Sheet> = {}): Sheet => ({
  sheetId: 7,
  title: "Data",
  index: 0,
  rows: 4,
  columns: 3,
  hidden: false,
  kind: "GRID",
  ...more,
});

/** A post whose only reading names the sheets. */
export const sheetsPost = (title: string, more: object = {}): string =>
  JSON.stringify({
    protocol: 1,
    run: randomUUID(),
    n: 0,
    cause: "install",
    script: { version: "1", installation: "i" },
    allowance: { spentMs: 0, runLimitMs: 360_000 },
    readings: [
      {
        kind: "sheets",
        readAt: [Date.now(), Date.now()],
        spreadsheet: { title, locale: "en_GB", timeZone: "Europe/London", sheets: [sheet()] },
      },
    ],
    ...more,
  });

type Draft = Change extends infer One
  ? One extends Change
    ? Omit<One, "seq" | "loggedAt" | "cause" | "readAt">
    : never
  : never;

/** Logs changes as ingest would, each group as one entry. */
export async function learn(
  { log, ingest }: { log: ChangeLog; ingest?: Ingest },
  spreadsheetId: string,
  ...drafts: Draft[]
): Promise<void> {
  const head = await log.create(spreadsheetId);
  const texts = drafts.map((draft, offset) =>
    JSON.stringify({ seq: head.seq + 1 + offset, loggedAt: 1, cause: "edit", readAt: [1, 1], ...draft }),
  );
  const chain = texts.reduce(nextChain, head.chain);
  const entry = { firstSeq: head.seq + 1, lastSeq: head.seq + drafts.length, json: `[${texts.join(",")}]`, chain };
  await log.append([{ spreadsheetId, expected: head, entry }]);
  ingest?.forget(spreadsheetId);
}

export const typed = (text: string, row = 0): Draft => ({
  kind: "cells",
  sheetId: 7,
  at: { row, column: 0 },
  cells: [[text]],
});

/** The sheets, and rows in the first of them. */
export const filled = (rows: (string | number | null | boolean)[][], more: Partial<Sheet> = {}): Draft[] => [
  {
    kind: "sheets",
    spreadsheet: { title: "Ledger", locale: "en_GB", timeZone: "UTC", sheets: [sheet({ rows: rows.length, ...more })] },
  },
  { kind: "rows", sheetId: 7, runs: [{ put: rows }] },
];

export type FeedClient = {
  /** Every frame so far. */
  frames: DownFrame[];
  say(frame: unknown): void;
  sayRaw(data: string | Buffer): void;
  /** Waits until a frame is there that passes, also one that came before. */
  until<K extends DownFrame["kind"]>(
    kind: K,
    test?: (frame: Extract<DownFrame, { kind: K }>) => boolean,
  ): Promise<Extract<DownFrame, { kind: K }>>;
  closed: Promise<{ code: number; reason: string }>;
  socket: WebSocket;
  close(): void;
};

/** Dials the feed; every frame that comes must be one of the protocol. */
export async function dial(url: string): Promise<FeedClient> {
  const socket = new WebSocket(`${url.replace("http", "ws")}/v1/feed`, FEED_SUBPROTOCOL);
  const frames: DownFrame[] = [];
  const waiting = new Set<() => void>();
  let isClosed = false;
  const check = (): void => {
    for (const one of waiting) one();
  };
  socket.on("message", (data: Buffer) => {
    frames.push(downFrameSchema.parse(JSON.parse(data.toString("utf8"))));
    check();
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.on("close", (code, reason) => {
      isClosed = true;
      resolve({ code, reason: reason.toString() });
      check();
    }),
  );
  await new Promise((resolve, reject) => {
    socket.on("open", resolve);
    socket.on("error", reject);
  });
  return {
    frames,
    socket,
    closed,
    say: (frame) => socket.send(JSON.stringify(frame)),
    sayRaw: (data) => socket.send(data),
    until: (kind, passes = () => true) =>
      new Promise((resolve, reject) => {
        type Wanted = Extract<DownFrame, { kind: typeof kind }>;
        const look = (): void => {
          const found = frames.find((frame): frame is Wanted => frame.kind === kind && passes(frame as Wanted));
          if (!found && !isClosed) return;
          waiting.delete(look);
          if (found) resolve(found);
          else reject(new Error(`Closed without ${kind}; came: ${frames.map((frame) => frame.kind).join(" ")}`));
        };
        waiting.add(look);
        look();
      }),
    close: () => socket.close(),
  };
}

/** Dials, says hello and waits for the welcome. */
export async function greet(url: string, token: string): Promise<FeedClient> {
  const client = await dial(url);
  client.say({ kind: "hello", token, client: "test 1" });
  await client.until("welcome");
  return client;
}

/** The texts of the cells in every `changes` frame, with their seqs. */
export const seqsOf = (frames: readonly DownFrame[]): number[] =>
  frames.flatMap((frame) => (frame.kind === "changes" ? frame.changes.map((change) => change.seq) : []));

/** Rolls whole numbers from 0 to below `sides`, the same ones for the same seed (mulberry32: one roll tells nothing of the next). */
export function diceOf(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides;
  };
}
