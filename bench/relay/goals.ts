/** What is to be reached, as ratios of figures of one run: at least so much of, or so many times, what a peer does. */
import type { Figures } from "./figures.ts";

export type Goal = {
  readonly question: string;
  /** In words: the relay's share of what. */
  readonly of: string;
  readonly atLeast: number;
  /** Undefined where a figure is missing. */
  readonly ratio: (figures: Figures) => number | undefined;
  /** What no program on Node's sockets or `node:http` is ahead of, and the same ratio of it in the same run. */
  readonly limit?: { readonly who: string; readonly ratio: (figures: Figures) => number | undefined };
};

const one = (watchers: number): string => `fan-out, one at a time, ${watchers} watchers`;
const burst = (watchers: number): string => `fan-out, burst of 64, ${watchers} watchers`;
const US = "sheetwire";
/** The relay's fan-out alone, handed what the peers are handed: without what a lone durable post costs beside it. */
const HANDED = "sheetwire, handed the message";

/** Less is better: how many times as cheap (or fast) as the peer. */
const less =
  (question: string, us: string, peer: string) =>
  (figures: Figures): number | undefined =>
    figures.ratio(question, us, peer);

const limitedBy = (question: string, who: string, peer: string): Pick<Goal, "limit"> =>
  who === peer ? {} : { limit: { who, ratio: less(question, who, peer) } };

const fanOut =
  (limit: string) =>
  (question: string, peer: string, atLeast: number, us = US): Goal => ({
    question,
    of: `${us.slice(US.length + 2)}${us === US ? "" : ": "}times as cheap a delivery as ${peer}`,
    atLeast,
    ratio: less(question, us, peer),
    ...limitedBy(question, limit, peer),
  });
const lone = fanOut("raw sockets");
const bursting = fanOut("raw sockets, a write per turn");

const POST_1 = "ingest, 1 reading a post";
const POST_50 = "ingest, 50 readings a post";
const RESUME = "resume of 1,000,000 changes";
const RESUME_SHORT = "resume of 10,000 changes";
const LATENCY = "200 posts a second, to the last of 100 watchers";
const IDLE = "memory of 10,000 idle watchers";
const ingest = (question: string, us: string, peer: string, atLeast: number): Goal => ({
  question,
  of: `${us.slice("sheetwire ".length)}: times as cheap a reading as ${peer}`,
  atLeast,
  ratio: less(question, us, peer),
  // Beside itself the relay is its own limit.
  ...(peer.startsWith(US) ? {} : limitedBy(question, "node:http and nothing else", peer)),
});
const resume = (peer: string, atLeast: number): Goal => ({
  question: RESUME,
  of: `times as fast as ${peer}`,
  atLeast,
  ratio: less(RESUME, US, peer),
});

export const goals: readonly Goal[] = [
  ...[100, 1_000].flatMap((watchers) =>
    [US, HANDED].flatMap((us) => [
      lone(one(watchers), "raw sockets", 0.95, us),
      lone(one(watchers), "uWebSockets", 0.8, us),
      lone(one(watchers), "C epoll", 0.7, us),
      lone(one(watchers), "ws.send loop", 1.3, us),
      lone(one(watchers), "socket.io", watchers === 100 ? 1.6 : 2, us),
      lone(one(watchers), "mosquitto", 1 / 1.8, us),
    ]),
  ),
  ...[100, 1_000].flatMap((watchers) =>
    [US, HANDED].flatMap((us) => [
      bursting(burst(watchers), "uWebSockets", 1.5, us),
      bursting(burst(watchers), "Bun", 1.2, us),
      bursting(burst(watchers), "redis pub/sub", 2.5, us),
      bursting(burst(watchers), "nats", 5, us),
      bursting(burst(watchers), "mosquitto", 20, us),
      bursting(burst(watchers), "ws.send loop", 35, us),
      bursting(burst(watchers), "socket.io", 35, us),
      bursting(burst(watchers), "C epoll, a write per turn", 0.55, us),
    ]),
  ),
  { question: IDLE, of: "of 8 kB a watcher", atLeast: 1, ratio: (figures) => share(8, figures.of(IDLE, US)) },
  {
    question: IDLE,
    of: "of 0.35 of socket.io's",
    atLeast: 1,
    ratio: (figures) => share(0.35 * (figures.of(IDLE, "socket.io") ?? Number.NaN), figures.of(IDLE, US)),
  },
  ingest(POST_1, "sheetwire normal", "sheetwire without a store", 0.9),
  ingest(POST_1, "sheetwire full", "sheetwire without a store", 0.75),
  ingest(POST_1, "sheetwire full", "Fastify, a transaction each, socket.io", 7),
  ingest(POST_1, "sheetwire full", "redis appendfsync always", 2),
  ingest(POST_1, "sheetwire full", "the same in front of redis appendfsync always", 2),
  ingest(POST_50, "sheetwire full", "sheetwire without a store", 0.7),
  ingest(POST_50, "sheetwire full", "sheetwire in memory", 0.9),
  ingest(POST_50, "sheetwire full", "a row per change, full", 2.2),
  ingest(POST_50, "sheetwire full", "Fastify, a transaction each, socket.io", 5.5),
  { question: RESUME, of: "of 1,600,000 a second", atLeast: 1, ratio: (figures) => share(625, figures.of(RESUME, US)) },
  resume("a row per change", 3),
  resume("objects, one by one", 12),
  resume("redis XRANGE", 4),
  {
    question: RESUME_SHORT,
    of: "within 10 ms",
    atLeast: 1,
    ratio: (figures) => share(10, figures.of(RESUME_SHORT, US)),
  },
  {
    question: LATENCY,
    of: "normal: at most 1.1 x in memory",
    atLeast: 1 / 1.1,
    ratio: less(LATENCY, "sheetwire normal", "sheetwire in memory"),
  },
  {
    question: LATENCY,
    of: "normal: at most 1.6 x nchan",
    atLeast: 1 / 1.6,
    ratio: less(LATENCY, "sheetwire normal", "nchan"),
  },
];

const share = (allowed: number, is: number | undefined): number | undefined =>
  is === undefined || !Number.isFinite(allowed) ? undefined : allowed / is;
