/**
 * What was committed and has not been put in its place yet: one row a commit, whatever it brought to however many
 * spreadsheets, so that a commit writes the ends of one table and no index. The entries stay in memory until they are
 * settled: joined, and moved to where they are found by their seq.
 */
import { crc32 } from "node:zlib";
import type { DatabaseSync } from "node:sqlite";
import * as z from "zod";
import { RowDamagedError } from "../../store/store.ts";
import { chainInside, indexAfter, joinEntries } from "../entry.ts";
import { DamagedError, Entry } from "../log.ts";
import { JOINED_BYTES, type EntryRows } from "./sqlite-entries.ts";
import type { LogEnd, RecordRows } from "./sqlite-records.ts";

/** What a commit brought to one spreadsheet. */
export type CommitPart = {
  readonly key: number;
  readonly spreadsheetId: string;
  /** The head after it. */
  readonly seq: number;
  readonly chain: string;
  readonly entries: readonly Entry[];
  readonly desk: string | undefined;
};

/** Posts as they are stored beside a commit. */
export type PackedPosts = {
  readonly records: string;
  readonly prints: Uint8Array;
  readonly takenAt: number;
  /** Over all of it and the commit's number; it stays with the posts when they leave the journal. */
  readonly crc: number;
};

type Held = { readonly entry: Entry; readonly at: number; readonly id: number };

/** The end of one spreadsheet's log that is not settled. */
export type LooseEnd = {
  readonly key: number;
  readonly spreadsheetId: string;
  /** Where it begins: what lies before is settled. */
  before: LogEnd;
  /** Where it ends. */
  head: LogEnd;
  held: Held[];
  /** Written with the commit `deskId`; undefined when the settled one is the newest. */
  desk: string | undefined;
  deskId: number;
};

/** A pass begins with so many bytes in the journal, or when the oldest of them is so old, in milliseconds. */
const SETTLE_BYTES = 4 * 1024 * 1024;
const SETTLE_AFTER_MS = 5_000;
/** The frames of a commit are put together in the same memory each time, up to this size. */
const ROOM_BYTES = 1024 * 1024;
/** One of so many entries fills a joined one, and is settled by itself. */
const LONG_ENTRIES = 160;
/** One slice writes about so much, in bytes and in rows: a few milliseconds. */
const SLICE_BYTES = 512 * 1024;
const SLICE_ROWS = 128;
/** So many rows of the journal are dropped at once. */
const DROP_ROWS = 32;

const partsSchema = z.array(
  z.tuple([
    z.number(),
    z.number(),
    z.string(),
    z.array(z.tuple([z.number(), z.number(), z.string(), z.number()])),
    // A relay before this one wrote the desk as a text.
    z.union([z.string(), z.null(), z.record(z.string(), z.unknown()).transform((desk) => JSON.stringify(desk))]),
  ]),
);

export type Journal = ReturnType<typeof createJournal>;

type Needs = {
  entries: EntryRows;
  records: RecordRows;
  /** Writes how far a spreadsheet's log is settled, in the transaction that settles it. */
  move: (loose: LooseEnd, end: LogEnd) => void;
  /** Told of rows that were added to the log's own, and their bytes, before the loose end forgets where it began. */
  onSettled: (loose: LooseEnd, rows: number, bytes: number) => void;
  /** Told of damaged commits that are given up, in the transaction that drops their rows. */
  onForgone: (commits: number) => void;
};

