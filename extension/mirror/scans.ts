import { digestOfRow, digestText, fold, NO_DIGEST, placed, seedOf } from "@sheetwire/shared/digest";
import { displayOf, formulaOf, isRich, valueOf } from "@sheetwire/shared/grid";
import type { GridRange, Row } from "@sheetwire/shared/protocol";
import { CsvWriter, type PackedBlock } from "../packed/packed.ts";
import type { Copy } from "./mirror.ts";
import type { SheetImage, Stretch } from "./image/image.ts";
import type { View, Views } from "./views.ts";

export type Hit = { sheetId: number; sheetTitle: string; row: number; column: number; display: string };

export type ColumnStatistics = {
  rows: number;
  /** Rows whose content is still being read; nothing below counts them. */
  unknown: number;
  blank: number;
  texts: number;
  booleans: number;
  errors: number;
  formulas: number;
  numbers: { count: number; sum: number; min: number | undefined; max: number | undefined; mean: number | undefined };
};

/** Numbers of a range; what is no number is not counted. */
export type RangeSum = { count: number; sum: number; unknownRows: number };

/** `digest` is absent while rows are unknown. */
export type SheetProof = {
  sheetId: number;
  title: string;
  rows: number;
  unknownRows: number;
  digest: string | undefined;
};

/** How far a long read is, in rows of all that it looks at. */
export type Progress = (rows: number, ofRows: number) => void;
export type ScanOptions = { signal?: AbortSignal | undefined; onProgress?: Progress | undefined };

/** So many blocks are read with one request. More make a search faster, but a commit that comes in between waits for them. */
const BATCH_PIECES = 8;

