import type { Line } from "./talk.ts";

/** Both ends of a line within one context, for tests: what is said arrives later, as a copy. */
export function linePair(): [Line, Line] {
  const ends: [Line, Line] = [
    { postMessage: (message) => deliver(1, message), onmessage: null },
    { postMessage: (message) => deliver(0, message), onmessage: null },
  ];
  const deliver = (to: 0 | 1, message: unknown): void => {
    const data: unknown = structuredClone(message);
    queueMicrotask(() => ends[to].onmessage?.({ data } as MessageEvent));
  };
  return ends;
}
