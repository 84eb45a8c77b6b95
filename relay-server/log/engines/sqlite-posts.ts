/** Taken posts: one row for what a commit brought, found by fingerprints held in memory. */
import type { DatabaseSync } from "node:sqlite";
import * as z from "zod";
import { takenInBetween } from "../entry.ts";
import type { TakenPost } from "../log.ts";
import { RowDamagedError } from "../../store/store.ts";
import { packPrints, printOf, Prints, unpackPrints, type Print } from "../prints.ts";
import { postsCrcOf, type PackedPosts } from "./sqlite-journal.ts";

/** The spreadsheet's key, the post's id, the hash of its body, the answer. */
const recordsSchema = z.array(z.tuple([z.number(), z.string(), z.string(), z.string()]));

/** So many rows are forgotten at once. */
const FORGET_ROWS = 100;
/** So many rows are looked at for one spreadsheet at once. */
const LOOK_ROWS = 20;

/** What a commit takes for one spreadsheet. */
export type Taking = { readonly spreadsheetId: string; readonly key: number; readonly posts: readonly TakenPost[] };

export type PostRows = ReturnType<typeof createPostRows>;

/** A post's row has the number of the commit that took it; it is in the journal first, and kept in `taken` when that is settled. */
export function createPostRows(db: DatabaseSync, isDamaged: (commit: number) => boolean) {
  const prints = new Prints();
  const columns = "id, taken_at, prints, records, crc";
  const sql = {
    find: db.prepare(`SELECT ${columns} FROM taken WHERE id = ?`),
    findNew: db.prepare("SELECT id, taken_at, prints, records, posts_crc AS crc FROM journal WHERE id = ?"),
    all: db.prepare(`SELECT ${columns} FROM taken WHERE id > ?`),
    allNew: db.prepare("SELECT id, prints FROM journal WHERE id > ?"),
    ages: db.prepare("SELECT id, taken_at, prints FROM taken WHERE id > ? ORDER BY id LIMIT ?"),
    some: db.prepare(`SELECT ${columns} FROM taken WHERE id > ? ORDER BY id LIMIT ?`),
    last: db.prepare("SELECT max(id) AS id FROM taken"),
    keep: db.prepare("UPDATE taken SET prints = ?, records = ?, crc = ? WHERE id = ?"),
    drop: db.prepare("DELETE FROM taken WHERE id = ?"),
  };
  let known = 0;
  const damaged = new Set<number>();

  /** Takes up what is stored beyond what is known: at the start, and what another process wrote. */
  function learn(): void {
    let latest = known;
    const take = (row: Record<string, unknown>): void => {
      const id = Number(row["id"]);
      latest = Math.max(latest, id);
      for (const print of unpackPrints(bytes(row["prints"]))) prints.add(print, id);
    };
    for (const row of sql.all.iterate(known)) {
      if (isSound(row)) take(row);
      else damaged.add(Number(row["id"]));
    }
    for (const row of sql.allNew.iterate(known)) take(row);
    known = latest;
  }
  learn();

  function keep(id: number, takenAt: number, left: Uint8Array, records: string): void {
    sql.keep.run(left, records, postsCrcOf(id, takenAt, left, records), id);
  }

  function forgetRow(row: Record<string, unknown>): void {
    const id = Number(row["id"]);
    for (const print of unpackPrints(bytes(row["prints"]))) prints.remove(print, id);
  }

  const find = (spreadsheetId: string, key: number, webhookId: string): TakenPost | undefined =>
    findAt(printOf(spreadsheetId, webhookId), key, webhookId);

  function findAt(print: Print, key: number, webhookId: string): TakenPost | undefined {
    for (const id of prints.find(print)) {
      // What came with a damaged commit did not become part of the log: it is taken anew.
      const row = sql.find.get(id) ?? (isDamaged(id) ? undefined : sql.findNew.get(id));
      // Nobody can tell which posts a damaged row named: they are taken anew, like new ones.
      const record = row && recordsOf(row)?.find((one) => one[0] === key && one[1] === webhookId);
      if (!record) continue;
      const [, , bodyHash, answer] = record;
      return { webhookId, bodyHash, answer, takenAt: Number(row["taken_at"]) };
    }
    return undefined;
  }

  return {
    learn,
    find,
    /** Rows that were found not to be as they were written. */
    get damaged(): number {
      return damaged.size;
    },
    dropDamaged(): void {
      for (const id of damaged) sql.drop.run(id);
    },
    lastId: (): number => Number(sql.last.get()?.["id"] ?? 0),

    /** Whether it can have been taken, without asking the store. */
    mayHold: (spreadsheetId: string, webhookId: string): boolean =>
      prints.find(printOf(spreadsheetId, webhookId)).length > 0,

    /**
     * What commit `id` takes, to be stored with it, unless one of it was taken before; `taken` is to be called once that is
     * durable.
     */
    pack(id: number, takings: readonly Taking[]): PackedPosts & { taken: () => void } {
      const own: Print[] = [];
      const records: z.infer<typeof recordsSchema> = [];
      let takenAt = 0;
      for (const { spreadsheetId, key, posts } of takings) {
        for (const { webhookId, bodyHash, answer, takenAt: at } of posts) {
          const print = printOf(spreadsheetId, webhookId);
          if (findAt(print, key, webhookId)) throw takenInBetween();
          own.push(print);
          records.push([key, webhookId, bodyHash, answer]);
          takenAt = Math.max(takenAt, at);
        }
      }
      const text = JSON.stringify(records);
      const packed = packPrints(own);
      return {
        records: text,
        prints: packed,
        takenAt,
        crc: postsCrcOf(id, takenAt, packed, text),
        taken() {
          for (const print of own) prints.add(print, id);
          known = Math.max(known, id);
        },
      };
    },

    /** Forgets a piece of what is older than `moment`; false when nothing is left. */
    forgetBefore(moment: number, now: number): () => { more: boolean; committed: () => void } {
      let through = 0;
      return () => {
        const rows = sql.ages.all(through, FORGET_ROWS);
        const due = rows.filter((row) => Number(row["taken_at"]) < moment);
        through = Number(rows.at(-1)?.["id"] ?? through);
        for (const row of due) sql.drop.run(Number(row["id"]));
        // What a clock that was ahead has left there keeps nothing behind it.
        const goesOn = rows.some((row) => Number(row["taken_at"]) < moment || Number(row["taken_at"]) > now);
        return { more: goesOn && rows.length === FORGET_ROWS, committed: () => due.forEach(forgetRow) };
      };
    },

    /** Forgets what belongs to a spreadsheet, which is looked for among all posts; each call does a piece of it. */
    dropOf(spreadsheetId: string, key: number): () => { more: boolean; committed: () => void } {
      let through = 0;
      return () => {
        const gone: { print: Print; id: number }[] = [];
        const rows = sql.some.all(through, LOOK_ROWS);
        for (const row of rows) {
          const id = Number(row["id"]);
          through = id;
          const records = recordsOf(row);
          if (!records) {
            // Nobody can tell whose these are: not one of them stays.
            sql.drop.run(id);
            continue;
          }
          const others = records.filter(([owner]) => owner !== key);
          if (others.length === records.length) continue;
          const own = records
            .filter(([owner]) => owner === key)
            .map(([, webhookId]) => printOf(spreadsheetId, webhookId));
          for (const print of own) gone.push({ print, id });
          const left = [...unpackPrints(bytes(row["prints"]))].filter(
            ({ high, low }) => !own.some((print) => print.high === high && print.low === low),
          );
          if (others.length === 0) sql.drop.run(id);
          else keep(id, Number(row["taken_at"]), packPrints(left), JSON.stringify(others));
        }
        return {
          more: rows.length === LOOK_ROWS,
          committed: () => gone.forEach(({ print, id }) => prints.remove(print, id)),
        };
      };
    },
  };
}

function isSound({ id, taken_at: takenAt, prints, records, crc }: Record<string, unknown>): boolean {
  if (!(prints instanceof Uint8Array) || typeof records !== "string") return false;
  return crc === postsCrcOf(Number(id), Number(takenAt), prints, records);
}

/** Undefined where they are not as they were written. */
function recordsOf(row: Record<string, unknown>): z.infer<typeof recordsSchema> | undefined {
  return isSound(row) ? recordsSchema.parse(JSON.parse(String(row["records"]))) : undefined;
}

function bytes(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new RowDamagedError(`Bytes were expected, ${typeof value} found.`);
  return value;
}
