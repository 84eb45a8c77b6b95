/**
 * Sees everything that was ever in the table, and every change of the log as it becomes durable, and says at once what cannot
 * be: a proof of what was not there, a row that never was, a change that changes nothing, a hole. A copy that ends equal may
 * still have lied on the way.
 */
import { FIRST_CHAIN, nextChain } from "@sheetwire/shared/digest";
import { applyChange, canonicalRow, emptyModel, formulaOf } from "@sheetwire/shared/grid";
import type { Cell, Change, Row } from "@sheetwire/shared/protocol";
import { partsOf, type Append, type NewEntry } from "../../relay-server/log/log.ts";
import { loadDesk, type Desk } from "../../relay-server/wants/wants.ts";
import type { Clock } from "./clock.ts";
import type { Table } from "./table.ts";
import type { DayPlan } from "./weather.ts";

export type Sheets = { sheetId: number; title: string; columns: number; rows: (Row | null)[] }[];

export type Witness = {
  /** The table is otherwise than before. */
  look: () => void;
  /** What one post brought is in the log. */
  hear: (append: Append) => void;
  /** A check of everything begins. */
  checkBegins: () => void;
  /** The log begins anew: its tail was lost. */
  startOver: () => void;
  /** The state that the log tells of so far. */
  told: () => Sheets;
  readonly problems: readonly string[];
};

/** Between what a look at a window says of its first and of its last row. */
const ONE_LOOK_MS = 800;

/** What a sheet was from one moment on: its rows as texts. */
type Version = { readonly at: number; readonly rows: readonly string[] };

