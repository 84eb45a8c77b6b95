/**
 * Joins what the relay says of one spreadsheet to the mirror, in order and each change once. It notices holes, asks
 * again from its cursor, takes a new snapshot where that is the only way, and keeps the facts that surfaces show.
 */
import { MisfitError } from "@sheetwire/shared/grid";
import {
  refusals,
  type Change,
  type Cursor,
  type RefusalCode,
  type RelayFacts,
  type SnapshotHead,
} from "@sheetwire/shared/protocol";
import { waitBefore } from "@sheetwire/shared/retry";
import type { SyncFacts } from "@sheetwire/shared/status";
import type { Link, Refused, SpreadsheetFrame, Watch, Watcher } from "../connection/connection.ts";
import { GapError, MismatchError, type CopyWriter, type SnapshotWriter } from "../mirror/mirror.ts";
import { fetchSnapshot, rowsOfHead } from "./snapshot.ts";

export { fetchDigests } from "./digests.ts";

export type SyncNeeds = {
  relayUrl: string;
  token: string;
  copy: CopyWriter;
  watch: (watcher: Watcher) => Watch;
  fetch: (url: string, init: RequestInit) => Promise<Response>;
  now: () => number;
  die: () => number;
  after: (ms: number, run: () => void) => () => void;
  onFacts: (facts: SyncFacts) => void;
};

export type Sync = {
  facts: () => SyncFacts;
  /** Resolves when everything is at rest; the copy stays. */
  stop: () => Promise<void>;
};

/** Changes that may wait while a snapshot arrives or the mirror writes; over it they are read from the log again. */
export const QUEUE_MOST_CHANGES = 20_000;
/** How long acknowledgements are gathered, in milliseconds. */
const TOOK_EVERY_MS = 250;
const PAUSE_MOST_MS = 15_000;

type Batch = { changes: readonly Change[]; chain: string };

