/** The rows that hold entries: each with a checksum over what it says and where it stands. */
import { crc32 } from "node:zlib";
import type { DatabaseSync } from "node:sqlite";
import { chainInside, joinEntries } from "../entry.ts";
import { DamagedError, Entry, giveBack } from "../log.ts";
import type { LogEnd } from "./sqlite-records.ts";

/** Entries are joined up to about this size, in bytes: a cut in the middle, and a read of one, stay cheap. */
export const JOINED_BYTES = 64 * 1024;
/** Smaller entries are worth joining. */
const SMALL_BYTES = JOINED_BYTES / 2;
/** So many rows are looked at in one piece of housekeeping, of so many bytes. */
const LOOK_ROWS = 512;
const LOOK_BYTES = 4 * 1024 * 1024;

/** An entry read for whoever asked, and for nobody else. */
class ReadEntry extends Entry {
  override release(): void {
    giveBack(this.frame);
  }
}

type Place = { readonly key: number; readonly spreadsheetId: string };

export type EntryRows = ReturnType<typeof createEntryRows>;

export function createEntryRows(db: DatabaseSync) {
  const prepare = (text: string) => db.prepare(text);
  const sql = {
    add: prepare(
      "INSERT INTO frames (spreadsheet_key, last_seq, first_seq, at, chain, crc, frame) VALUES (?, ?, ?, ?, ?, ?, ?)",
    ),
    after: prepare(
      "SELECT first_seq, last_seq, at, chain, crc, frame FROM frames WHERE spreadsheet_key = ? AND last_seq > ? ORDER BY last_seq",
    ),
    chainBefore: prepare(
      "SELECT last_seq, chain FROM frames WHERE spreadsheet_key = ? AND last_seq <= ? ORDER BY last_seq DESC LIMIT 1",
    ),
    sizes: prepare(
      "SELECT last_seq, length(frame) FROM frames WHERE spreadsheet_key = ? AND last_seq > ? ORDER BY last_seq LIMIT ?",
    ),
    newestFirst: prepare("SELECT last_seq, length(frame) FROM frames WHERE spreadsheet_key = ? ORDER BY last_seq DESC"),
    since: prepare(
      "SELECT last_seq FROM frames WHERE spreadsheet_key = ? AND at >= ? AND at <= ? ORDER BY last_seq LIMIT 1",
    ),
    lastOlder: prepare(
      "SELECT last_seq FROM frames WHERE spreadsheet_key = ? AND at < ? AND last_seq < ? ORDER BY last_seq DESC LIMIT 1",
    ),
    first: prepare("SELECT first_seq FROM frames WHERE spreadsheet_key = ? ORDER BY last_seq LIMIT 1"),
    last: prepare("SELECT last_seq, chain FROM frames WHERE spreadsheet_key = ? ORDER BY last_seq DESC LIMIT 1"),
    bytes: prepare("SELECT sum(length(frame)) AS bytes FROM frames WHERE spreadsheet_key = ?"),
    dropRange: prepare("DELETE FROM frames WHERE spreadsheet_key = ? AND last_seq > ? AND last_seq <= ?"),
    dropThrough: prepare(
      "DELETE FROM frames WHERE rowid IN (SELECT rowid FROM frames WHERE spreadsheet_key = ? AND last_seq <= ? ORDER BY last_seq LIMIT ?)",
    ),
  };
  for (const one of [sql.after, sql.sizes, sql.newestFirst]) one.setReturnArrays(true);

  const add = ({ key }: Place, entry: Entry, at: number): void => {
    const { firstSeq, lastSeq, chain, frame } = entry;
    sql.add.run(key, lastSeq, firstSeq, at, chain, crcOf(key, firstSeq, lastSeq, chain, frame), frame);
  };

  /** Entries after `seq`, each checked, in order and without a hole between them, until `isEnough` says so. */
  function read(
    { key, spreadsheetId }: Place,
    seq: number,
    isEnough: (count: number, bytes: number) => boolean,
  ): { entry: Entry; at: number }[] {
    const found: { entry: Entry; at: number }[] = [];
    let bytes = 0;
    let held = seq;
    for (const row of sql.after.iterate(key, seq)) {
      const [firstSeq, lastSeq, at, chain, crc, blob] = row as unknown as [
        number,
        number,
        number,
        string,
        number,
        Uint8Array,
      ];
      const frame = Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength);
      const follows = found.length === 0 ? firstSeq <= held + 1 && lastSeq > held : firstSeq === held + 1;
      const isGood = follows && crc === crcOf(key, firstSeq, lastSeq, chain, frame);
      if (!isGood) {
        // What was read before it is good; the next read begins here.
        if (found.length > 0) break;
        throw new DamagedError(spreadsheetId, "log", held, follows ? lastSeq : undefined);
      }
      found.push({ entry: new ReadEntry(firstSeq, lastSeq, chain, frame), at });
      held = lastSeq;
      bytes += blob.byteLength;
      // Asked for only now: a row that is not taken has been read all the same.
      if (isEnough(found.length, bytes)) break;
    }
    return found;
  }

  return {
    add,
    readAfter: (place: Place, seq: number, maxBytes: number): readonly Entry[] =>
      read(place, seq, (_, bytes) => bytes >= maxBytes).map(({ entry }) => entry),

    chainAt(place: Place, seq: number, floor: LogEnd): string | undefined {
      if (seq === floor.seq) return floor.chain;
      const row = sql.chainBefore.get(place.key, seq);
      const before = row ? { seq: Number(row["last_seq"]), chain: String(row["chain"]) } : floor;
      const from = before.seq < floor.seq ? floor : before;
      if (from.seq === seq) return from.chain;
      const entry = read(place, seq - 1, () => true)[0]?.entry;
      return entry && chainInside(entry, from.chain, seq);
    },

    /** Where the entry that ends at or before `seq` ends, and its chain. */
    endBefore(key: number, seq: number): LogEnd | undefined {
      const row = sql.chainBefore.get(key, seq);
      return row && { seq: Number(row["last_seq"]), chain: String(row["chain"]) };
    },

    /** Where the last entry ends. */
    end(key: number): LogEnd | undefined {
      const row = sql.last.get(key);
      return row && { seq: Number(row["last_seq"]), chain: String(row["chain"]) };
    },

    bytes: (key: number): number => Number(sql.bytes.get(key)?.["bytes"] ?? 0),

    /**
     * The last seq of what became durable before `moment` or lies beyond the newest `maxBytes`; 0 for none. What a clock that
     * was ahead of `now` has stamped is as old as what follows it.
     */
    dueThrough(key: number, moment: number, now: number, maxBytes: number): number {
      const since = sql.since.get(key, moment, now)?.["last_seq"] ?? Number.MAX_SAFE_INTEGER;
      let due = Number(sql.lastOlder.get(key, moment, since)?.["last_seq"] ?? 0);
      if (maxBytes === Number.MAX_SAFE_INTEGER) return due;
      let bytes = 0;
      for (const row of sql.newestFirst.iterate(key)) {
        const [lastSeq, length] = row as unknown as [number, number];
        bytes += length;
        if (bytes <= maxBytes) continue;
        due = Math.max(due, lastSeq);
        break;
      }
      return due;
    },

    /** Drops at most `most` rows that end at or before `seq`; answers how many. */
    dropThrough: (key: number, seq: number, most: number): number =>
      Number(sql.dropThrough.run(key, seq, most).changes),

    /** Keys that have entries and no record. */
    keysWithoutRecord(): number[] {
      const next = db.prepare("SELECT min(spreadsheet_key) AS key FROM frames WHERE spreadsheet_key > ?");
      const known = db.prepare("SELECT 1 FROM spreadsheets WHERE key = ?");
      const found: number[] = [];
      for (let key = -1; ;) {
        const row = next.get(key)?.["key"];
        if (row === null || row === undefined) return found;
        key = Number(row);
        if (!known.get(key)) found.push(key);
      }
    },

    hasAny: (key: number): boolean => sql.first.get(key) !== undefined,

    /** The first damaged place after `seq`, if any, in a piece of the log; and where the look ended. */
    firstDamage(place: Place, seq: number): { damage: DamagedError | undefined; through: number } {
      try {
        const found = read(place, seq, (count, bytes) => count >= LOOK_ROWS || bytes >= LOOK_BYTES);
        for (const { entry } of found) entry.release();
        return { damage: undefined, through: found.at(-1)?.entry.lastSeq ?? seq };
      } catch (error) {
        if (error instanceof DamagedError) return { damage: error, through: error.throughSeq ?? seq };
        throw error;
      }
    },

    /**
     * Joins small entries after `seq` into one. Answers where to go on, and whether there may be more to join there. What
     * is damaged is left as it is.
     */
    join(place: Place, seq: number): { through: number; more: boolean } {
      const { key, spreadsheetId } = place;
      let from = seq;
      let bytes = 0;
      let count = 0;
      let end = seq;
      const rows = sql.sizes.all(key, seq, LOOK_ROWS) as unknown as [number, number][];
      for (const [lastSeq, length] of rows) {
        const isSmall = length < SMALL_BYTES;
        if (!isSmall || bytes + length > JOINED_BYTES) {
          if (count > 1) break;
          from = isSmall ? end : lastSeq;
          bytes = isSmall ? length : 0;
          count = isSmall ? 1 : 0;
          end = lastSeq;
          continue;
        }
        bytes += length;
        count += 1;
        end = lastSeq;
      }
      // What is at the end of the log may still grow.
      const isFull = rows.length === LOOK_ROWS || end < (rows.at(-1)?.[0] ?? 0) || bytes >= SMALL_BYTES;
      if (count < 2 || !isFull) return { through: from, more: false };
      let found: { entry: Entry; at: number }[];
      try {
        found = read(place, from, (held) => held >= count);
      } catch (error) {
        if (!(error instanceof DamagedError)) throw error;
        return { through: end, more: true };
      }
      if (found.length !== count || found.at(-1)?.entry.lastSeq !== end) return { through: end, more: true };
      sql.dropRange.run(key, from, end);
      const small = found.map(({ entry }) => entry);
      add(place, joinEntries(spreadsheetId, small), found.at(-1)?.at ?? 0);
      for (const entry of small) entry.release();
      return { through: bytes >= SMALL_BYTES ? end : from, more: rows.at(-1)?.[0] !== end };
    },
  };
}

/** Over everything that a row says. */
function crcOf(key: number, firstSeq: number, lastSeq: number, chain: string, frame: Uint8Array): number {
  return crc32(frame, crc32(`${key} ${firstSeq} ${lastSeq} ${chain}`));
}
