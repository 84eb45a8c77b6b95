import type { Cursor } from "@sheetwire/shared/protocol";
import { logFrom, type CopyRecord, type LogRecord } from "./database.ts";
import { settled } from "./requests.ts";

/** Where a whole copy stands: at the end of its tail, or at the last checkpoint. The transaction sees `copies` and `log`. */
export async function cursorIn(transaction: IDBTransaction, spreadsheetId: string): Promise<Cursor | undefined> {
  const [record, newest] = await Promise.all([
    settled<CopyRecord | undefined>(transaction.objectStore("copies").get(spreadsheetId)),
    settled(transaction.objectStore("log").openCursor(logFrom(spreadsheetId), "prev")),
  ]);
  if (!record?.cursor) return undefined;
  const tail = newest?.value as LogRecord | undefined;
  return tail && tail.first > record.cursor.seq ? tail.cursor : record.cursor;
}
