/**
 * Google's side: executions of the production script over the simulated table. Runs overlap at everything they ask, see
 * what is there when they ask it, may be ended at any moment, and speak to the relay over a bad network.
 */
import { createHmac, createSecretKey } from "node:crypto";
import { signatureHeader, signedPrefix } from "@sheetwire/shared/signing";
import {
  runAsync,
  type EffectName,
  type Program,
  type Rectangle,
  type Sent,
  type SlowHands,
} from "../../apps-script/effects/effects.ts";
import { keys } from "../../apps-script/settings/settings.ts";
import { onCall, type CallAnswer } from "../../apps-script/calls/calls.ts";
import { budgets, onChange, onEdit, onTick, onWish } from "../../apps-script/runs/runs.ts";
import type { Clock, Trace } from "./clock.ts";
import type { Dice } from "./dice.ts";
import { SPREADSHEET_ID, type RelayHost } from "./relay-host.ts";
import type { Table } from "./table.ts";
import type { Weather } from "./weather.ts";

export type GoogleEvent =
  | { readonly kind: "edit"; readonly range: Rectangle; readonly oldValue?: string | undefined }
  | { readonly kind: "change"; readonly changeType: string };

export type Scripts = {
  /** Something happened in the sheet: runs are started for it, sooner or later, none, one or two. */
  tell: (event: GoogleEvent) => void;
  tick: () => void;
  /** Somebody asks for a full check. */
  check: () => void;
  /** Somebody opens the panel in the sheet. */
  panel: () => void;
  /** What the web app answers to this, or nothing when the run breaks off. */
  call: (contents: string) => Promise<CallAnswer | undefined>;
  readonly running: () => number;
  /** Posts that are under way although their runs have ended. */
  readonly abandoned: () => number;
  /** Whether something waits in the outbox. */
  readonly keepsSomething: () => boolean;
  /** What was measured of all runs so far. */
  readonly counts: { runs: number; posts: number; mostPostsOfARun: number };
  /** What broke a promise: an id that was answered twice with different contents, a run that never ends. */
  readonly faults: string[];
};

type Needs = {
  clock: Clock;
  dice: Dice;
  weather: Weather;
  table: Table;
  relay: RelayHost;
  trace: Trace;
  /** The script is deployed as a web app, too. */
  hasWebApp: boolean;
};

/** About how long Google takes for each, in milliseconds; what is not named takes none. */
const durations: Partial<Record<EffectName, number>> = {
  size: 4,
  usedSize: 4,
  values: 25,
  formulas: 15,
  displays: 15,
  spreadsheet: 40,
  properties: 20,
  saveProperties: 30,
  triggers: 20,
  flush: 20,
};

/** Reads that Google may answer from what the same run has read before. */
const cached = new Set<EffectName>(["size", "usedSize", "values", "formulas", "displays"]);

/** UrlFetch gives up after a minute. */
const FETCH_TIMEOUT_MS = 60_000;
/** A run that copies may wait for another one's lease; else no run of a sheet this small has nearly so much to say. */
const MOST_POSTS_OF_A_RUN = 260;

const TRIGGER = "trigger-1";
const WEB_APP = "https://script.example/macros/s/simulated/exec";

