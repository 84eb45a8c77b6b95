/** The embedded database: one SQLite file that holds the log and the access records, opened the same way by relay and CLI. */
import { chmodSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type SQLOutputValue } from "node:sqlite";
import { crc32 } from "node:zlib";
import { openMark, type Mark } from "./mark.ts";
import { migrations } from "./migrations.ts";

export { startCheckpoints } from "./checkpoints.ts";

/** `normal` survives the end of the process, `full` a power cut as well. */
export type Durability = "full" | "normal";

/** Why a store cannot be used, in words for whoever runs the relay. */
export class StoreError extends Error {
  override readonly name: string = "StoreError";
}

/** The database was written by a newer Sheetwire; nothing was touched. */
export class StoreTooNewError extends StoreError {
  override readonly name = "StoreTooNewError";
}

/** The file is not a database of ours, or it is damaged; nothing was touched. */
export class StoreUnreadableError extends StoreError {
  override readonly name = "StoreUnreadableError";
}

/** A row holds something that was never written there: a page is missing, and SQLite did not see it. */
export class RowDamagedError extends Error {
  override readonly name = "RowDamagedError";
}

/** Another relay runs on this store; nothing was touched. */
export class StoreInUseError extends StoreError {
  override readonly name = "StoreInUseError";
}

export type Store = {
  readonly db: DatabaseSync;
  readonly durability: Durability;
  /**
   * Runs `work` as one transaction: all of it, or nothing and the error. One that is to be durable `soon` survives a power
   * cut only together with the next durable one: for housekeeping, of which nothing was promised.
   */
  transact<T>(work: () => T, how?: "durably" | "soon"): T;
  /** About how many bytes were written since it was opened. */
  writtenBytes(): number;
  /** To be told by whoever writes. */
  wrote(bytes: number): void;
  /** Whether a write found no room since this was asked last. */
  ranFull(): boolean;
  readonly mark: Mark;
  /** A number that changes when another process has written; own writes leave it as it is. */
  foreignWrites(): number;
  close(): void;
};

/** What this program writes; a database says which it has. */
export const STORE_VERSION = migrations.length;

/**
 * Opens (and where needed makes or updates) the database at `path`. The file is readable by its owner alone. A guest works
 * beside the relay; where one of an older version runs, the store is not updated under it, and StoreInUseError says so.
 */
export function openStore(path: string, durability: Durability, as: "owner" | "guest" = "owner"): Store {
  let db: DatabaseSync | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true });
    db = new DatabaseSync(path, { timeout: 5_000 });
    return useStore(db, path, durability, as);
  } catch (error) {
    db?.close();
    throw storeErrorOf(path, error) ?? error;
  }
}

function useStore(db: DatabaseSync, path: string, durability: Durability, as: "owner" | "guest"): Store {
  const transact = transactionsOf(db);
  chmodSync(path, 0o600);
  db.exec("PRAGMA journal_mode = WAL");
  db.exec(`PRAGMA synchronous = ${durability === "full" ? "FULL" : "NORMAL"}`);
  db.exec("PRAGMA journal_size_limit = 67108864");
  db.exec("PRAGMA cache_size = -32768");
  const letGo = as === "guest" && versionOf(db) < STORE_VERSION ? holdStore(path) : undefined;
  try {
    transact(() => migrate(db, path));
  } finally {
    letGo?.();
  }
  const mark = openMark(`${path}.mark`);
  let written = 0;
  let isFull = false;
  const noted = <T>(work: () => T): T => {
    try {
      return transact(work);
    } catch (error) {
      if (sqliteCodeOf(error) === SQLITE_FULL) isFull = true;
      throw error;
    }
  };
  const dataVersion = db.prepare("PRAGMA data_version");
  return {
    db,
    durability,
    transact(work, how = "durably") {
      if (how === "durably" || durability === "normal") return noted(work);
      db.exec("PRAGMA synchronous = NORMAL");
      try {
        return noted(work);
      } finally {
        db.exec("PRAGMA synchronous = FULL");
      }
    },
    foreignWrites: () => Number(dataVersion.get()?.["data_version"] ?? 0),
    writtenBytes: () => written,
    wrote: (bytes) => void (written += bytes),
    ranFull() {
      const was = isFull;
      isFull = false;
      return was;
    },
    mark,
    close() {
      mark.close();
      db.close();
    },
  };
}

