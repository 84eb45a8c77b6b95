/** Stored states, in pieces: a new one is written beside the old, and takes its place in one step. */
import { crc32 } from "node:zlib";
import type { DatabaseSync } from "node:sqlite";
import { DamagedError, HeadMovedError, type Head } from "../log.ts";

/** Pieces of about this many characters: each is one short transaction. */
const PIECE_CHARS = 256 * 1024;
/** So many pieces of a state that was replaced are dropped at once. */
const DROP_PIECES = 16;

type State = { readonly head: Head; readonly version: number; readonly pieces: number };

export type StateRows = ReturnType<typeof createStateRows>;

export function createStateRows(db: DatabaseSync) {
  const sql = {
    find: db.prepare("SELECT epoch, seq, chain, version, pieces, crc FROM states WHERE spreadsheet_key = ?"),
    set: db.prepare(
      "INSERT OR REPLACE INTO states (spreadsheet_key, epoch, seq, chain, version, pieces, crc) VALUES (?, ?, ?, ?, ?, ?, ?)",
    ),
    addPiece: db.prepare(
      "INSERT INTO state_pieces (spreadsheet_key, version, part, crc, lines) VALUES (?, ?, ?, ?, ?)",
    ),
    piece: db.prepare("SELECT crc, lines FROM state_pieces WHERE spreadsheet_key = ? AND version = ? AND part = ?"),
    latest: db.prepare("SELECT max(version) AS version FROM state_pieces WHERE spreadsheet_key = ?"),
    orphan: db.prepare(
      "SELECT spreadsheet_key, version FROM state_pieces p WHERE NOT EXISTS (SELECT 1 FROM states s WHERE s.spreadsheet_key = p.spreadsheet_key AND s.version = p.version) LIMIT 1",
    ),
    dropPieces: db.prepare(
      "DELETE FROM state_pieces WHERE rowid IN (SELECT rowid FROM state_pieces WHERE spreadsheet_key = ? AND version = ? LIMIT ?)",
    ),
    drop: db.prepare("DELETE FROM states WHERE spreadsheet_key = ?"),
    dropAll: db.prepare(
      "DELETE FROM state_pieces WHERE rowid IN (SELECT rowid FROM state_pieces WHERE spreadsheet_key = ? LIMIT ?)",
    ),
  };
  /** Versions that are being written have no state yet, and are no leftovers. */
  const writing = new Set<string>();
  const nameOf = (key: number, version: number): string => `${key} ${version}`;

  function read(key: number): (State & { isSound: boolean }) | undefined {
    const row = sql.find.get(key);
    if (!row) return undefined;
    const head = { epoch: String(row["epoch"]), seq: Number(row["seq"]), chain: String(row["chain"]) };
    const [version, pieces] = [Number(row["version"]), Number(row["pieces"])];
    return { head, version, pieces, isSound: row["crc"] === crcOfState(key, head, version, pieces) };
  }

  /** The state, unless there is none or it is not as it was written. */
  function find(key: number): State | undefined {
    const stored = read(key);
    return stored?.isSound ? stored : undefined;
  }

  function nextVersion(key: number): number {
    let version = Math.max(find(key)?.version ?? 0, Number(sql.latest.get(key)?.["version"] ?? 0)) + 1;
    while (writing.has(nameOf(key, version))) version += 1;
    return version;
  }

  /** From here on this version is the state. */
  function set(key: number, { epoch, seq, chain }: Head, version: number, pieces: number): void {
    sql.set.run(key, epoch, seq, chain, version, pieces, crcOfState(key, { epoch, seq, chain }, version, pieces));
  }

  return {
    find,
    /** Throws DamagedError where it is not as it was written. */
    findGood(spreadsheetId: string, key: number): State | undefined {
      const stored = read(key);
      if (stored?.isSound === false) throw new DamagedError(spreadsheetId, "state", 0);
      return stored;
    },

    begin(key: number): number {
      const version = nextVersion(key);
      writing.add(nameOf(key, version));
      return version;
    },
    set,
    /** From here on the state has no contents: they are read anew. */
    setEmpty: (key: number, head: Head): void => set(key, head, nextVersion(key), 0),
    addPiece(key: number, version: number, part: number, lines: string): void {
      sql.addPiece.run(key, version, part, crcOf(key, version, part, lines), lines);
    },
    ended: (key: number, version: number): boolean => writing.delete(nameOf(key, version)),

    piece(spreadsheetId: string, key: number, version: number, part: number, seq: number): string {
      const row = sql.piece.get(key, version, part);
      if (!row && sql.find.get(key)?.["version"] !== version) {
        throw new HeadMovedError("This state was replaced while it was read.");
      }
      const lines = row?.["lines"];
      const crc = row?.["crc"];
      const isGood = typeof lines === "string" && crc === crcOf(key, version, part, lines);
      if (!isGood) throw new DamagedError(spreadsheetId, "state", seq);
      return lines;
    },

    drop: (key: number): void => void sql.drop.run(key),
    /** Drops a piece of what is stored of an erased spreadsheet. */
    dropOf: (key: number): boolean => Number(sql.dropAll.run(key, DROP_PIECES).changes) === DROP_PIECES,

    /** Drops a piece of what no state names any more; false when nothing is left. */
    dropOrphans(): boolean {
      const row = sql.orphan.get();
      if (!row) return false;
      const [key, version] = [Number(row["spreadsheet_key"]), Number(row["version"])];
      if (writing.has(nameOf(key, version))) return false;
      sql.dropPieces.run(key, version, DROP_PIECES);
      return true;
    },
  };
}

const crcOf = (key: number, version: number, part: number, lines: string): number =>
  crc32(lines, crc32(`${key} ${version} ${part}`));

const crcOfState = (key: number, { epoch, seq, chain }: Head, version: number, pieces: number): number =>
  crc32(`${key} ${epoch} ${seq} ${chain} ${version} ${pieces}`);

export function* inPieces(lines: Iterable<string>): Generator<string> {
  let piece: string[] = [];
  let chars = 0;
  for (const line of lines) {
    if (piece.length > 0 && chars + line.length > PIECE_CHARS) {
      yield piece.join("\n");
      piece = [];
      chars = 0;
    }
    piece.push(line);
    chars += line.length;
  }
  if (piece.length > 0) yield piece.join("\n");
}
