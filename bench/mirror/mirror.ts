/**
 * `npm run bench -- mirror`: the mirror beside what else could hold a sheet in a browser, and beside the floor below which
 * IndexedDB cannot go, in one interleaved run.
 */
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { tell } from "../measure.ts";
import { mostOf, rounded, verdictsOn, type Found, type QuestionName } from "./figures.ts";
import { Model } from "./model.ts";
import { peerNames, type PeerName } from "./peers.ts";
import { askBackground, ofBackground } from "./questions/background.ts";
import { askAll } from "./questions/questions.ts";
import { writeReport } from "./report.ts";
import { snapshotOf } from "./snapshot.ts";
import { openMirrorStage, type Engine } from "./stage.ts";
import { COLUMNS, readTable } from "./table.ts";

export const mirrorUsage =
  "mirror [--quick] [--cells N] [--engine leveldb|sqlite|both] [--only load,edit,…] [--peers floor,rows,…] [--rounds N] [--write]";

const options = {
  quick: { type: "boolean", default: false },
  cells: { type: "string" },
  engine: { type: "string", default: "both" },
  only: { type: "string" },
  peers: { type: "string" },
  rounds: { type: "string" },
  write: { type: "boolean", default: false },
} as const;

/** Google's limit. Peers would take minutes of it; it is asked of the floor and the mirror. */
const LARGEST_CELLS = 10_000_000;

type Settings = {
  sizes: readonly number[];
  engines: readonly Engine[];
  asks: (question: QuestionName) => boolean;
  only: readonly string[] | undefined;
  peers: readonly PeerName[];
  rounds: number;
  streamedEdits: number;
  write: boolean;
};

export async function benchMirror(args: readonly string[]): Promise<void> {
  const settings = readSettings(args);
  if (typeof settings === "string") {
    process.stderr.write(`${settings}\nnpm run bench -- ${mirrorUsage}\n`);
    process.exitCode = 2;
    return;
  }
  const [load = Number.NaN] = loadavg();
  const all: Found[] = [];
  const found = (one: Found): void => {
    all.push(one);
    const { question, ...rest } = one;
    const verdicts = verdictsOn(one).map(({ goal, ratio, reached }) => {
      const most = mostOf(goal);
      const beside = "beside" in goal ? goal.beside : "bound";
      return { beside, ratio: rounded(ratio), ...(most === undefined ? {} : { atMost: rounded(most), reached }) };
    });
    tell(question, { ...rest, verdicts });
  };
  let chromium = "";
  for (const cells of settings.sizes) {
    for (const engine of settings.engines) chromium = await benchSize(cells, engine, settings, found);
  }
  if (settings.write) writeReport(all, { chromium, load, command: `npm run bench -- mirror ${args.join(" ")}`.trim() });
}

async function benchSize(
  cells: number,
  engine: Engine,
  { asks, only, peers, rounds, streamedEdits }: Settings,
  found: (found: Found) => void,
): Promise<string> {
  const isLargest = cells >= LARGEST_CELLS;
  const rows = readTable(Math.ceil(cells / COLUMNS));
  const snapshot = snapshotOf(rows);
  if (!isLargest) await askBackground({ engine, rows, snapshot, asks, found });
  const stage = await openMirrorStage({
    engine,
    peers: isLargest ? peers.filter((peer) => peer === "floor" || peer === "mirror") : peers,
    snapshot,
    skip: (peer, why) => tell("peer", { peer, skipped: why.split("\n")[0] }),
  });
  try {
    if (only?.every((question) => ofBackground.some((one) => one === question))) return stage.chromiumVersion;
    await askAll({
      stage,
      engine,
      model: new Model(rows),
      fresh: rows[1] ?? [],
      asks,
      rounds: isLargest ? Math.min(3, rounds) : rounds,
      streamedEdits,
      size: isLargest ? "-10m" : "",
      found,
    });
    return stage.chromiumVersion;
  } finally {
    await stage.stop();
  }
}

/** The settings of a run, or what is wrong with the options. */
function readSettings(args: readonly string[]): Settings | string {
  let values: ReturnType<typeof parseArgs<{ options: typeof options }>>["values"];
  try {
    ({ values } = parseArgs({ args: [...args], options }));
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  const sizes = values.cells ? [Number(values.cells)] : values.quick ? [100_000] : [1_000_000, LARGEST_CELLS];
  if (!sizes.every((cells) => cells >= 20_000 && cells <= LARGEST_CELLS))
    return "--cells is from 20,000 to 10,000,000.";
  const engines: readonly Engine[] | undefined =
    values.engine === "both"
      ? ["leveldb", "sqlite"]
      : values.engine === "leveldb" || values.engine === "sqlite"
        ? [values.engine]
        : undefined;
  if (!engines) return "--engine is leveldb, sqlite or both.";
  const rounds = Number(values.rounds ?? (values.quick ? 3 : 5));
  if (!(rounds >= 1 && rounds <= 100)) return "--rounds is from 1 to 100.";
  const asked = values.peers?.split(",");
  const strange = asked?.find((peer) => !peerNames.some((name) => name === peer));
  if (strange !== undefined) return `There is no peer ${strange}; there are ${peerNames.join(", ")}.`;
  const only = values.only?.split(",");
  return {
    sizes,
    engines,
    only,
    asks: (question) => only === undefined || only.includes(question),
    peers: peerNames.filter((peer) => asked === undefined || asked.includes(peer)),
    rounds,
    streamedEdits: values.quick ? 1_000 : 10_000,
    write: values.write ?? false,
  };
}
