import { widths } from "./format.ts";

/** Bytes that grow as they are written, little endian as the machines that browsers run on are. */
export class ByteWriter {
  at = 0;
  #bytes = new Uint8Array(64 * 1024);
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

  bits(values: readonly boolean[]): void {
    const from = this.at;
    this.skip((values.length + 7) >> 3);
    for (let n = 0; n < values.length; n += 1) {
      if (values[n]) this.#bytes[from + (n >> 3)]! |= 1 << (n & 7);
    }
  }

  /** Aligned to the width already. */
  unsigned(values: readonly number[], width: number): void {
    this.#reserve(values.length << width);
    const bytes = this.#bytes;
    const view = this.#view;
    let { at } = this;
    if (width === widths.one) for (let n = 0; n < values.length; n += 1) bytes[at + n] = values[n] as number;
    else if (width === widths.two) {
      for (let n = 0; n < values.length; n += 1, at += 2) view.setUint16(at, values[n] as number, true);
    } else for (let n = 0; n < values.length; n += 1, at += 4) view.setUint32(at, values[n] as number, true);
    this.at += values.length << width;
  }

  scaled(numbers: readonly number[], scale: number, base: number, width: number): void {
    this.#reserve(numbers.length << width);
    const bytes = this.#bytes;
    const view = this.#view;
    let { at } = this;
    for (let n = 0; n < numbers.length; n += 1) {
      const value = Math.round((numbers[n] as number) * scale) - base;
      if (width === widths.one) bytes[at] = value;
      else if (width === widths.two) view.setUint16(at, value, true);
      else view.setUint32(at, value, true);
      at += 1 << width;
    }
    this.at = at;
  }

  floats(numbers: readonly number[]): void {
    this.#reserve(numbers.length * 8);
    for (let n = 0; n < numbers.length; n += 1) this.#view.setFloat64(this.at + n * 8, numbers[n] as number, true);
    this.at += numbers.length * 8;
  }

  utf16(text: string): void {
    this.#reserve(text.length * 2);
    for (let n = 0; n < text.length; n += 1) this.#view.setUint16(this.at + n * 2, text.charCodeAt(n), true);
    this.at += text.length * 2;
  }

  utf8(text: string, encoder: TextEncoder): number {
    this.#reserve(text.length * 3);
    const { written } = encoder.encodeInto(text, this.#bytes.subarray(this.at));
    this.at += written;
    return written;
  }

  #reserve(bytes: number): void {
    const needed = this.at + bytes;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.at));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}
