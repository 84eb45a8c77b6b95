import type { Row } from "@sheetwire/shared/protocol";
import { canonicalRow } from "@sheetwire/shared/grid";
import { digestOfText, type Digest } from "@sheetwire/shared/digest";

/**
 * One row as the relay holds it: its canonical JSON, ready to be sent, and its digest as two signed 32-bit halves (small
 * integers, which cost no memory of their own). `json` is null while the content is unknown; the digest is then the one
 * that was announced, or none.
 */
export type StoredRow = { readonly json: string | null; readonly high: number; readonly low: number };

export const BLANK: StoredRow = { json: "[]", high: 0, low: 0 };
export const UNKNOWN: StoredRow = { json: null, high: 0, low: 0 };

/** Unknown content of which the digest has been read. */
export const announced = (digest: Digest): StoredRow => ({ json: null, high: digest.high | 0, low: digest.low | 0 });

export function storedRow(cells: Row, seed: number): StoredRow {
  return storedText(JSON.stringify(canonicalRow(cells)), seed);
}

/** The same of canonical JSON. */
export function storedText(json: string, seed: number): StoredRow {
  if (json === "[]") return BLANK;
  const digest = digestOfText(json, seed);
  return { json, high: digest.high | 0, low: digest.low | 0 };
}

/** The row that was read last: whoever compares a row and then changes it asks for its cells several times. */
let last: { readonly json: string; readonly cells: Row } = { json: "[]", cells: [] };

/** Its cells, which nobody may change. */
export function cellsOf({ json }: StoredRow): Row | null {
  if (json === null) return null;
  if (json !== last.json) last = { json, cells: JSON.parse(json) as Row };
  return last.cells;
}

/** Whether a row carries this digest. An unknown row without an announced digest is equal to nothing. */
export const hasDigest = (row: StoredRow, digest: Digest): boolean =>
  (row.high ^ digest.high) === 0 &&
  (row.low ^ digest.low) === 0 &&
  (row.json !== null || row.high !== 0 || row.low !== 0);

/** A quote inside a JSON string is escaped, so this can only be the key of a formula. */
export const holdsFormula = (row: StoredRow): boolean => row.json !== null && row.json.includes('"f":');
