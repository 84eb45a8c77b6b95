/** Switching the wire on and off, and saying how it is. */
import { limits } from "@sheetwire/shared/limits";
import { ask, type Program, type TriggerPlan } from "../effects/effects.ts";
import { isEmpty, outboxOf } from "../outbox/outbox.ts";
import { deliver, type Run } from "../posting/posting.ts";
import { createReader } from "../reading/reading.ts";
import { alive, budgets, goOn, handlers, isHandler, newRun, onWish, type Report } from "../runs/runs.ts";
import { keys, settingsOf, type Connection, type Installation, type Settings } from "../settings/settings.ts";
import { readConnectionString } from "./connection-string.ts";

/** Plain JSON for the pages: they get no dates, no functions, no keys. */
export type Result = { readonly ok: true; readonly message: string; readonly notice?: string } | Failure;
export type Failure = { readonly ok: false; readonly message: string };

export type StatusResult =
  | {
      readonly ok: true;
      readonly connected: boolean;
      readonly tone: "good" | "waiting" | "bad" | "quiet";
      readonly headline: string;
      readonly detail: string;
    }
  | Failure;

const lockWaitMs = 15_000;

const plans: readonly TriggerPlan[] = [
  { handler: "handleEdit", on: "edit" },
  { handler: "handleChange", on: "change" },
  { handler: "handleTick", on: { everyMinutes: 10 } },
];

/**
 * Connects this spreadsheet. The relay is asked first: a connection string that it does not accept changes nothing here.
 * Then triggers and settings are written under the lock, and the first copy begins: the relay wants, the script reads.
 */
export function* connect(pasted: unknown): Program<Result> {
  const startedAt = yield* ask("now", {});
  if (typeof pasted !== "string") return { ok: false, message: "Paste the connection string first." };
  const spreadsheetId = yield* ask("spreadsheetId", {});
  const read = readConnectionString(pasted, spreadsheetId);
  if (!read.ok) return read;
  const before = settingsOf(yield* ask("properties", {}));
  const userKey = yield* ask("userKey", {});
  const isSamePerson = before.installation !== undefined && before.installation.installedBy === (userKey ?? "");
  const installation = isSamePerson && before.installation ? before.installation.installation : yield* ask("uuid", {});
  const run = yield* newRun(read.connection, { installation }, "install", userKey, startedAt, 1);
  const reader = createReader(spreadsheetId);
  const first = yield* deliver(run, [yield* reader.sheets()]);
  if (!first.ok) return { ok: false, message: `Not connected. ${wordsFor(first.code)}` };

  const installed = yield* install(read.connection, installation, userKey ?? "", startedAt);
  if (!installed) {
    return { ok: false, message: "Not connected: somebody else is changing this connection just now. Try again." };
  }
  const second = yield* deliver(run, [yield* alive({ lastError: undefined })]);
  const outcome = yield* goOn(run, reader, settingsOf(yield* ask("properties", {})), second, startedAt + budgets.connectMs);
  const notice =
    before.installation !== undefined && !isSamePerson
      ? "Somebody else had connected this spreadsheet before. From now on it works through your account."
      : undefined;
  return { ok: true, message: connectedWords(run, outcome.ok ? undefined : outcome.code), ...(notice ? { notice } : {}) };
}

/** Takes the wire off: triggers and settings go, what the relay holds stays there. */
export function* disconnect(): Program<Result> {
  const removed = yield* ask("removeTriggers", { handlers });
  if (!(yield* ask("lock", { waitMs: lockWaitMs }))) {
    return { ok: false, message: "Somebody else is changing this connection just now. Try again." };
  }
  try {
    const settings = settingsOf(yield* ask("properties", {}));
    const wasConnected = settings.connection !== undefined;
    const remove = [keys.connection, keys.installation, keys.lastError, ...Object.keys(settings.outboxTexts)];
    yield* ask("saveProperties", { set: {}, remove });
    return {
      ok: true,
      message:
        wasConnected || removed > 0
          ? "Disconnected. Edits are no longer sent; what the relay already has stays there."
          : "This spreadsheet was not connected.",
    };
  } finally {
    yield* ask("unlock", {});
  }
}

/** A check that somebody asked for, in words. */
export function* check(): Program<Result> {
  const report = yield* onWish(budgets.longMs);
  if (report.kind === "delivered") {
    return {
      ok: true,
      message:
        report.wantsLeft > 0
          ? "Sent. There is more to read than fits into one run; the rest follows by itself."
          : "Checked: the relay has everything it asked for.",
    };
  }
  return { ok: false, message: report.kind === "not-connected" ? notConnected : wordsFor(report.code) };
}

/**
 * How the wire is. It asks the relay now, since only an answer proves that somebody is there; what the relay wants then
 * is answered on the way, so an open panel keeps the copy fresh.
 */
