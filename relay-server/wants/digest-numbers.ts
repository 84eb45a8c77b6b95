/**
 * Numbers the digests of rows, in flat tables: a Map of their texts takes five times as long, and a sheet that was sorted
 * has all of its rows looked up.
 */
import { randomInt } from "node:crypto";
import { mix, type Digest } from "@sheetwire/shared/digest";

/** Stands where there is no number, and no row. */
export const NONE = -1;

/** Whoever posts digests cannot choose them so that they all lead to one place. */
const [SALT_HIGH, SALT_LOW] = [randomInt(2 ** 32), randomInt(2 ** 32)];

/** The digests of the rows from `from` to before `to`, numbered from 0 in the order in which they first stand there. Blank rows have no number. */
export class DigestNumbers {
  readonly #digests: readonly Digest[];
  /** Open addressing; twice as many places as rows at least. */
  readonly #places: Int32Array;
  /** By number: the first row that has it. */
  readonly #rows: Int32Array;
  readonly #isRepeated: Uint8Array;
  #size = 0;

  constructor(digests: readonly Digest[], from: number, to: number) {
    this.#digests = digests;
    this.#rows = new Int32Array(Math.max(0, to - from));
    this.#isRepeated = new Uint8Array(this.#rows.length);
    this.#places = new Int32Array(2 ** Math.ceil(Math.log2(this.#rows.length * 2 + 2))).fill(NONE);
    for (let row = from; row < to; row += 1) this.#add(row);
  }

  get size(): number {
    return this.#size;
  }

  /** The only row that has the digest of this number, or NONE. */
  onlyRow(number: number): number {
    return this.#isRepeated[number] === 0 ? (this.#rows[number] ?? NONE) : NONE;
  }

  /** The number of a digest, or NONE. */
  of(digest: Digest | undefined): number {
    return digest && !isBlank(digest) ? (this.#places[this.#placeOf(digest)] ?? NONE) : NONE;
  }

  #add(row: number): void {
    const digest = this.#digests[row];
    if (!digest || isBlank(digest)) return;
    const place = this.#placeOf(digest);
    const number = this.#places[place] ?? NONE;
    if (number !== NONE) {
      this.#isRepeated[number] = 1;
      return;
    }
    this.#places[place] = this.#size;
    this.#rows[this.#size] = row;
    this.#size += 1;
  }

  /** Where the digest stands, or the empty place where it would. */
  #placeOf({ high, low }: Digest): number {
    const mask = this.#places.length - 1;
    for (let place = scatter(high, low) & mask; ; place = (place + 1) & mask) {
      const number = this.#places[place] ?? NONE;
      if (number === NONE) return place;
      const held = this.#digests[this.#rows[number] ?? NONE];
      if (held && (held.high ^ high) === 0 && (held.low ^ low) === 0) return place;
    }
  }
}

export const isBlank = ({ high, low }: Digest): boolean => high === 0 && low === 0;

/** The last steps of MurmurHash3, once for each half. */
function scatter(high: number, low: number): number {
  return mix(mix(high ^ SALT_HIGH) ^ low ^ SALT_LOW);
}
