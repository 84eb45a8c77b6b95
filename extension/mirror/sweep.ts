import { blockKey, blocksOfPlace, type CopyRecord, type GridRecord, type MirrorDatabase } from "./database.ts";
import { unlessReading } from "./locks.ts";
import { committed, settled } from "./requests.ts";

/** Deletes blocks that no list names any more, when nobody reads at length. */
export async function sweep(database: MirrorDatabase, spreadsheetId: string): Promise<void> {
  await unlessReading(database.name, spreadsheetId, async () => {
    const transaction = database.begin(["copies", "grids", "packed"], "readwrite");
    const done = committed(transaction);
    const packed = transaction.objectStore("packed");
    const copies = transaction.objectStore("copies");
    const grids = transaction.objectStore("grids");
    const record = await settled<CopyRecord | undefined>(copies.get(spreadsheetId));
    if (record) {
      for (const place of record.dropped) packed.delete(blocksOfPlace(place));
      if (record.dropped.length > 0) copies.put({ ...record, dropped: [] } satisfies CopyRecord);
      for (const grid of await settled<GridRecord[]>(grids.index("copy").getAll(record.shown))) {
        if (grid.dropped.length === 0) continue;
        for (const id of grid.dropped) packed.delete(blockKey(grid.place, id));
        grids.put({ ...grid, dropped: [] } satisfies GridRecord);
      }
    }
    await done;
  });
}

/** Takes the sheets of a copy away, and answers whose blocks can go. */
export async function dropGrids(grids: IDBObjectStore, copy: string): Promise<number[]> {
  const places = (await settled(grids.index("copy").getAllKeys(copy))).map(Number);
  for (const place of places) grids.delete(place);
  return places;
}

/** Deletes all that is held of a spreadsheet, blocks included. */
export async function dropEverything(transaction: IDBTransaction, record: CopyRecord, log: IDBKeyRange): Promise<void> {
  const grids = transaction.objectStore("grids");
  const copies = [record.shown, ...(record.arriving ? [record.arriving.copy] : [])];
  const places = [...record.dropped];
  for (const copy of copies) places.push(...(await dropGrids(grids, copy)));
  for (const place of places) transaction.objectStore("packed").delete(blocksOfPlace(place));
  transaction.objectStore("log").delete(log);
  transaction.objectStore("copies").delete(record.spreadsheetId);
}
