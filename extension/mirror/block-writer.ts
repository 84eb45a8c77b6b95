import { limits } from "@sheetwire/shared/limits";
import type { Row } from "@sheetwire/shared/protocol";
import { packRows, type PackedRows } from "../packed/packed.ts";
import { blockKey } from "./database.ts";
import type { StoredBlock } from "./image/image.ts";

/** Wide sheets have shorter blocks: one edit should not cost a megabyte. */
const BLOCK_MOST_CELLS = 8_192;

/** How many rows a block of such a sheet has. */
export const rowsOfBlock = (columns: number): number =>
  Math.max(1, Math.min(limits.blockRows, Math.floor(BLOCK_MOST_CELLS / Math.max(1, columns))));

/** Packs blocks of one sheet under new ids. They are garbage until a list of pieces names them. */
export class BlockWriter {
  readonly place: number;
  nextBlock: number;
  bytes = 0;
  #waiting: { key: number; packed: Uint8Array<ArrayBuffer> }[] = [];

  constructor(place: number, nextBlock: number) {
    this.place = place;
    this.nextBlock = nextBlock;
  }

  pack(rows: readonly (Row | null)[], layout: number): StoredBlock {
    return this.add({ packed: packRows(rows), rows: rows.length, hasUnknown: rows.includes(null) }, layout);
  }

  add({ packed, rows, hasUnknown }: PackedRows, layout: number): StoredBlock {
    const id = this.nextBlock;
    this.nextBlock += 1;
    this.bytes += packed.length;
    this.#waiting.push({ key: blockKey(this.place, id), packed });
    return { kind: "stored", id, rows, bytes: packed.length, layout, hasUnknown };
  }

  /** What has been packed since the last time. */
  taken(): { key: number; packed: Uint8Array<ArrayBuffer> }[] {
    const taken = this.#waiting;
    this.#waiting = [];
    this.bytes = 0;
    return taken;
  }
}
