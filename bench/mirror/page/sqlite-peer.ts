/**
 * SQLite's own build for browsers, on files of the origin's private file system by way of its pool of access handles, the
 * fastest of its stores. A table with a column for each column of the sheet; what is more than a value (formula, display
 * text, error, checkbox) stands as JSON in a column of its own, which most rows would not have.
 */
import sqlite3InitModule, { type Database, type PreparedStatement, type SAHPoolUtil } from "@sqlite.org/sqlite-wasm";
import { csvLine, displayOf, rowsOfSnapshot, VIEW_COLUMNS, VIEW_ROWS } from "./peer.ts";
import type { Cell, Peer, RichCell, Scalar } from "./peer.ts";

const COLUMNS = 20;
/** Text that is encoded at once. */
const PIECE_CHARS = 128 * 1024;
const names = Array.from({ length: COLUMNS }, (_, column) => `c${column}`);

/** What a value alone does not say: `b` marks a checkbox. */
type Extra = Record<string, { b?: 1 } & Omit<RichCell, "v">>;

let pool: SAHPoolUtil;
let database: Database;
const statements = new Map<string, PreparedStatement>();

const prepared = (sql: string): PreparedStatement => {
  let statement = statements.get(sql);
  if (!statement) {
    statement = database.prepare(sql);
    statements.set(sql, statement);
  }
  return statement;
};

const run = (sql: string, bind: readonly Scalar[]): void => {
  const statement = prepared(sql);
  statement.bind([...bind]);
  statement.stepReset();
};

const valueOf = (cell: Cell): Scalar => {
  if (typeof cell === "object") return cell === null ? null : cell.v;
  return typeof cell === "boolean" ? Number(cell) : cell;
};

function extraOf(cell: Cell): Extra[string] | undefined {
  if (typeof cell === "boolean") return { b: 1 };
  if (typeof cell !== "object" || cell === null) return undefined;
  const { v: _, ...extra } = cell;
  return extra;
}

/** A row of the table as [row, extra, values…] back into cells. */
function cellsOf(record: readonly unknown[]): Cell[] {
  const extra = typeof record[1] === "string" ? (JSON.parse(record[1]) as Extra) : undefined;
  const cells: Cell[] = [];
  for (let column = 0; column < COLUMNS; column += 1) {
    const value = record[column + 2] as Scalar;
    const more = extra?.[column];
    cells.push(more ? (more.b ? value === 1 : { v: value, ...more }) : value);
  }
  return cells;
}

function* select(where: string, bind: readonly Scalar[]): Generator<{ row: number; cells: Cell[] }> {
  const statement = prepared(`SELECT r, extra, ${names.join(", ")} FROM sheet ${where} ORDER BY r`);
  if (bind.length > 0) statement.bind([...bind]);
  try {
    while (statement.step()) {
      const record = statement.get([]) as unknown[];
      yield { row: record[0] as number, cells: cellsOf(record) };
    }
  } finally {
    statement.reset();
  }
}

const inTransaction = (work: () => void): void => {
  database.exec("BEGIN");
  work();
  database.exec("COMMIT");
};

const insert = (row: number, cells: readonly Cell[]): void => {
  const extra: Extra = {};
  let hasExtra = false;
  const bind: Scalar[] = [row, null];
  for (let column = 0; column < COLUMNS; column += 1) {
    const cell = cells[column] ?? null;
    bind.push(valueOf(cell));
    const more = extraOf(cell);
    if (!more) continue;
    extra[column] = more;
    hasExtra = true;
  }
  if (hasExtra) bind[1] = JSON.stringify(extra);
  run(`INSERT INTO sheet VALUES (?, ?${", ?".repeat(COLUMNS)})`, bind);
};

/** The sizes of all files. The browser's own account adds what it reserves for open handles, a megabyte each. */
async function filesOf(folder: FileSystemDirectoryHandle): Promise<number> {
  let bytes = 0;
  for await (const entry of folder.values()) {
    bytes += entry instanceof FileSystemDirectoryHandle ? await filesOf(entry) : await sizeOf(entry);
  }
  return bytes;
}

