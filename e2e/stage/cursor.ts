/** Where the mirror stands, read from the store by the layout that extension/mirror/README.md describes. */
import type { Page } from "playwright-core";

export type StoredCursor = {
  seq: number;
  chain: string;
  /** Places where the records of the log do not follow on one another. */
  holes: number[];
};

export async function cursorOf(page: Page, spreadsheetId: string): Promise<StoredCursor | undefined> {
  return (await page.evaluate(readCursor, spreadsheetId)) ?? undefined;
}

/** Runs inside the page: everything it needs is in here. */
async function readCursor(spreadsheetId: string): Promise<StoredCursor | null> {
  type Cursor = { seq: number; chain: string };
  const settled = <T>(request: IDBRequest<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(new Error(String(request.error)));
    });
  const known = await indexedDB.databases();
  if (!known.some((one) => one.name === "sheetwire-mirror")) return null;
  const database = await settled(indexedDB.open("sheetwire-mirror"));
  try {
    const stores = database.transaction(["copies", "log"], "readonly");
    const copy = (await settled(stores.objectStore("copies").get(spreadsheetId))) as
      | { cursor?: Cursor; historyFrom: number }
      | undefined;
    if (!copy?.cursor) return null;
    const all = IDBKeyRange.bound([spreadsheetId], [spreadsheetId, []]);
    const records = (await settled(stores.objectStore("log").getAll(all))) as {
      first: number;
      last: number;
      cursor: Cursor;
      entries: unknown[];
    }[];
    const holes: number[] = [];
    let at: Cursor = copy.cursor;
    let before: number | undefined;
    for (const { first, last, cursor, entries } of records) {
      // A new copy brings what no change told: the history that it begins has no part in what was before it.
      const isOneHistory = before !== undefined && first !== copy.historyFrom + 1;
      if (isOneHistory && first !== (before ?? 0) + 1) holes.push(first);
      if (last !== first + entries.length - 1 || cursor.seq !== last) holes.push(first);
      before = last;
      if (last > at.seq) at = cursor;
    }
    const firstOfTail = records.find((record) => record.last > (copy.cursor?.seq ?? 0));
    if (firstOfTail && firstOfTail.first !== copy.cursor.seq + 1) holes.push(firstOfTail.first);
    return { seq: at.seq, chain: at.chain, holes };
  } finally {
    database.close();
  }
}
