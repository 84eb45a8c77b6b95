/** What a log holds, and how it says no. */

/** One life of a log and its head. A reader's cursor is valid only in the same epoch and with the same chain. */
export type Head = { readonly epoch: string; readonly seq: number; readonly chain: string };

/** Consecutive changes that became durable together, stored ready to be sent: `json` is a JSON array of changes. */
export type Entry = {
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly json: string;
  /** The running hash after the last of them. */
  readonly chain: string;
};

/** A taken post, remembered so that a repetition is answered as the first time. Times in milliseconds. */
export type TakenPost = {
  readonly webhookId: string;
  /** SHA-256 of the body, hex. */
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
  readonly entry?: Entry | undefined;
  readonly post?: TakenPost | undefined;
  /** The desk (layout numbers, open wants, what is unproven …) after this post, as JSON. */
  readonly desk?: string | undefined;
};

/** A durable version of the sheet state at exactly `head.seq`: NDJSON lines as the snapshot endpoint sends them. */
export type StoredState = { readonly head: Head; readonly lines: readonly string[] };

/** Somebody else appended to this log in between: fold again. */
export class HeadMovedError extends Error {
  override readonly name = "HeadMovedError";
}

/** The store has no room. Nothing was stored; reads go on; a smaller write may succeed. */
export class DiskFullError extends Error {
  override readonly name = "DiskFullError";
}
