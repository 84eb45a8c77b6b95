import { digestOfRow, digestText, fold, NO_DIGEST, placed, seedOf } from "@sheetwire/shared/digest";
import { displayOf, formulaOf, isRich, lengthAfter, rowBefore, sameCell, valueOf } from "@sheetwire/shared/grid";
import type { Cause, Cell, ColumnRun, Row } from "@sheetwire/shared/protocol";
import type { Copy, HeldSpreadsheet } from "./mirror.ts";
import {
  keysOfCopy,
  tablesOf,
  type MirrorDatabase,
  type MirrorTables,
  type SheetRecord,
  type Stretch,
} from "./database.ts";

/** A range as it is at `seq`; `seq` is absent while the first copy arrives. Rows are cut to the range, blanks not filled. */
export type Viewport = { seq: number | undefined; sheetRows: number; sheetColumns: number; rows: (Row | null)[] };

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

export type HistoryEntry = {
  seq: number;
  loggedAt: number;
  cause: Cause;
  actor?: string;
  /** Absent where it is not known: the row came with this change. */
  before?: Cell;
  after: Cell;
};

/** `reachesTo` is the seq from which on the history is complete; undefined when nothing is kept. */
export type CellHistory = { entries: HistoryEntry[]; reachesTo: number | undefined };

/** `digest` is absent while rows are unknown. */
export type SheetProof = {
  sheetId: number;
  title: string;
  rows: number;
  unknownRows: number;
  digest: string | undefined;
};

