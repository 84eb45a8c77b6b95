/**
 * How long to wait before a further attempt, in milliseconds: doubling from `baseMs` to `mostMs`, each time spread by
 * the die over the upper three quarters, so that a thousand clients that lost the same relay do not come back at once.
 * Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 *
 * @param attempt counted from 0
 * @param die a number in [0, 1)
 */
export function waitBefore(attempt: number, die: number, baseMs = 500, mostMs = 30_000): number {
  const ceiling = Math.min(mostMs, baseMs * 2 ** Math.min(attempt, 30));
  return Math.round(ceiling / 4 + die * ceiling * 0.75);
}
