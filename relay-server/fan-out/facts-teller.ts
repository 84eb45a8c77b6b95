import type { RelayFacts } from "@sheetwire/shared/protocol";

export type FactsTeller = {
  /** The facts of this spreadsheet may have changed. */
  changed(spreadsheetId: string): void;
  stop(): void;
};

/** Facts are told at most once in this time for a spreadsheet, in milliseconds. */
const AT_MOST_EVERY_MS = 250;
/** With many readers less often, so that facts cost little beside changes: so much a reader, up to a bound, in milliseconds. */
const PER_READER_MS = 2;
const RARELY_MS = 5_000;
/** And at least once in this time while somebody reads: so that readers hear that the relay is alive, in milliseconds. */
const AT_LEAST_EVERY_MS = 15_000;

type Needs = {
  /** Who reads what. */
  fanOut: {
    watched(): readonly string[];
    watchers(spreadsheetId: string): number;
    readersOf(spreadsheetId: string): readonly { tell(status: string): void; queuedBytes(): number }[];
  };
  factsOf: (spreadsheetId: string) => Promise<RelayFacts>;
  elapsed: () => number;
  onFault: (error: unknown) => void;
};

/** Tells readers how the sync stands: soon after facts changed, and now and then anyway. One timer for all. */
const MOST_QUEUED_BYTES = 64 * 1024;

export function createFactsTeller({ fanOut, factsOf, elapsed, onFault }: Needs): FactsTeller {
  const changed = new Set<string>();
  const toldAt = new Map<string, number>();

  async function tell(spreadsheetId: string): Promise<void> {
    try {
      const facts = await factsOf(spreadsheetId);
      const status = JSON.stringify({ kind: "status", spreadsheetId, facts });
      for (const reader of fanOut.readersOf(spreadsheetId)) {
        // A later one says the same and more: one whose network takes nothing is not sent any.
        if (reader.queuedBytes() < MOST_QUEUED_BYTES) reader.tell(status);
      }
    } catch (error) {
      onFault(error);
    }
  }

  const timer = setInterval(() => {
    const watched = new Set(fanOut.watched());
    for (const spreadsheetId of toldAt.keys()) if (!watched.has(spreadsheetId)) toldAt.delete(spreadsheetId);
    for (const spreadsheetId of watched) {
      const last = toldAt.get(spreadsheetId);
      const hasChanged = changed.has(spreadsheetId);
      const pauseMs = hasChanged
        ? Math.min(RARELY_MS, fanOut.watchers(spreadsheetId) * PER_READER_MS)
        : AT_LEAST_EVERY_MS;
      if (last !== undefined && elapsed() - last < pauseMs) continue;
      changed.delete(spreadsheetId);
      toldAt.set(spreadsheetId, elapsed());
      void tell(spreadsheetId);
    }
    for (const spreadsheetId of changed) if (!watched.has(spreadsheetId)) changed.delete(spreadsheetId);
  }, AT_MOST_EVERY_MS);
  timer.unref();

  return {
    changed: (spreadsheetId) => void changed.add(spreadsheetId),
    stop: () => clearInterval(timer),
  };
}