export function createReader(
  database: MirrorDatabase,
  spreadsheetId: string,
): Pick<Copy, "sheets" | "viewport" | "search" | "columnStatistics" | "history" | "exportRows" | "verify" | "changes"> {
  const seed = seedOf(spreadsheetId);

  const shownSheets = async (tables: MirrorTables = database): Promise<SheetRecord[]> => {
    const held = await tables.spreadsheets.get(spreadsheetId);
    if (!held) return [];
    const records = await tables.sheets
      .where(":id")
      .between(...keysOfCopy(held.shown))
      .toArray();
    return records.sort((a, b) => a.sheet.index - b.sheet.index);
  };

  /** Runs a read over several blocks in one transaction: never half a change. */
  const consistently = <T>(read: (tables: MirrorTables, records: SheetRecord[]) => Promise<T>): Promise<T> =>
    database.transaction("r", [database.spreadsheets, database.sheets, database.blocks], async (transaction) => {
      const tables = tablesOf(transaction);
      return read(tables, await shownSheets(tables));
    });

  async function sheets(): Promise<HeldSpreadsheet | undefined> {
    return database.transaction("r", [database.spreadsheets, database.sheets], async () => {
      const held = await database.spreadsheets.get(spreadsheetId);
      if (!held) return undefined;
      const { title, locale, timeZone } = held.spreadsheet;
      const shown = (await shownSheets()).map((record) => record.sheet);
      return { spreadsheetId, title, locale, timeZone, sheets: shown, whole: held.whole, cursor: held.cursor };
    });
  }

  async function viewport(sheetId: number, range: Parameters<Copy["viewport"]>[1]): Promise<Viewport | undefined> {
    return database.transaction("r", [database.spreadsheets, database.sheets, database.blocks], async (transaction) => {
      const tables = tablesOf(transaction);
      const held = await tables.spreadsheets.get(spreadsheetId);
      const record = held && (await tables.sheets.get([held.shown, sheetId]));
      if (!record) return undefined;
      const rows: (Row | null)[] = [];
      for (const piece of piecesOf(record, range.startRowIndex, range.endRowIndex)) {
        for (const row of await rowsOf(tables, record, piece))
          rows.push(row && row.slice(range.startColumnIndex, range.endColumnIndex));
      }
      return { seq: held.cursor?.seq, sheetRows: record.sheet.rows, sheetColumns: record.sheet.columns, rows };
    });
  }

  async function* search(text: string, options: { most?: number; signal?: AbortSignal } = {}): AsyncGenerator<Hit> {
    const wanted = text.toLowerCase();
    if (wanted === "") return;
    let left = options.most ?? 1_000;
    for (const { sheetId } of await shownSheets()) {
      if (left <= 0 || options.signal?.aborted) return;
      const hits = await consistently(async (tables, records) => {
        const found: Hit[] = [];
        const record = records.find((one) => one.sheetId === sheetId);
        if (!record) return found;
        for (const piece of piecesOf(record, 0, Infinity)) {
          if (found.length >= left || options.signal?.aborted) break;
          const rows = await rowsOf(tables, record, piece);
          for (const [offset, row] of rows.entries()) {
            for (const [column, cell] of (row ?? []).entries()) {
              if (cell === null) continue;
              const display = displayOf(cell);
              if (!display.toLowerCase().includes(wanted) && !formulaOf(cell)?.toLowerCase().includes(wanted)) continue;
              found.push({ sheetId, sheetTitle: record.sheet.title, row: piece.from + offset, column, display });
            }
          }
        }
        return found;
      });
      yield* hits.slice(0, left);
      left -= hits.length;
    }
  }

  async function columnStatistics(sheetId: number, column: number): Promise<ColumnStatistics | undefined> {
    return consistently(async (tables, records) => {
      const record = records.find((one) => one.sheetId === sheetId);
      if (!record) return undefined;
      const all = { rows: record.sheet.rows, unknown: 0, blank: 0, texts: 0, booleans: 0, errors: 0, formulas: 0 };
      let [count, sum, min, max] = [0, 0, Infinity, -Infinity];
      for (const piece of piecesOf(record, 0, Infinity)) {
        for (const row of await rowsOf(tables, record, piece)) {
          if (!row) {
            all.unknown += 1;
            continue;
          }
          const cell = row[column] ?? null;
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
    });
  }

  async function history(sheetId: number, row: number, column: number): Promise<CellHistory> {
    const records = await database.changes
      .where(":id")
      .between([spreadsheetId], [spreadsheetId, []])
      .reverse()
      .toArray();
    const entries: HistoryEntry[] = [];
    let reachesTo: number | undefined;
    let [r, c] = [row, column];
    for (const { seq, summary, change } of records) {
      if (!change) {
        // A big change of this sheet is kept in words only: what it did to this cell is not known any more.
        if (summary && summary.sheetId === sheetId) return { entries, reachesTo };
        reachesTo = seq;
        continue;
      }
      reachesTo = seq;
      if (change.kind === "verified" || change.kind === "sheets" || change.sheetId !== sheetId) continue;
      const common = {
        seq,
        loggedAt: change.loggedAt,
        cause: change.cause,
        ...(change.actor === undefined ? {} : { actor: change.actor }),
      };
      if (change.kind === "cells") {
        const [inRow, inColumn] = [r - change.at.row, c - change.at.column];
        const width = change.cells.reduce((most, cells) => Math.max(most, cells.length), 0);
        if (inRow < 0 || inRow >= change.cells.length || inColumn < 0 || inColumn >= width) continue;
        const after = change.cells[inRow]?.[inColumn] ?? null;
        const before = change.was ? (change.was[inRow]?.[inColumn] ?? null) : undefined;
        if (before !== undefined && sameCell(before, after)) continue;
        entries.push({ ...common, after, ...(before === undefined ? {} : { before }) });
      } else if (change.kind === "rows") {
        const from = rowBefore(r, change.runs);
        if (from === undefined) {
          entries.push({ ...common, after: putAt(change.runs, r)?.[c] ?? null });
          return { entries, reachesTo };
        }
        r = from;
      } else {
        const from = columnBefore(c, change.runs);
        if (from === undefined) return { entries, reachesTo };
        c = from;
      }
    }
    return { entries, reachesTo };
  }

  async function* exportRows(sheetId: number, format: "csv" | "json"): AsyncGenerator<string> {
    const textOf = (row: Row | null): string =>
      format === "json"
        ? `${JSON.stringify(row)}\n`
        : `${(row ?? []).map((cell) => csvField(displayOf(cell))).join(",")}\r\n`;
    yield* await consistently(async (tables, records) => {
      const texts: string[] = [];
      const record = records.find((one) => one.sheetId === sheetId);
      if (!record) return texts;
      for (const piece of piecesOf(record, 0, Infinity)) {
        texts.push((await rowsOf(tables, record, piece)).map(textOf).join(""));
      }
      return texts;
    });
  }

  async function verify(): Promise<SheetProof[]> {
    return consistently(async (tables, records) => {
      const proofs: SheetProof[] = [];
      for (const record of records) {
        let digest = NO_DIGEST;
        let unknownRows = 0;
        for (const piece of piecesOf(record, 0, Infinity)) {
          for (const [offset, row] of (await rowsOf(tables, record, piece)).entries()) {
            if (row) digest = fold(digest, placed(piece.from + offset, digestOfRow(row, seed)));
            else unknownRows += 1;
          }
        }
        const { sheetId, sheet } = record;
        const whole = unknownRows === 0 ? digestText(digest) : undefined;
        proofs.push({ sheetId, title: sheet.title, rows: sheet.rows, unknownRows, digest: whole });
      }
      return proofs;
    });
  }

  async function changes(afterSeq = 0): ReturnType<Copy["changes"]> {
    const records = await database.changes
      .where(":id")
      .between([spreadsheetId, afterSeq + 1], [spreadsheetId, []])
      .reverse()
      .toArray();
    return records.flatMap(({ summary }) => (summary ? [summary] : []));
  }

  return { sheets, viewport, search, columnStatistics, history, exportRows, verify, changes };
}

/** Part of a stretch: `count` rows from `offset` of it on, which stand at `from` in the sheet. */
type Piece = { block: Stretch["block"]; offset: number; count: number; from: number };

/** Where a window lies. Long stretches without a block come in parts. */
function* piecesOf(record: SheetRecord, from: number, to: number): Generator<Piece> {
  let start = 0;
  for (const { rows, block } of record.stretches) {
    const end = Math.min(to, start + rows);
    for (let at = Math.max(from, start); at < end;) {
      const count = typeof block === "number" ? end - at : Math.min(1_024, end - at);
      yield { block, offset: at - start, count, from: at };
      at += count;
    }
    start += rows;
    if (start >= to) return;
  }
}

async function rowsOf(tables: MirrorTables, record: SheetRecord, piece: Piece): Promise<(Row | null)[]> {
  const { block, offset, count } = piece;
  if (typeof block !== "number") return Array.from({ length: count }, () => (block === "unknown" ? null : []));
  const held = await tables.blocks.get([record.copy, record.sheetId, block]);
  if (!held) throw new Error(`Sheet ${record.sheetId} names block ${block}, which is not there.`);
  return held.rows.slice(offset, offset + count);
}

function putAt(runs: Parameters<typeof rowBefore>[1], row: number): Row | undefined {
  let at = 0;
  for (const run of runs) {
    const length = lengthAfter([run]);
    if (row < at + length) return "put" in run ? run.put[row - at] : undefined;
    at += length;
  }
  return undefined;
}

function columnBefore(column: number, runs: readonly ColumnRun[]): number | undefined {
  let at = 0;
  for (const run of runs) {
    const length = lengthAfter([run]);
    if (column < at + length) return "keep" in run ? run.keep[0] + column - at : undefined;
    at += length;
  }
  return undefined;
}

/** RFC 4180: a field with a comma, a quote or a line break stands in quotes. */
const csvField = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
