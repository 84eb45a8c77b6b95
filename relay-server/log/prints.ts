/**
 * Which posts were taken, by fingerprints in flat tables: whether an id is new is then known without asking the store.
 * What is found is only a candidate: the store has the id itself.
 */
import { murmur128 } from "@sheetwire/shared/digest";

/** 64 bits of an id within its spreadsheet, as two unsigned halves. */
export type Print = { readonly high: number; readonly low: number };

export const printOf = (spreadsheetId: string, webhookId: string): Print =>
  murmur128(`${spreadsheetId} ${webhookId}`, 0x5eed);

/** At most this full, so that a look ends soon. */
const FULLEST = 0.6;
const SMALLEST = 1_024;

/** Prints with the number of the row that holds each; open addressing, so that an entry costs 12 bytes and no object. */
export class Prints {
  #high = new Uint32Array(SMALLEST);
  #low = new Uint32Array(SMALLEST);
  /** 0 for an empty place. */
  #row = new Uint32Array(SMALLEST);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add({ high, low }: Print, row: number): void {
    if (row < 1 || row > 0xffff_ffff) throw new RangeError(`Row ${row} does not fit the table of fingerprints.`);
    if (this.#size >= this.#row.length * FULLEST) this.#grow();
    this.#put(high, low, row);
    this.#size += 1;
  }

  /** The rows that may hold it. */
  find({ high, low }: Print): readonly number[] {
    let found: number[] | undefined;
    const mask = this.#row.length - 1;
    for (let at = low & mask; this.#row[at] !== 0; at = (at + 1) & mask) {
      if (this.#low[at] === low && this.#high[at] === high) (found ??= []).push(this.#row[at] ?? 0);
    }
    return found ?? NONE;
  }

  remove({ high, low }: Print, row: number): void {
    const mask = this.#row.length - 1;
    let at = low & mask;
    while (this.#row[at] !== 0 && !(this.#row[at] === row && this.#low[at] === low && this.#high[at] === high)) {
      at = (at + 1) & mask;
    }
    if (this.#row[at] === 0) return;
    // What follows is moved up, so that no look ends at the gap.
    for (let next = (at + 1) & mask; this.#row[next] !== 0; next = (next + 1) & mask) {
      const home = (this.#low[next] ?? 0) & mask;
      if (((next - home) & mask) < ((next - at) & mask)) continue;
      this.#high[at] = this.#high[next] ?? 0;
      this.#low[at] = this.#low[next] ?? 0;
      this.#row[at] = this.#row[next] ?? 0;
      at = next;
    }
    this.#row[at] = 0;
    this.#size -= 1;
  }

  clear(): void {
    this.#high = new Uint32Array(SMALLEST);
    this.#low = new Uint32Array(SMALLEST);
    this.#row = new Uint32Array(SMALLEST);
    this.#size = 0;
  }

  #put(high: number, low: number, row: number): void {
    const mask = this.#row.length - 1;
    let at = low & mask;
    while (this.#row[at] !== 0) at = (at + 1) & mask;
    this.#high[at] = high;
    this.#low[at] = low;
    this.#row[at] = row;
  }

  #grow(): void {
    const [high, low, row] = [this.#high, this.#low, this.#row];
    this.#high = new Uint32Array(row.length * 2);
    this.#low = new Uint32Array(row.length * 2);
    this.#row = new Uint32Array(row.length * 2);
    for (let at = 0; at < row.length; at += 1) {
      const held = row[at] ?? 0;
      if (held !== 0) this.#put(high[at] ?? 0, low[at] ?? 0, held);
    }
  }
}

const NONE: readonly number[] = [];

/** Prints as they are stored beside the posts, 8 bytes each. */
export function packPrints(prints: readonly Print[]): Buffer {
  const bytes = Buffer.allocUnsafe(prints.length * 8);
  prints.forEach(({ high, low }, at) => {
    bytes.writeUInt32LE(high, at * 8);
    bytes.writeUInt32LE(low, at * 8 + 4);
  });
  return bytes;
}

export function* unpackPrints(bytes: Uint8Array): Generator<Print> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 8 <= bytes.byteLength; at += 8) {
    yield { high: view.getUint32(at, true), low: view.getUint32(at + 4, true) };
  }
}
