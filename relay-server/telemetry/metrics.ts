import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

/** Everything that is counted. Labels are routes, codes and outcomes: never an id, so that their number stays small. */
export type Metrics = ReturnType<typeof createMetrics>;

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function createMetrics() {
  const registry = new Registry();
  const registers = [registry];
  const stopDefaults = collectDefaultMetrics({ register: registry });
  // What is counted with each post is only noted, and told when somebody asks for the numbers.
  const posted = new Map<string, number>();
  const requested = new Map<string, { labels: Record<string, string | number>; count: number }>();
  return {
    registry,
    /** A post came to this outcome. */
    posted: (outcome: string): void => void posted.set(outcome, (posted.get(outcome) ?? 0) + 1),
    requested(route: string, method: string, status: number): void {
      const name = `${status} ${method} ${route}`;
      const held = requested.get(name);
      if (held) held.count += 1;
      else requested.set(name, { labels: { route, method, status }, count: 1 });
    },
    /** Default metrics observe garbage collection through a perf hook; this lets a process end without them. */
    stop: () => {
      registry.clear();
      return stopDefaults;
    },
    posts: new Counter({
      name: "sheetwire_posts_total",
      help: "Posts by outcome: taken, or the code of the refusal.",
      labelNames: ["outcome"],
      registers,
      collect() {
        for (const [outcome, count] of posted) this.inc({ outcome }, count);
        posted.clear();
      },
    }),
    postSeconds: new Histogram({
      name: "sheetwire_post_seconds",
      help: "From the last byte of a post to its answer.",
      buckets: SECONDS,
      registers,
    }),
    calls: new Counter({
      name: "sheetwire_calls_total",
      help: "Calls of web apps by outcome: answered, or what went wrong.",
      labelNames: ["outcome"],
      registers,
    }),
    requests: new Counter({
      name: "sheetwire_http_requests_total",
      help: "HTTP requests by route pattern, method and status.",
      labelNames: ["route", "method", "status"],
      registers,
      collect() {
        for (const { labels, count } of requested.values()) this.inc(labels, count);
        requested.clear();
      },
    }),
    requestSeconds: new Histogram({
      name: "sheetwire_http_request_seconds",
      help: "Time to answer an HTTP request, by route pattern.",
      labelNames: ["route"],
      buckets: SECONDS,
      registers,
    }),
    changes: new Counter({ name: "sheetwire_changes_total", help: "Changes that became durable.", registers }),
    delivered: new Counter({
      name: "sheetwire_frames_delivered_total",
      help: "Frames of changes handed to readers.",
      registers,
    }),
    deliverySeconds: new Histogram({
      name: "sheetwire_took_seconds",
      help: "From a change becoming durable to a reader's word that it is stored.",
      buckets: SECONDS,
      registers,
    }),
    sockets: new Gauge({ name: "sheetwire_feed_sockets", help: "Open feed sockets.", registers }),
    watches: new Gauge({
      name: "sheetwire_feed_watches",
      help: "Watches over feed sockets and event streams.",
      registers,
    }),
    refusals: new Counter({
      name: "sheetwire_feed_refusals_total",
      help: "Refusals on the feed, by code.",
      labelNames: ["code"],
      registers,
    }),
    /** Told when somebody asks for the numbers. */
    measureHeld: (bytes: () => number): void =>
      void new Gauge({
        name: "sheetwire_held_bytes",
        help: "Memory that the rows of sheets take, nearly.",
        registers,
        collect() {
          this.set(bytes());
        },
      }),
    damaged: new Counter({
      name: "sheetwire_damaged_total",
      help: "Places in the store that were not as they had been written.",
      registers,
    }),
    faults: new Counter({
      name: "sheetwire_faults_total",
      help: "Errors that our own reasoning did not foresee.",
      registers,
    }),
  };
}
