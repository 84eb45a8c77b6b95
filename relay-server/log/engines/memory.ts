/** A log that lives as long as the process: for tests and a first look. */
import { FIRST_CHAIN } from "@sheetwire/shared/digest";
import { additionsOf, chainInside, entriesOf, indexAfter, joinEntries, takenInBetween } from "../entry.ts";
import { followers, HeadMovedError, type ChangeLog, type Entry, type Head, type TakenPost } from "../log.ts";
import { printOf, Prints } from "../prints.ts";

type Needs = { randomId: () => string; now?: () => number; onFault?: (error: unknown) => void };

type Record = {
  head: Head;
  floor: { seq: number; chain: string };
  entries: { entry: Entry; at: number }[];
  /** How many entries stand at the beginning of which it is known that they need no joining. */
  joined: number;
  desk: string | undefined;
  state: { head: Head; lines: readonly string[] } | undefined;
};

/** Small entries are joined up to about this size, in bytes, when there are so many of them. */
const JOINED_BYTES = 64 * 1024;
const JOIN_AFTER = 64;

export function createMemoryLog(needs: Needs): ChangeLog {
  const { now = (): number => 0 } = needs;
  const records = new Map<string, Record>();
  const posts: ({ spreadsheetId: string; post: TakenPost } | undefined)[] = [undefined];
  const prints = new Prints();
  const following = followers(needs.onFault ?? rethrowLater);
  const held = (spreadsheetId: string): Record => {
    const record = records.get(spreadsheetId);
    if (!record) throw new HeadMovedError("There is no record of this spreadsheet.");
    return record;
  };
  const postOf = (spreadsheetId: string, webhookId: string): TakenPost | undefined => {
    for (const at of prints.find(printOf(spreadsheetId, webhookId))) {
      const found = posts[at];
      if (found?.spreadsheetId === spreadsheetId && found.post.webhookId === webhookId) return found.post;
    }
    return undefined;
  };
  const forget = (isDue: (one: { spreadsheetId: string; post: TakenPost }) => boolean): void => {
    posts.forEach((one, at) => {
      if (!one || !isDue(one)) return;
      prints.remove(printOf(one.spreadsheetId, one.post.webhookId), at);
      posts[at] = undefined;
    });
  };

  return {
    async create(spreadsheetId) {
      const existing = records.get(spreadsheetId);
      if (existing) return existing.head;
      const head = { epoch: needs.randomId(), seq: 0, chain: FIRST_CHAIN };
      const floor = { seq: 0, chain: FIRST_CHAIN };
      records.set(spreadsheetId, { head, floor, entries: [], joined: 0, desk: undefined, state: undefined });
      following.tellLife(spreadsheetId, head);
      return head;
    },
    async head(spreadsheetId) {
      return records.get(spreadsheetId)?.head;
    },
    async append(group) {
      // First every check, only then the first write.
      const additions = additionsOf(group, (spreadsheetId) => records.get(spreadsheetId)?.head);
      const made = additions.map((addition) => ({ ...addition, entries: entriesOf(addition) }));
      for (const { spreadsheetId, posts: taken } of made) {
        if (taken.some((post) => postOf(spreadsheetId, post.webhookId))) throw takenInBetween();
      }
      const at = now();
      for (const { spreadsheetId, after, entries, posts: taken, desk } of made) {
        const record = held(spreadsheetId);
        for (const entry of entries) record.entries.push({ entry, at });
        record.head = after;
        for (const post of taken)
          prints.add(printOf(spreadsheetId, post.webhookId), posts.push({ spreadsheetId, post }) - 1);
        if (desk !== undefined) record.desk = desk;
      }
      for (const { spreadsheetId, after, entries } of made) {
        for (const entry of entries) following.tell(spreadsheetId, entry, after.epoch);
      }
    },
    async readAfter(spreadsheetId, seq, maxBytes) {
      const entries = records.get(spreadsheetId)?.entries ?? [];
      const found: Entry[] = [];
      let bytes = 0;
      for (let at = indexAfter(entries, seq); at < entries.length; at += 1) {
        const entry = entries[at]?.entry;
        if (!entry || bytes >= maxBytes) break;
        found.push(entry);
        bytes += entry.frame.length;
      }
      return found;
    },
    async chainAt(spreadsheetId, seq) {
      const record = records.get(spreadsheetId);
      if (!record || seq < record.floor.seq || seq > record.head.seq) return undefined;
      if (seq === record.floor.seq) return record.floor.chain;
      const at = indexAfter(record.entries, seq - 1);
      const entry = record.entries[at]?.entry;
      return entry && chainInside(entry, record.entries[at - 1]?.entry.chain ?? record.floor.chain, seq);
    },
    async floor(spreadsheetId) {
      return records.get(spreadsheetId)?.floor.seq ?? 0;
    },
    takenPost(spreadsheetId, webhookId) {
      const found = postOf(spreadsheetId, webhookId);
      return found && Promise.resolve(found);
    },
    async desk(spreadsheetId) {
      return records.get(spreadsheetId)?.desk;
    },
    async saveState(spreadsheetId, state) {
      const record = held(spreadsheetId);
      if (state.head.epoch !== record.head.epoch || state.head.seq > record.head.seq) {
        throw new HeadMovedError(`A state of seq ${state.head.seq}, but the log is at ${record.head.seq}.`);
      }
      record.state = { head: state.head, lines: [...state.lines] };
    },
    async state(spreadsheetId) {
      const stored = records.get(spreadsheetId)?.state;
      return stored && { head: stored.head, lines: later(stored.lines) };
    },
    async trim(spreadsheetId, throughSeq) {
      const record = records.get(spreadsheetId);
      if (!record?.state) return;
      const through = Math.min(throughSeq, record.state.head.seq);
      const gone = record.entries.filter(({ entry }) => entry.lastSeq <= through);
      const last = gone.at(-1)?.entry;
      if (!last) return;
      record.entries = record.entries.slice(gone.length);
      record.joined = Math.max(0, record.joined - gone.length);
      record.floor = { seq: last.lastSeq, chain: last.chain };
    },
    async kept(spreadsheetId) {
      const record = records.get(spreadsheetId);
      return (
        record && {
          bytes: record.entries.reduce((sum, { entry }) => sum + entry.frame.length, 0),
          floor: record.floor.seq,
          stateSeq: record.state?.head.seq ?? 0,
        }
      );
    },
    async dueThrough(spreadsheetId, moment, maxBytes) {
      let due = 0;
      let bytes = 0;
      for (const { entry, at } of records.get(spreadsheetId)?.entries.toReversed() ?? []) {
        bytes += entry.frame.length;
        if (at < moment || bytes > maxBytes) due = Math.max(due, entry.lastSeq);
      }
      return due;
    },
    async tidy() {
      for (const [spreadsheetId, record] of records) {
        if (record.entries.length - record.joined < JOIN_AFTER) continue;
        const some: Entry[] = [];
        let bytes = 0;
        for (let at = record.joined; at < record.entries.length && bytes < JOINED_BYTES; at += 1) {
          const one = record.entries[at];
          if (!one || (some.length > 0 && bytes + one.entry.frame.length > JOINED_BYTES)) break;
          some.push(one.entry);
          bytes += one.entry.frame.length;
        }
        const at = record.entries[record.joined + some.length - 1]?.at ?? 0;
        record.entries.splice(record.joined, some.length, { entry: joinEntries(spreadsheetId, some), at });
        record.joined += 1;
        return true;
      }
      return false;
    },
    async restart(spreadsheetId) {
      const record = records.get(spreadsheetId);
      if (!record) return undefined;
      record.head = { ...record.head, epoch: needs.randomId() };
      record.desk = undefined;
      record.state = { head: record.head, lines: [] };
      following.tellLife(spreadsheetId, record.head);
      return record.head;
    },
    async erase(spreadsheetId) {
      records.delete(spreadsheetId);
      forget((one) => one.spreadsheetId === spreadsheetId);
    },
    async forgetPosts(moment) {
      forget(({ post }) => post.takenAt < moment);
    },
    follow: (onEntry, onLife) => following.add(onEntry, onLife),
    async close() {
      records.clear();
    },
  };
}

async function* later(lines: readonly string[]): AsyncGenerator<string> {
  yield* lines;
}

function rethrowLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
