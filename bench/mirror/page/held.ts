/** The mirror of one spreadsheet, opened by its door, and the changes that the bench makes to it. */
import type { Change, Cursor, GridRange, Row } from "@sheetwire/shared/protocol";
import { openMirror, type Copy, type Mirror } from "../../../extension/mirror/mirror.ts";
import { VIEW_COLUMNS, VIEW_ROWS, type Cell, type Edit, type Place } from "./peer.ts";

export const SPREADSHEET_ID = "bench-of-the-mirror-0123456789";
export const SHEET_ID = 7;

export type Held = {
  readonly mirror: Mirror;
  readonly copy: Copy;
  edit: (edit: Edit) => Promise<void>;
  insertTop: (cells: Cell[]) => Promise<void>;
  /** What a load has put there. */
  stands: (cursor: Cursor, rows: number) => void;
};

export async function openHeld(): Promise<Held> {
  const opened = await openMirror();
  if (!opened.ok) throw new Error(`The mirror was not opened: ${opened.why}, ${opened.detail}`);
  const { mirror } = opened;
  const copy = mirror.of(SPREADSHEET_ID);
  const sheets = await copy.sheets();
  let cursor = sheets?.cursor;
  let rowCount = sheets?.sheets[0]?.rows ?? 0;

  const take = async (change: (common: Common) => Change): Promise<void> => {
    if (!cursor) throw new Error("No copy is held.");
    cursor = { ...cursor, seq: cursor.seq + 1 };
    await copy.take(
      [change({ seq: cursor.seq, loggedAt: 0, cause: "edit", readAt: [0, 0], sheetId: SHEET_ID })],
      cursor,
    );
  };
  return {
    mirror,
    copy,
    edit: ({ row, column, cell }) =>
      take((common) => ({ kind: "cells", ...common, at: { row, column }, cells: [[cell]] })),
    insertTop: (cells: Row) => {
      const kept: [number, number] = [0, rowCount];
      rowCount += 1;
      return take((common) => ({ kind: "rows", ...common, runs: [{ put: [cells] }, { keep: kept }] }));
    },
    stands(at, rows) {
      cursor = at;
      rowCount = rows;
    },
  };
}

type Common = { seq: number; loggedAt: number; cause: "edit"; readAt: [number, number]; sheetId: number };

export const viewOf = ({ row, column }: Place): GridRange => ({
  startRowIndex: row,
  endRowIndex: row + VIEW_ROWS,
  startColumnIndex: column,
  endColumnIndex: column + VIEW_COLUMNS,
});
