/**
 * Simulated time. What is due happens one thing after the other, in the order of its time; between two things everything
 * that awaits goes on as far as it can. So the order of events is that of the seed and of nothing else.
 */

export type Clock = {
  /** Milliseconds since 1970. */
  now: () => number;
  /** Runs once after `ms`; answers how to call it off. */
  after: (ms: number, run: () => void) => () => void;
  sleep: (ms: number) => Promise<void>;
  /** Says that what runs now goes on over further turns of the event loop. */
  owe: (turns: number) => void;
  /** Says that work is under way whose turns nobody counts; answers how to say that it ended. */
  busy: () => () => void;
  /** Lets everything happen that is due up to a moment, or until nothing is. */
  run: (until: number) => Promise<void>;
};

/** Hears what happens, in words. */
export type Trace = (line: string | (() => string)) => void;

type Due = { at: number; order: number; run: (() => void) | undefined };

/** Turns of the event loop that one thing may take before it counts as hanging. */
const MOST_TURNS = 200_000;

export function createClock(start: number): Clock {
  let now = start;
  let order = 0;
  let owed = 0;
  let busy = 0;
  const heap: Due[] = [];
  const isBefore = (a: Due, b: Due): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

  function push(due: Due): void {
    let at = heap.length;
    heap.push(due);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Due;
      if (!isBefore(due, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = due;
  }

  function pop(): Due | undefined {
    const first = heap[0];
    const last = heap.pop();
    if (!first || !last || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Due, heap[child] as Due)) child += 1;
      if (!isBefore(heap[child] as Due, last)) break;
      heap[at] = heap[child] as Due;
      at = child;
    }
    heap[at] = last;
    return first;
  }

  function after(ms: number, run: () => void): () => void {
    const due: Due = { at: now + Math.max(0, ms), order: (order += 1), run };
    push(due);
    return () => (due.run = undefined);
  }

  async function settle(): Promise<void> {
    for (let turns = 0; owed > 0 || busy > 0; turns += 1) {
      if (turns > MOST_TURNS) throw new Error("What happened never came to rest.");
      owed = Math.max(0, owed - 1);
      await turnOfTheLoop();
    }
  }

  return {
    now: () => now,
    after,
    sleep: (ms) => new Promise((resolve) => void after(ms, resolve)),
    owe: (turns) => void (owed = Math.max(owed, turns)),
    busy() {
      busy += 1;
      return () => void (busy -= 1);
    },
    async run(until) {
      for (;;) {
        owed = Math.max(owed, 1);
        await settle();
        const next = heap[0];
        if (!next || next.at > until) break;
        pop();
        if (!next.run) continue;
        now = Math.max(now, next.at);
        next.run();
      }
      now = Math.max(now, until);
    },
  };
}

const turnOfTheLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
