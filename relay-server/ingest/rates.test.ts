import { expect, test } from "vitest";
import { createRates } from "./rates.ts";

test("a bucket gives its burst at once, then as it fills, and says when there will be one", () => {
  let now = 0;
  const rates = createRates({ perSecond: 10, burst: 3, now: () => now });
  expect([1, 2, 3].map(() => rates.take("a"))).toEqual([undefined, undefined, undefined]);
  expect(rates.take("a")).toBe(100);
  expect(rates.take("b")).toBeUndefined();
  now = 100;
  expect(rates.take("a")).toBeUndefined();
  expect(rates.take("a")).toBe(100);
  now = 10_000;
  expect([1, 2, 3].map(() => rates.take("a"))).toEqual([undefined, undefined, undefined]);
  expect(rates.take("a")).toBe(100);
});

test("a clock that jumps back neither fills nor empties a bucket", () => {
  let now = 10_000;
  const rates = createRates({ perSecond: 10, burst: 2, now: () => now });
  rates.take("a");
  now = 0;
  expect(rates.take("a")).toBeUndefined();
  expect(rates.take("a")).toBe(100);
});
