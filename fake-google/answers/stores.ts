/** What scripts keep: properties with Google's limits, a cache that forgets, locks that are really contended. */

export const limits = {
  valueBytes: 9 * 1024,
  storeBytes: 500 * 1024,
  cacheKeyChars: 250,
  cacheValueBytes: 100 * 1024,
  cacheItems: 1000,
  cacheMaxSeconds: 21_600,
};

export function createProperties() {
  const values = new Map<string, string>();
  const sizeOf = (map: ReadonlyMap<string, string>): number =>
    [...map].reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0);
  return {
    get: (key: string): string | null => values.get(key) ?? null,
    all: (): Record<string, string> => Object.fromEntries(values),
    /** Throws Google's text where a limit is met; then nothing is written. */
    set(added: Readonly<Record<string, string>>, deleteAllOthers: boolean): void {
      const next = new Map(deleteAllOthers ? [] : values);
      for (const [key, value] of Object.entries(added)) {
        if (Buffer.byteLength(value) > limits.valueBytes)
          throw new Error("You have exceeded the property storage quota. Please remove some properties and try again.");
        next.set(key, value);
      }
      if (sizeOf(next) > limits.storeBytes)
        throw new Error("You have exceeded the property storage quota. Please remove some properties and try again.");
      values.clear();
      for (const [key, value] of next) values.set(key, value);
    },
    delete: (key: string): void => void values.delete(key),
    deleteAll: (): void => values.clear(),
  };
}

export function createCache(now: () => number) {
  const items = new Map<string, { value: string; until: number }>();
  const get = (key: string): string | null => {
    const item = items.get(key);
    if (!item) return null;
    if (item.until > now()) return item.value;
    items.delete(key);
    return null;
  };
  return {
    get,
    getAll: (keys: readonly string[]): Record<string, string> =>
      Object.fromEntries(
        keys.flatMap((key) => {
          const value = get(key);
          return value === null ? [] : [[key, value]];
        }),
      ),
    put(values: Readonly<Record<string, string>>, seconds: number): void {
      if (!(seconds >= 1 && seconds <= limits.cacheMaxSeconds))
        throw new Error("Invalid argument: expirationInSeconds");
      for (const [key, value] of Object.entries(values)) {
        if (key.length > limits.cacheKeyChars) throw new Error("Argument too large: key");
        if (Buffer.byteLength(value) > limits.cacheValueBytes) throw new Error("Argument too large: value");
        items.delete(key);
        items.set(key, { value, until: now() + seconds * 1000 });
        const oldest = items.keys().next();
        if (items.size > limits.cacheItems && !oldest.done) items.delete(oldest.value);
      }
    },
    remove: (keys: readonly string[]): void => keys.forEach((key) => void items.delete(key)),
  };
}

/** Calls when so much of the fake's time has passed; answers how to call it off. */
type After = (ms: number, what: string, then: () => void) => () => void;
type Waiter = { readonly runId: string; readonly give: (got: boolean) => void; readonly callOff: () => void };

export function createLock(after: After) {
  let holder: string | undefined;
  const waiting: Waiter[] = [];
  function pass(): void {
    const next = waiting.shift();
    holder = next?.runId;
    if (!next) return;
    next.callOff();
    next.give(true);
  }
  return {
    has: (runId: string): boolean => holder === runId,
    async take(runId: string, timeoutMs: number): Promise<boolean> {
      if (holder === undefined || holder === runId) {
        holder = runId;
        return true;
      }
      return new Promise<boolean>((give) => {
        const callOff = after(timeoutMs, "a lock to be had", () => {
          waiting.splice(waiting.indexOf(waiter), 1);
          give(false);
        });
        const waiter: Waiter = { runId, give, callOff };
        waiting.push(waiter);
      });
    },
    release(runId: string): void {
      if (holder === runId) pass();
    },
    /** At its end a run lets go of everything and waits for nothing. */
    forget(runId: string): void {
      for (const waiter of waiting.filter((one) => one.runId === runId)) {
        waiter.callOff();
        waiting.splice(waiting.indexOf(waiter), 1);
      }
      if (holder === runId) pass();
    },
  };
}
