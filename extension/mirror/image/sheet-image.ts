import { canonicalCell, canonicalRow, lengthAfter, MisfitError, widthOf } from "@sheetwire/shared/grid";
import type { Cell, ChangeOf, ColumnRun, Row, RowRun, Sheet } from "@sheetwire/shared/protocol";
import type { PackedBlock } from "../../packed/packed.ts";
import { laidOut, layoutAfter, refuseColumnsKeptTwice, trimmed, type Layout } from "./layout.ts";
import { piecesAfter, refuseKeptTwice } from "./pieces.ts";

/** A block in the store: how many rows and bytes it has, and which layout its columns have. Never changed. */
export type StoredBlock = {
  readonly kind: "stored";
  readonly id: number;
  readonly rows: number;
  readonly bytes: number;
  readonly layout: number;
  /** Whether rows of it may be unknown. */
  readonly hasUnknown: boolean;
};

/** Rows that came since the last checkpoint. Never changed: what is written into them stands in the overlay. */
export type FreshRows = { readonly kind: "fresh"; readonly cells: readonly (Row | null)[] };

export type Source = StoredBlock | FreshRows;

/** Rows that stand together: `count` rows of a source from `offset` on, or so many unknown or blank ones. */
export type Piece =
  | { readonly source: Source; readonly offset: number; readonly count: number }
  | { readonly source: "unknown" | "blank"; readonly offset: 0; readonly count: number };

/** Cells written since the last checkpoint, by row of their source and by column of now. */
type Patches = { owner: object; rows: Map<number, Map<number, Cell>> };

/** A part of a piece that lies in a window; `row` is where it begins in the sheet. */
export type Stretch = { piece: Piece; offset: number; count: number; row: number };

/** Gives the block of a source; it has been loaded before. */
export type BlockOf = (block: StoredBlock) => PackedBlock;

/**
 * One sheet as it stands at one seq: the list of its pieces from the top, and what was written over them. It names
 * contents and does not hold them: inserting, deleting and moving rows or columns edits lists, whatever the size.
 */
export class SheetImage {
  sheet: Sheet;
  /** Which range of keys its blocks have. */
  readonly place: number;
  pieces: readonly Piece[];
  nextBlock: number;
  layouts: Map<number, Layout>;
  layout: number;
  /** Changes since the last checkpoint: what replaying would cost. */
  operations = 0;
  #overlay = new Map<Source, Patches>();
  /** Patches of another owner are shared with a clone, and copied before they are written. */
  #owner = {};
  #starts: Float64Array | undefined;

  constructor(of: {
    sheet: Sheet;
    place: number;
    pieces: readonly Piece[];
    nextBlock: number;
    layouts: Map<number, Layout>;
    layout: number;
  }) {
    this.sheet = of.sheet;
    this.place = of.place;
    this.pieces = of.pieces;
    this.nextBlock = of.nextBlock;
    this.layouts = of.layouts;
    this.layout = of.layout;
  }

  /** The same sheet at the same seq, which stays as it is when this one goes on, and the other way about. */
  clone(): SheetImage {
    const { sheet, place, pieces, nextBlock, layouts, layout } = this;
    const clone = new SheetImage({ sheet, place, pieces, nextBlock, layouts: new Map(layouts), layout });
    clone.#overlay = new Map(this.#overlay);
    clone.operations = this.operations;
    this.#owner = {};
    return clone;
  }

  get rowCount(): number {
    const starts = this.#startsOfPieces();
    return starts[starts.length - 1] ?? 0;
  }

  /** Where a window lies: parts of pieces, in order. */
  *stretches(from: number, to: number): Generator<Stretch> {
    const starts = this.#startsOfPieces();
    for (let n = indexAt(starts, from); n < this.pieces.length; n += 1) {
      const start = starts[n] as number;
      if (start >= to) return;
      const piece = this.pieces[n] as Piece;
      const offset = Math.max(0, from - start);
      const count = Math.min(to - start, piece.count) - offset;
      if (count > 0) yield { piece, offset: piece.offset + offset, count, row: start + offset };
    }
  }

  /** The stored blocks that a window needs, each once. */
  blocksIn(from: number, to: number): StoredBlock[] {
    const blocks = new Set<StoredBlock>();
    for (const { piece } of this.stretches(from, to)) {
      if (typeof piece.source === "object" && piece.source.kind === "stored") blocks.add(piece.source);
    }
    return [...blocks];
  }

