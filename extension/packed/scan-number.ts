import { LOWER_E, MINUS, NINE, POINT, ZERO } from "./ascii.ts";
import { heap } from "./gathered.ts";

/** Powers of ten that are exact as floats. */
const EXACT_POWERS = [
  1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
  1e21, 1e22,
] as const;

/**
 * Reads the JSON number at `from` of the heap into a place of `into`, and answers where it ends; -1 where there is none, or none that is
 * finite and of reasonable length. 0 is never negative.
 *
 * Digits that make a whole number below 2^53, divided by a power of ten up to 10^22, give the nearest float, for both are
 * exact and one division rounds once (Clinger, "How to Read Floating Point Numbers Accurately", 1990). Others are left
 * to `Number`.
 */
export function scanNumber(from: number, into: Float64Array, place: number): number {
  const bytes = heap;
  let at = from;
  const isNegative = bytes[at] === MINUS;
  if (isNegative) at += 1;
  let digit = (bytes[at] as number) - ZERO;
  if (digit < 0 || digit > 9) return -1;
  let whole = digit;
  at += 1;
  // Nothing but a point or an exponent follows a leading zero.
  if (digit !== 0) {
    for (;;) {
      digit = (bytes[at] as number) - ZERO;
      if (digit < 0 || digit > 9) break;
      whole = whole * 10 + digit;
      at += 1;
    }
  }
  let decimals = 0;
  if (bytes[at] === POINT) {
    at += 1;
    const first = at;
    for (;;) {
      digit = (bytes[at] as number) - ZERO;
      if (digit < 0 || digit > 9) break;
      whole = whole * 10 + digit;
      at += 1;
    }
    decimals = at - first;
    if (decimals === 0) return -1;
  }
  if (isExponent(bytes[at]) || whole > Number.MAX_SAFE_INTEGER || decimals > 22) {
    return scanAnyNumber(from, at, into, place);
  }
  const value = decimals === 0 ? whole : whole / (EXACT_POWERS[decimals] as number);
  into[place] = isNegative && value !== 0 ? -value : value;
  return at;
}

/** As above, for numbers whose digits end at `digitsEnd`. */
function scanAnyNumber(from: number, digitsEnd: number, into: Float64Array, place: number): number {
  const bytes = heap;
  let at = digitsEnd;
  if (isExponent(bytes[at])) {
    at += 1;
    if (bytes[at] === MINUS || bytes[at] === PLUS) at += 1;
    const first = at;
    while ((bytes[at] as number) >= ZERO && (bytes[at] as number) <= NINE) at += 1;
    if (at === first) return -1;
  }
  if (at - from > MOST_DIGITS) return -1;
  const value = Number(String.fromCharCode(...bytes.subarray(from, at)));
  if (!Number.isFinite(value)) return -1;
  into[place] = value === 0 ? 0 : value;
  return at;
}

/** Nobody writes longer ones. */
const MOST_DIGITS = 400;
const PLUS = 0x2b;
const isExponent = (byte: number | undefined): boolean => byte !== undefined && (byte | 0x20) === LOWER_E;
