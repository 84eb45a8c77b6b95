/** How often somebody may: a bucket each, filled at a steady rate. Buckets that are full again are forgotten. */
export type Rates = {
  /** Takes one; or says after how many milliseconds there will be one. */
  take(name: string): number | undefined;
};

type Needs = {
  perSecond: number;
  burst: number;
  /** Milliseconds. */
  now: () => number;
};

/** With so many buckets those that are full again are looked for. */
const SWEEP_AT = 10_000;

export function createRates({ perSecond, burst, now }: Needs): Rates {
  const buckets = new Map<string, { left: number; at: number }>();
  let sweepAt = SWEEP_AT;
  const filled = (bucket: { left: number; at: number }, moment: number): number =>
    Math.min(burst, bucket.left + (Math.max(0, moment - bucket.at) / 1000) * perSecond);
  return {
    take(name) {
      if (!Number.isFinite(perSecond)) return undefined;
      const moment = now();
      let bucket = buckets.get(name);
      if (!bucket) {
        if (buckets.size >= sweepAt) {
          for (const [other, held] of buckets) if (filled(held, moment) >= burst) buckets.delete(other);
          sweepAt = Math.max(SWEEP_AT, buckets.size * 2);
        }
        buckets.set(name, (bucket = { left: burst, at: moment }));
      }
      bucket.left = filled(bucket, moment);
      bucket.at = moment;
      if (bucket.left < 1) return Math.ceil(((1 - bucket.left) / perSecond) * 1000);
      bucket.left -= 1;
      return undefined;
    },
  };
}
