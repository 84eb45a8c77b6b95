import { WIDTH_ONE, WIDTH_TWO } from "./format.ts";

/** Up to so many bytes are copied faster one by one. */
const COPIED_BY_HAND = 48;
/** Made with the first byte. */
const FEWEST_BYTES = 64 * 1024;

/** Bytes that grow as they are written, little endian as the machines that browsers run on are. */
export class ByteWriter {
  at = 0;
  #bytes = new Uint8Array();
  #view = new DataView(this.#bytes.buffer);

  reset(): void {
    this.at = 0;
  }

  /** What was written, in bytes of its own. */
  done(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.at);
  }

  /** Goes on by so many zeros. */
  skip(bytes: number): void {
    this.#reserve(bytes);
    this.#bytes.fill(0, this.at, this.at + bytes);
    this.at += bytes;
  }

  align(to: number): number {
    const rest = this.at % to;
    if (rest > 0) this.skip(to - rest);
    return this.at;
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#bytes[this.at] = value;
    this.at += 1;
  }
  u16(value: number): void {
    this.#reserve(2);
    this.#view.setUint16(this.at, value, true);
    this.at += 2;
  }
  f64(value: number): void {
    this.#reserve(8);
    this.#view.setFloat64(this.at, value, true);
    this.at += 8;
  }
  u8At(at: number, value: number): void {
    this.#bytes[at] = value;
  }
  u16At(at: number, value: number): void {
    this.#view.setUint16(at, value, true);
  }
  u32At(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  /** A bit for each of so many marks, which are 0 or 1. */
  bits(marks: Uint8Array, count: number): void {
    const from = this.at;
    this.skip((count + 7) >> 3);
    const bytes = this.#bytes;
    for (let n = 0; n < count; n += 1) bytes[from + (n >> 3)]! |= (marks[n] as number) << (n & 7);
  }

  /** Aligned to the width already. */
  unsigned(values: Int32Array, count: number, width: number): void {
    this.#reserve(count << width);
    const bytes = this.#bytes;
    const view = this.#view;
    let { at } = this;
    if (width === WIDTH_ONE) for (let n = 0; n < count; n += 1) bytes[at + n] = values[n] as number;
    else if (width === WIDTH_TWO) {
      for (let n = 0; n < count; n += 1, at += 2) view.setUint16(at, values[n] as number, true);
    } else for (let n = 0; n < count; n += 1, at += 4) view.setUint32(at, values[n] as number, true);
    this.at += count << width;
  }

  scaled(numbers: Float64Array, count: number, scale: number, base: number, width: number): void {
    this.#reserve(count << width);
    const bytes = this.#bytes;
    const view = this.#view;
    let { at } = this;
    for (let n = 0; n < count; n += 1) {
      const value = Math.round((numbers[n] as number) * scale) - base;
      if (width === WIDTH_ONE) bytes[at] = value;
      else if (width === WIDTH_TWO) view.setUint16(at, value, true);
      else view.setUint32(at, value, true);
      at += 1 << width;
    }
    this.at = at;
  }

  floats(numbers: Float64Array, count: number): void {
    this.#reserve(count * 8);
    for (let n = 0; n < count; n += 1) this.#view.setFloat64(this.at + n * 8, numbers[n] as number, true);
    this.at += count * 8;
  }

  copy(from: Uint8Array, start: number, count: number): void {
    this.#reserve(count);
    const bytes = this.#bytes;
    const { at } = this;
    if (count > COPIED_BY_HAND) bytes.set(from.subarray(start, start + count), at);
    else for (let n = 0; n < count; n += 1) bytes[at + n] = from[start + n] as number;
    this.at = at + count;
  }

  /** Writes a text of UTF-8 bytes, lone surrogates among them as three bytes each, in UTF-16. */
  utf16(from: Uint8Array, start: number, count: number): void {
    this.#reserve(count * 2);
    for (let at = start; at < start + count;) {
      const lead = from[at] as number;
      const more = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
      let code = more === 0 ? lead : lead & (0x3f >> more);
      for (let n = 1; n <= more; n += 1) code = (code << 6) | ((from[at + n] as number) & 0x3f);
      at += more + 1;
      if (code > 0xffff) {
        this.u16(0xd7c0 + (code >> 10));
        code = 0xdc00 | (code & 0x3ff);
      }
      this.u16(code);
    }
  }

  #reserve(bytes: number): void {
    const needed = this.at + bytes;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2, FEWEST_BYTES));
    grown.set(this.#bytes.subarray(0, this.at));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}
