/** What a watcher costs that only waits: resident memory of the server, for each of many. */
import { readFileSync } from "node:fs";
import { startLoad } from "./loading.ts";
import { fanOutPeers } from "./peers.ts";
import { spread, type Figures, type Scale } from "./figures.ts";
import type { Workshop } from "./processes.ts";

const WHO = new Set([
  "sheetwire",
  "raw sockets",
  "ws.send loop",
  "uWebSockets",
  "Bun",
  "socket.io",
  "mosquitto",
  "nats",
]);

/** Resident memory of a process, in bytes. */
export const residentBytes = (pid: number): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? Number.NaN) * 1_024;

export async function benchIdle(workshop: Workshop, scale: Scale, figures: Figures): Promise<void> {
  const count = scale.isQuick ? 2_000 : 10_000;
  const question = `memory of ${count.toLocaleString("en")} idle watchers`;
  for (const kind of fanOutPeers.filter(({ name }) => WHO.has(name))) {
    const why = kind.missing();
    if (why !== undefined) {
      figures.skip(question, kind.name, why);
      continue;
    }
    const each: number[] = [];
    // Memory that was freed is not given back at once: each run has a server of its own.
    for (let run = 0; run < (scale.isQuick ? 1 : 3); run += 1) {
      const peer = await kind.start(workshop);
      try {
        const few = await startLoad(workshop, { pid: peer.pid, watch: { ...peer, count: 50 }, within: peer.within });
        await few.ask("idle 1000");
        const before = residentBytes(peer.pid);
        const many = await startLoad(workshop, { pid: peer.pid, watch: { ...peer, count }, within: peer.within });
        await many.ask("idle 4000");
        each.push((residentBytes(peer.pid) - before) / count / 1_024);
        await many.stop();
        await few.stop();
      } finally {
        await peer.stop();
      }
    }
    figures.add({ question, who: kind.name, unit: "kB of resident memory a watcher", ...spread(each) });
  }
}
