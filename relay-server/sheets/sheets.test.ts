import { emptyModel, applyChange } from "@sheetwire/shared/grid";
import type { ColumnRun, RowRun } from "@sheetwire/shared/protocol";
import fc from "fast-check";
import { expect, test } from "vitest";
import { SpreadsheetState, type ChangeContent } from "./sheets.ts";

const ROWS = 12;
const sheet = { sheetId: 7, title: "Data", index: 0, rows: ROWS, columns: 2, hidden: false, kind: "GRID" };
const cell = fc.constantFrom(null, 1, "a", { v: 3, f: "=1+2" });
const rowsOf = (length: number) => fc.array(fc.array(cell, { maxLength: 2 }), { minLength: length, maxLength: length });

/** Runs over as many rows as there are: what is kept stays, or is turned round. */
const runs = fc
  .array(fc.record({ kind: fc.constantFrom("keep", "put", "blank", "unknown"), length: fc.nat(4), put: rowsOf(4) }))
  .map((parts) => {
    const made: RowRun[] = [];
    let at = 0;
    for (const { kind, length, put } of [...parts, { kind: "keep", length: ROWS, put: [] }]) {
      const some = Math.min(length, ROWS - at);
      if (some === 0) continue;
      if (kind === "keep") made.push({ keep: [at, some] });
      else if (kind === "put") made.push({ put: put.slice(0, some) });
      else made.push(kind === "blank" ? { blank: some } : { unknown: some });
      at += kind === "put" ? Math.min(some, put.length) : some;
    }
    return made;
  });
const change: fc.Arbitrary<ChangeContent> = fc.oneof(
  runs.map((one) => ({ kind: "rows" as const, sheetId: 7, runs: one })),
  runs.map((one) => ({ kind: "rows" as const, sheetId: 7, runs: one.toReversed() })),
  fc.record({ row: fc.nat(ROWS - 3), cells: rowsOf(3) }).map(({ row, cells }) => ({
    kind: "cells" as const,
    sheetId: 7,
    at: { row, column: 0 },
    cells,
  })),
);

/** Given how many columns there are: some come at the end, in front or go. The first two stay, for cells to be put there. */
const columnChange = fc
  .constantFrom<(columns: number) => ColumnRun[]>(
    (columns) => [{ keep: [0, columns] }, { blank: 1 }],
    (columns) => [{ blank: 1 }, { keep: [0, columns] }],
    (columns) => [{ keep: [0, columns] }, { blank: 1 }, { blank: 2 }],
    () => [{ keep: [0, 2] }],
    (columns) => [{ keep: [1, columns - 1] }, { keep: [0, 1] }],
  )
  .map((runsFor) => (columns: number) => ({ kind: "columns" as const, sheetId: 7, runs: runsFor(columns) }));

test("rows that stay where they are cost nothing, and all is counted as if they had been looked at", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(change, columnChange), { maxLength: 8 }), async (changes) => {
      const state = new SpreadsheetState("s", { epoch: "e", seq: 0, chain: "0000000000000000" });
      const model = emptyModel();
      const spreadsheet = { title: "t", locale: "en", timeZone: "UTC", sheets: [sheet] };
      for (const draft of [{ kind: "sheets" as const, spreadsheet }, ...changes]) {
        const one = typeof draft === "function" ? draft(state.held(7).sheet.columns) : draft;
        state.apply(one);
        applyChange(model, { ...one, seq: 1, loggedAt: 1, cause: "edit", readAt: [1, 1] });
      }
      const rows = Array.from({ length: ROWS }, (_, row) => state.row(7, row));
      expect(rows).toEqual(model.sheets.get(7)?.rows);
      const again = await SpreadsheetState.fromLines("s", state.snapshotLines());
      expect(state.digest()).toBe(again?.digest());
      const counts = (one: SpreadsheetState | undefined): unknown[] => {
        const held = one?.sheetState(7);
        return [held?.unknownRows, held?.formulaRows, held?.rows.length, one?.heldBytes];
      };
      expect(counts(state)).toEqual(counts(again));
    }),
    { numRuns: 300 },
  );
});
