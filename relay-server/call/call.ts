/**
 * Asks the script by itself, through its web app, whenever the policy says that a call is due. So the copy is checked, and
 * healed, without any trigger: formulas, API writes and imports fire none, and the daily trigger time is not spent.
 */
import { createHmac } from "node:crypto";
import { limits } from "@sheetwire/shared/limits";
import { PROTOCOL_VERSION, type PostAnswer, type Want } from "@sheetwire/shared/protocol";
import { waitBefore } from "@sheetwire/shared/retry";
import { signatureHeader, signedPrefix } from "@sheetwire/shared/signing";
import type { CallRound, Ingest, Standing } from "../ingest/ingest.ts";
import { whatIsDue } from "../wants/wants.ts";
import type { WebApps } from "./web-apps.ts";

export { createWebApps, type WebApps } from "./web-apps.ts";

/**
 * - C1: a spreadsheet is called at most once at a time, and at most `limits.callsAtOnce` of them.
 * - C2: what was asked and not answered is let go when the call ends, however it ends.
 * - C3: a call without an answer is told to ingest within `limits.callAnswerWithinMs`, and tried again ever more slowly.
 */
export interface Caller {
  /** Begins with a look at every spreadsheet that is known. */
  start(spreadsheetIds: readonly string[]): void;
  /** Breaks off what is under way; resolves when nothing is. */
  stop(): Promise<void>;
}

export type CallerNeeds = {
  ingest: Pick<Ingest, "standingOf" | "wantsFor" | "takeAnswer" | "callUnanswered" | "callEnded" | "onFacts">;
  webApps: WebApps;
  keysOf: (spreadsheetId: string) => readonly Uint8Array[];
  /** Milliseconds since 1970. */
  now: () => number;
  /** Runs something once after so many milliseconds. Returns the way to prevent it. */
  after: (ms: number, run: () => void) => () => void;
  randomId: () => string;
  /** A number in [0, 1). */
  die: () => number;
  /** Told of each call: `answered`, or the code of what went wrong; and after how many rounds. */
  onCall: (spreadsheetId: string, outcome: string, rounds: number) => void;
  onFault: (error: unknown) => void;
};

/** What is remembered of one spreadsheet's calls; little is lost when the relay starts again. */
type Entry = {
  /** When it is looked at next, and the way to prevent that. */
  look: { at: number; cancel: () => void } | undefined;
  isCalling: boolean;
  failures: number;
  retryAt: number | undefined;
  openSince: number | undefined;
  endedAt: number;
  fruitless: number;
};

/** Our own no to an answer that did come: it says nothing about the script. */
const OURS: ReadonlySet<string> = new Set(["busy", "internal", "disk-full", "shutting-down"]);

