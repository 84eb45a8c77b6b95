/** How a figure is taken: several runs, the median, and how far they lay apart. */
export type Figure = { medianMs: number; minMs: number; maxMs: number; runs: number };

/** Runs `work` after one run that does not count; `prepare` is not timed. */
export function measure<T>(prepare: () => T, work: (prepared: T) => void, runs = 5): Figure {
  const times: number[] = [];
  for (let run = 0; run <= runs; run += 1) {
    const prepared = prepare();
    const began = performance.now();
    work(prepared);
    if (run > 0) times.push(performance.now() - began);
  }
  times.sort((a, b) => a - b);
  const round = (ms: number | undefined): number => Number((ms ?? Number.NaN).toPrecision(3));
  return {
    medianMs: round(times[Math.floor(times.length / 2)]),
    minMs: round(times[0]),
    maxMs: round(times.at(-1)),
    runs,
  };
}

/** One question, one line. */
export const tell = (question: string, answer: object): void =>
  void process.stdout.write(`${JSON.stringify({ question, ...answer })}\n`);
