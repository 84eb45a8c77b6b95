import fc from "fast-check";
import { expect, test } from "vitest";
import { limits } from "@sheetwire/shared/limits";
import { canonicalRow } from "@sheetwire/shared/grid";
import { snapshotRowsSchema, type Cell, type Row } from "@sheetwire/shared/protocol";
import { packLine as scanLine, packRows, type PackedLine } from "../packed/packed.ts";
import { rewritten } from "./rows-line.ts";

const number = fc.oneof(
  fc.integer({ min: -300, max: 300 }),
  fc.integer({ min: -99_999, max: 99_999 }).map((cents) => cents / 100),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.tuple(fc.maxSafeNat(), fc.integer({ min: -30, max: 30 })).map(([whole, power]) => Number(`${whole}e${power}`)),
  fc.constantFrom(0.1 + 0.2, 2 ** 53, 2 ** 53 + 2, 1e21, 1e22, 1e23, 5e-324, Number.MAX_VALUE, -0, 1 / 3, 46_160.75),
);
const text = fc.oneof(
  fc.constantFrom("", "a", "TRUE", "12", "-1.5", 'say "hi"', "two\nlines", "C:\\dir\t\u0007/", "Ärger", "İ", "€", "😀"),
  fc.constantFrom("\ud83d", "\ude00", "\ud83d\ud83d\ude00", "\u0000", "\ufeffmark", "\u2028", "x".repeat(300)),
  fc.string({ unit: "binary", maxLength: 6 }),
  fc.array(fc.nat(0xffff), { maxLength: 4 }).map((units) => String.fromCharCode(...units)),
);
const value = fc.oneof(fc.constant(null), fc.boolean(), number, text);
const rich = fc
  .record(
    { v: value, f: text, d: fc.oneof(text, number.map(String)), e: fc.constantFrom("#N/A", "#REF!") },
    { requiredKeys: ["v"] },
  )
  .chain((cell) => fc.constantFrom(cell, ...repeatedDisplays(cell)));
/** The same cell with a display that says nothing new. */
const repeatedDisplays = ({ v, f, e }: Exclude<Cell, null | boolean | number | string>): Cell[] => [
  { v, ...(f === undefined ? {} : { f }), d: String(v ?? ""), ...(e === undefined ? {} : { e }) },
  { v, d: e ?? String(v).toUpperCase(), ...(e === undefined ? {} : { e }) },
];
const cell: fc.Arbitrary<Cell> = fc.oneof(value, rich);
/** Columns of one kind, as sheets mostly have, and such with everything in them. */
const rows: fc.Arbitrary<(Row | null)[]> = fc
  .array(fc.constantFrom(fc.boolean(), number, text, value, rich, cell), { maxLength: 7 })
  .chain((columns) => {
    const whole = fc.tuple(...columns.map((one) => fc.oneof({ weight: 4, arbitrary: one }, fc.constant(null))));
    const row = fc.tuple(whole, fc.nat(9)).map(([cells, cut]): Row => (cut < 3 ? cells.slice(0, cut) : cells));
    const some = fc.oneof({ weight: 9, arbitrary: row }, fc.constant(null));
    return fc.array(some, { minLength: 1, maxLength: 90, size: "max" });
  });

const encoder = new TextEncoder();
function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
/** As it is, or else as it is written again: what happens to each line of a snapshot. */
function packLine(line: Uint8Array, blockRowsOf: () => number): PackedLine | undefined {
  const packed = scanLine(line, blockRowsOf);
  if (packed) return packed;
  const other = rewritten(parsed(new TextDecoder().decode(line)));
  return other && scanLine(other, blockRowsOf);
}
const lineOf = (all: readonly (Row | null)[], fromRow = 0): string =>
  `{"sheetId":7,"fromRow":${fromRow},"rows":[${all.map((row) => JSON.stringify(row)).join(",")}]}`;
