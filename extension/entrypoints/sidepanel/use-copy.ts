import { useEffect, useState } from "preact/hooks";
import type { ChangeSummary, HeldSpreadsheet, Notice } from "../../mirror/mirror.ts";
import type { LookedAt } from "../../queries/queries.ts";

/** As many entries as the mirror keeps. */
const SHOWN_CHANGES = 500;

/**
 * Reads something of the mirror now and after each commit. While a read runs, further commits are answered by one more
 * read: a flood of changes costs as many reads as can be shown.
 */
export function useReading(
  mirror: LookedAt,
  spreadsheetId: string,
  read: (notice: Notice | undefined) => Promise<void>,
  deps: readonly unknown[],
): void {
  useEffect(() => {
    let isGone = false;
    let isReading = false;
    let waiting: Notice | undefined;
    const run = async (notice: Notice | undefined): Promise<void> => {
      if (isReading) {
        // A new copy outweighs whatever else was waiting.
        if (notice && (!waiting || notice.what !== "changes")) waiting = notice;
        return;
      }
      isReading = true;
      try {
        await read(notice);
      } catch (error) {
        // What was being read when the view went away may fail: its mirror may be closed.
        if (!isGone) throw error;
      } finally {
        isReading = false;
      }
      if (waiting && !isGone) {
        const next = waiting;
        waiting = undefined;
        await run(next);
      }
    };
    void run(undefined);
    const stop = mirror.subscribe((notice) => {
      if (notice.spreadsheetId === spreadsheetId) void run(notice);
    });
    return () => {
      isGone = true;
      stop();
    };
    // The caller names what its read depends on.
  }, [mirror, spreadsheetId, ...deps]);
}

export function useSpreadsheet(mirror: LookedAt, spreadsheetId: string): HeldSpreadsheet | undefined {
  const [spreadsheet, setSpreadsheet] = useState<HeldSpreadsheet>();
  const read = async (): Promise<void> => {
    const next = await mirror.of(spreadsheetId).sheets();
    // Its cursor moves with every change; what is shown of it seldom does.
    const shown = next && { ...next, cursor: undefined };
    setSpreadsheet((held) => (JSON.stringify(held) === JSON.stringify(shown) ? held : shown));
  };
  useReading(mirror, spreadsheetId, read, []);
  return spreadsheet;
}

/** The latest changes, newest first. After a commit only what is new is read. */
export function useChanges(mirror: LookedAt, spreadsheetId: string): readonly ChangeSummary[] {
  const [changes, setChanges] = useState<readonly ChangeSummary[]>([]);
  useEffect(() => {
    let known = 0;
    let shown: readonly ChangeSummary[] = [];
    let isGone = false;
    let work = Promise.resolve();
    const read = async (afresh: boolean): Promise<void> => {
      const fresh = await mirror.of(spreadsheetId).changes(afresh ? 0 : known);
      if (isGone || (!afresh && fresh.length === 0)) return;
      shown = afresh ? fresh : [...fresh, ...shown].slice(0, SHOWN_CHANGES);
      known = shown[0]?.seq ?? 0;
      setChanges(shown);
    };
    const queue = (afresh: boolean): void => {
      work = work.then(() => read(afresh));
    };
    queue(true);
    const stop = mirror.subscribe((notice) => {
      if (notice.spreadsheetId !== spreadsheetId || notice.what === "arriving") return;
      if (notice.what === "changes" && (notice.seq ?? 0) <= known) return;
      queue(notice.what !== "changes");
    });
    return () => {
      isGone = true;
      stop();
    };
  }, [mirror, spreadsheetId]);
  return changes;
}
