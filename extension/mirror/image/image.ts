/**
 * A copy as it stands at one seq: the lists that say where its rows are, and what was written since the last checkpoint.
 * Replaying the tail over a checkpoint gives the same image in every context.
 */
import { MisfitError } from "@sheetwire/shared/grid";
import type { Change, Cursor, Spreadsheet } from "@sheetwire/shared/protocol";
import { SheetImage } from "./sheet-image.ts";

export { SheetImage, type BlockOf, type FreshRows, type Piece, type StoredBlock, type Stretch } from "./sheet-image.ts";
export type { Layout } from "./layout.ts";

export class Image {
  readonly copy: string;
  /** Which checkpoint it was made from. */
  readonly revision: number;
  readonly whole: boolean;
  spreadsheet: Spreadsheet;
  cursor: Cursor | undefined;
  readonly sheets: Map<number, SheetImage>;

  constructor(of: {
    copy: string;
    revision: number;
    whole: boolean;
    spreadsheet: Spreadsheet;
    cursor: Cursor | undefined;
    sheets: Map<number, SheetImage>;
  }) {
    this.copy = of.copy;
    this.revision = of.revision;
    this.whole = of.whole;
    this.spreadsheet = of.spreadsheet;
    this.cursor = of.cursor;
    this.sheets = of.sheets;
  }

  clone(): Image {
    const { copy, revision, whole, spreadsheet, cursor } = this;
    const sheets = new Map([...this.sheets].map(([sheetId, sheet]) => [sheetId, sheet.clone()]));
    return new Image({ copy, revision, whole, spreadsheet, cursor, sheets });
  }

  /** In the order of the spreadsheet's tabs. */
  inOrder(): SheetImage[] {
    return [...this.sheets.values()].sort((a, b) => a.sheet.index - b.sheet.index);
  }

  get operations(): number {
    let sum = 0;
    for (const sheet of this.sheets.values()) sum += sheet.operations;
    return sum;
  }

  sheet(sheetId: number, kind: Change["kind"]): SheetImage {
    const sheet = this.sheets.get(sheetId);
    if (!sheet) throw new MisfitError(`A ${kind} change for sheet ${sheetId}, which is not held.`);
    return sheet;
  }

  /** Applies one change; throws where it does not fit, and is void then. Proofs are not looked at here. */
  apply(change: Change): void {
    if (change.kind === "cells") this.sheet(change.sheetId, change.kind).applyCells(change);
    else if (change.kind === "rows") this.sheet(change.sheetId, change.kind).applyRows(change.runs);
    else if (change.kind === "columns") this.sheet(change.sheetId, change.kind).applyColumns(change.runs);
    else if (change.kind === "sheets") this.#applySheets(change.spreadsheet);
  }

  /** A new sheet's rows are unknown; one that stays keeps rows and columns, which changes of their own tell of. */
  #applySheets(spreadsheet: Spreadsheet): void {
    this.spreadsheet = spreadsheet;
    const gone = new Set(this.sheets.keys());
    for (const sheet of spreadsheet.sheets) {
      gone.delete(sheet.sheetId);
      const held = this.sheets.get(sheet.sheetId);
      if (held) {
        held.operations += 1;
        held.sheet = { ...sheet, rows: held.sheet.rows, columns: held.sheet.columns };
      } else if (sheet.kind === "GRID") this.sheets.set(sheet.sheetId, newSheet(sheet));
    }
    for (const sheetId of gone) this.sheets.delete(sheetId);
  }
}

/** The place of a sheet that has none in the store yet. */
export const NO_PLACE = 0;

const newSheet = (sheet: SheetImage["sheet"]): SheetImage => {
  const made = new SheetImage({
    sheet,
    place: NO_PLACE,
    pieces: sheet.rows > 0 ? [{ source: "unknown", offset: 0, count: sheet.rows }] : [],
    nextBlock: 1,
    layouts: new Map([[1, undefined]]),
    layout: 1,
  });
  made.operations = 1;
  return made;
};
