/** Digests of rows: windows are put together to a round, which tells what moved, what changed and what is proven. */
import { digestOfWindow, digestText, unpackDigests } from "@sheetwire/shared/digest";
import { limits } from "@sheetwire/shared/limits";
import { announced, BLANK, hasDigest } from "../../sheets/sheets.ts";
import { align } from "../align.ts";
import type { Lease, Round, SheetDesk } from "../desk.ts";
import { isAboveFloor, isAfterAll, isInOneMoment, remember, someOverlapping } from "../placing.ts";
import { cutStretch, gapsIn, includes, stretchesOf } from "../stretches.ts";
import type { Digest, ReadAt, ReadingOf } from "../types.ts";
import { takeColumnDigests, wantColumns } from "./columns.ts";
import {
  arrivalOf,
  deskOf,
  doubt,
  isBeforeLayout,
  isChecking,
  isKnownWithoutGrid,
  isPossible,
  leaveUnproven,
  newLayout,
  wantDigests,
  type Folding,
} from "./folding.ts";
import { takeProbed } from "./probing.ts";
import { rowsToRead } from "./volatile.ts";

/** With more differing rows than this, and more than half, columns are compared before rows are read. */
const MASS_ROWS = 20;

export function takeDigests(fold: Folding, reading: ReadingOf<"digests">, lease: Lease | undefined): void {
  const { sheetId, from, to, axis, usedRows, usedColumns } = reading;
  const held = fold.state.sheetState(sheetId);
  const digests = unpackDigests(reading.digests);
  if (!digests) return;
  if (!held) {
    if (!isKnownWithoutGrid(fold, sheetId)) fold.desk.sheetsSince = fold.desk.order;
    return;
  }
  const desk = deskOf(fold, sheetId);
  const sheetRows = reading.sheetRows ?? desk.seen.rows;
  const sheetColumns = reading.sheetColumns ?? held.sheet.columns;
  const isOtherSize = sheetRows !== held.rows.length || sheetColumns !== held.sheet.columns;
  if (isOtherSize && !isPossible(fold, sheetId, reading.sheetRows ?? 1, sheetColumns)) {
    // Nothing of it is believed: what sheets there are is learned first.
    fold.desk.sheetsSince = fold.desk.order;
    return;
  }
  // A look down to the last filled row says of everything behind it that it is blank.
  const isEnd = axis === "rows" && to >= Math.min(usedRows, sheetRows);
  const area = {
    top: axis === "rows" ? from : 0,
    bottom: axis === "rows" && !isEnd ? Math.max(to, from + 1) : limits.spreadsheetMaxCells,
    left: 0,
    right: limits.sheetMaxColumns,
  };
  const arrival = arrivalOf(fold, sheetId, area, reading.readAt, lease);
  if (isBeforeLayout(arrival, desk)) {
    wantDigests(fold, sheetId);
    return;
  }
  if (axis === "columns") {
    takeColumnDigests(fold, reading, arrival, desk, digests, sheetColumns);
    return;
  }
  if (sheetColumns !== held.sheet.columns) {
    desk.seen = { ...desk.seen, columns: sheetColumns };
    wantColumns(fold, sheetId);
    return;
  }
  desk.seen = { ...desk.seen, rows: sheetRows, usedRows, usedColumns };
  const isEqual = (at: number, digest: Digest): boolean => {
    const row = held.rows[at];
    return row !== undefined && row.json !== null && hasDigest(row, digest);
  };
  const allEqual =
    sheetRows === held.rows.length &&
    digests.every((digest, offset) => isEqual(from + offset, digest) || includes(desk.volatile, from + offset));
  const isCertain = isAfterAll(fold.desk, arrival) && isAboveFloor(fold.desk, arrival, fold.now);
  const saysNothingNew = (): boolean =>
    allEqual &&
    !(isEnd && held.rows.findLastIndex((row) => row !== BLANK) >= to) &&
    !someOverlapping(fold.desk, arrival, (stamp) => isInOneMoment(arrival, stamp));
  if (!isCertain && !saysNothingNew()) {
    wantDigests(fold, sheetId);
    return;
  }
  remember(fold.desk, arrival, fold.now);
  if (takeProbed(fold, sheetId, desk, { from, sheetRows, readAt: reading.readAt }, digests, lease)) return;
  if (allEqual && lease) tellVerified(fold, sheetId, desk, from, to, digests, reading.readAt);
  if (desk.digestsSince === undefined && !desk.round && (from > 0 || to < Math.min(usedRows, sheetRows))) {
    // A window read for its proof alone. If it is not as it is held, rows may have moved: all are looked at.
    if (!allEqual) wantDigests(fold, sheetId);
    return;
  }
  collect(fold, sheetId, desk, { from, to, digests, readAt: reading.readAt, isEnd }, sheetRows, usedRows, lease);
}

