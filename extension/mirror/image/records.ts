import type { CopyRecord, GridRecord } from "../database.ts";
import { Image, SheetImage, type Layout, type Piece, type StoredBlock } from "./image.ts";

const BLOCK_NUMBERS = 5;
const PIECE_NUMBERS = 3;
const BLANK = -1;
const UNKNOWN = -2;

/** The image of the shown copy at its last checkpoint. */
export function imageOf(record: CopyRecord, grids: readonly GridRecord[]): Image {
  const { shown: copy, revision, whole, spreadsheet, cursor } = record;
  const sheets = new Map(grids.map((grid) => [grid.sheetId, sheetImageOf(grid)]));
  return new Image({ copy, revision, whole, spreadsheet, cursor, sheets });
}

export function sheetImageOf(grid: GridRecord): SheetImage {
  const { blocks, pieces } = grid;
  const stored: StoredBlock[] = [];
  for (let n = 0; n < blocks.length; n += BLOCK_NUMBERS) {
    stored.push({
      kind: "stored",
      id: blocks[n] as number,
      rows: blocks[n + 1] as number,
      bytes: blocks[n + 2] as number,
      layout: blocks[n + 3] as number,
      hasUnknown: blocks[n + 4] === 1,
    });
  }
  const list: Piece[] = [];
  for (let n = 0; n < pieces.length; n += PIECE_NUMBERS) {
    const [which, offset, count] = [pieces[n] as number, pieces[n + 1] as number, pieces[n + 2] as number];
    if (which === BLANK || which === UNKNOWN) {
      list.push({ source: which === BLANK ? "blank" : "unknown", offset: 0, count });
      continue;
    }
    const source = stored[which];
    if (!source) throw new Error(`Sheet ${grid.sheetId} names block ${which} of ${stored.length}.`);
    list.push({ source, offset, count });
  }
  const { sheet, place, nextBlock, layout, layouts } = grid;
  return new SheetImage({ sheet, place, pieces: list, nextBlock, layout, layouts: new Map(layouts) });
}

/** The record of a sheet whose pieces are all stored, blank or unknown. Layouts that no block has any more are left out. */
export function gridOf(
  image: Pick<SheetImage, "place" | "sheet" | "pieces" | "nextBlock" | "layout" | "layouts">,
  copy: string,
  dropped: number[],
): GridRecord {
  const indices = new Map<StoredBlock, number>();
  const pieces = new Float64Array(image.pieces.length * PIECE_NUMBERS);
  image.pieces.forEach(({ source, offset, count }, n) => {
    let which = source === "blank" ? BLANK : UNKNOWN;
    if (typeof source === "object") {
      if (source.kind !== "stored") throw new Error("Rows that are in no block cannot be written down.");
      which = indices.get(source) ?? indices.size;
      indices.set(source, which);
    }
    pieces.set([which, offset, count], n * PIECE_NUMBERS);
  });
  const blocks = new Float64Array(indices.size * BLOCK_NUMBERS);
  const used = new Set([image.layout]);
  for (const [block, n] of indices) {
    blocks.set([block.id, block.rows, block.bytes, block.layout, block.hasUnknown ? 1 : 0], n * BLOCK_NUMBERS);
    used.add(block.layout);
  }
  const layouts: [number, Layout][] = [...image.layouts].filter(([id]) => used.has(id));
  const { place, sheet, nextBlock, layout } = image;
  return { place, copy, sheetId: sheet.sheetId, sheet, blocks, pieces, nextBlock, layout, layouts, dropped };
}
