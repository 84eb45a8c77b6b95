/** Keeps the write-ahead log short without stopping the world: another thread does the work, the last bit is done here. */
import { Worker } from "node:worker_threads";
import * as z from "zod";
import type { Store } from "./store.ts";

type Needs = { store: Store; path: string; onFault: (error: unknown) => void };

/** How often it is looked at how much was written, in milliseconds. */
const LOOK_EVERY_MS = 100;
/** With so many bytes written since the last time the log is moved: pages that are written again and again move once. */
const MOVE_AFTER_BYTES = 16 * 1024 * 1024;
/** With so few pages left it is done here: the log is then wholly moved, and begins again at its start. */
const LAST_PAGES = 512;
/** SQLite's own bound, for when the thread does not get to it. */
const FALLBACK_PAGES = 16_384;

/** SQLite's BUSY and FULL: somebody else is at it, or there is no room, which whoever writes is told anyway. It is tried again. */
const EXPECTED: ReadonlySet<number> = new Set([5, 13]);

const answerSchema = z.union([
  z.object({ left: z.number() }),
  z.object({ fault: z.string(), code: z.number().optional() }),
]);

export function startCheckpoints({ store, path, onFault }: Needs): () => Promise<void> {
  const { db } = store;
  db.exec(`PRAGMA wal_autocheckpoint = ${FALLBACK_PAGES}`);
  const finish = db.prepare("PRAGMA wal_checkpoint(PASSIVE)");
  const worker = new Worker(new URL("./checkpoint-worker.ts", import.meta.url), { workerData: { path } });
  worker.unref();
  let movedAt = store.writtenBytes();
  let isBusy = false;
  let told: string | undefined;
  let isStopped = false;
  worker.on("message", (message: unknown) => {
    isBusy = false;
    if (isStopped) return;
    const answer = answerSchema.parse(message);
    if ("fault" in answer) {
      const isExpected = answer.code !== undefined && EXPECTED.has(answer.code & 0xff);
      // Once: it is tried again every moment.
      if (!isExpected && told !== answer.fault)
        onFault(new Error(`The write-ahead log was not moved: ${answer.fault}`));
      told = answer.fault;
      return;
    }
    told = undefined;
    try {
      if (answer.left <= LAST_PAGES) {
        finish.get();
        movedAt = store.writtenBytes();
      }
    } catch (error) {
      onFault(error);
    }
  });
  worker.on("error", (error) => {
    // Without the thread SQLite moves the log itself, as it does by default.
    isBusy = true;
    onFault(error);
    if (!isStopped) db.exec("PRAGMA wal_autocheckpoint = 1000");
  });
  const timer = setInterval(() => {
    if (isBusy) return;
    // On a full disk the log is moved at once: what is moved need not grow any more, and what comes next has its place.
    if (!store.ranFull() && store.writtenBytes() - movedAt < MOVE_AFTER_BYTES) return;
    isBusy = true;
    worker.postMessage("move");
  }, LOOK_EVERY_MS);
  timer.unref();
  return async () => {
    isStopped = true;
    clearInterval(timer);
    await worker.terminate();
  };
}