/** What a line was before it could be packed as it came. */
function packedByHand(line: string, size: number): ReturnType<typeof packLine> {
  const { data: piece } = snapshotRowsSchema.safeParse(parsed(line));
  if (!piece) return undefined;
  const blocks = [];
  for (let from = 0; from < piece.rows.length; from += size) {
    const some = piece.rows.slice(from, from + size);
    blocks.push({ packed: packRows(some), rows: some.length, hasUnknown: some.includes(null) });
  }
  return { sheetId: piece.sheetId, fromRow: piece.fromRow, rows: piece.rows.length, blocks };
}

test("a line as the relay writes it becomes the very bytes that its rows become, without being parsed", () => {
  fc.assert(
    fc.property(rows, fc.constantFrom(256, 40, 7, 1), fc.nat(10_000_000), (some, size, fromRow) => {
      for (const all of [some, some.map((row) => row && canonicalRow(row))]) {
        const line = lineOf(all, fromRow);
        const packed = scanLine(encoder.encode(line), () => size);
        expect(packed).toBeDefined();
        expect(packed).toStrictEqual(packedByHand(line, size));
      }
    }),
    { numRuns: 150 },
  );
});

test("whatever became of a line on its way, it is taken or refused as JSON and the protocol's schema say", () => {
  const pieces = fc.constantFrom(
    ...'"\\,:[]{}-+.eE019 \n\tnulltrue\u0000'.split(""),
    "\\u",
    "\\ud83d",
    '"v":',
    '"d":"x"',
    "é",
  );
  const damage = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    cut: fc.nat(3),
    put: fc.array(pieces, { maxLength: 2 }),
  });
  fc.assert(
    fc.property(rows, fc.array(damage, { minLength: 1, maxLength: 2 }), (some, damages) => {
      let line = lineOf(some.slice(0, 4));
      for (const { at, cut, put } of damages) {
        const from = Math.floor(at * line.length);
        line = `${line.slice(0, from)}${put.join("")}${line.slice(from + cut)}`;
      }
      // A text cut between two surrogates travels as the mark for what is no character, as it always would.
      const bytes = encoder.encode(line);
      expect(packLine(bytes, () => 2)).toStrictEqual(packedByHand(new TextDecoder().decode(bytes), 2));
    }),
    { numRuns: 1_000 },
  );
});

test("bytes that are no UTF-8 are read as the mark for them", () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 4, min: 0x20 });
  fc.assert(
    fc.property(bytes, (inside) => {
      const line = Uint8Array.of(
        ...encoder.encode('{"sheetId":7,"fromRow":0,"rows":[["'),
        ...inside,
        ...encoder.encode('"]]}'),
      );
      expect(packLine(line, () => 256)).toStrictEqual(packedByHand(new TextDecoder().decode(line), 256));
    }),
    { numRuns: 500 },
  );
});

const shapes = [
  '{"fromRow":0,"sheetId":7,"rows":[["a"]]}',
  '{"sheetId":7,"fromRow":0,"rows":[["a"]],"more":1}',
  ' { "sheetId" : 7, "fromRow": 0, "rows": [ [ "a" , 1 ] ] }\r',
  '{"sheetId":7,"fromRow":0,"rows":[[{"f":"=1","v":1}]]}',
  '{"sheetId":7,"fromRow":0,"rows":[[{"v":1,"f":"=1","new":[{}]}]]}',
  '{"sheetId":7,"fromRow":0,"rows":[[{"v":1,"v":2}]]}',
  '{"sheetId":7,"fromRow":0,"rows":[[1.0,1e2,-0,-0.0,0e9,1E+2]]}',
  '{"sheetId":7,"fromRow":0,"rows":[[{"v":1.0,"d":"1"},{"v":1.0,"d":"1.0"},{"v":1,"d":"1.0"},{"v":1e21,"d":"1e+21"}]]}',
  '{"sheetId":7,"fromRow":0,"rows":[["\\u0041\\/\\uD83D\\uDE00\\ud83d\\u0041"]]}',
];
test.each(shapes)("another way to write a line is understood: %s", (line) => {
  const packed = packLine(encoder.encode(line), () => 256);
  expect(packed).toBeDefined();
  expect(packed).toStrictEqual(packedByHand(line, 256));
});

