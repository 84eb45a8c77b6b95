import { COMMA, MINUS, POINT, QUOTE, ZERO } from "./ascii.ts";
import { BrokenBlockError } from "./broken-block.ts";

/** Up to so many bytes are copied faster word by word. Up to three bytes behind a field are written with it, and then over. */
const COPIED_BY_HAND = 64;
const WORD_BYTES = 4;
/** What is kept for the next rows; more than that was unusual. */
const KEPT_BYTES = 4 * 1024 * 1024;
const CARRIAGE_RETURN = 0x0d;
const LINE_FEED = 0x0a;
/** Whole numbers below this have at most fifteen digits, which is as many as a float always keeps. */
const MOST_WHOLE = 1e15;
/** The decimals that are tried on a number of which nothing is known. */
const TRIED_DECIMALS = 6;
const TRIED_SCALE = 1e6;

/** 1 for what puts a field into quotes. */
const WANTS_QUOTES = new Uint8Array(128);
for (const byte of [QUOTE, COMMA, CARRIAGE_RETURN, LINE_FEED]) WANTS_QUOTES[byte] = 1;
const MOST_SHORT = 0x7fffffff;
const NO = "FALSE";
const YES = "TRUE";

/**
 * CSV (RFC 4180) as the bytes of a file. The texts of a block are copied from its heap, which is UTF-8 already, and numbers
 * are written digit by digit: no text is made of a cell. A block's fields are named first, column by column, and then written
 * row by row.
 */
export class CsvWriter {
  #out = new Uint8Array();
  #outAt = 0;
  /** What fields are copied from: the heap, and behind it what is not in there as it is to be written. */
  #source = new Uint8Array();
  #sourceAt = 0;
  #noAt = 0;
  #yesAt = 0;
  /** Of each text of the heap: where its field begins in the source, and how long it is. */
  #textStarts = new Int32Array();
  #textLengths = new Int32Array();
  /** Of each field, row by row: where it begins in the source, and how long it is. */
  #starts = new Int32Array();
  #lengths = new Int32Array();
  /** Of each row, how many fields it has. */
  #counts = new Int32Array();
  #rows = 0;
  #columns = 0;

