import type { SheetProof } from "../../mirror/mirror.ts";
import type { RelayDigests } from "../../status/status.ts";

/** What comparing a copy with the relay said. */
export type Verdict =
  | { kind: "equal"; sheets: number; rows: number; unknownRows: number }
  | { kind: "different"; titles: string[] }
  /** They were never at the same seq while we looked. */
  | { kind: "moving" }
  | { kind: "not-asked"; why: "not-connected" | "unreachable" | "refused" };

type Ours = { seq: number | undefined; sheets: readonly SheetProof[] };

export function compare(theirs: RelayDigests, ours: Ours | undefined): Verdict {
  if (!theirs.ok) return theirs.why === "moving" ? { kind: "moving" } : { kind: "not-asked", why: theirs.why };
  if (ours?.seq !== theirs.seq) return { kind: "moving" };
  const held = new Map(theirs.sheets.map((sheet) => [sheet.sheetId, sheet]));
  let [rows, unknownRows] = [0, 0];
  const titles: string[] = [];
  for (const sheet of ours.sheets) {
    const their = held.get(sheet.sheetId);
    // Of rows that are still being read there is no digest on either side: those are only counted.
    const isEqual =
      their !== undefined &&
      their.rows === sheet.rows &&
      their.unknownRows === sheet.unknownRows &&
      (sheet.digest === undefined || sheet.digest === their.digest);
    if (!isEqual) titles.push(sheet.title);
    rows += sheet.rows;
    unknownRows += sheet.unknownRows;
  }
  return titles.length > 0
    ? { kind: "different", titles }
    : { kind: "equal", sheets: ours.sheets.length, rows, unknownRows };
}

const count = (n: number, noun: string): string => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;

export function verdictWords(verdict: Verdict): { words: string; tone: "good" | "waiting" | "bad" } {
  switch (verdict.kind) {
    case "equal": {
      const unread = verdict.unknownRows > 0 ? ` ${count(verdict.unknownRows, "row")} are still being read.` : "";
      return {
        tone: verdict.unknownRows > 0 ? "waiting" : "good",
        words: `Equal to the relay: ${count(verdict.rows, "row")} in ${count(verdict.sheets, "sheet")}.${unread}`,
      };
    }
    case "different":
      return {
        tone: "bad",
        words: `Not equal to the relay: ${verdict.titles.join(", ")}. It is fetched anew when the relay proves those rows.`,
      };
    case "moving":
      return { tone: "waiting", words: "The spreadsheet is being edited just now. Try again when it is quiet." };
    case "not-asked":
      return { tone: "waiting", words: reasons[verdict.why] };
  }
}

const reasons = {
  "not-connected": "This spreadsheet is not connected, so there is nothing to compare with.",
  unreachable: "The relay cannot be reached. The copy can be checked when it can.",
  refused: "The relay did not answer. Look at the status above.",
} as const;
