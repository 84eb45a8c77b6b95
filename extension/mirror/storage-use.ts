import { logFrom, type CopyRecord, type GridRecord, type LogRecord, type MirrorDatabase } from "./database.ts";
import { settled } from "./requests.ts";

/**
 * What one spreadsheet takes in this browser, in bytes. Browsers keep deleted data for a while: on disk it may be two or
 * three times as much.
 */
export type StorageUse = { contentBytes: number; historyBytes: number };

export async function storageOf(database: MirrorDatabase, spreadsheetId: string): Promise<StorageUse | undefined> {
  const transaction = database.begin(["copies", "grids", "log"], "readonly");
  const record = await settled<CopyRecord | undefined>(transaction.objectStore("copies").get(spreadsheetId));
  if (!record) return undefined;
  const grids = transaction.objectStore("grids").index("copy");
  const names = new Set([record.shown, ...(record.arriving ? [record.arriving.copy] : [])]);
  let contentBytes = 0;
  for (const name of names) {
    for (const { blocks, pieces } of await settled<GridRecord[]>(grids.getAll(name))) {
      contentBytes += blocks.byteLength + pieces.byteLength;
      for (let n = 2; n < blocks.length; n += 5) contentBytes += blocks[n] as number;
    }
  }
  const tailFrom = (record.cursor?.seq ?? 0) + 1;
  const tail = await settled<LogRecord[]>(transaction.objectStore("log").getAll(logFrom(spreadsheetId, tailFrom)));
  const historyBytes = record.history.bytes + tail.reduce((sum, { bytes }) => sum + bytes, 0);
  return { contentBytes, historyBytes };
}