export function createScripts({ clock, dice, weather, table, relay, trace, hasWebApp }: Needs): Scripts {
  const properties: Record<string, string> = {
    [keys.connection]: JSON.stringify({
      url: "https://relay.example",
      spreadsheetId: SPREADSHEET_ID,
      ingestKey: relay.ingestKey,
    }),
    [keys.installation]: JSON.stringify({
      installation: "installation-1",
      triggerUids: [TRIGGER],
      installedBy: "somebody",
      installedAt: 1,
    }),
  };
  const key = createSecretKey(Buffer.from(relay.ingestKey.replace(/^whsec_/, ""), "base64"));
  const counts = { runs: 0, posts: 0, mostPostsOfARun: 0 };
  const faults: string[] = [];
  let running = 0;
  let ids = 0;
  let lockedBy: object | undefined;
  let abandoned = 0;
  const seenCalls = new Set<string>();

  const hits = (odds: keyof Weather["odds"]): boolean => weather.isStormy && dice.chance(weather.odds[odds]);
  const takes = (ms: number): number => (weather.isStormy ? dice.between(ms / 2, ms * 4) : ms);

  function start<T>(name: string, program: Program<T>, range?: Rectangle): Promise<T | undefined> {
    counts.runs += 1;
    running += 1;
    const number = counts.runs;
    let breakOff: (value: undefined) => void = () => {};
    const broken = new Promise<undefined>((resolve) => (breakOff = resolve));
    const run: ScriptRun = { number, posts: 0, abandon: () => end("is ended with a post under way") };
    trace(`run ${number} ${name} starts`);
    let isOver = false;
    const end = (how: string): void => {
      if (isOver) return;
      isOver = true;
      running -= 1;
      if (lockedBy === run) lockedBy = undefined;
      trace(`run ${number} ${how}`);
      breakOff(undefined);
    };
    const hands = handsOf(run, range, () => end("is killed"));
    const result = runAsync(program, hands).then(
      (value) => {
        end("ends");
        return value;
      },
      (error: unknown) => {
        // What a run throws is logged at Google and seen by nobody; here it is a fault of ours.
        if (!isOver) faults.push(`run ${number} ${name} threw ${String(error)}`);
        end("throws");
        return undefined;
      },
    );
    return Promise.race([result, broken]);
  }

  function handsOf(run: ScriptRun, range: Rectangle | undefined, kill: () => void): SlowHands {
    const { clockSkewMs } = weather.odds;
    const skewMs = weather.isStormy ? dice.between(-clockSkewMs, clockSkewMs) : 0;
    const isCaching = hits("cachedRun");
    const cache = new Map<string, unknown>();

    async function read<T>(where: Rectangle, pick: (row: number, column: number) => T): Promise<T[][] | undefined> {
      if (!table.fits(where)) return undefined;
      if (where.rows < 1 || where.columns < 1) throw new Error("The number of rows in the range must be at least 1.");
      const tornAt = hits("tornRead") ? dice.below(where.rows * where.columns) : -1;
      const rows: T[][] = [];
      for (let row = 0; row < where.rows; row += 1) {
        const cells: T[] = [];
        rows.push(cells);
        for (let column = 0; column < where.columns; column += 1) {
          if (row * where.columns + column === tornAt) await clock.sleep(dice.between(5, 400));
          cells.push(pick(where.row + row, where.column + column));
        }
      }
      return rows;
    }

    const answers: SlowHands = {
      now: () => Math.round(clock.now() + skewMs),
      uuid: () => {
        ids += 1;
        const digits = Math.floor(dice.next() * 2 ** 32).toString(16);
        return `${digits.padStart(8, "0")}-0000-4000-8000-${ids.toString(16).padStart(12, "0")}`;
      },
      sleep: ({ ms }) => clock.sleep(ms),
      log: ({ line }) => {
        if (line.includes("failed")) faults.push(line);
      },
      properties: () => ({ ...properties }),
      saveProperties({ set, remove }) {
        Object.assign(properties, set);
        for (const name of remove) delete properties[name];
      },
      async lock({ waitMs }) {
        if (hits("noLock")) return false;
        for (let waited = 0; lockedBy !== undefined; waited += 100) {
          if (waited >= waitMs) return false;
          await clock.sleep(100);
        }
        lockedBy = run;
        return true;
      },
      unlock: () => {
        if (lockedBy === run) lockedBy = undefined;
      },
      firstSeen({ id }) {
        if (seenCalls.has(id)) return false;
        seenCalls.add(id);
        return true;
      },
      spreadsheetId: () => SPREADSHEET_ID,
      spreadsheet: () => table.describe(),
      timeZone: () => "Etc/UTC",
      zoneOffset: () => 0,
      eventRange: () => (range && table.sheet(range.sheetId) ? range : undefined),
      size: ({ sheetId }) => table.size(sheetId),
      usedSize: ({ sheetId }) => table.usedSize(sheetId),
      values(where) {
        if (table.isRestless) table.ticks += 1;
        return read(where, (row, column) => table.valueAt(where.sheetId, row, column));
      },
      formulas: (where) => read(where, (row, column) => table.formulaAt(where.sheetId, row, column)),
      displays: (where) => read(where, (row, column) => table.displayAt(where.sheetId, row, column)),
      flush: () => cache.clear(),
      userKey: () => "key-of-somebody",
      triggers: () => [{ uid: TRIGGER, handler: "handleEdit" }],
      installTriggers: () => [],
      removeTriggers: () => 0,
      webApp: () => (hasWebApp ? WEB_APP : undefined),
      sign: ({ key: secret, text }) =>
        createHmac("sha256", Buffer.from(secret.replace(/^whsec_/, ""), "base64"))
          .update(text)
          .digest("base64"),
      send: (post) => send(run, post),
    };
    return Object.fromEntries(
      Object.entries(answers).map(([name, answer]) => [
        name,
        async (details: object): Promise<unknown> => {
          const effect = name as EffectName;
          if (hits("killedRun")) {
            kill();
            return new Promise(() => {});
          }
          const known = isCaching && cached.has(effect) ? `${effect} ${JSON.stringify(details)}` : undefined;
          const duration = durations[effect];
          if (duration !== undefined) await clock.sleep(takes(duration));
          if (known !== undefined && cache.has(known)) return cache.get(known);
          const found: unknown = await (answer as (details: object) => unknown)(details);
          if (known !== undefined) cache.set(known, found);
          return found;
        },
      ]),
    ) as unknown as SlowHands;
  }

  async function send(
    run: ScriptRun,
    { id, timestamp, body }: { id: string; timestamp: string; body: string },
  ): Promise<Sent> {
    run.posts += 1;
    counts.posts += 1;
    counts.mostPostsOfARun = Math.max(counts.mostPostsOfARun, run.posts);
    if (run.posts > MOST_POSTS_OF_A_RUN) {
      if (run.posts === MOST_POSTS_OF_A_RUN + 1) faults.push("a run never stops posting");
      return new Promise(() => {});
    }
    const signature = createHmac("sha256", key).update(signedPrefix(id, timestamp)).update(body).digest("base64");
    const headers = { id, timestamp, signature: signatureHeader([signature]) };
    // Each time anew: what was taken belongs to the relay.
    const bytes = (): Buffer => Buffer.from(body);
    if (hits("lostPost")) {
      trace(`post ${id} is lost`);
      await clock.sleep(takes(5_000));
      return { reached: false, code: "lost" };
    }
    if (hits("doubledPost")) {
      clock.after(dice.between(1, 90_000), () => {
        trace(`post ${id} comes again`);
        void relay.post(headers, bytes());
      });
    }
    if (hits("forgedPost")) clock.after(dice.between(1, 30_000), () => void forge(id, timestamp, body));
    if (hits("abandonedPost")) {
      abandoned += 1;
      // Where the relay is down the network tries again: what nobody ever hears of is a lost post, and that is another fault.
      const arrive = async (): Promise<void> => {
        const found = await relay.post(headers, bytes());
        trace(`post ${id} arrives, abandoned: ${found?.status ?? "nobody"}`);
        if (found && found.status < 500) abandoned -= 1;
        else clock.after(2_000, () => void arrive());
      };
      clock.after(dice.chance(0.5) ? dice.between(1_000, 50_000) : dice.between(60_000, 240_000), () => void arrive());
      run.abandon();
      return new Promise(() => {});
    }
    const isLate = hits("latePost");
    const wayMs = isLate ? dice.between(1_000, 90_000) : takes(40);
    const answer = (async (): Promise<Sent> => {
      await clock.sleep(wayMs);
      const found = await relay.post(headers, bytes());
      trace(
        () => `post ${id.slice(-4)} of run ${run.number}: ${wordsOf(body)} -> ${found ? answerOf(found) : "nobody"}`,
      );
      await clock.sleep(takes(30));
      if (!found || hits("lostAnswer")) return { reached: false, code: "no-answer" };
      return { reached: true, status: found.status, text: found.text };
    })();
    const timeout = (async (): Promise<Sent> => {
      await clock.sleep(weather.isStormy && isLate ? dice.between(1_000, FETCH_TIMEOUT_MS) : FETCH_TIMEOUT_MS);
      return { reached: false, code: "timeout" };
    })();
    return Promise.race([answer, timeout]);
  }

  /** The same id with other contents, well signed: it must change nothing once the first was taken. */
  async function forge(id: string, timestamp: string, body: string): Promise<void> {
    const other = body.replace('"n":0', '"n":9');
    if (other === body) return;
    const signed = createHmac("sha256", key).update(signedPrefix(id, timestamp)).update(other).digest("base64");
    const headers = { id, timestamp, signature: signatureHeader([signed]) };
    const taken = await relay.post({ ...headers, signature: headerOf(id, timestamp, body) }, Buffer.from(body));
    const found = taken?.status === 202 ? await relay.post(headers, Buffer.from(other)) : undefined;
    trace(`post ${id} comes with other contents: ${found ? found.status : "unheard"}`);
    if (found?.status === 202) faults.push("an id was taken a second time with other contents");
  }

  const headerOf = (id: string, timestamp: string, body: string): string =>
    signatureHeader([createHmac("sha256", key).update(signedPrefix(id, timestamp)).update(body).digest("base64")]);

  return {
    tell(event) {
      const times = hits("lostRun") ? 0 : hits("doubledRun") ? 2 : 1;
      for (let time = 0; time < times; time += 1) {
        const delay = hits("lateRun") ? dice.between(500, 30_000) : takes(150);
        clock.after(delay, () => {
          const facts = { triggerUid: TRIGGER, email: undefined };
          if (event.kind === "edit") void start("edit", onEdit({ ...facts, oldValue: event.oldValue }), event.range);
          else void start(event.changeType, onChange({ ...facts, changeType: event.changeType }));
        });
      }
    },
    tick: () => void start("tick", onTick({ triggerUid: TRIGGER, email: undefined })),
    check: () => void start("check", onWish("manual", 300_000)),
    panel: () => void start("panel", onWish("call", budgets.panelMs)),
    call: (contents) => start("call", onCall(contents)),
    running: () => running,
    abandoned: () => abandoned,
    keepsSomething: () => Object.keys(properties).some((name) => name.startsWith(keys.outboxPrefix)),
    counts,
    faults,
  };
}

