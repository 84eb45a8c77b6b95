/**
 * Every step the database has taken, oldest first; its version is the number of steps. A step that was released is never
 * changed: a further one follows it. A step may use `crc32(data, start)`, which SQLite itself lacks.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);

  -- The log. Rowid tables on purpose: long JSON in a WITHOUT ROWID table costs half as much again.
  CREATE TABLE spreadsheets (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    spreadsheet_id TEXT NOT NULL UNIQUE,
    epoch TEXT NOT NULL,
    seq INTEGER NOT NULL,
    chain TEXT NOT NULL,
    floor_seq INTEGER NOT NULL,
    floor_chain TEXT NOT NULL
  );
  CREATE TABLE entries (
    spreadsheet_key INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    json TEXT NOT NULL,
    chain TEXT NOT NULL
  );
  CREATE UNIQUE INDEX entries_by_seq ON entries (spreadsheet_key, last_seq);
  CREATE TABLE posts (
    spreadsheet_key INTEGER NOT NULL,
    webhook_id TEXT NOT NULL,
    body_hash TEXT NOT NULL,
    answer TEXT NOT NULL,
    taken_at REAL NOT NULL
  );
  CREATE UNIQUE INDEX posts_by_id ON posts (spreadsheet_key, webhook_id);
  CREATE INDEX posts_by_age ON posts (taken_at);
  CREATE TABLE desks (spreadsheet_key INTEGER PRIMARY KEY, json TEXT NOT NULL);
  CREATE TABLE states (
    spreadsheet_key INTEGER PRIMARY KEY,
    epoch TEXT NOT NULL,
    seq INTEGER NOT NULL,
    chain TEXT NOT NULL
  );
  CREATE TABLE state_chunks (spreadsheet_key INTEGER NOT NULL, part INTEGER NOT NULL, lines TEXT NOT NULL);
  CREATE UNIQUE INDEX state_chunks_by_part ON state_chunks (spreadsheet_key, part);

  -- Access. Ingest keys are kept as they are, since HMAC needs them; device tokens only as SHA-256.
  CREATE TABLE known_spreadsheets (spreadsheet_id TEXT PRIMARY KEY, created_at REAL NOT NULL);
  CREATE TABLE ingest_keys (
    key_id INTEGER PRIMARY KEY,
    spreadsheet_id TEXT NOT NULL,
    secret TEXT NOT NULL,
    created_at REAL NOT NULL,
    ends_at REAL
  );
  CREATE INDEX ingest_keys_by_spreadsheet ON ingest_keys (spreadsheet_id);
  CREATE TABLE devices (
    device_id TEXT PRIMARY KEY,
    spreadsheet_id TEXT NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    token_hash TEXT NOT NULL UNIQUE,
    created_at REAL NOT NULL,
    last_seen_at REAL,
    revoked_at REAL
  );
  CREATE INDEX devices_by_spreadsheet ON devices (spreadsheet_id);
  CREATE TABLE audit (
    at REAL NOT NULL,
    event TEXT NOT NULL,
    spreadsheet_id TEXT,
    device_id TEXT,
    detail TEXT
  );
  `,
  // The log as ready frames with checksums. Of stores from before the first release keys and devices stay; the log begins
  // anew, and the sheets are read again.
  `
  DROP TABLE entries;
  DROP TABLE posts;
  DROP TABLE desks;
  DROP TABLE states;
  DROP TABLE state_chunks;
  DELETE FROM spreadsheets;
  CREATE TABLE frames (
    spreadsheet_key INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    at REAL NOT NULL,
    chain TEXT NOT NULL,
    crc INTEGER NOT NULL,
    frame BLOB NOT NULL
  );
  CREATE UNIQUE INDEX frames_by_seq ON frames (spreadsheet_key, last_seq);
  CREATE TABLE taken (
    id INTEGER PRIMARY KEY,
    spreadsheet_key INTEGER NOT NULL,
    taken_at REAL NOT NULL,
    prints BLOB NOT NULL,
    records TEXT NOT NULL
  );
  CREATE INDEX taken_by_spreadsheet ON taken (spreadsheet_key);
  CREATE TABLE desks (spreadsheet_key INTEGER PRIMARY KEY, json TEXT NOT NULL, crc INTEGER NOT NULL);
  CREATE TABLE states (
    spreadsheet_key INTEGER PRIMARY KEY,
    epoch TEXT NOT NULL,
    seq INTEGER NOT NULL,
    chain TEXT NOT NULL,
    version INTEGER NOT NULL,
    pieces INTEGER NOT NULL
  );
  CREATE TABLE state_pieces (
    spreadsheet_key INTEGER NOT NULL,
    version INTEGER NOT NULL,
    part INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    lines TEXT NOT NULL
  );
  CREATE UNIQUE INDEX state_pieces_by_part ON state_pieces (spreadsheet_key, version, part);
  `,
  // Only the erasing of a spreadsheet looked here, and each post paid for it with a page of its own.
  `
  DROP INDEX taken_by_spreadsheet;
  `,
  // A commit is one row, put in its place later. Taken posts are then those of a commit, of whatever spreadsheets.
  `
  CREATE TABLE journal (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    taken_at REAL NOT NULL,
    crc INTEGER NOT NULL,
    parts TEXT NOT NULL,
    records TEXT NOT NULL,
    prints BLOB NOT NULL,
    frames BLOB NOT NULL
  );
  CREATE TABLE taken_by_commit (
    id INTEGER PRIMARY KEY,
    taken_at REAL NOT NULL,
    prints BLOB NOT NULL,
    records TEXT NOT NULL
  );
  INSERT INTO taken_by_commit (id, taken_at, prints, records)
  SELECT id, taken_at, prints, (
    SELECT json_group_array(
      json_array(taken.spreadsheet_key, json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'))
    )
    FROM json_each(taken.records)
  )
  FROM taken;
  DROP TABLE taken;
  ALTER TABLE taken_by_commit RENAME TO taken;
  `,
  // A checksum over every row of the log, and one over a commit's posts that stays with them. What is damaged already stays so.
  `
  ALTER TABLE spreadsheets ADD COLUMN crc INTEGER NOT NULL DEFAULT 0;
  UPDATE spreadsheets SET crc = crc32(
    key || ' ' || spreadsheet_id || ' ' || epoch || ' ' || seq || ' ' || chain || ' ' || floor_seq || ' ' || floor_chain, 0
  );
  ALTER TABLE states ADD COLUMN crc INTEGER NOT NULL DEFAULT 0;
  UPDATE states SET crc = crc32(
    spreadsheet_key || ' ' || epoch || ' ' || seq || ' ' || chain || ' ' || version || ' ' || pieces, 0
  );
  ALTER TABLE taken ADD COLUMN crc INTEGER NOT NULL DEFAULT 0;
  UPDATE taken SET crc = crc32(records, crc32(prints, crc32(id || ' ' || CAST(taken_at AS INTEGER), 0)));
  ALTER TABLE journal ADD COLUMN posts_crc INTEGER NOT NULL DEFAULT 0;
  UPDATE journal SET posts_crc = crc32(records, crc32(prints, crc32(id || ' ' || CAST(taken_at AS INTEGER), 0)));
  UPDATE journal SET crc = CASE
    WHEN crc = crc32(frames, crc32(records, crc32(parts, crc32(CAST(id AS TEXT), 0))))
    THEN crc32(frames, crc32(parts, crc32(id || ' ' || CAST(at AS INTEGER) || ' ' || posts_crc, 0)))
    ELSE -1
  END;
  `,
];