  /** What was written since the last time, in bytes of its own. */
  taken(): Uint8Array<ArrayBuffer> {
    const taken = this.#out.slice(0, this.#outAt);
    this.#outAt = 0;
    if (this.#out.length > KEPT_BYTES) this.#out = new Uint8Array();
    return taken;
  }

  /** Writes lines that are text already. */
  text(lines: string): void {
    this.#reserveOut(lines.length * 3);
    this.#outAt += new TextEncoder().encodeInto(lines, this.#out.subarray(this.#outAt)).written;
  }

  /** Begins rows of a block, whose texts have these lengths in UTF-16 units. */
  begin(rows: number, columns: number, heap: Uint8Array, units: Uint32Array): void {
    this.#rows = rows;
    this.#columns = columns;
    const fields = rows * columns;
    if (this.#starts.length < fields) {
      this.#starts = new Int32Array(fields);
      this.#lengths = new Int32Array(fields);
    } else this.#lengths.fill(0, 0, fields);
    if (this.#counts.length < rows) this.#counts = new Int32Array(rows);
    else this.#counts.fill(0, 0, rows);
    this.#sourceAt = 0;
    if (this.#source.length > KEPT_BYTES) this.#source = new Uint8Array();
    this.#reserveSource(heap.length);
    this.#source.set(heap);
    this.#sourceAt = heap.length;
    this.#cutTexts(heap, units);
    this.#noAt = this.#plain(NO);
    this.#yesAt = this.#plain(YES);
  }

  /** A cell shows a text of the heap. */
  showText(row: number, column: number, text: number): void {
    if (text >= this.#textCount) throw new BrokenBlockError(`Text ${text} of ${this.#textCount}.`);
    this.#show(row, column, this.#textStarts[text] as number, this.#textLengths[text] as number);
  }

  showBoolean(row: number, column: number, isYes: boolean): void {
    if (isYes) this.#show(row, column, this.#yesAt, YES.length);
    else this.#show(row, column, this.#noAt, NO.length);
  }

  /** A cell is there and shows nothing. */
  showNothing(row: number, column: number): void {
    this.#show(row, column, 0, 0);
  }

  /** A cell shows a number that is `whole / 10^decimals`, where `whole` may be any number. */
  showNumber(row: number, column: number, whole: number, decimals: number): void {
    const from = this.#sourceAt;
    if (Number.isInteger(whole) && whole < MOST_WHOLE && whole > -MOST_WHOLE) this.#decimal(whole, decimals);
    else this.#plain(String(whole / 10 ** decimals));
    this.#show(row, column, from, this.#sourceAt - from);
  }

  /** A cell shows a number of which nothing is known. Most have few decimals all the same. */
  showFloat(row: number, column: number, value: number): void {
    const whole = Math.round(value * TRIED_SCALE);
    if (whole / TRIED_SCALE === value) this.showNumber(row, column, whole, TRIED_DECIMALS);
    else {
      const from = this.#sourceAt;
      this.#plain(String(value));
      this.#show(row, column, from, this.#sourceAt - from);
    }
  }

  /** Writes the rows whose fields have been named. */
  end(): void {
    const columns = this.#columns;
    const lengths = this.#lengths;
    const starts = this.#starts;
    let bytes = 0;
    for (let row = 0; row < this.#rows; row += 1) {
      const count = this.#counts[row] as number;
      bytes += count + 2;
      for (let field = row * columns; field < row * columns + count; field += 1) bytes += lengths[field] as number;
    }
    this.#reserveOut(bytes + WORD_BYTES);
    this.#reserveSource(WORD_BYTES);
    const out = this.#out;
    const source = this.#source;
    const outWords = new DataView(out.buffer);
    const sourceWords = new DataView(source.buffer);
    let at = this.#outAt;
    for (let row = 0; row < this.#rows; row += 1) {
      const first = row * columns;
      const end = first + (this.#counts[row] as number);
      for (let field = first; field < end; field += 1) {
        if (field > first) {
          out[at] = COMMA;
          at += 1;
        }
        const length = lengths[field] as number;
        if (length === 0) continue;
        const from = starts[field] as number;
        if (length > COPIED_BY_HAND) out.set(source.subarray(from, from + length), at);
        else for (let n = 0; n < length; n += WORD_BYTES) outWords.setInt32(at + n, sourceWords.getInt32(from + n));
        at += length;
      }
      out[at] = CARRIAGE_RETURN;
      out[at + 1] = LINE_FEED;
      at += 2;
    }
    this.#outAt = at;
  }

  #textCount = 0;

  #show(row: number, column: number, from: number, length: number): void {
    const field = row * this.#columns + column;
    this.#starts[field] = from;
    this.#lengths[field] = length;
    this.#counts[row] = column + 1;
  }

  /** Where each text begins and ends; those that need quotes are written behind the heap with them. */
  #cutTexts(heap: Uint8Array, units: Uint32Array): void {
    const count = units.length;
    this.#textCount = count;
    if (this.#textStarts.length < count) {
      this.#textStarts = new Int32Array(count * 2);
      this.#textLengths = new Int32Array(count * 2);
    }
    let at = 0;
    for (let text = 0; text < count; text += 1) {
      const from = at;
      let left = units[text] as number;
      let wantsQuotes = 0;
      while (left > 0) {
        const byte = heap[at] as number;
        if (byte < 0x80) {
          wantsQuotes |= WANTS_QUOTES[byte] as number;
          at += 1;
          left -= 1;
        } else {
          if (!(byte >= 0xc2 && byte < 0xf5)) throw new BrokenBlockError("The texts of a block are no UTF-8.");
          at += byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
          left -= byte < 0xf0 ? 1 : 2;
        }
      }
      if (left < 0 || at > heap.length) throw new BrokenBlockError("Texts of a block are longer than its heap.");
      this.#textStarts[text] = from;
      this.#textLengths[text] = at - from;
      if (wantsQuotes !== 0) this.#quote(text, from, at);
    }
    if (at !== heap.length) throw new BrokenBlockError(`Texts of ${at} bytes where ${heap.length} belong.`);
  }

  #quote(text: number, from: number, to: number): void {
    this.#reserveSource((to - from) * 2 + 2);
    const source = this.#source;
    const start = this.#sourceAt;
    let at = start;
    source[at] = QUOTE;
    at += 1;
    for (let n = from; n < to; n += 1) {
      const byte = source[n] as number;
      source[at] = byte;
      at += 1;
      if (byte !== QUOTE) continue;
      source[at] = QUOTE;
      at += 1;
    }
    source[at] = QUOTE;
    at += 1;
    this.#textStarts[text] = start;
    this.#textLengths[text] = at - start;
    this.#sourceAt = at;
  }

  /** Writes characters of one byte into the source, and answers where. */
  #plain(text: string): number {
    this.#reserveSource(text.length);
    const from = this.#sourceAt;
    for (let n = 0; n < text.length; n += 1) this.#source[from + n] = text.charCodeAt(n);
    this.#sourceAt = from + text.length;
    return from;
  }

  /**
   * The shortest way to write `whole / 10^decimals`, as JavaScript would: up to fifteen digits no two decimals are the same
   * float, so that it is the decimal itself, without zeros at its end.
   */
  #decimal(whole: number, decimals: number): void {
    this.#reserveSource(24);
    const source = this.#source;
    let at = this.#sourceAt;
    let left = whole;
    if (left < 0) {
      source[at] = MINUS;
      at += 1;
      left = -left;
    }
    let behind = decimals;
    while (behind > 0 && left % 10 === 0) {
      left /= 10;
      behind -= 1;
    }
    // At least one digit stands before the point.
    const digits = Math.max(digitsOf(left), behind + 1);
    const point = behind > 0 ? at + digits - behind : -1;
    const end = at + digits + (behind > 0 ? 1 : 0);
    let place = end - 1;
    // What is beyond 32 bits is divided as a float.
    for (; left > MOST_SHORT; place -= 1) {
      if (place === point) continue;
      const next = Math.floor(left / 10);
      source[place] = ZERO + (left - next * 10);
      left = next;
    }
    for (let short = left | 0; place >= at; place -= 1) {
      if (place === point) continue;
      const next = (short / 10) | 0;
      source[place] = ZERO + (short - next * 10);
      short = next;
    }
    if (point >= 0) source[point] = POINT;
    this.#sourceAt = end;
  }

  #reserveSource(bytes: number): void {
    const needed = this.#sourceAt + bytes;
    if (needed <= this.#source.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#source.length * 2, 64 * 1024));
    grown.set(this.#source.subarray(0, this.#sourceAt));
    this.#source = grown;
  }

  #reserveOut(bytes: number): void {
    const needed = this.#outAt + bytes;
    if (needed <= this.#out.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#out.length * 2, 64 * 1024));
    grown.set(this.#out.subarray(0, this.#outAt));
    this.#out = grown;
  }
}

/** How many digits a whole number has. */
function digitsOf(whole: number): number {
  if (whole < 1_000) return whole < 10 ? 1 : whole < 100 ? 2 : 3;
  let digits = 4;
  for (let power = 10_000; power <= whole; power *= 10) digits += 1;
  return digits;
}
