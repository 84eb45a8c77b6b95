/**
 * How many commits the database has seen, in a file of its own beside it. SQLite takes a write-ahead log that was cut short
 * for one that ended there; this tells that more had been acknowledged.
 */
import { closeSync, openSync, readSync, writeSync } from "node:fs";

export type Mark = {
  /** 0 while nothing was written. */
  read(): number;
  write(commits: number): void;
  close(): void;
};

/** The number and its complement, so that half of one is not taken for one. */
const BYTES = 16;

export function openMark(path: string): Mark {
  const file = openSync(path, "a+", 0o600);
  closeSync(file);
  const open = openSync(path, "r+");
  const bytes = Buffer.alloc(BYTES);
  return {
    read() {
      if (readSync(open, bytes, 0, BYTES, 0) < BYTES) return 0;
      const commits = bytes.readDoubleLE(0);
      return bytes.readDoubleLE(8) === -commits && Number.isSafeInteger(commits) && commits > 0 ? commits : 0;
    },
    write(commits) {
      bytes.writeDoubleLE(commits, 0);
      bytes.writeDoubleLE(-commits, 8);
      writeSync(open, bytes, 0, BYTES, 0);
    },
    close: () => closeSync(open),
  };
}
