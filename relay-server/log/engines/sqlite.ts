/** The log of one machine, in the embedded database. A group of appends is one transaction: the caller groups. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { crc32 } from "node:zlib";
import { FIRST_CHAIN } from "@sheetwire/shared/digest";
import { RowDamagedError, SQLITE_CORRUPT, SQLITE_FULL, sqliteCodeOf, type Store } from "../../store/store.ts";
import { additionsOf, entriesOf } from "../entry.ts";
import {
  DamagedError,
  DiskFullError,
  followers,
  HeadMovedError,
  type ChangeLog,
  type Entry,
  type Head,
} from "../log.ts";
import { createEntryRows } from "./sqlite-entries.ts";
import { createJournal, type CommitPart } from "./sqlite-journal.ts";
import { createPostRows, type Taking } from "./sqlite-posts.ts";
import { createRecordRows, type LogEnd, type RecordRow } from "./sqlite-records.ts";
import { createStateRows, inPieces } from "./sqlite-states.ts";

type Needs = {
  randomId: () => string;
  /** Milliseconds since 1970. */
  now?: () => number;
  onFault: (error: unknown) => void;
  /** Told at the start when so many commits that had been acknowledged are missing: a file was cut short, or the power went. */
  onLost?: (commits: number) => void;
  /** A guest is a program beside the running relay (the CLI): it leaves the marks of start and end alone. */
  as: "owner" | "guest";
};

/** One spreadsheet's record as it is held in memory. */
type Record = {
  readonly key: number;
  readonly spreadsheetId: string;
  head: Head;
  floor: LogEnd;
};

/** Entries of a spreadsheet since they were joined last, and up to where that was. */
type Untidy = { readonly spreadsheetId: string; count: number; from: number };

/** About what a commit writes beside what it brings, in bytes: the end of a table. */
const BYTES_OF_A_COMMIT = 2 * 4_096;
/** So many entries are dropped at once. */
const DROP_ROWS = 200;
/** Entries are joined when a spreadsheet has got so many more: of lone edits as many as fill a joined one, so that none is written thrice. */
const JOIN_AFTER = 160;
/**
 * So many spreadsheets have theirs joined in one piece: a page holds entries of many, and is written once for all of them.
 */
const JOIN_TOGETHER = 8;

/**
 * Opens the log in a store. Under durability `normal` a power cut may have taken the last entries that readers have seen
 * already; so after an unclean end every epoch is renewed, and readers take a new snapshot.
 */
