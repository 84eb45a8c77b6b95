/** What each action does. Everything is checked before anything is touched: a refusal has changed nothing. */
import { isBlank, isError, type Area, type Cell, type Value } from "../cell/cell.ts";
import { movedReferences, remapped, retitled, shifted, type Mapping, type Region } from "../formulas/formulas.ts";
import { isLocale } from "../typing/typing.ts";
import { isZone } from "../zones/zones.ts";
import { parseA1 } from "./a1.ts";
import {
  cellAt,
  cellsIn,
  copyOf,
  deleteColumns,
  deleteRows,
  insertColumns,
  insertRows,
  maxCells,
  maxColumns,
  moveWithin,
  usedOf,
  type Sheet,
} from "./sheet.ts";
import type { Action } from "./actions.ts";
import type { Effect, HistoryEntry, Refused, Spreadsheet } from "./grid.ts";

type Outcome = readonly Effect[] | Refused;
type Write = { row: number; column: number; cell: Cell };

const maxHistory = 60;
/** A snapshot of a whole spreadsheet is dear: only so many. */
const maxSnapshots = 20;

const refuse = (refused: string): Refused => ({ refused });
const isRefused = (outcome: unknown): outcome is Refused =>
  typeof outcome === "object" && outcome !== null && "refused" in outcome;

export function perform(spreadsheet: Spreadsheet, action: Action): Outcome {
  const user = action.as ?? spreadsheet.state.owner;
  if (action.action === "undo" || action.action === "redo") return turn(spreadsheet, action.action, user);
  if (action.action === "recalc") {
    spreadsheet.recalculateVolatile();
    return [{ did: "recalc", sheetId: spreadsheet.state.sheets[0]?.sheetId ?? 0 }];
  }
  if (!("sheetId" in action) || action.sheetId === undefined || !needsSheet(action))
    return onSpreadsheet(spreadsheet, action, user);
  const sheet = spreadsheet.sheetById(action.sheetId);
  if (!sheet) return refuse(`There is no sheet ${action.sheetId}.`);
  return onSheet(spreadsheet, sheet, action, user);
}

type SpreadsheetAction = Extract<
  Action,
  { action: "addSheet" | "reorderSheets" | "renameSpreadsheet" | "setTimeZone" | "setLocale" }
>;
type SheetAction = Exclude<Action, SpreadsheetAction | { action: "undo" | "redo" | "recalc" }>;

const spreadsheetActions: readonly string[] = [
  "addSheet",
  "reorderSheets",
  "renameSpreadsheet",
  "setTimeZone",
  "setLocale",
];
const needsSheet = (action: Action): action is SheetAction => !spreadsheetActions.includes(action.action);

function onSpreadsheet(spreadsheet: Spreadsheet, action: Action, user: string): Outcome {
  const { state } = spreadsheet;
  const first = state.sheets[0]?.sheetId ?? 0;
  switch (action.action) {
    case "addSheet": {
      const title = action.title ?? spreadsheet.freeTitle(`Sheet${state.sheets.length + 1}`);
      if (spreadsheet.sheetByTitle(title)) return refuse("A sheet with that name already exists.");
      return structural(spreadsheet, user, [], () => {
        const sheet = spreadsheet.addSheet(title);
        spreadsheet.rebuild({ kind: "sheets" });
        return [{ did: "addSheet", sheetId: sheet.sheetId }];
      });
    }
    case "reorderSheets": {
      const ids = state.sheets.map((sheet) => sheet.sheetId);
      if (action.order.length !== ids.length || ids.some((sheetId) => !action.order.includes(sheetId)))
        return refuse("The order must name every sheet once.");
      return structural(spreadsheet, user, [], () => {
        state.sheets.sort((a, b) => action.order.indexOf(a.sheetId) - action.order.indexOf(b.sheetId));
        spreadsheet.rebuild({ kind: "sheets" });
        return [{ did: "reorderSheets", sheetId: first }];
      });
    }
    case "renameSpreadsheet":
      state.title = action.title;
      spreadsheet.rebuild({ kind: "sheets" });
      return [{ did: "renameSpreadsheet", sheetId: first }];
    case "setTimeZone":
      if (!isZone(action.timeZone)) return refuse("That time zone is not known.");
      state.timeZone = action.timeZone;
      spreadsheet.rebuild({ kind: "sheets" });
      return [{ did: "setTimeZone", sheetId: first }];
    case "setLocale":
      if (!isLocale(action.locale)) return refuse("A locale is written like en_US.");
      state.locale = action.locale;
      spreadsheet.rebuild({ kind: "sheets" });
      return [{ did: "setLocale", sheetId: first }];
    default:
      return refuse("This action needs a sheetId.");
  }
}

