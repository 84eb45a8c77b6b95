/**
 * Convergence of the real programs: the relay's process, the stand-in for Google's with the built script in it, and the
 * extension's sync and mirror. People edit real data on a bad day; then the faults stop, checks run, and the sheet, the
 * relay's snapshot and the mirror are compared cell by cell.
 */
import { createDice, type Dice } from "../simulation/dice.ts";
import type { Action, ControlCell } from "../stage/stage.ts";
import { nextEdit, type KnownSheet } from "./edits.ts";
import { openHeadless } from "./headless.ts";
import { openInBrowser } from "./in-browser.ts";
import { padded, stepBetween, type State } from "./history.ts";
import { differencesFromState, healedOf, isEqual, judge, untilCopied, type Copy, type Scene } from "./judging.ts";
import { openPrograms, type Google, type Programs } from "./programs.ts";
import { openTables } from "./tables.ts";

export type ConvergePlan = {
  readonly seed: number;
  readonly steps: number;
  readonly profile: "hostile" | "normal";
  readonly history?: readonly State[] | undefined;
  /** Takes the relay's wants out of its answers: the result must then be unequal, or this proves nothing. */
  readonly withoutWants?: boolean | undefined;
  readonly say?: ((line: string) => void) | undefined;
};

/** With `browser` the mirror is the extension in a real Chromium, else its sync and mirror in this process. */
export type ConvergeOptions = { readonly browser?: boolean | undefined };

export type Converged = {
  readonly ok: boolean;
  readonly seed: number;
  readonly steps: number;
  readonly equal: { readonly relay: boolean; readonly mirror: boolean };
  readonly healed: number;
  readonly fetches: number;
  readonly triggerMs: number;
  readonly wantsRounds: number;
  /** From the end of the faults until all was equal, in Google's time. */
  readonly sweepMs: number;
  readonly traffic: { readonly cellsChanged: number; readonly cellsSent: number; readonly cellsAgain: number };
  /** What was wrong, in words without contents. */
  readonly problems: readonly string[];
};

/** Actions handed over at once. */
const BATCH = 100;
const TICK_MS = 10 * 60_000;
/** A full rotation of sweeps takes at most so many ticks here. */
const MOST_TICKS = 6;
/** Longer than a post may be late, a want is leased and reading times are remembered. */
const PATIENCE_MS = 100_000;
/** The relay refuses posts of a script whose clock is five minutes off. */
const MOST_AHEAD_MS = 4 * 60_000;

/**
 * How long people take between edits, as a part of a good half second with a pause of ten now and then. On a hectic day
 * Google drops most runs, since no more than two wait; on a slow one runs meet and are late.
 */
const PACES = [1, 0.3, 0.1, 0.1] as const;

/** What tables here grow to at most, in columns. */
const MOST_COLUMNS = 26;

export type Convergence = { play: (plan: ConvergePlan) => Promise<Converged>; stop: () => Promise<void> };

type OpenCopy = (spreadsheetId: string, token: string) => Promise<Copy>;

/** Starts the programs once, for any number of seeds, one after another. */
export async function openConvergence({ browser = false }: ConvergeOptions = {}): Promise<Convergence> {
  const programs = await openPrograms();
  try {
    const { stage } = programs;
    const tables = openTables(stage, programs.google.remove);
    const chromium = browser ? await stage.browser() : undefined;
    const openCopy: OpenCopy = (spreadsheetId, token) =>
      chromium
        ? openInBrowser(stage, chromium, spreadsheetId, token)
        : openHeadless(stage.relay.url, spreadsheetId, token);
    return {
      async play(plan) {
        const dice = createDice(plan.seed);
        const [first] = plan.history ?? [];
        return play(programs, openCopy, plan, dice, first ? padded(first) : await tables.draw(dice));
      },
      stop: programs.stop,
    };
  } catch (error) {
    await programs.stop();
    throw error;
  }
}

/**
 * Plays every plan, several beside each other where there are several machines' worth of programs. A seed that cannot even
 * be played is one that failed; the programs it was played with are not used again. After `signal` none is begun any more.
 */
export async function playAll(
  plans: readonly ConvergePlan[],
  streams: number,
  onPlayed: (done: Converged) => void,
  options: ConvergeOptions & { signal?: AbortSignal } = {},
): Promise<void> {
  const left = [...plans];
  await Promise.all(
    Array.from({ length: Math.min(streams, plans.length) }, async () => {
      let convergence: Convergence | undefined;
      for (let plan = left.shift(); plan && !options.signal?.aborted; plan = left.shift()) {
        try {
          convergence ??= await openConvergence(options);
          onPlayed(await convergence.play(plan));
        } catch (error) {
          onPlayed(notPlayed(plan, error));
          await convergence?.stop();
          convergence = undefined;
        }
      }
      await convergence?.stop();
    }),
  );
}

const notPlayed = ({ seed }: ConvergePlan, error: unknown): Converged => ({
  ok: false,
  seed,
  steps: 0,
  equal: { relay: false, mirror: false },
  healed: 0,
  fetches: 0,
  triggerMs: 0,
  wantsRounds: 0,
  sweepMs: 0,
  traffic: { cellsChanged: 0, cellsSent: 0, cellsAgain: 0 },
  problems: [
    `it could not be played: ${error instanceof Error ? error.message.slice(0, 2_000) : "for no reason told"}`,
  ],
});

