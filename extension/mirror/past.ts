import { lengthAfter, rowBefore, sameCell } from "@sheetwire/shared/grid";
import type { Cause, Cell, ColumnRun, Row } from "@sheetwire/shared/protocol";
import type { CopyRecord, LogRecord } from "./database.ts";
import type { Image } from "./image/image.ts";
import type { Copy } from "./mirror.ts";
import { newestFirst } from "./reader.ts";
import { settled } from "./requests.ts";
import { undo } from "./undo.ts";
import type { Views } from "./views.ts";

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

/** What one cell held before, followed back through moved rows and columns. */
export function createHistory(views: Views, spreadsheetId: string): Pick<Copy, "history"> {
  async function history(sheetId: number, row: number, column: number): Promise<CellHistory> {
    const found = await views.short(async ({ image }, transaction) => {
      const entries: HistoryEntry[] = [];
      let reachesTo: number | undefined;
      let [r, c] = [row, column];
      for await (const { change } of entriesBack(transaction(), spreadsheetId, image)) {
        reachesTo = change.seq;
        if (change.kind === "verified" || change.kind === "sheets" || change.sheetId !== sheetId) continue;
        const { seq, loggedAt, cause, actor } = change;
        const common = { seq, loggedAt, cause, ...(actor === undefined ? {} : { actor }) };
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
    });
    return found ?? { entries: [], reachesTo: undefined };
  }
  return { history };
}

/** Changes back from the image's seq, without a hole, as far as they tell all that happened to this copy. */
async function* entriesBack(
  transaction: IDBTransaction,
  spreadsheetId: string,
  image: Image,
): AsyncGenerator<LogRecord["entries"][number]> {
  const record = await settled<CopyRecord | undefined>(transaction.objectStore("copies").get(spreadsheetId));
  let next = image.cursor?.seq ?? 0;
  for await (const one of newestFirst(transaction, spreadsheetId, record?.historyFrom ?? 0, next)) {
    if (one.last !== next) return;
    yield* one.entries.toReversed();
    next = one.first - 1;
  }
}

/** A moment of the past: the seq itself, or the last change that was logged at that time or before. */
export type Moment = { seq: number } | { at: number };

/** How far back the copy can be taken, when it is not as far as was asked. */
export type NotKept = { ok: false; code: "not-kept"; kept: number | undefined };

/**
 * Looks at the copy as it was. It is the copy of now with the changes since then taken back; that is worked out again
 * when the copy goes on.
 */
export async function pastViews(
  views: Views,
  spreadsheetId: string,
  moment: Moment,
): Promise<{ ok: true; views: Views; seq: number } | NotKept> {
  const found = await views.short(async ({ image }, transaction) => {
    const seq = "seq" in moment ? moment.seq : await seqAt(transaction(), spreadsheetId, image, moment.at);
    if (seq === undefined) return { kept: image.cursor?.seq };
    const past = await takenBack(image, transaction(), spreadsheetId, seq);
    return "image" in past ? { seq, image: past.image, from: image } : past;
  });
  if (found?.image === undefined) return { ok: false, code: "not-kept", kept: found?.kept };
  const { seq } = found;
  let known: { from: Image; image: Image } = found;
  const pastOf = async (image: Image, transaction: () => IDBTransaction): Promise<Image> => {
    if (known.from === image) return known.image;
    const past = await takenBack(image, transaction(), spreadsheetId, seq);
    if (!("image" in past)) throw new DOMException("That moment is not kept any more.", "NotFoundError");
    known = { from: image, image: past.image };
    return past.image;
  };
  return {
    ok: true,
    seq,
    views: {
      short: (read) =>
        views.short(async (view, transaction) =>
          read({ ...view, image: await pastOf(view.image, transaction) }, transaction),
        ),
      long: (read) => views.long(read, pastOf),
    },
  };
}

async function seqAt(
  transaction: IDBTransaction,
  spreadsheetId: string,
  image: Image,
  at: number,
): Promise<number | undefined> {
  let first: number | undefined;
  for await (const { change } of entriesBack(transaction, spreadsheetId, image)) {
    if (change.loggedAt <= at) return change.seq;
    first = change.seq;
  }
  // Before all that is known: only the state before the first of it is that of an unknown time.
  return first === undefined ? image.cursor?.seq : undefined;
}

async function takenBack(
  now: Image,
  transaction: IDBTransaction,
  spreadsheetId: string,
  seq: number,
): Promise<{ image: Image } | { kept: number | undefined }> {
  const { cursor } = now;
  if (!cursor || seq > cursor.seq) return { kept: cursor?.seq };
  const image = now.clone();
  let reached = cursor.seq;
  if (reached > seq) {
    for await (const entry of entriesBack(transaction, spreadsheetId, now)) {
      if (!undo(image, entry)) break;
      reached = entry.change.seq - 1;
      if (reached === seq) break;
    }
  }
  if (reached !== seq) return { kept: reached };
  // Which chain the log had then is not known; nothing asks.
  image.cursor = { ...cursor, seq };
  return { image };
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
