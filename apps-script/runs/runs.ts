/** What each start of the script does: Google's events, a person's wish, a call of the relay. */
import { limits } from "@sheetwire/shared/limits";
import type { Cause, Reading } from "@sheetwire/shared/protocol";
import { ask, type Program, type Rectangle } from "../effects/effects.ts";
import { codeOf, traceOf } from "../faults/faults.ts";
import { isEmpty, keep, keepRange, outboxOf, resend } from "../outbox/outbox.ts";
import { answerWants, createRun, deliver, type Delivery, type Run } from "../posting/posting.ts";
import { createReader, type Reader } from "../reading/reading.ts";
import { keys, settingsOf, type Connection, type Installation, type Settings } from "../settings/settings.ts";

/** The functions that our triggers call. */
export const handlers = ["handleEdit", "handleChange", "handleTick"] as const;

/** How long a run may go on reading what is wanted, in milliseconds. */
export const budgets = {
  /** An edit's run is short: more of them wait behind it, and Google queues but two. */
  editMs: 20_000,
  /** Up to a minute before Google ends the run. */
  longMs: limits.runLimitMs - 60_000,
  /** Somebody waits for it in a dialog. */
  connectMs: 270_000,
  /** Somebody looks at the panel. */
  panelMs: 10_000,
} as const;

/** What Google says with an event; all of it may be missing. */
export type EventFacts = { readonly triggerUid: string | undefined; readonly email: string | undefined };

/** What came of a run that somebody waits for. */
export type Report =
  | { readonly kind: "not-connected" }
  | { readonly kind: "delivered"; readonly answeredInMs: number; readonly wantsLeft: number }
  | { readonly kind: "failed"; readonly code: string; readonly detail?: string | undefined };

/** A user edited cells. */
export function* onEdit(event: EventFacts & { readonly oldValue: string | undefined }): Program<void> {
  const startedAt = yield* ask("now", {});
  const settings = settingsOf(yield* ask("properties", {}));
  const opened = yield* openFor(settings, event, "edit", startedAt, 1);
  if (!opened) return;
  const { run, reader } = opened;
  let range: Rectangle | undefined;
  let outcome: Delivery;
  try {
    range = yield* ask("eventRange", {});
    if (!range) return;
    outcome = yield* deliver(run, [yield* reader.edited(range, event.oldValue)]);
  } catch (fault) {
    // Reading failed or Google ended a service: the edit itself is remembered.
    yield* keepRange(range, run, codeOf(fault));
    throw fault;
  }
  yield* goOn(run, reader, settings, outcome, startedAt + budgets.editMs);
}

/** Something changed that is not an edit of cells. The caller has dropped `EDIT`, which the edit event tells better. */
export function* onChange(event: EventFacts & { readonly changeType: string }): Program<void> {
  const startedAt = yield* ask("now", {});
  const settings = settingsOf(yield* ask("properties", {}));
  const changeType = /^[A-Z_]{1,40}$/.test(event.changeType) ? event.changeType : "OTHER";
  const opened = yield* openFor(settings, event, `change:${changeType}`, startedAt, 1);
  if (!opened) return;
  const { run, reader } = opened;
  let outcome: Delivery;
  try {
    outcome = yield* deliver(run, [yield* reader.sheets()]);
  } catch (fault) {
    yield* keepRange(undefined, run, codeOf(fault));
    throw fault;
  }
  yield* goOn(run, reader, settings, outcome, startedAt + budgets.longMs);
}

/** The timed check: says that the script is there, and answers what the relay wants to have checked. */
export function* onTick(event: EventFacts): Program<void> {
  const startedAt = yield* ask("now", {});
  const settings = settingsOf(yield* ask("properties", {}));
  if (settings.connection && isForeign(settings, event)) {
    yield* retire(event);
    return;
  }
  const opened = yield* openFor(settings, event, "sweep", startedAt, 2);
  if (!opened) return;
  yield* lookRound(opened.run, opened.reader, settings, startedAt + budgets.longMs);
}

/** Somebody asks for a check, or the open panel asks how things are. */
export function* onWish(budgetMs: number): Program<Report> {
  const startedAt = yield* ask("now", {});
  const settings = settingsOf(yield* ask("properties", {}));
  const { connection, installation } = settings;
  const spreadsheetId = yield* ask("spreadsheetId", {});
  if (!connection || !installation || connection.spreadsheetId !== spreadsheetId) return { kind: "not-connected" };
  const run = yield* newRun(connection, installation, "manual", yield* ask("userKey", {}), startedAt, 1);
  const outcome = yield* lookRound(run, createReader(spreadsheetId), settings, startedAt + budgetMs);
  return outcome.ok
    ? { kind: "delivered", answeredInMs: outcome.answeredInMs, wantsLeft: run.wants.size }
    : { kind: "failed", code: outcome.code, detail: outcome.detail };
}

