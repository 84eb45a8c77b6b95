/**
 * HMAC-SHA256 out of two hashes made in one go (RFC 2104). What Node offers makes an object that is fed, which costs more
 * than twice as much for a message as short as most posts.
 */
import { createHmac, hash } from "node:crypto";

const BLOCK_BYTES = 64;
const HASH_BYTES = 32;
/** What fits is put together here; longer messages are fed to Node's own. */
const ROOM = Buffer.alloc(64 * 1024);

type ReadyKey = { readonly inner: Buffer; readonly outer: Buffer };

/** Keys made ready. Their bytes' owner keeps them as long as they are valid. */
const ready = new WeakMap<Uint8Array, ReadyKey>();

/** The base64 of the signature of an ASCII prefix and a body behind it. */
export function signatureOf(key: Uint8Array, prefix: string, body: Buffer): string {
  const bytes = BLOCK_BYTES + prefix.length + body.length;
  if (bytes > ROOM.length) return createHmac("sha256", key).update(prefix).update(body).digest("base64");
  const { inner, outer } = readyKey(key);
  ROOM.set(inner);
  ROOM.write(prefix, BLOCK_BYTES, "latin1");
  ROOM.set(body, BLOCK_BYTES + prefix.length);
  outer.write(hash("sha256", ROOM.subarray(0, bytes), "binary"), BLOCK_BYTES, "latin1");
  return hash("sha256", outer, "base64");
}

function readyKey(bytes: Uint8Array): ReadyKey {
  const known = ready.get(bytes);
  if (known) return known;
  const block = new Uint8Array(BLOCK_BYTES);
  block.set(bytes.length > BLOCK_BYTES ? hash("sha256", bytes, "buffer") : bytes);
  const key = {
    inner: Buffer.from(block.map((byte) => byte ^ 0x36)),
    outer: Buffer.concat([block.map((byte) => byte ^ 0x5c), Buffer.alloc(HASH_BYTES)]),
  };
  ready.set(bytes, key);
  return key;
}