type ScriptRun = { readonly number: number; posts: number; readonly abandon: () => void };

type Told = { kind: string; sheetId?: number; from?: number; to?: number; axis?: string; at?: { row: number } };

/** What a post says, without contents. */
function wordsOf(body: string): string {
  const { readings, n } = JSON.parse(body) as { n: number; readings: (Told & { want?: string; rows?: [number][] })[] };
  const told = readings.map(({ kind, sheetId, axis, from, to, at, rows, want }) =>
    [
      kind,
      axis === "columns" ? axis : "",
      sheetId === undefined ? "" : ` ${sheetId}`,
      from === undefined ? "" : ` ${from}-${to}`,
      at ? ` ${at.row}` : "",
      rows ? ` ${rows.map(([row]) => row).join("+")}` : "",
      want ? ` for ${want}` : "",
    ].join(""),
  );
  return `${n}: ${told.join(", ")}`;
}

function answerOf({ status, text }: { status: number; text: string }): string {
  if (status !== 202) return String(status);
  const { seq, wants } = JSON.parse(text) as { seq: number; wants: (Told & { id: string })[] };
  return `${status} at ${seq}, wants ${wants.map(({ kind, id, sheetId }) => `${kind} ${sheetId ?? ""} ${id}`).join(", ")}`;
}
