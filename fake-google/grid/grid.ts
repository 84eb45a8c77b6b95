/** Spreadsheets: what they hold, and what people, programs and time do to them. */
import { isBlank, isError, type Area, type Cell, type Value, type WireCell } from "../cell/cell.ts";
import { createCalculator, referencesIn, type Region, type Spot } from "../formulas/formulas.ts";
import { displayOf, isDateFormat, readTyped, rulesOf } from "../typing/typing.ts";
import { hasInstant, instantOfSerial, serialOfInstant } from "../zones/zones.ts";
import { perform } from "./perform.ts";
import {
  cellAt,
  cellsIn,
  createSheet,
  maxCellChars,
  maxCells,
  maxColumns,
  putCell,
  usedOf,
  type Sheet,
} from "./sheet.ts";
import type { Action, ActionName } from "./actions.ts";

export { actionNames, actionSchema, type Action, type ActionName } from "./actions.ts";
export { parseA1 } from "./a1.ts";
export { cellAt, usedOf, type Sheet } from "./sheet.ts";

/** What one action did, as far as triggers and other people's pages have to know. */
export type Effect = {
  /** The line of the behaviour profile that says what fires. */
  readonly did:
    | ActionName
    | "moveEmptyRows"
    | "moveEmptyColumns"
    | "undoStructure"
    | "redoStructure"
    | "pasteOne"
    | "clearOne";
  readonly sheetId: number;
  readonly area?: Area;
  /** Of single cells only, as text. */
  readonly value?: string;
  readonly oldValue?: string;
};

export type Refused = { readonly refused: string };

/** For pages that are open: which cells to show anew, or that rows, columns or sheets are others now. */
export type Delta =
  | { readonly kind: "cells"; readonly regions: readonly Region[] }
  | { readonly kind: "structure"; readonly sheetId: number }
  | { readonly kind: "sheets" };

export type HistoryEntry = {
  readonly user: string;
  readonly sheetIds: ReadonlySet<number>;
  readonly structural: boolean;
  /** Turns the action back, and answers how to do it again. */
  turn: () => void;
  undone: boolean;
};

export type SpreadsheetOptions = {
  readonly id: string;
  readonly title: string;
  readonly locale: string;
  readonly timeZone: string;
  readonly owner: string;
};

export type SpreadsheetNeeds = {
  readonly now: () => number;
  readonly random: () => number;
  /** Told which formulas have just come to another result. */
  readonly onWorkedOut?: (cells: readonly Cell[]) => void;
  /** Told after whatever may have changed what there is to read. */
  readonly onTouched?: () => void;
};

