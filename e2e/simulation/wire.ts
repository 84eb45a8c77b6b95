/** Sockets between a simulated browser and a simulated relay: in order, in their time, and now and then cut. */
import { Duplex } from "node:stream";
import type { Socket } from "../../extension/connection/connection.ts";
import type { FeedSocket } from "../../relay-server/socket/conversation.ts";
import type { Clock, Trace } from "./clock.ts";
import type { Dice } from "./dice.ts";
import type { Weather } from "./weather.ts";

/** The relay's end of a socket. */
export type ServerSocket = {
  readonly ws: FeedSocket;
  readonly wire: Duplex;
  /** The process at this end is gone. */
  cut: () => void;
};

const CONNECTING = 0 as const;
const OPEN = 1 as const;
const CLOSED = 3 as const;

/** The members of `ws` that a conversation uses. */
class RelayEnd implements Pick<FeedSocket, "talk"> {
  talk: FeedSocket["talk"] = undefined;
  readonly OPEN = OPEN;
  readonly CLOSED = CLOSED;
  readyState: number = OPEN;
  readonly #say: (data: string) => void;
  readonly #close: (code: number) => void;

  constructor(say: (data: string) => void, close: (code: number) => void) {
    this.#say = say;
    this.#close = close;
  }

  send(data: string | Buffer): void {
    if (this.readyState === OPEN) this.#say(typeof data === "string" ? data : data.toString("utf8"));
  }

  close(code = 1005): void {
    this.#end(code);
  }

  terminate(): void {
    this.#end(1006);
  }

  ended(): void {
    if (this.readyState === CLOSED) return;
    this.readyState = CLOSED;
    this.talk?.closed();
  }

  #end(code: number): void {
    if (this.readyState === CLOSED) return;
    this.#close(code);
    this.ended();
  }
}

type Needs = {
  clock: Clock;
  dice: Dice;
  weather: Weather;
  accept: (socket: ServerSocket) => boolean;
  trace: Trace;
};

/** Dials the relay. The browser's end is a standard WebSocket as far as the connection uses one. */
export function dialer({ clock, dice, weather, accept, trace }: Needs): () => Socket {
  const latency = (): number =>
    weather.isStormy ? (dice.chance(0.02) ? dice.between(0, 40_000) : dice.between(1, 80)) : 5;

  return () => {
    let state: 0 | 1 | 3 = CONNECTING;
    let relayEnd: RelayEnd | undefined;
    let upAt = 0;
    let downAt = 0;
    let isCut = false;

    /** After everything that was sent before. */
    const inOrder = (at: number, run: () => void): number => {
      const due = Math.max(at, clock.now() + latency());
      clock.after(due - clock.now(), run);
      return due;
    };
    const closeHere = (code: number): void => {
      if (state === CLOSED) return;
      state = CLOSED;
      socket.onclose?.call(socket as WebSocket, { code } as CloseEvent);
    };
    /** The wire breaks: the relay's end learns it now, this end perhaps much later. */
    const breakOff = (): void => {
      if (isCut) return;
      isCut = true;
      relayEnd?.ended();
      clock.after(weather.isStormy ? dice.between(0, 20_000) : 5, () => closeHere(1006));
    };

    const socket: Socket = {
      get readyState() {
        return state;
      },
      onopen: null,
      onmessage: null,
      onclose: null,
      onerror: null,
      send(data) {
        if (state !== OPEN || isCut) return;
        if (weather.isStormy && dice.chance(weather.odds.brokenSocket)) {
          trace("a feed socket breaks");
          breakOff();
          return;
        }
        if (typeof data !== "string") throw new TypeError("The feed is spoken as text.");
        upAt = inOrder(upAt, () => {
          clock.owe(2);
          if (!isCut) trace(`the feed hears ${kindOf(data)}`);
          if (!isCut) relayEnd?.talk?.heard(Buffer.from(data), false);
        });
      },
      close() {
        if (state === CLOSED) return;
        state = CLOSED;
        isCut = true;
        upAt = inOrder(upAt, () => relayEnd?.ended());
      },
    };

    clock.after(latency(), () => {
      if (state !== CONNECTING) return;
      const end = new RelayEnd(
        (text) => {
          if (isCut) return;
          downAt = inOrder(downAt, () => {
            if (state === OPEN && !isCut) trace(`the feed says ${kindOf(text)}`);
            if (state === OPEN && !isCut) socket.onmessage?.call(socket as WebSocket, { data: text } as MessageEvent);
          });
        },
        (code) => {
          downAt = inOrder(downAt, () => closeHere(code));
        },
      );
      // Ready frames are written to the network socket itself.
      const wire = new Duplex({
        read: () => {},
        write: (chunk: Buffer, _encoding, done) => {
          for (const text of textsOf(chunk)) end.send(text);
          done();
        },
      });
      if (!accept({ ws: end as unknown as FeedSocket, wire, cut: breakOff })) {
        closeHere(1006);
        return;
      }
      relayEnd = end;
      state = OPEN;
      socket.onopen?.call(socket as WebSocket, {} as Event);
    });
    return socket;
  };
}

/** The first words of a frame: which kind it is. */
const kindOf = (text: string): string => /^\{"kind":"(\w+)"/.exec(text)?.[1] ?? "nothing known";

/** The texts of unmasked, whole WebSocket frames. */
function* textsOf(chunk: Buffer): Generator<string> {
  for (let at = 0; at < chunk.length;) {
    const short = chunk.readUInt8(at + 1);
    const header = short === 127 ? 10 : short === 126 ? 4 : 2;
    const length = short === 127 ? chunk.readUInt32BE(at + 6) : short === 126 ? chunk.readUInt16BE(at + 2) : short;
    at += header;
    yield chunk.toString("utf8", at, at + length);
    at += length;
  }
}
