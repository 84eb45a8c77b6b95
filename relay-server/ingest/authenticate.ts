import { timingSafeEqual } from "node:crypto";
import { judge, signedPrefix } from "@sheetwire/shared/signing";
import type { RefusalCode } from "@sheetwire/shared/protocol";
import { signatureOf } from "./hmac.ts";

export type PostHeaders = { id: string | undefined; timestamp: string | undefined; signature: string | undefined };

type Refusal = { readonly ok: false; readonly code: RefusalCode; readonly detail?: string };

/** Checked against when no key is known, so that an unknown spreadsheet costs as much time as a wrong signature. */
const NOBODYS_KEY = new Uint8Array(32);

/** Says no unless one of the keys signed exactly this body, not long ago. */
export function authenticate(
  known: readonly Uint8Array[],
  headers: PostHeaders,
  body: Buffer,
  now: number,
): Refusal | undefined {
  const keys = known.length > 0 ? known : [NOBODYS_KEY];
  const verdict = judge(
    headers,
    now,
    (id, timestamp) => keys.map((key) => signatureOf(key, signedPrefix(id, timestamp), body)),
    (a, b) => a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b)),
  );
  if (known.length > 0 && verdict === "good") return undefined;
  const detail =
    verdict === "stale" && known.length > 0
      ? "The timestamp is more than five minutes off: check the clock."
      : undefined;
  return { ok: false, code: "unauthorized", ...(detail ? { detail } : {}) };
}
