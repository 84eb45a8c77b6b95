import fc from "fast-check";
import { expect, test } from "vitest";
import { LineCutter } from "./line-cutter.ts";

const encoder = new TextEncoder();

test("however a stream is cut into pieces, its lines are the same, and what has no end comes last", () => {
  const text = fc.array(fc.constantFrom("a", "\n", "é", "line ", "x".repeat(70_000)), { maxLength: 20 });
  fc.assert(
    fc.property(text, fc.array(fc.integer({ min: 1, max: 90_000 }), { minLength: 1, maxLength: 9 }), (parts, sizes) => {
      const bytes = encoder.encode(parts.join(""));
      const lines = new LineCutter();
      const cut: string[] = [];
      const take = (some: Iterable<Uint8Array>): void => {
        for (const line of some) cut.push(new TextDecoder().decode(line));
      };
      for (let [from, n] = [0, 0]; from < bytes.length; n += 1) {
        const size = sizes[n % sizes.length] ?? 1;
        take(lines.of(bytes.subarray(from, from + size)));
        from += size;
      }
      take(lines.rest());
      expect(cut).toEqual(parts.join("").split("\n"));
    }),
    { numRuns: 200 },
  );
});

test("a line longer than any of a sheet is told of before it fills the memory", () => {
  const lines = new LineCutter();
  const piece = new Uint8Array(8 * 1024 * 1024).fill(0x20);
  for (let n = 0; n < 8; n += 1) for (const line of lines.of(piece)) expect(line).toBeUndefined();
  expect(lines.isTooLong).toBe(false);
  for (const line of lines.of(piece)) expect(line).toBeUndefined();
  expect(lines.isTooLong).toBe(true);
});
