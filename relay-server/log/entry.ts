/**
 * An entry: consecutive changes of one spreadsheet that became durable together, held and stored as the WebSocket frame
 * that is sent, so that neither fan-out nor replay does any work on JSON.
 */
import { nextChain } from "@sheetwire/shared/digest";
import { limits } from "@sheetwire/shared/limits";
import { HeadMovedError, type Append, type Head, type NewEntry, type TakenPost } from "./record.ts";

export class Entry implements NewEntry {
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly chain: string;
  /** One unmasked, unfragmented WebSocket text frame, header included. */
  readonly frame: Buffer;

  constructor(firstSeq: number, lastSeq: number, chain: string, frame: Buffer) {
    this.firstSeq = firstSeq;
    this.lastSeq = lastSeq;
    this.chain = chain;
    this.frame = frame;
  }

  /** The `changes` message of the feed, as UTF-8. */
  get data(): Buffer {
    return this.frame.subarray(headerLength(this.frame));
  }

  /** A JSON array of the changes. */
  get json(): string {
    return this.changes.toString("utf8");
  }

  /** The same, as it is stored. */
  get changes(): Buffer {
    const { data } = this;
    return data.subarray(data.indexOf(CHANGES) + CHANGES.length, data.length - AFTER_CHANGES);
  }

  /** Gives its memory back at once, where nobody else can hold it; it says nothing any more then. */
  release(): void {}

  /** Whether it fits a frame of the feed. Only one change that is larger by itself does not. */
  get fitsFrame(): boolean {
    return this.frame.length <= limits.frameMaxBytes;
  }
}

/** An entry of ready JSON. */
export function entryOf(spreadsheetId: string, { firstSeq, lastSeq, json, chain }: NewEntry): Entry {
  const frame = textFrame(`${beforeChanges(spreadsheetId)}${json}${afterChanges(chain)}`);
  return new Entry(firstSeq, lastSeq, chain, frame);
}

/** Where, in a list in the order of the log, the entry stands that holds the change after `seq`. */
export function indexAfter(held: readonly { readonly entry: Entry }[], seq: number): number {
  let from = 0;
  let to = held.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((held[middle]?.entry.lastSeq ?? 0) > seq) to = middle;
    else from = middle + 1;
  }
  return from;
}

/** Entries that follow each other as one. */
export function joinEntries(spreadsheetId: string, entries: readonly Entry[]): Entry {
  const first = entries[0];
  const last = entries.at(-1);
  if (!first || !last) throw new RangeError("An entry of nothing.");
  const pieces = entries.map((entry) => entry.changes);
  const before = Buffer.from(`${beforeChanges(spreadsheetId)}[`);
  const after = Buffer.from(`]${afterChanges(last.chain)}`);
  const inner = pieces.reduce((sum, piece) => sum + piece.length - 1, -1);
  const bytes = before.length + inner + after.length;
  const frame = frameFor(bytes);
  let at = frame.length - bytes;
  at += before.copy(frame, at);
  for (const piece of pieces) {
    if (piece !== pieces[0]) at = frame.writeUInt8(COMMA, at);
    at += piece.copy(frame, at, 1, piece.length - 1);
  }
  after.copy(frame, at);
  return new Entry(first.firstSeq, last.lastSeq, last.chain, frame);
}

/** What of an entry comes after `seq`, for a reader that holds a part of it. */
export function laterPart(spreadsheetId: string, entry: Entry, seq: number): Entry {
  if (seq < entry.firstSeq) return entry;
  const parts = partsOf(entry.json).slice(seq - entry.firstSeq + 1);
  const { lastSeq, chain } = entry;
  return entryOf(spreadsheetId, { firstSeq: seq + 1, lastSeq, chain, json: `[${parts.join(",")}]` });
}

/** What a group of appends adds to one spreadsheet. */
export type Addition = {
  readonly spreadsheetId: string;
  readonly before: Head;
  after: Head;
  readonly jsons: string[];
  readonly posts: TakenPost[];
  desk: string | undefined;
};

/**
 * Checks a group of appends against the heads and joins what belongs to one spreadsheet. Throws before anything is stored.
 */
export function additionsOf(
  group: readonly Append[],
  headOf: (spreadsheetId: string) => Head | undefined,
): readonly Addition[] {
  const additions = new Map<string, Addition>();
  for (const append of group) {
    const { spreadsheetId, expected, entry, post, desk } = append;
    let addition = additions.get(spreadsheetId);
    checkAppend(append, addition ? addition.after : headOf(spreadsheetId));
    if (!addition) {
      addition = { spreadsheetId, before: expected, after: expected, jsons: [], posts: [], desk: undefined };
      additions.set(spreadsheetId, addition);
    }
    if (entry) {
      addition.jsons.push(entry.json);
      addition.after = { epoch: expected.epoch, seq: entry.lastSeq, chain: entry.chain };
    }
    if (post) {
      if (addition.posts.some((one) => one.webhookId === post.webhookId)) throw takenInBetween();
      addition.posts.push(post);
    }
    if (desk !== undefined) addition.desk = desk;
  }
  return [...additions.values()];
}

export const takenInBetween = (): HeadMovedError => new HeadMovedError("A post of this id was taken in between.");

/**
 * The changes of an addition as ready entries: one, where a frame of the feed holds it, else as few as it takes. One
 * change is never cut: larger than a frame it is an entry by itself.
 */
