/** Whether a flood on one spreadsheet delays another: 20 posts a second to one watcher, alone and beside 64 that never pause. */
import { spread, type Figures, type Scale } from "./figures.ts";
import { startLoad } from "./loading.ts";
import { createPosts, pingFrame, startProduct, watchSteps } from "./product.ts";
import type { Workshop } from "./processes.ts";

const PER_SECOND = 20;
const CONNECTIONS = 64;

export async function benchFairness(workshop: Workshop, scale: Scale, figures: Figures): Promise<void> {
  const product = await startProduct(workshop, { sheets: 2 });
  const [flooded, quiet] = product.sheets;
  if (!flooded || !quiet) throw new Error("No spreadsheets were let in.");
  const { pid, port } = product;
  const flood = createPosts([flooded], 1);
  const drops = createPosts([quiet], 1);
  const times: Record<"alone" | "beside a flood", { p50: number[]; p99: number[]; lost: number }> = {
    alone: { p50: [], p99: [], lost: 0 },
    "beside a flood": { p50: [], p99: [], lost: 0 },
  };
  /** The posts of the quiet one, each as long as it took to its watcher. */
  const drip = async (which: keyof typeof times): Promise<void> => {
    const posts = PER_SECOND * (scale.isQuick ? 2 : 5);
    const load = await startLoad(workshop, {
      pid,
      watch: { port, framing: "ws", steps: watchSteps(quiet), count: 1, keepalive: pingFrame() },
      publish: { port, connections: 4, as: "http", requests: drops(posts) },
    });
    const result = await load.ask(`run ${posts} 4 ${PER_SECOND}`);
    await load.stop();
    times[which].p50.push(Number(result["p50Us"]) / 1_000);
    times[which].p99.push(Number(result["p99Us"]) / 1_000);
    times[which].lost += Number(result["missing"]) + Number(result["holes"]) + Number(result["refused"]);
  };
  try {
    for (let round = 0; round < scale.rounds; round += 1) {
      await drip("alone");
      const posts = scale.isQuick ? 4_000 : 12_000;
      const load = await startLoad(workshop, {
        pid,
        publish: { port, connections: CONNECTIONS, as: "http", requests: flood(posts) },
      });
      const under = load.ask(`run ${posts} ${CONNECTIONS} 0`);
      await drip("beside a flood");
      await under;
      await load.stop();
    }
    for (const [which, { p50, p99, lost }] of Object.entries(times)) {
      const question = `${PER_SECOND} posts a second to a watcher, ${which}`;
      figures.add({
        question,
        who: "sheetwire",
        unit: "ms, p99",
        ...spread(p99),
        p50: spread(p50).median,
        ...(lost > 0 ? { lost } : {}),
      });
    }
  } finally {
    await product.stop();
  }
}
