import type { Cause } from "@sheetwire/shared/protocol";
import type { ChangeSummary, ColumnStatistics } from "../../mirror/mirror.ts";

const CAUSES: Record<string, string> = {
  edit: "edited",
  sweep: "found by a check",
  call: "found by a check",
  install: "first reading",
  manual: "read on request",
  "change:INSERT_ROW": "rows inserted",
  "change:REMOVE_ROW": "rows removed",
  "change:INSERT_COLUMN": "columns inserted",
  "change:REMOVE_COLUMN": "columns removed",
  "change:INSERT_GRID": "sheet added",
  "change:REMOVE_GRID": "sheet removed",
};

/** What made somebody read the sheet, in a word or two. */
export const causeWords = (cause: Cause): string => CAUSES[cause] ?? "changed without an edit";

/** Who, as far as Google tells; nobody is guessed. */
export function whoWords(actor: string | undefined): string {
  if (actor === undefined) return "Google does not say who";
  return actor.includes("@") ? actor : "Somebody without a name";
}

/** What a column holds, in one line. */
export function statisticsWords({ rows, unknown, blank, numbers, ...held }: ColumnStatistics): string {
  const say = (count: number, one: string, many = `${one}s`): string[] =>
    count === 0 ? [] : [`${count.toLocaleString("en")} ${count === 1 ? one : many}`];
  const parts = [
    ...say(numbers.count, "number"),
    ...say(held.texts, "text"),
    ...say(held.booleans, "checkbox", "checkboxes"),
    ...say(held.errors, "error"),
    ...say(blank, "blank", "blank"),
    ...say(unknown, "still being read", "still being read"),
  ];
  const { sum, min, max, mean } = numbers;
  const short = (number: number): string => number.toLocaleString("en", { maximumFractionDigits: 4 });
  const figures =
    min === undefined || max === undefined || mean === undefined
      ? ""
      : ` Sum ${short(sum)}, mean ${short(mean)}, from ${short(min)} to ${short(max)}.`;
  const formulas = held.formulas === 0 ? "" : ` ${say(held.formulas, "formula").join("")} among them.`;
  return `${rows.toLocaleString("en")} rows: ${parts.join(", ") || "nothing"}.${figures}${formulas}`;
}

/** A first copy is read in many pieces: neighbours of one sheet become one entry. */
export function gatherReads(changes: readonly ChangeSummary[]): ChangeSummary[] {
  const entries: ChangeSummary[] = [];
  for (const change of changes) {
    const last = entries.at(-1);
    if (change.what === "read" && last?.what === "read" && last.sheetId === change.sheetId) {
      const rows = (last.rows ?? 0) + (change.rows ?? 0);
      const place = change.place && last.place && change.place.row < last.place.row ? change.place : last.place;
      entries[entries.length - 1] = {
        ...last,
        ...(place ? { place } : {}),
        rows,
        text: `${rows.toLocaleString("en")} rows read`,
      };
    } else {
      entries.push(change);
    }
  }
  return entries;
}
