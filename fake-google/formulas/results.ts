/**
 * Results of formulas with what they were worked out from. Reading a formula takes far longer than looking whether all that
 * it read is as it was, and after rows were inserted somewhere most formulas stand as before.
 */
import { isError, type Area, type Value } from "../cell/cell.ts";
import type { CalculatorNeeds, Spot } from "./formulas.ts";

/** What a formula looks at; the sheet by its title, since that is what it names. */
type Place = Area & { readonly sheet: string };
type Read = { readonly place: Place; readonly found: readonly (readonly Value[])[] | undefined };
type Result = { readonly value: Value; readonly reads: readonly Read[] };

const maxResults = 5000;
/** Of a formula that reads more cells than this nothing is kept. */
const maxKeptCells = 5000;

export function createResults(needs: Pick<CalculatorNeeds, "sheetIdOf" | "valueAt" | "rowsAt">) {
  const results = new Map<string, Result>();
  /** Of the formula that is being worked out, where its result is to be kept. */
  let reads: Read[] | undefined;

  /** The cells there; nothing where there is no such sheet. */
  function look({ sheet, ...area }: Place): Value[][] | undefined {
    const sheetId = needs.sheetIdOf(sheet);
    if (sheetId === undefined) return undefined;
    if (area.rows === 1 && area.columns === 1) return [[needs.valueAt(sheetId, area.row, area.column)]];
    return needs.rowsAt({ sheetId, ...area });
  }

  const isAsItWas = ({ place, found }: Read): boolean => {
    const now = look(place);
    if (!now || !found) return now === found;
    return (
      now.length === found.length &&
      now.every((row, down) => {
        const before = found[down] ?? [];
        return row.length === before.length && row.every((value, right) => sameValue(value, before[right] ?? null));
      })
    );
  };

  return {
    /** Reads for the formula that is being worked out. */
    read(place: Place): Value[][] | undefined {
      const found = look(place);
      reads?.push({ place, found });
      return found;
    },
    /** The result of this text in this place: the one it had, if all that it read is as it was. */
    of(text: string, { sheetId, row, column }: Spot, workOut: () => Value): Value {
      // Functions and ranges may look at where they stand.
      const key = /[(:]/.test(text) ? `${sheetId}:${row}:${column} ${text}` : `${sheetId} ${text}`;
      const held = results.get(key);
      if (held?.reads.every(isAsItWas)) return held.value;
      const made: Read[] = (reads = []);
      const value = workOut();
      reads = undefined;
      if (results.size >= maxResults) results.clear();
      if (sizeOf(made) <= maxKeptCells) results.set(key, { value, reads: made });
      else results.delete(key);
      return value;
    },
  };
}

const sizeOf = (reads: readonly Read[]): number =>
  reads.reduce((sum, { found = [] }) => sum + found.reduce((cells, row) => cells + row.length, 0), 0);

export const sameValue = (a: Value, b: Value): boolean =>
  a === b ||
  (isError(a) && isError(b) && a.error === b.error) ||
  (typeof a === "number" && typeof b === "number" && Object.is(a, b));
