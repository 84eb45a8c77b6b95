/** What is open on the desk, and how a check puts more there. */
import { limits } from "@sheetwire/shared/limits";
import type { SpreadsheetState } from "../sheets/sheets.ts";
import { noteClock } from "./clock.ts";
import { sheetDeskOf, usedCells, type Desk, type SheetDesk } from "./desk.ts";
import { lengthOf } from "./stretches.ts";

/** What there is to ask for. */
export type OpenWork = {
  /** Lists of sheets, digests and rows that are needed. */
  readonly openItems: number;
  /** Rows of them whose content is not known at all. */
  readonly unknownRows: number;
  /** Rows that are believed and wait for their proof, those left out whose proof is put off. */
  readonly unprovenRows: number;
  /** When the first look at a whole sheet that is put off is due. */
  readonly putOffUntil: number | undefined;
};

/** Costs a look at every sheet, not at every row. */
export function openWork(state: SpreadsheetState, desk: Desk, now: number): OpenWork {
  noteClock(desk, now);
  let openItems = desk.sheetsSince === undefined ? 0 : 1;
  let unknownRows = 0;
  let unprovenRows = 0;
  let putOffUntil: number | undefined;
  for (const held of state.sheetStates()) {
    const sheet = desk.sheets.get(held.sheet.sheetId);
    if (!sheet) continue;
    if (sheet.digestsSince !== undefined || sheet.columnsSince !== undefined) openItems += 1;
    openItems += lengthOf(sheet.doubts) + held.unknownRows;
    unknownRows += held.unknownRows;
    const dueAt = sheet.recheck?.dueAt;
    if (dueAt !== undefined && dueAt <= now) unprovenRows += held.rows.length;
    else unprovenRows += lengthOf(sheet.unproven);
    if (dueAt !== undefined && dueAt > now) putOffUntil = Math.min(putOffUntil ?? dueAt, dueAt);
  }
  return { openItems, unknownRows, unprovenRows, putOffUntil };
}

/** Until when somebody who was asked has time to answer; undefined when nobody is out. */
export function answeringUntil(desk: Desk, now: number): number | undefined {
  let until: number | undefined;
  for (const lease of desk.leases.values()) {
    if (lease.until > now) until = Math.max(until ?? 0, lease.until);
  }
  return until;
}

/** This run answers nothing more: what it was asked for can be asked of others. */
export function letGo(desk: Desk, run: string): void {
  for (const [id, lease] of desk.leases) if (lease.run === run) desk.leases.delete(id);
}

/** A check that was asked for reads everything; every check reads again what changed until digests agree. */
export function wantCheck(state: SpreadsheetState, desk: Desk, all: boolean, now: number): void {
  for (const held of state.sheetStates()) {
    const sheet = sheetDeskOf(desk, held.sheet.sheetId, { rows: held.rows.length, columns: held.sheet.columns });
    if (all && sheet.volatile.length > 0) sheet.volatileDue = true;
    if (sheet.digestsSince !== undefined) continue;
    if (sheet.doubts.length > 0 || held.unknownRows > 0) continue;
    // What changed in a large sheet is proven by itself, see issueProof; a small one is as easily read whole.
    const isDue = sheet.recheck?.dueAt !== undefined && sheet.recheck.dueAt <= now;
    if (!all && !isDue && sheet.checkedAt !== undefined && (sheet.unproven.length === 0 || isLarge(sheet))) continue;
    sheet.digestsSince = desk.order;
    sheet.round = undefined;
    sheet.probe = "whole";
  }
}

/** All its digests are the work of several runs: single rows tell where rows came or went, and it is seldom looked at whole. */
export const isVeryLarge = (desk: SheetDesk): boolean => usedCells(desk) > 3 * limits.digestWantMaxCells;

/** More than the digests of one want tell of. */
export const isLarge = (desk: SheetDesk): boolean => usedCells(desk) > limits.digestWantMaxCells;