/** Starts following one spreadsheet from the cursor of its copy. */
export async function startSync(spreadsheetId: string, needs: SyncNeeds): Promise<Sync> {
  const held = await whatIsHeld(needs.copy);
  let { cursor } = held;
  let facts: SyncFacts = { link: "connecting", behindBy: 0, copy: held.isWhole ? "whole" : "none" };
  /** `asking`: a watch was said and its answer is awaited; what comes before it belongs to the watch before. */
  let phase: "asking" | "live" | "fetching" = "asking";
  let queue: Batch[] = [];
  let queued = 0;
  let overflowed = false;
  let epoch: string | undefined;
  let headSeq = cursor?.seq ?? 0;
  let tookSeq = cursor?.seq ?? 0;
  let stopTook: (() => void) | undefined;
  let stopPause: (() => void) | undefined;
  let failures = 0;
  let isStopped = false;
  let fetching: AbortController | undefined;
  /** Everything that writes runs one after the other. */
  let work: Promise<void> = Promise.resolve();
  let linkFacts: Partial<SyncFacts> = {};
  let snapshotRefused: Refused | undefined;
  let isDraining = false;

  const setFacts = (more: Partial<SyncFacts>): void => {
    facts = { ...facts, ...more };
    if (!isStopped) needs.onFacts(facts);
  };
  const behind = (): number => Math.max(0, headSeq - (cursor?.seq ?? 0));
  const clearQueue = (): void => {
    queue = [];
    queued = 0;
    overflowed = false;
  };
  const then = (step: () => Promise<void>): void => {
    work = work.then(async () => {
      if (!isStopped) await step();
    });
  };

  function onLink(link: Link): void {
    const refused = link.refused ?? (link.state === "up" ? snapshotRefused : undefined);
    linkFacts = {
      link: refused ? "refused" : link.state,
      linkHeardAt: link.heardAt,
      refused,
      clockAheadMs: link.clockAheadMs,
    };
    if (link.state !== "up" && phase === "live") phase = "asking";
    setFacts(linkFacts);
  }

  function onFrame(frame: SpreadsheetFrame): void {
    if (frame.kind === "status") {
      setFacts({ relay: frame.facts satisfies RelayFacts });
    } else if (frame.kind === "watching") {
      headSeq = frame.seq;
      epoch = frame.epoch;
      if (phase === "fetching") {
        // The link was lost while a snapshot arrived: what was queued may have a hole, so the log is asked afterwards.
        overflowed = true;
        return;
      }
      clearQueue();
      if (frame.recovered) {
        phase = "live";
        setFacts({ behindBy: behind() });
      } else then(() => fetchCopy());
      if (!frame.recovered) phase = "fetching";
    } else if (frame.kind === "refetch") {
      if (phase === "fetching") return;
      phase = "fetching";
      clearQueue();
      then(() => fetchCopy());
    } else if (phase !== "asking") {
      enqueue({ changes: frame.changes, chain: frame.chain });
    }
  }

  function enqueue(batch: Batch): void {
    headSeq = Math.max(headSeq, batch.changes.at(-1)?.seq ?? 0);
    if (overflowed || queued + batch.changes.length > QUEUE_MOST_CHANGES) {
      queue = [];
      queued = 0;
      overflowed = true;
    } else {
      queue.push(batch);
      queued += batch.changes.length;
    }
    if (phase === "live" && !isDraining) {
      isDraining = true;
      then(drain);
    }
  }

  /** Applies what is queued; what arrives meanwhile shares the next transaction. */
  async function drain(): Promise<void> {
    isDraining = false;
    while (phase === "live" && !isStopped && (queue.length > 0 || overflowed)) {
      if (overflowed) {
        askAgain();
        return;
      }
      const batches = queue;
      queue = [];
      queued = 0;
      try {
        await take(batches);
      } catch (error) {
        await onTakeFailed(error);
      }
    }
  }

  async function take(batches: readonly Batch[]): Promise<void> {
    if (!cursor) throw new GapError("Changes came, but no copy is held.");
    // What was resumed may overlap what is held, and what is queued.
    let from = cursor.seq;
    const changes: Change[] = [];
    for (const change of batches.flatMap((batch) => batch.changes)) {
      if (change.seq <= from) continue;
      changes.push(change);
      from = change.seq;
    }
    const chain = batches.at(-1)?.chain ?? cursor.chain;
    const last = changes.at(-1);
    if (!last) return;
    const next: Cursor = { epoch: cursor.epoch, seq: last.seq, chain };
    await needs.copy.take(changes, next);
    cursor = next;
    failures = 0;
    setFacts({ behindBy: behind(), storage: undefined, mismatch: undefined, ...changedAt(changes, needs.now()) });
    scheduleTook();
  }

  async function onTakeFailed(error: unknown): Promise<void> {
    if (error instanceof GapError) {
      try {
        cursor = await needs.copy.cursor();
        askAgain();
      } catch (second) {
        onStoreFailed(second);
      }
    } else if (error instanceof MisfitError || error instanceof MismatchError) {
      setFacts({ mismatch: true });
      await fetchCopy();
    } else {
      onStoreFailed(error);
    }
  }

  /** Nothing of the batch is kept, and the cursor tells the relay from where to send again. */
  function onStoreFailed(error: unknown): void {
    phase = "asking";
    setFacts({ storage: storageTrouble(error), behindBy: behind() });
    pauseThen(askAgain);
  }

  /** Says watch again, from the cursor. Until it is answered nothing that comes is looked at. */
  function askAgain(): void {
    if (isStopped) return;
    clearQueue();
    phase = "asking";
    setFacts({ behindBy: behind() });
    watch.again();
  }

  async function fetchCopy(): Promise<void> {
    phase = "fetching";
    setFacts({ copy: "fetching" });
    let writer: SnapshotWriter | undefined;
    let begun: SnapshotHead | undefined;
    let done = 0;
    let ofRows = 0;
    fetching = new AbortController();
    const needed = { fetch: needs.fetch, signal: fetching.signal, after: needs.after };
    try {
      // What cannot be read is begun anew.
      const part = await needs.copy.continueSnapshot().catch(() => undefined);
      writer = part?.writer;
      const result = await fetchSnapshot(
        { relayUrl: needs.relayUrl, token: needs.token, spreadsheetId },
        {
          head: async (head, etag, isRest) => {
            if (part && isRest) done = part.rows;
            else writer = await needs.copy.startSnapshot(head, etag);
            begun = head;
            ofRows = rowsOfHead(head);
            setFacts({ copy: "fetching", fetched: { rows: Math.min(done, ofRows), ofRows } });
          },
          rows: async (line) => {
            const rows = await writer?.putLine(line);
            if (rows === undefined) return false;
            done += rows;
            setFacts({ fetched: { rows: Math.min(done, ofRows), ofRows } });
            return true;
          },
        },
        needed,
        part,
      );
      fetching = undefined;
      if (result.ok && writer && begun && !isStopped) {
        cursor = await writer.finish(begun);
        failures = 0;
        onCopied(cursor);
        return;
      }
      // What has arrived is continued the next time.
      await writer?.leave();
      if (!result.ok && !isStopped) onSnapshotRefused(result);
    } catch (error) {
      fetching = undefined;
      // Lines that contradict each other are the relay's fault, everything else is the store's.
      const isRelays = error instanceof MisfitError || error instanceof GapError;
      if (!isRelays) setFacts({ storage: storageTrouble(error) });
      await writer?.abandon().catch(() => undefined);
      if (!isStopped) pauseThen(() => then(fetchCopy));
    }
  }

  function onCopied(at: Cursor): void {
    snapshotRefused = undefined;
    headSeq = Math.max(headSeq, at.seq);
    setFacts({
      ...linkFacts,
      ...(linkFacts.refused ? {} : { refused: undefined }),
      copy: "whole",
      fetched: undefined,
      mismatch: undefined,
      storage: undefined,
      behindBy: behind(),
    });
    scheduleTook();
    // Only changes that follow the snapshot without a hole, in the same life of the log, may be applied to it.
    const first = queue.flatMap((batch) => batch.changes).find((change) => change.seq > at.seq);
    const fits = !overflowed && epoch === at.epoch && (first === undefined || first.seq === at.seq + 1);
    const reaches = first !== undefined || headSeq <= at.seq;
    if (!fits || !reaches || facts.link !== "up") {
      askAgain();
      return;
    }
    phase = "live";
    if (queue.length > 0 && !isDraining) {
      isDraining = true;
      then(drain);
    }
  }

  function onSnapshotRefused(result: { code: RefusalCode | "broken"; retryAfterMs?: number }): void {
    if (result.code !== "broken") {
      const { nextStep } = refusals[result.code];
      if (nextStep === "ask-for-access" || nextStep === "ask-user-to-update" || nextStep === "give-up") {
        snapshotRefused = { code: result.code, nextStep };
        setFacts({ link: "refused", refused: snapshotRefused });
      }
    }
    pauseThen(() => then(fetchCopy), result.retryAfterMs);
  }

  function pauseThen(step: () => void, atLeastMs = 0): void {
    stopPause?.();
    const waitMs = Math.min(PAUSE_MOST_MS, Math.max(atLeastMs, waitBefore(failures, needs.die(), 500, PAUSE_MOST_MS)));
    failures += 1;
    stopPause = needs.after(waitMs, () => {
      if (!isStopped) step();
    });
  }

  function scheduleTook(): void {
    if (stopTook) return;
    stopTook = needs.after(TOOK_EVERY_MS, () => {
      stopTook = undefined;
      if (!cursor || cursor.seq === tookSeq) return;
      tookSeq = cursor.seq;
      watch.took(cursor.seq);
    });
  }

  const watch = needs.watch({ spreadsheetId, token: needs.token, cursor: () => cursor, onFrame, onLink });

  return {
    facts: () => facts,
    stop: async () => {
      isStopped = true;
      fetching?.abort();
      stopTook?.();
      stopPause?.();
      watch.stop();
      await work;
    },
  };
}

/** Where the copy stands. One whose lists cannot be read counts as none, for a new one takes its place. */
async function whatIsHeld(copy: CopyWriter): Promise<{ cursor: Cursor | undefined; isWhole: boolean }> {
  try {
    const cursor = await copy.cursor();
    return { cursor, isWhole: (await copy.sheets())?.whole ?? false };
  } catch {
    return { cursor: undefined, isWhole: false };
  }
}

/** The time of the last change that says something new; proofs do not count. */
function changedAt(changes: readonly Change[], now: number): Partial<SyncFacts> {
  return changes.some((change) => change.kind !== "verified") ? { lastChangeAt: now } : {};
}

function storageTrouble(error: unknown): "full" | "failed" {
  const name = error instanceof Error ? error.name : "";
  const inner = error instanceof Error && "inner" in error && error.inner instanceof Error ? error.inner.name : "";
  return name === "QuotaExceededError" || inner === "QuotaExceededError" ? "full" : "failed";
}
