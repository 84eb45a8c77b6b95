import { digestOfRow, digestOfWindow, digestText, type Digest } from "@sheetwire/shared/digest";
import { applyColumnRuns, canonicalRow, lengthAfter, MisfitError, overlayRow, widthOf } from "@sheetwire/shared/grid";
import { limits } from "@sheetwire/shared/limits";
import type { ChangeOf, ColumnRun, Row, RowRun } from "@sheetwire/shared/protocol";
import type { BlockRecord, MirrorTables, SheetRecord, Stretch } from "./database.ts";

type Rows = (Row | null)[];

/** A block may grow to this before it is split in two, so that insertions do not leave a trail of tiny blocks. */
const BLOCK_MOST_ROWS = limits.blockRows * 1.5;
/** Fewer loose rows than this join the block above. */
const BLOCK_FEW_ROWS = limits.blockRows / 4;

/**
 * One sheet while changes are applied to it inside a transaction. It loads only the blocks that a change touches:
 * inserting, deleting or moving rows edits the list of stretches and one or two blocks. `save` writes what differs.
 */
export class WorkingSheet {
  readonly record: SheetRecord;
  readonly #tables: MirrorTables;
  readonly #loaded = new Map<number, Rows>();
  readonly #changed = new Set<number>();
  #dropped: number[] = [];
  #moved = false;

  constructor(record: SheetRecord, tables: MirrorTables) {
    this.record = record;
    this.#tables = tables;
  }

  get rowCount(): number {
    return this.record.stretches.reduce((sum, stretch) => sum + stretch.rows, 0);
  }

  /** The rows of a window, null where unknown. */
  async rows(from: number, to: number): Promise<Rows> {
    const rows: Rows = [];
    for (const { stretch, offset, count } of this.#pieces(from, to)) {
      if (stretch.block === "unknown") for (let n = 0; n < count; n += 1) rows.push(null);
      else if (stretch.block === "blank") for (let n = 0; n < count; n += 1) rows.push([]);
      else {
        const held = await this.#load(stretch.block);
        for (let n = offset; n < offset + count; n += 1) rows.push(held[n] ?? null);
      }
    }
    return rows;
  }

  /** Whether every row that the runs do not keep is unknown. False when there is no such row. */
  async losesOnlyUnknown(runs: readonly RowRun[]): Promise<boolean> {
    const kept = runs.flatMap((run) => ("keep" in run ? [run.keep] : [])).sort((a, b) => a[0] - b[0]);
    const gaps: [from: number, to: number][] = [];
    let at = 0;
    for (const [from, count] of [...kept, [this.rowCount, 0] as const]) {
      if (from > at) gaps.push([at, from]);
      at = Math.max(at, from + count);
    }
    for (const [from, to] of gaps) {
      for (const { stretch, offset, count } of this.#pieces(from, to)) {
        if (stretch.block === "unknown") continue;
        if (stretch.block === "blank") return false;
        const held = await this.#load(stretch.block);
        if (held.slice(offset, offset + count).some((row) => row !== null)) return false;
      }
    }
    return gaps.length > 0;
  }

  /** The digest of a window as the relay would make it; nothing where a row of it is unknown. */
  async windowDigest(from: number, to: number, seed: number): Promise<string | undefined> {
    const digests: Digest[] = [];
    for (const row of await this.rows(from, Math.min(to, this.rowCount))) {
      if (!row) return undefined;
      digests.push(digestOfRow(row, seed));
    }
    return digestText(digestOfWindow(from, digests));
  }