export function createSpreadsheet(options: SpreadsheetOptions, needs: SpreadsheetNeeds) {
  const state = {
    ...options,
    sheets: [] as Sheet[],
    history: [] as HistoryEntry[],
    /** Grows with every change of content. */
    revision: 0,
  };
  const listeners = new Set<(delta: Delta) => void>();
  const calculator = createCalculator({
    valueAt: (sheetId, row, column) => {
      const sheet = sheetById(sheetId);
      return sheet ? cellAt(sheet, row, column).value : null;
    },
    rowsAt: (region) => {
      const sheet = sheetById(region.sheetId);
      if (!sheet) return [];
      const used = usedOf(sheet);
      const rows: Value[][] = [];
      for (let row = region.row; row < Math.min(region.row + region.rows, Math.max(used.rows, region.row + 1)); row++) {
        const line: Value[] = [];
        const last = Math.min(region.column + region.columns, Math.max(used.columns, region.column + 1));
        for (let column = region.column; column < last; column++) line.push(cellAt(sheet, row, column).value);
        rows.push(line);
      }
      return rows;
    },
    sheetIdOf: (title) => sheetByTitle(title)?.sheetId,
    titleOf: (sheetId) => sheetById(sheetId)?.title ?? "",
    usedOf: (sheetId) => {
      const sheet = sheetById(sheetId);
      return sheet ? usedOf(sheet) : { rows: 1, columns: 1 };
    },
    store: ({ sheetId, row, column }, value) => {
      const sheet = sheetById(sheetId);
      if (sheet) putCell(sheet, row, column, { ...cellAt(sheet, row, column), value });
    },
    nowSerial: () => serialOfInstant(needs.now(), state.timeZone),
    random: needs.random,
    usesSemicolons: () => rulesOf(state.locale).argument === ";",
  });

  const sheetById = (sheetId: number): Sheet | undefined => state.sheets.find((sheet) => sheet.sheetId === sheetId);
  const sheetByTitle = (title: string): Sheet | undefined =>
    state.sheets.find((sheet) => sheet.title.toLowerCase() === title.toLowerCase());

  function tell(delta: Delta): void {
    state.revision++;
    needs.onTouched?.();
    for (const listener of listeners) listener(delta);
  }

  /** A number no other sheet of this spreadsheet has or had: the first is 0, as at Google. */
  const usedIds = new Set<number>();
  function newSheetId(): number {
    let sheetId = usedIds.size === 0 ? 0 : Math.floor(needs.random() * 2_147_483_646) + 1;
    while (usedIds.has(sheetId)) sheetId = (sheetId % 2_147_483_646) + 1;
    usedIds.add(sheetId);
    return sheetId;
  }

  function addSheet(title: string, rows?: number, columns?: number, at = state.sheets.length): Sheet {
    const sheet = createSheet(newSheetId(), title, rows, columns);
    state.sheets.splice(at, 0, sheet);
    return sheet;
  }

  const freeTitle = (wish: string): string => {
    let title = wish;
    for (let n = 1; sheetByTitle(title); n++) title = `${wish.replace(/\d+$/, "")}${n}`;
    return title;
  };

  /** Writes cells without recalculation; the caller names the region afterwards in `settle`. */
  function put(sheet: Sheet, row: number, column: number, cell: Cell): void {
    const old = cellAt(sheet, row, column);
    putCell(
      sheet,
      row,
      column,
      cell.formula !== undefined && cell.format === ""
        ? { ...cell, format: formatOfFormula(sheet, cell.formula) }
        : cell,
    );
    if (old.formula !== cell.formula || cell.formula !== undefined)
      calculator.set({ sheetId: sheet.sheetId, row, column }, cell.formula);
  }

  /** A formula typed into an unformatted cell takes the format of what it begins with, as Google does. */
  function formatOfFormula(home: Sheet, formula: string): string {
    const rules = rulesOf(state.locale);
    if (/^=\s*(TODAY|DATE)\s*\(/i.test(formula)) return rules.dateFormat;
    if (/^=\s*NOW\s*\(/i.test(formula)) return `${rules.dateFormat} ${rules.timeFormat}`;
    if (!/^=\s*(\(|(SUM|AVERAGE|MIN|MAX)\s*\()?['$A-Za-z]/i.test(formula)) return "";
    const [reference] = referencesIn(formula);
    if (!reference || !/^=\s*(\(|(SUM|AVERAGE|MIN|MAX)\s*\()?$/i.test(formula.slice(0, reference.start))) return "";
    const sheet = reference.title === undefined ? home : sheetByTitle(reference.title);
    const { format } = sheet ? cellAt(sheet, reference.from.row ?? 0, reference.from.column ?? 0) : { format: "" };
    return format === "@" ? "" : format;
  }

  function workedOut(moved: readonly Spot[]): void {
    if (moved.length === 0) return;
    needs.onWorkedOut?.(
      moved.flatMap(({ sheetId, row, column }) => {
        const sheet = sheetById(sheetId);
        return sheet ? [cellAt(sheet, row, column)] : [];
      }),
    );
  }

  /** Recalculates what the written regions reach and shows the result. */
  function settle(regions: readonly Region[]): void {
    const moved = calculator.recalculate(regions);
    workedOut(moved);
    tell({ kind: "cells", regions: [...regions, ...moved.map(regionOfSpot)] });
  }

  /** After rows, columns or sheets have moved: formulas stand elsewhere now. */
  function rebuild(delta: Delta): void {
    calculator.clear();
    for (const sheet of state.sheets) {
      for (const [row, column, cell] of cellsIn(sheet, everything)) {
        if (cell.formula !== undefined) calculator.set({ sheetId: sheet.sheetId, row, column }, cell.formula);
      }
    }
    const moved = calculator.recalculateAll();
    workedOut(moved);
    tell(delta);
    if (moved.length > 0) tell({ kind: "cells", regions: moved.map(regionOfSpot) });
  }

  function recalculateVolatile(): void {
    const moved = calculator.recalculateVolatile();
    workedOut(moved);
    if (moved.length > 0) tell({ kind: "cells", regions: moved.map(regionOfSpot) });
  }

  /** The cell that this input makes there. Strings are typed unless `plain`. */
  function cellFrom(input: Value, format: string, plain: boolean): Cell {
    if (input === null || input === "") return { value: null, format: plain ? "@" : format };
    if (plain)
      return {
        value: typeof input === "string" ? input : displayOf({ value: input, format: "" }, state.locale),
        format: "@",
      };
    if (typeof input !== "string") return { value: input, format };
    return readTyped(input, state.locale, format);
  }

  const totalCells = (): number => state.sheets.reduce((sum, sheet) => sum + sheet.rowCount * sheet.columnCount, 0);

  const spreadsheet = {
    state,
    needs,
    sheetById,
    sheetByTitle,
    addSheet,
    newSheetId,
    freeTitle,
    put,
    settle,
    rebuild,
    recalculateVolatile,
    cellFrom,
    totalCells,
    /** Fills a new sheet: what is text stays text, `{f}` is a formula. No events, no history. */
    load(sheet: Sheet, rows: readonly (readonly Loaded[])[]): void {
      rows.forEach((line, row) => {
        line.forEach((input, column) => {
          const cell = loadedCell(input);
          if (!isBlank(cell)) put(sheet, row, column, cell);
        });
      });
      settle([
        { sheetId: sheet.sheetId, row: 0, column: 0, rows: Math.max(1, rows.length), columns: sheet.columnCount },
      ]);
    },
    /** Applies one action as this user; a refusal has changed nothing. */
    act(action: Action): readonly Effect[] | Refused {
      const outcome = perform(spreadsheet, action);
      needs.onTouched?.();
      return outcome;
    },
    display: (cell: Cell): string => displayOf(cell, state.locale),
    onDelta(listener: (delta: Delta) => void): () => void {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    wireCell(cell: Cell): WireCell {
      if (isBlank(cell)) return null;
      const { value, formula } = cell;
      const display = spreadsheet.display(cell);
      if (isError(value)) return { v: null, ...(formula === undefined ? {} : { f: formula }), e: value.error };
      const plain = value === null ? "" : value === true ? "TRUE" : value === false ? "FALSE" : String(value);
      if (formula === undefined && display === plain) return value;
      return {
        v: value === "" ? null : value,
        ...(formula === undefined ? {} : { f: formula }),
        ...(display === plain ? {} : { d: display }),
      };
    },
    wireRows(sheet: Sheet): { rows: WireCell[][]; usedRows: number; usedColumns: number } {
      const used = usedOf(sheet);
      const rows = Array.from({ length: used.rows }, (_, row) => {
        const line = (sheet.rows[row] ?? []).map((cell) => (cell === undefined ? null : spreadsheet.wireCell(cell)));
        while (line.length > 0 && line.at(-1) === null) line.pop();
        return line;
      });
      return { rows, usedRows: used.rows, usedColumns: used.columns };
    },
    /** As `Range.getValues` gives it; a date is `{$d: instant}`. */
    scriptValue(cell: Cell): ScriptValue {
      const { value } = cell;
      if (value === null) return "";
      if (isError(value)) return value.error;
      if (typeof value === "number" && isDateFormat(cell.format) && hasInstant(value)) {
        return { $d: instantOfSerial(value, state.timeZone) };
      }
      return value;
    },
  };

  return spreadsheet;
}

export type Spreadsheet = ReturnType<typeof createSpreadsheet>;
export type ScriptValue = boolean | number | string | { $d: number };

/** A cell as it is handed over at creation. */
export type Loaded =
  | null
  | boolean
  | number
  | string
  | {
      v?: null | boolean | number | string | undefined;
      f?: string | undefined;
      d?: string | undefined;
      e?: string | undefined;
    };

export { maxCellChars, maxCells, maxColumns };

function loadedCell(input: Loaded): Cell {
  if (typeof input !== "object" || input === null) return { value: input === "" ? null : input, format: "" };
  if (input.f !== undefined) return { value: null, formula: input.f, format: "" };
  if (input.e !== undefined) return { value: { error: input.e }, format: "" };
  return { value: input.v === "" ? null : (input.v ?? null), format: "" };
}

const everything: Area = { row: 0, column: 0, rows: Infinity, columns: Infinity };

const regionOfSpot = (spot: Spot): Region => ({ ...spot, rows: 1, columns: 1 });
