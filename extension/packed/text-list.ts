import { unitsOf } from "./gathered.ts";

/** So many texts at a column's beginning are all new: then the rest of it is taken to be new, too. */
const ALL_NEW_AFTER = 32;

/**
 * The texts of a block as they are written: each once, in the order in which they come. A column in which hardly any
 * comes twice is written one after the other, whatever came before.
 */
export class TextList {
  #count = 0;
  #list = new Int32Array(1_024);
  #indices = new Int32Array(1_024);
  /** Where in the list a gathered text stands, counted from 1. */
  #places = new Int32Array(1_024);

  /** Begins a list of texts of which so many were gathered. */
  begin(texts: number): void {
    this.#count = 0;
    if (this.#places.length < texts) this.#places = new Int32Array(texts * 2);
    else this.#places.fill(0, 0, texts);
  }

  /** Which text of the gathered ones stands at this place of the list. */
  textOf(index: number): number {
    return this.#list[index] as number;
  }

  /** The place of a text in the list. */
  indexOf(text: number): number {
    const place = this.#places[text] as number;
    if (place !== 0) return place - 1;
    const index = this.#count;
    if (index === this.#list.length) this.#reserve(1);
    this.#list[index] = text;
    this.#count = index + 1;
    this.#places[text] = index + 1;
    return index;
  }

  /** The places of a column's texts. They stay until the next column is asked for. */
  indicesOf(all: Int32Array, count: number): Int32Array {
    this.#reserve(count);
    const indices = this.#indices;
    const before = this.#count;
    for (let n = 0; n < count; n += 1) {
      if (n < ALL_NEW_AFTER || this.#count < before + n) indices[n] = this.indexOf(all[n] as number);
      else {
        indices[n] = this.#count;
        this.#list[this.#count] = all[n] as number;
        this.#count += 1;
      }
    }
    return indices;
  }

  /** How many there are, how long each is in UTF-16 units, and the longest. */
  finish(): { count: number; lengths: Int32Array; longest: number } {
    const count = this.#count;
    const lengths = this.#indices;
    let longest = 0;
    for (let n = 0; n < count; n += 1) {
      const units = unitsOf(this.#list[n] as number);
      lengths[n] = units;
      if (units > longest) longest = units;
    }
    return { count, lengths, longest };
  }

  #reserve(more: number): void {
    const needed = this.#count + more;
    if (needed <= this.#list.length) return;
    const list = new Int32Array(needed * 2);
    list.set(this.#list);
    this.#list = list;
    // Written anew for each column.
    this.#indices = new Int32Array(needed * 2);
  }
}