export function entriesOf({ spreadsheetId, before, after, jsons }: Addition): readonly Entry[] {
  if (jsons.length === 0) return [];
  const json = jsons.length === 1 ? (jsons[0] ?? "") : `[${jsons.map((one) => one.slice(1, -1)).join(",")}]`;
  const whole = { firstSeq: before.seq + 1, lastSeq: after.seq, json, chain: after.chain };
  // A UTF-16 unit is at most three bytes.
  if (json.length * 3 < limits.frameMaxBytes - AROUND_BYTES || after.seq === before.seq + 1) {
    return [entryOf(spreadsheetId, whole)];
  }
  const entries: Entry[] = [];
  let held: string[] = [];
  let bytes = AROUND_BYTES;
  let { seq, chain } = before;
  const close = (): void => {
    if (held.length === 0) return;
    entries.push(
      entryOf(spreadsheetId, { firstSeq: seq - held.length + 1, lastSeq: seq, json: `[${held.join(",")}]`, chain }),
    );
    held = [];
    bytes = AROUND_BYTES;
  };
  for (const change of partsOf(json)) {
    const size = Buffer.byteLength(change) + 1;
    if (bytes + size > limits.frameMaxBytes) close();
    held.push(change);
    bytes += size;
    seq += 1;
    chain = nextChain(chain, change);
  }
  close();
  if (seq !== after.seq || chain !== after.chain) {
    throw new RangeError(`Entries to change ${after.seq} were announced, but they add up to ${seq}.`);
  }
  return entries;
}

/** Refuses an append that does not continue `head`; a wrong entry is a fault of ours and says what was held and what came. */
function checkAppend(append: Append, head: Head | undefined): void {
  const { expected, entry } = append;
  if (!head || head.epoch !== expected.epoch || head.seq !== expected.seq || head.chain !== expected.chain) {
    throw new HeadMovedError(`Folded against seq ${expected.seq}, but the log is at ${head ? head.seq : "nothing"}.`);
  }
  if (!entry) return;
  if (entry.firstSeq !== head.seq + 1 || entry.lastSeq < entry.firstSeq) {
    throw new RangeError(`Holding change ${head.seq}, but ${entry.firstSeq} to ${entry.lastSeq} came next.`);
  }
  if (!isChain(entry.chain) || !entry.json.startsWith("[{") || !entry.json.endsWith("}]")) {
    throw new RangeError(`Entry ${entry.firstSeq} to ${entry.lastSeq} is no JSON array of changes with a chain.`);
  }
}

/** The running hash at `seq`, which lies inside `entry`, given the hash before the entry. */
export function chainInside(entry: Entry, before: string, seq: number): string {
  return seq === entry.lastSeq
    ? entry.chain
    : partsOf(entry.json)
        .slice(0, seq - entry.firstSeq + 1)
        .reduce(nextChain, before);
}

const isChain = (text: string): boolean => /^[0-9a-f]{16}$/.test(text);

/** The texts of an entry's changes exactly as they are stored: what the chain was made from. */
export function partsOf(json: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = 1;
  for (let at = 0; at < json.length; at += 1) {
    const code = json.charCodeAt(at);
    if (code === QUOTE) {
      at += 1;
      while (at < json.length && json.charCodeAt(at) !== QUOTE) at += json.charCodeAt(at) === BACKSLASH ? 2 : 1;
    } else if (code === OPEN_BRACKET || code === OPEN_BRACE) {
      depth += 1;
    } else if (code === CLOSE_BRACKET || code === CLOSE_BRACE) {
      depth -= 1;
      if (depth === 0) parts.push(json.slice(from, at));
    } else if (code === COMMA && depth === 1) {
      parts.push(json.slice(from, at));
      from = at + 1;
    }
  }
  return parts;
}

const beforeChanges = (spreadsheetId: string): string =>
  `{"kind":"changes","spreadsheetId":${JSON.stringify(spreadsheetId)},"changes":`;
const afterChanges = (chain: string): string => `,"chain":"${chain}"}`;
const CHANGES = Buffer.from('"changes":');
const AFTER_CHANGES = afterChanges("0123456789abcdef").length;
/** What a frame has around its changes, at most, in bytes. */
const AROUND_BYTES = 256;

/** A whole message as one text frame. */
export function textFrame(text: string): Buffer {
  const bytes = Buffer.byteLength(text);
  const frame = frameFor(bytes);
  frame.write(text, frame.length - bytes, "utf8");
  return frame;
}

/** A text frame with its header written and room for `bytes` behind it (RFC 6455, section 5.2). */
function frameFor(bytes: number): Buffer {
  const header = bytes < 126 ? 2 : bytes < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(header + bytes);
  frame[0] = FINAL_TEXT;
  if (header === 2) frame[1] = bytes;
  else if (header === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(bytes, 2);
  } else {
    frame[1] = 127;
    frame.writeUInt32BE(Math.floor(bytes / 2 ** 32), 2);
    frame.writeUInt32BE(bytes >>> 0, 6);
  }
  return frame;
}

const headerLength = (frame: Buffer): number => (frame[1] === 127 ? 10 : frame[1] === 126 ? 4 : 2);

const FINAL_TEXT = 0x81;
const QUOTE = 34;
const COMMA = 44;
const OPEN_BRACKET = 91;
const BACKSLASH = 92;
const CLOSE_BRACKET = 93;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
