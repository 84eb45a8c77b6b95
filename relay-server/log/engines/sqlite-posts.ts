/** Taken posts: one row for what a commit brought to a spreadsheet, found by fingerprints held in memory. */
import type { DatabaseSync } from "node:sqlite";
import * as z from "zod";
import { takenInBetween } from "../entry.ts";
import type { TakenPost } from "../log.ts";
import { RowDamagedError } from "../../store/store.ts";
import { packPrints, printOf, Prints, unpackPrints, type Print } from "../prints.ts";

const recordsSchema = z.array(z.tuple([z.string(), z.string(), z.string()]));

/** So many rows are forgotten at once. */
const FORGET_ROWS = 500;
/** So many rows are looked at for one spreadsheet at once. */
const LOOK_ROWS = 5_000;

export type PostRows = ReturnType<typeof createPostRows>;

export function createPostRows(db: DatabaseSync) {
  const prints = new Prints();
  const sql = {
    add: db.prepare("INSERT INTO taken (spreadsheet_key, taken_at, prints, records) VALUES (?, ?, ?, ?)"),
    find: db.prepare("SELECT spreadsheet_key, taken_at, records FROM taken WHERE id = ?"),
    all: db.prepare("SELECT id, prints FROM taken WHERE id > ? ORDER BY id"),
    oldest: db.prepare("SELECT id, taken_at, prints FROM taken ORDER BY id LIMIT ?"),
    of: db.prepare("SELECT id, prints FROM taken WHERE spreadsheet_key = ? AND id > ? AND id <= ?"),
    last: db.prepare("SELECT max(id) AS id FROM taken"),
    drop: db.prepare("DELETE FROM taken WHERE id = ?"),
  };
  let known = 0;

  /** Takes up what is stored beyond what is known: at the start, and what another process wrote. */
  function learn(): void {
    for (const row of sql.all.iterate(known)) {
      known = Number(row["id"]);
      for (const print of unpackPrints(bytes(row["prints"]))) prints.add(print, known);
    }
  }
  learn();

  function forgetRow(row: Record<string, unknown>): void {
    const id = Number(row["id"]);
    for (const print of unpackPrints(bytes(row["prints"]))) prints.remove(print, id);
  }

  const find = (spreadsheetId: string, key: number, webhookId: string): TakenPost | undefined =>
    findAt(printOf(spreadsheetId, webhookId), key, webhookId);

  function findAt(print: Print, key: number, webhookId: string): TakenPost | undefined {
    for (const id of prints.find(print)) {
      const row = sql.find.get(id);
      if (!row || Number(row["spreadsheet_key"]) !== key) continue;
      const record = recordsSchema.parse(JSON.parse(String(row["records"]))).find(([held]) => held === webhookId);
      if (!record) continue;
      const [, bodyHash, answer] = record;
      return { webhookId, bodyHash, answer, takenAt: Number(row["taken_at"]) };
    }
    return undefined;
  }

  return {
    learn,
    find,

    /** Whether it can have been taken, without asking the store. */
    mayHold: (spreadsheetId: string, webhookId: string): boolean =>
      prints.find(printOf(spreadsheetId, webhookId)).length > 0,

    /**
     * Stores what one commit brought, unless one of it was taken before; what it returns is to be called once that is
     * durable.
     */
    add(spreadsheetId: string, key: number, posts: readonly TakenPost[]): () => void {
      const own: Print[] = posts.map((post) => printOf(spreadsheetId, post.webhookId));
      own.forEach((print, at) => {
        if (findAt(print, key, posts[at]?.webhookId ?? "")) throw takenInBetween();
      });
      const records = JSON.stringify(posts.map(({ webhookId, bodyHash, answer }) => [webhookId, bodyHash, answer]));
      const takenAt = posts.reduce((latest, post) => Math.max(latest, post.takenAt), 0);
      const id = Number(sql.add.run(key, takenAt, packPrints(own), records).lastInsertRowid);
      return () => {
        for (const print of own) prints.add(print, id);
        known = Math.max(known, id);
      };
    },

    /** Forgets a piece of what is older than `moment`; false when nothing is left. */
    forgetBefore(moment: number): { more: boolean; committed: () => void } {
      const due = sql.oldest.all(FORGET_ROWS).filter((row) => Number(row["taken_at"]) < moment);
      for (const row of due) sql.drop.run(Number(row["id"]));
      return { more: due.length === FORGET_ROWS, committed: () => due.forEach(forgetRow) };
    },

    /** Forgets what belongs to a spreadsheet, which is looked for among all posts; each call does a piece of it. */
    dropOf(key: number): () => { more: boolean; committed: () => void } {
      const end = Number(sql.last.get()?.["id"] ?? 0);
      let through = 0;
      return () => {
        const due = sql.of.all(key, through, through + LOOK_ROWS);
        for (const row of due) sql.drop.run(Number(row["id"]));
        through += LOOK_ROWS;
        return { more: through < end, committed: () => due.forEach(forgetRow) };
      };
    },
  };
}

function bytes(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new RowDamagedError(`Bytes were expected, ${typeof value} found.`);
  return value;
}
