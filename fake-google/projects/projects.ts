/** A spreadsheet with the script bound to it: what happens in the one starts runs of the other. */
import { createHash, randomUUID } from "node:crypto";
import { createCache, createLock, createProperties } from "../answers/answers.ts";
import { createSpreadsheet, type Action, type Effect, type Refused, type SpreadsheetOptions } from "../grid/grid.ts";
import { createTriggers, lineFor, type EventType, type Profile, type Trigger } from "../triggers/triggers.ts";
import { countsAsCall, type EventFate, type Hostility, type RunFate } from "../hostile/hostile.ts";
import type { Cell } from "../cell/cell.ts";
import type { Clock, Work } from "../clock/clock.ts";
import type { Bundle } from "../bundle/bundle.ts";
import { maxRunMs, type Meanwhile, type Reply, type Runs } from "../runs/runs.ts";
import type { Answer, EventFacts, RunFacts } from "../services/services.ts";
import { answer, isReading } from "./answer.ts";
import { createGates, type Gates } from "./gates.ts";
import { account, leewayOf, type Told } from "./leeway.ts";

export type { Gate, Gates } from "./gates.ts";

export type Usage = {
  fetches: number;
  reads: number;
  propertyReads: number;
  propertyWrites: number;
  locks: number;
  zoneCalls: number;
  runs: number;
  runtimeMs: number;
  /** Events that no run was started for. */
  dropped: number;
  /** Formulas that came to another result. */
  workedOut: number;
};
export const noUsage = (): Usage => ({
  fetches: 0,
  reads: 0,
  propertyReads: 0,
  propertyWrites: 0,
  locks: 0,
  zoneCalls: 0,
  runs: 0,
  runtimeMs: 0,
  dropped: 0,
  workedOut: 0,
});

/** One line of the executions page. */
export type ExecutionRecord = {
  readonly function: string;
  readonly status: "running" | "completed" | "failed" | "timed-out";
  readonly error?: string;
  readonly startedAt: string;
  readonly durationMs?: number;
  readonly cause: string;
};

/** How a run shows things to the person it runs for; answered as that person answers. */
export type Ui = (what: string, args: unknown) => unknown;

export type Execution = {
  readonly id: string;
  readonly user: string;
  readonly bundle: Bundle;
  readonly ui: Ui;
  readonly work: Work;
  /** What a bad day does to it. */
  readonly fate: RunFate | undefined;
  /** Reads that are answered again as before. */
  readonly remembered: Map<string, Answer>;
  /** What its thread may answer itself. */
  told: Told | undefined;
};

export type RunOutcome = { readonly ok: true; readonly json: string } | { readonly ok: false; readonly error: string };

export type RunRequest = {
  readonly functionName: string;
  /** Whose rights and quotas it uses. */
  readonly user: string;
  /** Who did what it runs for. */
  readonly actor: string;
  readonly cause: string;
  readonly authMode: "NONE" | "LIMITED" | "FULL";
  readonly event?: EventFacts;
  /** JSON of the arguments, for calls from pages. */
  readonly args?: string;
  readonly ui?: Ui;
  readonly bundle?: Bundle;
  readonly limitMs?: number;
  /** Of which event it is the run, for chances that do not depend on what runs beside it. */
  readonly key?: string;
};

export type ProjectNeeds = {
  readonly runs: Runs;
  readonly clock: Clock;
  /** The bad day, if it is one. */
  readonly hostility: () => Hostility | undefined;
  readonly random: () => number;
  readonly profile: () => Profile;
  readonly editUrlOf: (spreadsheetId: string) => string;
  readonly webAppUrlOf: (deploymentId: string) => string;
  /** Runs of a user in all projects, and the trigger time the user has had today. */
  readonly ledger: Ledger;
};

export const maxRunsPerUser = 30;
export const maxSimpleRunMs = 30_000;
const maxTriggerTimePerDayMs = 90 * 60_000;
const maxRecords = 500;

