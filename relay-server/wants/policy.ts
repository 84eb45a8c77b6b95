/**
 * What is due when: when the relay asks by itself, through the script's web app, and what runs of triggers are spared.
 *
 * Calls are kept rare: one 5 s after quiet when something is open, and one a sweep. There is no call to see whether the
 * script is still alive: it would cost Google a run a minute and a sheet, and tell no more than that the script was alive
 * then; surfaces give the age of what was heard instead.
 */
import { limits } from "@sheetwire/shared/limits";

/** How things stand with one spreadsheet. Times in milliseconds by the relay's clock. */
export type Situation = {
  readonly now: number;
  /** It has a web app that the relay may call. */
  readonly hasWebApp: boolean;
  readonly health: CallHealth;
  /** Something is not known: sheets, digests, rows that are in doubt or unknown. */
  readonly openItems: number;
  /** Rows that are believed and not proven. */
  readonly unprovenRows: number;
  /** When a look at a whole sheet is due that was put off. */
  readonly putOffUntil?: number | undefined;
  /** Since when something has been open or unproven; counted anew after each call. */
  readonly openSince: number | undefined;
  readonly lastHeardAt: number | undefined;
  /** When everything was asked for last. */
  readonly lastSweepAt: number | undefined;
  /** Until when somebody else has time to answer. */
  readonly answeringUntil: number | undefined;
  /** A call is under way. */
  readonly isCalling: boolean;
  /** After a failure: not before. */
  readonly retryAt: number | undefined;
  /** Calls that ended with as much open as before: cells that change all by themselves. Each doubles the quiet. */
  readonly fruitless: number;
};

/** How calls of the web app went. */
export type CallHealth = {
  /** When one was answered last. */
  readonly okAt?: number | undefined;
  /** Called without an answer since then, and nothing heard. */
  readonly unansweredSince?: number | undefined;
  /** The script spoke by itself although a call had gone unanswered: its triggers work, its web app does not. */
  readonly isBroken?: boolean | undefined;
};

export type Due = {
  readonly callNow: boolean;
  /** When to look again if nothing is heard; undefined where only something heard can change the answer. */
  readonly nextAt: number | undefined;
  /** The call asks for everything. */
  readonly sweepAll: boolean;
};

/** What is due for one spreadsheet now. */
export function whatIsDue(situation: Situation): Due {
  const { now, health, openItems, unprovenRows, openSince, lastHeardAt, lastSweepAt } = situation;
  // Without a web app the script's own timer sweeps; during a call its end is what is waited for.
  if (!situation.hasWebApp || situation.isCalling) return { callNow: false, nextAt: undefined, sweepAll: false };
  const quietMs = Math.min(limits.quietMs * 2 ** Math.min(situation.fruitless, 20), limits.tickEveryMs);
  const quietAt = (lastHeardAt ?? 0) + quietMs;
  const sweepAt =
    // The first call shows whether the web app works, and proves everything at once.
    health.okAt === undefined || lastSweepAt === undefined
      ? (lastHeardAt ?? 0) + limits.quietMs
      : lastSweepAt + limits.tickEveryMs;
  const isOpen = openItems > 0 || unprovenRows > 0;
  // Where it never falls quiet, what is open still does not wait for ever.
  const patienceEndsAt = (openSince ?? now) + Math.max(limits.openMostMs, quietMs);
  const openAt = isOpen ? Math.min(quietAt, patienceEndsAt) : Number.POSITIVE_INFINITY;
  const putOffAt = situation.putOffUntil === undefined ? openAt : Math.max(quietAt, situation.putOffUntil);
  const at = Math.max(Math.min(openAt, putOffAt, sweepAt), situation.answeringUntil ?? 0, situation.retryAt ?? 0);
  return at <= now
    ? { callNow: true, nextAt: undefined, sweepAll: sweepAt <= now }
    : { callNow: false, nextAt: at, sweepAll: false };
}

/** Whether the relay can count on the web app, so that the script's own timer need not sweep. */
export const webAppWorks = ({ okAt, unansweredSince, isBroken }: CallHealth, now: number): boolean =>
  okAt !== undefined && unansweredSince === undefined && !isBroken && now - okAt < 2 * limits.tickEveryMs;

/** With less than this part of the day's trigger time left, runs of triggers do the least. */
const SCARCE_PART = 0.2;

/** Below a fifth of the day's trigger time: edits get only what they touched, and formulas are not checked with them. */
export const isScarce = ({ spentMs }: { spentMs: number }): boolean =>
  spentMs > limits.triggerDayMs * (1 - SCARCE_PART);