async function play(
  programs: Programs,
  openCopy: OpenCopy,
  plan: ConvergePlan,
  dice: Dice,
  rows: ControlCell[][],
): Promise<Converged> {
  const { stage, tap, google } = programs;
  const { control } = stage;
  const say = plan.say ?? (() => {});
  // In one time with the relay, stamps tell much of what came first. By the machine's clock a day is over in a moment,
  // and nearly everything that the relay hears is contested.
  const isShared = plan.seed % 4 !== 0;
  programs.ahead(0);
  await google.profile("normal");
  await google.clock({ virtual: true, shared: isShared });
  const { spreadsheetId, sheets } = await control.create({
    title: `Convergence ${plan.seed}`,
    sheets: [{ title: "Table", rows }],
  });
  const sheetId = sheets[0]?.sheetId ?? 0;
  const { connectionString, token } = programs.grant(spreadsheetId);
  tap.forget();
  tap.dropWants(false);
  await control.connect(spreadsheetId, connectionString);
  await control.idle(spreadsheetId);
  const mirror = await openCopy(spreadsheetId, token);
  const scene: Scene = { stage, spreadsheetId, token, mirror };
  try {
    await untilCopied(scene);
    say("the first copy is there");
    tap.reset();
    tap.dropWants(plan.withoutWants === true);
    await control.resetUsage();
    if (plan.profile === "hostile") await google.profile("hostile", plan.seed);

    const { steps, cellsWritten, problems } = await edit(scene, google, plan, dice, { sheetId, rows });

    await google.stopFaults();
    const { now: endedAt } = await google.clock({});
    await google.clock({ advanceMs: PATIENCE_MS });
    let verdict = await judge(scene);
    say(`before any check: ${verdict.relay.length} and ${verdict.mirror.length} differences`);
    for (let ticks = 1; ticks <= MOST_TICKS && (ticks === 1 || !isEqual(verdict)); ticks += 1) {
      if (!isShared) programs.ahead(Math.min(ticks * PATIENCE_MS, MOST_AHEAD_MS));
      await google.clock({ advanceMs: TICK_MS });
      verdict = await judge(scene);
      say(`after check ${ticks}: ${verdict.relay.length} and ${verdict.mirror.length} differences`);
    }
    const { now } = await google.clock({});
    problems.push(...verdict.relay.map((one) => `relay: ${one}`), ...verdict.mirror.map((one) => `mirror: ${one}`));
    const { cellsSent, cellsAgain, wantsRounds } = tap.traffic();
    const usage = await control.usage(spreadsheetId);
    // Every new result is a row that changed, as far as a row is wide.
    const widest = (rows[0]?.length ?? 1) + steps;
    const cellsChanged = cellsWritten + (usage["workedOut"] ?? 0) * Math.min(widest, MOST_COLUMNS);
    if (cellsSent - cellsAgain > 3 * cellsChanged) {
      problems.push(`${cellsSent} cells were sent, ${cellsAgain} of them again, for ${cellsChanged} that changed`);
    }
    return {
      ok: problems.length === 0,
      seed: plan.seed,
      steps,
      equal: { relay: verdict.relay.length === 0, mirror: verdict.mirror.length === 0 },
      healed: await healedOf(scene),
      fetches: usage["fetches"] ?? 0,
      triggerMs: Math.round(usage["runtimeMs"] ?? 0),
      wantsRounds,
      sweepMs: now - endedAt,
      traffic: { cellsChanged, cellsSent, cellsAgain },
      problems: problems.slice(0, 10),
    };
  } finally {
    await mirror.stop();
    await google.remove(spreadsheetId);
  }
}

type Edited = { readonly steps: number; readonly cellsWritten: number; readonly problems: string[] };

/** All that people and programs do, in Google's time. */
async function edit(
  scene: Scene,
  google: Google,
  plan: ConvergePlan,
  dice: Dice,
  { sheetId, rows }: { sheetId: number; rows: readonly (readonly ControlCell[])[] },
): Promise<Edited> {
  const pace = plan.history ? 1 : createDice(plan.seed).fork("pace").pick(PACES);
  const act = async (actions: readonly Action[]): Promise<void> => {
    for (let at = 0; at < actions.length; at += BATCH) {
      const timed = actions.slice(at, at + BATCH).map((one) => ({
        ...one,
        afterMs: Math.round(pace * dice.between(0, dice.chance(0.1) ? 20_000 : 900)),
      }));
      await google.act(scene.spreadsheetId, timed);
    }
  };
  const problems: string[] = [];
  let cellsWritten = 0;
  if (!plan.history) {
    const known: KnownSheet = { sheetId, rows: rows.length, columns: rows[0]?.length ?? 1 };
    const actions: Action[] = [];
    for (let step = 0; step < plan.steps; step += 1) {
      const one = nextEdit(known, dice);
      cellsWritten += one.cellsChanged;
      actions.push(one.action);
    }
    await act(actions);
    return { steps: plan.steps, cellsWritten, problems };
  }
  const states = plan.history.slice(1, plan.steps > 0 ? plan.steps + 1 : undefined);
  for (const [at, state] of states.entries()) {
    const step = stepBetween(sheetId, plan.history[at] ?? [], state);
    cellsWritten += step.cellsChanged;
    await act(step.actions);
    plan.say?.(`state ${at + 1}: ${step.actions.length} actions`);
    const found = await differencesFromState(scene, sheetId, state);
    if (found.length > 0) problems.push(`the sheet is not state ${at + 1}: ${found.join("; ")}`);
  }
  return { steps: states.length, cellsWritten, problems };
}
