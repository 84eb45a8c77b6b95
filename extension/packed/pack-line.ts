import { snapshotRowsSchema } from "@sheetwire/shared/protocol";
import { scanLine } from "./scan-line.ts";

/** Rows as one block. */
export type PackedRows = { packed: Uint8Array<ArrayBuffer>; rows: number; hasUnknown: boolean };

/** A line of a snapshot as blocks. */
export type PackedLine = { sheetId: number; fromRow: number; rows: number; blocks: PackedRows[] };

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/**
 * Packs a line of a snapshot as its bytes came, if it is a line of rows: it says yes and no exactly as
 * `snapshotRowsSchema` does. A line as the relay writes it never becomes objects, which makes it
 * several times faster; any other is read as JSON and written that way first.
 * `blockRowsOf` says how many rows a block of a sheet has.
 */
export function packLine(line: Uint8Array, blockRowsOf: (sheetId: number) => number): PackedLine | undefined {
  const packed = scanLine(line, blockRowsOf);
  if (packed) return packed;
  const { data } = snapshotRowsSchema.safeParse(parsed(line));
  return data && scanLine(encoder.encode(JSON.stringify(data)), blockRowsOf);
}

function parsed(line: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(line));
  } catch {
    return undefined;
  }
}
