/** A peer that lives in a worker, seen from the page that started it. */
import type { Cell, Peer, Place } from "./peer.ts";

export function remotePeer(worker: Worker): Pick<Peer, "open" | "viewport"> & { ask: Ask } {
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let count = 0;
  worker.onmessage = (event: MessageEvent<{ id: number; value?: unknown; error?: string }>) => {
    const { id, value, error } = event.data;
    const waiter = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) waiter?.resolve(value);
    else waiter?.reject(new Error(error));
  };
  worker.onerror = (event) => {
    for (const { reject } of waiting.values()) reject(new Error(`The worker failed: ${event.message}`));
  };
  const ask: Ask = (what, ...args) =>
    new Promise((resolve, reject) => {
      count += 1;
      waiting.set(count, { resolve, reject });
      worker.postMessage({ id: count, what, args });
    });
  return {
    ask,
    open: async () => void (await ask("open")),
    viewport: async (place: Place) => (await ask("viewport", place)) as Cell[][],
  };
}

export type Ask = (what: string, ...args: unknown[]) => Promise<unknown>;
