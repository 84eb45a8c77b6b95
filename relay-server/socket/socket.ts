/** The feed: takes WebSocket connections at `/v1/feed` and holds a conversation with each. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { limits } from "@sheetwire/shared/limits";
import { FEED_SUBPROTOCOL, problemOf, type RefusalCode } from "@sheetwire/shared/protocol";
import { WebSocketServer } from "ws";
import { createStallSweep } from "../fan-out/fan-out.ts";
import { converse, FeedSocket, type Conversation, type ConversationNeeds } from "./conversation.ts";
import { createTimerWheel } from "./timer-wheel.ts";

export const FEED_PATH = "/v1/feed";

type FeedNeeds = ConversationNeeds & {
  /** Sockets at most; one more is refused as busy. */
  maxSockets: number;
  /** A reader that takes nothing for so long is cut off, in milliseconds. */
  stalledMs?: number | undefined;
};

/** How long a stop waits for sockets to say goodbye, in milliseconds. */
const GOODBYE_MS = 2_000;

export type Feed = {
  /** For the HTTP server's `upgrade` event. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Says `shutting-down` on every socket and ends them. */
  stop(): Promise<void>;
};

export function createFeed(needs: FeedNeeds): Feed {
  const { access, metrics, elapsed, maxSockets, stalledMs } = needs;
  const conversations = new Set<Conversation>();
  const wheel = createTimerWheel(elapsed);
  // Whoever says something and takes nothing is not silent.
  const stalls = createStallSweep({
    open: conversations,
    socketOf: ({ wire }) => wire,
    end: (conversation) => conversation.refuse("too-slow"),
    stalledMs,
  });
  const server = new WebSocketServer({
    noServer: true,
    WebSocket: FeedSocket,
    clientTracking: false,
    maxPayload: limits.upFrameMaxBytes,
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has(FEED_SUBPROTOCOL) ? FEED_SUBPROTOCOL : false),
  });
  server.on("wsClientError", (error, socket) => refuse(socket, "malformed", `${error.message}.`));
  const stopListening = access.onChange(() => {
    for (const conversation of conversations) conversation.checkAccess();
  });
  const talkNeeds: ConversationNeeds = {
    ...needs,
    onClosed(conversation) {
      conversations.delete(conversation);
      metrics.sockets.set(conversations.size);
    },
  };
  let stopping = false;

  return {
    upgrade(request, socket, head) {
      socket.on("error", destroy);
      const path = (request.url ?? "").split("?", 1)[0];
      if (path !== FEED_PATH) return refuse(socket, "not-found");
      if (stopping) return refuse(socket, "shutting-down");
      if (conversations.size >= maxSockets)
        return refuse(socket, "busy", "There are as many feed sockets as this relay takes.");
      const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((one) => one.trim());
      if (!offered.includes(FEED_SUBPROTOCOL)) {
        return refuse(socket, "malformed", `The feed is spoken as WebSocket subprotocol ${FEED_SUBPROTOCOL}.`);
      }
      return server.handleUpgrade(request, socket, head, (ws) => {
        // From here on `ws` hears of its errors.
        socket.off("error", destroy);
        conversations.add(converse(ws, socket, wheel, talkNeeds));
        metrics.sockets.set(conversations.size);
      });
    },
    async stop() {
      stopping = true;
      stopListening();
      await Promise.all([...conversations].map((conversation) => conversation.stop(GOODBYE_MS)));
      wheel.stop();
      stalls.stop();
      server.close();
    },
  };
}

/** One function for all sockets: each of them is one of many. */
function destroy(this: Duplex): void {
  this.destroy();
}

/** Before there is a WebSocket the refusal is an HTTP answer. */
function refuse(socket: Duplex, code: RefusalCode, detail?: string): void {
  const problem = problemOf(code, detail ? { detail } : {});
  const body = JSON.stringify(problem);
  // Nobody reads it any more, so its end would never be seen.
  socket.once("finish", destroy);
  socket.end(
    `HTTP/1.1 ${problem.status} Refused\r\nContent-Type: application/problem+json\r\nSec-WebSocket-Version: 13\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