export function createSqliteLog(store: Store, needs: Needs): ChangeLog {
  const { db } = store;
  const { now = (): number => Date.now() } = needs;
  const following = followers(needs.onFault);
  const entries = createEntryRows(db);
  const records = createRecordRows(db);
  const posts = createPostRows(db, (commit) => journal.isDamaged(commit));
  /** Entries since they were joined last, and up to where that was. */
  const untidy = new Map<number, Untidy>();
  const journal = createJournal(db, {
    entries,
    records,
    move({ key, spreadsheetId }, end) {
      const record = current({ key, spreadsheetId });
      if (record) records.set({ ...rowOf(record), ...end });
    },
    onSettled({ spreadsheetId, key, before }, count, bytes) {
      store.wrote(bytes);
      const noted = untidy.get(key);
      if (noted) noted.count += count;
      else untidy.set(key, { spreadsheetId, count, from: before.seq });
    },
    onForgone(count) {
      // The relay has told its readers of them already, or begins new lives when it sees this: also after a start that broke off.
      if (needs.as === "guest" || !hasBegun) sql.setMeta.run("forgone", String(forgone() + count));
    },
  });
  const states = createStateRows(db);
  const sql = {
    findDesk: db.prepare("SELECT json, crc FROM desks WHERE spreadsheet_key = ?"),
    dropDesk: db.prepare("DELETE FROM desks WHERE spreadsheet_key = ?"),
    meta: db.prepare("SELECT value FROM meta WHERE name = ?"),
    setMeta: db.prepare("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)"),
    dropMeta: db.prepare("DELETE FROM meta WHERE name = ?"),
  };
  const held = new Map<string, Record>();
  let foreign = store.foreignWrites();
  let mayHaveOrphans = true;
  /** Keys of which an erasing broke off. */
  const abandoned = new Set<number>(needs.as === "owner" ? entries.keysWithoutRecord() : []);
  /** Of all times; the last one's number. */
  let commits = 0;
  /** What was to be written at the start, and comes with the first write that finds room. */
  let owed: (() => void) | undefined;
  /** Whether what was found lost at the start has led to new lives. */
  let hasBegun = false;

  mendRecords();
  /** The open mark says with which durability the log was opened, and "clean" once it was closed. */
  const damaged = takeUp();
  if (needs.as === "owner") {
    const marked = store.mark.read();
    const lost = Math.max(0, marked - journal.last) + damaged;
    commits = Math.max(commits, marked);
    if (lost > 0) needs.onLost?.(lost);
    settleAtOnce();
    const mark = `open-${store.durability}`;
    const found = sql.meta.get("log")?.["value"];
    const isNew = lost > 0 || found === "open-normal";
    if (posts.damaged > 0) needs.onFault(new RowDamagedError(`${posts.damaged} rows of taken posts are damaged.`));
    // After a kill everything says so already: nothing is written that a full disk would have no room for.
    if (isNew || found !== mark || commits !== journal.last || posts.damaged > 0) {
      owed = () => {
        if (isNew) renewEpochs();
        posts.dropDamaged();
        sql.setMeta.run("log", mark);
        sql.setMeta.run("commits", String(commits));
      };
      // Readers must not go on in a life that lost something.
      if (isNew) write(() => undefined);
      else unlessFull(() => write(() => undefined));
    }
    hasBegun = true;
    for (const { spreadsheetId } of records.keys()) {
      const record = find(spreadsheetId);
      if (record) untidy.set(record.key, { spreadsheetId, count: JOIN_AFTER, from: record.floor.seq });
    }
  }

  /** A disk that is full is no reason not to start, or to end: what has no place yet is in the journal, and stays there. */
  function settleAtOnce(): void {
    unlessFull(() => {
      while (!journal.isSettled(journal.last)) settleSlice(false);
    });
  }

  function unlessFull(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof DiskFullError)) throw error;
      needs.onFault(error);
    }
  }

  /** Commits of which a guest came upon no more than damaged rows, when it put the others in their place. */
  function forgone(): number {
    return Number(sql.meta.get("forgone")?.["value"] ?? 0);
  }

  /** Takes up what is in the journal; answers how many of its rows are not as they were written, or were given up. */
  function takeUp(): number {
    const broken = journal.load(Number(sql.meta.get("commits")?.["value"] ?? 0));
    commits = Math.max(journal.last, posts.lastId());
    return broken + forgone();
  }

  function renewEpochs(): void {
    held.clear();
    for (const { key, spreadsheetId } of records.keys()) {
      const record = find(spreadsheetId);
      if (!record) continue;
      const epoch = needs.randomId();
      const state = states.find(key);
      if (state?.head.epoch === record.head.epoch) {
        states.set(key, { ...state.head, epoch }, state.version, state.pieces);
      }
      records.set({ ...rowOf(record), epoch });
    }
    sql.dropMeta.run("forgone");
    held.clear();
  }

  function find(spreadsheetId: string): Record | undefined {
    const known = held.get(spreadsheetId);
    if (known) return known;
    const row = records.find(spreadsheetId);
    if (!row) return undefined;
    const { key, epoch, floor } = row;
    const { seq, chain } = journal.looseEnd(key)?.head ?? row;
    const record: Record = { key, spreadsheetId, head: { epoch, seq, chain }, floor };
    held.set(spreadsheetId, record);
    return record;
  }

  /**
   * The record as it is now, unless it was erased. Who has left the others a turn, or is about to write, asks: what another
   * process wrote takes the place of every record that is held, and from then on only those that are found anew grow.
   */
  function current({ key, spreadsheetId }: Pick<Record, "key" | "spreadsheetId">): Record | undefined {
    const record = find(spreadsheetId);
    return record?.key === key ? record : undefined;
  }

  /** Its row: that one ends where what is settled ends. */
  function rowOf({ key, spreadsheetId, head, floor }: Record): RecordRow {
    const { seq, chain } = journal.looseEnd(key)?.before ?? head;
    return { key, spreadsheetId, epoch: head.epoch, seq, chain, floor };
  }

  /** Gives records that are not as they were written a new life, which goes on where their entries or their state end. */
  function mendRecords(): void {
    if (needs.as !== "owner") return;
    for (const { key, spreadsheetId } of records.keys()) {
      try {
        records.find(spreadsheetId);
      } catch (error) {
        if (!(error instanceof DamagedError)) throw error;
        needs.onFault(error);
        const ends = [entries.end(key), states.find(key)?.head].filter((end) => end !== undefined);
        const { seq, chain } = ends.toSorted((one, other) => other.seq - one.seq)[0] ?? { seq: 0, chain: FIRST_CHAIN };
        const end = { seq, chain };
        write(() => records.set({ key, spreadsheetId, epoch: needs.randomId(), ...end, floor: end }));
      }
    }
  }

  /** One transaction; a full disk gets its own name, since the caller has an answer to it. */
  function write<T>(work: () => T, how: "durably" | "soon" = "durably"): T {
    for (;;) {
      const done = transacted(() => {
        if (store.foreignWrites() !== foreign) return undefined;
        owed?.();
        return { result: work() };
      }, how);
      if (done) {
        owed = undefined;
        return done.result;
      }
      takeUpForeign();
    }
  }

  /** Takes up what another process wrote, in a transaction of its own: it stays, whatever becomes of the work after it. */
  function takeUpForeign(): void {
    let lost = 0;
    foreign = transacted(() => {
      held.clear();
      posts.learn();
      lost = takeUp();
      if (lost > 0 && needs.as === "owner") renewEpochs();
      return store.foreignWrites();
    }, "soon");
    if (lost === 0) return;
    needs.onLost?.(lost);
    if (needs.as === "owner") for (const { spreadsheetId } of records.keys()) tellLife(spreadsheetId);
  }

  function transacted<T>(work: () => T, how: "durably" | "soon"): T {
    try {
      return store.transact(work, how);
    } catch (error) {
      if (sqliteCodeOf(error) === SQLITE_FULL) throw new DiskFullError("The store has no room.", { cause: error });
      throw error;
    }
  }

  function tellLife(spreadsheetId: string): void {
    const record = find(spreadsheetId);
    if (record) following.tellLife(spreadsheetId, record.head);
  }

  /** What was committed is there whatever becomes of its mark, so this is no reason to refuse it. */
  function noteCommit(): void {
    try {
      store.mark.write(commits);
    } catch (error) {
      needs.onFault(error);
    }
  }

  /** Short transactions one after the other, with a turn for the others in between, until `work` says that it is done. */
  async function inSlices(work: () => { more: boolean; committed?: () => void }): Promise<void> {
    for (;;) {
      const { more, committed } = write(work, "soon");
      committed?.();
      if (!more) return;
      await nextTurn();
    }
  }

  /** Undefined when what is missing was erased by another process, which is no damage. */
  function guarded<T>(record: Record, afterSeq: number, work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      const isCorrupt = sqliteCodeOf(error) === SQLITE_CORRUPT;
      if (!isCorrupt && !(error instanceof DamagedError)) throw error;
      if (store.foreignWrites() !== foreign) {
        lookAnew();
        if (!current(record)) return undefined;
      }
      if (!isCorrupt) throw error;
      throw new DamagedError(record.spreadsheetId, "record", afterSeq, undefined, { cause: error });
    }
  }

  /** Notices what another process wrote. */
  function lookAnew(): void {
    write(() => undefined, "soon");
  }

  /** Puts one spreadsheet's entries in their place, in slices, with a turn for the others in between. */
  async function settleOf({ key }: Record, isJoined = false): Promise<void> {
    while (journal.looseEnd(key)) {
      if (!write(() => journal.settleOne(key, isJoined), "soon")()) return;
      await nextTurn();
    }
  }

  /** The same for everything that was committed so far. */
  async function settleAll(): Promise<void> {
    for (const through = commits; !journal.isSettled(through); await nextTurn()) settleSlice(false);
  }

  /** What is to go makes the room that what stays is waiting for. */
  async function whereRoom(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof DiskFullError)) throw error;
    }
  }

  function settleSlice(isJoined: boolean): void {
    write(() => journal.settleSlice(isJoined), "soon")();
  }

  return {
    async create(spreadsheetId) {
      const found = find(spreadsheetId);
      // Another process may have erased it, and made it anew.
      if (found && store.foreignWrites() === foreign) return found.head;
      const { head, isNew } = write(() => {
        const existing = find(spreadsheetId);
        if (existing) return { head: existing.head, isNew: false };
        records.add(spreadsheetId, needs.randomId());
        const made = find(spreadsheetId);
        if (!made) throw new Error("A record that was just made is not there.");
        held.delete(spreadsheetId);
        return { head: made.head, isNew: true };
      });
      if (isNew) following.tellLife(spreadsheetId, head);
      return head;
    },
    async head(spreadsheetId) {
      return find(spreadsheetId)?.head;
    },
    async append(group) {
      const at = now();
      const { id, added, bytes, committed } = write(() => {
        const additions = additionsOf(group, (spreadsheetId) => find(spreadsheetId)?.head);
        const parts: { record: Record; part: CommitPart }[] = [];
        const takings: Taking[] = [];
        for (const addition of additions) {
          const { spreadsheetId, after, desk } = addition;
          const record = find(spreadsheetId);
          if (!record) throw new HeadMovedError("There is no record of this spreadsheet.");
          const { key } = record;
          parts.push({
            record,
            part: { key, spreadsheetId, seq: after.seq, chain: after.chain, entries: entriesOf(addition), desk },
          });
          takings.push({ spreadsheetId, key, posts: addition.posts });
        }
        const number = commits + 1;
        const taking = posts.pack(number, takings);
        const row = journal.add(
          number,
          at,
          parts.map(({ part }) => part),
          taking,
        );
        return { id: number, added: parts, bytes: row.bytes, committed: [taking.taken, row.written] };
      });
      commits = id;
      noteCommit();
      store.wrote(bytes + BYTES_OF_A_COMMIT);
      for (const run of committed) run();
      for (const { record, part } of added) {
        const { seq, chain } = part;
        journal.note(id, at, part, record.head);
        record.head = { epoch: record.head.epoch, seq, chain };
      }
      for (const { record, part } of added) {
        for (const entry of part.entries) following.tell(record.spreadsheetId, entry, record.head.epoch);
      }
    },
    async readAfter(spreadsheetId, seq, maxBytes): Promise<readonly Entry[]> {
      const found = find(spreadsheetId);
      if (!found || seq >= found.head.seq) return [];
      const unsettled = journal.readAfter(found.key, seq, maxBytes);
      if (unsettled) return unsettled;
      const settled = guarded(found, seq, () => {
        const read = entries.readAfter(found, seq, maxBytes);
        const last = read.at(-1);
        // The head says that there is more.
        if (!last) throw new DamagedError(spreadsheetId, "log", seq);
        const room = maxBytes - read.reduce((sum, { frame }) => sum + frame.length, 0);
        const more = room > 0 ? (journal.readAfter(found.key, last.lastSeq, room) ?? []) : [];
        return more.length > 0 ? [...read, ...more] : read;
      });
      return settled ?? [];
    },
    async chainAt(spreadsheetId, seq) {
      const found = find(spreadsheetId);
      if (!found || seq < found.floor.seq || seq > found.head.seq) return undefined;
      if (seq === found.head.seq) return found.head.chain;
      const unsettled = journal.chainAt(found.key, seq);
      return unsettled ?? guarded(found, seq, () => entries.chainAt(found, seq, found.floor));
    },
    async floor(spreadsheetId) {
      return find(spreadsheetId)?.floor.seq ?? 0;
    },
    takenPost(spreadsheetId, webhookId) {
      if (!posts.mayHold(spreadsheetId, webhookId)) return undefined;
      const found = find(spreadsheetId);
      return Promise.resolve(found && posts.find(spreadsheetId, found.key, webhookId));
    },
    async desk(spreadsheetId) {
      const found = find(spreadsheetId);
      const unsettled = found && journal.looseEnd(found.key)?.desk;
      if (unsettled !== undefined) return unsettled;
      const row = found && sql.findDesk.get(found.key);
      if (!found || !row) return undefined;
      const json = text(row["json"]);
      const { crc } = row;
      if (crc !== crc32(json, found.key)) {
        throw new DamagedError(spreadsheetId, "desk", found.head.seq);
      }
      return json;
    },
    async saveState(spreadsheetId, state) {
      const check = (): Record => {
        const found = find(spreadsheetId);
        if (!found || state.head.epoch !== found.head.epoch || state.head.seq > found.head.seq) {
          throw new HeadMovedError(
            `A state of seq ${state.head.seq}, but the log is at ${found?.head.seq ?? "nothing"}.`,
          );
        }
        return found;
      };
      const { key } = check();
      const version = states.begin(key);
      try {
        let pieces = 0;
        for (const lines of inPieces(state.lines)) {
          const part = pieces++;
          write(() => states.addPiece(key, version, part, lines), "soon");
          store.wrote(lines.length);
          await nextTurn();
        }
        write(() => {
          const { head } = check();
          const stored = states.find(key)?.head;
          // A newer one came to its end meanwhile, and the log may have been trimmed for it.
          if (stored?.epoch === head.epoch && stored.seq > state.head.seq) return;
          states.set(key, state.head, version, pieces);
        });
      } finally {
        // What was written of a state that did not come to its end is an orphan now, as is the one before.
        states.ended(key, version);
        mayHaveOrphans = true;
      }
    },
    async state(spreadsheetId) {
      const found = find(spreadsheetId);
      const stored = found && states.findGood(spreadsheetId, found.key);
      if (!found || !stored) return undefined;
      const { head, version, pieces } = stored;
      async function* lines(record: Record): AsyncGenerator<string> {
        for (let part = 0; part < pieces; part += 1) {
          const piece = guarded(record, head.seq, () =>
            states.piece(spreadsheetId, record.key, version, part, head.seq),
          );
          if (piece === undefined) throw new HeadMovedError("This spreadsheet was erased while it was read.");
          yield* piece.split("\n");
          await nextTurn();
        }
      }
      return { head, lines: lines(found) };
    },
    async trim(spreadsheetId, throughSeq) {
      const found = find(spreadsheetId);
      const state = found && states.find(found.key);
      if (!found || !state) return;
      await whereRoom(() => settleOf(found));
      const last = entries.endBefore(found.key, Math.min(throughSeq, state.head.seq));
      // First nobody may read it any more, then it goes piece by piece.
      const trimmed = write(() => {
        const record = current(found);
        if (!last || !record || last.seq <= record.floor.seq) return undefined;
        records.set({ ...rowOf(record), floor: last });
        return { record, last };
      });
      if (!trimmed) return;
      trimmed.record.floor = trimmed.last;
      await inSlices(() => ({ more: entries.dropThrough(found.key, trimmed.last.seq, DROP_ROWS) === DROP_ROWS }));
    },
    async kept(spreadsheetId) {
      const found = find(spreadsheetId);
      if (!found) return undefined;
      await whereRoom(() => settleOf(found));
      const record = current(found);
      return (
        record && {
          bytes: entries.bytes(record.key),
          floor: record.floor.seq,
          stateSeq: states.find(record.key)?.head.seq ?? 0,
        }
      );
    },
    async dueThrough(spreadsheetId, moment, maxBytes) {
      const found = find(spreadsheetId);
      if (!found) return 0;
      await whereRoom(() => settleOf(found));
      return entries.dueThrough(found.key, moment, now(), maxBytes);
    },
    async tidy() {
      if (mayHaveOrphans) {
        mayHaveOrphans = write(() => states.dropOrphans(), "soon");
        if (mayHaveOrphans) return true;
      }
      const [gone] = abandoned;
      if (gone !== undefined) {
        if (write(() => entries.dropThrough(gone, Number.MAX_SAFE_INTEGER, DROP_ROWS), "soon") < DROP_ROWS)
          abandoned.delete(gone);
        return true;
      }
      // A pass first: it takes the long ones too, and only what it drops makes the journal shorter.
      if (journal.isDue(now())) {
        settleSlice(true);
        return true;
      }
      const long = journal.longest();
      const longest = long === undefined ? undefined : find(journal.looseEnd(long)?.spreadsheetId ?? "");
      if (longest) {
        await settleOf(longest, true);
        return true;
      }
      const due: { key: number; noted: Untidy }[] = [];
      for (const [key, noted] of untidy) {
        if (noted.count < JOIN_AFTER) continue;
        if (due.push({ key, noted }) === JOIN_TOGETHER) break;
      }
      if (due.length === 0) return false;
      const joined = write(
        () =>
          due.map(({ key, noted }) => {
            const record = current({ key, spreadsheetId: noted.spreadsheetId });
            return record && entries.join(record, Math.max(noted.from, record.floor.seq));
          }),
        "soon",
      );
      due.forEach(({ key, noted }, at) => {
        const done = joined[at];
        untidy.delete(key);
        if (!done) return;
        noted.from = done.through;
        if (!done.more) noted.count = 0;
        // The others first, so that a busy spreadsheet does not keep them waiting.
        untidy.set(key, noted);
      });
      return true;
    },
    async restart(spreadsheetId) {
      lookAnew();
      await settleAll();
      const found = find(spreadsheetId);
      if (!found) return undefined;
      // What lies behind the last damaged place can still be read.
      let floor = found.floor;
      for (let seq = found.floor.seq; seq < found.head.seq; await nextTurn()) {
        // What was trimmed meanwhile is not damaged.
        seq = Math.max(seq, current(found)?.floor.seq ?? found.head.seq);
        if (seq >= found.head.seq) break;
        const { damage, through } = entries.firstDamage(found, seq);
        if (damage) floor = { seq: Math.max(through, seq + 1), chain: "" };
        if (damage && damage.throughSeq === undefined) floor = { seq: found.head.seq, chain: "" };
        seq = Math.max(through, floor.seq, seq + 1);
      }
      // What came meanwhile is put in its place first, so that nothing is left of the desk that came with it either.
      await settleAll();
      while (!journal.isSettled(journal.last)) settleSlice(false);
      write(() => {
        const record = current(found);
        // Another process erased it meanwhile.
        if (!record) return;
        const epoch = needs.randomId();
        const chain = entries.endBefore(found.key, floor.seq)?.chain ?? record.head.chain;
        const isMoved = floor.seq > record.floor.seq;
        records.set({ ...rowOf(record), epoch, floor: isMoved ? { seq: floor.seq, chain } : record.floor });
        sql.dropDesk.run(found.key);
        states.setEmpty(found.key, { ...record.head, epoch });
      });
      held.delete(spreadsheetId);
      tellLife(spreadsheetId);
      mayHaveOrphans = true;
      if (floor !== found.floor) {
        await inSlices(() => ({ more: entries.dropThrough(found.key, floor.seq, DROP_ROWS) === DROP_ROWS }));
      }
      return find(spreadsheetId)?.head;
    },
    async erase(spreadsheetId) {
      const found = write(() => {
        const key = records.keyOf(spreadsheetId);
        if (key === undefined) return undefined;
        records.drop(key);
        sql.dropDesk.run(key);
        states.drop(key);
        return { key };
      });
      if (!found) return;
      held.delete(spreadsheetId);
      untidy.delete(found.key);
      journal.leave(found.key);
      // Its posts are looked for where they are settled.
      await settleAll();
      await inSlices(() => ({
        more: entries.dropThrough(found.key, Number.MAX_SAFE_INTEGER, DROP_ROWS) === DROP_ROWS,
      }));
      await inSlices(posts.dropOf(spreadsheetId, found.key));
      await inSlices(() => ({ more: states.dropOf(found.key) }));
    },
    async forgetPosts(moment) {
      await whereRoom(settleAll);
      await inSlices(posts.forgetBefore(moment, now()));
    },
    follow: (onEntry, onLife) => following.add(onEntry, onLife),
    async close() {
      if (needs.as !== "owner") return;
      // What a full disk has no room for is put in its place by the next relay.
      settleAtOnce();
      unlessFull(() => write(() => sql.setMeta.run("log", "clean")));
    },
  };
}

const text = (value: unknown): string => {
  if (typeof value !== "string") throw new RowDamagedError(`Text was expected, ${typeof value} found.`);
  return value;
};
