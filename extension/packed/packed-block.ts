import { displayOf } from "@sheetwire/shared/grid";
import type { Cell, Row } from "@sheetwire/shared/protocol";
import { BrokenBlockError } from "./broken-block.ts";
import type { CsvWriter } from "./csv-writer.ts";
import {
  BLOCK_HAS_UNKNOWN,
  BLOCK_HEAP_IS_UTF16,
  FORMAT,
  HEADER_BYTES,
  LENGTH_WIDTH_SHIFT,
  WIDTH_ONE,
  WIDTH_TWO,
} from "./format.ts";
import { PackedColumn, type TextAt } from "./packed-column.ts";

/** Takes bytes as a block. What is wanted of it is decoded when it is asked for, and nothing else. */
export function openBlock(bytes: Uint8Array): PackedBlock {
  return new PackedBlock(bytes);
}

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

  /**
   * Writes some rows as CSV of what a person sees, trailing blanks dropped. False, and nothing is written, where a text has
   * half of a character: such are rare, and a file cannot have them.
   */
  writeCsv(into: CsvWriter, from = 0, to = this.rowCount): boolean {
    if (this.#isUtf16) return false;
    into.begin(to - from, this.columnCount, this.#heapBytes(), this.#units());
    for (let c = 0; c < this.columnCount; c += 1) this.column(c)?.show(from, to, c, into);
    into.end();
    return true;
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

  get #isUtf16(): boolean {
    return ((this.#bytes[1] as number) & BLOCK_HEAP_IS_UTF16) !== 0;
  }

  #heapBytes(): Uint8Array {
    const heapAt = this.#view.getUint32(16, true);
    return this.#bytes.subarray(heapAt, heapAt + this.#view.getUint32(20, true));
  }

  /** How long each text is, in UTF-16 units. */
  #units(): Uint32Array {
    const view = this.#view;
    const at = view.getUint32(12, true);
    const width = ((this.#bytes[1] as number) >> LENGTH_WIDTH_SHIFT) & 3;
    const units = new Uint32Array(this.textCount);
    for (let n = 0; n < units.length; n += 1) {
      units[n] =
        width === WIDTH_ONE
          ? (this.#bytes[at + n] as number)
          : width === WIDTH_TWO
            ? view.getUint16(at + n * 2, true)
            : view.getUint32(at + n * 4, true);
    }
    return units;
  }

  #texts(): { heap: string; starts: Uint32Array } {
    if (this.#starts !== undefined && this.#heap !== undefined) return { heap: this.#heap, starts: this.#starts };
    const units = this.#units();
    const starts = new Uint32Array(units.length + 1);
    let at = 0;
    for (let n = 0; n < units.length; n += 1) {
      starts[n] = at;
      at += units[n] as number;
    }
    starts[units.length] = at;
    let heap: string;
    const bytes = this.#heapBytes();
    if (this.#isUtf16) {
      const pieces: string[] = [];
      for (let n = 0; n < bytes.length; n += 2) pieces.push(String.fromCharCode(bytes[n]! | (bytes[n + 1]! << 8)));
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

  readonly #textAt: TextAt = (index) => {
    const { heap, starts } = this.#texts();
    if (index >= starts.length - 1) throw new BrokenBlockError(`Text ${index} of ${starts.length - 1}.`);
    return heap.slice(starts[index], starts[index + 1]);
  };
}
