/** The ordered, durable record of what was learned of every spreadsheet, and what must be remembered beside it. */

import type { Entry } from "./entry.ts";
import type { OnEntry, OnLife } from "./followers.ts";
import type { Append, Head, Kept, StateToStore, StoredState, TakenPost } from "./record.ts";

export * from "./record.ts";
export { followers, type Followers, type OnEntry, type OnLife } from "./followers.ts";
export { giveBack } from "./give-back.ts";
export { createKeeper } from "./keeper.ts";
export { Entry, laterPart, partsOf, textFrame } from "./entry.ts";

/**
 * - L1: within one spreadsheet and epoch, `seq` counts 1, 2, 3 with no holes, and `chain` is that of the entries in order.
 * - L2: when `append` has resolved, everything in it survives a crash of the process (durability `normal`) or a power cut
 *   (`full`).
 * - L3: a group of appends is stored whole or not at all; entry, post and desk of one append never part.
 * - L4: an append whose `expected` is not the head rejects with HeadMovedError and stores nothing of its group.
 * - L5: a taken post is found by its id for at least 24 h, with the hash of its body.
 * - L6: `readAfter` yields entries in order, each once, the first of them holding `seq + 1`; an entry may begin before it.
 *   Who has read one and is done with it may release it, which nobody else notices.
 * - L7: `follow` tells of everything stored by this process, once, in order, after it is durable; so it does of each life
 *   that a log begins, before anything that is stored in it.
 * - L8: `create` of a spreadsheet that exists changes nothing; `erase` leaves nothing of it.
 * - L9: entries are dropped (`trim`) only up to the seq of a stored state.
 * - L10: `chainAt` answers for every seq from the floor to the head, also inside an entry, and for no other.
 * - L11: an entry is a ready frame of the feed, and what a group adds to one spreadsheet is one entry, as far as a frame
 *   holds it. `tidy` joins small entries into larger ones; what they say stays the same, byte for byte.
 * - L12: a state is stored whole or the one before it stays.
 * - L13: what is not as it was written is never served: whoever reads it gets a DamagedError that names the place, and
 *   everything else can be read. `restart` begins a new life of such a log.
 */
export interface ChangeLog {
  /** Starts the record of a spreadsheet with a fresh epoch; answers the head. */
  create(spreadsheetId: string): Promise<Head>;
  head(spreadsheetId: string): Promise<Head | undefined>;
  append(group: readonly Append[]): Promise<void>;
  /** Entries after `seq`, until they hold `maxBytes`; none at the head. */
  readAfter(spreadsheetId: string, seq: number, maxBytes: number): Promise<readonly Entry[]>;
  /** The running hash after `seq`; undefined when the log does not reach there, or no longer does. */
  chainAt(spreadsheetId: string, seq: number): Promise<string | undefined>;
  /** The seq before the oldest change that can still be read; 0 while nothing was trimmed. */
  floor(spreadsheetId: string): Promise<number>;
  /** Nothing, and at once, when it is known without a look into the store that no such post was taken. */
  takenPost(spreadsheetId: string, webhookId: string): Promise<TakenPost | undefined> | undefined;
  desk(spreadsheetId: string): Promise<string | undefined>;
  saveState(spreadsheetId: string, state: StateToStore): Promise<void>;
  state(spreadsheetId: string): Promise<StoredState | undefined>;
  /** Drops entries up to `throughSeq`, as far as a stored state reaches. */
  trim(spreadsheetId: string, throughSeq: number): Promise<void>;
  kept(spreadsheetId: string): Promise<Kept | undefined>;
  /** Through which seq entries became durable before `moment`, or lie beyond the newest `maxBytes`; 0 for none. */
  dueThrough(spreadsheetId: string, moment: number, maxBytes: number): Promise<number>;
  /** One small piece of housekeeping, of a few milliseconds; true while there is more to do. */
  tidy(): Promise<boolean>;
  /** Begins a new life at the same seq, without what is damaged and without state and desk: all will be read anew. */
  restart(spreadsheetId: string): Promise<Head | undefined>;
  erase(spreadsheetId: string): Promise<void>;
  /** Forgets taken posts from before `moment`. */
  forgetPosts(moment: number): Promise<void>;
  follow(onEntry: OnEntry, onLife?: OnLife): () => void;
  close(): Promise<void>;
}
