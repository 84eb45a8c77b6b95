/** Switching the wire on and off, and saying how it is. */
import { ask, underLock, type Program, type TriggerPlan } from "../effects/effects.ts";
import { deliver, type Delivery, type Run } from "../posting/posting.ts";
import { createReader } from "../reading/reading.ts";
import { alive, budgets, goOn, handlers, newRun, onWish } from "../runs/runs.ts";
import { keys, settingsOf, type Installation } from "../settings/settings.ts";
import { readConnectionString } from "./connection-string.ts";

/** Plain JSON for the pages: they get no dates, no functions, no keys. */
export type Result = { readonly ok: true; readonly message: string; readonly notice?: string } | Failure;
export type Failure = { readonly ok: false; readonly message: string };

/** Facts for the panel, which makes the words. `code` says why the relay was not reached, `words` what that means. */
export type StatusResult =
  | { readonly ok: true; readonly connected: false }
  | {
      readonly ok: true;
      readonly connected: true;
      /** How long the relay took to answer just now; absent when it did not. */
      readonly answeredInMs?: number;
      readonly code?: string;
      readonly words?: string;
      /** The relay still has something to ask. */
      readonly wantsLeft: boolean;
      /** Something is kept here that the relay has not got yet. */
      readonly kept: boolean;
      /** This person's triggers are the ones that count, and some of them are gone. */
      readonly triggerMissing: boolean;
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
  const startedAt = yield* ask("now");
  if (typeof pasted !== "string") return no("Paste the connection string first.");
  const spreadsheetId = yield* ask("spreadsheetId");
  const read = readConnectionString(pasted, spreadsheetId);
  if (!read.ok) return read;
  const before = settingsOf(yield* ask("properties"));
  const installedBy = (yield* ask("userKey")) || "";
  const old = before.installation;
  const isTakeOver = old !== undefined && old.installedBy !== installedBy;
  const installation = old && !isTakeOver ? old.installation : yield* ask("uuid");
  const run = yield* newRun(read.connection, installation, "install", installedBy || undefined, startedAt, 1);
  const reader = createReader(spreadsheetId);
  const first = yield* deliver(run, [yield* reader.sheets()]);
  if (!first.ok) return no(`Not connected. ${wordsFor(first.code)}`);

  const isWritten = yield* underLock(lockWaitMs, function* () {
    const triggerUids = (yield* ask("installTriggers", { plans })).map((trigger) => trigger.uid);
    const record: Installation = { installation, triggerUids, installedBy, installedAt: startedAt };
    const set = { [keys.connection]: JSON.stringify(read.connection), [keys.installation]: JSON.stringify(record) };
    yield* ask("saveProperties", { set, remove: [keys.lastError] });
  });
  if (!isWritten) return no(`Not connected. ${busyWords}`);
  const second = yield* deliver(run, [yield* alive({ lastError: undefined })]);
  const outcome = yield* goOn({ run, reader, settings: before }, second, budgets.connectMs);
  return {
    ok: true,
    message: connectedWords(run, outcome),
    ...(isTakeOver
      ? { notice: "Somebody else had connected this spreadsheet before. From now on it works through your account." }
      : {}),
  };
}

/** Takes the wire off: triggers and settings go, what the relay holds stays there. */
export function* disconnect(): Program<Result> {
  yield* ask("removeTriggers", { handlers });
  const isWritten = yield* underLock(lockWaitMs, function* () {
    const { outboxTexts } = settingsOf(yield* ask("properties"));
    const remove = [keys.connection, keys.installation, keys.lastError, ...Object.keys(outboxTexts)];
    yield* ask("saveProperties", { set: {}, remove });
  });
  if (!isWritten) return no(busyWords);
  return { ok: true, message: "Disconnected. Edits are no longer sent; what the relay already has stays there." };
}

/** A check that somebody asked for, in words. */
export function* check(): Program<Result> {
  const report = yield* onWish("manual", budgets.longMs);
  if (report.kind === "delivered") {
    return {
      ok: true,
      message:
        report.wantsLeft > 0
          ? "Sent. There is more to read than fits into one run; the rest follows by itself."
          : "Checked: the relay has everything it asked for.",
    };
  }
  return no(report.kind === "failed" ? wordsFor(report.code) : "This spreadsheet is not connected.");
}

/**
 * How the wire is. It asks the relay now, since only an answer proves that somebody is there; what the relay wants then
 * is answered on the way, so an open panel keeps the copy fresh.
 */
export function* status(): Program<StatusResult> {
  const report = yield* onWish("call", budgets.panelMs);
  if (report.kind === "not-connected") return { ok: true, connected: false };
  const { installation, outboxTexts } = settingsOf(yield* ask("properties"));
  const uids = installation ? installation.triggerUids : [];
  const mine = (yield* ask("triggers")).filter((trigger) => uids.includes(trigger.uid));
  return {
    ok: true,
    connected: true,
    wantsLeft: report.kind === "delivered" && report.wantsLeft > 0,
    kept: Object.keys(outboxTexts).length > 0,
    triggerMissing: mine.length > 0 && mine.length < uids.length,
    ...(report.kind === "delivered"
      ? { answeredInMs: report.answeredInMs }
      : { code: report.code, words: wordsFor(report.code) }),
  };
}

const no = (message: string): Failure => ({ ok: false, message });

const busyWords = "Somebody else is changing this connection just now. Try again in a moment.";

function connectedWords(run: Run, outcome: Delivery): string {
  if (!outcome.ok)
    return `Connected, but the first copy was interrupted. ${wordsFor(outcome.code)} It goes on by itself.`;
  if (run.wants.size > 0)
    return "Connected. The first copy of this large spreadsheet goes on by itself within ten minutes.";
  return "Connected. The relay has this spreadsheet, and edits are sent as they happen.";
}

/** What a failure means to the person in front of the sheet, and what to do. */
export function wordsFor(code: string): string {
  if (/^(dns|unreachable|timeout|certificate)$/.test(code)) {
    return "The relay cannot be reached from Google. Check that it runs at a public https address.";
  }
  if (code.startsWith("quota"))
    return "Google's daily allowance for scripts is used up. It is renewed within 24 hours.";
  if (/^(rate-limited|busy|shutting-down|internal)$/.test(code))
    return "The relay is busy or restarting. Try again in a moment.";
  return words[code] || `Something went wrong (${code}). Try again; your Sheetwire admin can look this code up.`;
}

const words: Readonly<Record<string, string>> = {
  unauthorized: "The relay does not accept this connection string. Ask your Sheetwire admin for a new one.",
  "protocol-too-old": "This script is too old for the relay. Ask your Sheetwire admin to update it.",
  "url-not-permitted": "Your organisation does not let scripts call the relay's address. Ask your admin to allow it.",
  "disk-full": "The relay's disk is full. Ask your Sheetwire admin to make room.",
  "not-a-relay": "What answers at the relay's address is not a Sheetwire relay.",
  "no-permission": "Google has not allowed the script to do this. Choose Connect… in the menu and allow it.",
};
