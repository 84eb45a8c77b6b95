/** The sheet as the relay's snapshot endpoint sends it: the bytes that every peer is given. */
import type { Row } from "@sheetwire/shared/protocol";
import { SpreadsheetState } from "../../relay-server/sheets/sheets.ts";
import { COLUMNS, SHEET_ID, SPREADSHEET_ID } from "./table.ts";

/** The relay's own state is filled in steps of so many rows. */
const STEP_ROWS = 10_000;

/** The snapshot of one sheet with these rows, at seq 1, by the relay's own code. */
export function snapshotOf(rows: readonly Row[]): Buffer {
  const state = new SpreadsheetState(SPREADSHEET_ID, { epoch: "bench", seq: 1, chain: "0000000000000001" });
  const sheet = { sheetId: SHEET_ID, title: "Films", index: 0, rows: 0, columns: COLUMNS, hidden: false, kind: "GRID" };
  const common = { seq: 1, loggedAt: 0, cause: "install" as const, readAt: [0, 0] as [number, number] };
  const spreadsheet = { title: "Films", locale: "en_US", timeZone: "Etc/UTC", sheets: [sheet] };
  state.apply({ kind: "sheets", ...common, spreadsheet });
  for (let from = 0; from < rows.length; from += STEP_ROWS) {
    const put = rows.slice(from, from + STEP_ROWS);
    const runs = from === 0 ? [{ put }] : [{ keep: [0, from] as [number, number] }, { put }];
    state.apply({ kind: "rows", ...common, sheetId: SHEET_ID, runs });
  }
  const pieces: Buffer[] = [];
  for (const line of state.snapshotLines()) pieces.push(Buffer.from(`${line}\n`));
  pieces.push(Buffer.from(`${JSON.stringify({ end: true, digest: state.digest() })}\n`));
  return Buffer.concat(pieces);
}
