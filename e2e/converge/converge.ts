/**
 * Convergence of the real programs: the relay's process, the stand-in for Google's with the built script in it, and the
 * extension's sync and mirror. People edit real data on a bad day; then the faults stop, checks run, and the sheet, the
 * relay's snapshot and the mirror are compared cell by cell.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as z from "zod";
import { createDice } from "../simulation/dice.ts";
import { differencesOf } from "../stage/mirror-rows.ts";
import { openStage, until, type Action, type ControlCell, type Stage } from "../stage/stage.ts";
import { nextEdit, type KnownSheet } from "./edits.ts";
import { openHeadless, type Headless, type MirroredSheet } from "./headless.ts";
import { padded, stepBetween, type State } from "./history.ts";
import { openTap, type Tap } from "./tap.ts";

export type ConvergePlan = {
  readonly seed: number;
  readonly steps: number;
  readonly profile: "hostile" | "normal";
  readonly history?: readonly State[] | undefined;
  /** Takes the relay's wants out of its answers: the result must then be unequal, or this proves nothing. */
  readonly withoutWants?: boolean | undefined;
  readonly say?: ((line: string) => void) | undefined;
};

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

/** Rows of a dataset that a run works with: enough for windows and runs, few enough for hundreds of seeds. */
const ROWS = 120;
/** Actions handed over at once. */
const BATCH = 10;
const TICK_MS = 10 * 60_000;
/** A full rotation of sweeps takes at most so many ticks here. */
const MOST_TICKS = 6;
/** Longer than a want is leased and than reading times are remembered. */
const PATIENCE_MS = 62_000;

export type Convergence = { play: (plan: ConvergePlan) => Promise<Converged>; stop: () => Promise<void> };

