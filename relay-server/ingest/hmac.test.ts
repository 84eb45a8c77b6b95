import { createHmac } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { signatureOf } from "./hmac.ts";

const elsewhere = (key: Uint8Array, prefix: string, body: Buffer): string =>
  createHmac("sha256", key).update(prefix).update(body).digest("base64");

test("a signature is what Node's own HMAC gives, for keys and bodies of any length", () => {
  const bytes = fc.uint8Array({ maxLength: 300 });
  fc.assert(
    fc.property(bytes, fc.stringMatching(/^[\x21-\x7e]{0,80}$/), bytes, (key, prefix, content) => {
      const body = Buffer.from(content);
      expect(signatureOf(key, prefix, body)).toBe(elsewhere(key, prefix, body));
      expect(signatureOf(key, prefix, body)).toBe(elsewhere(key, prefix, body));
    }),
  );
});

test("also around the length from which on it is left to Node", () => {
  const key = new Uint8Array(32).fill(7);
  for (const length of [65_469, 65_470, 65_471, 65_472, 65_473, 200_000]) {
    const body = Buffer.alloc(length, "x");
    expect(signatureOf(key, "a.", body)).toBe(elsewhere(key, "a.", body));
  }
});

test("a short message after a long one is not mixed up with it", () => {
  const key = new Uint8Array(32).fill(7);
  signatureOf(key, "a.", Buffer.alloc(10_000, "x"));
  expect(signatureOf(key, "b.", Buffer.from("{}"))).toBe(elsewhere(key, "b.", Buffer.from("{}")));
});
