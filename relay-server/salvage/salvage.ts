/**
 * Takes over what can be read of a damaged database. SQLite opens a file that was cut short only with its missing pages put
 * back, as blank ones: whatever would lie there is then an error where it is read, and everything else is as it was.
 */
import { closeSync, copyFileSync, existsSync, ftruncateSync, mkdtempSync, openSync, readSync } from "node:fs";
import { renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { DatabaseSync, type SQLOutputValue } from "node:sqlite";
import { holdStore, openStore, sqliteCodeOf, STORE_VERSION, StoreUnreadableError } from "../store/store.ts";

export type Salvaged = {
  /** Rows that were taken over, by table. */
  readonly rows: Readonly<Record<string, number>>;
  /** Tables of which some rows, or all, could not be read. */
  readonly incomplete: readonly string[];
  /** Where the damaged database lies now. */
  readonly keptAs: string;
};

/** What belongs to a spreadsheet of the log, by its key. */
const OF_A_LOG = ["frames", "desks", "states", "state_pieces"];
/** So many keys are left out. */
const BEYOND_KEYS = 1_000_000;
/** Files beside the database that belong to it. */
const BESIDE = ["-wal", "-shm", ".mark"];

/**
 * Puts a database with everything readable of the one at `path` in its place, and keeps the damaged one beside it. Readers
 * will take new snapshots, for the log may have lost its end. Throws `StoreUnreadableError` where nothing can be read, and
 * `StoreInUseError` while a relay runs on it; both leave everything as it is.
 */
export function salvageStore(path: string, now: Date): Salvaged {
  if (!existsSync(path)) throw new StoreUnreadableError(`There is no ${path}.`);
  const letGo = holdStore(path);
  const folder = mkdtempSync(join(dirname(path), ".salvage-"));
  try {
    const copied = join(folder, basename(path));
    for (const suffix of ["", "-wal"]) if (existsSync(path + suffix)) copyFileSync(path + suffix, copied + suffix);
    fillUp(copied);
    const fresh = join(folder, "salvaged.db");
    const { rows, incomplete } = copyAll(path, copied, fresh);
    const keptAs = `${path}.damaged-${now.toISOString().replaceAll(/[-:]|\.\d+/g, "")}`;
    keep(path, keptAs);
    // Ended at any point, there is a store at `path`, the old or the new one: never none, and never a new one with an old
    // write-ahead log beside it. A mark that stays behind only says that commits are missing.
    for (const suffix of ["-wal", "-shm"]) rmSync(path + suffix, { force: true });
    renameSync(fresh, path);
    rmSync(`${path}.mark`, { force: true });
    return { rows, incomplete, keptAs };
  } finally {
    rmSync(folder, { recursive: true, force: true });
    letGo();
  }
}

/** Copies the damaged store, with what belongs to it, before anything of it is touched. */
function keep(path: string, keptAs: string): void {
  const suffixes = ["", ...BESIDE].filter((suffix) => existsSync(path + suffix));
  try {
    for (const suffix of suffixes) copyFileSync(path + suffix, keptAs + suffix);
  } catch (error) {
    for (const suffix of suffixes) rmSync(keptAs + suffix, { force: true });
    throw error;
  }
}

/** Makes a file as long as its header says that it is: a hundred bytes that begin it (https://sqlite.org/fileformat.html, 1.3). */
function fillUp(path: string): void {
  const file = openSync(path, "r+");
  try {
    const header = Buffer.alloc(100);
    if (readSync(file, header, 0, 100, 0) < 100) return;
    const pageBytes = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16);
    const bytes = pageBytes * header.readUInt32BE(28);
    if (bytes > statSync(path).size) ftruncateSync(file, bytes);
  } finally {
    closeSync(file);
  }
}