/** What to tell people of an error while a store is opened or used; undefined where it is a fault of ours. */
export function storeErrorOf(path: string, error: unknown): StoreError | undefined {
  if (error instanceof StoreError) return error;
  const code = sqliteCodeOf(error) ?? (error instanceof Error ? sqliteCodeOf(error.cause) : undefined);
  const choose = "or choose another with SHEETWIRE_STORE.";
  if (code === NOT_A_DATABASE || code === SQLITE_CORRUPT || error instanceof RowDamagedError)
    return new StoreUnreadableError(
      `${path} is not a Sheetwire database, or it is damaged. Restore it from a backup, take over what can be read of it (sheetwire salvage), ${choose}`,
      { cause: error },
    );
  const system = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === SQLITE_FULL || system === "ENOSPC" || system === "EDQUOT")
    return new StoreError(
      `There is no room left where ${path} lies. Make room (32 MB at least) and try again: nothing that is in it was lost.`,
      { cause: error },
    );
  if ((code !== undefined && NO_ACCESS.has(code)) || (typeof system === "string" && NO_ACCESS.has(system)))
    return new StoreError(
      `${path} cannot be opened, read or written (${error instanceof Error ? error.message : code}). Look at its folder, its owner and the disk, ${choose}`,
      { cause: error },
    );
  return undefined;
}

/**
 * Keeps a second relay off the store for as long as this process lives: two would not hear of each other's changes. The
 * system lets go of the lock however the process ends. Returns the way to let go before. Commands beside a relay need none.
 */
export function holdStore(path: string): () => void {
  mkdirSync(dirname(path), { recursive: true });
  const lock = new DatabaseSync(`${path}.lock`, { timeout: 0 });
  try {
    lock.exec("PRAGMA locking_mode = EXCLUSIVE");
    lock.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    lock.close();
    if (sqliteCodeOf(error) !== BUSY) throw error;
    throw new StoreInUseError(
      `Another relay runs on ${path}. Stop it first, or choose another store with SHEETWIRE_STORE or SHEETWIRE_DATA_DIR.`,
    );
  }
  return () => lock.close();
}

const versionOf = (db: DatabaseSync): number => Number(db.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);

function migrate(db: DatabaseSync, path: string): void {
  const version = versionOf(db);
  if (version > migrations.length) {
    throw new StoreTooNewError(
      `${path} was written by a newer Sheetwire (store version ${version}, this one knows ${migrations.length}). Update Sheetwire, or restore an older backup.`,
    );
  }
  if (version < migrations.length) db.function("crc32", { deterministic: true }, crc32OfValue);
  for (const step of migrations.slice(version)) db.exec(step);
  if (version < migrations.length) db.exec(`PRAGMA user_version = ${migrations.length}`);
}

function crc32OfValue(data: SQLOutputValue, start: SQLOutputValue): number {
  if (typeof data === "string" || data instanceof Uint8Array) return crc32(data, Number(start));
  throw new RowDamagedError(`Text or bytes were expected, ${typeof data} found.`);
}

/** Runs work as one transaction. There is one for each commit, so what begins and ends it is prepared. */
function transactionsOf(db: DatabaseSync): <T>(work: () => T) => T {
  const begin = db.prepare("BEGIN IMMEDIATE");
  const commit = db.prepare("COMMIT");
  return (work) => {
    begin.run();
    try {
      const result = work();
      commit.run();
      return result;
    } catch (error) {
      // A full disk may have rolled it back already.
      if (db.isTransaction) db.exec("ROLLBACK");
      throw error;
    }
  };
}

const BUSY = 5;
export const SQLITE_CORRUPT = 11;
export const SQLITE_FULL = 13;
const NOT_A_DATABASE = 26;
/** SQLite's PERM, READONLY, IOERR and CANTOPEN, and what the system says for the same (https://sqlite.org/rescode.html). */
const NO_ACCESS: ReadonlySet<number | string> = new Set([
  3,
  8,
  10,
  14,
  "EACCES",
  "EPERM",
  "EROFS",
  "ENOENT",
  "ENOTDIR",
  "EEXIST",
  "EIO",
]);

/** Read beyond the end of a file that was cut short, where SQLite reads the rest of a long row (https://sqlite.org/rescode.html). */
const SHORT_READ = 522;

/** SQLite's primary result code of an error, where it is one of SQLite's; what was cut short is corrupt. */
export function sqliteCodeOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return undefined;
  return error.errcode === SHORT_READ ? SQLITE_CORRUPT : error.errcode & 0xff;
}
