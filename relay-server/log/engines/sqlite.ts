/** The log of one machine, in the embedded database. A group of appends is one transaction: the caller groups. */
import { FIRST_CHAIN, nextChain } from "@sheetwire/shared/digest";
import { SQLITE_FULL, sqliteCodeOf, type Store } from "../../store/store.ts";
import {
  checkAppend,
  DiskFullError,
  followers,
  HeadMovedError,
  partsOf,
  type Append,
  type ChangeLog,
  type Entry,
  type Head,
  type StoredState,
} from "../log.ts";

type Needs = {
  randomId: () => string;
  onFault: (error: unknown) => void;
  /** A guest is a program beside the running relay (the CLI): it leaves the marks of start and end alone. */
  as: "owner" | "guest";
};

/** State lines are stored in pieces of about this many characters. */
const CHUNK_CHARS = 1_000_000;

/**
 * Opens the log in a store. Under durability `normal` a power cut may have taken the last entries that readers have seen
 * already; so after an unclean end every epoch is renewed, and readers take a new snapshot.
 */
export function createSqliteLog(store: Store, needs: Needs): ChangeLog {
  const { db } = store;
  const following = followers(needs.onFault);
  const sql = {
    find: db.prepare(
      "SELECT key, epoch, seq, chain, floor_seq, floor_chain FROM spreadsheets WHERE spreadsheet_id = ?",
    ),
    create: db.prepare(
      "INSERT INTO spreadsheets (spreadsheet_id, epoch, seq, chain, floor_seq, floor_chain) VALUES (?, ?, 0, ?, 0, ?)",
    ),
    move: db.prepare("UPDATE spreadsheets SET seq = ?, chain = ? WHERE key = ?"),
    addEntry: db.prepare(
      "INSERT INTO entries (spreadsheet_key, last_seq, first_seq, json, chain) VALUES (?, ?, ?, ?, ?)",
    ),
    after: db.prepare(
      "SELECT first_seq, last_seq, json, chain FROM entries WHERE spreadsheet_key = ? AND last_seq > ? ORDER BY last_seq",
    ),
    before: db.prepare(
      "SELECT last_seq, chain FROM entries WHERE spreadsheet_key = ? AND last_seq <= ? ORDER BY last_seq DESC LIMIT 1",
    ),
    addPost: db.prepare(
      "INSERT INTO posts (spreadsheet_key, webhook_id, body_hash, answer, taken_at) VALUES (?, ?, ?, ?, ?)",
    ),
    findPost: db.prepare(
      "SELECT webhook_id, body_hash, answer, taken_at FROM posts WHERE spreadsheet_key = ? AND webhook_id = ?",
    ),
    forgetPosts: db.prepare("DELETE FROM posts WHERE taken_at < ?"),
    setDesk: db.prepare("INSERT OR REPLACE INTO desks (spreadsheet_key, json) VALUES (?, ?)"),
    findDesk: db.prepare("SELECT json FROM desks WHERE spreadsheet_key = ?"),
    setState: db.prepare("INSERT OR REPLACE INTO states (spreadsheet_key, epoch, seq, chain) VALUES (?, ?, ?, ?)"),
    findState: db.prepare("SELECT epoch, seq, chain FROM states WHERE spreadsheet_key = ?"),
    dropChunks: db.prepare("DELETE FROM state_chunks WHERE spreadsheet_key = ?"),
    addChunk: db.prepare("INSERT INTO state_chunks (spreadsheet_key, part, lines) VALUES (?, ?, ?)"),
    chunks: db.prepare("SELECT lines FROM state_chunks WHERE spreadsheet_key = ? ORDER BY part"),
    dropEntries: db.prepare("DELETE FROM entries WHERE spreadsheet_key = ? AND last_seq <= ?"),
    setFloor: db.prepare("UPDATE spreadsheets SET floor_seq = ?, floor_chain = ? WHERE key = ?"),
    meta: db.prepare("SELECT value FROM meta WHERE name = ?"),
    setMeta: db.prepare("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)"),
  };

  /** The open mark says with which durability the log was opened, and "clean" once it was closed. */
  if (needs.as === "owner") {
    write(() => {
      if (sql.meta.get("log")?.["value"] === "open-normal") renewEpochs();
      sql.setMeta.run("log", `open-${store.durability}`);
    });
  }

  function renewEpochs(): void {
    for (const row of db.prepare("SELECT key, epoch FROM spreadsheets").all()) {
      const key = Number(row["key"]);
      const epoch = needs.randomId();
      db.prepare("UPDATE spreadsheets SET epoch = ? WHERE key = ?").run(epoch, key);
      db.prepare("UPDATE states SET epoch = ? WHERE spreadsheet_key = ? AND epoch = ?").run(
        epoch,
        key,
        text(row["epoch"]),
      );
    }
  }

  function find(spreadsheetId: string): { key: number; head: Head; floor: { seq: number; chain: string } } | undefined {
    const row = sql.find.get(spreadsheetId);
    if (!row) return undefined;
    return {
      key: Number(row["key"]),
      head: { epoch: text(row["epoch"]), seq: Number(row["seq"]), chain: text(row["chain"]) },
      floor: { seq: Number(row["floor_seq"]), chain: text(row["floor_chain"]) },
    };
  }

  /** One transaction; a full disk gets its own name, since the caller has an answer to it. */
  function write<T>(work: () => T): T {
    try {
      return store.transact(work);
    } catch (error) {
      if (sqliteCodeOf(error) === SQLITE_FULL) throw new DiskFullError("The store has no room.", { cause: error });
      throw error;
    }
  }

  function keep({ spreadsheetId, expected, entry, post, desk }: Append): void {
    const found = find(spreadsheetId);
    checkAppend({ spreadsheetId, expected, entry }, found?.head);
    if (!found) return;
    const { key } = found;
    if (entry) {
      sql.addEntry.run(key, entry.lastSeq, entry.firstSeq, entry.json, entry.chain);
      sql.move.run(entry.lastSeq, entry.chain, key);
    }
    if (post) {
      if (sql.findPost.get(key, post.webhookId)) throw new HeadMovedError("A post of this id was taken in between.");
      sql.addPost.run(key, post.webhookId, post.bodyHash, post.answer, post.takenAt);
    }
    if (desk !== undefined) sql.setDesk.run(key, desk);
  }

  return {
    async create(spreadsheetId) {
      return write(() => {
        const found = find(spreadsheetId);
        if (found) return found.head;
        const head = { epoch: needs.randomId(), seq: 0, chain: FIRST_CHAIN };
        sql.create.run(spreadsheetId, head.epoch, FIRST_CHAIN, FIRST_CHAIN);
        return head;
      });
    },
    async head(spreadsheetId) {
      return find(spreadsheetId)?.head;
    },
    async append(group) {
      write(() => group.forEach(keep));
      for (const { spreadsheetId, expected, entry } of group) {
        if (entry) following.tell(spreadsheetId, entry, expected.epoch);
      }
    },
    async readAfter(spreadsheetId, seq, maxBytes) {
      const found = find(spreadsheetId);
      if (!found) return [];
      const entries: Entry[] = [];
      let bytes = 0;
      for (const row of sql.after.iterate(found.key, seq)) {
        const json = text(row["json"]);
        if (entries.length > 0 && bytes + json.length > maxBytes) break;
        bytes += json.length;
        entries.push({
          firstSeq: Number(row["first_seq"]),
          lastSeq: Number(row["last_seq"]),
          json,
          chain: text(row["chain"]),
        });
      }
      return entries;
    },
    async chainAt(spreadsheetId, seq) {
      const found = find(spreadsheetId);
      if (!found || seq < found.floor.seq || seq > found.head.seq) return undefined;
      if (seq === found.floor.seq) return found.floor.chain;
      const row = sql.before.get(found.key, seq);
      const base = row ? { seq: Number(row["last_seq"]), chain: text(row["chain"]) } : found.floor;
      if (base.seq === seq) return base.chain;
      const json = text(sql.after.get(found.key, seq)?.["json"]);
      return partsOf(json)
        .slice(0, seq - base.seq)
        .reduce(nextChain, base.chain);
    },
    async floor(spreadsheetId) {
      return find(spreadsheetId)?.floor.seq ?? 0;
    },
    async takenPost(spreadsheetId, webhookId) {
      const found = find(spreadsheetId);
      const row = found && sql.findPost.get(found.key, webhookId);
      if (!row) return undefined;
      return {
        webhookId: text(row["webhook_id"]),
        bodyHash: text(row["body_hash"]),
        answer: text(row["answer"]),
        takenAt: Number(row["taken_at"]),
      };
    },
    async desk(spreadsheetId) {
      const found = find(spreadsheetId);
      const row = found && sql.findDesk.get(found.key);
      return row ? text(row["json"]) : undefined;
    },
    async saveState(spreadsheetId, state) {
      write(() => {
        const found = find(spreadsheetId);
        if (!found || state.head.epoch !== found.head.epoch || state.head.seq > found.head.seq) {
          throw new HeadMovedError(
            `A state of seq ${state.head.seq}, but the log is at ${found?.head.seq ?? "nothing"}.`,
          );
        }
        const { epoch, seq, chain } = state.head;
        sql.setState.run(found.key, epoch, seq, chain);
        sql.dropChunks.run(found.key);
        let part = 0;
        for (const lines of inChunks(state.lines)) sql.addChunk.run(found.key, part++, lines);
      });
    },
    async state(spreadsheetId) {
      const found = find(spreadsheetId);
      const row = found && sql.findState.get(found.key);
      if (!found || !row) return undefined;
      const head = { epoch: text(row["epoch"]), seq: Number(row["seq"]), chain: text(row["chain"]) };
      const lines: string[] = [];
      for (const chunk of sql.chunks.iterate(found.key))
        for (const line of text(chunk["lines"]).split("\n")) lines.push(line);
      return { head, lines } satisfies StoredState;
    },
    async trim(spreadsheetId, throughSeq) {
      write(() => {
        const found = find(spreadsheetId);
        const state = found && sql.findState.get(found.key);
        if (!found || !state) return;
        const through = Math.min(throughSeq, Number(state["seq"]));
        const last = sql.before.get(found.key, through);
        if (!last) return;
        sql.dropEntries.run(found.key, Number(last["last_seq"]));
        sql.setFloor.run(Number(last["last_seq"]), text(last["chain"]), found.key);
      });
    },
    async erase(spreadsheetId) {
      write(() => {
        const found = find(spreadsheetId);
        if (!found) return;
        for (const table of ["entries", "posts", "desks", "states", "state_chunks"]) {
          db.prepare(`DELETE FROM ${table} WHERE spreadsheet_key = ?`).run(found.key);
        }
        db.prepare("DELETE FROM spreadsheets WHERE key = ?").run(found.key);
      });
    },
    async forgetPosts(moment) {
      write(() => sql.forgetPosts.run(moment));
    },
    follow: (onEntry) => following.add(onEntry),
    async close() {
      if (needs.as === "owner") write(() => sql.setMeta.run("log", "clean"));
    },
  };
}

const text = (value: unknown): string => {
  if (typeof value !== "string") throw new TypeError(`Expected text in the store, but found ${typeof value}.`);
  return value;
};

function* inChunks(lines: readonly string[]): Generator<string> {
  let chunk: string[] = [];
  let chars = 0;
  for (const line of lines) {
    if (chunk.length > 0 && chars + line.length > CHUNK_CHARS) {
      yield chunk.join("\n");
      chunk = [];
      chars = 0;
    }
    chunk.push(line);
    chars += line.length;
  }
  if (chunk.length > 0) yield chunk.join("\n");
}
