/**
 * Dates as serial numbers. Google hands a date over as an instant; the sheet means a wall clock in the spreadsheet's zone.
 * Asking Google for the zone's offset costs a call, so what was learned is kept for the run.
 */
import { ask, type Instant, type Program, type RawValue } from "../effects/effects.ts";

const dayMs = 86_400_000;
/** Serial number of 1970-01-01: days since 1899-12-30. */
const epochSerial = 25_569;
/**
 * Two instants at most this far apart that have the same offset have it in between as well: no zone changes its clocks
 * and back again within three weeks (the shortest known, a Ramadan pause of summer time, is over four).
 */
const reachMs = 21 * dayMs;

/**
 * The serial number of an instant: `days + restMs / 86400000`, where `sinceMs` is what has passed of the wall clock since
 * serial 0, `days` its whole days and `restMs` what is left, both rounded towards 0. Days and milliseconds are whole
 * numbers, so the only rounding is that of one division and one addition, and a time typed to the second or the
 * millisecond comes out as the same double wherever it is computed like this; so does a number below 0 that a cell with
 * a date's format happens to show.
 */
export function serialOf(ms: number, offsetMs: number): number {
  const sinceMs = ms + offsetMs + epochSerial * dayMs;
  const days = Math.trunc(sinceMs / dayMs);
  return days + (sinceMs - days * dayMs) / dayMs;
}

/** What is known of one zone's clocks. */
export function createZone(timeZone: string) {
  /** Instants in order, and the offset at each. */
  const instants: number[] = [];
  const offsets: number[] = [];

  /** The place of the first known instant at or after `ms`. */
  function placeOf(ms: number): number {
    let low = 0;
    let high = instants.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((instants[middle] as number) < ms) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The offset at an instant where it is known or follows from its neighbours. */
  function offsetAt(ms: number): number | undefined {
    const place = placeOf(ms);
    if (instants[place] === ms) return offsets[place];
    if (place === 0 || place === instants.length) return undefined;
    const before = instants[place - 1] as number;
    const after = instants[place] as number;
    const isSettled = after - before <= reachMs && offsets[place - 1] === offsets[place];
    return isSettled ? offsets[place] : undefined;
  }

  function* learn(ms: number): Program<number> {
    const known = offsetAt(ms);
    if (known !== undefined) return known;
    const offset = yield* ask("zoneOffset", { timeZone, ms });
    const place = placeOf(ms);
    instants.splice(place, 0, ms);
    offsets.splice(place, 0, offset);
    return offset;
  }

  /** Learns the offsets between two known instants by halving, only as far as the asked instants lie on both sides. */
  function* settle(asked: readonly number[], first: number, last: number): Program<void> {
    if (last - first <= 1 || offsetAt(asked[first] as number) === offsetAt(asked[last] as number)) return;
    const middle = (first + last) >>> 1;
    yield* learn(asked[middle] as number);
    yield* settle(asked, first, middle);
    yield* settle(asked, middle, last);
  }

  /** Learns enough to place all these instants, in a few calls: about one for three weeks, and some for each change of clocks. */
  function* learnAll(unordered: Iterable<number>): Program<void> {
    const asked = [...new Set(unordered)].sort((a, b) => a - b);
    let at = 0;
    while (at < asked.length) {
      const ms = asked[at] as number;
      yield* learn(ms);
      let last = at;
      while (last + 1 < asked.length && (asked[last + 1] as number) - ms <= reachMs) last += 1;
      yield* learn(asked[last] as number);
      yield* settle(asked, at, last);
      at = last === at || last + 1 === asked.length ? last + 1 : last;
    }
  }

  return { offsetAt, learnAll };
}

export type Zone = ReturnType<typeof createZone>;

export const isInstant = (value: RawValue): value is Instant => typeof value === "object";
