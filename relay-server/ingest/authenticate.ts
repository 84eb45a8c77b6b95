import { createHmac, createSecretKey, timingSafeEqual, type KeyObject } from "node:crypto";
import { judge, signedPrefix } from "@sheetwire/shared/signing";
import type { RefusalCode } from "@sheetwire/shared/protocol";

export type PostHeaders = { id: string | undefined; timestamp: string | undefined; signature: string | undefined };

type Refusal = { readonly ok: false; readonly code: RefusalCode; readonly detail?: string };

/** Checked against when no key is known, so that an unknown spreadsheet costs as much time as a wrong signature. */
const NOBODYS_KEY = new Uint8Array(32);

/** A key that was made ready costs a fifth of one given as bytes. The bytes' owner keeps them as long as they are valid. */
const ready = new WeakMap<Uint8Array, KeyObject>();
function readyKey(bytes: Uint8Array): KeyObject {
  let key = ready.get(bytes);
  if (!key) ready.set(bytes, (key = createSecretKey(bytes)));
  return key;
}

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
    (id, timestamp) =>
      keys.map((key) =>
        createHmac("sha256", readyKey(key)).update(signedPrefix(id, timestamp)).update(body).digest("base64"),
      ),
    (a, b) => a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b)),
  );
  if (known.length > 0 && verdict === "good") return undefined;
  const detail =
    verdict === "stale" && known.length > 0
      ? "The timestamp is more than five minutes off: check the clock."
      : undefined;
  return { ok: false, code: "unauthorized", ...(detail ? { detail } : {}) };
}
