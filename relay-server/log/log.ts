/** The ordered, durable record of what was learned of every spreadsheet, and what must be remembered beside it. */

import type { OnEntry } from "./followers.ts";
import type { Append, Entry, Head, StoredState, TakenPost } from "./record.ts";

export * from "./record.ts";
export { followers, type Followers, type OnEntry } from "./followers.ts";
export { checkAppend, laterPart, partsOf } from "./entry.ts";

/**
 * - L1: within one spreadsheet and epoch, `seq` counts 1, 2, 3 with no holes, and `chain` is that of the entries in order.
 * - L2: when `append` has resolved, everything in it survives a crash of the process (durability `normal`) or a power cut
 *   (`full`).
 * - L3: a group of appends is stored whole or not at all; entry, post and desk of one append never part.
 * - L4: an append whose `expected` is not the head rejects with HeadMovedError and stores nothing of its group.
 * - L5: a taken post is found by its id for at least 24 h, with the hash of its body.
 * - L6: `readAfter` yields entries in order, each once, the first of them holding `seq + 1`; an entry may begin before it.
 * - L7: `follow` tells of every entry stored by this process, once, in order, after it is durable.
 * - L8: `create` of a spreadsheet that exists changes nothing; `erase` leaves nothing of it.
 * - L9: entries are dropped (`trim`) only up to the seq of a stored state.
 * - L10: `chainAt` answers for every seq from the floor to the head, also inside an entry, and for no other.
 */
export interface ChangeLog {
  /** Starts the record of a spreadsheet with a fresh epoch; answers the head. */
  create(spreadsheetId: string): Promise<Head>;
  head(spreadsheetId: string): Promise<Head | undefined>;
  append(group: readonly Append[]): Promise<void>;
  /** Entries after `seq`, up to about `maxBytes` of JSON but at least one when there is one; empty at the head. */
  readAfter(spreadsheetId: string, seq: number, maxBytes: number): Promise<readonly Entry[]>;
  /** The running hash after `seq`; undefined when the log does not reach there, or no longer does. */
  chainAt(spreadsheetId: string, seq: number): Promise<string | undefined>;
  /** The seq before the oldest change that can still be read; 0 while nothing was trimmed. */
  floor(spreadsheetId: string): Promise<number>;
  takenPost(spreadsheetId: string, webhookId: string): Promise<TakenPost | undefined>;
  desk(spreadsheetId: string): Promise<string | undefined>;
  saveState(spreadsheetId: string, state: StoredState): Promise<void>;
  state(spreadsheetId: string): Promise<StoredState | undefined>;
  trim(spreadsheetId: string, throughSeq: number): Promise<void>;
  erase(spreadsheetId: string): Promise<void>;
  /** Forgets taken posts from before `moment`. */
  forgetPosts(moment: number): Promise<void>;
  follow(onEntry: OnEntry): () => void;
  close(): Promise<void>;
}
