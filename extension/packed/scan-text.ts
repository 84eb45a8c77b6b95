import { limits } from "@sheetwire/shared/limits";
import { BACKSLASH, LOWER_U, NINE, QUOTE, ZERO } from "./ascii.ts";
import { heap, putCode, textOf } from "./gathered.ts";

/** 1 for bytes that stand for themselves in a JSON text and are a character each. */
const IS_PLAIN = new Uint8Array(256).fill(1, 0x20, 0x80);
IS_PLAIN[QUOTE] = 0;
IS_PLAIN[BACKSLASH] = 0;

/**
 * Puts into a place of `into` which text begins behind the quote at `from - 1`, and answers where it ends, its quote
 * included; -1 where it is no JSON text, bad UTF-8 or too long for a cell. The line is in the heap, and what has escapes is
 * written over them.
 */
export function scanText(from: number, into: Float64Array, place: number): number {
  const bytes = heap;
  let at = from;
  while (IS_PLAIN[bytes[at] as number] === 1) at += 1;
  if (bytes[at] !== QUOTE) return scanAnyText(from, at, into, place);
  const length = at - from;
  if (length > limits.cellMaxChars) return -1;
  into[place] = textOf(from, length, length);
  return at + 1;
}

/** As above, for a text in which something else than plain characters comes at `plainEnd`. */
function scanAnyText(from: number, plainEnd: number, into: Float64Array, place: number): number {
  const bytes = heap;
  let at = plainEnd;
  let end = plainEnd;
  let units = plainEnd - from;
  for (;;) {
    const byte = bytes[at] as number;
    if (IS_PLAIN[byte] === 1) {
      bytes[end] = byte;
      at += 1;
      end += 1;
      units += 1;
    } else if (byte === QUOTE) break;
    else if (byte === BACKSLASH) {
      const code = escapeAt(bytes, at);
      if (code < 0) return -1;
      at += bytes[at + 1] !== LOWER_U ? 2 : code > 0xffff ? 12 : 6;
      end = putCode(end, code);
      units += code > 0xffff ? 2 : 1;
    } else {
      const length = lengthOfCodeAt(bytes, at);
      if (length < 0) return -1;
      for (let n = 0; n < length; n += 1) bytes[end + n] = bytes[at + n] as number;
      at += length;
      end += length;
      units += length === 4 ? 2 : 1;
    }
  }
  if (units > limits.cellMaxChars) return -1;
  into[place] = textOf(from, end - from, units);
  return at + 1;
}

/** What stands behind a backslash, and what it stands for. */
const ESCAPES = '"\\/bfnrt';
const ESCAPED = '"\\/\b\f\n\r\t';

/** What the escape at a backslash stands for, two surrogates that make a pair together; -1 where it is none. */
function escapeAt(bytes: Uint8Array, at: number): number {
  const letter = bytes[at + 1] as number;
  if (letter !== LOWER_U) {
    const which = ESCAPES.indexOf(String.fromCharCode(letter));
    return which < 0 ? -1 : ESCAPED.charCodeAt(which);
  }
  const unit = hexAt(bytes, at + 2);
  if (unit < 0xd800 || unit > 0xdbff || bytes[at + 6] !== BACKSLASH || bytes[at + 7] !== LOWER_U) return unit;
  const low = hexAt(bytes, at + 8);
  return low >= 0xdc00 && low <= 0xdfff ? ((unit - 0xd800) << 10) + (low - 0xdc00) + 0x10000 : unit;
}

/** Four hexadecimal digits; -1 where they are none. */
function hexAt(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let n = 0; n < 4; n += 1) {
    const byte = bytes[at + n] as number;
    const lower = byte | 0x20;
    if (byte >= ZERO && byte <= NINE) value = value * 16 + byte - ZERO;
    else if (lower >= 0x61 && lower <= 0x66) value = value * 16 + lower - 0x61 + 10;
    else return -1;
  }
  return value;
}

/** How many bytes the character at `at` has, which is beyond ASCII; -1 for what is not UTF-8 (RFC 3629). */
function lengthOfCodeAt(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] as number;
  const second = bytes[at + 1] as number;
  if (lead >= 0xc2 && lead <= 0xdf) return isInner(second) ? 2 : -1;
  if (lead >= 0xe0 && lead <= 0xef) {
    const least = lead === 0xe0 ? 0xa0 : 0x80;
    const most = lead === 0xed ? 0x9f : 0xbf;
    return second >= least && second <= most && isInner(bytes[at + 2] as number) ? 3 : -1;
  }
  if (lead < 0xf0 || lead > 0xf4) return -1;
  const least = lead === 0xf0 ? 0x90 : 0x80;
  const most = lead === 0xf4 ? 0x8f : 0xbf;
  const isGood = second >= least && second <= most && isInner(bytes[at + 2] as number);
  return isGood && isInner(bytes[at + 3] as number) ? 4 : -1;
}

const isInner = (byte: number): boolean => (byte & 0xc0) === 0x80;