  async applyCells(change: ChangeOf<"cells">): Promise<void> {
    const { row: top, column } = change.at;
    const bottom = top + change.cells.length;
    if (bottom > this.rowCount) throw new MisfitError(`Cells to row ${bottom} of ${this.rowCount}.`);
    const width = widthOf(change.cells);
    this.#materialise(top, bottom);
    let index = top;
    for (const { stretch, offset, count } of this.#pieces(top, bottom)) {
      const block = stretch.block;
      if (typeof block !== "number") throw new Error(`Rows from ${index} on have no block to write to.`);
      const held = await this.#load(block);
      this.#changed.add(block);
      for (let n = offset; n < offset + count; n += 1) {
        const cells = change.cells[index - top] ?? [];
        const before = held[n] ?? null;
        if (!before && column > 0) throw new MisfitError(`Part of row ${index}, which is unknown.`);
        held[n] = before ? overlayRow(before, column, cells, width) : canonicalRow(cells);
        index += 1;
      }
    }
  }

  async applyRows(runs: readonly RowRun[]): Promise<void> {
    refuseKeptTwice(runs, this.rowCount);
    const next: Stretch[] = [];
    const reused = new Set<number>();
    let loose: Rows = [];

    const push = (stretch: Stretch): void => {
      const last = next.at(-1);
      if (last && typeof last.block === "string" && last.block === stretch.block) last.rows += stretch.rows;
      else next.push(stretch);
    };
    const flush = async (): Promise<void> => {
      if (loose.length === 0) return;
      const last = next.at(-1);
      if (last && typeof last.block === "number" && loose.length < BLOCK_FEW_ROWS) {
        if (last.rows + loose.length <= BLOCK_MOST_ROWS) {
          loose = [...(await this.#load(last.block)), ...loose];
          next.pop();
          reused.delete(last.block);
          this.#drop(last.block);
        }
      }
      const parts = loose.length <= BLOCK_MOST_ROWS ? 1 : Math.ceil(loose.length / limits.blockRows);
      const size = Math.ceil(loose.length / parts);
      for (let from = 0; from < loose.length; from += size) push(this.#newBlock(loose.slice(from, from + size)));
      loose = [];
    };
    /** So many rows without content: many stand as a stretch of their own, a few among the loose ones. */
    const pushPlain = async (kind: "unknown" | "blank", count: number): Promise<void> => {
      if (count >= BLOCK_FEW_ROWS || loose.length === 0) {
        await flush();
        push({ rows: count, block: kind });
      } else {
        for (let n = 0; n < count; n += 1) loose.push(kind === "unknown" ? null : []);
      }
    };

    for (const run of runs) {
      if ("put" in run) for (const row of run.put) loose.push(canonicalRow(row));
      else if ("blank" in run) await pushPlain("blank", run.blank);
      else if ("unknown" in run) await pushPlain("unknown", run.unknown);
      else {
        const [from, length] = run.keep;
        for (const { stretch, offset, count } of this.#pieces(from, from + length)) {
          if (typeof stretch.block === "string") await pushPlain(stretch.block, count);
          else if (count === stretch.rows) {
            await flush();
            reused.add(stretch.block);
            push(stretch);
          } else {
            const held = await this.#load(stretch.block);
            for (let n = offset; n < offset + count; n += 1) loose.push(held[n] ?? null);
          }
        }
      }
    }
    await flush();
    for (const { block } of this.record.stretches)
      if (typeof block === "number" && !reused.has(block)) this.#drop(block);
    this.#setStretches(next);
  }

  async applyColumns(runs: readonly ColumnRun[]): Promise<void> {
    const { columns } = this.record.sheet;
    for (const { block } of this.record.stretches) {
      if (typeof block !== "number") continue;
      const held = await this.#load(block);
      this.#loaded.set(
        block,
        held.map((row) => row && applyColumnRuns(row, columns, runs)),
      );
      this.#changed.add(block);
    }
    this.record.sheet = { ...this.record.sheet, columns: lengthAfter(runs) };
    this.#moved = true;
  }

  /** Writes what differs, inside the caller's transaction. */
  async save(): Promise<void> {
    const { copy, sheetId } = this.record;
    const blocks: BlockRecord[] = [];
    for (const block of this.#changed) blocks.push({ copy, sheetId, block, rows: this.#loaded.get(block) ?? [] });
    if (blocks.length > 0) await this.#tables.blocks.bulkPut(blocks);
    const dropped = this.#dropped.map((block): [string, number, number] => [copy, sheetId, block]);
    if (dropped.length > 0) await this.#tables.blocks.bulkDelete(dropped);
    if (this.#moved) await this.#tables.sheets.put(this.record);
    this.#changed.clear();
    this.#dropped = [];
    this.#moved = false;
  }

  /** Appends rows below those that are there: how a snapshot arrives. */
  append(rows: Rows): void {
    this.#setStretches([...this.record.stretches, this.#newBlock(rows.map((row) => row && canonicalRow(row)))]);
  }

  appendUnknown(count: number): void {
    if (count > 0) this.#setStretches([...this.record.stretches, { rows: count, block: "unknown" }]);
  }

  /** Where a window lies: parts of stretches, in order. */
  *#pieces(from: number, to: number): Generator<{ stretch: Stretch; offset: number; count: number }> {
    let start = 0;
    for (const stretch of this.record.stretches) {
      const end = start + stretch.rows;
      if (end > from && start < to) {
        const offset = Math.max(0, from - start);
        yield { stretch, offset, count: Math.min(to, end) - start - offset };
      }
      if (end >= to) return;
      start = end;
    }
  }

  /** Gives rows without a block the blocks they need, and no more than those. */
  #materialise(from: number, to: number): void {
    const next: Stretch[] = [];
    let start = 0;
    let split = false;
    for (const stretch of this.record.stretches) {
      const end = start + stretch.rows;
      if (typeof stretch.block === "number" || end <= from || start >= to) next.push(stretch);
      else {
        split = true;
        const kind = stretch.block;
        const first = Math.floor((Math.max(from, start) - start) / limits.blockRows) * limits.blockRows;
        const last = Math.min(
          stretch.rows,
          Math.ceil((Math.min(to, end) - start) / limits.blockRows) * limits.blockRows,
        );
        if (first > 0) next.push({ rows: first, block: kind });
        for (let at = first; at < last; at += limits.blockRows) {
          const rows: Rows = [];
          for (let n = at; n < Math.min(last, at + limits.blockRows); n += 1) rows.push(kind === "unknown" ? null : []);
          next.push(this.#newBlock(rows));
        }
        if (last < stretch.rows) next.push({ rows: stretch.rows - last, block: kind });
      }
      start = end;
    }
    if (split) this.#setStretches(next);
  }

  #newBlock(rows: Rows): Stretch {
    const block = this.record.nextBlock;
    this.record.nextBlock += 1;
    this.#loaded.set(block, rows);
    this.#changed.add(block);
    return { rows: rows.length, block };
  }

  #drop(block: number): void {
    this.#changed.delete(block);
    this.#dropped.push(block);
  }

  #setStretches(stretches: Stretch[]): void {
    this.record.stretches = stretches;
    this.record.sheet = { ...this.record.sheet, rows: this.rowCount };
    this.#moved = true;
  }

  async #load(block: number): Promise<Rows> {
    const loaded = this.#loaded.get(block);
    if (loaded) return loaded;
    const { copy, sheetId } = this.record;
    const record = await this.#tables.blocks.get([copy, sheetId, block]);
    if (!record) throw new Error(`Sheet ${sheetId} names block ${block}, which is not there.`);
    this.#loaded.set(block, record.rows);
    return record.rows;
  }
}

/** Runs may keep each old row once, and only rows that are there. */
function refuseKeptTwice(runs: readonly RowRun[], rowCount: number): void {
  const kept = runs.flatMap((run) => ("keep" in run ? [run.keep] : [])).sort((a, b) => a[0] - b[0]);
  let end = 0;
  for (const [from, count] of kept) {
    if (from < end) throw new MisfitError(`Asked to keep row ${from} twice.`);
    end = from + count;
    if (end > rowCount) throw new MisfitError(`Asked to keep rows ${from} to ${end} of ${rowCount}.`);
  }
}