  /** Whether some row of the window may be unknown, as far as can be told without its contents. */
  mayBeUnknown(from: number, to: number): boolean {
    for (const { piece, offset, count } of this.stretches(from, to)) {
      const { source } = piece;
      if (source === "unknown") return true;
      if (source === "blank") continue;
      if (source.kind === "stored" ? source.hasUnknown : source.cells.slice(offset, offset + count).includes(null)) {
        return true;
      }
    }
    return false;
  }

  /** The rows of a window, cut to some columns, trailing blanks dropped, null where unknown. Blocks are loaded before. */
  rows(from: number, to: number, left: number, right: number, blockOf: BlockOf): (Row | null)[] {
    const rows: (Row | null)[] = [];
    for (const stretch of this.stretches(from, to)) this.readInto(rows, stretch, left, right, blockOf);
    return rows;
  }

  readInto(into: (Row | null)[], stretch: Stretch, left: number, right: number, blockOf: BlockOf): void {
    const { piece, offset, count } = stretch;
    const { source } = piece;
    if (typeof source === "string") {
      for (let n = 0; n < count; n += 1) into.push(source === "unknown" ? null : []);
      return;
    }
    const first = into.length;
    if (source.kind === "fresh") {
      for (let n = offset; n < offset + count; n += 1) {
        const row = source.cells[n] ?? null;
        into.push(row && trimmed(row.slice(left, right)));
      }
    } else {
      const layout = this.layouts.get(source.layout);
      const block = blockOf(source);
      if (!layout) into.push(...block.rows(offset, offset + count, left, right));
      else {
        for (const row of block.rows(offset, offset + count)) {
          into.push(row && trimmed(laidOut(row, layout).slice(left, right)));
        }
      }
    }
    const patches = this.#overlay.get(source);
    if (!patches) return;
    for (let n = 0; n < count; n += 1) {
      const cells = patches.rows.get(offset + n);
      // A row that was unknown and was written into is known by that: the writing was the whole row.
      if (cells) into[first + n] = written(into[first + n] ?? [], cells, left, right);
    }
  }

  /** Whether anything was written over rows of this source, among `count` from `offset` on. */
  isPatched(source: Source, offset = 0, count = Infinity): boolean {
    const patches = this.#overlay.get(source);
    if (!patches) return false;
    for (const row of patches.rows.keys()) if (row >= offset && row < offset + count) return true;
    return false;
  }

  applyCells({ at, cells }: Pick<ChangeOf<"cells">, "at" | "cells">): void {
    const bottom = at.row + cells.length;
    if (bottom > this.rowCount) throw new MisfitError(`Cells to row ${bottom} of ${this.rowCount}.`);
    this.operations += 1;
    const width = widthOf(cells);
    const spans = [...this.stretches(at.row, bottom)];
    let isSplit = false;
    for (const { piece, offset, count, row } of spans) {
      const { source } = piece;
      if (source === "unknown" && at.column > 0) throw new MisfitError(`Part of row ${row}, which is unknown.`);
      if (typeof source === "string") {
        isSplit = true;
        continue;
      }
      const patches = this.#patchesOf(source);
      for (let n = 0; n < count; n += 1) {
        const line = cells[row + n - at.row] ?? [];
        const known = patches.rows.get(offset + n) ?? new Map<number, Cell>();
        for (let c = 0; c < width; c += 1) known.set(at.column + c, canonicalCell(line[c] ?? null));
        patches.rows.set(offset + n, known);
      }
    }
    if (isSplit) this.#writeIntoEmpty(spans, at, cells);
  }

  applyRows(runs: readonly RowRun[]): void {
    refuseKeptTwice(runs, this.rowCount);
    this.operations += 1;
    this.#setPieces(piecesAfter(runs, (from, to) => this.stretches(from, to)));
  }

