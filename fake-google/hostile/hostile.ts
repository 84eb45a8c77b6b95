/** A bad day at Google, by seed: what is lost, late, doubled, torn, refused. Nothing here acts; it decides. */
import * as z from "zod";
import { diceOf, type Dice } from "./dice.ts";

/** Every fault with the chance of each occasion, as the hostile profile has it. The README says what each one is. */
const usualChances = {
  dropRuns: 1,
  delayRuns: 0.6,
  reorderRuns: 0.2,
  duplicateRuns: 0.08,
  overlapRuns: 0.25,
  killRuns: 0.04,
  withholdValues: 0.4,
  swapEditAndChange: 0.5,
  silentActions: 0.5,
  fetchThrows: 0.04,
  fetchFails: 0.04,
  fetchAnswerLost: 0.04,
  latePosts: 0.05,
  exhaustTriggerTime: 0.0005,
  exhaustFetches: 0.0005,
  skewClocks: 1,
  tornReads: 0.1,
  cachedReads: 0.3,
  loading: 0.3,
} as const;

export type FaultName = keyof typeof usualChances;
export const faultNames = Object.keys(usualChances) as readonly FaultName[];
type Chances = Readonly<Record<FaultName, number>>;

const chance = z.union([z.boolean(), z.number().min(0).max(1)]).optional();

/** Off, on with its usual chance, or a chance for each occasion. Faults not named are as usual, unless `others` is false. */
export const faultsSchema = z.strictObject({
  others: z.boolean().optional(),
  ...(Object.fromEntries(faultNames.map((name) => [name, chance])) as Record<FaultName, typeof chance>),
});
export type Faults = z.infer<typeof faultsSchema>;

/** One fault that struck, at what, and how where there are several ways. */
export type Decision = { readonly fault: FaultName; readonly at: string; readonly how?: number | string };

/** What became of one event: whether Google says anything, and what of it. */
export type EventFate = {
  readonly key: string;
  readonly isSilent: boolean;
  readonly withheld: readonly ("value" | "oldValue")[];
  readonly isChangeFirst: boolean;
};

/** One start of a handler, so long after the event. */
export type Delivery = { readonly key: string; readonly delayMs: number };

export type FetchFate = {
  readonly lateMs: number;
  /** `throws`: nothing is sent. `fails`: another answers in the relay's place. `lost`: sent and taken, and the answer never comes back. */
  readonly end: "sent" | "throws" | "fails" | "lost";
  readonly status: number;
};

export type RunFate = {
  /** What `Date` shows beside the clock outside. */
  readonly skewMs: number;
  readonly isCached: () => boolean;
  /** How long this service call takes of the fake's time, beside what it really takes. */
  readonly paceMs: () => number;
  /** How long the run stands before this read, in case somebody edits meanwhile. */
  readonly tornMs: () => number;
  /** Whether the time limit ends the run at this call: before it is carried out, or after. */
  readonly killAt: () => "before" | "after" | undefined;
  /** How many of the next calls, and of the next reads, nothing of this will concern. */
  readonly quiet: () => { readonly calls: number; readonly reads: number };
  /** So many were made, none of which anything concerned. */
  readonly pass: (calls: number, reads: number) => void;
  readonly nextFetch: () => FetchFate;
  readonly isFetchQuotaSpent: (user: string, now: number) => boolean;
};

/** Lines of the table of events that are only believed: a bad day has none of them. */
const unsure = new Set([
  "findReplace",
  "sort",
  "undo",
  "redo",
  "undoStructure",
  "redoStructure",
  "renameSheet",
  "reorderSheets",
  "hideSheet",
]);

const maxDecisions = 100_000;
const mostDelayMs = 30_000;
const mostLateMs = 90_000;
const mostSkewMs = 1000;
const mostCallsOfKilled = 12;
/** So far ahead is it told that no read is torn. */
const mostQuietReads = 40;
const dayMs = 86_400_000;
/** What may wait for a trigger, on its way or in its queue; further events are lost. */
export const hostileQueue = { waiting: 2, running: 2 };

const callsThatDoNotCount = ["log", "ui"];
export const countsAsCall = (op: string): boolean => !callsThatDoNotCount.includes(op.split(".")[0] ?? "");

