/** The product's own mirror, by its door. */
import type { SnapshotHead } from "@sheetwire/shared/protocol";
import { openMirror, type Copy, type SnapshotWriter } from "../../../extension/mirror/mirror.ts";
import { fetchSnapshot } from "../../../extension/sync/snapshot.ts";
import { openHeld, SHEET_ID, SPREADSHEET_ID, viewOf, type Held } from "./held.ts";
import type { Cell, Peer } from "./peer.ts";

const PIECE_BYTES = 64 * 1_024;

let held: Held<Copy>;

/** Takes a snapshot the way the extension does. */
async function take(answer: () => Promise<Response>): Promise<void> {
  let writer: SnapshotWriter | undefined;
  let rowCount = 0;
  const result = await fetchSnapshot(
    { relayUrl: "http://127.0.0.1", spreadsheetId: SPREADSHEET_ID, token: "none" },
    {
      head: async (head: SnapshotHead) => {
        rowCount = head.spreadsheet.sheets[0]?.rows ?? 0;
        writer = await held.copy.startSnapshot(head);
      },
      rows: async (line) => (await writer?.putLine(line)) !== undefined,
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
  held.stands(await writer.finish(), rowCount);
}

/** The bytes as a network hands them over: in pieces, as fast as they are asked for. */
function inPieces(bytes: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array<ArrayBuffer>> {
  let from = 0;
  return new ReadableStream({
    pull(controller) {
      if (from >= bytes.length) return controller.close();
      controller.enqueue(bytes.subarray(from, from + PIECE_BYTES));
      from += PIECE_BYTES;
    },
  });
}

export const peer: Peer = {
  open: async () => void (held = await openHeld(openMirror)),
  load: (snapshot) => take(() => Promise.resolve(new Response(inPieces(snapshot)))),
  loadFrom: (url) => take(() => fetch(url)),
  edit: (edit) => held.edit(edit),
  insertTop: (cells) => held.insertTop(cells),
  async viewport(place) {
    const view = await held.copy.viewport(SHEET_ID, viewOf(place));
    if (!view) throw new Error("There is no viewport.");
    return view.rows.map((cells): Cell[] => cells ?? []);
  },
  async search(text) {
    const hits: [number, number][] = [];
    for await (const { row, column } of held.copy.search(text, { most: Infinity })) hits.push([row, column]);
    return hits;
  },
  csv: () => Array.fromAsync(held.copy.exportRows(SHEET_ID, "csv")),
  rest: () => held.copy.checkpoint(),
  close: () => Promise.resolve(held.mirror.close()),
};
