/** Yjs with its store in IndexedDB, asked only how soon a sheet is there again: it reads everything before it shows anything. */
import { IndexeddbPersistence } from "y-indexeddb";
import * as Y from "yjs";
import { rowsOfSnapshot, VIEW_COLUMNS, VIEW_ROWS, type Cell, type Peer } from "./peer.ts";

let doc: Y.Doc;
let store: IndexeddbPersistence;

const cannot = (): Promise<never> => Promise.reject(new Error("Yjs is asked for a reload only."));

export const peer: Peer = {
  async open() {
    doc = new Y.Doc();
    store = new IndexeddbPersistence("yjs", doc);
    await store.whenSynced;
  },
  async load(snapshot) {
    const sheet = doc.getArray<Cell[]>("sheet");
    doc.transact(() => {
      for (const { rows } of rowsOfSnapshot(snapshot)) sheet.push(rows);
    });
    // Its store has no word for "written": closing waits for what is under way.
    await store.destroy();
    store = new IndexeddbPersistence("yjs", doc);
    await store.whenSynced;
  },
  viewport({ row, column }) {
    const rows = doc.getArray<Cell[]>("sheet").slice(row, row + VIEW_ROWS);
    return Promise.resolve(rows.map((cells) => cells.slice(column, column + VIEW_COLUMNS)));
  },
  edit: cannot,
  insertTop: cannot,
  search: cannot,
  csv: cannot,
  close: () => store.destroy(),
};
