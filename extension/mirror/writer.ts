import { seedOf } from "@sheetwire/shared/digest";
import type { Change, Cursor } from "@sheetwire/shared/protocol";
import { BrokenBlockError } from "../packed/packed.ts";
import { applyWithWords } from "./applying.ts";
import { Blocks } from "./blocks.ts";
import { checkpoint, type TailWeight } from "./checkpoint.ts";
import { cursorIn } from "./cursor.ts";
import { isSame, logFrom, type CopyRecord, type LogEntry, type LogRecord, type MirrorDatabase } from "./database.ts";
import { withRoom } from "./eviction.ts";
import { GapError, MismatchError } from "./faults.ts";
import type { Image } from "./image/image.ts";
import type { Copy } from "./mirror.ts";
import type { Notice } from "./notices.ts";
import { committed, giveUp, settled } from "./requests.ts";
import { alone } from "./locks.ts";
import { continueSnapshot, startSnapshot, type SnapshotNeeds } from "./snapshot-writer.ts";
import { dropEverything, sweep } from "./sweep.ts";
import { loadImage } from "./views.ts";

/** Quiet time after which the tail is folded into blocks, in milliseconds. */
const CHECKPOINT_AFTER_MS = 1_000;
/** The tail is folded without waiting for quiet when it has more operations: so many, or so many for each block. */
const TAIL_LEAST_OPERATIONS = 4_096;
const TAIL_OPERATIONS_PER_BLOCK = 8;

/** So often a commit is tried that another context came before with something of its own. */
const MOST_TRIES = 4;
/** Whoever begins to follow a copy notes it, unless that was done within this time, in milliseconds. */
const NOTE_USE_EVERY_MS = 60 * 60 * 1000;

export type Writer = Pick<Copy, "cursor" | "take" | "startSnapshot" | "continueSnapshot" | "forget" | "checkpoint"> & {
  /** Begins nothing more. What is under way fails when the database is closed, and nothing of it is kept. */
  stop: () => void;
};

type Waiting = {
  changes: readonly Change[];
  cursor: Cursor;
  resolve: () => void;
  reject: (error: unknown) => void;
};
type Held = { record: CopyRecord; image: Image; tail: TailWeight };

