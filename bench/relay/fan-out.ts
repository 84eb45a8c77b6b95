/** What it costs a server to bring one message to many, beside everybody who does that for a living. */
import { startLoad } from "./loading.ts";
import { fanOutPeers, type Peer } from "./peers.ts";
import type { Workshop } from "./processes.ts";
import { spread, type Figures, type Scale } from "./figures.ts";

type Case = {
  readonly question: string;
  readonly watchers: number;
  readonly inFlight: number;
  readonly messages: number;
};

const cases = (scale: Scale): Case[] =>
  [10, 100, 1_000, 5_000].flatMap((watchers) => {
    // Enough that what one post costs without watchers, which is taken off, is known well; but those who write each message
    // to each socket take a minute for what others do in a second.
    const many = Math.round((scale.isQuick ? 30_000 : 150_000) / watchers);
    return [
      { question: "one at a time", watchers, inFlight: 1, messages: Math.min(1_200, Math.max(64, many)) },
      { question: "burst of 64", watchers, inFlight: 64, messages: Math.min(2_560, Math.max(128, many * 2)) },
    ].filter(() => !scale.isQuick || watchers === 100 || watchers === 1_000);
  });

const WARM_UP_MESSAGES = 30_000;

/** One run: server CPU a message, in microseconds, and what was lost. */
export async function runFanOut(workshop: Workshop, peer: Peer, watchers: number, inFlight: number, messages: number) {
  const warmUp = Math.min(200, Math.max(20, Math.round(messages / 4)));
  const { publish } = peer;
  const load = await startLoad(workshop, {
    pid: peer.pid,
    watch: { ...peer, count: watchers },
    publish: {
      port: publish.port,
      connections: publish.as === "http" ? inFlight : 1,
      as: publish.as,
      requests: publish.next(warmUp + messages),
      hello: publish.hello,
    },
    within: peer.within,
  });
  try {
    const first = await load.ask(`run ${warmUp} ${inFlight} 0`);
    if (first["missing"] || first["refused"]) return first;
    return await load.ask(`run ${messages} ${inFlight} 0`);
  } finally {
    await load.stop();
  }
}

export async function benchFanOut(workshop: Workshop, scale: Scale, figures: Figures): Promise<void> {
  const running = new Map<string, Peer>();
  try {
    for (const kind of fanOutPeers) {
      const why = kind.missing();
      if (why !== undefined) figures.skip("fan-out", kind.name, why);
      else {
        const peer = await kind.start(workshop).catch((error: unknown) => {
          if (kind.name === "sheetwire") throw error;
          figures.skip(
            "fan-out",
            kind.name,
            `did not start: ${error instanceof Error ? error.message : String(error)}`,
          );
        });
        if (peer) running.set(kind.name, peer);
      }
    }
    // A program that compiles itself as it runs is cheaper from one round to the next until it has: no round is compared before.
    for (const peer of running.values()) await runFanOut(workshop, peer, 1, 64, WARM_UP_MESSAGES);
    for (const { question, watchers, inFlight, messages } of cases(scale)) {
      const costs = new Map<string, { net: number[]; gross: number[]; perSecond: number[]; lost: number }>();
      // Differences of small figures: more rounds than elsewhere, but where one takes minutes.
      const rounds = watchers > 1_000 ? 3 : scale.rounds + (scale.isQuick ? 0 : 2);
      for (let round = 0; round < rounds; round += 1) {
        for (const [name, peer] of running) {
          const known = costs.get(name) ?? { net: [], gross: [], perSecond: [], lost: 0 };
          costs.set(name, known);
          // What a message costs before anybody watches it is measured with one watcher, and taken off.
          const alone = await runFanOut(workshop, peer, 1, inFlight, messages);
          const many = await runFanOut(workshop, peer, watchers, inFlight, messages);
          const lost = Number(many["missing"]) + Number(many["holes"]) + Number(many["refused"]);
          known.lost += lost;
          if (lost > 0 && Number(many["deliveries"]) === 0) continue;
          const each = Number(many["serverCpuUs"]) / Number(many["published"]);
          const before = Number(alone["serverCpuUs"]) / Number(alone["published"]);
          known.net.push((each - before) / (watchers - 1));
          known.gross.push(each / watchers);
          known.perSecond.push((Number(many["deliveries"]) / Number(many["ms"])) * 1_000);
        }
      }
      for (const [name, { net, gross, perSecond, lost }] of costs) {
        figures.add({
          question: `fan-out, ${question}, ${watchers} watchers`,
          who: name,
          unit: "us of server CPU a delivery",
          ...spread(net),
          withIngest: spread(gross).median,
          deliveriesPerSecond: Math.round(spread(perSecond).median),
          ...(lost > 0 ? { lost } : {}),
        });
      }
    }
  } finally {
    for (const peer of running.values()) await peer.stop();
  }
}
