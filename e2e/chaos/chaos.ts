/**
 * Faults on the real relay while posts are under way. After each round every post that was answered 202 is in the log
 * exactly once, and every reader has it exactly once or was told to refetch.
 */
import { Agent } from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import { limits } from "@sheetwire/shared/limits";
import { createDice } from "../simulation/dice.ts";
import { openHouse, type House, type Sheet } from "./house.ts";
import { faults, type FaultName } from "./faults/faults.ts";
import { openLedger, type Ledger } from "./ledger.ts";
import { startReader, type Reader } from "./readers.ts";
import { judgeLog, judgeReader, openTruth, readOn, type Truth } from "./truth.ts";
import { post, sheetsBody, startWriters, type Writers } from "./writers.ts";

export { faultNames, type FaultName } from "./faults/faults.ts";

export type ChaosOptions = {
  readonly rounds: number;
  readonly seed: number;
  readonly fault: FaultName;
  readonly durability?: "full" | "normal" | undefined;
  readonly say?: ((line: string) => void) | undefined;
};

/** Totals of all rounds, as they are printed. */
export type Totals = {
  ok: boolean;
  fault: FaultName;
  durability: "full" | "normal";
  rounds: number;
  seed: number;
  /** Why nothing was tried. */
  skipped?: string;
  /** Posts answered 202 (that the fault does not void: see the fault). */
  acknowledged: number;
  /** Of these, in the log. */
  found: number;
  lost: number;
  /** Posts that are in the log more than once, and changes that a reader got more than once. */
  doubled: number;
  /** Missing seqs, chains that do not fit, and what is unnoticed. */
  holes: number;
  /** Cells in which a reader's copy differs from the log, though nobody told it. */
  unnoticed: number;
  /** How often a reader was told to take a snapshot. */
  refetches: number;
  /** Posts sent again that were answered otherwise than the first time. */
  rewritten: number;
  mostInFlight: number;
  /** Answers other than 202, by status. */
  refused: Record<string, number>;
  ms: number;
  /** What the fault has to tell of its own. */
  [more: string]: unknown;
};

/** Everything that a fault may touch. */
export type Scene = {
  readonly house: House;
  readonly sheets: readonly (readonly [Sheet, Ledger])[];
  readonly dice: ReturnType<typeof createDice>;
  readonly totals: Totals;
  readonly readers: readonly Reader[];
  readonly truths: Map<string, Truth>;
  readonly say: (line: string) => void;
  /** Writers for the relay that runs now. */
  write: () => void;
  /** Posts answered 202 so far. */
  acknowledged: () => number;
  /** Answers with this status, of the writers that run now. */
  refusedNow: (status: number) => number;
  /** Resolves when no post is under way any more. */
  rest: () => Promise<void>;
};

const SHEETS = 4;
const IN_FLIGHT_EACH = 18;
const READERS_EACH = 2;
/** How long a reader may take to be at the head again. A cut connection is dialled at once; the machine may be busy. */
const SETTLE_MS = 30_000;

export async function runChaos(options: ChaosOptions): Promise<Totals> {
  const { rounds, seed, fault: name, say = () => {} } = options;
  const fault = faults[name];
  const totals: Totals = {
    ok: false,
    fault: name,
    durability: options.durability ?? "full",
    rounds: 0,
    seed,
    acknowledged: 0,
    found: 0,
    lost: 0,
    doubled: 0,
    holes: 0,
    refetches: 0,
    unnoticed: 0,
    rewritten: 0,
    mostInFlight: 0,
    refused: {},
    ms: 0,
  };
  const skipped = await fault.cannot();
  if (skipped !== undefined) return { ...totals, ok: true, skipped };
  const beganAt = performance.now();
  const house = openHouse({ SHEETWIRE_DURABILITY: totals.durability });
  let scene: (Scene & { stop: () => Promise<void> }) | undefined;
  try {
    await fault.prepare?.(house);
    scene = await openScene(house, seed, totals, say);
    await fault.open?.(scene);
    for (let round = 0; round < rounds; round += 1) {
      scene.write();
      if (scene.dice.chance(0.3)) scene.dice.pick(scene.readers).cut();
      await fault.strike(scene, round);
      await scene.rest();
      await judge(scene);
      totals.rounds += 1;
      say(`round ${round + 1} of ${rounds}: ${totals.acknowledged} acknowledged, ${totals.lost} lost`);
    }
    await fault.close?.(scene);
  } finally {
    await scene?.stop();
    await fault.clean?.(house);
    await house.end();
  }
  totals.ms = Math.round(performance.now() - beganAt);
  const isWhole = totals.doubled === 0 && totals.holes === 0 && totals.rewritten === 0;
  totals.ok = isWhole && totals.rounds === rounds && (fault.judge?.(totals) ?? totals.lost === 0);
  return totals;
}

