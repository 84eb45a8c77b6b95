/**
 * A mirror's copy in memory that holds the promises of extension/mirror's `Copy` (M1 to M4): content and cursor move
 * together, each change once and in order, proofs are checked. It takes the place of IndexedDB where thousands of
 * simulations run in a minute; others run with the real mirror.
 */
import { digestOfRow, digestOfWindow, digestText, seedOf } from "@sheetwire/shared/digest";
import { applyChange, emptyModel, MisfitError, type SpreadsheetModel } from "@sheetwire/shared/grid";
import { snapshotRowsSchema, type Cursor, type Row, type Sheet } from "@sheetwire/shared/protocol";
import { GapError, MismatchError, type Copy } from "../../extension/mirror/mirror.ts";

/** What of a copy the sync uses. */
export type SyncedCopy = Pick<Copy, "cursor" | "take" | "startSnapshot" | "continueSnapshot" | "sheets">;

export type CopyContents = {
  cursor: Cursor | undefined;
  sheets: { sheet: Sheet; rows: (Row | null)[] }[];
};

export type ReadableCopy = SyncedCopy & { contents: () => Promise<CopyContents | undefined> };

export function createMemoryCopy(spreadsheetId: string): ReadableCopy {
  const seed = seedOf(spreadsheetId);
  let model: SpreadsheetModel | undefined;
  let cursor: Cursor | undefined;

  return {
    cursor: async () => cursor,
    async sheets() {
      if (!model?.spreadsheet) return undefined;
      const { title, locale, timeZone } = model.spreadsheet;
      const sheets = [...model.sheets.values()].map((held) => held.sheet);
      return { spreadsheetId, title, locale, timeZone, sheets, whole: true, cursor };
    },
    async take(changes, next) {
      if (changes.length === 0) return;
      if (!model || !cursor) throw new GapError("Changes came, but no copy is held.");
      if (cursor.epoch !== next.epoch) throw new GapError("Changes of another life of the log came.");
      const work = copied(model);
      let { seq } = cursor;
      for (const change of changes) {
        if (change.seq !== seq + 1) throw new GapError(`Holding change ${seq}, but ${change.seq} came next.`);
        seq = change.seq;
        applyChange(work, change);
        if (change.kind === "verified") {
          const rows = work.sheets.get(change.sheetId)?.rows.slice(change.window.from, change.window.to) ?? [];
          const digests = rows.map((row) => digestOfRow(row ?? [], seed));
          if (rows.includes(null) || digestText(digestOfWindow(change.window.from, digests)) !== change.digest) {
            throw new MismatchError("The copy is not what was proven.");
          }
        }
      }
      if (seq !== next.seq) throw new GapError(`The changes end at ${seq}, the cursor says ${next.seq}.`);
      model = work;
      cursor = next;
    },
    // What broke off is begun again.
    continueSnapshot: async () => undefined,
    async startSnapshot(head) {
      const coming = emptyModel();
      const { epoch, seq, chain, spreadsheet } = head;
      applyChange(coming, { kind: "sheets", seq: 1, loggedAt: 0, cause: "sweep", readAt: [0, 0], spreadsheet });
      const put = new Map<number, number>();
      return {
        async putLine(line) {
          const piece = snapshotRowsSchema.safeParse(JSON.parse(new TextDecoder().decode(line)));
          if (!piece.success) return undefined;
          const { sheetId, fromRow, rows } = piece.data;
          const held = coming.sheets.get(sheetId);
          if (!held) throw new MisfitError("Rows of a sheet that the first line does not name.");
          if (fromRow !== (put.get(sheetId) ?? 0)) throw new MisfitError("Rows are missing.");
          rows.forEach((row, offset) => (held.rows[fromRow + offset] = row));
          put.set(sheetId, fromRow + rows.length);
          return rows.length;
        },
        async finish() {
          for (const [sheetId, held] of coming.sheets) {
            if ((put.get(sheetId) ?? 0) !== held.sheet.rows) throw new MisfitError("The snapshot is not whole.");
          }
          model = coming;
          cursor = { epoch, seq, chain };
          return cursor;
        },
        async leave() {},
        async abandon() {
          coming.sheets.clear();
        },
      };
    },
    async contents() {
      if (!model) return undefined;
      return { cursor, sheets: [...model.sheets.values()].map(({ sheet, rows }) => ({ sheet, rows: rows.slice() })) };
    },
  };
}

const copied = (model: SpreadsheetModel): SpreadsheetModel => ({
  spreadsheet: model.spreadsheet,
  sheets: new Map(
    [...model.sheets].map(([sheetId, held]) => [sheetId, { sheet: held.sheet, rows: held.rows.slice() }]),
  ),
});
