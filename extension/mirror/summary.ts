import { cellName, displayOf, formulaOf, lengthAfter, rangeName, sameCell } from "@sheetwire/shared/grid";
import type { Cause, Change, ChangeOf, ColumnRun, Row, RowRun, Spreadsheet } from "@sheetwire/shared/protocol";

/**
 * One entry of the live list: a change in words. A pasted block is one entry, an inserted row is one entry. `before` and
 * `after` are display texts, only of a single cell, and cut where they are long.
 */
export type ChangeSummary = {
  seq: number;
  /** By the relay's clock, in milliseconds since 1970. */
  loggedAt: number;
  cause: Cause;
  actor?: string;
  sheetId?: number;
  sheetTitle?: string;
  /** `read`: rows that were unknown were read for the first time; nobody changed them. */
  what: "cell" | "block" | "read" | "rows" | "columns" | "sheets";
  /** The A1 name of what changed, where it has one. */
  where?: string;
  /** Its top left cell, counted from 0, for going there. */
  place?: { row: number; column: number };
  /** What happened, in words, where it is more than one cell. */
  text?: string;
  before?: string;
  after?: string;
  formula?: string;
  /** Rows read, with `read`. */
  rows?: number;
};

const SHOWN_CHARS = 300;
const cut = (text: string): string => (text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text);
const count = (n: number, noun: string): string => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;

const base = (change: Change): Pick<ChangeSummary, "seq" | "loggedAt" | "cause" | "actor"> => ({
  seq: change.seq,
  loggedAt: change.loggedAt,
  cause: change.cause,
  ...(change.actor === undefined ? {} : { actor: change.actor }),
});

/** Says which cells really differ; `before` is what stood in the rectangle, null where a row was unknown. Null: nothing differs. */
export function summariseCells(
  change: ChangeOf<"cells">,
  before: readonly (Row | null)[],
  width: number,
  sheetTitle: string,
): ChangeSummary | null {
  const { at, sheetId } = change;
  const common = { ...base(change), sheetId, sheetTitle };
  if (before.every((row) => row === null)) {
    const place = { row: at.row, column: 0 };
    return { ...common, what: "read", place, rows: before.length, text: `${count(before.length, "row")} read` };
  }
  const box = { top: Infinity, left: Infinity, bottom: -1, right: -1 };
  let differing = 0;
  change.cells.forEach((cells, r) => {
    for (let c = 0; c < width; c += 1) {
      if (sameCell(cells[c] ?? null, before[r]?.[c] ?? null)) continue;
      differing += 1;
      box.top = Math.min(box.top, r);
      box.bottom = Math.max(box.bottom, r);
      box.left = Math.min(box.left, c);
      box.right = Math.max(box.right, c);
    }
  });
  if (differing === 0) return null;
  const place = { row: at.row + box.top, column: at.column + box.left };
  if (differing > 1) {
    const where = rangeName({
      startRowIndex: place.row,
      endRowIndex: at.row + box.bottom + 1,
      startColumnIndex: place.column,
      endColumnIndex: at.column + box.right + 1,
    });
    return { ...common, what: "block", where, place, text: count(differing, "cell") };
  }
  const after = change.cells[box.top]?.[box.left] ?? null;
  const formula = formulaOf(after);
  return {
    ...common,
    what: "cell",
    where: cellName(place.row, place.column),
    place,
    before: cut(displayOf(before[box.top]?.[box.left] ?? null)),
    after: cut(displayOf(after)),
    ...(formula === undefined ? {} : { formula: cut(formula) }),
  };
}

/** Says what happened to the rows: `unknownOnly` tells whether old rows that are not kept were all unknown. */
export function summariseRows(
  change: ChangeOf<"rows">,
  rowsBefore: number,
  unknownOnly: boolean,
  sheetTitle: string,
): ChangeSummary | null {
  const story = storyOf(change.runs, rowsBefore);
  const common = { ...base(change), sheetId: change.sheetId, sheetTitle };
  if (story.kind === "same") return null;
  const place = { row: story.row, column: 0 };
  const putRows = change.runs.reduce((sum, run) => sum + ("put" in run ? run.put.length : 0), 0);
  if (unknownOnly && story.kind === "replaced") {
    if (putRows === 0) return null;
    return { ...common, what: "read", place, rows: putRows, text: `${count(putRows, "row")} read` };
  }
  return { ...common, what: "rows", place, text: textOf(story, "row", (index) => String(index + 1)) };
}