/** `startedAt` by the fake's clock: the day is at its noon then, so that one seed is one course of things at any hour. */
export function createHostility(seed: number, faults: Faults, startedAt: number) {
  const chances = chancesOf(faults);
  const decisions: Decision[] = [];
  const counts = new Map<string, number>();
  const spreadsheets = new Map<string, string>();
  /** Of user and allowance, until when it is spent. */
  const spentUntil = new Map<string, number>();
  let more = 0;
  let isOver = false;

  /** The dice of a fault that strikes here, for what else there is to decide about it. */
  function struck(fault: FaultName, at: string): Dice | undefined {
    if (isOver || chances[fault] === 0) return undefined;
    const dice = diceOf(seed, fault, at);
    return dice() < chances[fault] ? dice : undefined;
  }

  function note(fault: FaultName, at: string, how?: number | string): void {
    if (decisions.length >= maxDecisions) more++;
    else decisions.push({ fault, at, ...(how === undefined ? {} : { how }) });
  }

  /** Whether it strikes, and so much of it: more often little than much. */
  function amount(fault: FaultName, at: string, least: number, most: number): number {
    const dice = struck(fault, at);
    if (!dice) return 0;
    const ms = Math.round(least + (most - least) * dice() ** 2);
    note(fault, at, ms);
    return ms;
  }

  function happens(fault: FaultName, at: string): boolean {
    if (!struck(fault, at)) return false;
    note(fault, at);
    return true;
  }

  function oneOf<T extends number | string>(
    fault: FaultName,
    at: string,
    choices: readonly [T, ...T[]],
  ): T | undefined {
    const dice = struck(fault, at);
    if (!dice) return undefined;
    const chosen = choices[Math.floor(dice() * choices.length)] ?? choices[0];
    note(fault, at, chosen);
    return chosen;
  }

  function next(name: string): number {
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    return count;
  }

  /** Ids are random: a spreadsheet is known by when it was first met. */
  function nameOf(spreadsheetId: string): string {
    const name = spreadsheets.get(spreadsheetId) ?? `s${spreadsheets.size + 1}`;
    spreadsheets.set(spreadsheetId, name);
    return name;
  }

  const untilMidnightMs = (now: number): number => dayMs - ((now - startedAt + dayMs / 2) % dayMs);

  function spends(fault: "exhaustTriggerTime" | "exhaustFetches", at: string, user: string, now: number): boolean {
    if (isOver) return false;
    const key = `${fault} ${user}`;
    if ((spentUntil.get(key) ?? 0) > now) return true;
    if (!happens(fault, at)) return false;
    spentUntil.set(key, now + untilMidnightMs(now));
    return true;
  }

  return {
    seed,
    chances,
    event(spreadsheetId: string, did: string): EventFate {
      const at = nameOf(spreadsheetId);
      const key = `${at}/event ${next(`${at}/event`)} ${did}`;
      const withheld = oneOf("withholdValues", key, ["both", "value", "oldValue"]);
      return {
        key,
        isSilent: unsure.has(did) && happens("silentActions", key),
        withheld: withheld === undefined ? [] : withheld === "both" ? ["value", "oldValue"] : [withheld],
        isChangeFirst: happens("swapEditAndChange", key),
      };
    },
    tick(spreadsheetId: string, handler: string): string {
      const at = `${nameOf(spreadsheetId)}/tick ${handler}`;
      return `${at} ${next(at)}`;
    },
    /** When the handler starts for it, once or twice. */
    deliveries(eventKey: string, trigger: { handler: string; owner: string }): readonly Delivery[] {
      const key = `${eventKey}/${trigger.handler}/${trigger.owner}`;
      const delay = (of: string): number =>
        amount("delayRuns", of, 0, mostDelayMs) + amount("reorderRuns", of, 200, 3000);
      const once = { key, delayMs: delay(key) };
      if (!happens("duplicateRuns", key)) return [once];
      const again = `${key}/again`;
      return [once, { key: again, delayMs: delay(again) + 100 }];
    },
    /** Room for events of one trigger, or undefined where this fault is off. */
    queue: (): typeof hostileQueue | undefined => (isOver || chances.dropRuns === 0 ? undefined : hostileQueue),
    isLost: (key: string): boolean => happens("dropRuns", key),
    isTriggerTimeSpent: (key: string, user: string, now: number): boolean =>
      spends("exhaustTriggerTime", key, user, now),
    /** Runs that no event started are counted by what started them. */
    runKey(spreadsheetId: string, cause: string, functionName: string): string {
      const at = `${nameOf(spreadsheetId)}/${cause} ${functionName}`;
      return `${at} ${next(at)}`;
    },
    /** For how long formulas that have just been worked out show nothing yet. */
    loadingMs(spreadsheetId: string): number {
      const at = `${nameOf(spreadsheetId)}/recalculation`;
      return amount("loading", `${at} ${next(at)}`, 500, 8000);
    },
    run(key: string): RunFate {
      const skew = struck("skewClocks", key);
      const skewMs = skew ? Math.round((skew() * 2 - 1) * mostSkewMs) : 0;
      if (skew) note("skewClocks", key, skewMs);
      const isCached = happens("cachedReads", key);
      const pace = amount("overlapRuns", key, 50, 2000);
      const kill = struck("killRuns", key);
      const killAtCall = kill ? 1 + Math.floor(kill() * mostCallsOfKilled) : Infinity;
      const killSide = kill && kill() < 0.5 ? "before" : "after";
      if (kill) note("killRuns", key, `${killSide} call ${killAtCall}`);
      const paces = diceOf(seed, "pace", key);
      let calls = 0;
      let reads = 0;
      let fetches = 0;
      /** The read up to which none is torn, the first never being. */
      let wholeUpTo = 1;
      const isTorn = (read: number): boolean => struck("tornReads", `${key}/read ${read}`) !== undefined;
      return {
        skewMs,
        isCached: () => isCached && !isOver,
        paceMs: () => (isOver || pace === 0 ? 0 : Math.round(pace * paces())),
        tornMs: () => (reads++ === 0 ? 0 : amount("tornReads", `${key}/read ${reads}`, 200, 5000)),
        killAt: () => (++calls === killAtCall && !isOver ? killSide : undefined),
        quiet: () => {
          if (isOver) return { calls: Infinity, reads: Infinity };
          if (pace > 0) return { calls: 0, reads: 0 };
          wholeUpTo = Math.max(wholeUpTo, reads);
          while (wholeUpTo < reads + mostQuietReads && !isTorn(wholeUpTo + 1)) wholeUpTo++;
          return { calls: Math.max(0, killAtCall - calls - 1), reads: wholeUpTo - reads };
        },
        pass: (moreCalls, moreReads) => {
          calls += moreCalls;
          reads += moreReads;
        },
        nextFetch: () => {
          const at = `${key}/fetch ${++fetches}`;
          const lateMs = amount("latePosts", at, 1000, mostLateMs);
          if (happens("fetchThrows", at)) return { lateMs, end: "throws", status: 0 };
          const status = oneOf("fetchFails", at, [500, 502, 503, 504]);
          if (status !== undefined) return { lateMs, end: "fails", status };
          const lost = oneOf("fetchAnswerLost", at, ["throws", "504"]);
          return { lateMs, end: lost === undefined ? "sent" : "lost", status: lost === "504" ? 504 : 0 };
        },
        isFetchQuotaSpent: (user, now) => spends("exhaustFetches", `${key}/fetch ${fetches + 1}`, user, now),
      };
    },
    untilMidnightMs,
    decisions: (): { seed: number; decisions: readonly Decision[]; more: number } => ({ seed, decisions, more }),
    /** From now on nothing strikes any more, not in runs in progress either. */
    end: (): void => void (isOver = true),
    isOver: (): boolean => isOver,
  };
}

export type Hostility = ReturnType<typeof createHostility>;

function chancesOf(faults: Faults): Chances {
  const hasOthers = faults.others ?? true;
  return Object.fromEntries(
    faultNames.map((name) => {
      const given = faults[name];
      if (given === undefined) return [name, hasOthers ? usualChances[name] : 0];
      return [name, given === true ? usualChances[name] : given === false ? 0 : given];
    }),
  ) as Record<FaultName, number>;
}
