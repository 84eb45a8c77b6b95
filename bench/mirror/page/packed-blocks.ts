import { packRows } from "../../../extension/packed/packed.ts";
import { rowsOfSnapshot } from "./peer.ts";

/** The bytes that the mirror stores for each line of a snapshot. */
export const packedBlocks = (snapshot: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] =>
  Array.from(rowsOfSnapshot(snapshot), ({ rows }) => packRows(rows));
