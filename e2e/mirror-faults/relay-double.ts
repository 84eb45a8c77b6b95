/**
 * A relay of one spreadsheet whose log is in our hands: it streams changes as fast as we like, serves snapshots as slowly
 * as we like, and remembers what it was asked.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocketServer, type WebSocket } from "ws";
import { seedOf } from "@sheetwire/shared/digest";
import {
  FEED_SUBPROTOCOL,
  problemOf,
  upFrameSchema,
  type Change,
  type Cursor,
  type DownFrame,
} from "@sheetwire/shared/protocol";
import { changed, firstContent, nextChange, sheetOf, SHEET_ID, type Content, type Dice } from "./sheet.ts";

export const SPREADSHEET_ID = "shaken-spreadsheet-0123456789abcdef";
export const TOKEN = "token-of-a-mirror-that-is-shaken";
const EPOCH = "shaken";
const FRAME_MOST_CHANGES = 100;
const LINE_ROWS = 256;
const BEHIND_MOST_CHANGES = 1_000;

export const chainAt = (seq: number): string =>
  (BigInt(seq) * 0x9e3779b97f4a7c15n).toString(16).padStart(16, "0").slice(-16);

export class RelayDouble {
  /** Snapshots begun, continued, and continued in vain; watches from a cursor that this log does not know. */
  readonly asked = { snapshots: 0, rests: 0, gone: 0, strangers: 0, watches: 0 };
  /** The furthest place that a reader said it holds. */
  tookSeq = 0;
  /** The furthest place at which the reader was seen. */
  heldSeq = 0;
  /** Pause after each line of a snapshot. */
  linePauseMs = 0;
  readonly #dice: Dice;
  readonly #seed = seedOf(SPREADSHEET_ID);
  readonly #log: Change[] = [];
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  readonly #sockets = new Set<WebSocket>();
  readonly #watching = new Set<WebSocket>();
  #head: Content;
  /** The content at `#baseSeq`, which never lies beyond what was asked for last. */
  #base: Content;
  #baseSeq = 0;
  readonly #first: Content;
  #streaming: NodeJS.Timeout | undefined;

  constructor(dice: Dice) {
    this.#dice = dice;
    this.#first = firstContent(dice);
    [this.#head, this.#base] = [this.#first, this.#first];
    const feed = new WebSocketServer({
      server: this.#server,
      path: "/v1/feed",
      handleProtocols: () => FEED_SUBPROTOCOL,
    });
    feed.on("connection", (socket) => this.#converse(socket));
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get seq(): number {
    return this.#log.length;
  }

  /** Lets so many changes happen and sends them in one frame. */
  happen(count: number): void {
    const from = this.seq;
    for (let n = 0; n < count; n += 1) {
      const change = nextChange(this.#head, this.seq + 1, this.#seed, this.#dice);
      this.#head = changed(this.#head, change);
      this.#log.push(change);
    }
    for (const socket of this.#watching) this.#sendFrom(socket, from);
  }

  /** One to three changes every few milliseconds, as long as the reader is not too far behind. */
  stream(everyMs: number): void {
    this.still();
    this.#streaming = setInterval(() => {
      if (this.seq - this.heldSeq < BEHIND_MOST_CHANGES) this.happen(1 + Math.floor(this.#dice() * 3));
    }, everyMs);
  }

  still(): void {
    clearInterval(this.#streaming);
  }

  /** Tells every reader to take a new snapshot, as after a restore. */
  refetch(): void {
    for (const socket of this.#watching)
      this.#say(socket, { kind: "refetch", spreadsheetId: SPREADSHEET_ID, reason: "shaken" });
  }

  /** The content right after the change of this number. */
  contentAt(seq: number): Content {
    if (seq < this.#baseSeq) [this.#base, this.#baseSeq] = [this.#first, 0];
    for (; this.#baseSeq < seq; this.#baseSeq += 1) {
      const change = this.#log[this.#baseSeq];
      if (!change) throw new Error(`Asked for the content at ${seq}, but the log ends at ${this.seq}.`);
      this.#base = changed(this.#base, change);
    }
    return this.#base;
  }

  async close(): Promise<void> {
    this.still();
    for (const socket of this.#sockets) socket.terminate();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #converse(socket: WebSocket): void {
    this.#sockets.add(socket);
    socket.on("close", () => {
      this.#sockets.delete(socket);
      this.#watching.delete(socket);
    });
    socket.on("error", () => socket.terminate());
    socket.on("message", (data: Buffer) => {
      const frame = upFrameSchema.parse(JSON.parse(data.toString()));
      if (frame.kind === "hello") {
        const limits = { frameMaxBytes: 1 << 20, upFrameMaxBytes: 1 << 16, pingEveryMs: 20_000, socketMaxWatches: 10 };
        this.#say(socket, { kind: "welcome", limits, relay: { version: "double", protocol: 1 }, now: Date.now() });
      } else if (frame.kind === "ping") this.#say(socket, { kind: "pong" });
      else if (frame.kind === "took") this.#took(frame.seq);
      else if (frame.kind === "watch") this.#watch(socket, frame.cursor);
      else if (frame.kind === "unwatch") this.#watching.delete(socket);
    });
  }

  #took(seq: number): void {
    this.tookSeq = Math.max(this.tookSeq, seq);
    this.heldSeq = Math.max(this.heldSeq, seq);
  }

  #watch(socket: WebSocket, cursor: Cursor | undefined): void {
    this.asked.watches += 1;
    const recovered =
      cursor !== undefined && cursor.epoch === EPOCH && cursor.seq <= this.seq && cursor.chain === chainAt(cursor.seq);
    if (cursor && !recovered) this.asked.strangers += 1;
    const { seq } = this;
    this.#say(socket, {
      kind: "watching",
      spreadsheetId: SPREADSHEET_ID,
      epoch: EPOCH,
      seq,
      chain: chainAt(seq),
      recovered,
    });
    if (recovered) this.#sendFrom(socket, cursor.seq);
    this.#watching.add(socket);
  }

  #sendFrom(socket: WebSocket, from: number): void {
    for (let at = from; at < this.seq; at += FRAME_MOST_CHANGES) {
      const changes = this.#log.slice(at, at + FRAME_MOST_CHANGES);
      const chain = chainAt(at + changes.length);
      this.#say(socket, { kind: "changes", spreadsheetId: SPREADSHEET_ID, changes, chain });
    }
  }

  #say(socket: WebSocket, frame: DownFrame): void {
    if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(frame));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader("access-control-allow-origin", "*");
    response.setHeader("access-control-allow-headers", "authorization, if-match, if-none-match");
    response.setHeader("access-control-expose-headers", "etag");
    if (request.method === "OPTIONS") return void response.writeHead(204).end();
    const url = new URL(request.url ?? "/", "http://127.0.0.1");
    if (url.pathname !== `/v1/spreadsheets/${SPREADSHEET_ID}/snapshot`) return void response.writeHead(404).end();
    const held = request.headers["if-match"];
    const after = url.searchParams.get("after");
    const seq = held === undefined ? this.seq : Number(/^"shaken-(\d+)"$/.exec(held)?.[1] ?? Number.NaN);
    // A version is kept for a while, as the relay's are.
    if (!(seq <= this.seq && seq > this.seq - 5_000)) {
      this.asked.gone += 1;
      response.writeHead(412, { "content-type": "application/problem+json" });
      return void response.end(JSON.stringify(problemOf("version-gone")));
    }
    if (after === null) this.asked.snapshots += 1;
    else this.asked.rests += 1;
    const content = this.contentAt(seq);
    const from = after === null ? 0 : Number(after.split(":")[1]) + 1;
    response.writeHead(200, { "content-type": "application/x-ndjson", etag: `"shaken-${seq}"` });
    const spreadsheet = { title: "Shaken", locale: "en_US", timeZone: "Etc/UTC", sheets: [sheetOf(content)] };
    response.write(`${JSON.stringify({ epoch: EPOCH, seq, chain: chainAt(seq), spreadsheet })}\n`);
    for (let row = from; row < content.rows.length && !response.destroyed; row += LINE_ROWS) {
      const rows = content.rows.slice(row, row + LINE_ROWS);
      response.write(`${JSON.stringify({ sheetId: SHEET_ID, fromRow: row, rows })}\n`);
      if (this.linePauseMs > 0) await new Promise((resolve) => setTimeout(resolve, this.linePauseMs));
    }
    response.end(`${JSON.stringify({ end: true, digest: "0000000000000000" })}\n`);
  }
}
