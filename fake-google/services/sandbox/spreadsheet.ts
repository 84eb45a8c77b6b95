import { ask, enumOf, exception, needScope, object, run } from "./host.ts";
import { getUi } from "./ui.ts";

export type SheetFacts = {
  sheetId: number;
  title: string;
  index: number;
  rows: number;
  columns: number;
  frozenRows: number;
  frozenColumns: number;
  hidden: boolean;
  usedRows: number;
  usedColumns: number;
};
type SpreadsheetFacts = { title: string; locale: string; timeZone: string; url: string; sheets: SheetFacts[] };
type Area = { sheetId: number; row: number; column: number; rows: number; columns: number };
type Scalar = boolean | number | string | Date;

const sheetTypes = enumOf(["GRID", "OBJECT", "DATASOURCE"]);

const facts = (): SpreadsheetFacts => ask("spreadsheet.facts") as SpreadsheetFacts;
const sheetFacts = (sheetId: number): SheetFacts => ask("sheet.facts", { sheetId }) as SheetFacts;

function revive(rows: unknown[][]): Scalar[][] {
  for (const row of rows) {
    for (let i = 0; i < row.length; i++) {
      const value = row[i];
      if (typeof value === "object" && value !== null) row[i] = new Date((value as { $d: number }).$d);
    }
  }
  return rows as Scalar[][];
}

function outgoing(value: unknown): unknown {
  if (Object.prototype.toString.call(value) === "[object Date]") return { $d: (value as Date).getTime() };
  if (value === undefined || value === null) return "";
  if (typeof value === "number" && !Number.isFinite(value)) return "#NUM!";
  if (typeof value === "object") return Object.prototype.toString.call(value);
  return value;
}

export function rangeOf(area: Area) {
  const read = (what: string): unknown[][] => ask("range.read", { ...area, what }) as unknown[][];
  const write = (values: unknown[][]): void => {
    ask("range.write", { ...area, values });
  };
  const fitting = (values: unknown[][]): unknown[][] => {
    if (values.length !== area.rows) {
      throw exception(
        `The number of rows in the data does not match the number of rows in the range. The data has ${values.length} but the range has ${area.rows}.`,
      );
    }
    for (const row of values) {
      if (row.length !== area.columns) {
        throw exception(
          `The number of columns in the data does not match the number of columns in the range. The data has ${row.length} but the range has ${area.columns}.`,
        );
      }
    }
    return values.map((row) => row.map(outgoing));
  };
  const full = <T>(value: T): T[][] =>
    Array.from({ length: area.rows }, () => Array.from({ length: area.columns }, () => value));
  const range = object("Range", {
    getValues: () => revive(read("values")),
    getValue: () => revive(read("value"))[0]?.[0],
    getDisplayValues: () => read("displays") as string[][],
    getDisplayValue: () => read("display")[0]?.[0] as string,
    getFormulas: () => read("formulas") as string[][],
    getFormula: () => read("formula")[0]?.[0] as string,
    getNumberFormats: () => read("formats") as string[][],
    getNumberFormat: () => read("format")[0]?.[0] as string,
    setValues: (values: unknown[][]) => {
      write(fitting(values));
      return range;
    },
    setValue: (value: unknown) => {
      write(full(outgoing(value)));
      return range;
    },
    setFormula: (formula: string) => {
      write(full(formula));
      return range;
    },
    setFormulas: (formulas: string[][]) => {
      write(fitting(formulas));
      return range;
    },
    setNumberFormat: (format: string) => {
      ask("range.format", { ...area, format });
      return range;
    },
    clearContent: () => {
      write(full(""));
      return range;
    },
    clear: () => {
      write(full(""));
      return range;
    },
    getRow: () => area.row + 1,
    getLastRow: () => area.row + area.rows,
    getColumn: () => area.column + 1,
    getLastColumn: () => area.column + area.columns,
    getNumRows: () => area.rows,
    getNumColumns: () => area.columns,
    getHeight: () => area.rows,
    getWidth: () => area.columns,
    getGridId: () => area.sheetId,
    getRowIndex: () => area.row + 1,
    getColumnIndex: () => area.column + 1,
    getSheet: () => sheetOf(area.sheetId),
    getA1Notation: () => a1Of(area),
    getCell: (row: number, column: number) => {
      if (row < 1 || column < 1 || row > area.rows || column > area.columns)
        throw exception("Cell reference out of range");
      return rangeOf({ ...area, row: area.row + row - 1, column: area.column + column - 1, rows: 1, columns: 1 });
    },
    offset: (down: number, right: number, rows = area.rows, columns = area.columns) =>
      checked({ sheetId: area.sheetId, row: area.row + down, column: area.column + right, rows, columns }),
    isBlank: () => (read("values") as Scalar[][]).every((row) => row.every((value) => value === "")),
  });
  return range;
}

export type Range = ReturnType<typeof rangeOf>;

function columnName(column: number): string {
  let name = "";
  for (let left = column + 1; left > 0; left = Math.floor((left - 1) / 26))
    name = String.fromCharCode(65 + ((left - 1) % 26)) + name;
  return name;
}

function a1Of(area: Area): string {
  const first = `${columnName(area.column)}${area.row + 1}`;
  return area.rows === 1 && area.columns === 1
    ? first
    : `${first}:${columnName(area.column + area.columns - 1)}${area.row + area.rows}`;
}

