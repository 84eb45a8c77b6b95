/**
 * A whole Sheetwire in one process under one seed: the production script, relay and mirror over a simulated clock, table,
 * network and store. People edit, Google loses and delays, posts are lost, doubled and late, the relay and the worker die at
 * any moment. When that ends, one check for each sheet has to make everything equal. The same seed plays the same, always.
 */
import { limits } from "@sheetwire/shared/limits";
import { createClock, type Trace } from "./clock.ts";
import { createDice, hashed, type Dice } from "./dice.ts";
import { createDisk } from "./disk.ts";
import { createMemoryCopy, type ReadableCopy } from "./memory-copy.ts";
import { act } from "./people.ts";
import { createRelayHost, SPREADSHEET_ID } from "./relay-host.ts";
import { createScripts } from "./scripts.ts";
import { Table, type Formula, type Held } from "./table.ts";
import { judge, silentErrors } from "./verdict.ts";
import { calendar, planOf, type Day, type DayPlan, type Weather } from "./weather.ts";
import { dialer } from "./wire.ts";
import { createWitness } from "./witness.ts";
import { startWorker } from "./worker.ts";

export type SimulationPlan = {
  readonly seed: number;
  /** Things that people and programs do. */
  readonly steps: number;
  /** The copy at the browser's end; a new one in memory without. */
  readonly copy?: ReadableCopy | undefined;
  /** Which kind of day; without, the seed decides. */
  readonly day?: Day | undefined;
  /** Hears everything that happens, in words. */
  readonly onTrace?: ((line: string) => void) | undefined;
};

export type Outcome = {
  readonly ok: boolean;
  readonly seed: number;
  readonly steps: number;
  readonly day: Day;
  readonly equal: { readonly relay: boolean; readonly mirror: boolean };
  /** What is wrong, in words; empty when all is well. */
  readonly problems: readonly string[];
  /** A hash of everything that happened, in order. */
  readonly trace: string;
  readonly runs: number;
  readonly posts: number;
  readonly crashes: { readonly relay: number; readonly worker: number };
  /** Checks after the faults stopped until nothing was open any more. */
  readonly ticks: number;
};

/** Limits so small that a little table has windows, rounds and pieces as a large one has at full size. */
const SMALL = {
  digestWantMaxCells: 12,
  wantMaxCells: 12,
  columnCheckMaxCells: 60,
  editReadMaxCells: 12,
  postTargetChars: 600,
};

const START = Date.UTC(2026, 5, 1, 12);

export async function simulate(plan: SimulationPlan): Promise<Outcome> {
  const dice = createDice(plan.seed);
  const day = plan.day ?? dice.fork("day").pick(calendar);
  const weather: DayPlan = planOf[day];
  const isSmall = weather.isSmall ?? dice.fork("limits").chance(0.4);
  const restore = isSmall ? shrinkLimits() : () => {};
  try {
    return await play(plan, day);
  } finally {
    restore();
  }
}

