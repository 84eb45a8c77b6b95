import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { x86 } from "murmurhash3js-revisited";
import { describe, expect, test } from "vitest";
import type { Cell } from "@sheetwire/shared/protocol";
import { decodeBase64, encodeBase64 } from "./base64.ts";
import {
  digestOfRow,
  digestOfText,
  digestOfWindow,
  digestText,
  FIRST_CHAIN,
  fold,
  nextChain,
  NO_DIGEST,
  packDigests,
  parseDigest,
  placed,
  sameDigest,
  seedOf,
  unpackDigests,
  type Digest,
} from "./digest.ts";
import { murmur128 } from "./murmur.ts";

type Vectors = {
  seed: number;
  seeds: { spreadsheetId: string; seed: number }[];
  vectors: {
    name: string;
    row?: Cell[];
    canonical?: string;
    repeat?: { text: string; times: number };
    digest: string;
  }[];
  windows: { from: number; rows: string[]; digest: string }[];
};
const vectors: Vectors = JSON.parse(readFileSync(join(import.meta.dirname, "vectors.json"), "utf8"));

/** The first 64 bits by an independent implementation, over the text's UTF-16 code units in little endian. */
const elsewhere = (text: string, seed: number): string =>
  x86.hash128([...Buffer.from(text, "utf16le")], seed).slice(0, 16);

const anyDigest: fc.Arbitrary<Digest> = fc.record({ high: fc.nat(0xffffffff), low: fc.nat(0xffffffff) });
const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  // Any code units, half a surrogate pair included.
  fc.array(fc.nat(0xffff), { maxLength: 40 }).map((units) => String.fromCharCode(...units)),
);
const anySeed = fc.integer();

describe("the hash of a text", () => {
  test("is that of an independent implementation, for any text and seed", () => {
    fc.assert(
      fc.property(anyText, anySeed, (text, seed) => {
        expect(digestText(murmur128(text, seed))).toBe(elsewhere(text, seed >>> 0));
      }),
      { numRuns: 500 },
    );
  });

  test("is that of an independent implementation, for every length up to four blocks", () => {
    for (let length = 0; length <= 40; length += 1) {
      const text = "sheetwire ".repeat(4).slice(0, length);
      expect(digestText(murmur128(text, 42))).toBe(elsewhere(text, 42));
    }
  });
});

describe("the vectors that other implementers check theirs against", () => {
  test.each(vectors.vectors)("$name", ({ row, canonical, repeat, digest }) => {
    const cells: Cell[] = repeat ? [repeat.text.repeat(repeat.times)] : (row ?? []);
    expect(digestText(digestOfRow(cells, vectors.seed))).toBe(digest);
    const text = canonical ?? JSON.stringify(cells);
    expect(digestText(digestOfText(text, vectors.seed))).toBe(digest);
    expect(text === "[]" ? digestText(NO_DIGEST) : elsewhere(text, vectors.seed)).toBe(digest);
  });

  test.each(vectors.seeds)("the seed of spreadsheet '$spreadsheetId'", ({ spreadsheetId, seed }) => {
    expect(seedOf(spreadsheetId)).toBe(seed);
  });

  test.each(vectors.windows)("rows $rows from $from on", ({ from, rows, digest }) => {
    const digests = rows.map((name) => {
      const vector = vectors.vectors.find((one) => one.name === name);
      if (!vector) throw new Error(`No vector is named ${name}.`);
      return parseDigest(vector.digest);
    });
    expect(digestText(digestOfWindow(from, digests))).toBe(digest);
  });

  test("all differ, but for rows that say the same", () => {
    const texts = vectors.vectors.map(({ canonical, repeat }) => canonical ?? JSON.stringify(repeat));
    expect(new Set(vectors.vectors.map(({ digest }) => digest)).size).toBe(new Set(texts).size);
  });
});

describe("a row's digest", () => {
  test("is of its content, not of how it was written", () => {
    expect(digestOfRow([-0, { v: 5, d: "5" }, "", null], 1)).toEqual(digestOfRow([0, 5], 1));
  });

  test("tells a number from its text, and a display from none", () => {
    expect(digestOfRow([1], 1)).not.toEqual(digestOfRow(["1"], 1));
    expect(digestOfRow([{ v: 1, d: "1 €" }], 1)).not.toEqual(digestOfRow([1], 1));
  });

  test("differs between spreadsheets: equal rows of two cannot be recognised", () => {
    expect(digestOfRow(["salary"], seedOf("one-spreadsheet"))).not.toEqual(
      digestOfRow(["salary"], seedOf("another-spreadsheet")),
    );
  });

  test("of a blank row is nothing", () => {
    expect(digestOfRow([], 99)).toEqual(NO_DIGEST);
    expect(digestOfRow([null, ""], 99)).toEqual(NO_DIGEST);
  });
});

