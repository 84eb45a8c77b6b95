/**
 * Places readings in time without any lock. A reading is after another only if that is certain; what is not certain and
 * disagrees is read again. (docs/decisions/0001-readings-and-wants.md)
 */
import { limits } from "@sheetwire/shared/limits";
import type { Desk, Lease, Stamp } from "./desk.ts";
import type { ReadAt } from "./types.ts";

/** A reading about to be placed: its rectangle, its time, its place in its run, and the want it answers. */
export type Arrival = Omit<Stamp, "arrivedAt"> & { readonly lease: Lease | undefined };

/**
 * Whether `arrival` was certainly read after `earlier`: it answers a want issued after `earlier` had arrived, or comes
 * later in the same run, or began clearly later by the script's clock.
 */
export function isAfter(arrival: Arrival, earlier: Pick<Stamp, "readAt" | "run" | "n" | "order">): boolean {
  if (arrival.lease && arrival.lease.order >= earlier.order) return true;
  if (arrival.run === earlier.run)
    return arrival.n > earlier.n || (arrival.n === earlier.n && arrival.order > earlier.order);
  return arrival.readAt[0] > earlier.readAt[1] + limits.orderMarginMs;
}

/**
 * Whether two runs read in the same moments. What both tell alike proves nothing then: of an edit in those moments both may
 * have seen a half, the same one, since Google reads values, formulas and displays one after the other.
 */
export function isInOneMoment(arrival: Arrival, other: Pick<Stamp, "readAt" | "run" | "order">): boolean {
  if (arrival.run === other.run || (arrival.lease && arrival.lease.order >= other.order)) return false;
  return other.readAt[0] <= arrival.readAt[1] && arrival.readAt[0] <= other.readAt[1];
}

/** Whether `test` holds for the time of any that is still remembered and overlaps. */
export const someOverlapping = (desk: Desk, arrival: Arrival, test: (stamp: Stamp) => boolean): boolean =>
  desk.stamps.some(arrival, test);

/** Whether it was certainly read after everything that is still remembered and overlaps. */
export const isAfterAll = (desk: Desk, arrival: Arrival): boolean =>
  !someOverlapping(desk, arrival, (stamp) => !isAfter(arrival, stamp));

/** Below this moment nothing is remembered: a disagreeing reading stamped earlier is only a reason to read again. */
export const floorOf = (desk: Desk, now: number): number => Math.max(desk.startedAt, now - limits.readingMemoryMs);

/** Whether the arrival's time can be compared with what is remembered. An answer counts from when it was asked for. */
export function isAboveFloor(desk: Desk, arrival: Arrival, now: number): boolean {
  const floor = floorOf(desk, now);
  return arrival.lease ? arrival.lease.issuedAt >= floor : arrival.readAt[0] >= floor;
}

export function remember(desk: Desk, arrival: Arrival, now: number): void {
  const { sheetId, top, bottom, left, right, readAt, run, n, order } = arrival;
  desk.stamps.forgetBefore(now - limits.readingMemoryMs, limits.readingMemoryMs / 4);
  desk.stamps.add({ sheetId, top, bottom, left, right, readAt, run, n, order, arrivedAt: now });
}

/** A reading is never later than its receipt, whatever the script's clock says. */
export function clampReadAt(readAt: ReadAt, now: number): ReadAt {
  const [from, to] = readAt;
  if (from <= to && to <= now) return readAt;
  const end = Math.min(to, now);
  return [Math.min(from, end), end];
}
