import { BrokenBlockError, openBlock, type PackedBlock } from "../packed/packed.ts";
import { blockKey, type MirrorDatabase } from "./database.ts";
import type { BlockOf, StoredBlock } from "./image/image.ts";
import { settled } from "./requests.ts";

/** So many bytes of blocks stay in memory for those who look at the same place again. */
const KEPT_MOST_BYTES = 8 * 1024 * 1024;

/** Loads blocks, and keeps those that were used last. A block never changes under its id. */
export class Blocks {
  readonly #database: MirrorDatabase;
  readonly #mostBytes: number;
  readonly #kept = new Map<number, PackedBlock>();
  #bytes = 0;

  constructor(database: MirrorDatabase, mostBytes = KEPT_MOST_BYTES) {
    this.#database = database;
    this.#mostBytes = mostBytes;
  }

  /** Loads what is not here yet, within a transaction if there is one; `isScan` keeps what is read only once out of memory. */
  async load(
    place: number,
    blocks: readonly StoredBlock[],
    { transaction, isScan = false }: { transaction?: () => IDBTransaction; isScan?: boolean } = {},
  ): Promise<BlockOf> {
    const found = new Map<number, PackedBlock>();
    const missing: StoredBlock[] = [];
    for (const block of blocks) {
      const key = blockKey(place, block.id);
      const kept = this.#kept.get(key);
      if (kept) {
        found.set(block.id, kept);
        this.#kept.delete(key);
        this.#kept.set(key, kept);
      } else missing.push(block);
    }
    if (missing.length > 0) {
      const store = (transaction?.() ?? this.#database.begin(["packed"], "readonly")).objectStore("packed");
      const ids = missing.map((block) => block.id).sort((a, b) => a - b);
      const loads: Promise<[ids: readonly number[], values: unknown[]]>[] = [];
      for (const run of consecutive(ids)) {
        const [first, last] = [blockKey(place, run[0] as number), blockKey(place, run.at(-1) as number)];
        if (run.length === 1) loads.push(settled<unknown>(store.get(first)).then((value) => [run, [value]]));
        else {
          const range = IDBKeyRange.bound(first, last);
          loads.push(settled<unknown[]>(store.getAll(range)).then((values) => [run, values]));
        }
      }
      for (const [run, values] of await Promise.all(loads)) {
        if (values.length !== run.length)
          throw new BrokenBlockError(`${values.length} blocks of ${run.length} are there.`);
        run.forEach((id, n) => {
          const bytes = values[n];
          if (!(bytes instanceof Uint8Array)) throw new BrokenBlockError(`Block ${id} is not there.`);
          const block = openBlock(bytes);
          found.set(id, block);
          if (!isScan) this.#keep(blockKey(place, id), block);
        });
      }
    }
    return (block) => {
      const packed = found.get(block.id);
      if (!packed) throw new Error(`Block ${block.id} was not asked for.`);
      if (packed.rowCount !== block.rows) {
        throw new BrokenBlockError(`Block ${block.id} has ${packed.rowCount} rows of ${block.rows}.`);
      }
      return packed;
    };
  }

  clear(): void {
    this.#kept.clear();
    this.#bytes = 0;
  }

  #keep(key: number, block: PackedBlock): void {
    if (this.#kept.has(key)) return;
    this.#kept.set(key, block);
    this.#bytes += block.byteLength;
    for (const [oldest, dropped] of this.#kept) {
      if (this.#bytes <= this.#mostBytes) return;
      this.#kept.delete(oldest);
      this.#bytes -= dropped.byteLength;
    }
  }
}

/** Sorted numbers in runs without holes: one request reads a run. */
function consecutive(sorted: readonly number[]): number[][] {
  const runs: number[][] = [];
  for (const number of sorted) {
    const last = runs.at(-1);
    if (last && last.at(-1) === number - 1 && last.length < 64) last.push(number);
    else runs.push([number]);
  }
  return runs;
}
