import { createHmac, timingSafeEqual } from "node:crypto";
import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import { describe, expect, test } from "vitest";
import { limits } from "@sheetwire/shared/limits";
import { judge, signatureHeader, signedPrefix, type SignedHeaders, type Verdict } from "./signing.ts";

const NOW_MS = Date.UTC(2026, 4, 17, 12, 0, 0);
const TIMESTAMP = String(NOW_MS / 1000);
const keyOf = (fill: number): Buffer => Buffer.alloc(32, fill);
const secretOf = (key: Buffer): string => `whsec_${key.toString("base64")}`;

const signWith = (key: Buffer, body: string, id: string, timestamp: string): string =>
  createHmac("sha256", key).update(signedPrefix(id, timestamp)).update(body).digest("base64");

const equal = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));

/** The verdict of a relay that knows these keys. */
const verdictOf = (headers: SignedHeaders, body: string, keys: readonly Buffer[], now = NOW_MS): Verdict =>
  judge(headers, now, (id, timestamp) => keys.map((key) => signWith(key, body, id, timestamp)), equal);

const signed = (body: string, key = keyOf(1), id = "msg_1", timestamp = TIMESTAMP): SignedHeaders => ({
  id,
  timestamp,
  signature: signatureHeader([signWith(key, body, id, timestamp)]),
});

describe("beside an independent implementation of Standard Webhooks", () => {
  const body = fc.string({ unit: "grapheme", maxLength: 200 });
  const key = fc.uint8Array({ minLength: 24, maxLength: 64 }).map((bytes) => Buffer.from(bytes));
  const id = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);

  test("what it signs is good here", () => {
    fc.assert(
      fc.property(body, key, id, (text, secret, messageId) => {
        const signature = new Webhook(secretOf(secret)).sign(messageId, new Date(NOW_MS), text);
        expect(verdictOf({ id: messageId, timestamp: TIMESTAMP, signature }, text, [secret])).toBe("good");
      }),
    );
  });

  test("what is signed here is good there", () => {
    // The other implementation reads the machine's clock.
    const timestamp = String(Math.floor(Date.now() / 1000));
    fc.assert(
      fc.property(fc.json(), key, id, (text, secret, messageId) => {
        const { signature = "" } = signed(text, secret, messageId, timestamp);
        const headers = { "webhook-id": messageId, "webhook-timestamp": timestamp, "webhook-signature": signature };
        expect(new Webhook(secretOf(secret)).verify(text, headers)).toEqual(JSON.parse(text));
      }),
    );
  });

  test("the two give the same text for a fixed message", () => {
    const text = '{"cell":"Ünïcödé 🎉"}';
    const there = new Webhook(secretOf(keyOf(7))).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", new Date(NOW_MS), text);
    expect(signed(text, keyOf(7), "msg_p5jXN8AQM9LWM0D4loKWxJek").signature).toBe(there);
  });
});

describe("a post is forged", () => {
  test.each<[string, Partial<SignedHeaders>]>([
    ["without an id", { id: undefined }],
    ["without a time", { timestamp: undefined }],
    ["without a signature", { signature: undefined }],
    ["with another id than was signed", { id: "msg_2" }],
    ["with another time than was signed", { timestamp: String(NOW_MS / 1000 + 1) }],
    ["with a time that is not whole seconds", { timestamp: `${TIMESTAMP}.5` }],
    ["with a time in words", { timestamp: "now" }],
    ["with a negative time", { timestamp: "-5" }],
    ["with a signature of a scheme we do not know", { signature: "v2,AAAA" }],
    ["with an empty signature", { signature: "v1," }],
    ["with an id that could shift the signed text", { id: "msg.1" }],
    ["with an id of control characters", { id: "msg\n1" }],
    ["with an id without end", { id: "m".repeat(257) }],
  ])("%s", (_name, wrong) => {
    expect(verdictOf({ ...signed("{}"), ...wrong }, "{}", [keyOf(1)])).toBe("forged");
  });

  test("when one byte of the body differs", () => {
    expect(verdictOf(signed('{"a":1}'), '{"a":2}', [keyOf(1)])).toBe("forged");
  });

  test("when it was signed with another spreadsheet's key", () => {
    expect(verdictOf(signed("{}", keyOf(2)), "{}", [keyOf(1)])).toBe("forged");
  });

  test("when no key is known at all", () => {
    expect(verdictOf(signed("{}"), "{}", [])).toBe("forged");
  });

  test("with any single character of its signature changed", () => {
    const { signature = "" } = signed("{}");
    fc.assert(
      fc.property(fc.nat(signature.length - 2), fc.stringMatching(/^[A-Za-z0-9+/]$/), (at, letter) => {
        fc.pre(signature[at] !== letter);
        const changed = signature.slice(0, at) + letter + signature.slice(at + 1);
        expect(verdictOf({ ...signed("{}"), signature: changed }, "{}", [keyOf(1)])).toBe("forged");
      }),
    );
  });
});

describe("a post is stale", () => {
  const after = (seconds: number): Verdict => verdictOf(signed("{}"), "{}", [keyOf(1)], NOW_MS + seconds * 1000);

  test("more than five minutes before or after the relay's time, and not a moment sooner", () => {
    expect(limits.clockToleranceS).toBe(300);
    expect([after(300), after(-300)]).toEqual(["good", "good"]);
    expect([after(300.001), after(-300.001)]).toEqual(["stale", "stale"]);
  });

  test("only if its signature is good: somebody without a key learns nothing of our clock", () => {
    expect(verdictOf(signed("{}", keyOf(2)), "{}", [keyOf(1)], NOW_MS + 1e9)).toBe("forged");
  });
});

describe("keys rotate without a gap", () => {
  test("a post signed with the old or the new key is good while the relay holds both", () => {
    for (const key of [keyOf(1), keyOf(2)]) {
      expect(verdictOf(signed("{}", key), "{}", [keyOf(1), keyOf(2)])).toBe("good");
    }
  });

  test("a post signed with both keys is good for a relay that holds either", () => {
    const signature = signatureHeader([keyOf(1), keyOf(2)].map((key) => signWith(key, "{}", "msg_1", TIMESTAMP)));
    for (const key of [keyOf(1), keyOf(2)]) {
      expect(verdictOf({ id: "msg_1", timestamp: TIMESTAMP, signature }, "{}", [key])).toBe("good");
    }
    expect(verdictOf({ id: "msg_1", timestamp: TIMESTAMP, signature }, "{}", [keyOf(3)])).toBe("forged");
  });

  test("signatures of an unknown scheme beside a good one do no harm", () => {
    const headers = signed("{}");
    expect(verdictOf({ ...headers, signature: `v1a,AAAA ${headers.signature}` }, "{}", [keyOf(1)])).toBe("good");
  });

  test("a header with endless signatures is not worked through", () => {
    let compared = 0;
    const counting = (a: string, b: string): boolean => {
      compared += 1;
      return equal(a, b);
    };
    const signature = Array.from({ length: 10_000 }, (_, n) => `v1,${n}`).join(" ");
    judge({ id: "a", timestamp: TIMESTAMP, signature }, NOW_MS, () => ["x", "y"], counting);
    expect(compared).toBeLessThanOrEqual(16);
  });
});
