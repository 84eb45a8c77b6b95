import { displayOf } from "@sheetwire/shared/grid";
import type { Cell, Row } from "@sheetwire/shared/protocol";
import { BLOCK_HAS_UNKNOWN, BLOCK_HEAP_IS_UTF16, FORMAT, HEADER_BYTES, LENGTH_WIDTH_SHIFT } from "./format.ts";
import { PackedColumn, type TextAt } from "./packed-column.ts";

/** Bytes that are no block, or of a format that this version does not know. */
export class BrokenBlockError extends Error {
  override readonly name = "BrokenBlockError";
}

/** Takes bytes as a block. What is wanted of it is decoded when it is asked for, and nothing else. */
export function openBlock(bytes: Uint8Array): PackedBlock {
  return new PackedBlock(bytes);
}

const NEEDS_QUOTES = /[",\r\n]/;

/** RFC 4180: a field with a comma, a quote or a line break stands in quotes. */
export const csvField = (text: string): string => (NEEDS_QUOTES.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** Made when a text is read for the first time: a background that is woken for an edit may never read one. */
let utf8: TextDecoder | undefined;

export class PackedBlock {
  readonly rowCount: number;
  readonly columnCount: number;
  readonly hasUnknown: boolean;
  readonly byteLength: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #columns = new Map<number, PackedColumn | null>();
  #starts: Uint32Array | undefined;
  #heap: string | undefined;

  constructor(bytes: Uint8Array) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length < HEADER_BYTES || bytes[0] !== FORMAT) {
      throw new BrokenBlockError(`Format ${bytes[0] ?? "none"} is not known here.`);
    }
    this.#bytes = bytes;
    this.#view = view;
    this.byteLength = bytes.length;
    this.hasUnknown = ((bytes[1] as number) & BLOCK_HAS_UNKNOWN) !== 0;
    this.rowCount = view.getUint16(2, true);
    this.columnCount = view.getUint32(4, true);
    const heapEnd = view.getUint32(16, true) + view.getUint32(20, true);
    if (heapEnd !== bytes.length || HEADER_BYTES + this.columnCount * 4 > bytes.length) {
      throw new BrokenBlockError(`A block of ${bytes.length} bytes says that it ends at ${heapEnd}.`);
    }
  }

  isUnknown(row: number): boolean {
    if (!this.hasUnknown) return false;
    const at = HEADER_BYTES + this.columnCount * 4;
    return ((this.#bytes[at + (row >> 3)] as number) & (1 << (row & 7))) !== 0;
  }

  /** Some of the columns of some of the rows, as rows: trailing blanks dropped, null where unknown. */
  rows(from = 0, to = this.rowCount, left = 0, right = this.columnCount): (Row | null)[] {
    const rows: (Row | null)[] = [];
    for (let r = from; r < to; r += 1) rows.push(this.isUnknown(r) ? null : []);
    const end = Math.min(right, this.columnCount);
    const cells: Cell[] = [];
    for (let c = left; c < end; c += 1) {
      const column = this.column(c);
      if (!column) continue;
      cells.length = 0;
      column.read(from, to, cells);
      for (let n = 0; n < cells.length; n += 1) {
        const cell = cells[n] as Cell;
        if (cell === null) continue;
        const row = rows[n] as Row;
        while (row.length < c - left) row.push(null);
        row.push(cell);
      }
    }
    return rows;
  }

  /** A column, or nothing where all of it is blank. */
  column(index: number): PackedColumn | undefined {
    const known = this.#columns.get(index);
    if (known !== undefined) return known ?? undefined;
    const at = index < this.columnCount ? this.#view.getUint32(HEADER_BYTES + index * 4, true) : 0;
    const column = at === 0 ? null : new PackedColumn(this.#bytes, this.#view, at, this.rowCount, this.#textAt);
    this.#columns.set(index, column);
    return column ?? undefined;
  }

  /** Some rows as CSV (RFC 4180) of what a person sees, trailing blanks dropped. Each text is quoted once. */
  csv(from = 0, to = this.rowCount): string {
    const length = to - from;
    const lines = Array.from({ length }, () => "");
    const commas = new Uint32Array(length);
    const fields: (string | null)[] = [];
    // Mostly no text of a block needs quotes, which one look at all of them tells.
    const fieldAt = NEEDS_QUOTES.test(this.#texts().heap) ? this.#fieldAt : this.#textAt;
    for (let c = 0; c < this.columnCount; c += 1) {
      const column = this.column(c);
      if (!column) continue;
      fields.length = 0;
      column.readDisplays(from, to, fieldAt, fields);
      for (let n = 0; n < length; n += 1) {
        const field = fields[n] as string | null;
        if (field === null) continue;
        const missing = c - (commas[n] as number);
        lines[n] += missing === 1 ? `,${field}` : `${",".repeat(missing)}${field}`;
        commas[n] = c;
      }
    }
    return length === 0 ? "" : `${lines.join("\r\n")}\r\n`;
  }

  /** How many different texts there are: values, formulas, displays and errors. */
  get textCount(): number {
    return this.#view.getUint32(8, true);
  }

  text(index: number): string {
    return this.#textAt(index);
  }

  /** Which of the texts contain `wanted` (in small letters), case ignored; nothing when none does. */
  textsWith(wanted: string): Uint8Array | undefined {
    const { heap, starts } = this.#texts();
    const count = this.textCount;
    let found: Uint8Array | undefined;
    const lower = heap.toLowerCase();
    // Where small letters depend on neighbours or take more room, each text is looked at by itself.
    if (lower.length !== heap.length || heap.includes("Σ")) {
      for (let n = 0; n < count; n += 1) {
        if (this.#textAt(n).toLowerCase().includes(wanted)) (found ??= new Uint8Array(count))[n] = 1;
      }
      return found;
    }
    let n = 0;
    for (let at = lower.indexOf(wanted); at >= 0;) {
      while ((starts[n + 1] as number) <= at) n += 1;
      const end = starts[n + 1] as number;
      if (at + wanted.length <= end) {
        (found ??= new Uint8Array(count))[n] = 1;
        at = lower.indexOf(wanted, end);
      } else at = lower.indexOf(wanted, at + 1);
    }
    return found;
  }

  /** Calls with each cell whose display or formula contains `wanted` (in small letters), column by column. */
  search(wanted: string, emit: (row: number, column: number, display: string) => void): void {
    const found = this.textsWith(wanted);
    // Letters that no number and no checkbox has: then only texts can match.
    const onlyTexts = !/^[\d.e+\-truefals]*$/.test(wanted);
    for (let c = 0; c < this.columnCount; c += 1) {
      const column = this.column(c);
      if (!column) continue;
      if (onlyTexts && !found) return;
      column.search(wanted, found, onlyTexts, (row, cell) => emit(row, c, displayOf(cell)));
    }
  }

  #texts(): { heap: string; starts: Uint32Array } {
    if (this.#starts !== undefined && this.#heap !== undefined) return { heap: this.#heap, starts: this.#starts };
    const view = this.#view;
    const flags = this.#bytes[1] as number;
    const count = this.textCount;
    const lengthsAt = view.getUint32(12, true);
    const heapAt = view.getUint32(16, true);
    const heapBytes = view.getUint32(20, true);
    const width = (flags >> LENGTH_WIDTH_SHIFT) & 3;
    const starts = new Uint32Array(count + 1);
    let at = 0;
    for (let n = 0; n < count; n += 1) {
      starts[n] = at;
      at +=
        width === 0
          ? (this.#bytes[lengthsAt + n] as number)
          : width === 1
            ? view.getUint16(lengthsAt + n * 2, true)
            : view.getUint32(lengthsAt + n * 4, true);
    }
    starts[count] = at;
    let heap: string;
    const bytes = this.#bytes.subarray(heapAt, heapAt + heapBytes);
    if ((flags & BLOCK_HEAP_IS_UTF16) !== 0) {
      const pieces: string[] = [];
      for (let n = 0; n < heapBytes / 2; n += 1) pieces.push(String.fromCharCode(view.getUint16(heapAt + n * 2, true)));
      heap = pieces.join("");
    } else {
      try {
        utf8 ??= new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });
        heap = utf8.decode(bytes);
      } catch {
        throw new BrokenBlockError("The texts of a block are no UTF-8.");
      }
    }
    if (heap.length !== at) throw new BrokenBlockError(`Texts of ${heap.length} units where ${at} belong.`);
    this.#starts = starts;
    this.#heap = heap;
    return { heap, starts };
  }

  readonly #fields: string[] = [];
  readonly #fieldAt: TextAt = (index) => (this.#fields[index] ??= csvField(this.#textAt(index)));

  readonly #textAt: TextAt = (index) => {
    const { heap, starts } = this.#texts();
    if (index >= starts.length - 1) throw new BrokenBlockError(`Text ${index} of ${starts.length - 1}.`);
    return heap.slice(starts[index], starts[index + 1]);
  };
}
