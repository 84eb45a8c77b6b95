import type { Desk } from "./desk.ts";

/** Clocks are put right by a few milliseconds all the time, which means nothing. */
const SET_BACK_MS = 1_000;

/**
 * Notices that the relay's clock was set back: the desk knows of moments that are yet to come. Left alone they would count
 * until they come: nothing read before them would be believed, and nobody called. All that was noted in that time is put to
 * now, and as after a restart nothing that was read before now is applied over what disagrees.
 */
export function noteClock(desk: Desk, now: number): void {
  if (now >= Math.max(desk.startedAt, desk.lastHeardAt ?? 0, desk.lastSweepAt ?? 0) - SET_BACK_MS) return;
  const past = (at: number | undefined): number | undefined => (at === undefined ? undefined : Math.min(at, now));
  desk.startedAt = now;
  desk.leases.clear();
  desk.lastHeardAt = past(desk.lastHeardAt);
  desk.lastSweepAt = past(desk.lastSweepAt);
  desk.lastSidebarAt = past(desk.lastSidebarAt);
  desk.calls = { ...desk.calls, okAt: past(desk.calls.okAt), unansweredSince: past(desk.calls.unansweredSince) };
  desk.allowance = { ...desk.allowance, since: Math.min(desk.allowance.since, now), runs: new Map() };
  desk.healed = { ...desk.healed, lastAt: past(desk.healed.lastAt) };
  for (const sheet of desk.sheets.values()) {
    sheet.checkedAt = past(sheet.checkedAt);
    const { recheck } = sheet;
    if (!recheck) continue;
    const dueAt = recheck.dueAt === undefined ? undefined : Math.min(recheck.dueAt, now + recheck.pauseMs);
    sheet.recheck = { ...recheck, structureAt: Math.min(recheck.structureAt, now), dueAt };
  }
}
