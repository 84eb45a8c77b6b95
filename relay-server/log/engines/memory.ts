/** A log that lives as long as the process: for tests and a first look. */
import { FIRST_CHAIN, nextChain } from "@sheetwire/shared/digest";
import {
  checkAppend,
  followers,
  HeadMovedError,
  partsOf,
  type ChangeLog,
  type Entry,
  type Head,
  type StoredState,
  type TakenPost,
} from "../log.ts";

type Needs = { randomId: () => string; onFault?: (error: unknown) => void };

type Record = {
  head: Head;
  floor: { seq: number; chain: string };
  entries: Entry[];
  posts: Map<string, TakenPost>;
  desk: string | undefined;
  state: StoredState | undefined;
};

export function createMemoryLog(needs: Needs): ChangeLog {
  const records = new Map<string, Record>();
  const following = followers(needs.onFault ?? rethrowLater);
  const held = (spreadsheetId: string): Record => {
    const record = records.get(spreadsheetId);
    if (!record) throw new HeadMovedError("There is no record of this spreadsheet.");
    return record;
  };

  return {
    async create(spreadsheetId) {
      const existing = records.get(spreadsheetId);
      if (existing) return existing.head;
      const head = { epoch: needs.randomId(), seq: 0, chain: FIRST_CHAIN };
      const floor = { seq: 0, chain: FIRST_CHAIN };
      records.set(spreadsheetId, { head, floor, entries: [], posts: new Map(), desk: undefined, state: undefined });
      return head;
    },
    async head(spreadsheetId) {
      return records.get(spreadsheetId)?.head;
    },
    async append(group) {
      // First every check, on heads as they will be; only then the first write.
      const heads = new Map<string, Head | undefined>();
      for (const one of group) {
        const head = heads.has(one.spreadsheetId) ? heads.get(one.spreadsheetId) : records.get(one.spreadsheetId)?.head;
        checkAppend(one, head);
        heads.set(one.spreadsheetId, headAfter(one.expected, one.entry));
        if (one.post && records.get(one.spreadsheetId)?.posts.has(one.post.webhookId)) {
          throw new HeadMovedError("A post of this id was taken in between.");
        }
      }
      for (const { spreadsheetId, entry, post, desk } of group) {
        const record = held(spreadsheetId);
        if (entry) record.entries.push(entry);
        record.head = headAfter(record.head, entry);
        if (post) record.posts.set(post.webhookId, post);
        if (desk !== undefined) record.desk = desk;
      }
      for (const { spreadsheetId, expected, entry } of group) {
        if (entry) following.tell(spreadsheetId, entry, expected.epoch);
      }
    },
    async readAfter(spreadsheetId, seq, maxBytes) {
      const entries = records.get(spreadsheetId)?.entries ?? [];
      const first = firstAfter(entries, seq);
      const found: Entry[] = [];
      let bytes = 0;
      for (let at = first; at < entries.length; at += 1) {
        const entry = entries[at];
        if (!entry || (found.length > 0 && bytes + entry.json.length > maxBytes)) break;
        found.push(entry);
        bytes += entry.json.length;
      }
      return found;
    },
    async chainAt(spreadsheetId, seq) {
      const record = records.get(spreadsheetId);
      if (!record || seq < record.floor.seq || seq > record.head.seq) return undefined;
      if (seq === record.floor.seq) return record.floor.chain;
      const at = firstAfter(record.entries, seq - 1);
      const entry = record.entries[at];
      if (!entry || entry.lastSeq === seq) return entry?.chain;
      const before = record.entries[at - 1]?.chain ?? record.floor.chain;
      return partsOf(entry.json)
        .slice(0, seq - entry.firstSeq + 1)
        .reduce(nextChain, before);
    },
    async floor(spreadsheetId) {
      return records.get(spreadsheetId)?.floor.seq ?? 0;
    },
    async takenPost(spreadsheetId, webhookId) {
      return records.get(spreadsheetId)?.posts.get(webhookId);
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
      return records.get(spreadsheetId)?.state;
    },
    async trim(spreadsheetId, throughSeq) {
      const record = records.get(spreadsheetId);
      if (!record?.state) return;
      const through = Math.min(throughSeq, record.state.head.seq);
      const gone = record.entries.filter((entry) => entry.lastSeq <= through);
      const last = gone.at(-1);
      if (!last) return;
      record.entries = record.entries.slice(gone.length);
      record.floor = { seq: last.lastSeq, chain: last.chain };
    },
    async erase(spreadsheetId) {
      records.delete(spreadsheetId);
    },
    async forgetPosts(moment) {
      for (const { posts } of records.values()) {
        for (const post of posts.values()) if (post.takenAt < moment) posts.delete(post.webhookId);
      }
    },
    follow: (onEntry) => following.add(onEntry),
    async close() {
      records.clear();
    },
  };
}

const headAfter = (head: Head, entry: Entry | undefined): Head =>
  entry ? { epoch: head.epoch, seq: entry.lastSeq, chain: entry.chain } : head;

/** Where the entry that holds `seq + 1` stands, by halving. */
function firstAfter(entries: readonly Entry[], seq: number): number {
  let from = 0;
  let to = entries.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((entries[middle]?.lastSeq ?? 0) > seq) to = middle;
    else from = middle + 1;
  }
  return from;
}

function rethrowLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