export function createCaller(needs: CallerNeeds): Caller {
  const { ingest, webApps, now, after, onFault } = needs;
  const entries = new Map<string, Entry>();
  const underWay = new Map<string, Promise<void>>();
  /** Due, but as many as may be are being called. In order. */
  const waiting = new Map<string, boolean>();
  let isStopped = false;

  const entryOf = (spreadsheetId: string): Entry => {
    const known = entries.get(spreadsheetId);
    if (known) return known;
    const made: Entry = {
      look: undefined,
      isCalling: false,
      failures: 0,
      retryAt: undefined,
      openSince: undefined,
      endedAt: 0,
      fruitless: 0,
    };
    entries.set(spreadsheetId, made);
    return made;
  };

  /** Something was heard. This is all that an edit costs here. */
  const stopListening = ingest.onFacts((spreadsheetId) => lookAt(spreadsheetId, now() + limits.quietMs));

  function lookAt(spreadsheetId: string, moment: number): void {
    if (isStopped) return;
    const entry = entryOf(spreadsheetId);
    if (entry.isCalling || waiting.has(spreadsheetId) || (entry.look && entry.look.at <= moment)) return;
    entry.look?.cancel();
    // A clock that was set back is no reason to sleep for long.
    const ms = Math.min(Math.max(0, moment - now()), limits.tickEveryMs);
    const cancel = after(ms, () => {
      entry.look = undefined;
      look(spreadsheetId, entry).catch(onFault);
    });
    entry.look = { at: moment, cancel };
  }

  /** One after the other: each is read from the store for it. */
  async function lookAtAll(spreadsheetIds: readonly string[]): Promise<void> {
    for (const spreadsheetId of spreadsheetIds) {
      if (isStopped) return;
      await look(spreadsheetId, entryOf(spreadsheetId)).catch(onFault);
    }
  }

  async function look(spreadsheetId: string, entry: Entry): Promise<void> {
    const standing = await ingest.standingOf(spreadsheetId);
    if (isStopped || entry.isCalling || waiting.has(spreadsheetId)) return;
    const address = standing?.webApp;
    if (!standing || address === undefined || !webApps.mayCall(address)) {
      // Its own timer has to do. Whatever it posts next may bring the address of a web app.
      if (!entry.look) entries.delete(spreadsheetId);
      return;
    }
    const moment = now();
    // What a clock that was set back since has left in the future does not wait for it.
    if (entry.retryAt !== undefined) entry.retryAt = Math.min(entry.retryAt, moment + limits.tickEveryMs);
    if (entry.openSince !== undefined) entry.openSince = Math.min(entry.openSince, moment);
    if (standing.openItems === 0 && standing.unprovenRows === 0) entry.openSince = undefined;
    else entry.openSince ??= moment;
    if ((standing.lastHeardAt ?? 0) > entry.endedAt) entry.fruitless = 0;
    const due = whatIsDue({
      now: moment,
      hasWebApp: true,
      health: standing.calls,
      openItems: standing.openItems,
      unprovenRows: standing.unprovenRows,
      putOffUntil: standing.putOffUntil,
      openSince: entry.openSince,
      lastHeardAt: standing.lastHeardAt,
      lastSweepAt: standing.lastSweepAt,
      answeringUntil: standing.answeringUntil,
      isCalling: entry.isCalling,
      retryAt: entry.retryAt,
      fruitless: entry.fruitless,
    });
    if (due.callNow) {
      waiting.set(spreadsheetId, due.sweepAll);
      startWaiting();
    } else if (due.nextAt !== undefined) lookAt(spreadsheetId, due.nextAt);
  }

  function startWaiting(): void {
    for (const [spreadsheetId, sweepAll] of waiting) {
      if (isStopped || underWay.size >= limits.callsAtOnce) return;
      waiting.delete(spreadsheetId);
      const entry = entryOf(spreadsheetId);
      entry.isCalling = true;
      const calling = call(spreadsheetId, entry, sweepAll)
        .catch(onFault)
        .finally(() => {
          entry.isCalling = false;
          underWay.delete(spreadsheetId);
          startWaiting();
          lookAt(spreadsheetId, now());
        });
      underWay.set(spreadsheetId, calling);
    }
  }

  /** One call: rounds of wants and answers, until nothing is wanted. */
  async function call(spreadsheetId: string, entry: Entry, sweepAll: boolean): Promise<void> {
    const run = `call-${needs.randomId()}`;
    const before = await ingest.standingOf(spreadsheetId);
    if (before?.webApp === undefined) return;
    let retryBaseMs: number | undefined = limits.quietMs;
    try {
      const { outcome, rounds, isOurs } = await converse(spreadsheetId, before.webApp, { run, n: 0, sweepAll });
      if (isStopped) return;
      needs.onCall(spreadsheetId, outcome, rounds);
      if (outcome === "answered") retryBaseMs = undefined;
      else if (isOurs) retryBaseMs = 1_000;
    } finally {
      // Also after a fault of our own: it may well be there again.
      entry.retryAt =
        retryBaseMs === undefined
          ? undefined
          : now() + waitBefore(entry.failures, needs.die(), retryBaseMs, limits.tickEveryMs);
      entry.failures = retryBaseMs === undefined ? 0 : entry.failures + 1;
      await ingest.callEnded(spreadsheetId, run);
    }
    const left = await ingest.standingOf(spreadsheetId);
    entry.openSince = undefined;
    entry.endedAt = now();
    entry.fruitless = left && isFruitless(before, left) ? entry.fruitless + 1 : 0;
  }

  async function converse(
    spreadsheetId: string,
    address: string,
    first: CallRound,
  ): Promise<{ outcome: string; rounds: number; isOurs?: boolean }> {
    let wants = await ingest.wantsFor(spreadsheetId, first);
    for (let n = 0; ; n += 1) {
      const body = signedCall(spreadsheetId, wants);
      if (body === undefined) return { outcome: "unknown-spreadsheet", rounds: n, isOurs: true };
      const since = now();
      const unanswered = (): Promise<void> => ingest.callUnanswered(spreadsheetId, since);
      const preventWarning = after(limits.callAnswerWithinMs, () => void unanswered().catch(onFault));
      const result = await webApps.ask(address, body);
      preventWarning();
      if (isStopped) return { outcome: "stopped", rounds: n };
      if (!result.ok) {
        await unanswered();
        return { outcome: result.detail ? `${result.code}:${result.detail}` : result.code, rounds: n };
      }
      const { id, timestamp, signature, body: text } = result.post;
      const round = { ...first, n };
      const taken = await ingest.takeAnswer(spreadsheetId, { id, timestamp, signature }, Buffer.from(text), round);
      if (!taken.ok) {
        const isOurs = OURS.has(taken.code);
        if (!isOurs) await unanswered();
        return { outcome: `not-taken:${taken.code}`, rounds: n + 1, isOurs };
      }
      ({ wants } = JSON.parse(taken.answer) as PostAnswer);
      if (wants.length === 0 || n + 1 >= limits.callMaxRounds) return { outcome: "answered", rounds: n + 1 };
    }
  }

  /** `doPost` sees no headers: the signature stands in the body, over the rest of it. */
  function signedCall(spreadsheetId: string, wants: readonly Want[]): string | undefined {
    const keys = needs.keysOf(spreadsheetId);
    if (keys.length === 0) return undefined;
    const id = needs.randomId();
    const timestamp = String(Math.floor(now() / 1_000));
    const unsigned = { protocol: PROTOCOL_VERSION, id, timestamp, wants };
    const text = `${signedPrefix(id, timestamp)}${JSON.stringify(unsigned)}`;
    const signatures = keys.map((key) => createHmac("sha256", key).update(text).digest("base64"));
    return JSON.stringify({ ...unsigned, signature: signatureHeader(signatures) });
  }

  return {
    start(spreadsheetIds) {
      void lookAtAll(spreadsheetIds);
    },
    async stop() {
      isStopped = true;
      stopListening();
      waiting.clear();
      for (const { look: pending } of entries.values()) pending?.cancel();
      webApps.stop();
      await Promise.all(underWay.values());
    },
  };
}

/** Whether a call that asked for what was open left as much open: cells that change all by themselves. */
const isFruitless = (before: Standing, left: Standing): boolean =>
  left.openItems + left.unprovenRows > 0 &&
  (left.unknownRows > 0
    ? left.unknownRows >= before.unknownRows
    : left.openItems + left.unprovenRows >= before.openItems + before.unprovenRows);
