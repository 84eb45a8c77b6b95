/**
 * Digests say whether two rows, two windows or two sheets are equal without moving them. A row's digest depends on its
 * content and on the spreadsheet's seed, not on its place; a window's digest folds (index, row digest) so that changing
 * one row costs one step. The digest of a blank row is zero and adds nothing: trailing blank rows do not count.
 */
import { canonicalRow } from "@sheetwire/shared/grid";
import type { Cell } from "@sheetwire/shared/protocol";
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { mix, murmur128 } from "./murmur.ts";

export { mix, murmur128 };

/** 64 bits as two unsigned 32-bit halves. */
export type Digest = { readonly high: number; readonly low: number };

export const NO_DIGEST: Digest = { high: 0, low: 0 };

/** The seed of a spreadsheet's digests, from its id. */
export const seedOf = (spreadsheetId: string): number => murmur128(spreadsheetId, 0).high | 0;

/** The digest of a row (or column) given as the JSON of its canonical cells. */
export const digestOfText = (canonicalJson: string, seed: number): Digest =>
  canonicalJson === "[]" ? NO_DIGEST : murmur128(canonicalJson, seed);

/** The digest of a row (or column) given as cells. */
export const digestOfRow = (cells: readonly Cell[], seed: number): Digest =>
  digestOfText(JSON.stringify(canonicalRow(cells)), seed);

export const sameDigest = (a: Digest, b: Digest): boolean => a.high === b.high && a.low === b.low;

/**
 * What the row at `index` adds to a window's digest; combine with {@link fold}, whose inverse it is itself: folding a
 * row's old part and its new part replaces it.
 */
export function placed(index: number, row: Digest): Digest {
  if (row.high === 0 && row.low === 0) return NO_DIGEST;
  const spread = mix(index + 0x9e3779b9);
  const high = mix(row.high ^ spread);
  const low = mix(row.low ^ Math.imul(spread, 0x85ebca6b) ^ high);
  return { high: (high ^ Math.imul(low, 0xc2b2ae35)) >>> 0, low: low >>> 0 };
}

export const fold = (a: Digest, b: Digest): Digest => ({ high: (a.high ^ b.high) >>> 0, low: (a.low ^ b.low) >>> 0 });

/** The digest of consecutive rows of which the first has index `from`. */
export function digestOfWindow(from: number, rows: Iterable<Digest>): Digest {
  let high = 0;
  let low = 0;
  let index = from;
  for (const row of rows) {
    const part = placed(index, row);
    high ^= part.high;
    low ^= part.low;
    index += 1;
  }
  return { high: high >>> 0, low: low >>> 0 };
}

const HEX = /* @__PURE__ */ Array.from({ length: 256 }, (_, byte) => (byte + 256).toString(16).slice(1));
/** Numbers beyond 31 bits are slow to print, and every change of a log prints two. */
const hex = (half: number): string =>
  `${HEX[half >>> 24]}${HEX[(half >>> 16) & 255]}${HEX[(half >>> 8) & 255]}${HEX[half & 255]}`;

/** A digest as 16 hex digits. */
export const digestText = ({ high, low }: Digest): string => hex(high) + hex(low);

export const parseDigest = (text: string): Digest => ({
  high: Number.parseInt(text.slice(0, 8), 16),
  low: Number.parseInt(text.slice(8, 16), 16),
});

/** Many digests as one base64 text, 8 bytes each, big endian. */
export function packDigests(digests: readonly Digest[]): string {
  const bytes = new Uint8Array(digests.length * 8);
  let to = 0;
  for (const { high, low } of digests) {
    bytes[to] = high >>> 24;
    bytes[to + 1] = high >>> 16;
    bytes[to + 2] = high >>> 8;
    bytes[to + 3] = high;
    bytes[to + 4] = low >>> 24;
    bytes[to + 5] = low >>> 16;
    bytes[to + 6] = low >>> 8;
    bytes[to + 7] = low;
    to += 8;
  }
  return encodeBase64(bytes);
}

/** The digests of such a text, or nothing when it is not one. */
export function unpackDigests(text: string): Digest[] | undefined {
  const bytes = decodeBase64(text);
  if (!bytes || bytes.length % 8 !== 0) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const digests: Digest[] = [];
  for (let at = 0; at < bytes.length; at += 8) {
    digests.push({ high: view.getUint32(at), low: view.getUint32(at + 4) });
  }
  return digests;
}

/** The running hash of a log after one more change, given as the JSON that is stored. */
export const nextChain = (chain: string, changeJson: string): string => digestText(murmur128(chain + changeJson, 0));

/** The running hash of an empty log. */
export const FIRST_CHAIN = "0000000000000000";