export function createLedger(now: () => number) {
  const running = new Map<string, number>();
  const spent = new Map<string, { since: number; ms: number }>();
  return {
    running: (user: string): number => running.get(user) ?? 0,
    begin: (user: string): void => void running.set(user, (running.get(user) ?? 0) + 1),
    end(user: string, triggerMs: number): void {
      running.set(user, (running.get(user) ?? 1) - 1);
      const held = spent.get(user);
      if (!held || now() - held.since >= 86_400_000) spent.set(user, { since: now(), ms: triggerMs });
      else held.ms += triggerMs;
    },
    /** Everybody has a whole day's trigger time again. */
    startDay: (): void => spent.clear(),
    hasTriggerTime(user: string): boolean {
      const held = spent.get(user);
      return !held || now() - held.since >= 86_400_000 || held.ms < maxTriggerTimePerDayMs;
    },
  };
}
export type Ledger = ReturnType<typeof createLedger>;

export type Project = ReturnType<typeof createProject>;

type Deployment = {
  readonly deploymentId: string;
  readonly bundle: Bundle;
  readonly user: string;
  readonly url: string;
};

/** So much later the edit handler starts where Google tells of the change first. */
const swappedByMs = 50;
const killed: Answer = { json: "null", isEnd: true };

const isSpoken = (line: string): boolean => line !== "none";
const nobodyLooks: Ui = (what) => (what === "dialog" ? "CLOSE" : null);

