import { canonicalRow, lengthAfter, sameCell, widthOf } from "@sheetwire/shared/grid";
import { digestOfWindow, digestText, unpackDigests } from "@sheetwire/shared/digest";
import { limits } from "@sheetwire/shared/limits";
import type { Cell, Change, ColumnRun, Row, RowRun, Sheet, Spreadsheet } from "@sheetwire/shared/protocol";
import { announced, hasDigest, type SpreadsheetState } from "../sheets/sheets.ts";
import { align } from "./align.ts";
import { wantCheck } from "./check.ts";
import { emptySheetDesk, type Desk, type Lease, type SheetDesk } from "./desk.ts";
import { agreesWithOldValue, differences, isRecalculated } from "./difference.ts";
import { clampReadAt, isAboveFloor, isAfter, overlapping, remember, type Arrival } from "./placing.ts";
import { isScarce, webAppWorks } from "./policy.ts";
import { addStretch, cutStretch, stretchesOf, type Stretch } from "./stretches.ts";
import type { Digest, Post, ReadAt, Reading, ReadingOf } from "./types.ts";

type Draft = Change extends infer C
  ? C extends Change
    ? Omit<C, "seq" | "loggedAt" | "cause" | "actor" | "readAt">
    : never
  : never;

/** Where a fold puts a change: it is numbered, applied to the state and kept for the log. */
export type Emit = (draft: Draft, readAt: ReadAt) => void;

/** With more differing rows than this, and more than half, columns are compared before rows are read. */
const MASS_ROWS = 20;

/** Causes whose runs are there to check, and may take their time. */
const CHECKING = new Set(["sweep", "manual", "install", "call"]);

/**
 * Folds one post into state and desk: what it proves is applied (through `emit`), what it leaves open stays on the desk.
 * `now` is the relay's clock, in milliseconds.
 */
export function foldPost(post: Post, state: SpreadsheetState, desk: Desk, emit: Emit, now: number): void {
  new Fold(post, state, desk, emit, now).run();
}

class Fold {
  readonly #post: Post;
  readonly #state: SpreadsheetState;
  readonly #desk: Desk;
  readonly #emit: Emit;
  readonly #now: number;

  constructor(post: Post, state: SpreadsheetState, desk: Desk, emit: Emit, now: number) {
    this.#post = post;
    this.#state = state;
    this.#desk = desk;
    this.#emit = emit;
    this.#now = now;
  }

