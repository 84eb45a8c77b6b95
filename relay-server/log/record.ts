/** What a log holds, and how it says no. */

/** One life of a log and its head. A reader's cursor is valid only in the same epoch and with the same chain. */
export type Head = { readonly epoch: string; readonly seq: number; readonly chain: string };

/** Consecutive changes to be appended: `json` is a JSON array of changes, `chain` the running hash after the last of them. */
export type NewEntry = {
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly json: string;
  readonly chain: string;
};

/** A taken post, remembered so that a repetition is answered as the first time. Times in milliseconds. */
export type TakenPost = {
  readonly webhookId: string;
  /** SHA-256 of the body. */
  readonly bodyHash: string;
  /** The JSON text of the answer. */
  readonly answer: string;
  readonly takenAt: number;
};

/** What one taken post adds to one spreadsheet's record. `entry` is absent when nothing changed. */
export type Append = {
  readonly spreadsheetId: string;
  /** The head this was folded against. Another one means that somebody else appended: nothing is stored. */
  readonly expected: Head;
  readonly entry?: NewEntry | undefined;
  readonly post?: TakenPost | undefined;
  /** The desk (layout numbers, open wants, what is unproven …) after this post, as JSON. Of a group the last one counts. */
  readonly desk?: string | undefined;
};

/** A version of the sheet state at exactly `head.seq`: NDJSON lines as the snapshot endpoint sends them. */
export type StateToStore = { readonly head: Head; readonly lines: Iterable<string> };

/** A durable version of the state; its lines come in pieces, so that a large one leaves others their turns. */
export type StoredState = { readonly head: Head; readonly lines: AsyncIterable<string> };

/** How much a log holds, and which of it may go. */
export type Kept = {
  /** Of frames that can be read, in bytes. */
  readonly bytes: number;
  readonly floor: number;
  /** The seq of the stored state; nothing behind it may go. */
  readonly stateSeq: number;
};

/** Somebody else appended to this log in between: fold again. */
export class HeadMovedError extends Error {
  override readonly name = "HeadMovedError";
}

/** The store has no room. Nothing was stored; reads go on; a smaller write may succeed. */
export class DiskFullError extends Error {
  override readonly name = "DiskFullError";
}

/** What is stored is not what was written: a flipped bit, a truncated file. It is named and never served as good. */
export class DamagedError extends Error {
  override readonly name = "DamagedError";
  readonly spreadsheetId: string;
  /** Changes after this one cannot be read from here, up to `throughSeq` where that is known. */
  readonly afterSeq: number;
  readonly throughSeq: number | undefined;

  constructor(spreadsheetId: string, what: string, afterSeq: number, throughSeq?: number, options?: ErrorOptions) {
    super(`The stored ${what} after change ${afterSeq} is damaged.`, options);
    this.spreadsheetId = spreadsheetId;
    this.afterSeq = afterSeq;
    this.throughSeq = throughSeq;
  }
}
