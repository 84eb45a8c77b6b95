import { HeadMovedError, type Append, type Entry, type Head } from "./record.ts";

/** Refuses an append that does not continue `head`; a wrong entry is a fault of ours and says what was held and what came. */
export function checkAppend(append: Append, head: Head | undefined): void {
  const { expected, entry } = append;
  if (!head || head.epoch !== expected.epoch || head.seq !== expected.seq || head.chain !== expected.chain) {
    throw new HeadMovedError(`Folded against seq ${expected.seq}, but the log is at ${head ? head.seq : "nothing"}.`);
  }
  if (!entry) return;
  if (entry.firstSeq !== head.seq + 1 || entry.lastSeq < entry.firstSeq) {
    throw new RangeError(`Holding change ${head.seq}, but ${entry.firstSeq} to ${entry.lastSeq} came next.`);
  }
  if (!/^[0-9a-f]{16}$/.test(entry.chain) || !entry.json.startsWith("[{") || !entry.json.endsWith("}]")) {
    throw new RangeError(`Entry ${entry.firstSeq} to ${entry.lastSeq} is no JSON array of changes with a chain.`);
  }
}

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

/** What of an entry comes after `seq`, for a reader that holds a part of it. */
export function laterPart(entry: Entry, seq: number): Entry {
  if (seq < entry.firstSeq) return entry;
  const parts = partsOf(entry.json).slice(seq - entry.firstSeq + 1);
  return { ...entry, firstSeq: seq + 1, json: `[${parts.join(",")}]` };
}

const QUOTE = 34;
const COMMA = 44;
const OPEN_BRACKET = 91;
const BACKSLASH = 92;
const CLOSE_BRACKET = 93;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