describe("a sheet's digest", () => {
  const anyRows = fc.array(anyDigest, { minLength: 1, maxLength: 60 });

  test("after one row changed is known in one step, and equals working it out anew", () => {
    fc.assert(
      fc.property(anyRows, fc.nat(), anyDigest, fc.nat(9_999_000), (rows, pick, now, from) => {
        const at = pick % rows.length;
        const before = rows[at] ?? NO_DIGEST;
        const stepped = fold(fold(digestOfWindow(from, rows), placed(from + at, before)), placed(from + at, now));
        expect(stepped).toEqual(digestOfWindow(from, rows.with(at, now)));
      }),
    );
  });

  test("is the fold of its windows, wherever they are cut", () => {
    fc.assert(
      fc.property(anyRows, fc.nat(), (rows, pick) => {
        const cut = pick % rows.length;
        const parts = fold(digestOfWindow(0, rows.slice(0, cut)), digestOfWindow(cut, rows.slice(cut)));
        expect(parts).toEqual(digestOfWindow(0, rows));
      }),
    );
  });

  test("does not count blank rows at the end, but counts those in between", () => {
    const [a, b] = [digestOfRow(["a"], 1), digestOfRow(["b"], 1)];
    expect(digestOfWindow(0, [a, b, NO_DIGEST, NO_DIGEST])).toEqual(digestOfWindow(0, [a, b]));
    expect(digestOfWindow(0, [a, NO_DIGEST, b])).not.toEqual(digestOfWindow(0, [a, b]));
  });

  test("differs when two rows change places", () => {
    fc.assert(
      fc.property(anyDigest, anyDigest, (a, b) => {
        fc.pre(!sameDigest(a, b));
        expect(digestOfWindow(0, [a, b])).not.toEqual(digestOfWindow(0, [b, a]));
      }),
    );
  });

  test("differs when equal rows come in pairs: they do not cancel each other out", () => {
    const row = digestOfRow(["same"], 1);
    expect(digestOfWindow(0, [row, row])).not.toEqual(NO_DIGEST);
    expect(digestOfWindow(0, [row, row])).not.toEqual(digestOfWindow(0, [row, row, row, row]));
  });

  test("of a hundred thousand different sheets is a hundred thousand different digests", () => {
    const row = digestOfRow(["same"], 1);
    const seen = new Set<string>();
    for (let at = 0; at < 100_000; at += 1) seen.add(digestText(placed(at, row)));
    expect(seen.size).toBe(100_000);
  });
});

describe("digests on the wire", () => {
  test("come back from their text, and many from one text", () => {
    fc.assert(
      fc.property(fc.array(anyDigest, { maxLength: 30 }), (digests) => {
        expect(unpackDigests(packDigests(digests))).toEqual(digests);
        for (const digest of digests) {
          expect(digestText(digest)).toMatch(/^[0-9a-f]{16}$/);
          expect(parseDigest(digestText(digest))).toEqual(digest);
        }
      }),
    );
  });

  test.each(["AAAA", "AAAAAAAAAA==", "A", "AAA*AAAAAAA=", "AAAAAAAAAAA=AAAAAAAAAAA=", "ÄAAAAAAAAAA="])(
    "%s is none",
    (text) => expect(unpackDigests(text)).toBeUndefined(),
  );
});

describe("base64", () => {
  test("is that of the platform, both ways, for any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const text = Buffer.from(bytes).toString("base64");
        expect(encodeBase64(bytes)).toBe(text);
        expect(decodeBase64(text)).toEqual(bytes);
      }),
    );
  });

  test("of much data is whole", () => {
    const bytes = Uint8Array.from({ length: 100_001 }, (_, at) => (at * 7) & 255);
    expect(encodeBase64(bytes)).toBe(Buffer.from(bytes).toString("base64"));
  });

  test.each(["A", "AA", "AAA", "AAAA=", "A===", "====", "AA=A", "AAA\n", "AA-_", "A€AA"])("%j is none", (text) => {
    expect(decodeBase64(text)).toBeUndefined();
  });
});

test("a log's running hash depends on every change and on their order", () => {
  const chainOf = (...changes: string[]): string => changes.reduce(nextChain, FIRST_CHAIN);
  expect(chainOf("a", "b")).toBe(nextChain(nextChain(FIRST_CHAIN, "a"), "b"));
  expect(new Set([chainOf(), chainOf("a"), chainOf("a", "b"), chainOf("b", "a"), chainOf("ab")]).size).toBe(5);
});