  run(): void {
    const { cause, n, readings } = this.#post;
    for (const reading of readings) {
      this.#desk.order += 1;
      const asked = reading.want === undefined ? undefined : this.#desk.leases.get(reading.want);
      const lease = asked && asked.run === this.#post.run ? asked : undefined;
      this.#take({ ...reading, readAt: clampReadAt(reading.readAt, this.#now) }, lease);
      if (lease) this.#desk.leases.delete(lease.want.id);
    }
    const wasEdited = readings.some(({ kind, want }) => (kind === "cells" || kind === "digests") && want === undefined);
    if (cause === "edit" && wasEdited) this.#checkFormulasAfterEdit();
    // While the web app works, it is called to check everything: the script's own timer has little time a day.
    const isWholeCheck = cause === "manual" || (cause === "sweep" && !webAppWorks(this.#desk.calls, this.#now));
    if (CHECKING.has(cause)) wantCheck(this.#state, this.#desk, n === 0 && isWholeCheck);
  }

  #take(reading: Reading, lease: Lease | undefined): void {
    if (reading.kind === "sheets") this.#takeSheets(reading, lease);
    else if (reading.kind === "cells") this.#takeCells(reading, lease);
    else if (reading.kind === "rows") this.#takeRows(reading, lease);
    else if (reading.kind === "digests") this.#takeDigests(reading, lease);
    else {
      const { triggers, lastError, webApp } = reading;
      this.#desk.script = { triggers, lastError, webApp };
    }
  }

  #arrival(
    sheetId: number,
    area: Omit<Arrival, "sheetId" | "readAt" | "run" | "n" | "order" | "lease">,
    readAt: ReadAt,
    lease: Lease | undefined,
  ): Arrival {
    const { run, n } = this.#post;
    return { sheetId, ...area, readAt, run, n, order: this.#desk.order, lease };
  }

  // ---------------------------------------------------------------- sheets

  #takeSheets(reading: ReadingOf<"sheets">, lease: Lease | undefined): void {
    const desk = this.#desk;
    const arrival = this.#arrival(-1, { top: 0, bottom: 1, left: 0, right: 1 }, reading.readAt, lease);
    const wanted = spreadsheetAsHeld(reading.spreadsheet, this.#state);
    const differs = JSON.stringify(wanted) !== JSON.stringify(this.#state.snapshotHead().spreadsheet);
    // A list of sheets that nobody asked for was sent because something happened, now or in a run whose post was lost.
    const structural = this.#post.cause.startsWith("change:") && reading.want === undefined;
    const before = desk.sheetsStamp;
    if (before && !isAfter(arrival, before)) {
      // Two lists of sheets whose order is not certain: this one is not believed, the next one asked for is. What it was
      // sent for stays true: something happened.
      const resized = reading.spreadsheet.sheets.some(
        (sheet) => this.#state.sheetState(sheet.sheetId)?.rows.length !== sheet.rows,
      );
      if (differs || resized || structural) desk.sheetsSince = desk.order;
      if (structural) for (const sheetId of desk.sheets.keys()) this.#wantDigests(sheetId);
      return;
    }
    desk.sheetsStamp = { ...arrival, arrivedAt: this.#now };
    if (desk.sheetsSince === 0 || (lease && lease.order >= (desk.sheetsSince ?? 0))) desk.sheetsSince = undefined;
    const known = new Set(this.#state.sheets().map((sheet) => sheet.sheetId));
    if (differs || !this.#state.spreadsheet) {
      this.#emit({ kind: "sheets", spreadsheet: wanted }, reading.readAt);
    }
    const grids = reading.spreadsheet.sheets.filter((sheet) => sheet.kind === "GRID");
    for (const sheetId of desk.sheets.keys()) {
      if (grids.some((sheet) => sheet.sheetId === sheetId)) continue;
      desk.sheets.delete(sheetId);
      for (const [id, { want }] of desk.leases)
        if (want.kind !== "sheets" && want.sheetId === sheetId) desk.leases.delete(id);
    }
    const resized: number[] = [];
    for (const sheet of grids) {
      if (!known.has(sheet.sheetId)) this.#welcome(sheet, reading.readAt);
      else if (this.#lookAt(sheet)) resized.push(sheet.sheetId);
    }
    if (!structural) return;
    // Something happened to the spreadsheet that says nothing of where. If a grid changed its size, it was there; sheets
    // that came or went reach others through formulas only.
    const isAboutSheets = /^change:(INSERT|REMOVE)_GRID$/.test(this.#post.cause);
    const others = grids.filter(
      (sheet) => known.has(sheet.sheetId) && (!isAboutSheets || this.#canChangeUnseen(sheet.sheetId)),
    );
    for (const sheetId of resized.length > 0 ? resized : others.map((sheet) => sheet.sheetId))
      this.#wantDigests(sheetId);
  }

  /** A new sheet: the rows behind its used part are known to be blank. */
  #welcome(sheet: Sheet, readAt: ReadAt): void {
    const usedRows = Math.min(sheet.usedRows ?? sheet.rows, sheet.rows);
    this.#desk.sheets.set(
      sheet.sheetId,
      emptySheetDesk({
        rows: sheet.rows,
        columns: sheet.columns,
        usedRows,
        usedColumns: Math.min(sheet.usedColumns ?? sheet.columns, sheet.columns),
      }),
    );
    const blank = sheet.rows - usedRows;
    if (blank > 0) {
      const runs = usedRows > 0 ? [{ unknown: usedRows }, { blank }] : [{ blank }];
      this.#emit({ kind: "rows", sheetId: sheet.sheetId, runs }, readAt);
    }
    if (usedRows > 0) this.#unproven(sheet.sheetId, { from: 0, to: usedRows });
    const desk = this.#desk.sheets.get(sheet.sheetId);
    if (desk) desk.layoutStamp = { readAt, run: this.#post.run, n: this.#post.n, order: this.#desk.order };
  }

  /** A sheet that is held: is its grid still as large as we hold it? */
  #lookAt(sheet: Sheet): boolean {
    const desk = this.#sheetDesk(sheet.sheetId);
    const held = this.#state.sheetState(sheet.sheetId);
    if (!held) return false;
    const otherColumns = held.sheet.columns !== sheet.columns;
    const resized = held.rows.length !== sheet.rows || otherColumns;
    desk.seen = {
      rows: sheet.rows,
      columns: sheet.columns,
      usedRows: sheet.usedRows ?? desk.seen.usedRows,
      usedColumns: sheet.usedColumns ?? desk.seen.usedColumns,
    };
    if (resized) this.#wantDigests(sheet.sheetId);
    if (otherColumns) this.#wantColumns(sheet.sheetId);
    return resized;
  }

  // ---------------------------------------------------------------- cells and rows

  #takeCells(reading: ReadingOf<"cells">, lease: Lease | undefined): void {
    const { at, cells, sheetId } = reading;
    const size = reading.size ?? { rows: cells.length, columns: widthOf(cells) };
    const rows: Row[] = [];
    for (let offset = 0; offset < size.rows; offset += 1) rows.push(canonicalRow(cells[offset] ?? []));
    if (size.rows === 0) {
      this.#closeDoubts(sheetId, wantedRows(lease), lease);
      return;
    }
    // A want for whole rows is answered for whole rows, however far to the right there was anything to read.
    const reach = Math.max(size.columns, wantedWidth(lease) ?? 0);
    const isWhole =
      at.column === 0 &&
      (reach >= reading.sheetColumns || (size.rows === 1 && this.#isBeginningOfRow(sheetId, at.row)));
    const width = isWhole ? reading.sheetColumns : size.columns;
    this.#place(reading, lease, { top: at.row, left: at.column, width, rows, isWhole });
    this.#closeDoubts(sheetId, wantedRows(lease), lease);
  }

  /** A row too large for one post comes in pieces to whoever asked for it; the first makes it known, the others fill it. */
  #isBeginningOfRow(sheetId: number, row: number): boolean {
    return [...this.#desk.leases.values()].some(({ want, run }) => {
      if (run !== this.#post.run || want.kind === "sheets" || want.sheetId !== sheetId) return false;
      if (want.kind === "rows") return want.rows.includes(row);
      return want.kind === "cells" && row >= want.range.startRowIndex && row < want.range.endRowIndex;
    });
  }

  #takeRows(reading: ReadingOf<"rows">, lease: Lease | undefined): void {
    const sheet = this.#state.sheetState(reading.sheetId)?.sheet;
    const sorted = [...reading.rows].sort(([a], [b]) => a - b);
    let block: { top: number; rows: Row[] } | undefined;
    const flush = (): void => {
      if (!block) return;
      const width = Math.max(sheet?.columns ?? 0, reading.sheetColumns ?? 0, widthOf(block.rows));
      this.#place(reading, lease, { top: block.top, left: 0, width, rows: block.rows, isWhole: true });
      block = undefined;
    };
    for (const [index, cells] of sorted) {
      if (block && block.top + block.rows.length !== index) flush();
      block ??= { top: index, rows: [] };
      block.rows.push(canonicalRow(cells));
    }
    flush();
    if (lease?.want.kind === "rows") {
      for (const stretch of stretchesOf([...lease.want.rows].sort((a, b) => a - b))) {
        this.#closeDoubts(reading.sheetId, stretch, lease);
      }
    }
  }

  /** Puts a rectangle that was read where it belongs, if that is certain, or notes that it must be read again. */
  #place(
    reading: ReadingOf<"cells"> | ReadingOf<"rows">,
    lease: Lease | undefined,
    area: { top: number; left: number; width: number; rows: Row[]; isWhole: boolean },
  ): void {
    const { sheetId } = reading;
    const held = this.#state.sheetState(sheetId);
    if (!held) {
      // A sheet nobody told of. What kinds of sheets there are is learned first.
      if (!this.#isKnownWithoutGrid(sheetId)) this.#desk.sheetsSince = this.#desk.order;
      return;
    }
    const desk = this.#sheetDesk(sheetId);
    const { sheetRows, sheetColumns } = reading;
    const { top, left, width, rows, isWhole } = area;
    const stretch = { from: top, to: top + rows.length };
    const isOtherSize =
      (sheetRows !== undefined && sheetRows !== held.rows.length) ||
      (sheetColumns !== undefined && sheetColumns !== held.sheet.columns);
    const arrival = this.#arrival(
      sheetId,
      { top, bottom: stretch.to, left, right: left + width },
      reading.readAt,
      lease,
    );
    if (isOtherSize || this.#isBeforeLayout(arrival, desk)) {
      this.#recognise(sheetId, rows, reading.readAt, isWhole);
      if (isOtherSize) this.#desk.sheetsSince = this.#desk.order;
      this.#wantDigests(sheetId);
      return;
    }
    if (reading.kind === "cells" && reading.edited) this.#doubtUnread(sheetId, reading.edited, stretch, left + width);
    const found = differences(
      top,
      left,
      width,
      rows,
      (row) => (held.rows[row] ? this.#state.row(sheetId, row) : undefined),
      isWhole,
    );
    const overwrites = found.some((one) => one.was !== undefined);
    // Part of a row that is unknown says too little to be applied; whatever fills the row must be younger than it.
    const isPartOfUnknown = !isWhole && rows.some((_, offset) => held.rows[top + offset]?.json === null);
    const earlier = overlapping(this.#desk, arrival);
    const isCertain = earlier.every((stamp) => isAfter(arrival, stamp));
    if (overwrites && reading.kind === "cells" && !lease && this.#movedUnseen(reading, area)) {
      remember(this.#desk, arrival, this.#now);
      this.#recognise(sheetId, rows, reading.readAt, isWhole);
      this.#wantDigests(sheetId);
      return;
    }
    const isPlaceable = isAboveFloor(this.#desk, arrival, this.#now);
    if (isPartOfUnknown || (found.length > 0 && (!isCertain || !isPlaceable))) this.#doubt(sheetId, stretch);
    if (overwrites && !isPlaceable) {
      remember(this.#desk, arrival, this.#now);
      return;
    }
    const latest = Math.max(...earlier.map((stamp) => stamp.readAt[0]), Number.NEGATIVE_INFINITY);
    remember(this.#desk, arrival, this.#now);
    if (!isCertain && overwrites && arrival.readAt[0] < latest) return;
    const isHeal = CHECKING.has(this.#post.cause) && overwrites;
    const rest =
      !lease && isWhole && this.#takeMoves(sheetId, stretch, rows, reading.readAt)
        ? differences(top, left, width, rows, (row) => this.#state.row(sheetId, row), isWhole)
        : found;
    for (const { at, cells, was } of rest) {
      const expected = was === undefined ? held.rows.slice(at.row, at.row + cells.length) : [];
      this.#emit({ kind: "cells", sheetId, at, cells, ...(was ? { was } : {}) }, reading.readAt);
      // Content that has the digest which was announced for it is proven by that.
      cells.forEach((_, offset) => {
        const now = held.rows[at.row + offset];
        const before = expected[offset];
        const isProven = now && before && hasDigest(before, { high: now.high >>> 0, low: now.low >>> 0 });
        if (!isProven) this.#unproven(sheetId, { from: at.row + offset, to: at.row + offset + 1 });
      });
      desk.seen.usedRows = Math.max(desk.seen.usedRows, at.row + cells.length);
      desk.seen.usedColumns = Math.max(desk.seen.usedColumns, at.column + widthOf(cells));
      if (isHeal) this.#healed(cells.length);
    }
    if (isHeal) desk.restless = true;
  }

  /**
   * Rows that mostly changed places within what was read (a sort, rows dragged) travel as runs, so that their stories
   * follow them. Nothing outside the stretch moves. Says whether there was such a move.
   */
  #takeMoves(sheetId: number, stretch: Stretch, rows: readonly Row[], readAt: ReadAt): boolean {
    const held = this.#state.held(sheetId);
    const before = held.rows.slice(stretch.from, stretch.to);
    if (before.some((row) => row.json === null)) return false;
    const now = rows.map((cells) => this.#state.digestOf(cells));
    const differing = now.filter((digest, offset) => {
      const row = before[offset];
      return !row || !hasDigest(row, digest);
    });
    if (differing.length < 2) return false;
    const found = align(before, now);
    const open = found.changed.length + found.unknown.length;
    if (!found.moved || open * 2 > differing.length) return false;
    let at = 0;
    const inside = found.runs.map((run): RowRun => {
      const from = at;
      at += lengthAfter([run]);
      if ("keep" in run) return { keep: [run.keep[0] + stretch.from, run.keep[1]] };
      return "unknown" in run ? { put: rows.slice(from, at) } : run;
    });
    const above: RowRun[] = stretch.from > 0 ? [{ keep: [0, stretch.from] }] : [];
    const below = held.rows.length - stretch.to;
    const behind: RowRun[] = below > 0 ? [{ keep: [stretch.to, below] }] : [];
    this.#emit({ kind: "rows", sheetId, runs: [...above, ...inside, ...behind] }, readAt);
    this.#unproven(sheetId, stretch);
    return true;
  }

  /** An edit larger than a run can read at once: what it did not read is read next. */
  #doubtUnread(
    sheetId: number,
    edited: { row: number; column: number; rows: number; columns: number },
    read: Stretch,
    right: number,
  ): void {
    const end = edited.row + edited.rows;
    if (edited.column + edited.columns > right) this.#doubt(sheetId, { from: edited.row, to: end });
    else {
      if (edited.row < read.from) this.#doubt(sheetId, { from: edited.row, to: Math.min(end, read.from) });
      if (end > read.to) this.#doubt(sheetId, { from: Math.max(edited.row, read.to), to: end });
    }
  }

  /** A typed edit whose surroundings, or whose old value, are not what is held: rows or columns moved, or an event was lost. */
  #movedUnseen(reading: ReadingOf<"cells">, area: { top: number; left: number; width: number; rows: Row[] }): boolean {
    const { edited, was, sheetId } = reading;
    if (!edited) return false;
    const { top, left, width, rows } = area;
    for (const [offset, now] of rows.entries()) {
      const row = top + offset;
      const held = this.#state.row(sheetId, row);
      if (!held) continue;
      const inside = (column: number): boolean =>
        row >= edited.row &&
        row < edited.row + edited.rows &&
        column >= edited.column &&
        column < edited.column + edited.columns;
      for (let offsetColumn = 0; offsetColumn < width; offsetColumn += 1) {
        const column = left + offsetColumn;
        const a: Cell = now[offsetColumn] ?? null;
        const b: Cell = held[column] ?? null;
        if (sameCell(a, b)) continue;
        if (!inside(column)) {
          if (!isRecalculated(a, b)) return true;
        } else if (edited.rows === 1 && edited.columns === 1 && was !== undefined && !agreesWithOldValue(b, was))
          return true;
      }
    }
    return false;
  }

  /** Whole rows that were read at a place that is no longer certain still serve as content, looked up by digest. */
  #recognise(sheetId: number, rows: readonly Row[], readAt: ReadAt, isWhole: boolean): void {
    const held = this.#state.sheetState(sheetId);
    if (!isWhole || !held || held.unknownRows === 0) return;
    const byDigest = new Map<string, Row>();
    for (const cells of rows) {
      const { high, low } = this.#state.digestOf(cells);
      byDigest.set(`${high | 0} ${low | 0}`, cells);
    }
    held.rows.forEach((row, index) => {
      if (row.json !== null || (row.high === 0 && row.low === 0)) return;
      const cells = byDigest.get(`${row.high} ${row.low}`);
      if (cells) this.#emit({ kind: "cells", sheetId, at: { row: index, column: 0 }, cells: [cells] }, readAt);
    });
  }

  // ---------------------------------------------------------------- digests

  #takeDigests(reading: ReadingOf<"digests">, lease: Lease | undefined): void {
    const { sheetId, from, to, axis, usedRows, usedColumns } = reading;
    const held = this.#state.sheetState(sheetId);
    const digests = unpackDigests(reading.digests);
    if (!digests) return;
    if (!held) {
      if (!this.#isKnownWithoutGrid(sheetId)) this.#desk.sheetsSince = this.#desk.order;
      return;
    }
    const desk = this.#sheetDesk(sheetId);
    const sheetRows = reading.sheetRows ?? desk.seen.rows;
    const sheetColumns = reading.sheetColumns ?? held.sheet.columns;
    const area =
      axis === "rows"
        ? { top: from, bottom: Math.max(to, from + 1), left: 0, right: limits.sheetMaxColumns }
        : { top: 0, bottom: limits.spreadsheetMaxCells, left: 0, right: limits.sheetMaxColumns };
    const arrival = this.#arrival(sheetId, area, reading.readAt, lease);
    if (this.#isBeforeLayout(arrival, desk)) {
      this.#wantDigests(sheetId);
      return;
    }
    if (axis === "columns") {
      this.#takeColumnDigests(reading, arrival, desk, digests, sheetColumns);
      return;
    }
    if (sheetColumns !== held.sheet.columns) {
      desk.seen.columns = sheetColumns;
      this.#wantColumns(sheetId);
      return;
    }
    desk.seen = { ...desk.seen, rows: sheetRows, usedRows, usedColumns };
    const isEqual = (at: number, digest: Digest): boolean => {
      const row = held.rows[at];
      return row !== undefined && row.json !== null && hasDigest(row, digest);
    };
    const allEqual =
      sheetRows === held.rows.length && digests.every((digest, offset) => isEqual(from + offset, digest));
    const earlier = overlapping(this.#desk, arrival);
    if (
      !allEqual &&
      (!earlier.every((stamp) => isAfter(arrival, stamp)) || !isAboveFloor(this.#desk, arrival, this.#now))
    ) {
      this.#wantDigests(sheetId);
      return;
    }
    remember(this.#desk, arrival, this.#now);
    if (allEqual && lease) this.#verified(sheetId, desk, from, to, digests, reading.readAt);
    if (desk.digestsSince === undefined && !desk.round && to - from < Math.min(usedRows, sheetRows)) {
      // A window read for its proof alone. If it is not as it is held, rows may have moved: all are looked at.
      if (!allEqual) this.#wantDigests(sheetId);
      return;
    }
    this.#collect(sheetId, desk, { from, to, digests, readAt: reading.readAt }, sheetRows, usedRows, lease);
  }

  /** Windows of one round are put together; when all are there, the rows as they are now are compared with those held. */
  #collect(
    sheetId: number,
    desk: SheetDesk,
    piece: { from: number; to: number; digests: readonly Digest[]; readAt: ReadAt },
    sheetRows: number,
    usedRows: number,
    lease: Lease | undefined,
  ): void {
    const order = lease?.order ?? 0;
    const { round } = desk;
    const goesOn = round && round.layout === desk.layout && round.sheetRows === sheetRows;
    const pieces = [
      ...(goesOn ? round.pieces.filter((one) => one.to <= piece.from || one.from >= piece.to) : []),
      piece,
    ].sort((a, b) => a.from - b.from);
    desk.round = { layout: desk.layout, order: goesOn ? Math.min(round.order, order) : order, sheetRows, pieces };
    let reach = 0;
    for (const one of pieces) if (one.from <= reach) reach = Math.max(reach, one.to);
    if (reach < Math.min(usedRows, sheetRows)) return;
    const now: Digest[] = pieces.flatMap((one) => one.digests);
    while (now.length < sheetRows) now.push({ high: 0, low: 0 });
    const readAt: ReadAt = [
      Math.min(...pieces.map((one) => one.readAt[0])),
      Math.max(...pieces.map((one) => one.readAt[1])),
    ];
    const roundOrder = desk.round.order;
    desk.round = undefined;
    if (desk.digestsSince !== undefined && desk.digestsSince <= roundOrder) desk.digestsSince = undefined;
    this.#settle(sheetId, desk, now, readAt);
  }

  #settle(sheetId: number, desk: SheetDesk, now: readonly Digest[], readAt: ReadAt): void {
    const held = this.#state.held(sheetId);
    const found = align(held.rows, now);
    const differing = found.changed.length + found.unknown.length;
    if (differing > MASS_ROWS && differing * 2 > now.length && !desk.columnsTried && held.unknownRows === 0) {
      // So many rows do not change one by one: a column may have come, gone or moved.
      this.#wantDigests(sheetId);
      this.#wantColumns(sheetId);
      return;
    }
    desk.columnsTried = false;
    if (found.moved) {
      this.#emit({ kind: "rows", sheetId, runs: [...found.runs] }, readAt);
      this.#newLayout(sheetId, desk, readAt);
    }
    for (const row of [...found.unknown, ...found.changed]) {
      const digest = now[row];
      if (digest) held.announce(row, announced(digest));
    }
    const open = [...found.unknown, ...found.changed].sort((a, b) => a - b);
    for (const stretch of stretchesOf(found.changed)) this.#doubt(sheetId, stretch);
    desk.unproven = [];
    for (const stretch of stretchesOf(open)) this.#unproven(sheetId, stretch);
    if (found.changed.length > 0 && this.#post.cause !== "edit") desk.restless = true;
    if (!found.moved && open.length === 0 && held.unknownRows === 0) desk.checkedAt = readAt[0];
  }

  /** Columns that came, went or moved travel as runs; what a new one holds is found by the rows' digests. */
  #takeColumnDigests(
    reading: ReadingOf<"digests">,
    arrival: Arrival,
    desk: SheetDesk,
    digests: readonly Digest[],
    sheetColumns: number,
  ): void {
    const { sheetId, from, to, usedColumns, readAt } = reading;
    const held = this.#state.held(sheetId);
    const isTimely =
      isAboveFloor(this.#desk, arrival, this.#now) &&
      overlapping(this.#desk, arrival).every((stamp) => isAfter(arrival, stamp));
    desk.seen = { ...desk.seen, columns: sheetColumns, usedColumns };
    if (from !== 0 || to < Math.min(usedColumns, sheetColumns) || !isTimely) {
      this.#wantColumns(sheetId);
      return;
    }
    desk.columnsSince = undefined;
    desk.columnsTried = true;
    remember(this.#desk, arrival, this.#now);
    const before = held.columns();
    const now = [...digests];
    while (now.length < sheetColumns) now.push({ high: 0, low: 0 });
    const found = before && align(before, now);
    if (found ? !found.moved : held.sheet.columns === sheetColumns) return;
    const runs = found ? found.runs.map(columnRun) : plainColumnRuns(held.sheet.columns, sheetColumns);
    this.#emit({ kind: "columns", sheetId, runs }, readAt);
    this.#newLayout(sheetId, desk, readAt);
    this.#wantDigests(sheetId);
  }

  #newLayout(sheetId: number, desk: SheetDesk, readAt: ReadAt): void {
    desk.layout += 1;
    desk.layoutStamp = { readAt, run: this.#post.run, n: this.#post.n, order: this.#desk.order };
    desk.doubts = [];
    desk.unproven = [];
    this.#desk.stamps = this.#desk.stamps.filter((stamp) => stamp.sheetId !== sheetId);
    if (CHECKING.has(this.#post.cause)) this.#healed(1);
  }

  #verified(
    sheetId: number,
    desk: SheetDesk,
    from: number,
    to: number,
    digests: readonly Digest[],
    readAt: ReadAt,
  ): void {
    desk.unproven = cutStretch(desk.unproven, { from, to }, () => true);
    if (!CHECKING.has(this.#post.cause) || to <= from) return;
    const digest = digestText(digestOfWindow(from, digests));
    this.#emit({ kind: "verified", sheetId, window: { from, to }, digest }, readAt);
  }

  // ---------------------------------------------------------------- what is still needed

  /** Formulas reach across sheets: after an edit, sheets that can have changed with it are checked while that is cheap. */
  #checkFormulasAfterEdit(): void {
    // Where the day's trigger time runs low they wait for a call or for the next check.
    if (isScarce(this.#desk.allowance) && !webAppWorks(this.#desk.calls, this.#now)) return;
    const sheets = this.#state.sheetStates().filter((held) => this.#canChangeUnseen(held.sheet.sheetId));
    const cells = sheets.reduce((sum, held) => sum + usedCells(this.#sheetDesk(held.sheet.sheetId)), 0);
    if (cells > limits.editCheckMaxCells) return;
    for (const held of sheets) this.#wantDigests(held.sheet.sheetId);
  }

  #canChangeUnseen(sheetId: number): boolean {
    const held = this.#state.sheetState(sheetId);
    return held !== undefined && (held.formulaRows > 0 || this.#sheetDesk(sheetId).restless);
  }

  #wantDigests(sheetId: number): void {
    const desk = this.#sheetDesk(sheetId);
    desk.digestsSince = this.#desk.order;
    desk.round = undefined;
  }

  /** Where comparing columns would cost too much, their number is set right at once and the rows tell the rest. */
  #wantColumns(sheetId: number): void {
    const desk = this.#sheetDesk(sheetId);
    const held = this.#state.held(sheetId);
    if (held.unknownRows === 0 && usedCells(desk) <= limits.columnCheckMaxCells) {
      desk.columnsSince = this.#desk.order;
      return;
    }
    desk.columnsTried = true;
    const { columns } = held.sheet;
    if (columns === desk.seen.columns) return;
    const readAt: ReadAt = [this.#now, this.#now];
    this.#emit({ kind: "columns", sheetId, runs: plainColumnRuns(columns, desk.seen.columns) }, readAt);
    this.#newLayout(sheetId, desk, readAt);
    this.#wantDigests(sheetId);
  }

  #doubt(sheetId: number, stretch: Stretch): void {
    const desk = this.#sheetDesk(sheetId);
    const since = this.#desk.order;
    desk.doubts = addStretch(desk.doubts, { ...stretch, since }, (a, b) => ({
      ...a,
      since: Math.max(a.since, b.since),
    }));
    this.#unproven(sheetId, stretch);
  }

  /** Only an answer to a want issued after the doubt arose ends it. */
  #closeDoubts(sheetId: number, stretch: Stretch | undefined, lease: Lease | undefined): void {
    const desk = this.#desk.sheets.get(sheetId);
    if (!desk || !stretch || !lease || !("layout" in lease.want) || lease.want.layout !== desk.layout) return;
    desk.doubts = cutStretch(desk.doubts, stretch, (doubt) => doubt.since <= lease.order);
  }

  #unproven(sheetId: number, stretch: Stretch): void {
    const desk = this.#sheetDesk(sheetId);
    desk.unproven = addStretch(desk.unproven, stretch, (a) => a);
  }

  #healed(rows: number): void {
    const { healed } = this.#desk;
    this.#desk.healed = { count: healed.count + rows, lastAt: this.#now, how: this.#post.cause };
  }

  /** An answer to a want of an earlier layout, or a reading not certainly later than the latest layout. */
  #isBeforeLayout(arrival: Arrival, desk: SheetDesk): boolean {
    if (arrival.lease && "layout" in arrival.lease.want && arrival.lease.want.layout !== desk.layout) return true;
    return desk.layoutStamp !== undefined && !isAfter(arrival, desk.layoutStamp);
  }

  #isKnownWithoutGrid(sheetId: number): boolean {
    return this.#state.spreadsheet?.sheets.some((sheet) => sheet.sheetId === sheetId && sheet.kind !== "GRID") ?? false;
  }

  #sheetDesk(sheetId: number): SheetDesk {
    const known = this.#desk.sheets.get(sheetId);
    if (known) return known;
    const sheet = this.#state.sheetState(sheetId)?.sheet;
    const size = { rows: sheet?.rows ?? 0, columns: sheet?.columns ?? 0 };
    const desk = emptySheetDesk({ ...size, usedRows: size.rows, usedColumns: size.columns });
    this.#desk.sheets.set(sheetId, desk);
    return desk;
  }
}

/** Cells in the used part of a sheet, as last seen. */
export const usedCells = (desk: SheetDesk): number => desk.seen.usedRows * desk.seen.usedColumns;

/** The spreadsheet as a change tells it: how many rows and columns a held sheet has is told by changes of their own. */
function spreadsheetAsHeld(spreadsheet: Spreadsheet, state: SpreadsheetState): Spreadsheet {
  const sheets = spreadsheet.sheets.map((read) => {
    const sheet = { ...read };
    delete sheet.usedRows;
    delete sheet.usedColumns;
    const held = state.sheetState(sheet.sheetId);
    return held ? { ...sheet, rows: held.rows.length, columns: held.sheet.columns } : sheet;
  });
  return { ...spreadsheet, sheets };
}

/** A new column is blank until its rows are read. */
const columnRun = (run: RowRun): ColumnRun =>
  "keep" in run ? run : { blank: "put" in run ? run.put.length : "blank" in run ? run.blank : run.unknown };

function plainColumnRuns(before: number, after: number): ColumnRun[] {
  const runs: ColumnRun[] = [];
  if (Math.min(before, after) > 0) runs.push({ keep: [0, Math.min(before, after)] });
  if (after > before) runs.push({ blank: after - before });
  return runs;
}

const wantedRows = (lease: Lease | undefined): Stretch | undefined =>
  lease?.want.kind === "cells" ? { from: lease.want.range.startRowIndex, to: lease.want.range.endRowIndex } : undefined;

const wantedWidth = (lease: Lease | undefined): number | undefined =>
  lease?.want.kind === "cells" ? lease.want.range.endColumnIndex : undefined;