function checked(area: Area): Range {
  const whole = [area.row, area.column, area.rows, area.columns].every(
    (one) => typeof one === "number" && Number.isFinite(one),
  );
  if (!whole) throw exception("The parameters don't match the method signature for SpreadsheetApp.Sheet.getRange.");
  const rounded = {
    sheetId: area.sheetId,
    row: Math.trunc(area.row),
    column: Math.trunc(area.column),
    rows: Math.trunc(area.rows),
    columns: Math.trunc(area.columns),
  };
  if (rounded.row < 0) throw exception("The starting row of the range is too small.");
  if (rounded.column < 0) throw exception("The starting column of the range is too small.");
  if (rounded.rows < 1) throw exception("The number of rows in the range must be at least 1.");
  if (rounded.columns < 1) throw exception("The number of columns in the range must be at least 1.");
  const { rows, columns } = sheetFacts(area.sheetId);
  if (rounded.row + rounded.rows > rows || rounded.column + rounded.columns > columns) {
    throw exception("The coordinates of the range are outside the dimensions of the sheet.");
  }
  return rangeOf(rounded);
}

function sheetOf(sheetId: number) {
  const now = (): SheetFacts => sheetFacts(sheetId);
  const sheet = object("Sheet", {
    getSheetId: () => sheetId,
    getGridId: () => sheetId,
    getName: () => now().title,
    getSheetName: () => now().title,
    getIndex: () => now().index + 1,
    getMaxRows: () => now().rows,
    getMaxColumns: () => now().columns,
    getLastRow: () => now().usedRows,
    getLastColumn: () => now().usedColumns,
    getFrozenRows: () => now().frozenRows,
    getFrozenColumns: () => now().frozenColumns,
    isSheetHidden: () => now().hidden,
    getType: () => sheetTypes["GRID"],
    getParent: () => spreadsheet,
    getDataRange: () => {
      const { usedRows, usedColumns } = now();
      return rangeOf({ sheetId, row: 0, column: 0, rows: Math.max(1, usedRows), columns: Math.max(1, usedColumns) });
    },
    getRange: (row: number | string, column?: number, rows = 1, columns = 1) => {
      if (typeof row === "string") {
        const area = ask("range.parse", { sheetId, a1: row }) as Area | null;
        if (!area) throw exception("Range not found");
        return rangeOf(area);
      }
      return checked({ sheetId, row: row - 1, column: (column ?? Number.NaN) - 1, rows, columns });
    },
    getSheetValues: (row: number, column: number, rows: number, columns: number) => {
      const { usedRows, usedColumns } = now();
      return checked({
        sheetId,
        row: row - 1,
        column: column - 1,
        rows: rows === -1 ? usedRows - row + 1 : rows,
        columns: columns === -1 ? usedColumns - column + 1 : columns,
      }).getValues();
    },
    setName: (title: string) => {
      ask("sheet.act", { action: "renameSheet", sheetId, title });
      return sheet;
    },
    appendRow: (values: unknown[]) => {
      const { usedRows } = now();
      ask("sheet.append", { sheetId, row: usedRows, values: values.map(outgoing) });
      return sheet;
    },
  });
  return sheet;
}

const spreadsheet = object("Spreadsheet", {
  getId: () => run().spreadsheetId,
  getName: () => facts().title,
  getUrl: () => facts().url,
  getSpreadsheetLocale: () => facts().locale,
  getSpreadsheetTimeZone: () => facts().timeZone,
  getSheets: () => facts().sheets.map((sheet) => sheetOf(sheet.sheetId)),
  getNumSheets: () => facts().sheets.length,
  getSheetByName: (name: string) => {
    const found = facts().sheets.find((sheet) => sheet.title === name);
    return found ? sheetOf(found.sheetId) : null;
  },
  getSheetById: (sheetId: number) => {
    const found = facts().sheets.find((sheet) => sheet.sheetId === sheetId);
    return found ? sheetOf(found.sheetId) : null;
  },
  getActiveSheet: () => firstSheet(),
  getActiveRange: () => rangeOf({ sheetId: firstSheet().getSheetId(), row: 0, column: 0, rows: 1, columns: 1 }),
  toast: (message: string, title?: string, timeoutSeconds?: number) => {
    ask("ui.toast", { message: String(message), title: title ?? "", timeoutSeconds: timeoutSeconds ?? 5 });
  },
});

function firstSheet() {
  const first = facts().sheets.find((sheet) => !sheet.hidden) ?? facts().sheets[0];
  if (!first) throw exception("There are no sheets.");
  return sheetOf(first.sheetId);
}

/** Named in events as `source`. */
export const activeSpreadsheet = (): typeof spreadsheet => spreadsheet;

const scopes = ["spreadsheets.currentonly", "spreadsheets"];
const open = (call: string): typeof spreadsheet => {
  needScope(call, scopes, "LIMITED");
  return spreadsheet;
};

export const SpreadsheetApp = object("SpreadsheetApp", {
  SheetType: sheetTypes,
  getActive: () => open("SpreadsheetApp.getActive"),
  getActiveSpreadsheet: () => open("SpreadsheetApp.getActiveSpreadsheet"),
  getActiveSheet: () => open("SpreadsheetApp.getActiveSheet").getActiveSheet(),
  openById: (id: string) => {
    needScope("SpreadsheetApp.openById", ["spreadsheets"]);
    if (id !== run().spreadsheetId) throw exception("Requested entity was not found.");
    return spreadsheet;
  },
  flush: () => {
    ask("spreadsheet.flush");
  },
  getUi: () => getUi("SpreadsheetApp.getUi"),
});