export function summariseColumns(
  change: ChangeOf<"columns">,
  columnsBefore: number,
  sheetTitle: string,
): ChangeSummary | null {
  const story = storyOf(change.runs, columnsBefore);
  if (story.kind === "same") return null;
  const name = (index: number): string => cellName(0, index).slice(0, -1);
  return {
    ...base(change),
    sheetId: change.sheetId,
    sheetTitle,
    what: "columns",
    place: { row: 0, column: story.row },
    text: textOf(story, "column", name),
  };
}

export function summariseSheets(change: ChangeOf<"sheets">, before: Spreadsheet): ChangeSummary | null {
  const old = new Map(before.sheets.map((sheet) => [sheet.sheetId, sheet]));
  const parts: string[] = [];
  if (before.title !== change.spreadsheet.title)
    parts.push(`spreadsheet renamed to “${cut(change.spreadsheet.title)}”`);
  for (const sheet of change.spreadsheet.sheets) {
    const held = old.get(sheet.sheetId);
    old.delete(sheet.sheetId);
    if (!held) parts.push(`sheet “${sheet.title}” added`);
    else {
      if (held.title !== sheet.title) parts.push(`sheet “${held.title}” renamed to “${sheet.title}”`);
      if (held.hidden !== sheet.hidden) parts.push(`sheet “${sheet.title}” ${sheet.hidden ? "hidden" : "shown"}`);
    }
  }
  for (const gone of old.values()) parts.push(`sheet “${gone.title}” deleted`);
  const order = (spreadsheet: Spreadsheet): string => spreadsheet.sheets.map((sheet) => sheet.sheetId).join();
  if (parts.length === 0 && order(before) !== order(change.spreadsheet)) parts.push("sheets reordered");
  return parts.length === 0 ? null : { ...base(change), what: "sheets", text: parts.join(", ") };
}

/** What runs amount to: how many lines came, how many went, and where the first of them is. */
type Story = {
  kind: "same" | "inserted" | "deleted" | "replaced" | "reordered";
  row: number;
  came: number;
  went: number;
};

function storyOf(runs: readonly (RowRun | ColumnRun)[], before: number): Story {
  let at = 0;
  let old = 0;
  let came = 0;
  let kept = 0;
  let first: number | undefined;
  let inOrder = true;
  for (const run of runs) {
    const length = lengthAfter([run]);
    if ("keep" in run) {
      if (run.keep[0] < old) inOrder = false;
      if (run.keep[0] !== old) first ??= at;
      old = run.keep[0] + length;
      kept += length;
    } else {
      came += length;
      first ??= at;
    }
    at += length;
  }
  const went = before - kept;
  if (old !== before) first ??= at;
  const row = first ?? 0;
  if (!inOrder) return { kind: "reordered", row, came, went };
  if (came === 0 && went === 0) return { kind: "same", row, came, went };
  if (went === 0) return { kind: "inserted", row, came, went };
  return { kind: came === 0 ? "deleted" : "replaced", row, came, went };
}

function textOf({ kind, row, came, went }: Story, noun: string, name: (index: number) => string): string {
  const where = `${noun} ${name(row)}`;
  switch (kind) {
    case "inserted":
      return `${count(came, noun)} inserted ${noun === "row" ? "above" : "before"} ${where}`;
    case "deleted":
      return `${count(went, noun)} deleted at ${where}`;
    case "replaced":
      return came === went
        ? `${count(came, noun)} rewritten from ${where} on`
        : `${count(went, noun)} replaced by ${came.toLocaleString("en")} from ${where} on`;
    case "reordered": {
      const more = [came > 0 ? `${came} inserted` : "", went > 0 ? `${went} deleted` : ""].filter(Boolean).join(", ");
      return `${noun}s reordered${more ? `, ${more}` : ""}`;
    }
    case "same":
      return "";
  }
}