async function play(plan: SimulationPlan, day: Day): Promise<Outcome> {
  const dice = createDice(plan.seed);
  const clock = createClock(START);
  let hash = 0;
  const trace: Trace = (line) => {
    // Words that cost something to make are made only for somebody who hears them.
    const short = typeof line === "string" ? line : "";
    hash = hashed(`${clock.now()} ${short}`, hash);
    plan.onTrace?.(`${Math.round(clock.now() - START)} ${typeof line === "string" ? line : line()}`);
  };
  const dayPlan: DayPlan = planOf[day];
  const { odds, breaks, ticks: tickOdds, crashes, silence } = dayPlan;
  const weather: Weather = { isStormy: false, odds };
  const table = firstTable(day);
  const witness = createWitness(table, clock, dayPlan);
  const disk = createDisk(witness);
  const relay = createRelayHost({ clock, dice: dice.fork("relay"), disk, weather, trace });
  const hasWebApp = (day === "storm" || day === "honest") && dice.fork("web app").chance(0.4);
  const scripts = createScripts({ clock, dice: dice.fork("scripts"), weather, table, relay, trace, hasWebApp });
  if (hasWebApp) relay.callsGoTo(scripts.call);
  const copy = plan.copy ?? createMemoryCopy(SPREADSHEET_ID);
  const dial = dialer({ clock, dice: dice.fork("wire"), weather, accept: relay.accept, trace });
  const worker = startWorker({ clock, dice: dice.fork("worker"), weather, copy, relay, dial, trace });

  const check = (begin: () => void): void => {
    witness.checkBegins();
    begin();
  };
  check(scripts.check);
  await clock.run(clock.now() + 60_000);

  weather.isStormy = true;
  const people = dice.fork("people");
  const scene = { table, relay, disk, copy, scripts, witness };
  const silent: string[] = [];
  for (let step = 0; step < plan.steps && silent.length === 0; step += 1) {
    const isBreak = people.chance(breaks);
    await clock.run(clock.now() + (isBreak ? people.between(10_000, 100_000) : people.between(0, 1_500)));
    if (silence === "each" && isBreak) silent.push(...(await silentErrors(scene)));
    if (day === "slow") table.freeze("count");
    if (day === "slow") table.freeze("spill");
    const { name, events } = act(table, people, day);
    witness.look();
    trace(`somebody: ${name}`);
    for (const event of events) scripts.tell(event);
    if (day === "slow") recalculateSoon(people);
    if (people.chance(tickOdds)) check(scripts.tick);
    if (people.chance(crashes.relay)) stopRelay(people, crashes.withinMs);
    if (people.chance(crashes.worker)) worker.crash();
    if (people.chance(crashes.worker)) scripts.panel();
  }
  await clock.run(clock.now() + people.between(0, 5_000));

  function stopRelay(chance: Dice, withinMs: number | undefined): void {
    if (withinMs === undefined) relay.crash(chance.between(100, 30_000));
    else clock.after(chance.between(0, withinMs), () => relay.crash(chance.between(50, 500)));
  }

  /** One kind of formula after the other, each in one go, and so far apart that no reading meets two of them. */
  function recalculateSoon(chance: Dice): void {
    const first = chance.between(0, 1_200);
    const calculate = (fn: Formula["fn"]) => (): void => {
      table.recalculate(fn);
      witness.look();
    };
    clock.after(first, calculate("count"));
    clock.after(first + chance.between(1_500, 3_000), calculate("spill"));
  }

  // The faults stop. What is under way may arrive yet, late as it is.
  weather.isStormy = false;
  table.isRestless = false;
  await clock.run(clock.now() + 260_000);
  if (silence !== "after checks") silent.push(...(await silentErrors(scene)));
  const most = table.sheets.length + 1;
  let ticks = 0;
  let verdict = await judge(scene);
  while (ticks < most && (ticks === 0 || verdict.problems.length > 0)) {
    check(scripts.tick);
    ticks += 1;
    // Where the web app works, it is called for everything once in so long, and the script's own timer leaves that to it.
    await clock.run(clock.now() + limits.tickEveryMs / (hasWebApp ? 1 : 4));
    verdict = await judge(scene);
  }
  worker.stop();
  trace(`at the end ${verdict.seq}`);
  const problems = [...scripts.faults, ...relay.faults, ...witness.problems, ...silent, ...verdict.problems];
  return {
    ok: problems.length === 0,
    seed: plan.seed,
    steps: plan.steps,
    day,
    equal: verdict.equal,
    problems,
    trace: hash.toString(16).padStart(8, "0"),
    runs: scripts.counts.runs,
    posts: scripts.counts.posts,
    crashes: { relay: relay.crashes(), worker: worker.crashes() },
    ticks,
  };
}

/** Two small tables, one of which looks at the other where results may change untold. */
function firstTable(day: Day): Table {
  const table = new Table();
  const first = table.addSheet("One", 7, 4);
  first.rows = [[true, "a"], ["b", 1, 2], ["b", 1, 2], [], ["c", "c"], ["a"], []];
  const second = table.addSheet("Two", 5, 3);
  second.rows = [["x", "w"], ["y"], [], ["z", "z", "z"], []];
  const result = (formula: Formula): Held => ({ formula });
  if (day === "storm") second.rows[0] = ["x", result({ fn: "count", of: first.sheetId })];
  if (day === "restless") {
    table.addSheet("Results", 4, 2).rows = [["time", result({ fn: "volatile" })], ["end"], [], []];
  }
  if (day === "formulas" || day === "slow") {
    // Nobody types into the sheet of results, so that each edit is of one sheet and shows in the other.
    const third = table.addSheet("Results", 6, 3);
    third.rows = [[result({ fn: "count", of: 1 }), null, result({ fn: "spill", of: 2 })], ["end"], [], [], [], []];
  }
  return table;
}

function shrinkLimits(): () => void {
  const changeable: { -readonly [K in keyof typeof limits]: number } = limits;
  const before = { ...limits };
  Object.assign(changeable, SMALL);
  return () => void Object.assign(changeable, before);
}
