import { useEffect, useState } from "preact/hooks";
import type { ChangeSummary, HeldSpreadsheet, Notice } from "../../mirror/mirror.ts";
import type { LookedAt } from "../../queries/queries.ts";

/** As many entries as the mirror keeps. */
const SHOWN_CHANGES = 500;

/**
 * Reads something of the mirror now and after each commit, and shows it. While a read runs, further commits are answered by
 * one more read: a flood of changes costs as many reads as can be shown. What was read for another view (its `deps` have
 * changed since) is not shown, however late it comes. Without a mirror it is read once, for what is read stays.
 */
export function useReading<Found>(
  mirror: LookedAt | undefined,
  spreadsheetId: string,
  read: () => Promise<Found>,
  show: (found: Found) => void,
  deps: readonly unknown[],
): void {
  useEffect(() => {
    let isGone = false;
    let isReading = false;
    let isStale = false;
    const run = async (): Promise<void> => {
      isStale = true;
      if (isReading) return;
      isReading = true;
      try {
        while (isStale && !isGone) {
          isStale = false;
          const found = await read();
          if (!isGone) show(found);
        }
      } catch (error) {
        // What was being read when the view went away may fail: its mirror may be closed. Where a commit came meanwhile,
        // that one is still to be read, and says what is the matter if it fails too.
        if (!isGone && !isStale) throw error;
      } finally {
        isReading = false;
        if (isStale && !isGone) void run();
      }
    };
    void run();
    const stop = mirror?.subscribe((notice) => {
      if (notice.spreadsheetId === spreadsheetId) void run();
    });
    return () => {
      isGone = true;
      stop?.();
    };
    // The caller names what its read depends on.
  }, [mirror, spreadsheetId, ...deps]);
}

export function useSpreadsheet(mirror: LookedAt, spreadsheetId: string): HeldSpreadsheet | undefined {
  const [spreadsheet, setSpreadsheet] = useState<HeldSpreadsheet>();
  const show = (next: HeldSpreadsheet | undefined): void => {
    // Its cursor moves with every change; what is shown of it seldom does.
    const shown = next && { ...next, cursor: undefined };
    setSpreadsheet((held) => (JSON.stringify(held) === JSON.stringify(shown) ? held : shown));
  };
  useReading(mirror, spreadsheetId, () => mirror.of(spreadsheetId).sheets(), show, []);
  return spreadsheet;
}

/** The latest changes, newest first. After a small commit they come with its word; else only what is new is read. */
export function useChanges(mirror: LookedAt, spreadsheetId: string): readonly ChangeSummary[] {
  const [changes, setChanges] = useState<readonly ChangeSummary[]>([]);
  useEffect(() => {
    /** Everything up to here is shown; less than what may be shown where that is not known. */
    let known = 0;
    let shown: readonly ChangeSummary[] = [];
    let isGone = false;
    let work = Promise.resolve();
    let waiting = 0;
    const newest = (): number => shown[0]?.seq ?? 0;
    const show = (fresh: readonly ChangeSummary[]): void => {
      const news = fresh.filter(({ seq }) => seq > newest());
      if (isGone || news.length === 0) return;
      shown = [...news, ...shown].slice(0, SHOWN_CHANGES);
      setChanges(shown);
    };
    const read = async (notice: Notice | undefined): Promise<void> => {
      const isAfresh = notice?.what !== "changes";
      const fresh = await mirror.of(spreadsheetId).changes(isAfresh ? 0 : newest());
      if (isGone) return;
      if (isAfresh) {
        shown = fresh;
        setChanges(shown);
      } else show(fresh);
      // What was told before the read was there to be read.
      known = Math.max(isAfresh ? 0 : known, notice?.seq ?? 0, newest());
    };
    const queue = (notice: Notice | undefined): void => {
      waiting += 1;
      work = work
        .then(() => read(notice))
        .catch((error: unknown) => {
          // Told to the browser's console; the next commit is read all the same.
          if (!isGone) void Promise.reject(error);
        })
        .finally(() => (waiting -= 1));
    };
    queue(undefined);
    const stop = mirror.subscribe((notice) => {
      const { what, seq = 0, news } = notice;
      if (notice.spreadsheetId !== spreadsheetId || what === "arriving") return;
      if (what === "changes" && seq <= known && waiting === 0) return;
      if (what === "changes" && news && waiting === 0 && news.afterSeq <= known) {
        known = seq;
        show(news.changes);
      } else queue(notice);
    });
    return () => {
      isGone = true;
      stop();
    };
  }, [mirror, spreadsheetId]);
  return changes;
}