export function createWitness(
  table: Table,
  clock: Pick<Clock, "now">,
  { oath, odds }: Pick<DayPlan, "oath" | "odds">,
): Witness {
  const { clockSkewMs } = odds;
  const versions = new Map<number, Version[]>();
  const known = new Map<number, Set<string>>();
  const problems: string[] = [];
  /** How often a row that changes by itself was told of. */
  const toldOf = new Map<string, number>();
  let checks = 0;
  /** When the order of a sheet's rows was read last. */
  const orderedAt = new Map<number, number>();
  let model = emptyModel();
  let seq = 0;
  let chain = FIRST_CHAIN;

  function look(): void {
    for (const { sheetId, rows } of table.truth()) {
      const texts = rows.map(textOf);
      const before = versions.get(sheetId) ?? [];
      const last = before[before.length - 1];
      if (last && last.rows.length === texts.length && texts.every((text, row) => text === last.rows[row])) continue;
      versions.set(sheetId, [...before, { at: clock.now(), rows: texts }]);
      const seen = known.get(sheetId) ?? new Set(["[]"]);
      for (const text of texts) seen.add(text);
      known.set(sheetId, seen);
    }
  }

  function hear({ entry, desk }: Append): void {
    if (entry) hearEntry(entry);
    if (oath.inPlace && desk !== undefined) checkSheets(loadDesk(desk, 0));
  }

  function hearEntry(entry: NewEntry): void {
    for (const part of partsOf(entry.json)) {
      const change = JSON.parse(part) as Change;
      if (change.seq !== seq + 1) problems.push(`after change ${seq} the log goes on with ${change.seq}`);
      seq = change.seq;
      chain = nextChain(chain, part);
      if (changesNothing(change)) problems.push(`change ${seq} changes nothing`);
      try {
        applyChange(model, change);
      } catch (error) {
        problems.push(`change ${seq} does not fit: ${String(error)}`);
        return;
      }
      if (change.kind === "verified") checkProof(change);
      if (change.kind === "rows") orderedAt.set(change.sheetId, change.readAt[1]);
      if (oath.wholeRows) checkRows(change);
      if (oath.onceACheck) countRestless(change);
    }
    if (chain !== entry.chain) problems.push(`the chain breaks at change ${seq}`);
  }

  /** What was proven was there, each row at its place, at some moment of the reading. */
  function checkProof({ sheetId, window, readAt, seq: at }: Extract<Change, { kind: "verified" }>): void {
    const held = model.sheets.get(sheetId)?.rows ?? [];
    const all = versions.get(sheetId) ?? [];
    const from = readAt[0] - clockSkewMs;
    const to = readAt[1] + clockSkewMs;
    const then = all.filter((version, index) => version.at <= to && (all[index + 1]?.at ?? Infinity) >= from);
    for (let row = window.from; row < window.to; row += 1) {
      const text = textOf(held[row] ?? []);
      if (then.some((version) => (version.rows[row] ?? "[]") === text)) continue;
      problems.push(`change ${at} proves row ${row} of sheet ${sheetId}, which was not there`);
      return;
    }
  }

  function checkRows(change: Change): void {
    if (change.kind !== "cells" && change.kind !== "rows") return;
    const seen = known.get(change.sheetId);
    const held = model.sheets.get(change.sheetId)?.rows ?? [];
    const never = held.findIndex((row) => row !== null && !seen?.has(textOf(row)));
    if (never >= 0) problems.push(`with change ${change.seq}, row ${never} of sheet ${change.sheetId} never was`);
  }

  function checkSheets(desk: Desk): void {
    if (desk.sheetsSince !== undefined) return;
    for (const [sheetId, sheet] of desk.sheets) {
      const isOpen =
        sheet.digestsSince !== undefined || sheet.columnsSince !== undefined || sheet.recheck?.dueAt !== undefined;
      const listed = [sheet.doubts, sheet.unproven, sheet.volatile];
      const held = model.sheets.get(sheetId)?.rows ?? [];
      if (isOpen || listed.some((one) => one.length > 0) || held.includes(null)) continue;
      const all = versions.get(sheetId) ?? [];
      const since = (orderedAt.get(sheetId) ?? 0) - ONE_LOOK_MS;
      const then = all.filter((_, index) => (all[index + 1]?.at ?? Infinity) >= since);
      const never = held.findIndex((row, at) => !then.some(({ rows }) => rows[at] === textOf(row ?? [])));
      if (never < 0) continue;
      problems.push(`after change ${seq} row ${never} of sheet ${sheetId} counts as proven and was not there`);
    }
  }

  function countRestless(change: Change): void {
    if (change.kind !== "cells" || !change.was) return;
    change.cells.forEach((_, offset) => {
      const row = change.at.row + offset;
      const held = model.sheets.get(change.sheetId)?.rows[row] ?? [];
      if (!held.some((cell) => steady(cell) === "now")) return;
      const key = `row ${row} of sheet ${change.sheetId}`;
      const times = (toldOf.get(key) ?? 0) + 1;
      toldOf.set(key, times);
      if (times > checks) problems.push(`${key} was told ${times} times in ${checks} checks`);
    });
  }

  look();
  return {
    look,
    hear,
    startOver() {
      model = emptyModel();
      seq = 0;
      chain = FIRST_CHAIN;
    },
    told() {
      const sheets = [...model.sheets.values()].sort((a, b) => a.sheet.index - b.sheet.index);
      return sheets.map(({ sheet, rows }) => ({
        sheetId: sheet.sheetId,
        title: sheet.title,
        columns: sheet.columns,
        rows,
      }));
    },
    checkBegins: () => void (checks += 1),
    problems,
  };
}

/** A row as text; what a volatile formula shows does not count. */
const textOf = (row: Row): string => JSON.stringify(row.map(steady));

const steady = (cell: Cell): Cell => (formulaOf(cell) === "=NOW()" ? "now" : cell);

/** Cells that are told to be what they were. */
const changesNothing = (change: Change): boolean =>
  change.kind === "cells" &&
  change.was !== undefined &&
  JSON.stringify(change.cells.map(canonicalRow)) === JSON.stringify(change.was.map(canonicalRow));