/** Windows of one round are put together; when all are there, the rows as they are now are compared with those held. */
function collect(
  fold: Folding,
  sheetId: number,
  desk: SheetDesk,
  piece: Round["pieces"][number],
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
  const whole = pieces.filter((one) => one.to <= reach);
  // That what lies behind is blank is as old as the look that came there.
  if (reach < Math.min(usedRows, sheetRows) || !whole.some((one) => one.isEnd)) return;
  const now = whole.flatMap((one) => one.digests);
  const readAt: ReadAt = [
    Math.min(...whole.map((one) => one.readAt[0])),
    Math.max(...whole.map((one) => one.readAt[1])),
  ];
  const roundOrder = desk.round.order;
  desk.round = undefined;
  if (desk.digestsSince !== undefined && desk.digestsSince <= roundOrder) desk.digestsSince = undefined;
  settle(fold, sheetId, desk, { now, sheetRows, order: roundOrder }, readAt, whole.length === 1);
}

/** Rows behind those of `now` are blank. `order`: when it was asked for. `isOneLook`: all of it was read by one want. */
function settle(
  fold: Folding,
  sheetId: number,
  desk: SheetDesk,
  { now, sheetRows, order }: { now: readonly Digest[]; sheetRows: number; order: number },
  readAt: ReadAt,
  isOneLook: boolean,
): void {
  const held = fold.state.held(sheetId);
  const found = align(held.rows, now, sheetRows);
  const differing = found.unknown.length + found.changed.filter((row) => !includes(desk.volatile, row)).length;
  if (differing > MASS_ROWS && differing * 2 > sheetRows && !desk.columnsTried && held.unknownRows === 0) {
    // So many rows do not change one by one: a column may have come, gone or moved.
    wantDigests(fold, sheetId);
    desk.probe = "whole";
    wantColumns(fold, sheetId);
    return;
  }
  desk.columnsTried = false;
  desk.probe = undefined;
  desk.untaken = [];
  if (desk.recheck && (desk.recheck.since ?? 0) <= order)
    desk.recheck = { ...desk.recheck, dueAt: undefined, isOpen: false };
  if (found.moved || found.known) fold.emit({ kind: "rows", sheetId, runs: [...found.runs] }, readAt);
  if (found.moved) newLayout(fold, sheetId, desk, readAt);
  const toRead = rowsToRead(fold, desk, found.changed);
  for (const row of [...found.unknown, ...found.changed]) {
    const digest = now[row];
    if (digest) held.announce(row, announced(digest));
  }
  const open = [...found.unknown, ...toRead].sort((a, b) => a - b);
  for (const stretch of stretchesOf(toRead)) doubt(fold, sheetId, stretch);
  desk.unproven = [];
  for (const stretch of stretchesOf(open)) leaveUnproven(fold, sheetId, stretch);
  // What moved between the looks at two windows is in neither or in both: no row is where it is said to be until all of
  // them have been looked at again.
  if (found.moved && !isOneLook) leaveUnproven(fold, sheetId, { from: 0, to: held.rows.length });
  if (toRead.length > 0 && fold.post.cause !== "edit") desk.restless = true;
  if (!found.moved && open.length === 0 && held.unknownRows === 0) desk.checkedAt = readAt[0];
}

function tellVerified(
  fold: Folding,
  sheetId: number,
  desk: SheetDesk,
  from: number,
  to: number,
  digests: readonly Digest[],
  readAt: ReadAt,
): void {
  desk.unproven = cutStretch(desk.unproven, { from, to }, () => true);
  if (!isChecking(fold) || to <= from) return;
  for (const window of gapsIn({ from, to }, desk.volatile)) {
    const digest = digestText(digestOfWindow(window.from, digests.slice(window.from - from, window.to - from)));
    fold.emit({ kind: "verified", sheetId, window, digest }, readAt);
  }
}
