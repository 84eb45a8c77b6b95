import { logFrom, type CopyRecord, type MirrorDatabase } from "./database.ts";
import { committed, settled } from "./requests.ts";
import { dropEverything } from "./sweep.ts";

/** A copy that was followed within this time is not given up for another, in milliseconds. */
const IN_USE_MS = 24 * 60 * 60 * 1000;

/**
 * Makes room when the store is full, one step at a time: first the history of whatever was not followed longest, then
 * whole copies that nobody has followed for a day. The copy that needs the room keeps its contents. False: nothing left to give.
 */
async function makeRoom(database: MirrorDatabase, keepId: string, now: number): Promise<boolean> {
  const transaction = database.begin(["copies", "grids", "packed", "log"], "readwrite");
  const done = committed(transaction);
  const copies = transaction.objectStore("copies");
  const records = await settled<CopyRecord[]>(copies.getAll());
  records.sort((a, b) => a.usedAt - b.usedAt);
  const withHistory = records.find((record) => record.history.changes > 0);
  const unused = records.find((record) => record.spreadsheetId !== keepId && now - record.usedAt > IN_USE_MS);
  if (withHistory?.cursor) {
    const { spreadsheetId, cursor } = withHistory;
    // Up to the checkpoint; what comes after it is the tail, and part of the contents.
    transaction.objectStore("log").delete(logFrom(spreadsheetId, 0, cursor.seq));
    copies.put({ ...withHistory, historyFrom: cursor.seq, history: { bytes: 0, changes: 0 } } satisfies CopyRecord);
  } else if (unused) {
    await dropEverything(transaction, unused, logFrom(unused.spreadsheetId));
  }
  await done;
  return withHistory?.cursor !== undefined || unused !== undefined;
}

const isQuota = (error: unknown): boolean => error instanceof DOMException && error.name === "QuotaExceededError";

/** Writes; where the store is full, makes room and writes again, as long as there is something to give. */
export async function withRoom<T>(
  database: MirrorDatabase,
  keepId: string,
  now: () => number,
  write: () => Promise<T>,
): Promise<T> {
  for (;;) {
    try {
      return await write();
    } catch (error) {
      if (!isQuota(error)) throw error;
      let isMade = false;
      try {
        isMade = await makeRoom(database, keepId, now());
      } catch (second) {
        // Deleting needs room too. Then the person is told that the disk is full.
        if (!isQuota(second)) throw second;
      }
      if (!isMade) throw error;
    }
  }
}
