/** Longest line: 256 rows of a very wide sheet. */
const LINE_MAX_BYTES = 64 * 1024 * 1024;
const LINE_END = 0x0a;

/** Cuts the bytes of a stream into lines, without their ends. A line is good until the next one is asked for. */
export class LineCutter {
  #held = new Uint8Array(64 * 1024);
  /** Bytes of a line whose end has not come yet. */
  #heldBytes = 0;

  get isTooLong(): boolean {
    return this.#heldBytes > LINE_MAX_BYTES;
  }

  /** The lines that end in this piece of the stream. */
  *of(piece: Uint8Array): Generator<Uint8Array> {
    let from = 0;
    for (;;) {
      const end = piece.indexOf(LINE_END, from);
      if (end < 0) break;
      const part = piece.subarray(from, end);
      from = end + 1;
      if (this.#heldBytes === 0) yield part;
      else {
        this.#hold(part);
        yield* this.rest();
      }
    }
    this.#hold(piece.subarray(from));
  }

  /** What came behind the last line's end. */
  *rest(): Generator<Uint8Array> {
    const line = this.#held.subarray(0, this.#heldBytes);
    this.#heldBytes = 0;
    yield line;
  }

  #hold(part: Uint8Array): void {
    const bytes = this.#heldBytes + part.length;
    if (bytes > this.#held.length) {
      const larger = new Uint8Array(Math.max(bytes, this.#held.length * 2));
      larger.set(this.#held.subarray(0, this.#heldBytes));
      this.#held = larger;
    }
    this.#held.set(part, this.#heldBytes);
    this.#heldBytes = bytes;
  }
}
