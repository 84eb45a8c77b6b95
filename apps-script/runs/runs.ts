/** What each start of the script does: Google's events, a person's wish, a call of the relay. */
import { limits } from "@sheetwire/shared/limits";
import type { Cause, Reading } from "@sheetwire/shared/protocol";
import { ask, underLock, type Program } from "../effects/effects.ts";
import { codeOf, traceOf } from "../faults/faults.ts";
import { keep, keepPlaces, outboxOf, resend, type Place } from "../outbox/outbox.ts";
import { answerWants, createRun, deliver, type Delivery, type Run } from "../posting/posting.ts";
import { createReader, since, type Reader } from "../reading/reading.ts";
import { keys, settingsOf, type Connection, type Settings } from "../settings/settings.ts";

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
  | {
      readonly kind: "delivered";
      readonly answeredInMs: number;
      readonly wantsLeft: number;
      readonly settings: Settings;
    }
  | { readonly kind: "failed"; readonly code: string; readonly settings: Settings };

/** A user edited cells. */
export function* onEdit(event: EventFacts & { readonly oldValue: string | undefined }): Program<void> {
  const opened = yield* openFor(event, "edit");
  if (!opened) return;
  const { reader } = opened;
  const range = yield* ask("eventRange");
  if (range) yield* tell(opened, [range], () => reader.edited(range, event.oldValue), budgets.editMs);
}

/** Something changed that is not an edit of cells. The caller has dropped `EDIT`, which the edit event tells better. */
export function* onChange(event: EventFacts & { readonly changeType: string }): Program<void> {
  const changeType = /^[A-Z_]{1,40}$/.test(event.changeType) ? event.changeType : "OTHER";
  const opened = yield* openFor(event, `change:${changeType}`);
  if (opened) yield* tell(opened, ["sheets"], () => opened.reader.sheets(), budgets.longMs);
}

/** The timed check: says that the script is there, and answers what the relay wants to have checked. */
export function* onTick(event: EventFacts): Program<void> {
  const opened = yield* openFor(event, "sweep");
  if (opened) yield* lookRound(opened, budgets.longMs);
  else yield* retire(event);
}

/** Somebody asks for a check (`manual`), or the open panel asks how things are (`call`). */
export function* onWish(cause: "manual" | "call", budgetMs: number): Program<Report> {
  const opened = yield* openFor(undefined, cause);
  if (!opened) return { kind: "not-connected" };
  const outcome = yield* lookRound(opened, budgetMs);
  const { run, settings } = opened;
  return outcome.ok
    ? { kind: "delivered", answeredInMs: outcome.answeredInMs, wantsLeft: run.wants.size, settings }
    : { kind: "failed", code: outcome.code, settings };
}

/** A fresh run of this cause. */
export function* newRun(
  connection: Connection,
  installation: string,
  cause: Cause,
  actor: string | undefined,
  startedAt: number,
  retries: number,
): Program<Run> {
  const id = yield* ask("uuid");
  const { url, ingestKey, spreadsheetId } = connection;
  return createRun({ id, startedAt, cause, actor, installation, spreadsheetId, url, ingestKey, retries });
}

/** What the script found of itself. */
export function* alive(settings: Pick<Settings, "lastError">): Program<Reading> {
  const from = yield* ask("now");
  const found = yield* ask("triggers");
  const webApp = yield* ask("webApp");
  const { lastError } = settings;
  return {
    kind: "alive",
    readAt: yield* since(from),
    triggers: found.map((trigger) => trigger.handler).filter((name) => handlers.some((one) => one === name)),
    lastError,
    webApp,
  };
}

/** What a run works with: who it is, its eyes, and what was remembered when it began. */
type Opened = { readonly run: Run; readonly reader: Reader; readonly settings: Settings };

/**
 * A run, when the spreadsheet is connected and the event comes from the trigger that counts. Without an event somebody
 * asked for it by hand.
 */
function* openFor(event: EventFacts | undefined, cause: Cause): Program<Opened | undefined> {
  const startedAt = yield* ask("now");
  const settings = settingsOf(yield* ask("properties"));
  const { connection, installation } = settings;
  if (!connection || !installation || (event && isForeign(settings, event))) return undefined;
  const spreadsheetId = yield* ask("spreadsheetId");
  // A copied spreadsheet brings the script along, perhaps its properties too: it must not speak for the original.
  if (connection.spreadsheetId !== spreadsheetId) return undefined;
  const actor = cause === "sweep" ? undefined : (event && event.email) || (yield* ask("userKey"));
  const run = yield* newRun(connection, installation.installation, cause, actor, startedAt, cause === "sweep" ? 2 : 1);
  return { run, reader: createReader(spreadsheetId), settings };
}

/** Tells what an event was about, then goes on. If it cannot even be read, the places are remembered. */
function* tell(
  opened: Opened,
  places: readonly Place[],
  read: () => Program<Reading>,
  budgetMs: number,
): Program<void> {
  let outcome: Delivery;
  try {
    outcome = yield* deliver(opened.run, [yield* read()]);
  } catch (fault) {
    yield* keepPlaces(places, opened.run, codeOf(fault));
    throw fault;
  }
  yield* goOn(opened, outcome, budgetMs);
}

const isForeign = ({ installation }: Settings, { triggerUid }: EventFacts): boolean =>
  !installation || triggerUid === undefined || !installation.triggerUids.includes(triggerUid);

/** Says `alive` and `sheets`, then goes on as every run does. */
function* lookRound(opened: Opened, budgetMs: number): Program<Delivery & { readonly answeredInMs: number }> {
  const { run, reader, settings } = opened;
  const readings = [yield* alive(settings), yield* reader.sheets()];
  const sentAt = yield* ask("now");
  const first = yield* deliver(run, readings);
  const answeredInMs = (yield* ask("now")) - sentAt;
  // The relay has been told of the error: from here on it would be old news.
  if (first.ok && settings.lastError) yield* ask("saveProperties", { set: {}, remove: [keys.lastError] });
  return { ...(yield* goOn(opened, first, budgetMs)), answeredInMs };
}

/**
 * After a run's first post. If that came through, what was kept earlier is read again and sent, then what the relay wants
 * is answered; the first post also shows that the relay is there at all, so nothing is read in vain while it is not.
 */
export function* goOn({ run, reader, settings }: Opened, first: Delivery, budgetMs: number): Program<Delivery> {
  const deadline = run.startedAt + budgetMs;
  let outcome = first;
  if (outcome.ok) {
    const kept = outboxOf(settings.outboxTexts);
    // What fails there stays there, by itself.
    if (kept.length > 0) outcome = yield* resend(run, reader, kept, deadline);
    if (!outcome.ok) return outcome;
    outcome = yield* answerWants(run, reader, deadline);
  }
  if (!outcome.ok) {
    yield* keep(outcome.unsent, run, outcome.code);
    yield* ask("log", { line: `The relay did not take a post: ${outcome.code}` });
  }
  return outcome;
}

/**
 * A timed trigger of somebody whose installation was taken over: it removes that person's triggers, so that they stop
 * using up the day's trigger time. Under the lock, since a taking over may be in the middle of being written down.
 */
function* retire(event: EventFacts): Program<void> {
  if (event.triggerUid === undefined) return;
  yield* underLock(1_000, function* () {
    const settings = settingsOf(yield* ask("properties"));
    if (settings.installation && isForeign(settings, event)) yield* ask("removeTriggers", { handlers });
  });
}

/** For the executions page: what failed and where, without what it was about. */
export const faultLine = (name: string, fault: unknown): string =>
  `${name} failed: ${codeOf(fault)} at ${traceOf(fault)}`;