export function createJournal(db: DatabaseSync, { entries: rows, records, move, onSettled, onForgone }: Needs) {
  const sql = {
    add: db.prepare(
      "INSERT INTO journal (id, at, taken_at, crc, posts_crc, parts, records, prints, frames) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    ),
    all: db.prepare("SELECT id, at, taken_at, crc, posts_crc, parts, records, prints, frames FROM journal ORDER BY id"),
    setDesk: db.prepare("INSERT OR REPLACE INTO desks (spreadsheet_key, json, crc) VALUES (?, ?, ?)"),
    keepPosts: db.prepare(
      "INSERT INTO taken (id, taken_at, prints, records, crc) SELECT id, taken_at, prints, records, posts_crc FROM journal WHERE id <= ? AND length(prints) > 0",
    ),
    disown: db.prepare("UPDATE journal SET prints = x'' WHERE id = ?"),
    drop: db.prepare("DELETE FROM journal WHERE id <= ?"),
    settled: db.prepare("INSERT OR REPLACE INTO meta (name, value) VALUES ('commits', ?)"),
  };
  const looseEnds = new Map<number, LooseEnd>();
  const long = new Set<number>();
  /** Commits whose rows are not as they were written. */
  const damaged = new Set<number>();
  /** Of the rows that are there: the first and the last, how much they hold, and when the first was written. */
  let first = 1;
  let last = 0;
  let bytes = 0;
  let since: number | undefined;
  let pass: { readonly through: number; readonly keys: number[] } | undefined;
  let room: Buffer | undefined;

  function note(id: number, at: number, part: CommitPart, before: LogEnd): void {
    const { key, spreadsheetId, seq, chain, entries, desk } = part;
    if (entries.length === 0 && desk === undefined) return;
    let loose = looseEnds.get(key);
    if (!loose) {
      loose = { key, spreadsheetId, before, head: before, held: [], desk: undefined, deskId: 0 };
      looseEnds.set(key, loose);
    }
    for (const entry of entries) loose.held.push({ entry, at, id });
    if (loose.held.length >= LONG_ENTRIES) long.add(key);
    loose.head = { seq, chain };
    if (desk !== undefined) {
      loose.desk = desk;
      loose.deskId = id;
    }
  }

  function noteRow(id: number, at: number, size: number): void {
    if (last < first) first = id;
    last = id;
    bytes += size;
    since ??= at;
  }

  function forget(): void {
    looseEnds.clear();
    long.clear();
    damaged.clear();
    pass = undefined;
    first = last + 1;
    bytes = 0;
    since = undefined;
  }

  /** Takes up a row that was stored; what is settled already, or of a spreadsheet that was erased, is left alone. */
  function takeUp(id: number, at: number, parts: string, frames: Buffer): void {
    let from = 0;
    for (const [key, seq, chain, spans, desk] of partsSchema.parse(JSON.parse(parts))) {
      const entries = spans.map(([firstSeq, lastSeq, after, length]) => {
        const entry = new Entry(firstSeq, lastSeq, after, frames.subarray(from, from + length));
        from += length;
        return entry;
      });
      const settled = records.byKey(key);
      if (!settled) continue;
      const before = looseEnds.get(key)?.head ?? settled;
      const isNewer = seq > before.seq;
      const part: CommitPart = {
        key,
        spreadsheetId: settled.spreadsheetId,
        seq: isNewer ? seq : before.seq,
        chain: isNewer ? chain : before.chain,
        entries: entries.filter(({ lastSeq }) => lastSeq > before.seq),
        desk: desk ?? undefined,
      };
      note(id, at, part, before);
    }
  }

  /** Writes a loose end up to a commit; what is returned is to be called once that is durable. */
  function settle(
    loose: LooseEnd,
    through: number,
    isJoined: boolean,
  ): { bytes: number; rows: number; done: () => void } {
    const { key, spreadsheetId, desk } = loose;
    let count = 0;
    let written = 0;
    let made = 0;
    while (written < SLICE_BYTES && (loose.held[count]?.id ?? Number.POSITIVE_INFINITY) <= through) {
      const some: Entry[] = [];
      let size = 0;
      let at = 0;
      for (; some.length === 0 || isJoined; count += 1) {
        const held = loose.held[count];
        if (!held || held.id > through) break;
        // Behind a hole another one begins.
        const before = some.at(-1);
        if (before && held.entry.firstSeq !== before.lastSeq + 1) break;
        const { length } = held.entry.frame;
        if (some.length > 0 && size + length > JOINED_BYTES) break;
        some.push(held.entry);
        size += length;
        ({ at } = held);
      }
      const [only] = some;
      rows.add(loose, some.length === 1 && only ? only : joinEntries(spreadsheetId, some), at);
      written += size;
      made += 1;
    }
    const newest = loose.held[count - 1]?.entry;
    if (newest) move(loose, { seq: newest.lastSeq, chain: newest.chain });
    if (desk !== undefined) sql.setDesk.run(key, desk, crc32(desk, key));
    return {
      bytes: written,
      rows: made + 1,
      done() {
        if (made > 0) onSettled(loose, made, written);
        if (newest) loose.before = { seq: newest.lastSeq, chain: newest.chain };
        loose.held = loose.held.slice(count);
        if (loose.desk === desk) loose.desk = undefined;
        if (loose.held.length < LONG_ENTRIES) long.delete(key);
        if (loose.held.length === 0 && loose.desk === undefined && looseEnds.get(key) === loose) looseEnds.delete(key);
      },
    };
  }

  /** The frames of a commit one behind the other, until the next one. */
  function joined(frames: readonly Buffer[]): Buffer {
    let length = 0;
    for (const frame of frames) length += frame.length;
    if (length > ROOM_BYTES) return Buffer.concat(frames, length);
    room ??= Buffer.allocUnsafeSlow(ROOM_BYTES);
    let at = 0;
    for (const frame of frames) at += frame.copy(room, at);
    return room.subarray(0, length);
  }

  const isUnsettled = (loose: LooseEnd, through: number): boolean =>
    (loose.held[0]?.id ?? Number.POSITIVE_INFINITY) <= through || (loose.desk !== undefined && loose.deskId <= through);

  return {
    /** The last commit that was written, whether it was settled since or not. */
    get last(): number {
      return last;
    },
    looseEnd: (key: number): LooseEnd | undefined => looseEnds.get(key),

    /** Writes the row of a commit, of so many bytes; `written` is to be called once that is durable. */
    add(
      id: number,
      at: number,
      parts: readonly CommitPart[],
      posts: PackedPosts,
    ): { bytes: number; written: () => void } {
      const text = `[${parts.map(partText).join(",")}]`;
      const frames = joined(parts.flatMap(({ entries }) => entries.map(({ frame }) => frame)));
      const { takenAt, crc } = posts;
      sql.add.run(id, at, takenAt, crcOf(id, at, crc, text, frames), crc, text, posts.records, posts.prints, frames);
      const size = text.length + posts.records.length + frames.length;
      return { bytes: size, written: () => noteRow(id, at, size) };
    },
    note,

    /** Takes up everything that is stored; answers how many rows are not as they were written. */
    load(commits: number): number {
      forget();
      last = commits;
      first = last + 1;
      for (const row of sql.all.iterate()) {
        const { crc, posts_crc: postsCrc, parts, records: posts, prints, frames } = row;
        const id = Number(row["id"]);
        if (
          typeof parts !== "string" ||
          typeof posts !== "string" ||
          !(prints instanceof Uint8Array) ||
          !(frames instanceof Uint8Array)
        ) {
          throw new RowDamagedError("A row of the journal holds something that was never written there.");
        }
        const at = Number(row["at"]);
        const held = Buffer.from(frames.buffer, frames.byteOffset, frames.byteLength);
        const isGood =
          postsCrc === postsCrcOf(id, Number(row["taken_at"]), prints, posts) &&
          crc === crcOf(id, at, postsCrc, parts, held);
        if (isGood) takeUp(id, at, parts, held);
        else damaged.add(id);
        noteRow(id, at, parts.length + posts.length + held.length);
      }
      return damaged.size;
    },
    isDamaged: (id: number): boolean => damaged.has(id),

    /** Entries after `seq`, as those of the settled rows: until they hold `maxBytes`. Undefined where they begin later. */
    readAfter(key: number, seq: number, maxBytes: number): readonly Entry[] | undefined {
      const loose = looseEnds.get(key);
      if (!loose || loose.held.length === 0 || seq < loose.before.seq) return undefined;
      const read: Entry[] = [];
      let size = 0;
      let readTo = seq;
      for (let at = indexAfter(loose.held, seq); at < loose.held.length; at += 1) {
        const entry = loose.held[at]?.entry;
        if (!entry || size >= maxBytes) break;
        // What is missing is named, not read over.
        if (entry.firstSeq > readTo + 1) {
          if (read.length === 0) throw new DamagedError(loose.spreadsheetId, "log", seq);
          break;
        }
        readTo = entry.lastSeq;
        read.push(entry);
        size += entry.frame.length;
      }
      return read;
    },

    /** The chain after `seq`; undefined where that is settled. */
    chainAt(key: number, seq: number): string | undefined {
      const loose = looseEnds.get(key);
      if (!loose || seq < loose.before.seq) return undefined;
      if (seq === loose.before.seq) return loose.before.chain;
      const at = indexAfter(loose.held, seq - 1);
      const entry = loose.held[at]?.entry;
      return entry && chainInside(entry, loose.held[at - 1]?.entry.chain ?? loose.before.chain, seq);
    },

    /**
     * Settles one spreadsheet; what it returns is to be called once that is durable. True means that there is more of it.
     */
    settleOne(key: number, isJoined: boolean): () => boolean {
      const loose = looseEnds.get(key);
      const settled = loose && settle(loose, last, isJoined);
      return () => {
        settled?.done();
        return looseEnds.has(key);
      };
    },

    /** Forgets a spreadsheet that was erased. */
    leave(key: number): void {
      looseEnds.delete(key);
      long.delete(key);
    },

    /** A spreadsheet whose loose end is long enough to be settled by itself. */
    longest(): number | undefined {
      for (const key of long) return key;
      return undefined;
    },

    /** Whether there is a pass to begin or to go on with. */
    isDue: (now: number): boolean =>
      pass !== undefined || bytes >= SETTLE_BYTES || (since !== undefined && now - since >= SETTLE_AFTER_MS),

    /** Whether everything up to this commit is in its place. */
    isSettled: (through: number): boolean => first > Math.min(through, last),

    /**
     * A slice of a pass: everything up to the commit that was the last when it began is put in its place. What it returns is
     * to be called once that is durable.
     */
    settleSlice(isJoined: boolean): () => void {
      if (!pass) {
        pass = { through: last, keys: [...looseEnds.keys()] };
        // What comes from here on is for the next one.
        bytes = 0;
        since = undefined;
      }
      const { through, keys } = pass;
      const later: (() => void)[] = [];
      let written = 0;
      let made = 0;
      let at = keys.length;
      while (at > 0 && written < SLICE_BYTES && made < SLICE_ROWS) {
        const loose = looseEnds.get(keys[at - 1] ?? 0);
        const settled = loose && isUnsettled(loose, through) ? settle(loose, through, isJoined) : undefined;
        if (settled) {
          written += settled.bytes;
          made += settled.rows;
          later.push(settled.done);
          // A long one has the next slice too.
          if (settled.bytes >= SLICE_BYTES) break;
        }
        at -= 1;
      }
      let dropped = first;
      if (at === 0) {
        dropped = Math.min(through, first + DROP_ROWS - 1) + 1;
        // Posts whose changes were lost are not remembered as taken.
        const forgone = [...damaged].filter((id) => id < dropped);
        for (const id of forgone) sql.disown.run(id);
        if (forgone.length > 0) onForgone(forgone.length);
        sql.keepPosts.run(dropped - 1);
        sql.drop.run(dropped - 1);
        sql.settled.run(String(dropped - 1));
      }
      return () => {
        for (const done of later) done();
        keys.length = at;
        first = dropped;
        for (const id of damaged) if (id < dropped) damaged.delete(id);
        if (first > through) pass = undefined;
      };
    },
  };
}

/** A part as JSON. The desk is JSON already, and stands in it as it is. */
function partText({ key, seq, chain, entries, desk }: CommitPart): string {
  const spans = entries.map(
    ({ firstSeq, lastSeq, chain: after, frame }) => `[${firstSeq},${lastSeq},"${after}",${frame.length}]`,
  );
  return `[${key},${seq},"${chain}",[${spans.join(",")}],${desk ?? "null"}]`;
}

function crcOf(id: number, at: number, postsCrc: number, parts: string, frames: Uint8Array): number {
  return crc32(frames, crc32(parts, crc32(`${id} ${at} ${postsCrc}`)));
}

/** Over everything that is stored of the posts of commit `id`, here and where they are kept later. */
export function postsCrcOf(id: number, takenAt: number, prints: Uint8Array, records: string): number {
  return crc32(records, crc32(prints, crc32(`${id} ${takenAt}`)));
}
