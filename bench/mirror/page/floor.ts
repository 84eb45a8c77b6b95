/**
 * The floor: raw IndexedDB moving as many bytes as the mirror does, in records of 256 rows, and doing nothing with them.
 * It cannot answer anything; it says what the moving alone costs.
 */
import { committed, settled, VIEW_ROWS, type Peer } from "./peer.ts";
import { packedBlocks } from "./packed-blocks.ts";

const BLOCK_ROWS = 256;

let database: IDBDatabase;
let packed: Uint8Array<ArrayBuffer>[] = [];
/** Blocks that are stored. */
let count = 0;

const write = (): { store: IDBObjectStore; done: Promise<void> } => {
  const transaction = database.transaction("blocks", "readwrite", { durability: "relaxed" });
  return { store: transaction.objectStore("blocks"), done: committed(transaction) };
};
const read = (): IDBObjectStore => database.transaction("blocks", "readonly").objectStore("blocks");
const bytesOf = (blocks: readonly unknown[]): { bytes: number } => {
  let bytes = 0;
  for (const block of blocks) {
    if (!(block instanceof Uint8Array)) throw new Error("The floor gave back something else than bytes.");
    bytes += block.length;
  }
  return { bytes };
};
const allBlocks = async (): Promise<{ bytes: number }> =>
  bytesOf(await settled(read().getAll() as IDBRequest<unknown[]>));

/** Writes the block that holds a row, as it stands. */
async function rewrite(row: number): Promise<void> {
  const index = Math.floor(row / BLOCK_ROWS) % packed.length;
  const { store, done } = write();
  store.put(packed[index], index);
  await done;
}

export const peer: Peer = {
  async open() {
    const request = indexedDB.open("floor", 1);
    request.onupgradeneeded = () => void request.result.createObjectStore("blocks");
    database = await settled(request);
    count = await settled(read().count());
  },
  prepare: async (snapshot) => Promise.resolve(void (packed = packedBlocks(snapshot))),
  ready: async () => void (packed = (await settled(read().getAll())) as Uint8Array<ArrayBuffer>[]),
  async load() {
    const { store, done } = write();
    packed.forEach((block, index) => store.put(block, index));
    await done;
    count = packed.length;
  },
  edit: ({ row }) => rewrite(row),
  insertTop: () => rewrite(0),
  async viewport({ row }) {
    // The floor does not grow when rows are inserted: its last block stands for all below it.
    const blockOf = (at: number): number => Math.min(Math.floor(at / BLOCK_ROWS), count - 1);
    const [first, last] = [blockOf(row), blockOf(row + VIEW_ROWS - 1)];
    const store = read();
    const blocks = first === last ? [first] : [first, last];
    return bytesOf(await Promise.all(blocks.map((block) => settled(store.get(block) as IDBRequest<unknown>))));
  },
  search: () => allBlocks(),
  csv: () => allBlocks(),
  close: () => Promise.resolve(database.close()),
};
