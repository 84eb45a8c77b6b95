/** A thread of its own that moves the write-ahead log into the database, so that nobody waits for the disk meanwhile. */
import { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";

const { path } = workerData as { path: string };
const db = new DatabaseSync(path, { timeout: 1_000 });
// What is moved has to be on the disk before the log may be written over.
db.exec("PRAGMA synchronous = NORMAL");
const checkpoint = db.prepare("PRAGMA wal_checkpoint(PASSIVE)");

parentPort?.on("message", () => {
  try {
    const { log, checkpointed } = checkpoint.get() ?? {};
    parentPort?.postMessage({ left: Number(log) - Number(checkpointed) });
  } catch (error) {
    const code = error instanceof Error && "errcode" in error ? error.errcode : undefined;
    parentPort?.postMessage({ fault: error instanceof Error ? error.message : "unknown", code });
  }
});