function copyAll(path: string, from: string, to: string): Pick<Salvaged, "rows" | "incomplete"> {
  const old = new DatabaseSync(from);
  const store = openStore(to, "full");
  try {
    requireOurs(old, path);
    const rows: Record<string, number> = {};
    const incomplete: string[] = [];
    store.transact(() => {
      for (const table of tablesOf(store.db)) {
        const { count, isWhole } = copyTable(old, store.db, table);
        rows[table] = count;
        if (!isWhole) incomplete.push(table);
      }
      for (const table of OF_A_LOG) {
        store.db.exec(`DELETE FROM ${table} WHERE spreadsheet_key NOT IN (SELECT key FROM spreadsheets)`);
      }
      // A key is never given twice, also where its spreadsheet could not be read: something may still be named by it.
      store.db.exec("DELETE FROM sqlite_sequence WHERE name = 'spreadsheets'");
      store.db.exec(
        `INSERT INTO sqlite_sequence (name, seq) SELECT 'spreadsheets', ${BEYOND_KEYS} + ifnull(max(key), 0) FROM spreadsheets`,
      );
      // As after a power cut: every log begins a new life, for readers may have seen what is not there any more.
      store.db.exec("INSERT OR REPLACE INTO meta (name, value) VALUES ('log', 'open-normal')");
    });
    if (Object.values(rows).every((count) => count === 0)) throw nothingIn(path);
    store.db.exec("PRAGMA journal_mode = DELETE");
    return { rows, incomplete };
  } finally {
    store.close();
    old.close();
  }
}

/** A store of another version is opened by its own program first. */
function requireOurs(old: DatabaseSync, path: string): void {
  let version: number;
  try {
    version = Number(old.prepare("PRAGMA user_version").get()?.["user_version"]);
  } catch (error) {
    if (sqliteCodeOf(error) === undefined) throw error;
    throw nothingIn(path);
  }
  if (version === STORE_VERSION) return;
  throw new StoreUnreadableError(
    `${path} is of store version ${version}, this Sheetwire knows ${STORE_VERSION}. Salvage it with the version that wrote it.`,
  );
}

const nothingIn = (path: string): StoreUnreadableError =>
  new StoreUnreadableError(`Nothing of ${path} can be read. Restore it from a backup. Nothing was changed.`);

const tablesOf = (db: DatabaseSync): string[] =>
  db
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
    .all()
    .map((row) => String(row["name"]));

/** Whether a row can be what was written there: of a row that lies over several pages a missing one reads as zeros. */
function isSound(types: ReadonlyMap<string, string>, row: Record<string, SQLOutputValue>): boolean {
  for (const [name, type] of types) {
    const value = row[name];
    if (value === null || value === undefined) continue;
    const is = value instanceof Uint8Array ? "BLOB" : typeof value === "string" ? "TEXT" : "a number";
    if (is !== (type === "BLOB" || type === "TEXT" ? type : "a number")) return false;
  }
  // What is of the right type and yet not what was written has a checksum, which is looked at when it is read.
  return true;
}

/** From the first row on as far as it can be read, then from the last one back. */
function copyTable(old: DatabaseSync, db: DatabaseSync, table: string): { count: number; isWhole: boolean } {
  let add: ReturnType<DatabaseSync["prepare"]> | undefined;
  let last = Number.NEGATIVE_INFINITY;
  let count = 0;
  let hasUnsound = false;
  const types = new Map(
    db
      .prepare(`PRAGMA table_info(${table})`)
      .all()
      .map((column) => [String(column["name"]), String(column["type"])]),
  );
  const take = (row: Record<string, SQLOutputValue>): boolean => {
    const { row_of_old: rowid, ...columns } = row;
    if (Number(rowid) <= last) return false;
    if (!isSound(types, columns)) {
      hasUnsound = true;
      return true;
    }
    const names = Object.keys(columns);
    add ??= db.prepare(
      `INSERT OR IGNORE INTO ${table} (rowid, ${names.join(", ")}) VALUES (?, ${names.map(() => "?").join(", ")})`,
    );
    count += Number(add.run(rowid ?? null, ...Object.values(columns)).changes);
    return true;
  };
  const read = (order: "ASC" | "DESC", each: (row: Record<string, SQLOutputValue>) => boolean): boolean => {
    try {
      const rows = old.prepare(`SELECT rowid AS row_of_old, * FROM ${table} ORDER BY rowid ${order}`).iterate();
      for (const row of rows) if (!each(row)) break;
      return true;
    } catch (error) {
      if (sqliteCodeOf(error) === undefined) throw error;
      return false;
    }
  };
  let reached = last;
  const isWhole = read("ASC", (row) => {
    take(row);
    reached = Number(row["row_of_old"]);
    return true;
  });
  last = reached;
  if (!isWhole) read("DESC", take);
  return { count, isWhole: isWhole && !hasUnsound };
}
