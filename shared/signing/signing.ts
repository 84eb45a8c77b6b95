/**
 * Standard Webhooks signatures: what bytes are signed, and whether a signature is good, stale or forged.
 * Source: the Standard Webhooks specification 1.0 (https://github.com/standard-webhooks/standard-webhooks).
 * HMAC and base64 are handed in, since Google, Node and browsers each have their own.
 */
import { limits } from "@sheetwire/shared/limits";

export const signatureHeader = (signatures: readonly string[]): string =>
  signatures.map((one) => `v1,${one}`).join(" ");

/** What is signed before the body: `id.timestamp.` in ASCII. */
export const signedPrefix = (id: string, timestamp: string): string => `${id}.${timestamp}.`;

export type Verdict = "good" | "stale" | "forged";

export type SignedHeaders = { id: string | undefined; timestamp: string | undefined; signature: string | undefined };

/**
 * Judges a signed message. `candidates` are the signatures that the valid keys would give, as base64 (several while keys
 * rotate); `equal` compares two strings in constant time. `now` is in milliseconds.
 */
export function judge(
  headers: SignedHeaders,
  now: number,
  candidates: (id: string, timestamp: string) => readonly string[],
  equal: (a: string, b: string) => boolean,
): Verdict {
  const { id, timestamp, signature } = headers;
  if (!id || !timestamp || !signature) return "forged";
  if (!/^[\x21-\x7e]{1,256}$/.test(id) || id.includes(".") || !/^\d{1,12}$/.test(timestamp)) return "forged";
  const offered = signature
    .split(" ")
    .filter((one) => one.startsWith("v1,"))
    .map((one) => one.slice(3))
    .slice(0, 8);
  const good = candidates(id, timestamp);
  let found = false;
  for (const one of offered) for (const other of good) if (equal(one, other)) found = true;
  if (!found) return "forged";
  const ageS = now / 1000 - Number(timestamp);
  return Math.abs(ageS) > limits.clockToleranceS ? "stale" : "good";
}