export function* status(): Program<StatusResult> {
  const report = yield* onWish(budgets.panelMs);
  const settings = settingsOf(yield* ask("properties", {}));
  const found = yield* ask("triggers", {});
  const mine = found.filter((trigger) => isHandler(trigger.handler)).map((trigger) => trigger.uid);
  return { ok: true, ...describe(report, settings, mine) };
}

const notConnected = "This spreadsheet is not connected.";

function describe(report: Report, settings: Settings, mine: readonly string[]) {
  if (report.kind === "not-connected") {
    return {
      connected: false,
      tone: "quiet",
      headline: "Not connected",
      detail: "Paste a connection string to send this spreadsheet's edits to your relay.",
    } as const;
  }
  const kept = !isEmpty(outboxOf(settings.outboxTexts));
  if (report.kind === "failed") {
    const follow = kept ? " What was edited meanwhile is remembered and will follow." : "";
    return { connected: true, tone: "bad", headline: "Not getting through", detail: wordsFor(report.code) + follow } as const;
  }
  const uids = settings.installation?.triggerUids ?? [];
  if (mine.length > 0 && mine.filter((uid) => uids.includes(uid)).length < uids.length) {
    return {
      connected: true,
      tone: "bad",
      headline: "A trigger is missing",
      detail: "Some edits are not noticed. Connect again with the same connection string to put it back.",
    } as const;
  }
  if (report.wantsLeft > 0 || kept) {
    return {
      connected: true,
      tone: "waiting",
      headline: "Catching up",
      detail: "The relay is still being told what the sheet holds. It follows by itself.",
    } as const;
  }
  const seconds = (report.answeredInMs / 1_000).toFixed(1);
  return {
    connected: true,
    tone: "good",
    headline: "Connected",
    detail: `The relay answered just now, in ${seconds} s. Every edit is sent as it happens.`,
  } as const;
}

/** Creates the triggers and writes everything down, as one step. */
function* install(connection: Connection, installation: string, installedBy: string, at: number): Program<boolean> {
  if (!(yield* ask("lock", { waitMs: lockWaitMs }))) return false;
  try {
    const triggers = yield* ask("installTriggers", { plans });
    const record: Installation = {
      installation,
      triggerUids: triggers.map((trigger) => trigger.uid),
      installedBy,
      installedAt: at,
    };
    const set = { [keys.connection]: JSON.stringify(connection), [keys.installation]: JSON.stringify(record) };
    yield* ask("saveProperties", { set, remove: [keys.lastError] });
    return true;
  } finally {
    yield* ask("unlock", {});
  }
}

function connectedWords(run: Run, code: string | undefined): string {
  if (code !== undefined) return `Connected, but the first copy was interrupted. ${wordsFor(code)} It goes on by itself.`;
  if (run.wants.size > 0) {
    const minutes = limits.tickEveryMs / 60_000;
    return `Connected. The first copy of this large spreadsheet goes on by itself, with the next edit or within ${minutes} minutes.`;
  }
  return "Connected. The relay has this spreadsheet, and edits are sent as they happen.";
}

/** What a failure means to the person in front of the sheet, and what to do. */
export function wordsFor(code: string): string {
  switch (code) {
    case "unauthorized":
      return "The relay does not accept this connection string. Ask your Sheetwire admin for a new one.";
    case "protocol-too-old":
      return "The relay speaks a newer protocol than this script. Ask your Sheetwire admin to update the script.";
    case "dns":
    case "unreachable":
    case "timeout":
    case "certificate":
      return "The relay cannot be reached from Google. It needs a public https address; check that it is running.";
    case "url-not-permitted":
      return "The relay's address is not on the list of addresses that this script may call. Ask your admin to allow it.";
    case "quota-urlfetch":
    case "quota-runtime":
    case "quota":
      return "Google's daily allowance for scripts is used up. It is renewed within 24 hours.";
    case "rate-limited":
    case "busy":
    case "shutting-down":
      return "The relay is busy or restarting. Try again in a moment.";
    case "disk-full":
      return "The relay's disk is full. Ask your Sheetwire admin to make room.";
    case "not-a-relay":
      return "Something answers at the relay's address, but it is not a Sheetwire relay.";
    default:
      return `The relay did not take what was sent (${code}). Your Sheetwire admin can find this code in the manual.`;
  }
}

/** The same for what failed at Google before the relay was even asked. */
export function wordsForFault(code: string): string {
  if (code === "no-permission") return "Google has not allowed the script to do this. Open Connect… in the menu and allow it.";
  if (code.startsWith("quota")) return wordsFor(code);
  return `Something went wrong in the script (${code}). Nothing in the sheet was changed. Try again in a moment.`;
}
