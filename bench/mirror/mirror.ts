/**
 * `npm run bench -- mirror`: the mirror beside what else could hold a sheet in a browser, and beside the floor below which
 * IndexedDB cannot go, in one interleaved run.
 */
import { parseArgs } from "node:util";
import { tell } from "../measure.ts";
import { rounded, verdictsOn, type Found, type QuestionName } from "./figures.ts";
import { Model } from "./model.ts";
import { peerNames, type PeerName } from "./peers.ts";
import { askAll } from "./questions/questions.ts";
import { snapshotOf } from "./snapshot.ts";
import { openMirrorStage, type Engine } from "./stage.ts";
import { COLUMNS, readTable } from "./table.ts";

export const mirrorUsage =
  "mirror [--quick] [--cells N] [--engine leveldb|sqlite|both] [--only load,edit,…] [--peers floor,rows,…] [--rounds N]";

const options = {
  quick: { type: "boolean", default: false },
  cells: { type: "string" },
  engine: { type: "string", default: "both" },
  only: { type: "string" },
  peers: { type: "string" },
  rounds: { type: "string" },
} as const;

export async function benchMirror(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options });
  const cells = Number(values.cells ?? (values.quick ? 100_000 : 1_000_000));
  if (!(cells >= 20_000 && cells <= 10_000_000)) throw new Error("--cells is a number from 20,000 to 10,000,000.");
  const rounds = Number(values.rounds ?? (values.quick ? 3 : 5));
  const engines: Engine[] = values.engine === "both" ? ["leveldb", "sqlite"] : [values.engine as Engine];
  const only = values.only?.split(",");
  const asks = (question: QuestionName): boolean => only === undefined || only.includes(question);
  const peers = peerNames.filter((peer) => values.peers === undefined || values.peers.split(",").includes(peer));

  const found: Found[] = [];
  for (const engine of engines) {
    const rows = readTable(cells / COLUMNS);
    const skip = (peer: PeerName, why: string): void => tell("peer", { peer, skipped: why.split("\n")[0] });
    const stage = await openMirrorStage({ engine, peers, snapshot: snapshotOf(rows), skip });
    try {
      await askAll({
        stage,
        engine,
        model: new Model(rows),
        fresh: rows[1] ?? [],
        asks,
        rounds,
        streamedEdits: values.quick ? 1_000 : 10_000,
        size: cells >= 10_000_000 ? "-10m" : "",
        found: (one) => {
          found.push(one);
          const verdicts = verdictsOn(one).map(({ beside, ratio, atMost, reached }) => {
            return { beside: beside ?? "bound", ratio: rounded(ratio), atMost: rounded(atMost), reached };
          });
          const { question, ...rest } = one;
          tell(question, { ...rest, verdicts });
        },
      });
    } finally {
      await stage.stop();
    }
  }
}
