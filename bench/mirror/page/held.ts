/** The mirror of one spreadsheet, opened by one of its doors, and the changes that the bench makes to it. */
import type { Change, Cursor, GridRange, Row } from "@sheetwire/shared/protocol";
import type { CopyWriter, Mirror } from "../../../extension/mirror/mirror.ts";
import { VIEW_COLUMNS, VIEW_ROWS, type Cell, type Edit, type Place } from "./peer.ts";

export const SPREADSHEET_ID = "bench-of-the-mirror-0123456789";
export const SHEET_ID = 7;

export type Held<C> = {
  readonly mirror: Mirror<C>;
  readonly copy: C;
  /** Reads where the copy stands, as who follows the relay does first. */
  lookUp: () => Promise<void>;
  edit: (edit: Edit) => Promise<void>;
  insertTop: (cells: Cell[]) => Promise<void>;
  /** What a load has put there. */
  stands: (cursor: Cursor, rows: number) => void;
};

/** Opens the mirror, and its copy of the sheet. */
export async function openCopy<C>(
  open: () => Promise<{ ok: true; mirror: Mirror<C> } | { ok: false; why: string; detail: string }>,
): Promise<{ mirror: Mirror<C>; copy: C }> {
  const opened = await open();
  if (!opened.ok) throw new Error(`The mirror was not opened: ${opened.why}, ${opened.detail}`);
  return { mirror: opened.mirror, copy: opened.mirror.of(SPREADSHEET_ID) };
}

/** Opens the mirror for whoever changes the copy. */
export async function openHeld<C extends CopyWriter>(open: Parameters<typeof openCopy<C>>[0]): Promise<Held<C>> {
  const { mirror, copy } = await openCopy(open);
  let cursor: Cursor | undefined;
  let rowCount: number | undefined;

  const lookUp = async (): Promise<void> => void (cursor ??= await copy.cursor());

  const take = async (change: (common: Common) => Change): Promise<void> => {
    await lookUp();
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
    lookUp,
    edit: ({ row, column, cell, was }) =>
      take((common) => ({ kind: "cells", ...common, at: { row, column }, cells: [[cell]], was: [[was]] })),
    async insertTop(cells: Row) {
      rowCount ??= (await copy.sheets())?.sheets[0]?.rows ?? 0;
      const kept: [number, number] = [0, rowCount];
      rowCount += 1;
      await take((common) => ({ kind: "rows", ...common, runs: [{ put: [cells] }, { keep: kept }] }));
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
