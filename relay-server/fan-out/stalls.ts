import type { Writable } from "node:stream";
import { limits } from "@sheetwire/shared/limits";

/** A reader that takes nothing is let go between so many looks and one more. */
const LOOKS = 7;

/**
 * What the network took of a socket, as a mark that changes when it takes more; nothing when no bytes wait. A large write is
 * taken bit by bit, which only the system's own handle tells: Node asks it as well before it lets a socket time out.
 */
export function takenOf(
  socket: Pick<Writable, "writableLength" | "destroyed"> & { bytesWritten?: number; _handle?: unknown },
): string | undefined {
  const { writableLength, destroyed } = socket;
  if (writableLength === 0 || destroyed) return undefined;
  const { bytesWritten = 0, _handle: handle } = socket;
  const { writeQueueSize = 0 } = (handle ?? {}) as { writeQueueSize?: number };
  return `${bytesWritten - writableLength} ${writeQueueSize}`;
}

type Needs<One> = {
  /** Those who are there now. */
  open: Iterable<One>;
  socketOf: (one: One) => Parameters<typeof takenOf>[0] | null;
  end: (one: One) => void;
  /** Milliseconds. */
  stalledMs?: number | undefined;
};

/**
 * Ends those for whom bytes wait of which the network took none for long, whatever is heard of them and written to them
 * meanwhile. One sweep looks at all, and remembers only those for whom bytes wait: one that waits for changes costs nothing.
 * It counts looks, not time: nobody is ended for a moment in which this process itself stood still.
 */
export function createStallSweep<One>({ open, socketOf, end, stalledMs = limits.readerStalledMs }: Needs<One>) {
  let seen = new Map<One, { taken: string; looks: number }>();
  const sweep = (): void => {
    const before = seen;
    seen = new Map();
    for (const one of open) {
      const socket = socketOf(one);
      const taken = socket ? takenOf(socket) : undefined;
      if (taken === undefined) continue;
      const last = before.get(one);
      const looks = last?.taken === taken ? last.looks + 1 : 0;
      if (looks < LOOKS) seen.set(one, { taken, looks });
      else end(one);
    }
  };
  const timer = setInterval(sweep, stalledMs / LOOKS);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
