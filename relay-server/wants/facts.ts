import { limits } from "@sheetwire/shared/limits";
import type { RelayFacts } from "@sheetwire/shared/protocol";
import type { HeldRows } from "../sheets/sheets.ts";
import { noteClock } from "./clock.ts";
import { usedCells, type Desk } from "./desk.ts";
import { webAppWorks } from "./policy.ts";
import { lengthOf } from "./stretches.ts";
import type { Post } from "./types.ts";

const DAY_MS = 24 * 60 * 60_000;

/** Google lets 30 runs of one user go on at once. Of one that is forgotten while it goes on, the time counts twice. */
const MOST_RUNS = 64;

/**
 * Notes that a post was heard, and what its run has spent of Google's daily trigger time. A post of cause `call` that
 * comes by itself is the open sidebar's; the web app only ever answers calls (see {@link noteAnswered}).
 */
export function noteHeard(post: Post, desk: Desk, now: number): void {
  noteClock(desk, now);
  desk.lastHeardAt = now;
  if (post.cause === "sweep" && post.n === 0 && !webAppWorks(desk.calls, now)) desk.lastSweepAt = now;
  if (post.cause === "call") desk.lastSidebarAt = now;
  // The script speaks, but it left a call unanswered: it is there, its web app is not.
  const { okAt, unansweredSince } = desk.calls;
  if (unansweredSince !== undefined) desk.calls = { okAt, isBroken: true };
  const isTrigger = post.cause === "edit" || post.cause === "sweep" || post.cause.startsWith("change:");
  if (!isTrigger) return;
  const { allowance } = desk;
  if (now - allowance.since > DAY_MS) desk.allowance = { since: now, spentMs: 0, runs: allowance.runs };
  const { runs } = desk.allowance;
  const spentMs = Math.min(post.allowance.spentMs, limits.runLimitMs);
  const before = runs.get(post.run);
  desk.allowance.spentMs += Math.max(0, spentMs - (before ?? 0));
  // The one heard last stands last, so that the oldest is found at the beginning.
  if (before !== undefined) runs.delete(post.run);
  runs.set(post.run, Math.max(spentMs, before ?? 0));
  if (runs.size <= MOST_RUNS) return;
  for (const [oldest] of runs) {
    runs.delete(oldest);
    break;
  }
}

/** Notes that the web app answered a call, which asked for everything or not. */
export function noteAnswered(desk: Desk, now: number, sweepAll: boolean): void {
  noteClock(desk, now);
  desk.lastHeardAt = now;
  desk.calls = { okAt: now };
  if (sweepAll) desk.lastSweepAt = now;
}

/** Notes that a call which began at `since` has had no answer. Of a web app known to be broken that is no news. */
export function noteUnanswered(desk: Desk, since: number): void {
  const { isBroken, unansweredSince } = desk.calls;
  if (!isBroken) desk.calls = { ...desk.calls, unansweredSince: unansweredSince ?? since };
}

/** Who answers wants, as far as is known now. */
function answerersOf(desk: Desk, now: number): RelayFacts["script"]["answerers"] {
  const answerers: RelayFacts["script"]["answerers"] = [];
  if (desk.script.triggers.length > 0) answerers.push("trigger");
  if (webAppWorks(desk.calls, now)) answerers.push("webApp");
  if (desk.lastSidebarAt !== undefined && now - desk.lastSidebarAt < limits.sidebarFreshMs) answerers.push("sidebar");
  return answerers;
}

/** What is known of one spreadsheet's sync at this moment, without what only the caller knows. */
export function factsOf(
  state: { heldRows(): readonly HeldRows[] },
  desk: Desk,
  now: number,
): Omit<RelayFacts, "watchers" | "relay"> {
  const { script, calls, lastHeardAt, lastSweepAt, allowance, healed } = desk;
  let unprovenRows = 0;
  let volatileRows = 0;
  let openRows = 0;
  let unknownCells = 0;
  let totalCells = 0;
  let isFirstCopy = false;
  let lastFullAt: number | undefined = Number.POSITIVE_INFINITY;
  for (const { sheetId, rows, unknownRows } of state.heldRows()) {
    const sheet = desk.sheets.get(sheetId);
    if (!sheet) continue;
    unprovenRows += sheet.recheck?.dueAt === undefined ? lengthOf(sheet.unproven) : rows;
    volatileRows += lengthOf(sheet.volatile);
    openRows += sheet.recheck?.isOpen ? rows : unknownRows + lengthOf(sheet.doubts);
    totalCells += usedCells(sheet);
    unknownCells += unknownRows * sheet.seen.usedColumns;
    isFirstCopy ||= unknownRows > 0 && sheet.checkedAt === undefined;
    lastFullAt =
      lastFullAt === undefined || sheet.checkedAt === undefined ? undefined : Math.min(lastFullAt, sheet.checkedAt);
  }
  const heardBefore = lastSweepAt ?? lastHeardAt;
  return {
    script: {
      lastHeardAt,
      lastRunAt: lastHeardAt,
      answerers: answerersOf(desk, now),
      triggers: script.triggers,
      lastError: script.lastError,
      ...(calls.unansweredSince === undefined ? {} : { callUnansweredSince: calls.unansweredSince }),
    },
    allowance: {
      spentMs: allowance.spentMs,
      limitMs: limits.triggerDayMs,
      ...(allowance.spentMs >= limits.triggerDayMs ? { resumesAt: allowance.since + DAY_MS } : {}),
    },
    sweep: {
      lastFullAt: Number.isFinite(lastFullAt) ? lastFullAt : undefined,
      nextBy: heardBefore === undefined ? undefined : heardBefore + limits.tickEveryMs,
      openRows,
      unprovenRows,
      ...(volatileRows > 0 ? { volatileRows } : {}),
    },
    healed,
    ...(isFirstCopy ? { firstCopy: { doneCells: Math.max(0, totalCells - unknownCells), totalCells } } : {}),
  };
}
