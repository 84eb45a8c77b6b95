/**
 * Reads the mirror out of the browser's IndexedDB, by nothing but the layout that extension/mirror/README.md describes:
 * no code of the extension or of `shared` takes part, so that equal means equal.
 */
import type { ControlCell } from "./control.ts";

export type MirrorSheet = { sheetId: number; title: string; rows: (ControlCell[] | null)[] };
export type MirrorCopy = { whole: boolean; seq: number; sheets: MirrorSheet[] };

/** A page of the extension, whoever drives it: Playwright or Puppeteer. */
export type Evaluates = {
  evaluate(
    run: (spreadsheetId: string) => Promise<MirrorCopy | null>,
    spreadsheetId: string,
  ): Promise<MirrorCopy | null>;
};

/** What the mirror of one spreadsheet holds, read in a page of the extension. Undefined while there is none. */
export async function mirrorOf(page: Evaluates, spreadsheetId: string): Promise<MirrorCopy | undefined> {
  const copy = await page.evaluate(readMirror, spreadsheetId);
  return copy ?? undefined;
}

/** Runs inside the page: everything it needs is in here. */
async function readMirror(spreadsheetId: string): Promise<MirrorCopy | null> {
  const settled = <T>(request: IDBRequest<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(new Error(String(request.error)));
    });
  const known = await indexedDB.databases();
  if (!known.some((one) => one.name === "sheetwire-mirror")) return null;
  const database = await settled(indexedDB.open("sheetwire-mirror"));
  try {
    const stores = database.transaction(["spreadsheets", "sheets", "blocks"], "readonly");
    const spreadsheet = (await settled(stores.objectStore("spreadsheets").get(spreadsheetId))) as
      | { shown: string; whole: boolean; cursor?: { seq: number } }
      | undefined;
    if (!spreadsheet) return null;
    const ofCopy = IDBKeyRange.bound([spreadsheet.shown], [spreadsheet.shown, []]);
    const sheets = (await settled(stores.objectStore("sheets").getAll(ofCopy))) as {
      sheetId: number;
      sheet: { title: string; index: number };
      stretches: { rows: number; block: number | "unknown" | "blank" }[];
    }[];
    const blocks = (await settled(stores.objectStore("blocks").getAll(ofCopy))) as {
      sheetId: number;
      block: number;
      rows: (ControlCell[] | null)[];
    }[];
    const found: MirrorSheet[] = [];
    for (const one of sheets.sort((a, b) => a.sheet.index - b.sheet.index)) {
      const rows: (ControlCell[] | null)[] = [];
      for (const stretch of one.stretches) {
        if (typeof stretch.block === "number") {
          const block = blocks.find((each) => each.sheetId === one.sheetId && each.block === stretch.block);
          if (!block || block.rows.length !== stretch.rows)
            throw new Error(`Block ${stretch.block} is not as its sheet says.`);
          rows.push(...block.rows);
        } else {
          for (let n = 0; n < stretch.rows; n += 1) rows.push(stretch.block === "unknown" ? null : []);
        }
      }
      found.push({ sheetId: one.sheetId, title: one.sheet.title, rows });
    }
    return { whole: spreadsheet.whole, seq: spreadsheet.cursor?.seq ?? 0, sheets: found };
  } finally {
    database.close();
  }
}

/** Value, formula and display of a cell as one text. To scripts Google hands blanks and empty texts over alike, so they are one. */
function told(cell: ControlCell | undefined): string {
  if (cell === null || cell === undefined || cell === "") return "";
  const rich = typeof cell === "object" ? cell : { v: cell };
  const value = rich.v === null ? "" : typeof rich.v === "boolean" ? String(rich.v).toUpperCase() : String(rich.v);
  const display = rich.d ?? rich.e ?? value;
  if (value === "" && display === "" && rich.f === undefined) return "";
  return JSON.stringify([value === "" ? "blank" : typeof rich.v, value, rich.f ?? "", rich.e ?? "", display]);
}

/** The first places in which a mirror differs from the sheet, in words without contents; none when they are equal. */
export function differencesOf(
  sheet: readonly (readonly ControlCell[])[],
  mirror: readonly (readonly ControlCell[] | null)[],
): string[] {
  const found: string[] = [];
  for (let row = 0; row < Math.max(sheet.length, mirror.length) && found.length < 5; row += 1) {
    const theirs = sheet[row] ?? [];
    const ours = mirror[row];
    if (ours === null) {
      found.push(`row ${row} is unknown`);
      continue;
    }
    for (let column = 0; column < Math.max(theirs.length, ours?.length ?? 0); column += 1) {
      if (told(theirs[column]) !== told(ours?.[column])) found.push(`row ${row}, column ${column}`);
    }
  }
  return found;
}