/** A fresh run of this cause. */
export function* newRun(
  connection: Connection,
  { installation }: Pick<Installation, "installation">,
  cause: Cause,
  actor: string | undefined,
  startedAt: number,
  retries: number,
): Program<Run> {
  const id = yield* ask("uuid", {});
  const { url, ingestKey, spreadsheetId } = connection;
  return createRun({ id, startedAt, cause, actor, installation, spreadsheetId, url, ingestKey, retries });
}

/** What the script found of itself. */
export function* alive(settings: Pick<Settings, "lastError">): Program<Reading> {
  const from = yield* ask("now", {});
  const found = yield* ask("triggers", {});
  const webApp = yield* ask("webApp", {});
  const { lastError } = settings;
  return {
    kind: "alive",
    readAt: [from, Math.max(from, yield* ask("now", {}))],
    triggers: found.map((trigger) => trigger.handler).filter(isHandler),
    ...(lastError ? { lastError } : {}),
    ...(webApp === undefined ? {} : { webApp }),
  };
}

export const isHandler = (name: string): name is (typeof handlers)[number] => handlers.some((one) => one === name);

/** A run and a reader, when the spreadsheet is connected and the event comes from the trigger that counts. */
function* openFor(
  settings: Settings,
  event: EventFacts,
  cause: Cause,
  startedAt: number,
  retries: number,
): Program<{ run: Run; reader: Reader } | undefined> {
  const { connection, installation } = settings;
  if (!connection || !installation || isForeign(settings, event)) return undefined;
  const spreadsheetId = yield* ask("spreadsheetId", {});
  // A copied spreadsheet brings the script along, perhaps its properties too: it must not speak for the original.
  if (connection.spreadsheetId !== spreadsheetId) return undefined;
  const actor = cause === "sweep" ? undefined : (event.email ?? (yield* ask("userKey", {})));
  const run = yield* newRun(connection, installation, cause, actor, startedAt, retries);
  return { run, reader: createReader(spreadsheetId) };
}

const isForeign = ({ installation }: Settings, { triggerUid }: EventFacts): boolean =>
  triggerUid === undefined || !installation?.triggerUids.includes(triggerUid);

/** Says `alive` and `sheets`, then goes on as every run does. */
function* lookRound(
  run: Run,
  reader: Reader,
  settings: Settings,
  deadline: number,
): Program<Delivery & { readonly answeredInMs: number }> {
  const readings = [yield* alive(settings), yield* reader.sheets()];
  const sentAt = yield* ask("now", {});
  const first = yield* deliver(run, readings);
  const answeredInMs = (yield* ask("now", {})) - sentAt;
  // The relay has been told of the error: from here on it would be old news.
  if (first.ok && settings.lastError) yield* ask("saveProperties", { set: {}, remove: [keys.lastError] });
  return { ...(yield* goOn(run, reader, settings, first, deadline)), answeredInMs };
}

/**
 * After a run's first post. If that came through, what was kept earlier is read again and sent, then what the relay wants
 * is answered; the first post also shows that the relay is there at all, so nothing is read in vain while it is not.
 */
export function* goOn(
  run: Run,
  reader: Reader,
  settings: Settings,
  first: Delivery,
  deadline: number,
): Program<Delivery> {
  let outcome = first;
  if (outcome.ok) {
    const kept = outboxOf(settings.outboxTexts);
    if (!isEmpty(kept)) outcome = yield* resend(run, reader, kept, deadline);
    if (!outcome.ok) return outcome;
  } else {
    yield* keep(outcome.unsent, run, outcome.code);
    yield* ask("log", { line: `The relay did not take a post: ${outcome.code}` });
    return outcome;
  }
  outcome = yield* answerWants(run, reader, deadline);
  if (!outcome.ok) yield* keep(outcome.unsent, run, outcome.code);
  return outcome;
}

/**
 * A timed trigger of somebody whose installation was taken over: it removes that person's triggers, so that they stop
 * using up the day's trigger time. Under the lock, since a taking over may be in the middle of being written down.
 */
function* retire(event: EventFacts): Program<void> {
  if (!(yield* ask("lock", { waitMs: 1_000 }))) return;
  try {
    const settings = settingsOf(yield* ask("properties", {}));
    if (settings.installation && isForeign(settings, event) && event.triggerUid !== undefined) {
      yield* ask("removeTriggers", { handlers });
    }
  } finally {
    yield* ask("unlock", {});
  }
}

/** For the executions page: what failed and where, without what it was about. */
export const faultLine = (name: string, fault: unknown): string => `${name} failed: ${codeOf(fault)} at ${traceOf(fault)}`;