const sizeOf = async (entry: FileSystemHandle): Promise<number> =>
  entry instanceof FileSystemFileHandle ? (await entry.getFile()).size : 0;

/**
 * `rollback` is how it comes. A write-ahead log is faster, and possible with one connection, which needs no shared memory.
 */
export const sqlitePeer = (journal: "rollback" | "wal"): Peer => ({
  async open() {
    const sqlite = await sqlite3InitModule();
    pool = await sqlite.installOpfsSAHPoolVfs({ name: "sheet" });
    database = new pool.OpfsSAHPoolDb("/sheet.db");
    // As lax as IndexedDB's `relaxed`: the system is handed the bytes, and nobody waits for the disk.
    const mode = journal === "wal" ? "wal" : "delete";
    database.exec(`PRAGMA locking_mode=exclusive; PRAGMA journal_mode=${mode}`);
    database.exec("PRAGMA synchronous=off; PRAGMA cache_size=-65536");
    database.exec(`CREATE TABLE IF NOT EXISTS sheet (r INTEGER PRIMARY KEY, extra TEXT, ${names.join(", ")})`);
  },
  async load(snapshot) {
    inTransaction(() => {
      for (const { fromRow, rows } of rowsOfSnapshot(snapshot)) {
        for (const [offset, cells] of rows.entries()) insert(fromRow + offset, cells);
      }
    });
    return Promise.resolve();
  },
  async edit({ row, column, cell }) {
    const more = extraOf(cell);
    const place = `'$."${column}"'`;
    const extra = more
      ? `json_set(coalesce(extra, '{}'), ${place}, json(?3))`
      : `CASE WHEN extra IS NULL OR ?3 IS NULL THEN json_remove(extra, ${place}) END`;
    run(`UPDATE sheet SET c${column} = ?1, extra = ${extra} WHERE r = ?2`, [
      valueOf(cell),
      row,
      more ? JSON.stringify(more) : null,
    ]);
    return Promise.resolve();
  },
  async insertTop(cells) {
    inTransaction(() => {
      database.exec("UPDATE sheet SET r = -r - 1; UPDATE sheet SET r = -r");
      insert(0, cells);
    });
    return Promise.resolve();
  },
  async viewport({ row, column }) {
    const rows = Array.from(select("WHERE r >= ? AND r < ?", [row, row + VIEW_ROWS]), ({ cells }) =>
      cells.slice(column, column + VIEW_COLUMNS),
    );
    return Promise.resolve(rows);
  },
  async search(text) {
    const hits: [number, number][] = [];
    const like = [...names, "extra"].map((name) => `${name} LIKE ?1`).join(" OR ");
    for (const { row, cells } of select(`WHERE ${like}`, [`%${text}%`])) {
      for (const [column, cell] of cells.entries()) {
        if (cell === null) continue;
        const formula = typeof cell === "object" ? cell.f : undefined;
        if (displayOf(cell).toLowerCase().includes(text) || formula?.toLowerCase().includes(text))
          hits.push([row, column]);
      }
    }
    return Promise.resolve(hits);
  },
  async csv() {
    const encoder = new TextEncoder();
    const pieces: Uint8Array[] = [];
    let lines = "";
    for (const { cells } of select("", [])) {
      while (cells.length > 0 && cells.at(-1) === null) cells.pop();
      lines += csvLine(cells);
      if (lines.length < PIECE_CHARS) continue;
      pieces.push(encoder.encode(lines));
      lines = "";
    }
    pieces.push(encoder.encode(lines));
    return Promise.resolve(pieces);
  },
  sync: async () => Promise.resolve(void database.exec("PRAGMA synchronous=full")),
  async storedBytes() {
    if (journal === "wal") database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    return filesOf(await navigator.storage.getDirectory());
  },
  async close() {
    for (const statement of statements.values()) statement.finalize();
    statements.clear();
    database.close();
    pool.pauseVfs();
    return Promise.resolve();
  },
});
