import { parseA1 } from "@sheetwire/shared/grid";
import type { Sheet } from "@sheetwire/shared/protocol";
import type { SpreadsheetState } from "../sheets/sheets.ts";

/** The sheet and range that are meant; the first sheet where none is named. */
export function placeOf(
  state: SpreadsheetState,
  a1: string,
): { sheet: Sheet | undefined; range: NonNullable<Range> } | undefined {
  const sheets = state.sheets();
  // A sheet may be called like a range: then its name alone means the sheet, as at Google.
  const named = parseA1(a1, { rows: 1, columns: 1 });
  if (!named) return undefined;
  const sheet = named.title === undefined ? sheets[0] : state.sheetByTitle(named.title);
  if (!sheet)
    return { sheet: undefined, range: { startRowIndex: 0, endRowIndex: 1, startColumnIndex: 0, endColumnIndex: 1 } };
  const size = { rows: Math.max(1, sheet.rows), columns: Math.max(1, sheet.columns) };
  const whole = { startRowIndex: 0, endRowIndex: size.rows, startColumnIndex: 0, endColumnIndex: size.columns };
  return { sheet, range: parseA1(a1, size)?.range ?? whole };
}
type Range = NonNullable<ReturnType<typeof parseA1>>["range"];
