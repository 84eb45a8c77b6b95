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

type Rows = (ControlCell[] | null)[];
type Held = { title: string; index: number; rows: Rows };
type Copy = { shown: string; whole: boolean; cursor?: { seq: number } };
type Grid = {
  place: number;
  sheetId: number;
  sheet: { title: string; index: number };
  blocks: Float64Array;
  pieces: Float64Array;
  layouts: [number, { from: number; count: number }[] | undefined][];
};
type Run = { keep?: [number, number]; put?: ControlCell[][]; blank?: number; unknown?: number };
type Tail = { last: number; entries: { change: TailChange }[] };
type TailChange = {
  kind: "cells" | "rows" | "columns" | "sheets" | "verified";
  sheetId: number;
  at: { row: number; column: number };
  cells: ControlCell[][];
  runs: Run[];
  spreadsheet: { sheets: { sheetId: number; title: string; index: number; kind: string; rows: number }[] };
};

/** Runs inside the page: everything it needs is in here. */
async function readMirror(spreadsheetId: string): Promise<MirrorCopy | null> {
  const part = (row: ControlCell[], from: number, count: number): ControlCell[] =>
    Array.from({ length: count }, (_, n) => (from < 0 ? null : (row[from + n] ?? null)));
  const trimmed = (row: ControlCell[]): ControlCell[] => {
    const last = row.findLastIndex((cell) => cell !== null && cell !== "");
    return row.slice(0, last + 1).map((cell) => (cell === "" ? null : cell));
  };

  /** The rows of a packed block, by the page that describes the format. */
  function unpacked(bytes: Uint8Array): Rows {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes[0] !== 1) throw new Error(`A block of format ${bytes[0]}.`);
    const flags = view.getUint8(1);
    const rowCount = view.getUint16(2, true);
    const columnCount = view.getUint32(4, true);
    const bit = (at: number, n: number): boolean => (view.getUint8(at + (n >> 3)) & (1 << (n & 7))) !== 0;
    const unsigned = (at: number, width: number, n: number): number =>
      width === 0
        ? view.getUint8(at + n)
        : width === 1
          ? view.getUint16(at + n * 2, true)
          : view.getUint32(at + n * 4, true);
    const texts: string[] = [];
    const heap = bytes.slice(view.getUint32(16, true), view.getUint32(16, true) + view.getUint32(20, true));
    let all = "";
    if ((flags & 2) === 0) all = new TextDecoder("utf-8", { ignoreBOM: true }).decode(heap);
    else for (let n = 0; n < heap.length; n += 2) all += String.fromCharCode((heap[n] ?? 0) + (heap[n + 1] ?? 0) * 256);
    for (let n = 0, from = 0; n < view.getUint32(8, true); n += 1) {
      const length = unsigned(view.getUint32(12, true), (flags >> 2) & 3, n);
      texts.push(all.slice(from, from + length));
      from += length;
    }
    const rows: Rows = [];
    for (let r = 0; r < rowCount; r += 1) rows.push((flags & 1) !== 0 && bit(24 + columnCount * 4, r) ? null : []);
    for (let c = 0; c < columnCount; c += 1) {
      let at = view.getUint32(24 + c * 4, true);
      if (at === 0) continue;
      const kind = view.getUint8(at);
      const has = view.getUint8(at + 1);
      at += 4;
      const gaps = at;
      if ((has & 1) !== 0) at += (rowCount + 7) >> 3;
      const present = rows.flatMap((_, r) => ((has & 1) === 0 || bit(gaps, r) ? [r] : []));
      const numbers = (count: number): number[] => {
        const [width, scale] = [view.getUint8(at), [1, 10, 100, 1_000, 10_000][view.getUint8(at + 1)] ?? 1];
        at = Math.ceil((at + 2) / 8) * 8;
        const base = width === 3 ? 0 : view.getFloat64(at, true);
        if (width !== 3) at += 8;
        const from = at;
        at += count << width;
        return Array.from({ length: count }, (_, n) =>
          width === 3 ? view.getFloat64(from + n * 8, true) : (base + unsigned(from, width, n)) / scale,
        );
      };
      const words = (count: number): string[] => {
        const width = view.getUint8(at);
        const size = 1 << width;
        at = Math.ceil((at + 1) / size) * size;
        const from = at;
        at += count * size;
        return Array.from({ length: count }, (_, n) => texts[unsigned(from, width, n)] ?? "");
      };
      let values: (null | boolean | number | string)[];
      if (kind === 1) {
        values = present.map((_, n) => bit(at, n));
        at += (present.length + 7) >> 3;
      } else if (kind === 2) values = numbers(present.length);
      else if (kind === 3) values = words(present.length);
      else {
        const kinds = present.map((_, n) => view.getUint8(at + n));
        at += present.length;
        const some = numbers(kinds.filter((one) => one === 3).length);
        const others = words(kinds.filter((one) => one === 4).length);
        values = kinds.map((one) =>
          one === 0 ? null : one < 3 ? one === 2 : ((one === 3 ? some.shift() : others.shift()) ?? null),
        );
      }
      const cells: ControlCell[] = rows.map(() => null);
      present.forEach((r, n) => (cells[r] = values[n] ?? null));
      for (const [flag, key] of [
        [2, "f"],
        [4, "d"],
        [8, "e"],
      ] as const) {
        if ((has & flag) === 0) continue;
        const bitmap = at;
        at += (rowCount + 7) >> 3;
        const which = rows.flatMap((_, r) => (bit(bitmap, r) ? [r] : []));
        const said = words(which.length);
        which.forEach((r, n) => {
          const cell = cells[r] ?? null;
          cells[r] = { ...(typeof cell === "object" && cell !== null ? cell : { v: cell }), [key]: said[n] ?? "" };
        });
      }
      cells.forEach((cell, r) => {
        const row = rows[r];
        if (!row || cell === null) return;
        while (row.length < c) row.push(null);
        row.push(cell);
      });
    }
    return rows;
  }

  /** A change of the tail, done to plain rows. */
  function replay(found: Map<number, Held>, change: TailChange): void {
    if (change.kind === "verified") return;
    if (change.kind === "sheets") {
      const { sheets } = change.spreadsheet;
      for (const id of found.keys()) if (!sheets.some((sheet) => sheet.sheetId === id)) found.delete(id);
      for (const { sheetId, title, index, kind, rows } of sheets) {
        const held = found.get(sheetId);
        if (held) [held.title, held.index] = [title, index];
        else if (kind === "GRID") found.set(sheetId, { title, index, rows: Array.from({ length: rows }, () => null) });
      }
      return;
    }
    const held = found.get(change.sheetId);
    if (!held) throw new Error(`Sheet ${change.sheetId} is not held.`);
    if (change.kind === "rows") {
      held.rows = change.runs.flatMap((run): Rows => {
        if (run.keep) return held.rows.slice(run.keep[0], run.keep[0] + run.keep[1]);
        if (run.put) return run.put.map((row) => row.slice());
        return Array.from({ length: run.blank ?? run.unknown ?? 0 }, () => (run.unknown === undefined ? [] : null));
      });
    } else if (change.kind === "columns") {
      held.rows = held.rows.map(
        (row) => row && change.runs.flatMap((run) => part(row, run.keep?.[0] ?? -1, run.keep?.[1] ?? run.blank ?? 0)),
      );
    } else {
      const width = Math.max(...change.cells.map((cells) => cells.length));
      change.cells.forEach((cells, n) => {
        const row = (held.rows[change.at.row + n] ?? []).slice();
        while (row.length < change.at.column) row.push(null);
        for (let c = 0; c < width; c += 1) row[change.at.column + c] = cells[c] ?? null;
        held.rows[change.at.row + n] = row;
      });
    }
  }

  const settled = <T>(request: IDBRequest<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(new Error(String(request.error)));
    });
  const known = await indexedDB.databases();
  if (!known.some((one) => one.name === "sheetwire-mirror")) return null;
  const database = await settled(indexedDB.open("sheetwire-mirror"));
  try {
    const stores = database.transaction(["copies", "grids", "packed", "log"], "readonly");
    const copy = (await settled(stores.objectStore("copies").get(spreadsheetId))) as Copy | undefined;
    if (!copy) return null;
    const grids = (await settled(stores.objectStore("grids").index("copy").getAll(copy.shown))) as Grid[];
    const found = new Map<number, Held>();
    for (const grid of grids) {
      const keys = IDBKeyRange.bound(grid.place * 2 ** 32, (grid.place + 1) * 2 ** 32, false, true);
      const store = stores.objectStore("packed");
      const [ids, values] = [await settled(store.getAllKeys(keys)), await settled(store.getAll(keys))];
      const blocks = new Map(ids.map((id, n) => [Number(id) - grid.place * 2 ** 32, values[n] as Uint8Array]));
      const rows: Rows = [];
      for (let n = 0; n < grid.pieces.length; n += 3) {
        const [which, offset, count] = [grid.pieces[n] ?? 0, grid.pieces[n + 1] ?? 0, grid.pieces[n + 2] ?? 0];
        if (which < 0) {
          for (let r = 0; r < count; r += 1) rows.push(which === -2 ? null : []);
          continue;
        }
        const [id, height, , layoutId] = grid.blocks.slice(which * 5, which * 5 + 5);
        const bytes = blocks.get(id ?? -1);
        if (!bytes) throw new Error(`Block ${id} is not there.`);
        const all = unpacked(bytes);
        if (all.length !== height) throw new Error(`Block ${id} is not as its sheet says.`);
        const layout = grid.layouts.find(([one]) => one === layoutId)?.[1];
        for (const row of all.slice(offset, offset + count)) {
          rows.push(row && layout ? layout.flatMap(({ from, count: wide }) => part(row, from, wide)) : row);
        }
      }
      found.set(grid.sheetId, { title: grid.sheet.title, index: grid.sheet.index, rows });
    }
    let seq = copy.cursor?.seq ?? 0;
    const tail = IDBKeyRange.bound([spreadsheetId, seq + 1], [spreadsheetId, []]);
    for (const record of (await settled(stores.objectStore("log").getAll(tail))) as Tail[]) {
      for (const { change } of record.entries) replay(found, change);
      seq = record.last;
    }
    const sheets = [...found]
      .sort(([, one], [, other]) => one.index - other.index)
      .map(([sheetId, { title, rows }]) => ({ sheetId, title, rows: rows.map((row) => row && trimmed(row)) }));
    return { whole: copy.whole, seq, sheets };
  } finally {
    database.close();
  }
}

/** Value, formula and display of a cell as one text. To scripts Google hands blanks and empty texts over alike, so they are one. */
function told(cell: ControlCell | undefined): string {
  if (cell === null || cell === undefined || cell === "") return "";
  const rich = typeof cell === "object" ? cell : { v: cell };
  const held = typeof rich.v === "number" && isTime(rich.d) ? Math.round(rich.v * DAY_MS) / DAY_MS : rich.v;
  const value = held === null ? "" : typeof held === "boolean" ? String(held).toUpperCase() : String(held);
  const display = rich.d ?? rich.e ?? value;
  if (value === "" && display === "" && rich.f === undefined) return "";
  return JSON.stringify([value === "" ? "blank" : typeof rich.v, value, rich.f ?? "", rich.e ?? "", display]);
}

const DAY_MS = 86_400_000;

/** A date's or a time's display. Google hands such a number to scripts to the millisecond; below 0 it shows nothing. */
const isTime = (display: string | undefined): boolean =>
  display !== undefined && (display === "" || /\d[-/:]\d|\d\.\d+\./.test(display));

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