function onSheet(spreadsheet: Spreadsheet, sheet: Sheet, action: SheetAction, user: string): Outcome {
  const { sheetId } = sheet;
  const plain = action.plain === true;
  switch (action.action) {
    case "type": {
      const area = areaOf(action.a1, sheet);
      if (isRefused(area)) return area;
      if (area.rows !== 1 || area.columns !== 1) return refuse("A value is typed into one cell.");
      const format = cellAt(sheet, area.row, area.column).format;
      const writes = [{ row: area.row, column: area.column, cell: spreadsheet.cellFrom(action.value, format, plain) }];
      return edit(spreadsheet, sheet, area, writes, user, isBlank(writes[0]?.cell) ? "clearOne" : "type");
    }
    case "clear": {
      const area = areaOf(action.a1, sheet);
      if (isRefused(area)) return area;
      const writes = [...cellsIn(sheet, area)].map(([row, column, cell]) => ({
        row,
        column,
        cell: { value: null, format: cell.format },
      }));
      return edit(spreadsheet, sheet, area, writes, user, area.rows * area.columns === 1 ? "clearOne" : "clear");
    }
    case "paste":
    case "apiWrite":
    case "scriptWrite": {
      const corner = areaOf(action.a1, sheet);
      if (isRefused(corner)) return corner;
      const width = Math.max(...action.values.map((line) => line.length));
      if (width === 0) return refuse("There is nothing to write.");
      const area = { row: corner.row, column: corner.column, rows: action.values.length, columns: width };
      const grown = {
        rows: Math.max(0, area.row + area.rows - sheet.rowCount),
        columns: Math.max(0, area.column + width - sheet.columnCount),
      };
      if (area.column + width > maxColumns) return refuse(`A sheet has at most ${maxColumns} columns.`);
      const added = grown.rows * (sheet.columnCount + grown.columns) + grown.columns * sheet.rowCount;
      if (spreadsheet.totalCells() + added > maxCells) return refuse(`A spreadsheet has at most ${maxCells} cells.`);
      const writes: Write[] = [];
      action.values.forEach((line, row) =>
        line.forEach((value, column) => {
          // The Sheets API leaves a cell alone for null; a paste of nothing empties it.
          if (value === null && action.action !== "paste") return;
          const at = { row: area.row + row, column: area.column + column };
          writes.push({ ...at, cell: spreadsheet.cellFrom(value, cellAt(sheet, at.row, at.column).format, plain) });
        }),
      );
      sheet.rowCount += grown.rows;
      sheet.columnCount += grown.columns;
      const isPaste = action.action === "paste";
      return edit(
        spreadsheet,
        sheet,
        area,
        writes,
        isPaste ? user : undefined,
        action.action === "paste" && area.rows * area.columns === 1 ? "pasteOne" : action.action,
      );
    }
    case "importData": {
      const width = Math.max(1, ...action.rows.map((line) => line.length));
      return structural(spreadsheet, undefined, [sheetId], () => {
        sheet.rows = [];
        sheet.usedColumns = 0;
        sheet.rowCount = Math.max(sheet.rowCount, action.rows.length);
        sheet.columnCount = Math.max(sheet.columnCount, width);
        action.rows.forEach((line, row) =>
          line.forEach((value, column) => spreadsheet.put(sheet, row, column, spreadsheet.cellFrom(value, "", plain))),
        );
        spreadsheet.rebuild({ kind: "structure", sheetId });
        return [{ did: "importData", sheetId }];
      });
    }
    case "fill":
      return fill(spreadsheet, sheet, action.from, action.to, user);
    case "toggleCheckbox": {
      const area = areaOf(action.a1, sheet);
      if (isRefused(area)) return area;
      const writes: Write[] = [];
      for (let row = area.row; row < area.row + area.rows; row++) {
        for (let column = area.column; column < area.column + area.columns; column++) {
          const cell = cellAt(sheet, row, column);
          if (cell.formula !== undefined || (cell.value !== null && typeof cell.value !== "boolean"))
            return refuse("There is no checkbox.");
          writes.push({ row, column, cell: { value: cell.value !== true, format: cell.format } });
        }
      }
      return edit(spreadsheet, sheet, area, writes, user, "toggleCheckbox");
    }
    case "findReplace": {
      const pattern = new RegExp(action.find.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`), "gi");
      const writes: Write[] = [];
      for (const [row, column, cell] of cellsIn(sheet, whole(sheet))) {
        if (isBlank(cell) || cell.formula !== undefined || isError(cell.value)) continue;
        const shown = spreadsheet.display(cell);
        const replaced = shown.replaceAll(pattern, () => action.replace);
        if (replaced !== shown)
          writes.push({ row, column, cell: spreadsheet.cellFrom(replaced, cell.format, cell.format === "@") });
      }
      return edit(spreadsheet, sheet, boundsOf(writes), writes, user, "findReplace");
    }
    case "format": {
      const area = areaOf(action.a1, sheet);
      if (isRefused(area)) return area;
      const { numberFormat } = action;
      const writes: Write[] = [];
      if (numberFormat !== undefined) {
        if (area.rows * area.columns > 1_000_000) return refuse("That is too large a range to format at once.");
        for (let row = area.row; row < area.row + area.rows; row++) {
          for (let column = area.column; column < area.column + area.columns; column++)
            writes.push({ row, column, cell: { ...cellAt(sheet, row, column), format: numberFormat } });
        }
      }
      return edit(spreadsheet, sheet, area, writes, user, "format");
    }
    case "sort":
      return sort(spreadsheet, sheet, action, user);
    case "moveCells":
      return moveCells(spreadsheet, sheet, action.from, action.to, user);
    case "insertRows":
    case "deleteRows":
    case "moveRows":
      return onRows(spreadsheet, sheet, action, user);
    case "insertColumns":
    case "deleteColumns":
    case "moveColumns":
      return onColumns(spreadsheet, sheet, action, user);
    case "deleteSheet": {
      if (spreadsheet.state.sheets.filter((one) => !one.hidden || one === sheet).length <= 1)
        return refuse("You can't remove all the visible sheets in a document.");
      return structural(spreadsheet, user, [sheetId], () => {
        spreadsheet.state.sheets = spreadsheet.state.sheets.filter((one) => one !== sheet);
        rewriteAll(spreadsheet, (formula) => retitled(formula, sheet.title, undefined));
        spreadsheet.rebuild({ kind: "sheets" });
        return [{ did: "deleteSheet", sheetId }];
      });
    }
    case "duplicateSheet": {
      const title = action.title ?? spreadsheet.freeTitle(`Copy of ${sheet.title}`);
      if (spreadsheet.sheetByTitle(title)) return refuse("A sheet with that name already exists.");
      if (spreadsheet.totalCells() + sheet.rowCount * sheet.columnCount > maxCells)
        return refuse(`A spreadsheet has at most ${maxCells} cells.`);
      return structural(spreadsheet, user, [sheetId], () => {
        const { sheets } = spreadsheet.state;
        const copy: Sheet = { ...copyOf(sheet), sheetId: spreadsheet.newSheetId(), title };
        sheets.splice(sheets.indexOf(sheet) + 1, 0, copy);
        spreadsheet.rebuild({ kind: "sheets" });
        return [{ did: "duplicateSheet", sheetId: copy.sheetId }];
      });
    }
    case "renameSheet": {
      const other = spreadsheet.sheetByTitle(action.title);
      if (other && other !== sheet) return refuse("A sheet with that name already exists.");
      return structural(spreadsheet, user, [sheetId], () => {
        const old = sheet.title;
        sheet.title = action.title;
        rewriteAll(spreadsheet, (formula) => retitled(formula, old, action.title));
        spreadsheet.rebuild({ kind: "sheets" });
        return [{ did: "renameSheet", sheetId }];
      });
    }
    case "hideSheet": {
      if (action.hidden && spreadsheet.state.sheets.every((one) => one.hidden || one === sheet))
        return refuse("You can't hide all the sheets in a document.");
      return structural(spreadsheet, user, [sheetId], () => {
        sheet.hidden = action.hidden;
        spreadsheet.rebuild({ kind: "sheets" });
        return [{ did: "hideSheet", sheetId }];
      });
    }
  }
}

/** Writes cells, remembers what stood there (for a user's undo), and says what a trigger would hear. */
function edit(
  spreadsheet: Spreadsheet,
  sheet: Sheet,
  area: Area,
  writes: readonly Write[],
  user: string | undefined,
  did: Effect["did"],
): readonly Effect[] {
  const { sheetId } = sheet;
  const isOne = area.rows === 1 && area.columns === 1;
  const oldValue = isOne ? eventText(cellAt(sheet, area.row, area.column).value) : undefined;
  const old = writes.map(({ row, column }) => ({ row, column, cell: cellAt(sheet, row, column) }));
  const region: Region = { sheetId, ...area };
  const write = (cells: readonly Write[]): void => {
    const target = spreadsheet.sheetById(sheetId);
    if (!target) return;
    for (const { row, column, cell } of cells) spreadsheet.put(target, row, column, cell);
    spreadsheet.settle([region]);
  };
  write(writes);
  if (user !== undefined && writes.length > 0) {
    let isDone = true;
    remember(spreadsheet, {
      user,
      sheetIds: new Set([sheetId]),
      structural: false,
      undone: false,
      turn: () => {
        write(isDone ? old : writes);
        isDone = !isDone;
      },
    });
  }
  const after = isOne ? cellAt(sheet, area.row, area.column) : undefined;
  // A formula's text or result in `value` is not known of Google: left out.
  const value = after && after.formula === undefined ? eventText(after.value) : undefined;
  return [
    { did, sheetId, area, ...(value === undefined ? {} : { value }), ...(oldValue === undefined ? {} : { oldValue }) },
  ];
}

function eventText(value: Value): string | undefined {
  if (value === null) return undefined;
  if (isError(value)) return value.error;
  if (typeof value === "boolean") return value ? "TRUE" : "FALSE";
  return String(value);
}

/** Runs a change of rows, columns or sheets and keeps the state before it for undo (without a user: does not). */
function structural(
  spreadsheet: Spreadsheet,
  user: string | undefined,
  sheetIds: readonly number[],
  change: () => readonly Effect[],
): readonly Effect[] {
  const { state } = spreadsheet;
  let other = user === undefined ? undefined : snapshot(state.sheets);
  const effects = change();
  if (user !== undefined) {
    const touched = new Set([...sheetIds, ...effects.map((effect) => effect.sheetId)]);
    remember(spreadsheet, {
      user,
      sheetIds: touched,
      structural: true,
      undone: false,
      turn: () => {
        const here = snapshot(state.sheets);
        if (other) state.sheets = other;
        other = here;
        spreadsheet.rebuild({ kind: "sheets" });
      },
    });
  }
  return effects;
}

const snapshot = (sheets: readonly Sheet[]): Sheet[] => sheets.map(copyOf);

function remember(spreadsheet: Spreadsheet, entry: HistoryEntry): void {
  const { state } = spreadsheet;
  // What was undone can no longer be redone once the same person has gone on.
  state.history = state.history.filter((one) => !(one.undone && one.user === entry.user));
  state.history.push(entry);
  while (state.history.length > maxHistory || state.history.filter((one) => one.structural).length > maxSnapshots)
    state.history.shift();
}

function turn(spreadsheet: Spreadsheet, direction: "undo" | "redo", user: string): Outcome {
  const { history, sheets } = spreadsheet.state;
  const own = history.filter((entry) => entry.user === user && entry.undone === (direction === "redo"));
  const entry = direction === "undo" ? own.at(-1) : own[0];
  if (!entry) return refuse(`There is nothing to ${direction}.`);
  const later = history.slice(history.indexOf(entry) + 1).filter((one) => one.user !== user && !one.undone);
  if (later.some((one) => one.structural || entry.structural))
    return refuse(
      `Somebody else has changed the sheet since: it cannot be ${direction === "undo" ? "undone" : "redone"}.`,
    );
  entry.turn();
  entry.undone = direction === "undo";
  const sheetId = [...entry.sheetIds][0] ?? sheets[0]?.sheetId ?? 0;
  return [{ did: entry.structural ? `${direction}Structure` : direction, sheetId }];
}

function onRows(
  spreadsheet: Spreadsheet,
  sheet: Sheet,
  action: Extract<Action, { action: "insertRows" | "deleteRows" | "moveRows" }>,
  user: string,
): Outcome {
  const { row, count } = action;
  const { sheetId } = sheet;
  if (action.action === "insertRows") {
    if (row > sheet.rowCount) return refuse("There is no such row.");
    if (spreadsheet.totalCells() + count * sheet.columnCount > maxCells)
      return refuse(`A spreadsheet has at most ${maxCells} cells.`);
  } else if (row + count > sheet.rowCount) return refuse("There are no such rows.");
  if (action.action === "deleteRows" && count >= sheet.rowCount)
    return refuse("You can't delete all the rows on the sheet.");
  if (action.action === "moveRows" && (action.to > sheet.rowCount || (action.to > row && action.to < row + count)))
    return refuse("The rows cannot be moved there.");
  const isEmpty =
    action.action === "moveRows" &&
    [...cellsIn(sheet, { row, column: 0, rows: count, columns: Infinity })].every(([, , cell]) => isBlank(cell));
  return structural(spreadsheet, user, [sheetId], () => {
    if (action.action === "insertRows") insertRows(sheet, row, count);
    else if (action.action === "deleteRows") deleteRows(sheet, row, count);
    else moveWithin(sheet.rows, row, count, action.to);
    followStructure(
      spreadsheet,
      sheet,
      "row",
      mappingOf(action.action, row, count, action.action === "moveRows" ? action.to : 0),
    );
    spreadsheet.rebuild({ kind: "structure", sheetId });
    const at =
      action.action === "moveRows" && action.to > row
        ? action.to - count
        : action.action === "moveRows"
          ? action.to
          : row;
    return [
      {
        did: isEmpty ? "moveEmptyRows" : action.action,
        sheetId,
        area: { row: at, column: 0, rows: count, columns: sheet.columnCount },
      },
    ];
  });
}

function onColumns(
  spreadsheet: Spreadsheet,
  sheet: Sheet,
  action: Extract<Action, { action: "insertColumns" | "deleteColumns" | "moveColumns" }>,
  user: string,
): Outcome {
  const { column, count } = action;
  const { sheetId } = sheet;
  if (action.action === "insertColumns") {
    if (column > sheet.columnCount) return refuse("There is no such column.");
    if (sheet.columnCount + count > maxColumns) return refuse(`A sheet has at most ${maxColumns} columns.`);
    if (spreadsheet.totalCells() + count * sheet.rowCount > maxCells)
      return refuse(`A spreadsheet has at most ${maxCells} cells.`);
  } else if (column + count > sheet.columnCount) return refuse("There are no such columns.");
  if (action.action === "deleteColumns" && count >= sheet.columnCount)
    return refuse("You can't delete all the columns on the sheet.");
  if (
    action.action === "moveColumns" &&
    (action.to > sheet.columnCount || (action.to > column && action.to < column + count))
  )
    return refuse("The columns cannot be moved there.");
  const isEmpty =
    action.action === "moveColumns" &&
    [...cellsIn(sheet, { row: 0, column, rows: Infinity, columns: count })].every(([, , cell]) => isBlank(cell));
  return structural(spreadsheet, user, [sheetId], () => {
    if (action.action === "insertColumns") insertColumns(sheet, column, count);
    else if (action.action === "deleteColumns") deleteColumns(sheet, column, count);
    else {
      for (const row of sheet.rows) if (row) moveWithin(row, column, count, action.to);
      sheet.usedColumns = undefined;
    }
    followStructure(
      spreadsheet,
      sheet,
      "column",
      mappingOf(action.action, column, count, action.action === "moveColumns" ? action.to : 0),
    );
    spreadsheet.rebuild({ kind: "structure", sheetId });
    const at =
      action.action === "moveColumns" && action.to > column
        ? action.to - count
        : action.action === "moveColumns"
          ? action.to
          : column;
    return [
      {
        did: isEmpty ? "moveEmptyColumns" : action.action,
        sheetId,
        area: { row: 0, column: at, rows: sheet.rowCount, columns: count },
      },
    ];
  });
}

function mappingOf(name: string, at: number, count: number, to: number): Mapping {
  if (name.startsWith("insert"))
    return (from, last) => [from >= at ? from + count : from, last >= at ? last + count : last];
  if (name.startsWith("delete")) {
    return (from, last) => {
      const first = from < at ? from : Math.max(at, from - count);
      const end = last < at ? last : Math.max(at - 1, last - count);
      return end < first ? undefined : [first, end];
    };
  }
  const place = (index: number): number => {
    if (index >= at && index < at + count) return index - at + (to > at ? to - count : to);
    const without = index >= at + count ? index - count : index;
    return without >= (to > at ? to - count : to) ? without + count : without;
  };
  return (from, last) => {
    if (last === Infinity) return [from, last];
    const inside = from >= at && last < at + count;
    // A range of several follows only when all of it moves; otherwise its ends stay where they are, as at Google.
    if (from !== last && !inside && from < at + count && last >= at) return [from, last];
    const ends = [place(from), place(last)];
    return [Math.min(...ends), Math.max(...ends)];
  };
}

function followStructure(spreadsheet: Spreadsheet, moved: Sheet, axis: "row" | "column", mapping: Mapping): void {
  for (const home of spreadsheet.state.sheets) {
    const concerns = (title: string | undefined): boolean =>
      title === undefined ? home === moved : title.toLowerCase() === moved.title.toLowerCase();
    rewriteFormulas(home, (formula) => remapped(formula, axis, mapping, concerns));
  }
}

function rewriteAll(spreadsheet: Spreadsheet, change: (formula: string) => string): void {
  for (const sheet of spreadsheet.state.sheets) rewriteFormulas(sheet, change);
}

function rewriteFormulas(sheet: Sheet, change: (formula: string) => string): void {
  for (const row of sheet.rows) {
    row?.forEach((cell, column) => {
      if (cell?.formula === undefined) return;
      const formula = change(cell.formula);
      if (formula !== cell.formula) row[column] = { ...cell, formula };
    });
  }
}

function sort(
  spreadsheet: Spreadsheet,
  sheet: Sheet,
  action: Extract<Action, { action: "sort" }>,
  user: string,
): Outcome {
  const used = usedOf(sheet);
  const given =
    action.a1 === undefined
      ? {
          row: sheet.frozenRows,
          column: 0,
          rows: Math.max(0, used.rows - sheet.frozenRows),
          columns: Math.max(1, used.columns),
        }
      : areaOf(action.a1, sheet);
  if (isRefused(given)) return given;
  if (action.column < given.column || action.column >= Math.max(given.column + given.columns, 1))
    return refuse("The column to sort by lies outside the range.");
  const area = { ...given, rows: Math.max(0, Math.min(given.rows, used.rows - given.row)) };
  const order = Array.from({ length: area.rows }, (_, index) => area.row + index);
  const direction = action.ascending ? 1 : -1;
  order.sort((a, b) => {
    const left = cellAt(sheet, a, action.column).value;
    const right = cellAt(sheet, b, action.column).value;
    // Blanks go last whichever way; equal rows keep their order.
    if (left === null || right === null) return left === right ? a - b : left === null ? 1 : -1;
    return compareValues(left, right) * direction || a - b;
  });
  const writes: Write[] = [];
  order.forEach((from, index) => {
    const row = area.row + index;
    if (from === row) return;
    for (let column = area.column; column < area.column + area.columns; column++) {
      const cell = cellAt(sheet, from, column);
      if (cell === cellAt(sheet, row, column)) continue;
      writes.push({
        row,
        column,
        cell: cell.formula === undefined ? cell : { ...cell, formula: shifted(cell.formula, row - from, 0) },
      });
    }
  });
  return edit(spreadsheet, sheet, { ...area, rows: Math.max(1, area.rows) }, writes, user, "sort");
}

const rank = (value: Exclude<Value, null>): number =>
  typeof value === "number" ? 0 : typeof value === "string" ? 1 : typeof value === "boolean" ? 2 : 3;
const collator = new Intl.Collator("en", { sensitivity: "base" });

function compareValues(a: Exclude<Value, null>, b: Exclude<Value, null>): number {
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "string" && typeof b === "string") return collator.compare(a, b);
  if (isError(a) && isError(b)) return 0;
  return Number(a) - Number(b);
}

function fill(spreadsheet: Spreadsheet, sheet: Sheet, fromText: string, toText: string, user: string): Outcome {
  const from = areaOf(fromText, sheet);
  const to = areaOf(toText, sheet);
  if (isRefused(from)) return from;
  if (isRefused(to)) return to;
  if (to.rows * to.columns > 1_000_000) return refuse("That is too large a range to fill at once.");
  const isDown = to.rows !== from.rows || to.row !== from.row;
  const writes: Write[] = [];
  for (let row = to.row; row < to.row + to.rows; row++) {
    for (let column = to.column; column < to.column + to.columns; column++) {
      if (row >= from.row && row < from.row + from.rows && column >= from.column && column < from.column + from.columns)
        continue;
      const sourceRow = from.row + mod(row - from.row, from.rows);
      const sourceColumn = from.column + mod(column - from.column, from.columns);
      const cell = cellAt(sheet, sourceRow, sourceColumn);
      if (cell.formula !== undefined) {
        writes.push({
          row,
          column,
          cell: { ...cell, formula: shifted(cell.formula, row - sourceRow, column - sourceColumn) },
        });
        continue;
      }
      const line = isDown
        ? numbersOf(sheet, from.row, from.rows, (index) => [index, sourceColumn])
        : numbersOf(sheet, from.column, from.columns, (index) => [sourceRow, index]);
      const step = isDown ? row - from.row : column - from.column;
      const value = line ? line.first + line.step * step : cell.value;
      writes.push({ row, column, cell: { value, format: cell.format } });
    }
  }
  if (writes.length === 0) return refuse("There is nothing to fill outside the source.");
  return edit(spreadsheet, sheet, boundsOf(writes), writes, user, writes.length === 1 ? "pasteOne" : "fill");
}

const mod = (value: number, base: number): number => ((value % base) + base) % base;

/** Two or more numbers in even steps go on; anything else repeats. */
function numbersOf(
  sheet: Sheet,
  first: number,
  count: number,
  at: (index: number) => readonly [number, number],
): { first: number; step: number } | undefined {
  if (count < 2) return undefined;
  const list: number[] = [];
  for (let index = first; index < first + count; index++) {
    const cell = cellAt(sheet, ...at(index));
    if (typeof cell.value !== "number" || cell.formula !== undefined) return undefined;
    list.push(cell.value);
  }
  const step = (list[1] ?? 0) - (list[0] ?? 0);
  const isEven = list.every((value, index) => index === 0 || Math.abs(value - (list[index - 1] ?? 0) - step) < 1e-9);
  return isEven ? { first: list[0] ?? 0, step } : undefined;
}

function moveCells(spreadsheet: Spreadsheet, sheet: Sheet, fromText: string, toText: string, user: string): Outcome {
  const from = areaOf(fromText, sheet);
  const corner = areaOf(toText, sheet);
  if (isRefused(from)) return from;
  if (isRefused(corner)) return corner;
  const to = { row: corner.row, column: corner.column, rows: from.rows, columns: from.columns };
  if (to.row + to.rows > sheet.rowCount || to.column + to.columns > sheet.columnCount)
    return refuse("The cells do not fit there.");
  if (from.rows * from.columns > 1_000_000) return refuse("That is too large a range to move at once.");
  const { sheetId } = sheet;
  const isOne = from.rows * from.columns === 1;
  return structural(spreadsheet, user, [sheetId], () => {
    const moved: Write[] = [];
    for (let row = 0; row < from.rows; row++) {
      for (let column = 0; column < from.columns; column++)
        moved.push({
          row: to.row + row,
          column: to.column + column,
          cell: cellAt(sheet, from.row + row, from.column + column),
        });
    }
    for (const { row, column } of moved)
      spreadsheet.put(sheet, row - to.row + from.row, column - to.column + from.column, { value: null, format: "" });
    for (const { row, column, cell } of moved) spreadsheet.put(sheet, row, column, cell);
    // References follow what was moved where all of what they name was moved.
    const down = to.row - from.row;
    const right = to.column - from.column;
    for (const home of spreadsheet.state.sheets) {
      rewriteFormulas(home, (formula) => followMoved(formula, home === sheet, sheet.title, from, down, right));
    }
    spreadsheet.rebuild({ kind: "structure", sheetId });
    return [{ did: isOne ? "pasteOne" : "moveCells", sheetId, area: to }];
  });
}

function followMoved(formula: string, isHome: boolean, title: string, from: Area, down: number, right: number): string {
  return movedReferences(formula, (reference) => {
    const concerns = reference.title === undefined ? isHome : reference.title.toLowerCase() === title.toLowerCase();
    const end = reference.to ?? reference.from;
    const inside = (row: number | undefined, column: number | undefined): boolean =>
      row !== undefined &&
      column !== undefined &&
      row >= from.row &&
      row < from.row + from.rows &&
      column >= from.column &&
      column < from.column + from.columns;
    if (!concerns || !inside(reference.from.row, reference.from.column) || !inside(end.row, end.column))
      return undefined;
    return { down, right };
  });
}

function areaOf(a1: string, sheet: Sheet): Area | Refused {
  const area = parseA1(a1, sheet);
  if (!area) return refuse("A range is written like B2 or B2:D4.");
  if (area.row + area.rows > sheet.rowCount || area.column + area.columns > sheet.columnCount)
    return refuse("The range lies outside the sheet.");
  return area;
}

const whole = (sheet: Sheet): Area => ({ row: 0, column: 0, rows: sheet.rowCount, columns: sheet.columnCount });

function boundsOf(writes: readonly Write[]): Area {
  if (writes.length === 0) return { row: 0, column: 0, rows: 1, columns: 1 };
  let [top, left, bottom, right] = [Infinity, Infinity, 0, 0];
  for (const { row, column } of writes) {
    top = Math.min(top, row);
    left = Math.min(left, column);
    bottom = Math.max(bottom, row);
    right = Math.max(right, column);
  }
  return { row: top, column: left, rows: bottom - top + 1, columns: right - left + 1 };
}
