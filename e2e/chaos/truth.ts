/** What the log says, read page by page over HTTP as any program may, and held against what was promised. */
import { FIRST_CHAIN, nextChain } from "@sheetwire/shared/digest";
import { changeSchema, type Cursor } from "@sheetwire/shared/protocol";
import * as z from "zod";
import type { Sheet } from "./house.ts";
import type { Ledger } from "./ledger.ts";
import { applyTo, textsOf, type Copy, type Reader } from "./readers.ts";

const pageSchema = z.object({
  epoch: z.string(),
  seq: z.int(),
  chain: z.string(),
  changes: z.array(changeSchema),
});

/** The log of one spreadsheet as far as it was read. */
export type Truth = {
  cursor: Cursor | undefined;
  readonly copy: Copy;
  /** How many changes tell of each post. */
  readonly times: Map<number, number>;
  /** The seq of the change that told of it first. */
  readonly seqs: Map<number, number>;
  /** Each change as it stands in the log, by seq. */
  readonly texts: string[];
  /** Places where the chain that was read is not the chain of what was read. */
  breaks: number;
};

const nothing = (): Truth => ({
  cursor: undefined,
  copy: new Map(),
  times: new Map(),
  seqs: new Map(),
  texts: [],
  breaks: 0,
});
export const openTruth = nothing;

/** A page was refused: the status, for faults that expect it. */
export class PageRefusedError extends Error {
  override readonly name = "PageRefusedError";
  readonly status: number;
  readonly since: number;

  constructor(status: number, since: number) {
    super(`The page after ${since} was refused with ${status}.`);
    this.status = status;
    this.since = since;
  }
}

/** A page was served, but it cannot be one. */
export class PageWrongError extends Error {
  override readonly name = "PageWrongError";
}

/** Reads on to the head. A log of another life is read from its beginning. */
export async function readOn(truth: Truth, url: string, { spreadsheetId, token }: Sheet): Promise<Truth> {
  let read = truth;
  let beganAgain = false;
  for (;;) {
    const since = read.cursor?.seq ?? 0;
    const page = await pageAfter(url, spreadsheetId, token, since);
    if (page === undefined || (read.cursor && page.epoch !== read.cursor.epoch)) {
      // A log that ends in a damaged place is refused there each time.
      if (since === 0 || beganAgain) throw new PageRefusedError(410, since);
      beganAgain = true;
      read = nothing();
      continue;
    }
    let seq = since;
    const chain = page.texts.reduce(nextChain, read.cursor?.chain ?? FIRST_CHAIN);
    for (const [at, change] of page.changes.entries()) {
      seq += 1;
      read.texts[seq] = page.texts[at] ?? "";
      if (change.seq !== seq) read.breaks += 1;
      applyTo(read.copy, change, (k) => {
        read.times.set(k, (read.times.get(k) ?? 0) + 1);
        if (!read.seqs.has(k)) read.seqs.set(k, change.seq);
      });
    }
    if (chain !== page.chain) {
      // Either the log was damaged, or it is another one than what was read so far: which, shows from its beginning.
      if (since > 0) {
        read = nothing();
        continue;
      }
      read.breaks += 1;
    }
    read.cursor = { epoch: page.epoch, seq, chain: page.chain };
    if (page.changes.length === 0) return read;
  }
}

async function pageAfter(url: string, spreadsheetId: string, token: string, since: number) {
  const answer = await fetch(`${url}/v1/spreadsheets/${spreadsheetId}/changes?since=${since}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  if (answer.status === 410) return undefined;
  if (!answer.ok) throw new PageRefusedError(answer.status, since);
  try {
    const said: unknown = JSON.parse(await answer.text());
    return { ...pageSchema.parse(said), texts: textsOf(said) };
  } catch (error) {
    throw new PageWrongError(`The page after ${since} is not what a page is.`, { cause: error });
  }
}

export type Verdict = { found: number; lost: number; doubled: number; holes: number };

/** Every post that was answered is there once; `moved` counts those told under a later seq than the answer named. */
export function judgeLog(truth: Truth, ledger: Ledger): Verdict {
  const verdict = { found: 0, lost: 0, doubled: 0, holes: truth.breaks };
  for (const [k, seq] of ledger.acknowledged) {
    const at = truth.seqs.get(k);
    if (at === undefined) verdict.lost += 1;
    else verdict.found += 1;
    if (at !== undefined && at > seq) verdict.holes += 1;
  }
  for (const times of truth.times.values()) if (times > 1) verdict.doubled += times - 1;
  return verdict;
}

/** Waits until the reader holds the log's head, and counts the cells in which its copy then differs from the log's. */
export async function judgeReader(reader: Reader, truth: Truth, withinMs: number): Promise<number> {
  const until = performance.now() + withinMs;
  const isThere = (): boolean => {
    const held = reader.cursor();
    return held?.epoch === truth.cursor?.epoch && held?.seq === truth.cursor?.seq;
  };
  while (!isThere()) {
    if (performance.now() > until) {
      throw new Error(
        `A reader of ${reader.sheet.spreadsheetId} is at ${reader.cursor()?.seq ?? "nothing"}, but the log at ${truth.cursor?.seq ?? "nothing"}.`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  let differing = reader.cursor()?.chain === truth.cursor?.chain ? 0 : 1;
  for (const [place, k] of truth.copy) if (reader.copy.get(place) !== k) differing += 1;
  for (const place of reader.copy.keys()) if (!truth.copy.has(place)) differing += 1;
  return differing;
}