/** Starts the programs once, for any number of seeds. */
export async function openConvergence(): Promise<Convergence> {
  const folder = mkdtempSync(join(tmpdir(), "sheetwire-converge-"));
  const shiftFile = join(folder, "clock-shift");
  const ahead = (ms: number): void => writeFileSync(shiftFile, new Uint8Array(new Float64Array([ms]).buffer));
  ahead(0);
  const stage = await openStage({
    NODE_OPTIONS: `--import ${join(import.meta.dirname, "clock-shift.mjs")}`,
    SHEETWIRE_CLOCK_SHIFT_FILE: shiftFile,
    SHEETWIRE_DURABILITY: "normal",
  });
  const tap = await openTap(stage.relay.url);
  return {
    play: (plan) => play(stage, tap, plan, ahead),
    async stop() {
      await tap.stop();
      await stage.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function play(stage: Stage, tap: Tap, plan: ConvergePlan, ahead: (ms: number) => void): Promise<Converged> {
  const { control } = stage;
  const say = plan.say ?? (() => {});
  const problems: string[] = [];
  const dice = createDice(plan.seed);
  ahead(0);
  const google = googleOf(stage.google.url);
  await google.profile("normal");

  const table = plan.history ? undefined : await realRows(stage, dice);
  const first = plan.history?.[0];
  const rows: ControlCell[][] = first ? padded(first) : (table ?? []);
  const { spreadsheetId, sheets } = await control.create({
    title: `Convergence ${plan.seed}`,
    sheets: [{ title: "Table", rows }],
  });
  const sheetId = sheets[0]?.sheetId ?? 0;
  const connectionString = withUrl(await stage.register(spreadsheetId), tap.url);
  const token = await deviceOf(stage, spreadsheetId);
  await control.connect(spreadsheetId, connectionString);
  await control.idle(spreadsheetId);
  const mirror = await openHeadless(stage.relay.url, spreadsheetId, token);
  try {
    const scene = { stage, spreadsheetId, token, mirror };
    await untilMirrored(scene);
    say("the first copy is there");
    tap.reset();
    await control.resetUsage();
    if (plan.withoutWants) tap.dropWants();
    if (plan.profile === "hostile") await google.profile("hostile", plan.seed);
    await google.clock({ virtual: true });

    let cellsChanged = 0;
    const act = async (actions: readonly Action[]): Promise<void> => {
      for (let at = 0; at < actions.length; at += BATCH) {
        const some = actions.slice(at, at + BATCH);
        const timed = some.map((one) => ({
          ...one,
          afterMs: Math.round(dice.between(0, dice.chance(0.1) ? 20_000 : 900)),
        }));
        await control.act(spreadsheetId, timed);
      }
    };
    let steps = 0;
    if (plan.history) {
      for (const [at, state] of plan.history.slice(1, plan.steps > 0 ? plan.steps + 1 : undefined).entries()) {
        const step = stepBetween(sheetId, plan.history[at] ?? [], state);
        const width = padded(state)[0]?.length ?? 0;
        cellsChanged +=
          step.actions.filter((one) => one.action === "type" || one.action === "paste" || one.action === "clear")
            .length * width;
        await act(step.actions);
        steps += 1;
        say(`state ${at + 1}: ${step.actions.length} actions`);
        await compareWithState(control, spreadsheetId, sheetId, state, problems, at + 1);
      }
    } else {
      const known: KnownSheet = { sheetId, rows: rows.length, columns: rows[0]?.length ?? 1 };
      const actions: Action[] = [];
      for (; steps < plan.steps; steps += 1) {
        const edit = nextEdit(known, dice);
        cellsChanged += edit.cellsChanged;
        actions.push(edit.action);
      }
      await act(actions);
    }

    await google.stopFaults();
    const endedAt = (await google.clock({})).now;
    await google.clock({ advanceMs: 100_000 });
    let verdict = await compareAll(scene);
    say(`before any check: ${verdict.relay.length} and ${verdict.mirror.length} differences`);
    let ticks = 0;
    for (
      ;
      ticks < MOST_TICKS && (ticks === 0 || !(verdict.relay.length === 0 && verdict.mirror.length === 0));
      ticks += 1
    ) {
      // What runs that were killed had been asked is free again. Runs of scripts keep the machine's time, and more than
      // five minutes off the relay would refuse their posts.
      ahead(Math.min(ticks + 1, 4) * PATIENCE_MS);
      await google.clock({ advanceMs: TICK_MS });
      verdict = await compareAll(scene);
      say(`after check ${ticks + 1}: ${verdict.relay.length} and ${verdict.mirror.length} differences`);
    }
    const { now } = await google.clock({});
    await google.clock({ virtual: false });
    const equal = { relay: verdict.relay.length === 0, mirror: verdict.mirror.length === 0 };
    problems.push(...verdict.relay.map((one) => `relay: ${one}`), ...verdict.mirror.map((one) => `mirror: ${one}`));
    const { cellsSent, cellsAgain, wantsRounds } = tap.traffic();
    if (cellsSent - cellsAgain > 3 * cellsChanged) {
      problems.push(`${cellsSent} cells were sent, ${cellsAgain} of them again, for ${cellsChanged} that changed`);
    }
    const usage = await control.usage(spreadsheetId);
    return {
      ok: problems.length === 0,
      seed: plan.seed,
      steps,
      equal,
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
  }
}

type Scene = { stage: Stage; spreadsheetId: string; token: string; mirror: Headless };

async function compareAll({
  stage,
  spreadsheetId,
  token,
  mirror,
}: Scene): Promise<{ relay: string[]; mirror: string[] }> {
  const { control } = stage;
  await control.idle(spreadsheetId);
  const held = await snapshotOf(stage, spreadsheetId, token);
  await until("the mirror to reach the relay's head", async () => (await mirror.seq()) >= held.seq).catch(
    () => undefined,
  );
  const mirrored = await mirror.sheets();
  const listed = await sheetsOf(stage, spreadsheetId);
  const against = async (who: readonly MirroredSheet[] | undefined): Promise<string[]> => {
    if (!who) return ["there is no whole copy"];
    const found: string[] = [];
    const names = (sheets: readonly { sheetId: number; title: string }[]): string =>
      JSON.stringify(sheets.map(({ sheetId, title }) => `${sheetId} ${title}`).toSorted());
    if (names(who) !== names(listed)) found.push("other sheets or titles");
    for (const { sheetId } of listed) {
      const copy = who.find((one) => one.sheetId === sheetId);
      const truth = await control.rows(spreadsheetId, sheetId);
      found.push(...differencesOf(truth.rows, copy?.rows ?? []));
    }
    return found;
  };
  return { relay: await against(held.sheets), mirror: await against(mirrored) };
}

const lineSchema = z.union([
  z.object({ end: z.literal(true) }),
  z.object({ sheetId: z.number(), fromRow: z.number(), rows: z.array(z.union([z.null(), z.array(z.unknown())])) }),
  z.object({
    seq: z.number(),
    spreadsheet: z.object({ sheets: z.array(z.object({ sheetId: z.number(), title: z.string() })) }),
  }),
]);

async function snapshotOf(
  stage: Stage,
  spreadsheetId: string,
  token: string,
): Promise<{ seq: number; sheets: MirroredSheet[] }> {
  const response = await fetch(`${stage.relay.url}/v1/spreadsheets/${spreadsheetId}/snapshot`, {
    headers: { authorization: `Bearer ${token}` },
  });
  if (!response.ok) throw new Error(`The relay's snapshot answered ${response.status}.`);
  let seq = 0;
  const sheets: MirroredSheet[] = [];
  for (const line of (await response.text()).split("\n").filter(Boolean)) {
    const told = lineSchema.parse(JSON.parse(line));
    if ("seq" in told) {
      seq = told.seq;
      sheets.push(...told.spreadsheet.sheets.map(({ sheetId, title }) => ({ sheetId, title, rows: [] })));
    } else if ("rows" in told) {
      const sheet = sheets.find((one) => one.sheetId === told.sheetId);
      sheet?.rows.push(...(told.rows as (ControlCell[] | null)[]));
    }
  }
  return { seq, sheets };
}

async function untilMirrored(scene: Scene): Promise<void> {
  let found: { relay: string[]; mirror: string[] } = { relay: [], mirror: [] };
  await until("the first copy", async () => {
    const response = await fetch(`${scene.stage.relay.url}/v1/spreadsheets/${scene.spreadsheetId}/snapshot`, {
      method: "GET",
      headers: { authorization: `Bearer ${scene.token}` },
    });
    await response.body?.cancel();
    if (!response.ok || !(await scene.mirror.sheets())) return false;
    found = await compareAll(scene);
    return found.relay.length === 0 && found.mirror.length === 0;
  });
}

async function healedOf({ stage, spreadsheetId, token }: Scene): Promise<number> {
  const response = await fetch(`${stage.relay.url}/v1/spreadsheets/${spreadsheetId}/status`, {
    headers: { authorization: `Bearer ${token}` },
  });
  return z.object({ healed: z.object({ count: z.number() }) }).parse(await response.json()).healed.count;
}

async function sheetsOf(stage: Stage, spreadsheetId: string): Promise<{ sheetId: number; title: string }[]> {
  const response = await fetch(`${stage.google.url}/control/spreadsheets/${spreadsheetId}`);
  return z
    .object({ sheets: z.array(z.object({ sheetId: z.number(), title: z.string() })) })
    .parse(await response.json()).sheets;
}

/** Whether the actions made of the sheet what the history says: checks the tool, not the product. */
async function compareWithState(
  control: Stage["control"],
  spreadsheetId: string,
  sheetId: number,
  state: State,
  problems: string[],
  at: number,
): Promise<void> {
  const { rows } = await control.rows(spreadsheetId, sheetId);
  const wanted = padded(state).map((row) => row.map((cell) => (cell === "" ? null : cell)));
  const found = differencesOf(rows, wanted);
  if (found.length > 0) problems.push(`the sheet is not state ${at}: ${found.join("; ")}`);
}

async function deviceOf(stage: Stage, spreadsheetId: string): Promise<string> {
  const { token } = await stage.relay.command(
    "device",
    "add",
    spreadsheetId,
    "--name",
    "converge",
    "--scope",
    "read",
    "--json",
  );
  return String(token);
}

/** The connection string with another address of the relay. */
function withUrl(connectionString: string, url: string): string {
  const text = Buffer.from(connectionString.replace(/^sw1\./, ""), "base64url").toString("utf8");
  const held = z.looseObject({ url: z.string() }).parse(JSON.parse(text));
  return `sw1.${Buffer.from(JSON.stringify({ ...held, url })).toString("base64url")}`;
}

/** Rows of a real table, from a place that the seed chooses. */
async function realRows(stage: Stage, dice: ReturnType<typeof createDice>): Promise<ControlCell[][]> {
  const dataset = dice.pick(["movies", "airports", "gapminder", "seattle-weather"]);
  const loaded = await loadedRows(stage, dataset);
  const from = dice.below(Math.max(1, loaded.length - ROWS));
  return [loaded[0] ?? [], ...loaded.slice(from + 1, from + ROWS)];
}

const loadedBefore = new Map<string, ControlCell[][]>();

async function loadedRows({ control }: Stage, dataset: string): Promise<ControlCell[][]> {
  const known = loadedBefore.get(dataset);
  if (known) return known;
  const { spreadsheetId, sheets } = await control.load(dataset);
  const { rows } = await control.rows(spreadsheetId, sheets[0]?.sheetId ?? 0);
  const width = rows.reduce((most, row) => Math.max(most, row.length), 0);
  const plain = rows.slice(0, 3_000).map((row) => Array.from({ length: width }, (_, at) => valueOf(row[at])));
  loadedBefore.set(dataset, plain);
  return plain;
}

const valueOf = (cell: ControlCell | undefined): ControlCell =>
  cell === undefined ? null : typeof cell === "object" && cell !== null ? cell.v : cell;

/** What `stage/control.ts` does not ask. */
function googleOf(url: string) {
  async function call(path: string, body: unknown): Promise<unknown> {
    const response = await fetch(`${url}/control${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`POST /control${path} answered ${response.status}: ${text.slice(0, 300)}`);
    return text === "" ? undefined : JSON.parse(text);
  }
  const clockSchema = z.looseObject({ now: z.iso.datetime().transform((text) => Date.parse(text)) });
  return {
    profile: (name: string, seed?: number) => call("/profile", seed === undefined ? { name } : { name, seed }),
    stopFaults: () => call("/faults/stop", {}),
    async clock(how: { advanceMs?: number; virtual?: boolean }): Promise<{ now: number }> {
      if (Object.keys(how).length > 0) return clockSchema.parse(await call("/clock", how));
      return clockSchema.parse(await (await fetch(`${url}/control/clock`)).json());
    },
  };
}
