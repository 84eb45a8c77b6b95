/** The product's own mirror, by its door. */
import type { Change, Cursor, SnapshotHead } from "@sheetwire/shared/protocol";
import { openMirror, type Copy, type Mirror, type SnapshotWriter } from "../../../extension/mirror/mirror.ts";
import { fetchSnapshot } from "../../../extension/sync/snapshot.ts";
import { VIEW_COLUMNS, VIEW_ROWS, type Cell, type Peer } from "./peer.ts";

const SPREADSHEET_ID = "bench-of-the-mirror-0123456789";
const SHEET_ID = 7;

let mirror: Mirror;
let copy: Copy;
let cursor: Cursor | undefined;
let rowCount = 0;

const common = (seq: number) => ({ seq, loggedAt: 0, cause: "edit" as const, readAt: [0, 0] as [number, number] });
const next = (): Cursor => {
  if (!cursor) throw new Error("No copy is held.");
  cursor = { ...cursor, seq: cursor.seq + 1 };
  return cursor;
};

/** Takes a snapshot the way the extension does. */
async function take(answer: () => Promise<Response>): Promise<void> {
  let writer: SnapshotWriter | undefined;
  const result = await fetchSnapshot(
    { relayUrl: "http://127.0.0.1", spreadsheetId: SPREADSHEET_ID, token: "none" },
    {
      head: async (head: SnapshotHead) => {
        rowCount = head.spreadsheet.sheets[0]?.rows ?? 0;
        writer = await copy.startSnapshot(head);
      },
      rows: async (pieces) => writer?.putRows(pieces),
    },
    {
      fetch: answer,
      signal: new AbortController().signal,
      after: (ms, run) => {
        const timer = setTimeout(run, ms);
        return () => clearTimeout(timer);
      },
    },
  );
  if (!result.ok || !writer) throw new Error(`The snapshot was not taken: ${JSON.stringify(result)}`);
  cursor = await writer.finish();
}

export const peer: Peer = {
  async open() {
    const opened = await openMirror();
    if (!opened.ok) throw new Error(`The mirror was not opened: ${opened.why}, ${opened.detail}`);
    mirror = opened.mirror;
    copy = mirror.of(SPREADSHEET_ID);
    const held = await copy.sheets();
    cursor = held?.cursor;
    rowCount = held?.sheets[0]?.rows ?? 0;
  },
  load: (snapshot) => take(() => Promise.resolve(new Response(snapshot))),
  loadFrom: (url) => take(() => fetch(url)),
  async edit({ row, column, cell }) {
    const at = next();
    const change: Change = {
      kind: "cells",
      ...common(at.seq),
      sheetId: SHEET_ID,
      at: { row, column },
      cells: [[cell]],
    };
    await copy.take([change], at);
  },
  async insertTop(cells) {
    const at = next();
    const runs = [{ put: [cells] }, { keep: [0, rowCount] as [number, number] }];
    rowCount += 1;
    await copy.take([{ kind: "rows", ...common(at.seq), sheetId: SHEET_ID, runs }], at);
  },
  async viewport({ row, column }) {
    const view = await copy.viewport(SHEET_ID, {
      startRowIndex: row,
      endRowIndex: row + VIEW_ROWS,
      startColumnIndex: column,
      endColumnIndex: column + VIEW_COLUMNS,
    });
    if (!view) throw new Error("There is no viewport.");
    return view.rows.map((cells): Cell[] => cells ?? []);
  },
  async search(text) {
    const hits: [number, number][] = [];
    for await (const { row, column } of copy.search(text, { most: Infinity })) hits.push([row, column]);
    return hits;
  },
  csv: () => Array.fromAsync(copy.exportRows(SHEET_ID, "csv")),
  close: () => Promise.resolve(mirror.close()),
};