export function createProject(options: SpreadsheetOptions, needs: ProjectNeeds) {
  const { clock } = needs;
  let isLoadingUntil = new WeakMap<Cell, number>();
  const actionWaiters = new Set<() => void>();
  const revision = new Int32Array(new SharedArrayBuffer(4));
  /** Whatever scripts were told may no longer be so. */
  const touch = (): void => void Atomics.add(revision, 0, 1);
  const spreadsheet = createSpreadsheet(options, {
    now: clock.now,
    random: needs.random,
    onWorkedOut,
    onTouched: touch,
  });
  const records: { -readonly [Key in keyof ExecutionRecord]: ExecutionRecord[Key] }[] = [];
  const stores = {
    script: createProperties(),
    document: createProperties(),
    user: new Map<string, ReturnType<typeof createProperties>>(),
  };
  const caches = new Map<string, ReturnType<typeof createCache>>();
  const locks = new Map<string, ReturnType<typeof createLock>>();
  const deployments: Deployment[] = [];
  const gates: Gates = createGates(touch);
  const usage = noUsage();
  const waiting = new Set<() => void>();
  let runningCount = 0;
  let bundle: Bundle | undefined;

  const triggers = createTriggers({
    clock,
    random: needs.random,
    room: () => {
      const { runningPerTrigger, pendingPerTrigger } = needs.profile();
      const queue = needs.hostility()?.queue();
      return queue
        ? { ...queue, isStrict: true }
        : { running: runningPerTrigger, waiting: pendingPerTrigger, isStrict: false };
    },
    isLost: (key) => needs.hostility()?.isLost(key) ?? false,
    deliveries: (trigger, eventKey) => {
      const hostility = needs.hostility();
      if (hostility) return hostility.deliveries(eventKey ?? hostility.tick(options.id, trigger.handler), trigger);
      const [least, most] = needs.profile().delayMs;
      return [{ key: "", delayMs: least + (most - least) * needs.random() }];
    },
    onDropped: () => usage.dropped++,
    start: async (trigger, event, key) => {
      await run({
        functionName: trigger.handler,
        user: trigger.owner,
        actor: actorOf(event) ?? trigger.owner,
        cause: causeOf(trigger, event),
        authMode: "FULL",
        event,
        ...(key === "" ? {} : { key }),
      });
    },
  });

  const held = <T>(map: Map<string, T>, key: string, make: () => T): T => {
    const found = map.get(key) ?? make();
    map.set(key, found);
    return found;
  };
  const keyOf = (scope: "script" | "document" | "user", user: string): string =>
    scope === "user" ? `user:${user}` : scope;

  const project = {
    spreadsheet,
    clock,
    triggers,
    usage,
    gates,
    /** Another number when anything may have changed. */
    revision: (): number => Atomics.load(revision, 0),
    editUrl: needs.editUrlOf(options.id),
    propertiesOf: (store: "script" | "document" | "user", user: string) =>
      store === "user" ? held(stores.user, user, createProperties) : stores[store],
    cacheOf: (store: "script" | "document" | "user", user: string) =>
      held(caches, keyOf(store, user), () => createCache(clock.now)),
    lockOf: (scope: "script" | "document" | "user", user: string) =>
      held(locks, keyOf(scope, user), () => createLock(clock.after)),
    executions: (): readonly ExecutionRecord[] => records,
    bundle: (): Bundle | undefined => bundle,
    /** As `clasp push` does: from the next run on, this is the script. */
    push(pushed: Bundle): void {
      bundle = pushed;
    },
    act,
    run,
    open,
    deploy,
    deployments: (): readonly Deployment[] => deployments,
    /** Resolves when no run is in progress and no event on its way. */
    async idle(): Promise<void> {
      while (runningCount > 0 || !triggers.isIdle()) {
        await new Promise<void>((resolve) => {
          waiting.add(resolve);
          void triggers.idle().then(resolve);
        });
        waiting.clear();
        // A handler's end and its trigger's count fall in the same turn: look again after it.
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    isLoading: (cell: Cell): boolean => (isLoadingUntil.get(cell) ?? 0) > clock.now(),
    /** No formula is being worked out any more. */
    showResults(): void {
      isLoadingUntil = new WeakMap();
      touch();
    },
    stop: (): void => triggers.stop(),
  };

  /** Applies an action as its user and tells the script, as faithfully as the profile lets it. */
  function act(action: Action): readonly Effect[] | Refused {
    const outcome = spreadsheet.act(action);
    if ("refused" in outcome) return outcome;
    for (const effect of outcome) announce(effect, action.as ?? spreadsheet.state.owner);
    for (const waiter of actionWaiters) waiter();
    return outcome;
  }

  /** Stands until somebody does something to the sheet, or so long. */
  const untilAction = (mostMs: number): Promise<void> =>
    new Promise((resolve) => {
      const done = (): void => {
        actionWaiters.delete(done);
        callOff();
        resolve();
      };
      const callOff = clock.after(mostMs, "a run between two reads", done, true);
      actionWaiters.add(done);
    });

  function onWorkedOut(cells: readonly Cell[]): void {
    usage.workedOut += cells.length;
    const ms = needs.hostility()?.loadingMs(options.id) ?? 0;
    if (ms === 0) return;
    for (const cell of cells) isLoadingUntil.set(cell, clock.now() + ms);
    clock.after(ms, "formulas to show their results", () => undefined, true);
  }

  function announce(effect: Effect, actor: string): void {
    const line = lineFor(needs.profile(), effect.did);
    if (!isSpoken(line.edit) && !isSpoken(line.change)) return;
    const fate = needs.hostility()?.event(options.id, effect.did);
    if (fate?.isSilent) return;
    if (fate?.isChangeFirst) {
      announceChange(line.change, actor, fate.key);
      announceEdit(effect, line.edit, actor, fate);
    } else {
      announceEdit(effect, line.edit, actor, fate);
      announceChange(line.change, actor, fate?.key);
    }
  }

  function announceEdit(effect: Effect, edited: string, actor: string, fate: EventFate | undefined): void {
    const { area } = effect;
    if (isSpoken(edited) && area) {
      const { value, oldValue } = effect;
      const values =
        edited === "values"
          ? {
              value: fate?.withheld.includes("value") ? undefined : value,
              oldValue: fate?.withheld.includes("oldValue") ? undefined : oldValue,
            }
          : {};
      const edit = { kind: "edit" as const, sheetId: effect.sheetId, ...area, ...values };
      if (bundle?.functions.has("onEdit")) {
        void run({
          functionName: "onEdit",
          user: actor,
          actor,
          cause: "simple onEdit",
          authMode: "LIMITED",
          event: { ...edit, user: actor },
          limitMs: maxSimpleRunMs,
        });
      }
      triggers.fire(
        "ON_EDIT",
        fate?.key,
        (trigger) => ({ ...edit, triggerUid: trigger.uid, user: visibleActor(actor, trigger.owner) }),
        fate?.isChangeFirst ? swappedByMs : 0,
      );
    }
  }

  function announceChange(changeType: string, actor: string, key: string | undefined): void {
    if (!isSpoken(changeType)) return;
    triggers.fire("ON_CHANGE", key, (trigger) => ({
      kind: "change",
      changeType,
      triggerUid: trigger.uid,
      user: visibleActor(actor, trigger.owner),
    }));
  }

  /** Somebody opens the sheet: the simple `onOpen`, then the installable ones. */
  async function open(user: string, ui: Ui): Promise<void> {
    const opened: Promise<unknown>[] = [];
    if (bundle?.functions.has("onOpen")) {
      opened.push(
        run({
          functionName: "onOpen",
          user,
          actor: user,
          cause: "simple onOpen",
          authMode: "LIMITED",
          event: { kind: "open", user },
          ui,
          limitMs: maxSimpleRunMs,
        }),
      );
    }
    triggers.fire("ON_OPEN", needs.hostility()?.event(options.id, "open").key, (trigger) => ({
      kind: "open",
      triggerUid: trigger.uid,
      user: visibleActor(user, trigger.owner),
    }));
    await Promise.all(opened);
  }

  /** Google says who did it only to somebody of the same domain, and only where the scope was granted. */
  function visibleActor(actor: string, owner: string): string {
    const scopes = bundle?.manifest.oauthScopes;
    if (scopes && !scopes.includes("https://www.googleapis.com/auth/userinfo.email")) return "";
    return actor === owner || domainOf(actor) === domainOf(owner) ? actor : "";
  }

  async function run(request: RunRequest): Promise<RunOutcome> {
    const script = request.bundle ?? bundle;
    if (!script) return { ok: false, error: "There is no script bound to this spreadsheet." };
    const { user, actor, cause, functionName } = request;
    const isTrigger = cause.startsWith("trigger");
    const record: (typeof records)[number] = {
      function: functionName,
      status: "running",
      startedAt: new Date(clock.now()).toISOString(),
      cause,
    };
    records.push(record);
    if (records.length > maxRecords) records.shift();
    const hostility = needs.hostility();
    const key = request.key ?? hostility?.runKey(options.id, cause, functionName) ?? "";
    const tooMuch =
      needs.ledger.running(user) >= maxRunsPerUser
        ? "Exception: There are too many scripts running simultaneously for this Google user account."
        : isTrigger &&
            (!needs.ledger.hasTriggerTime(user) || hostility?.isTriggerTimeSpent(key, user, clock.now()) === true)
          ? "Exception: Service using too much computer time for one day"
          : undefined;
    if (tooMuch !== undefined) {
      Object.assign(record, { status: "failed", error: tooMuch, durationMs: 0 });
      return { ok: false, error: tooMuch };
    }
    const fate = hostility?.run(key);
    const work = clock.work();
    const execution: Execution = {
      id: randomUUID(),
      user,
      bundle: script,
      ui: request.ui ?? nobodyLooks,
      work,
      fate,
      remembered: new Map(),
      told: undefined,
    };
    const facts: RunFacts = {
      spreadsheetId: options.id,
      authMode: request.authMode,
      scopes: script.manifest.oauthScopes,
      scriptTimeZone: script.manifest.timeZone,
      effectiveUser: request.authMode === "FULL" ? user : "",
      activeUser: visibleActor(actor, user),
      temporaryUserKey: temporaryKey(actor, options.id, clock.now()),
      locale: spreadsheet.state.locale,
      hasUi: request.ui !== undefined,
      webAppUrl: deployments.at(-1)?.url,
      htmlFiles: script.html,
      skewMs: fate?.skewMs ?? 0,
      now: clock.shared(),
    };
    const call = { functionName, event: request.event, args: request.args };
    runningCount++;
    usage.runs++;
    needs.ledger.begin(user);
    const startedMs = performance.now();
    const startedAt = clock.now();
    const limitMs = request.limitMs ?? maxRunMs;
    const stand = async (what: () => Promise<void>): Promise<void> => work.aside(what);
    const ask = async (
      op: string,
      args: unknown,
      bytes: Int8Array | undefined,
      meanwhile: Meanwhile,
    ): Promise<Reply> => {
      account(execution, meanwhile);
      if (gates.isClosed(op, "before")) await stand(() => gates.pass(op, "before"));
      const isCall = fate !== undefined && countsAsCall(op);
      if (isCall) {
        const paceMs = fate.paceMs();
        if (paceMs > 0) await stand(() => clock.wait(paceMs, "a slow run", true));
        const tornMs = isReading(op) ? fate.tornMs() : 0;
        if (tornMs > 0) await stand(() => untilAction(tornMs));
      }
      const killAt = isCall ? fate.killAt() : undefined;
      if (killAt === "before") return killed;
      const said = await answer(project, execution, op, args, bytes);
      if (killAt === "after" || (clock.isVirtual() && clock.now() - startedAt > limitMs)) return killed;
      if (gates.isClosed(op, "after")) await stand(() => gates.pass(op, "after"));
      return { ...said, now: clock.shared(), leeway: leewayOf(project, execution) };
    };
    const leeway = leewayOf(project, execution);
    const result = await needs.runs.run(
      { code: script.code, facts, call, revision: revision.buffer, leeway },
      ask,
      limitMs,
    );
    account(execution, result.meanwhile);
    work.end();
    // Under virtual time a run takes what its waiting took, or what it really took.
    const durationMs = Math.round(Math.max(performance.now() - startedMs, clock.now() - startedAt));
    usage.runtimeMs += durationMs;
    usage.zoneCalls += result.zoneCalls;
    for (const lock of locks.values()) lock.forget(execution.id);
    needs.ledger.end(user, isTrigger ? durationMs : 0);
    runningCount--;
    const isTimedOut = !result.ok && result.error.includes("maximum execution time");
    Object.assign(
      record,
      { status: result.ok ? "completed" : isTimedOut ? "timed-out" : "failed", durationMs },
      result.ok ? {} : { error: result.error.slice(0, 300) },
    );
    for (const waiter of waiting) waiter();
    return result;
  }

  /** Deploys the script as it is now as a web app, run as this user; later pushes do not change it. */
  function deploy(user: string): Deployment | Refused {
    if (!bundle) return { refused: "There is no script bound to this spreadsheet." };
    if (!bundle.functions.has("doPost") && !bundle.functions.has("doGet"))
      return { refused: "The script has neither doGet nor doPost." };
    const deploymentId = `AKfycb${createHash("sha256").update(randomUUID()).digest("base64url").slice(0, 50)}`;
    const deployment = { deploymentId, bundle, user, url: needs.webAppUrlOf(deploymentId) };
    deployments.push(deployment);
    return deployment;
  }

  return project;
}

const domainOf = (email: string): string => email.slice(email.indexOf("@") + 1);

const actorOf = (event: EventFacts): string | undefined =>
  "user" in event && event.user !== "" ? event.user : undefined;

function causeOf(trigger: Trigger, event: EventFacts): string {
  const names: Record<EventType, string> = {
    ON_EDIT: "edit",
    ON_CHANGE: "change",
    ON_OPEN: "open",
    CLOCK: "clock",
    ON_FORM_SUBMIT: "form",
  };
  return `trigger ${names[trigger.eventType]}${event.kind === "change" ? ` ${event.changeType}` : ""}`;
}

/** A pseudonym per script and person that changes every 30 days. */
function temporaryKey(actor: string, scriptId: string, now: number): string {
  const period = Math.floor(now / (30 * 86_400_000));
  return createHash("sha256").update(`${actor}\n${scriptId}\n${period}`).digest("base64").slice(0, 88);
}
