/**
 * What people write without Sheetwire, as programs that really run: a script that sends the whole sheet when something
 * changed, and one that does so each minute, with a receiver that compares row i with row i.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as z from "zod";
import { googleOf } from "../../e2e/converge/programs.ts";
import { controlOf } from "../../e2e/stage/control.ts";
import type { ControlCell } from "../../e2e/stage/stage.ts";
import { createFakeGoogle } from "../../fake-google/fake-google.ts";
import type { Action, Costs, Design } from "./design.ts";

const SCRIPT = `
var TO = PropertiesService.getScriptProperties();
function install(url, isPolled) {
  TO.setProperty("url", url);
  if (isPolled) {
    ScriptApp.newTrigger("send").timeBased().everyMinutes(1).create();
  } else {
    var book = SpreadsheetApp.getActiveSpreadsheet();
    ScriptApp.newTrigger("send").forSpreadsheet(book).onEdit().create();
    ScriptApp.newTrigger("changed").forSpreadsheet(book).onChange().create();
  }
  send();
}
// An edit is told to both.
function changed(event) {
  if (event.changeType !== "EDIT") send();
}
function send() {
  var rows = SpreadsheetApp.getActiveSpreadsheet().getSheets()[0].getDataRange().getValues();
  UrlFetchApp.fetch(TO.getProperty("url"), { method: "post", contentType: "application/json", payload: JSON.stringify(rows) });
}
`;

type Receiver = {
  readonly url: string;
  bytes: () => number;
  /** Rows that are not what they were in the same place, of all sheets that came since this was asked. */
  rowsTold: () => number;
  reset: () => void;
  stop: () => Promise<void>;
};

async function openReceiver(): Promise<Receiver> {
  let bytes = 0;
  let told = 0;
  let held: string[] | undefined;
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      const body = Buffer.concat(pieces);
      const rows = z.array(z.unknown()).parse(JSON.parse(body.toString("utf8")));
      const now = rows.map((row) => JSON.stringify(row));
      const before = held;
      if (before) {
        for (let row = 0; row < Math.max(now.length, before.length); row += 1) if (now[row] !== before[row]) told += 1;
      }
      held = now;
      bytes += body.length;
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    bytes: () => bytes,
    rowsTold: () => told,
    reset: () => ([bytes, told] = [0, 0]),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export async function openNaive(rows: ControlCell[][], isPolled: boolean): Promise<Design> {
  const folder = mkdtempSync(join(tmpdir(), "sheetwire-naive-"));
  writeFileSync(join(folder, "Code.js"), SCRIPT);
  writeFileSync(join(folder, "appsscript.json"), JSON.stringify({ timeZone: "Etc/UTC", runtimeVersion: "V8" }));
  const receiver = await openReceiver();
  const google = await createFakeGoogle({ bundleDir: folder });
  const control = controlOf(google.url);
  const asked = googleOf(google.url);
  const { spreadsheetId } = await control.create({ title: "Naive", sheets: [{ title: "Table", rows }] });
  const response = await fetch(`${google.url}/control/spreadsheets/${spreadsheetId}/run`, {
    method: "POST",
    body: JSON.stringify({ function: "install", args: [receiver.url, isPolled] }),
  });
  if (!response.ok) throw new Error(`The naive script could not be installed: ${await response.text()}`);
  await asked.clock({ virtual: true });
  return {
    async play(actions: readonly Action[], waitMs: number): Promise<Costs> {
      await control.resetUsage();
      receiver.reset();
      await asked.act(spreadsheetId, actions);
      await control.idle(spreadsheetId);
      // The next minute's run belongs to what was done before it.
      if (isPolled || waitMs > 0) await asked.clock({ advanceMs: Math.max(waitMs, isPolled ? 60_000 : 0) });
      await control.idle(spreadsheetId);
      return { bytes: receiver.bytes(), ...callsOf(await control.usage(spreadsheetId)), rowsTold: receiver.rowsTold() };
    },
    async stop() {
      await google.stop();
      await receiver.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Calls of Google's services that take time or have quotas. */
export const callsOf = (usage: Record<string, number>): Omit<Costs, "bytes" | "rowsTold"> => ({
  fetches: usage["fetches"] ?? 0,
  rangeReads: usage["reads"] ?? 0,
  properties: (usage["propertyReads"] ?? 0) + (usage["propertyWrites"] ?? 0),
  locks: usage["locks"] ?? 0,
});
