/** The extension's mirror without a browser: its connection, sync and Dexie copy over a WebSocket of Node. */
import "fake-indexeddb/auto";
import { createConnection } from "../../extension/connection/connection.ts";
import { openMirror } from "../../extension/mirror/mirror.ts";
import { startSync } from "../../extension/sync/sync.ts";
import type { Copy, MirroredSheet } from "./judging.ts";

let names = 0;

export async function openHeadless(relayUrl: string, spreadsheetId: string, token: string): Promise<Copy> {
  names += 1;
  const opened = await openMirror(`converge-${names}`);
  if (!opened.ok) throw new Error(`The mirror did not open: ${opened.why}.`);
  const copy = opened.mirror.of(spreadsheetId);
  const after = (ms: number, run: () => void): (() => void) => {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  };
  const common = { now: () => Date.now(), die: () => Math.random(), after };
  const connection = createConnection(relayUrl, "converge", {
    dial: (url, subprotocol) => new WebSocket(url, subprotocol),
    ...common,
  });
  const sync = await startSync(spreadsheetId, {
    relayUrl,
    token,
    copy,
    watch: connection.watch,
    fetch: (url, init) => fetch(url, init),
    onFacts: () => {},
    ...common,
  });
  return {
    seq: async () => (await copy.cursor())?.seq ?? -1,
    async sheets() {
      const held = await copy.sheets();
      if (!held?.whole) return undefined;
      const found: MirroredSheet[] = [];
      for (const { sheetId, title, rows, columns } of held.sheets) {
        const range = { startRowIndex: 0, endRowIndex: rows, startColumnIndex: 0, endColumnIndex: columns };
        const viewport = rows > 0 ? await copy.viewport(sheetId, range) : undefined;
        found.push({ sheetId, title, rows: viewport?.rows ?? [] });
      }
      return found;
    },
    async stop() {
      await sync.stop();
      connection.stop();
      opened.mirror.close();
    },
  };
}
