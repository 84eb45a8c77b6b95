/** The relay as it ships, with spreadsheets let in, and posts for it as the script signs them. */
import { createHmac, randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { limits } from "@sheetwire/shared/limits";
import { NO_DIGEST, packDigests } from "@sheetwire/shared/digest";
import { FEED_SUBPROTOCOL, postAnswerSchema, type Want } from "@sheetwire/shared/protocol";
import { signatureHeader, signedPrefix } from "@sheetwire/shared/signing";
import { createAccess } from "../../relay-server/access/access.ts";
import { createSqliteAccessStore } from "../../relay-server/access/engines/sqlite.ts";
import type { ChangeLog } from "../../relay-server/log/log.ts";
import { createSqliteLog } from "../../relay-server/log/engines/sqlite.ts";
import { openStore } from "../../relay-server/store/store.ts";
import * as z from "zod";
import { clientFrame, upgrade, type Step } from "./bytes.ts";
import { peersFolder, type Running, type Workshop } from "./processes.ts";

const MAIN = join(import.meta.dirname, "..", "..", "relay-server", "main.ts");

export type LetIn = { readonly spreadsheetId: string; readonly key: Buffer; readonly token: string };
export type Product = Running & { readonly port: number; readonly sheets: readonly LetIn[] };

/** Rows and columns of the sheet that is edited; every edit has a cell of its own until they are used up. */
export const GRID = { rows: 5_000, columns: 20 };
/** Its sheetId. */
const EDITED = 7;

export async function startProduct(
  workshop: Workshop,
  options: {
    sheets: number;
    durability?: "full" | "normal";
    /** Whether each is told of what is blank in it. */
    isInstalled?: boolean;
    /** How many blank sheets it is told of; one, if nothing is said. */
    tabs?: number;
    /** What stands in its log before the relay starts. */
    fill?: (log: ChangeLog, sheet: LetIn) => Promise<void>;
  },
): Promise<Product> {
  const dataDir = join(workshop.folder, `data-${randomUUID().slice(0, 8)}`);
  mkdirSync(dataDir);
  const sheets = await letIn(join(dataDir, "sheetwire.db"), options.sheets, options.fill);
  const running = await workshop.server([process.execPath, MAIN], {
    env: {
      SHEETWIRE_HOST: "127.0.0.1",
      SHEETWIRE_PORT: "0",
      SHEETWIRE_DATA_DIR: dataDir,
      SHEETWIRE_DURABILITY: options.durability ?? "full",
      SHEETWIRE_LOG_LEVEL: "info",
    },
  });
  const product = { ...running, port: Number(new URL(running.url).port), sheets };
  if (options.isInstalled !== false) await install(product, options.tabs);
  return product;
}

/** Spreadsheets and a device for each, written as the command writes them. */
async function letIn(
  path: string,
  count: number,
  fill: (log: ChangeLog, sheet: LetIn) => Promise<void> = async () => {},
): Promise<LetIn[]> {
  const store = openStore(path, "normal");
  const access = createAccess({ store: createSqliteAccessStore(store), now: () => Date.now() });
  const log = createSqliteLog(store, { randomId: randomUUID, onFault: () => {}, as: "guest" });
  const sheets: LetIn[] = [];
  for (let at = 0; at < count; at += 1) {
    const spreadsheetId = `bench-${at}`;
    const added = access.addSpreadsheet(spreadsheetId);
    const device = access.addDevice(spreadsheetId, "bench", ["read"]);
    await log.create(spreadsheetId);
    if (!added || !device) throw new Error("The store was not empty.");
    const sheet = letInAs(spreadsheetId, added.ingestKey, device.token);
    await fill(log, sheet);
    sheets.push(sheet);
  }
  await log.close();
  store.close();
  return sheets;
}

const letInAs = (spreadsheetId: string, ingestKey: string, token: string): LetIn => ({
  spreadsheetId,
  key: Buffer.from(ingestKey.slice("whsec_".length), "base64"),
  token,
});

const variantSchema = z.object({
  sheets: z.array(z.object({ spreadsheetId: z.string(), ingestKey: z.string(), token: z.string() })),
});

/** The relay put together around another log: one in memory, or none at all. At `messagesPort` it is handed ready messages. */
export async function startVariant(
  workshop: Workshop,
  kind: "memory" | "none",
  count: number,
  messagesPort?: number,
): Promise<Product> {
  const command = [process.execPath, join(peersFolder, "relay-variant.ts"), kind, String(count)];
  const running = await workshop.server(messagesPort === undefined ? command : [...command, String(messagesPort)]);
  const sheets = variantSchema
    .parse(running.line)
    .sheets.map(({ spreadsheetId, ingestKey, token }) => letInAs(spreadsheetId, ingestKey, token));
  const product = { ...running, port: Number(new URL(running.url).port), sheets };
  if (messagesPort === undefined) await install(product);
  return product;
}

/**
 * Tells of blank sheets in each, one or so many, and answers what is asked about them, so that nothing is open any more;
 * then waits until an edit is certainly of after that.
 */
export async function install({ url, sheets }: { url: string; sheets: readonly LetIn[] }, tabs = 1): Promise<void> {
  for (const sheet of sheets) {
    const run = randomUUID();
    let readings: object[] = [{ kind: "sheets", spreadsheet: blankSpreadsheet(tabs) }];
    for (let n = 0; readings.length > 0; n += 1) {
      const body = bodyOf("install", readings, run, n);
      const answer = await fetch(`${url}/v1/spreadsheets/${sheet.spreadsheetId}/posts`, {
        method: "POST",
        headers: { "content-type": "application/json", ...signedHeaders(sheet, body) },
        body,
      });
      if (answer.status !== 202) throw new Error(`A first post was answered ${answer.status}: ${await answer.text()}`);
      const { wants } = postAnswerSchema.parse(await answer.json());
      readings = wants.map(blankAnswer);
    }
  }
  await new Promise((resolve) => setTimeout(resolve, 2 * limits.orderMarginMs));
}

/** The first one is that which is edited; further ones are as small as Google makes them. */
const blankSpreadsheet = (tabs: number) => ({
  title: "Ledger",
  locale: "en_GB",
  timeZone: "UTC",
  sheets: Array.from({ length: tabs }, (_, index) => ({
    sheetId: EDITED + index,
    title: index === 0 ? "Data" : `Sheet ${index}`,
    index,
    ...gridOf(EDITED + index),
    usedRows: 0,
    usedColumns: 0,
    hidden: false,
    kind: "GRID",
  })),
});

const gridOf = (sheetId: number) => (sheetId === EDITED ? GRID : { rows: 1_000, columns: 26 });

function blankAnswer(want: Want): object {
  if (want.kind !== "digests" || want.axis !== "rows") throw new Error(`A blank sheet was asked for ${want.kind}.`);
  const { kind, id, sheetId, from, to } = want;
  const digests = packDigests(Array.from({ length: to - from }, () => NO_DIGEST));
  const { rows, columns } = gridOf(sheetId);
  const size = { usedRows: 0, usedColumns: 0, sheetRows: rows, sheetColumns: columns };
  return { kind, want: id, sheetId, from, to, digests, ...size };
}

const bodyOf = (cause: string, readings: readonly object[], run: string = randomUUID(), n = 0): string => {
  const readAt = [Date.now(), Date.now()];
  return JSON.stringify({
    protocol: 1,
    run,
    n,
    cause,
    actor: "somebody@example.com",
    script: { version: "1.0.0", installation: "7f0c2c5e-4f3f-4c39-9a0a-3f2f5b6d8e11" },
    allowance: { spentMs: 212, runLimitMs: 360_000 },
    readings: readings.map((reading) => ({ ...reading, readAt })),
  });
};

function signedHeaders({ key }: LetIn, body: string): Record<string, string> {
  const id = randomUUID();
  const timestamp = String(Math.floor(Date.now() / 1_000));
  const signature = createHmac("sha256", key).update(signedPrefix(id, timestamp)).update(body).digest("base64");
  return { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatureHeader([signature]) };
}

/** So many edits in one post, each of a cell of its own; `first` is the number of the first cell. */
export function editsBody(first: number, count: number): string {
  const readings = Array.from({ length: count }, (_, offset) => {
    const cell = (first + offset) % (GRID.rows * GRID.columns);
    const at = { row: cell % GRID.rows, column: Math.floor(cell / GRID.rows) };
    return {
      kind: "cells",
      sheetId: EDITED,
      at,
      cells: [[`cell ${first + offset}`]],
      edited: { ...at, rows: 1, columns: 1 },
      sheetRows: GRID.rows,
      sheetColumns: GRID.columns,
    };
  });
  return bodyOf("edit", readings);
}

/** A whole HTTP request. */
export function request(sheet: LetIn, body: string, path = `/v1/spreadsheets/${sheet.spreadsheetId}/posts`): string {
  const headers = Object.entries(signedHeaders(sheet, body)).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${headers.join("")}\r\n${body}`;
}

/** So many posts, in turn to each spreadsheet, going on from where the last ones ended. */
export function createPosts(sheets: readonly LetIn[], readings: number) {
  let made = 0;
  return (count: number): string[] =>
    Array.from({ length: count }, () => {
      const sheet = sheets[made % sheets.length];
      if (!sheet) throw new Error("No spreadsheets.");
      const turn = Math.floor(made / sheets.length);
      made += 1;
      return request(sheet, editsBody(turn * readings, readings));
    });
}

/** What a watcher says until changes come; with a cursor it resumes. */
export function watchSteps({ spreadsheetId, token }: LetIn, cursor?: object): Step[] {
  const watch = { kind: "watch", spreadsheetId, ...(cursor ? { cursor } : {}) };
  return [
    upgrade("/v1/feed", FEED_SUBPROTOCOL),
    { send: clientFrame(JSON.stringify({ kind: "hello", token, client: "bench" })), wait: '"welcome"' },
    { send: clientFrame(JSON.stringify(watch)), wait: '"watching"' },
  ];
}
export const pingFrame = (): Buffer => clientFrame(JSON.stringify({ kind: "ping" }));