const wrong = [
  "",
  "{",
  "null",
  '{"end":true,"digest":"0000000000000000"}',
  '{"sheetId":-1,"fromRow":0,"rows":[["a"]]}',
  '{"sheetId":9007199254740992,"fromRow":0,"rows":[["a"]]}',
  '{"sheetId":7,"fromRow":10000001,"rows":[["a"]]}',
  '{"sheetId":7,"fromRow":0.5,"rows":[["a"]]}',
  '{"sheetId":7,"fromRow":0,"rows":[]}',
  '{"sheetId":7,"fromRow":0,"rows":[["a"],]}',
  '{"sheetId":7,"fromRow":0,"rows":[["a",]]}',
  '{"sheetId":7,"fromRow":0,"rows":[["a"]]}}',
  '{"sheetId":7,"fromRow":0,"rows":[["a"]]',
  '{"sheetId":7,"fromRow":0,"rows":[[01]]}',
  '{"sheetId":7,"fromRow":0,"rows":[[1.]]}',
  '{"sheetId":7,"fromRow":0,"rows":[[.5]]}',
  '{"sheetId":7,"fromRow":0,"rows":[[+1]]}',
  '{"sheetId":7,"fromRow":0,"rows":[[1e]]}',
  '{"sheetId":7,"fromRow":0,"rows":[[1e999]]}',
  '{"sheetId":7,"fromRow":0,"rows":[["a\tb"]]}',
  '{"sheetId":7,"fromRow":0,"rows":[["\\x"]]}',
  '{"sheetId":7,"fromRow":0,"rows":[["\\u00g0"]]}',
  '{"sheetId":7,"fromRow":0,"rows":[[{"v":1,"e":""},{"f":"=1"}]]}',
  '{"sheetId":7,"fromRow":0,"rows":[[[1]]]}',
  `{"sheetId":7,"fromRow":0,"rows":[[{"v":null,"e":"${"#".repeat(33)}"}]]}`,
  `{"sheetId":7,"fromRow":0,"rows":[["${"é".repeat(limits.cellMaxChars + 1)}"]]}`,
  `{"sheetId":7,"fromRow":0,"rows":[["${"x".repeat(limits.cellMaxChars + 1)}"]]}`,
  `{"sheetId":7,"fromRow":0,"rows":[[${"1,".repeat(limits.sheetMaxColumns)}1]]}`,
];
test.each(wrong.map((line) => [line.slice(0, 80), line]))("what is no line of rows is refused: %s", (_, line) => {
  expect(packedByHand(line, 256)).toBeUndefined();
  expect(packLine(encoder.encode(line), () => 256)).toBeUndefined();
});

test("a line as wide, as long and with texts as long as they may be, and the line after it", () => {
  const wide = Array.from({ length: limits.sheetMaxColumns }, (_, n) => (n % 3 === 0 ? `${n}` : n));
  const long = "é".repeat(limits.cellMaxChars);
  for (const all of [
    [wide],
    [["a", 1]],
    Array.from({ length: 300 }, () => wide.slice(0, 200)),
    [[long], [long]],
    [["b"]],
  ]) {
    const packed = scanLine(encoder.encode(lineOf(all)), () => 256);
    expect(packed).toBeDefined();
    expect(packed).toStrictEqual(packedByHand(lineOf(all), 256));
  }
});

test("a line that is refused leaves nothing behind in the next one", () => {
  const broken = lineOf([[1, 2, 3, { v: 4, f: "=4" }, "five"]]).slice(0, -3);
  expect(packLine(encoder.encode(broken), () => 256)).toBeUndefined();
  const next = lineOf([
    [null, "a"],
    [null, null, null, null, 1],
  ]);
  expect(packLine(encoder.encode(next), () => 256)).toStrictEqual(packedByHand(next, 256));
});