/** Long reads: each sees the copy as it was when it began, and holds up neither commits nor checkpoints. */
export function createScans(
  views: Views,
  spreadsheetId: string,
): Pick<Copy, "search" | "columnStatistics" | "rangeSum" | "exportRows" | "verify"> {
  async function* search(text: string, options: { most?: number } & ScanOptions = {}): AsyncGenerator<Hit> {
    const wanted = text.toLowerCase();
    const most = options.most ?? 1_000;
    if (wanted === "" || most <= 0) return;
    let left = most;
    const found = views.long(async function* (view) {
      const progress = progressOf(view.image.inOrder(), options);
      for (const sheet of view.image.inOrder()) {
        for await (const batch of batchesOf(view, sheet, 0, sheet.rowCount, options)) {
          const hits = batch.stretches.flatMap((stretch) => hitsIn(sheet, stretch, wanted, batch.blockOf));
          progress(batch.rows);
          yield hits;
        }
      }
    });
    for await (const hits of found) {
      for (const hit of hits) {
        yield hit;
        left -= 1;
        if (left === 0) return;
      }
    }
  }

  /** Rows of a sheet, cut to some columns, batch by batch, with the index of the first. */
  function rowsOf(
    sheetId: number,
    range: Pick<GridRange, "startColumnIndex" | "endColumnIndex"> & Partial<GridRange>,
    options: ScanOptions,
  ): AsyncGenerator<{ sheet: SheetImage; rows: (Row | null)[]; from: number }> {
    return views.long(async function* (view) {
      const sheet = view.image.sheets.get(sheetId);
      if (!sheet) return;
      const progress = progressOf([sheet], options);
      const { startRowIndex = 0, endRowIndex = sheet.rowCount, startColumnIndex: left, endColumnIndex: right } = range;
      for await (const batch of batchesOf(view, sheet, startRowIndex, endRowIndex, options)) {
        const rows: (Row | null)[] = [];
        for (const stretch of batch.stretches) sheet.readInto(rows, stretch, left, right, batch.blockOf);
        progress(batch.rows);
        yield { sheet, rows, from: batch.from };
      }
    });
  }

  async function columnStatistics(
    sheetId: number,
    column: number,
    options: ScanOptions = {},
  ): Promise<ColumnStatistics | undefined> {
    const held = await views.short(async ({ image }) => image.sheets.get(sheetId)?.sheet);
    if (!held) return undefined;
    const all = { rows: 0, unknown: 0, blank: 0, texts: 0, booleans: 0, errors: 0, formulas: 0 };
    let [count, sum, min, max] = [0, 0, Infinity, -Infinity];
    const range = { startColumnIndex: column, endColumnIndex: column + 1 };
    for await (const { rows } of rowsOf(sheetId, range, options)) {
      all.rows += rows.length;
      for (const row of rows) {
        if (!row) {
          all.unknown += 1;
          continue;
        }
        const cell = row[0] ?? null;
        if (formulaOf(cell) !== undefined) all.formulas += 1;
        const value = valueOf(cell);
        if (isRich(cell) && cell.e !== undefined) all.errors += 1;
        else if (value === null || value === "") all.blank += 1;
        else if (typeof value === "boolean") all.booleans += 1;
        else if (typeof value === "string") all.texts += 1;
        else {
          count += 1;
          sum += value;
          min = Math.min(min, value);
          max = Math.max(max, value);
        }
      }
    }
    const some = count > 0;
    const numbers = {
      count,
      sum,
      min: some ? min : undefined,
      max: some ? max : undefined,
      mean: some ? sum / count : undefined,
    };
    return { ...all, numbers };
  }

  async function rangeSum(sheetId: number, range: GridRange, options: ScanOptions = {}): Promise<RangeSum | undefined> {
    const held = await views.short(async ({ image }) => image.sheets.get(sheetId)?.sheet);
    if (!held) return undefined;
    const found: RangeSum = { count: 0, sum: 0, unknownRows: 0 };
    for await (const { rows } of rowsOf(sheetId, range, options)) {
      for (const row of rows) {
        if (!row) found.unknownRows += 1;
        for (const cell of row ?? []) {
          const value = valueOf(cell);
          if (typeof value !== "number") continue;
          found.count += 1;
          found.sum += value;
        }
      }
    }
    return found;
  }

  async function* exportRows(
    sheetId: number,
    format: "csv" | "json",
    options: ScanOptions = {},
  ): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    yield* views.long(async function* (view) {
      const sheet = view.image.sheets.get(sheetId);
      if (!sheet) return;
      const progress = progressOf([sheet], options);
      const writer = new CsvWriter();
      for await (const batch of batchesOf(view, sheet, 0, sheet.rowCount, options)) {
        for (const stretch of batch.stretches) {
          const { offset, count } = stretch;
          const block = format === "csv" ? asPacked(sheet, stretch, batch.blockOf) : undefined;
          if (block?.writeCsv(writer, offset, offset + count)) continue;
          writer.text(textOf(rowsIn(sheet, stretch, batch.blockOf), format));
        }
        progress(batch.rows);
        yield writer.taken();
      }
    });
  }

  async function verify(options: ScanOptions = {}): Promise<{ seq: number | undefined; sheets: SheetProof[] }> {
    const seed = seedOf(spreadsheetId);
    const sheets: SheetProof[] = [];
    let seq: number | undefined;
    const proofs = views.long(async function* (view) {
      seq = view.image.cursor?.seq;
      const progress = progressOf(view.image.inOrder(), options);
      for (const sheet of view.image.inOrder()) {
        let digest = NO_DIGEST;
        let unknownRows = 0;
        for await (const batch of batchesOf(view, sheet, 0, sheet.rowCount, options)) {
          const rows: (Row | null)[] = [];
          for (const stretch of batch.stretches) sheet.readInto(rows, stretch, 0, Infinity, batch.blockOf);
          for (const [n, row] of rows.entries()) {
            if (row) digest = fold(digest, placed(batch.from + n, digestOfRow(row, seed)));
            else unknownRows += 1;
          }
          progress(batch.rows);
        }
        const { sheetId, title } = sheet.sheet;
        const whole = unknownRows === 0 ? digestText(digest) : undefined;
        yield { sheetId, title, rows: sheet.rowCount, unknownRows, digest: whole };
      }
    });
    for await (const proof of proofs) sheets.push(proof);
    return { seq, sheets };
  }

  return { search, columnStatistics, rangeSum, exportRows, verify };
}

type Batch = { stretches: Stretch[]; from: number; rows: number; blockOf: Awaited<ReturnType<View["load"]>> };

