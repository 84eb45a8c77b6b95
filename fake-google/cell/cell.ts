/** What stands in one cell. Cells are never changed in place, so that undo may keep them. */

/** An error value such as `#DIV/0!`. */
export type CellError = { readonly error: string };
export type Value = null | boolean | number | string | CellError;

export type Cell = {
  readonly value: Value;
  /** The formula as the bar shows it, with its `=`. */
  readonly formula?: string;
  /** The number format; "" is Automatic, "@" is Plain text. */
  readonly format: string;
};

/** A cell as the wire writes it, in this program's own words. */
export type WireCell =
  | null
  | boolean
  | number
  | string
  | { v: null | boolean | number | string; f?: string; d?: string; e?: string };

/** Rows and columns from 0, half open. */
export type Area = { readonly row: number; readonly column: number; readonly rows: number; readonly columns: number };

export const blank: Cell = { value: null, format: "" };

export const isError = (value: Value): value is CellError => typeof value === "object" && value !== null;

export const isBlank = (cell: Cell | undefined): boolean =>
  cell === undefined || (cell.value === null && cell.formula === undefined);

export const errorLiterals = ["#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A", "#ERROR!"];
