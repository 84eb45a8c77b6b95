/** For tests: a spreadsheet in memory and a script that reads it honestly and answers wants, one step at a time. */
import { canonicalRow } from "@sheetwire/shared/grid";
import { digestOfRow, packDigests, seedOf } from "@sheetwire/shared/digest";
import type { Cause, Cell, Change, Post, Reading, Row, Sheet, Want } from "@sheetwire/shared/protocol";
import { SpreadsheetState } from "../sheets/sheets.ts";
import { emptyDesk, foldPost, issueWants, noteHeard, type Desk } from "./wants.ts";

export type Grid = { sheetId: number; title: string; columns: number; rows: Cell[][] };

export class SheetDouble {
  readonly spreadsheetId: string;
  readonly seed: number;
  readonly grids: Grid[];
  now = 1_000_000;
  #runs = 0;

  constructor(grids: Grid[], spreadsheetId = "double-0001") {
    this.grids = grids;
    this.spreadsheetId = spreadsheetId;
    this.seed = seedOf(spreadsheetId);
  }

  grid(sheetId: number): Grid {
    const grid = this.grids.find((one) => one.sheetId === sheetId);
    if (!grid) throw new Error(`No sheet ${sheetId}.`);
    return grid;
  }

  newRun(): string {
    this.#runs += 1;
    return `run-0000-${this.#runs}`;
  }

  usedRows(grid: Grid): number {
    let used = grid.rows.length;
    while (used > 0 && usedLength(grid.rows[used - 1] ?? []) === 0) used -= 1;
    return used;
  }

  usedColumns(grid: Grid): number {
    let most = 0;
    for (const row of grid.rows) if (row.length > most) most = Math.max(most, usedLength(row));
    return most;
  }

  sheets(): Reading {
    const sheets = this.grids.map((grid, index): Sheet => ({
      sheetId: grid.sheetId,
      title: grid.title,
      index,
      rows: grid.rows.length,
      columns: grid.columns,
      usedRows: this.usedRows(grid),
      usedColumns: this.usedColumns(grid),
      frozenRows: 0,
      frozenColumns: 0,
      hidden: false,
      kind: "GRID",
    }));
    const spreadsheet = { title: "Double", locale: "en_US", timeZone: "Etc/UTC", sheets };
    return { kind: "sheets", readAt: [this.now, this.now], spreadsheet };
  }

  /** What handleEdit reads: the edited rows in full width. */
  edit(sheetId: number, row: number, column: number, rows: number, columns: number, was?: string): Reading {
    const grid = this.grid(sheetId);
    return {
      kind: "cells",
      readAt: [this.now, this.now],
      sheetId,
      at: { row, column: 0 },
      cells: grid.rows.slice(row, row + rows).map(canonicalRow),
      size: { rows, columns: grid.columns },
      sheetRows: grid.rows.length,
      sheetColumns: grid.columns,
      edited: { row, column, rows, columns },
      ...(was === undefined ? {} : { was }),
    };
  }

  answer(want: Want): Reading {
    const readAt: [number, number] = [this.now, this.now];
    const gone = want.kind !== "sheets" && !this.grids.some((grid) => grid.sheetId === want.sheetId);
    if (want.kind === "sheets" || gone) return { ...this.sheets(), want: want.id };
    const grid = this.grid(want.sheetId);
    const size = { sheetRows: grid.rows.length, sheetColumns: grid.columns };
    const row = (index: number): Row => canonicalRow(grid.rows[index] ?? []);
    if (want.kind === "rows") {
      const rows = want.rows
        .filter((index) => index < grid.rows.length)
        .map((index): [number, Row] => [index, row(index)]);
      return { kind: "rows", readAt, want: want.id, sheetId: want.sheetId, rows, ...size };
    }
    if (want.kind === "cells") {
      const top = Math.min(want.range.startRowIndex, grid.rows.length);
      const end = Math.min(want.range.endRowIndex, grid.rows.length);
      const cells = Array.from({ length: end - top }, (_, offset) => row(top + offset));
      const read = { rows: end - top, columns: grid.columns };
      return {
        kind: "cells",
        readAt,
        want: want.id,
        sheetId: want.sheetId,
        at: { row: top, column: 0 },
        cells,
        size: read,
        ...size,
      };
    }
    const length = want.axis === "rows" ? grid.rows.length : grid.columns;
    const column = (index: number): Row => canonicalRow(grid.rows.map((cells) => cells[index] ?? null));
    const line = want.axis === "rows" ? row : column;
    const from = Math.min(want.from, length);
    const to = Math.min(want.to, length);
    const digests = Array.from({ length: to - from }, (_, offset) => digestOfRow(line(from + offset), this.seed));
    return {
      kind: "digests",
      readAt,
      want: want.id,
      sheetId: want.sheetId,
      axis: want.axis,
      from,
      to,
      digests: packDigests(digests),
      usedRows: this.usedRows(grid),
      usedColumns: this.usedColumns(grid),
      ...size,
    };
  }

  post(run: string, n: number, cause: Cause, readings: Reading[]): Post {
    return {
      protocol: 1,
      run,
      n,
      cause,
      script: { version: "0", installation: "double" },
      allowance: { spentMs: 0, runLimitMs: 360_000 },
      readings,
    };
  }
}

function usedLength(row: readonly Cell[]): number {
  let used = row.length;
  while (used > 0 && (row[used - 1] ?? null) === null) used -= 1;
  return used;
}

/** The relay's side of it, without store or network. */
export class RelayDouble {
  state: SpreadsheetState;
  desk: Desk;
  readonly changes: Change[] = [];
  readonly double: SheetDouble;
  cellsSent = 0;

  constructor(double: SheetDouble) {
    this.double = double;
    this.state = new SpreadsheetState(double.spreadsheetId, { epoch: "e", seq: 0, chain: "0" });
    this.desk = emptyDesk(double.now);
  }

  take(post: Post): Want[] {
    for (const reading of post.readings) {
      if (reading.kind === "cells") this.cellsSent += reading.cells.reduce((sum, row) => sum + row.length, 0);
      if (reading.kind === "rows") this.cellsSent += reading.rows.reduce((sum, [, row]) => sum + row.length, 0);
    }
    const { now } = this.double;
    const emit: Parameters<typeof foldPost>[3] = (draft, readAt) => {
      const seq = this.state.head.seq + 1;
      const change = { ...draft, seq, loggedAt: now, cause: post.cause, readAt } as Change;
      this.state.apply(change);
      this.state.head = { ...this.state.head, seq };
      this.changes.push(change);
    };
    noteHeard(post, this.desk, now);
    foldPost(post, this.state, this.desk, emit, now);
    return issueWants(post, this.state, this.desk, now);
  }

  /** One whole run of the script, undisturbed: posts and answers until nothing is wanted. Answers how many posts. */
  run(cause: Cause, readings: Reading[], run = this.double.newRun()): number {
    let wants = this.take(this.double.post(run, 0, cause, readings));
    let n = 1;
    for (; wants.length > 0 && n < 200; n += 1) {
      this.double.now += 300;
      wants = this.take(
        this.double.post(
          run,
          n,
          cause,
          wants.map((want) => this.double.answer(want)),
        ),
      );
    }
    return n;
  }

  /** The state's rows as the double's grids would be, for comparison. */
  rows(sheetId: number): (Row | null)[] {
    return (this.state.sheetState(sheetId)?.rows ?? []).map((_, index) => this.state.row(sheetId, index) ?? null);
  }
}