/** A window in parts: the next one is being read while one is looked at. */
async function* batchesOf(
  view: View,
  sheet: SheetImage,
  from: number,
  to: number,
  { signal }: ScanOptions,
): AsyncGenerator<Batch> {
  const groups = groupsOf(sheet, from, to);
  const load = (group: Stretch[]): Promise<Batch> => {
    const [first, last] = [group[0]?.row ?? 0, group.at(-1)];
    const end = last ? last.row + last.count : first;
    return view
      .load(sheet, sheet.blocksIn(first, end), true)
      .then((blockOf) => ({ stretches: group, from: first, rows: end - first, blockOf }));
  };
  let next = groups.next();
  let coming = next.done ? undefined : load(next.value);
  while (coming) {
    const batch: Batch = await coming;
    signal?.throwIfAborted();
    next = groups.next();
    coming = next.done ? undefined : load(next.value);
    // If nobody asks for it any more, its failure is nobody's either.
    coming?.catch(() => undefined);
    yield batch;
  }
}

/** Some pieces at a time; long ones without contents come in parts. */
function* groupsOf(sheet: SheetImage, from: number, to: number): Generator<Stretch[]> {
  let group: Stretch[] = [];
  for (const stretch of sheet.stretches(from, to)) {
    const size = typeof stretch.piece.source === "string" ? 4_096 : stretch.count;
    for (let at = 0; at < stretch.count; at += size) {
      const count = Math.min(size, stretch.count - at);
      group.push({ piece: stretch.piece, offset: stretch.offset + at, count, row: stretch.row + at });
      if (group.length < BATCH_PIECES) continue;
      yield group;
      group = [];
    }
  }
  if (group.length > 0) yield group;
}

/** The cells of a part of a piece that contain `wanted`, from the top. */
function hitsIn(sheet: SheetImage, stretch: Stretch, wanted: string, blockOf: Batch["blockOf"]): Hit[] {
  const { offset, count, row } = stretch;
  const { sheetId, title: sheetTitle } = sheet.sheet;
  const hits: Hit[] = [];
  const block = asPacked(sheet, stretch, blockOf);
  if (block) {
    block.search(wanted, (r, column, display) => {
      if (r >= offset && r < offset + count) hits.push({ sheetId, sheetTitle, row: row + r - offset, column, display });
    });
    return hits.sort((a, b) => a.row - b.row || a.column - b.column);
  }
  const rows = rowsIn(sheet, stretch, blockOf);
  for (const [n, cells] of rows.entries()) {
    for (const [column, cell] of (cells ?? []).entries()) {
      if (cell === null) continue;
      const display = displayOf(cell);
      if (!display.toLowerCase().includes(wanted) && !formulaOf(cell)?.toLowerCase().includes(wanted)) continue;
      hits.push({ sheetId, sheetTitle, row: row + n, column, display });
    }
  }
  return hits;
}

function progressOf(sheets: readonly SheetImage[], { onProgress }: ScanOptions): (rows: number) => void {
  const ofRows = sheets.reduce((sum, sheet) => sum + sheet.rowCount, 0);
  let done = 0;
  return (rows) => {
    done += rows;
    onProgress?.(Math.min(done, ofRows), ofRows);
  };
}

/** The block of a part of a piece, if its rows are to be read from there just as they were packed. */
function asPacked(sheet: SheetImage, stretch: Stretch, blockOf: Batch["blockOf"]): PackedBlock | undefined {
  const { source } = stretch.piece;
  if (typeof source === "string" || source.kind === "fresh" || sheet.layouts.get(source.layout)) return undefined;
  return sheet.isPatched(source, stretch.offset, stretch.count) ? undefined : blockOf(source);
}

function rowsIn(sheet: SheetImage, stretch: Stretch, blockOf: Batch["blockOf"]): (Row | null)[] {
  const rows: (Row | null)[] = [];
  sheet.readInto(rows, stretch, 0, Infinity, blockOf);
  return rows;
}

/** RFC 4180: a field with a comma, a quote or a line break stands in quotes. */
const csvField = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

const textOf = (rows: readonly (Row | null)[], format: "csv" | "json"): string =>
  rows
    .map((row) =>
      format === "json"
        ? `${JSON.stringify(row)}\n`
        : `${(row ?? []).map((cell) => csvField(displayOf(cell))).join(",")}\r\n`,
    )
    .join("");
