import type { GridRange, Row } from "@sheetwire/shared/protocol";
import { logFrom, type LogRecord } from "./database.ts";
import type { HeldSpreadsheet, ShownCopy } from "./mirror.ts";
import { settled } from "./requests.ts";
import type { ChangeSummary } from "./summary.ts";
import type { Views } from "./views.ts";

/** A range as it is at `seq`; `seq` is absent while the first copy arrives. Rows are cut to the range, blanks not filled. */
export type Viewport = { seq: number | undefined; sheetRows: number; sheetColumns: number; rows: (Row | null)[] };

/** So many entries has the live list at most. */
const LIST_MOST = 500;

/** Short reads: each is one transaction. */
export function createReader(views: Views, spreadsheetId: string): ShownCopy {
  function sheets(): Promise<HeldSpreadsheet | undefined> {
    return views.short(async ({ image }) => {
      const { title, locale, timeZone } = image.spreadsheet;
      const held = image.inOrder().map((one) => one.sheet);
      return { spreadsheetId, title, locale, timeZone, sheets: held, whole: image.whole, cursor: image.cursor };
    });
  }

  async function viewport(sheetId: number, range: GridRange): Promise<Viewport | undefined> {
    return views.short(async ({ image, load }): Promise<Viewport | undefined> => {
      const sheet = image.sheets.get(sheetId);
      if (!sheet) return undefined;
      const { startRowIndex: from, endRowIndex: to, startColumnIndex: left, endColumnIndex: right } = range;
      const blockOf = await load(sheet, sheet.blocksIn(from, to));
      const { rows: sheetRows, columns: sheetColumns } = sheet.sheet;
      return { seq: image.cursor?.seq, sheetRows, sheetColumns, rows: sheet.rows(from, to, left, right, blockOf) };
    });
  }

  async function changes(afterSeq = 0): Promise<ChangeSummary[]> {
    const found = await views.short(async ({ image }, transaction) => {
      const until = image.cursor?.seq ?? 0;
      const summaries: ChangeSummary[] = [];
      for await (const { entries } of newestFirst(transaction(), spreadsheetId, afterSeq, until)) {
        for (const { change, summary } of entries.toReversed()) {
          if (!summary || change.seq <= afterSeq) continue;
          summaries.push(summary);
          if (summaries.length >= LIST_MOST) return summaries;
        }
      }
      return summaries;
    });
    return found ?? [];
  }

  return { sheets, viewport, changes };
}

const PAGE_CHANGES = 256;

/** Records of the log back from `until`, as long as they are looked at. A record that holds `from` may reach before it. */
export async function* newestFirst(
  transaction: IDBTransaction,
  spreadsheetId: string,
  from: number,
  until: number,
): AsyncGenerator<LogRecord> {
  const log = transaction.objectStore("log");
  for (let to = until; to > from; to -= PAGE_CHANGES) {
    const low = Math.max(0, to - PAGE_CHANGES + 1);
    const page = await settled<LogRecord[]>(log.getAll(logFrom(spreadsheetId, low, to)));
    for (const record of page.reverse()) if (record.last > from && record.last <= until) yield record;
    // What is older is not there any more, or stands in one record that begins further back.
    if (page.length === 0 && low > from) {
      const cursor = await settled(log.openCursor(logFrom(spreadsheetId, 0, low), "prev"));
      if (!cursor) return;
      to = Math.min(to, (cursor.value as LogRecord).first + PAGE_CHANGES);
    }
  }
}