/** Writes one spreadsheet's copy. What writes lists and tail goes one after the other; blocks are written beside that. */
export function createWriter(
  database: MirrorDatabase,
  spreadsheetId: string,
  needs: {
    tell: (notice: Notice) => void;
    checkpointAfterMs?: number;
    now: () => number;
    onCheckpointFailed: (error: unknown) => void;
  },
): Writer {
  const { tell, checkpointAfterMs = CHECKPOINT_AFTER_MS } = needs;
  const seed = seedOf(spreadsheetId);
  const blocks = new Blocks(database);
  let held: Held | undefined;
  /** What was committed since the checkpoint under way began. */
  let since: LogEntry[] | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let folding: Promise<void> | undefined;
  let work: Promise<unknown> = Promise.resolve();
  let isStopped = false;
  let waiting: Waiting[] = [];

  const inTurn = <T>(step: () => Promise<T>): Promise<T> => {
    const done = work.then(step);
    work = done.catch(() => undefined);
    return done;
  };
  const letGo = (): void => {
    held = undefined;
    since = undefined;
    blocks.clear();
  };

  /** The first to ask reads what `take` will need, in one transaction; later on others may have written. */
  function standsAt(): Promise<Cursor | undefined> {
    if (held) return cursorIn(database.begin(["copies", "log"], "readonly"), spreadsheetId);
    return inTurn(async () => {
      held ??= await loadImage(database, spreadsheetId);
      if (held && needs.now() - held.record.usedAt > NOTE_USE_EVERY_MS) await noteUse().catch(() => undefined);
      return held?.image.cursor;
    });
  }

  /** Notes that the copy is followed, so that it is not given up for another. Where that fails, it is noted another time. */
  async function noteUse(): Promise<void> {
    const transaction = database.begin(["copies"], "readwrite");
    const done = committed(transaction);
    const copies = transaction.objectStore("copies");
    const record = await settled<CopyRecord | undefined>(copies.get(spreadsheetId));
    if (record) copies.put({ ...record, usedAt: needs.now() } satisfies CopyRecord);
    await done;
  }

  /** What arrives while a commit is under way shares the next. */
  function take(changes: readonly Change[], cursor: Cursor): Promise<void> {
    if (changes.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      waiting.push({ changes, cursor, resolve, reject });
      if (waiting.length === 1) void inTurn(takeWaiting);
    });
  }

  async function takeWaiting(): Promise<void> {
    const batches = waiting;
    waiting = [];
    const last = batches.at(-1);
    if (!last) return;
    try {
      const changes = batches.length === 1 ? last.changes : batches.flatMap((batch) => batch.changes);
      await takeInTurn(changes, last.cursor);
      for (const batch of batches) batch.resolve();
    } catch (error) {
      if (batches.length === 1) last.reject(error);
      else await takeOneByOne(batches);
    }
    scheduleCheckpoint();
  }

  /** Together they were refused: each is told what is wrong with it, and with no other. */
  async function takeOneByOne(batches: readonly Waiting[]): Promise<void> {
    for (const { changes, cursor, resolve, reject } of batches) {
      try {
        await takeInTurn(changes, cursor);
        resolve();
      } catch (error) {
        reject(error);
      }
    }
  }

  async function takeInTurn(changes: readonly Change[], cursor: Cursor, triesLeft = MOST_TRIES): Promise<void> {
    const isFresh = !held;
    held ??= await loadImage(database, spreadsheetId);
    const at = held?.image.cursor;
    if (!held || !at) throw new GapError("Changes came, but no copy is held.");
    const entries: LogEntry[] = [];
    try {
      if (at.epoch !== cursor.epoch) throw new GapError("Changes of another life of the log came.");
      let { seq } = at;
      for (const change of changes) {
        if (change.seq !== seq + 1) throw new GapError(`Holding change ${seq}, but ${change.seq} came next.`);
        seq = change.seq;
        entries.push(await applyWithWords(change, { image: held.image, blocks, seed }));
      }
      if (seq !== cursor.seq) throw new GapError(`The changes end at ${seq}, the cursor says ${cursor.seq}.`);
      const { image } = held;
      const entry = { spreadsheetId, first: at.seq + 1, last: seq, cursor, entries, bytes: weightOf(entries) };
      await withRoom(database, spreadsheetId, needs.now, () => commit(image, entry));
      held.image.cursor = cursor;
      held.tail.bytes += entry.bytes;
      held.tail.changes += entries.length;
      since?.push(...entries);
    } catch (error) {
      // The image may have gone further than the store: it is read again.
      letGo();
      if (error instanceof BrokenBlockError) throw new MismatchError("A block of the copy cannot be read.");
      // Another context may have written since this one looked: again, from what is there now. It may have been a checkpoint.
      const isWorthwhile = error instanceof MovedError ? triesLeft > 1 : error instanceof GapError && !isFresh;
      if (isWorthwhile) return takeInTurn(changes, cursor, triesLeft - 1);
      if (error instanceof MovedError) throw new GapError("Another context is writing this copy.");
      throw error;
    }
    tell({ spreadsheetId, what: "changes", seq: cursor.seq, ...newsOf(entries, at.seq) });
  }

  /** One small record in one transaction, if nobody else has written meanwhile. */
  async function commit(image: Image, entry: LogRecord): Promise<void> {
    const transaction = database.begin(["copies", "log"], "readwrite");
    const done = committed(transaction);
    const added = transaction.objectStore("log").add(entry);
    const asked = transaction.objectStore("copies").get(spreadsheetId) as IDBRequest<CopyRecord | undefined>;
    let hasMoved = false;
    added.onerror = () => (hasMoved = added.error?.name === "ConstraintError");
    asked.onsuccess = () => {
      hasMoved = !isSame(asked.result, image);
      if (hasMoved) giveUp(transaction);
      // It need not wait until this has been told that the record is in; where it is not, nothing is committed.
      else transaction.commit();
    };
    try {
      await done;
    } catch (error) {
      throw hasMoved ? new MovedError() : error;
    }
  }

  function scheduleCheckpoint(): void {
    if (isStopped || folding) return;
    clearTimeout(timer);
    const { operations = 0 } = held?.image ?? {};
    if (operations > mostOperations(held?.image)) void foldSafely();
    else {
      timer = setTimeout(() => void foldSafely(), checkpointAfterMs);
      // Node's timers keep a process alive; a browser's do not need to be told.
      if (typeof timer === "object") (timer as { unref?: () => void }).unref?.();
    }
  }

  /** A checkpoint that fails leaves everything as it was; the next one tries again. */
  async function foldSafely(): Promise<void> {
    try {
      await fold();
    } catch (error) {
      // In turn: a commit that is under way goes on with what it began with.
      await inTurn(async () => letGo());
      if (!isStopped) needs.onCheckpointFailed(error);
    }
  }

  function fold(): Promise<void> {
    clearTimeout(timer);
    folding ??= foldNow();
    return folding;
  }

  async function foldNow(): Promise<void> {
    try {
      await alone("checkpoint", database.name, spreadsheetId, foldAlone);
    } finally {
      folding = undefined;
    }
    // What came meanwhile began no checkpoint of its own.
    if (held && held.tail.changes > 0) scheduleCheckpoint();
  }

  async function foldAlone(): Promise<void> {
    const start = await inTurn(async () => {
      held ??= await loadImage(database, spreadsheetId);
      if (!held?.image.cursor || held.tail.changes === 0) return undefined;
      since = [];
      return { held, image: held.image.clone(), weight: { ...held.tail } };
    });
    if (!start || isStopped) return;
    const folded = await checkpoint(database, spreadsheetId, start.image, () => isStopped || held !== start.held);
    await inTurn(async () => {
      if (!folded && held === start.held) letGo();
      if (!folded) return;
      if (isStopped || held !== start.held || !since) return;
      const { tail, image } = start.held;
      const next = await folded.show(start.weight);
      // What came meanwhile stands in the tail: it goes over the new lists as in every other context.
      for (const { change } of since) next.image.apply(change);
      next.image.cursor = image.cursor;
      const left = { bytes: tail.bytes - start.weight.bytes, changes: tail.changes - start.weight.changes };
      held = { ...next, tail: left };
      since = undefined;
      blocks.clear();
    });
    if (folded) await sweep(database, spreadsheetId);
  }

  const snapshotNeeds: SnapshotNeeds = {
    database,
    spreadsheetId,
    now: needs.now,
    tell,
    inTurn: (step) =>
      inTurn(async () => {
        letGo();
        return step();
      }),
  };

  return {
    cursor: standsAt,
    take,
    startSnapshot: (head, etag) => startSnapshot(snapshotNeeds, head, etag),
    continueSnapshot: () => continueSnapshot(snapshotNeeds),
    forget: () =>
      inTurn(async () => {
        clearTimeout(timer);
        letGo();
        const transaction = database.begin(["copies", "grids", "packed", "log"], "readwrite");
        const done = committed(transaction);
        const record = await settled<CopyRecord | undefined>(transaction.objectStore("copies").get(spreadsheetId));
        if (record) await dropEverything(transaction, record, logFrom(spreadsheetId));
        await done;
        if (record) tell({ spreadsheetId, what: "forgotten" });
      }),
    checkpoint: async () => {
      await folding?.catch(() => undefined);
      await fold();
    },
    stop: () => {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}

/** Commits of more changes are read by whoever shows them. */
const NEWS_MOST = 16;

function newsOf(entries: readonly LogEntry[], afterSeq: number): Pick<Notice, "news"> {
  if (entries.length > NEWS_MOST) return {};
  const changes = entries.flatMap(({ summary }) => summary ?? []).reverse();
  return { news: { afterSeq, changes } };
}

/** Another context has written: what is held in memory is not what is in the store. */
class MovedError extends Error {
  override readonly name = "MovedError";
}

function mostOperations(image: Image | undefined): number {
  let pieces = 0;
  for (const sheet of image?.sheets.values() ?? []) pieces += sheet.pieces.length;
  return Math.max(TAIL_LEAST_OPERATIONS, TAIL_OPERATIONS_PER_BLOCK * pieces);
}

/** About how many bytes entries take in the store. */
const weightOf = (entries: readonly LogEntry[]): number => JSON.stringify(entries).length;