  applyColumns(runs: readonly ColumnRun[]): void {
    const { columns } = this.sheet;
    refuseColumnsKeptTwice(runs, columns);
    this.operations += 1;
    const move = layoutAfter(undefined, columns, runs);
    const layouts = new Map<number, Layout>();
    for (const [id, layout] of this.layouts) layouts.set(id, layoutAfter(layout, columns, runs));
    this.layout += 1;
    layouts.set(this.layout, undefined);
    this.layouts = layouts;
    const overlay = new Map<Source, Patches>();
    const moved = new Map<FreshRows, FreshRows>();
    for (const { source } of this.pieces) {
      if (typeof source === "object" && source.kind === "fresh" && !moved.has(source)) {
        moved.set(source, { kind: "fresh", cells: source.cells.map((row) => row && laidOut(row, move)) });
      }
    }
    for (const [source, patches] of this.#overlay) {
      const rows = new Map<number, Map<number, Cell>>();
      for (const [row, cells] of patches.rows) rows.set(row, movedCells(cells, move));
      overlay.set(source.kind === "fresh" ? (moved.get(source) ?? source) : source, { owner: this.#owner, rows });
    }
    this.#overlay = overlay;
    this.pieces = this.pieces.map((piece): Piece => {
      const next =
        typeof piece.source === "object" && piece.source.kind === "fresh" ? moved.get(piece.source) : undefined;
      return next ? { ...piece, source: next } : piece;
    });
    this.sheet = { ...this.sheet, columns: lengthAfter(runs) };
  }

  /** Blank and unknown rows take contents: they become rows of their own. */
  #writeIntoEmpty(spans: readonly Stretch[], at: { row: number; column: number }, cells: readonly Row[]): void {
    const next: Piece[] = [];
    const [first, last] = [spans[0], spans.at(-1)];
    if (!first || !last) return;
    next.push(...piecesBetween(this, 0, first.row));
    for (const { piece, offset, count, row } of spans) {
      if (typeof piece.source === "object") {
        next.push({ source: piece.source, offset, count });
        continue;
      }
      const blanks: null[] = Array.from({ length: at.column }, () => null);
      const lines = cells.slice(row - at.row, row - at.row + count);
      const fresh: FreshRows = { kind: "fresh", cells: lines.map((line) => canonicalRow([...blanks, ...line])) };
      next.push({ source: fresh, offset: 0, count });
    }
    next.push(...piecesBetween(this, last.row + last.count, this.rowCount));
    this.#setPieces(next);
  }

  #setPieces(pieces: readonly Piece[]): void {
    this.pieces = pieces;
    this.#starts = undefined;
    this.sheet = { ...this.sheet, rows: this.rowCount };
  }

  #patchesOf(source: Source): Patches {
    const known = this.#overlay.get(source);
    if (known?.owner === this.#owner) return known;
    const rows = new Map<number, Map<number, Cell>>();
    for (const [row, cells] of known?.rows ?? []) rows.set(row, new Map(cells));
    const mine: Patches = { owner: this.#owner, rows };
    this.#overlay.set(source, mine);
    return mine;
  }

  #startsOfPieces(): Float64Array {
    if (this.#starts) return this.#starts;
    const starts = new Float64Array(this.pieces.length + 1);
    let at = 0;
    this.pieces.forEach((piece, n) => {
      starts[n] = at;
      at += piece.count;
    });
    starts[this.pieces.length] = at;
    this.#starts = starts;
    return starts;
  }
}

function* piecesBetween(image: SheetImage, from: number, to: number): Generator<Piece> {
  for (const { piece, offset, count } of image.stretches(from, to)) {
    const { source } = piece;
    yield typeof source === "string" ? { source, offset: 0, count } : { source, offset, count };
  }
}

/** The piece that holds a row: the last one that begins at or before it. */
function indexAt(starts: Float64Array, row: number): number {
  let low = 0;
  let high = starts.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((starts[middle] as number) <= row) low = middle;
    else high = middle;
  }
  return low;
}

function written(row: Row, cells: ReadonlyMap<number, Cell>, left: number, right: number): Row {
  for (const [column, cell] of cells) {
    if (column < left || column >= right) continue;
    while (row.length < column - left) row.push(null);
    row[column - left] = cell;
  }
  return trimmed(row);
}

/** Cells by column after a layout was taken on. */
function movedCells(cells: ReadonlyMap<number, Cell>, layout: Layout): Map<number, Cell> {
  const moved = new Map<number, Cell>();
  let at = 0;
  for (const { from, count } of layout ?? []) {
    if (from !== -1) {
      for (let n = 0; n < count; n += 1) {
        const cell = cells.get(from + n);
        if (cell !== undefined) moved.set(at + n, cell);
      }
    }
    at += count;
  }
  return moved;
}
