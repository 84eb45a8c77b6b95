/**
 * The story of one cell: the log read backwards, the cell's row and column followed to where they stood before. The log is
 * read in pieces of a bounded size, so a long story costs time and no memory.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { rowBefore, sameCell, widthOf } from "@sheetwire/shared/grid";
import type { Cell, Cause, Change } from "@sheetwire/shared/protocol";
import { partsOf, type ChangeLog } from "../log/log.ts";

/** The cell took other contents. `was` is absent where it was not known. */
export type HistoryEntry = {
  readonly seq: number;
  /** By the relay's clock, in milliseconds since 1970. */
  readonly loggedAt: number;
  readonly cause: Cause;
  readonly actor?: string | undefined;
  readonly was?: Cell;
  readonly now: Cell;
};

/**
 * Why the story goes no further back.
 *
 * - `beginning`: the cell's row, its column, its sheet or the log began there.
 * - `trimmed`: the log no longer reaches further.
 * - `limit`: there were as many entries as were asked for, or more changes than one answer looks through.
 */
export type HistoryEnd = "beginning" | "trimmed" | "limit";

export type History = {
  /** Newest first. */
  readonly entries: readonly HistoryEntry[];
  readonly end: HistoryEnd;
  /** With `limit`: where the story goes on, as far as it was told. */
  readonly rest?: { readonly seq: number; readonly place: Place } | undefined;
};

export type Place = { readonly sheetId: number; readonly row: number; readonly column: number };

/** Pieces of about this size are read, in bytes. */
const PIECE_BYTES = 512 * 1024;
/** At first so many changes are read at once; fewer where they are large. */
const PIECE_CHANGES = 512;
/** One answer looks through so many changes. */
const MOST_CHANGES = 200_000;

/**
 * The story of the cell that stands at `place` after change `seq`, of at most `limit` entries. Of a story that was told in
 * part, the rest is the story of `rest.place` after `rest.seq`.
 */
export async function historyOf(
  log: Pick<ChangeLog, "readAfter" | "floor">,
  spreadsheetId: string,
  seq: number,
  place: Place,
  limit: number,
  mostChanges = MOST_CHANGES,
): Promise<History> {
  const entries: HistoryEntry[] = [];
  let at: Place = place;
  let looked = 0;
  for await (const change of backwards(log, spreadsheetId, seq)) {
    looked += 1;
    const step = stepBack(change, at);
    if (step.entry) {
      if (entries.length === limit) return { entries, end: "limit", rest: { seq: change.seq, place: at } };
      entries.push(step.entry);
    }
    if (!step.before) return { entries, end: "beginning" };
    at = step.before;
    if (looked === mostChanges) return { entries, end: "limit", rest: { seq: change.seq - 1, place: at } };
  }
  return { entries, end: (await log.floor(spreadsheetId)) > 0 ? "trimmed" : "beginning" };
}

type Step = {
  readonly entry?: HistoryEntry | undefined;
  /** Where the cell stood before; absent where there was no such cell. */
  readonly before?: Place | undefined;
};

/** What one change did to the cell that stands at `at` after it. */
function stepBack(change: Change, at: Place): Step {
  if (change.kind === "verified") return { before: at };
  if (change.kind === "sheets") {
    const isThere = change.spreadsheet.sheets.some((sheet) => sheet.sheetId === at.sheetId);
    return isThere ? { before: at } : {};
  }
  if (change.sheetId !== at.sheetId) return { before: at };
  if (change.kind === "columns") {
    const column = rowBefore(at.column, change.runs);
    return column === undefined ? {} : { before: { ...at, column } };
  }
  if (change.kind === "rows") {
    const row = rowBefore(at.row, change.runs);
    if (row !== undefined) return { before: { ...at, row } };
    const now = putAt(change, at.row)?.[at.column] ?? null;
    return now === null ? {} : { entry: entryOf(change, now) };
  }
  const offset = at.row - change.at.row;
  const across = at.column - change.at.column;
  const isInside = offset >= 0 && offset < change.cells.length && across >= 0 && across < widthOf(change.cells);
  if (!isInside) return { before: at };
  const now = change.cells[offset]?.[across] ?? null;
  const was = change.was ? (change.was[offset]?.[across] ?? null) : undefined;
  // Of a row that became known, a blank cell tells nothing.
  const isSilent = was === undefined ? now === null : sameCell(was, now);
  return { before: at, entry: isSilent ? undefined : entryOf(change, now, was) };
}

function entryOf({ seq, loggedAt, cause, actor }: Change, now: Cell, was?: Cell): HistoryEntry {
  return {
    seq,
    loggedAt,
    cause,
    ...(actor === undefined ? {} : { actor }),
    ...(was === undefined ? {} : { was }),
    now,
  };
}

/** The cells that came with a new row, where they did. */
function putAt({ runs }: Extract<Change, { kind: "rows" }>, row: number): readonly Cell[] | undefined {
  let at = 0;
  for (const run of runs) {
    if ("put" in run) {
      if (row < at + run.put.length) return run.put[row - at];
      at += run.put.length;
    } else at += "keep" in run ? run.keep[1] : "blank" in run ? run.blank : run.unknown;
    if (row < at) return undefined;
  }
  return undefined;
}

/** The changes up to `seq`, newest first, as far as the log reaches. */
async function* backwards(
  log: Pick<ChangeLog, "readAfter" | "floor">,
  spreadsheetId: string,
  seq: number,
): AsyncGenerator<Change> {
  let end = seq;
  let step = PIECE_CHANGES;
  while (end > 0) {
    const floor = await log.floor(spreadsheetId);
    if (end <= floor) return;
    const from = Math.max(floor, end - step);
    const piece = await log.readAfter(spreadsheetId, from, PIECE_BYTES);
    const last = piece.at(-1)?.lastSeq ?? 0;
    if (last < end) {
      // Trimmed while it was being read, or the changes are large: fewer at once.
      if (piece.length === 0) return;
      step = Math.max(1, Math.floor(step / 2));
      continue;
    }
    for (const entry of piece.toReversed()) {
      if (entry.firstSeq > end) continue;
      const texts = partsOf(entry.json);
      for (let at = texts.length - 1; at >= 0; at -= 1) {
        const number = entry.firstSeq + at;
        // The log holds what changeSchema once let pass.
        if (number <= end && number > from) yield JSON.parse(texts[at] ?? "") as Change;
      }
    }
    end = from;
    step = Math.min(PIECE_CHANGES, step * 2);
    // However far back the story goes, the others have their turns.
    await nextTurn();
  }
}
