/** Chance that can be played again: everything random in a simulation comes from here. */

export type Dice = {
  /** In [0, 1). */
  next: () => number;
  /** A whole number from 0, below `n`. */
  below: (n: number) => number;
  between: (from: number, to: number) => number;
  chance: (p: number) => boolean;
  pick: <T>(list: readonly T[]) => T;
  /** Dice of its own for one concern, so that one more throw there does not shift the others. */
  fork: (name: string) => Dice;
};

/** mulberry32 (T. Ettinger, public domain). */
export function createDice(seed: number): Dice {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  const below = (n: number): number => Math.floor(next() * n);
  return {
    next,
    below,
    between: (from, to) => from + next() * (to - from),
    chance: (p) => next() < p,
    pick<T>(list: readonly T[]): T {
      if (list.length === 0) throw new RangeError("Nothing to pick from.");
      return list[below(list.length)] as T;
    },
    fork: (name) => createDice(hashed(name, seed)),
  };
}

/** FNV-1a over a text, from a beginning. */
export function hashed(text: string, from = 0x811c9dc5): number {
  let hash = (from ^ 0x811c9dc5) >>> 0;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193) >>> 0;
  return hash;
}