async function openScene(
  house: House,
  seed: number,
  totals: Totals,
  say: (line: string) => void,
): Promise<Scene & { stop: () => Promise<void> }> {
  const sheets: (readonly [Sheet, Ledger])[] = [];
  for (let at = 0; at < SHEETS; at += 1) sheets.push([await house.addSheet(`chaos-${at}`), openLedger()]);
  const { url } = await house.start();
  const agent = new Agent();
  for (const [sheet] of sheets) {
    const answer = await post(url, sheet, { id: `install-${sheet.spreadsheetId}`, body: sheetsBody(), agent });
    if (answer?.status !== 202) throw new Error(`The first post was answered ${answer?.status}: ${answer?.body}`);
  }
  // An edit that was read in the same moment as the list of sheets could be of the layout before: it would be read again.
  await wait(2 * limits.orderMarginMs);
  const readers = sheets.flatMap(([sheet]) =>
    Array.from({ length: READERS_EACH }, () => startReader(sheet, () => house.relay?.url)),
  );
  for (let left = 600; readers.some((reader) => !reader.cursor()); left -= 1) {
    if (left <= 0) throw new Error("Not every reader got its first snapshot.");
    await wait(50);
  }
  let writers: Writers | undefined;
  const rest = async (): Promise<void> => {
    if (!writers) return;
    await writers.stop();
    totals.rewritten += writers.rewritten();
    totals.mostInFlight = Math.max(totals.mostInFlight, writers.mostInFlight());
    for (const [status, times] of writers.refused) totals.refused[status] = (totals.refused[status] ?? 0) + times;
    writers = undefined;
  };
  return {
    house,
    sheets,
    dice: createDice(seed),
    totals,
    readers,
    truths: new Map(sheets.map(([{ spreadsheetId }]) => [spreadsheetId, openTruth()])),
    say,
    write() {
      if (!house.relay) throw new Error("No relay runs.");
      writers = startWriters(sheets, IN_FLIGHT_EACH, house.relay.url);
    },
    refusedNow: (status) => writers?.refused.get(status) ?? 0,
    acknowledged: () => sheets.reduce((sum, [, ledger]) => sum + ledger.acknowledged.size, 0),
    rest,
    async stop() {
      await Promise.all(readers.map((reader) => reader.stop()));
      await rest();
    },
  };
}

/** Holds log and readers against the ledgers. */
async function judge(scene: Scene): Promise<void> {
  const { house, sheets, totals, truths, readers } = scene;
  const url = house.relay?.url;
  if (url === undefined) throw new Error("The fault left no relay running.");
  const sums = { acknowledged: 0, found: 0, lost: 0, doubled: 0, holes: 0 };
  let differing = 0;
  for (const [sheet, ledger] of sheets) {
    const truth = await readOn(truths.get(sheet.spreadsheetId) ?? openTruth(), url, sheet);
    truths.set(sheet.spreadsheetId, truth);
    const verdict = judgeLog(truth, ledger);
    sums.acknowledged += ledger.acknowledged.size;
    for (const key of ["found", "lost", "doubled", "holes"] as const) sums[key] += verdict[key];
    for (const reader of readers) {
      if (reader.sheet === sheet) differing += await judgeReader(reader, truth, SETTLE_MS);
    }
  }
  for (const { faults: found } of readers) {
    sums.doubled += found.doubled;
    sums.holes += found.holes;
  }
  totals.unnoticed += differing;
  Object.assign(totals, sums, { holes: sums.holes + totals.unnoticed });
  totals.refetches = readers.reduce((sum, reader) => sum + reader.faults.refetches, 0);
}
