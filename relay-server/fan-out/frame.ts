import { nextChain } from "@sheetwire/shared/digest";
import { limits } from "@sheetwire/shared/limits";
import { partsOf, type Entry } from "../log/log.ts";

/** Consecutive changes as one message, encoded once for however many readers. */
export type Frame = {
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly chain: string;
  /** The `changes` frame of the feed, as UTF-8. */
  readonly data: Buffer;
};

/** One change that no frame can hold: a sort of very many rows. Whoever reads takes a snapshot instead. */
export type TooLarge = { readonly isTooLarge: true };

/** What a frame has around its changes, at most, in bytes. */
const AROUND_BYTES = 256;

/**
 * Consecutive entries as few frames of at most `limits.frameMaxBytes`. `chainBefore` is asked for only where an entry has
 * to be cut. One change is never cut: where it is larger than a frame, the list says so in its place.
 */
export async function framesOf(
  spreadsheetId: string,
  entries: readonly Entry[],
  chainBefore: (firstSeq: number) => Promise<string | undefined>,
): Promise<(Frame | TooLarge)[]> {
  const frames: (Frame | TooLarge)[] = [];
  let held: Entry[] = [];
  let bytes = AROUND_BYTES;
  const send = (): void => {
    if (held.length > 0) frames.push(frameOf(spreadsheetId, held));
    held = [];
    bytes = AROUND_BYTES;
  };
  for (const entry of entries) {
    const size = Buffer.byteLength(entry.json);
    if (size + AROUND_BYTES > limits.frameMaxBytes) {
      send();
      const isOne = entry.lastSeq === entry.firstSeq;
      for (const part of isOne ? [entry] : cut(entry, await chainBefore(entry.firstSeq))) {
        const fits = Buffer.byteLength(part.json) + AROUND_BYTES <= limits.frameMaxBytes;
        frames.push(fits ? frameOf(spreadsheetId, [part]) : { isTooLarge: true });
      }
      continue;
    }
    if (bytes + size > limits.frameMaxBytes) send();
    held.push(entry);
    bytes += size;
  }
  send();
  return frames;
}

/** Consecutive entries as one frame. */
export function frameOf(spreadsheetId: string, entries: readonly Entry[]): Frame {
  const first = entries[0];
  const last = entries.at(-1);
  if (!first || !last) throw new RangeError("A frame of nothing.");
  const changes = entries.length === 1 ? first.json : `[${entries.map((one) => one.json.slice(1, -1)).join(",")}]`;
  const text = `{"kind":"changes","spreadsheetId":${JSON.stringify(spreadsheetId)},"changes":${changes},"chain":"${last.chain}"}`;
  return { firstSeq: first.firstSeq, lastSeq: last.lastSeq, chain: last.chain, data: Buffer.from(text) };
}

/** A large entry as several, each with its own chain. */
function* cut(entry: Entry, chainBefore: string | undefined): Generator<Entry> {
  if (chainBefore === undefined) throw new RangeError(`The log has no chain before change ${entry.firstSeq}.`);
  let held: string[] = [];
  let bytes = AROUND_BYTES;
  let seq = entry.firstSeq - 1;
  let chain = chainBefore;
  const part = (): Entry => ({ firstSeq: seq - held.length + 1, lastSeq: seq, chain, json: `[${held.join(",")}]` });
  for (const change of partsOf(entry.json)) {
    const size = Buffer.byteLength(change) + 1;
    if (held.length > 0 && bytes + size > limits.frameMaxBytes) {
      yield part();
      held = [];
      bytes = AROUND_BYTES;
    }
    held.push(change);
    bytes += size;
    seq += 1;
    chain = nextChain(chain, change);
  }
  yield part();
}
