import type { RelayFacts } from "@sheetwire/shared/protocol";

export type FactsTeller = {
  /** The facts of this spreadsheet may have changed. */
  changed(spreadsheetId: string): void;
  stop(): void;
};

/** Facts are told at most once in this time for a spreadsheet, in milliseconds. */
const AT_MOST_EVERY_MS = 250;
/** And at least once in this time while somebody reads: so that readers hear that the relay is alive, in milliseconds. */
const AT_LEAST_EVERY_MS = 15_000;

type Needs = {
  /** Who reads what. */
  fanOut: {
    watched(): readonly string[];
    readersOf(spreadsheetId: string): readonly { tell(status: string): void }[];
  };
  factsOf: (spreadsheetId: string) => Promise<RelayFacts>;
  elapsed: () => number;
  onFault: (error: unknown) => void;
};

/** Tells readers how the sync stands: soon after facts changed, and now and then anyway. One timer for all. */
export function createFactsTeller({ fanOut, factsOf, elapsed, onFault }: Needs): FactsTeller {
  const changed = new Set<string>();
  const toldAt = new Map<string, number>();

  async function tell(spreadsheetId: string): Promise<void> {
    try {
      const facts = await factsOf(spreadsheetId);
      const status = JSON.stringify({ kind: "status", spreadsheetId, facts });
      for (const reader of fanOut.readersOf(spreadsheetId)) reader.tell(status);
    } catch (error) {
      onFault(error);
    }
  }

  const timer = setInterval(() => {
    const watched = new Set(fanOut.watched());
    for (const spreadsheetId of toldAt.keys()) if (!watched.has(spreadsheetId)) toldAt.delete(spreadsheetId);
    for (const spreadsheetId of watched) {
      const last = toldAt.get(spreadsheetId);
      if (last !== undefined && !changed.has(spreadsheetId) && elapsed() - last < AT_LEAST_EVERY_MS) continue;
      toldAt.set(spreadsheetId, elapsed());
      void tell(spreadsheetId);
    }
    changed.clear();
  }, AT_MOST_EVERY_MS);
  timer.unref();

  return {
    changed: (spreadsheetId) => void changed.add(spreadsheetId),
    stop: () => clearInterval(timer),
  };
}
