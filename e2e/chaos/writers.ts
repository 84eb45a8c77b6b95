/** Posts as the script posts: signed, one edited cell each, always `inFlight` of them under way for each spreadsheet. */
import { createHmac, randomUUID } from "node:crypto";
import { Agent, request } from "node:http";
import { signatureHeader, signedPrefix } from "@sheetwire/shared/signing";
import * as z from "zod";
import type { Sheet } from "./house.ts";
import { COLUMNS, placeOf, ROWS, textOf, type Ledger, type OpenPost } from "./ledger.ts";

export type Answer = { readonly status: number; readonly body: string; readonly retryAfterMs: number | undefined };

const answerSchema = z.object({ seq: z.int().nonnegative() });

const bytesOfKey = (ingestKey: string): Buffer => Buffer.from(ingestKey.slice("whsec_".length), "base64");

/** One signed post; undefined when the connection broke before the answer was there. */
export function post(
  url: string,
  { spreadsheetId, ingestKey }: Sheet,
  { id, body, agent }: { id: string; body: string; agent: Agent },
): Promise<Answer | undefined> {
  const timestamp = String(Math.floor(Date.now() / 1_000));
  const signature = createHmac("sha256", bytesOfKey(ingestKey))
    .update(signedPrefix(id, timestamp))
    .update(body)
    .digest("base64");
  return new Promise((resolve) => {
    const gone = (): void => resolve(undefined);
    const sent = request(
      `${url}/v1/spreadsheets/${spreadsheetId}/posts`,
      {
        agent,
        method: "POST",
        headers: {
          "content-type": "application/json",
          "content-length": Buffer.byteLength(body),
          "webhook-id": id,
          "webhook-timestamp": timestamp,
          "webhook-signature": signatureHeader([signature]),
        },
      },
      (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.on("error", gone);
        response.on("end", () => {
          const after = Number(response.headers["retry-after"]);
          resolve({
            status: response.statusCode ?? 0,
            body: Buffer.concat(parts).toString("utf8"),
            retryAfterMs: Number.isFinite(after) ? after * 1_000 : undefined,
          });
        });
        response.on("close", () => (response.complete ? undefined : gone()));
      },
    );
    sent.on("error", gone);
    sent.end(body);
  });
}

const bodyOf = (cause: string, reading: object): string =>
  JSON.stringify({
    protocol: 1,
    run: randomUUID(),
    n: 0,
    cause,
    script: { version: "1.0.0", installation: "chaos" },
    allowance: { spentMs: 200, runLimitMs: 360_000 },
    readings: [{ ...reading, readAt: [Date.now(), Date.now()] }],
  });

/** What the script's first run says: one sheet, all blank so far. */
export const sheetsBody = (): string =>
  bodyOf("install", {
    kind: "sheets",
    spreadsheet: {
      title: "Ledger",
      locale: "en_GB",
      timeZone: "UTC",
      sheets: [
        {
          sheetId: 7,
          title: "Data",
          index: 0,
          rows: ROWS,
          columns: COLUMNS,
          usedRows: 0,
          usedColumns: 0,
          hidden: false,
          kind: "GRID",
        },
      ],
    },
  });

/** A typed edit: post `k` puts its text into its cell. */
export function editBody(k: number): string {
  const at = placeOf(k);
  return bodyOf("edit", {
    kind: "cells",
    sheetId: 7,
    at,
    cells: [[textOf(k)]],
    edited: { ...at, rows: 1, columns: 1 },
    sheetRows: ROWS,
    sheetColumns: COLUMNS,
  });
}

export type Writers = {
  /** Answers other than 202, by status. */
  readonly refused: Map<number, number>;
  /** Posts sent again after they were taken, and how many of these were answered otherwise than the first time. */
  readonly repeated: () => number;
  readonly rewritten: () => number;
  /** The most posts that were under way at once. */
  readonly mostInFlight: () => number;
  /** No new posts; resolves when every answer has come or every connection is broken. */
  stop: () => Promise<void>;
};

/** How long a writer waits after a refusal, at most: the tests have less time than the relay asks for. */
const MOST_WAIT_MS = 500;

/** Writes until stopped. `url` is undefined while no relay runs. */
export function startWriters(sheets: readonly (readonly [Sheet, Ledger])[], inFlight: number, url: string): Writers {
  const agent = new Agent({ keepAlive: true, maxSockets: Infinity });
  const refused = new Map<number, number>();
  let stopping = false;
  let repeated = 0;
  let rewritten = 0;
  let underWay = 0;
  let most = 0;

  /** Sends until it is taken, and answers with the seq; undefined when the connection broke or the writers were stopped. */
  async function deliver(sheet: Sheet, ledger: Ledger, open: OpenPost): Promise<number | undefined> {
    for (;;) {
      underWay += 1;
      most = Math.max(most, underWay);
      const answer = await post(url, sheet, { ...open, agent });
      underWay -= 1;
      if (answer?.status === 202) return answerSchema.parse(JSON.parse(answer.body)).seq;
      if (answer) refused.set(answer.status, (refused.get(answer.status) ?? 0) + 1);
      if (!answer || stopping) {
        ledger.unanswered.push(open);
        return undefined;
      }
      await new Promise((resolve) => setTimeout(resolve, Math.min(MOST_WAIT_MS, answer.retryAfterMs ?? 50)));
    }
  }

  async function write(sheet: Sheet, ledger: Ledger, k: number): Promise<boolean> {
    const open = { k, id: randomUUID(), body: editBody(k) };
    const seq = await deliver(sheet, ledger, open);
    if (seq === undefined) return false;
    ledger.acknowledged.set(k, seq);
    ledger.recent.push({ ...open, seq });
    if (ledger.recent.length > 64) ledger.recent.shift();
    return true;
  }

  async function slot(sheet: Sheet, ledger: Ledger): Promise<void> {
    for (let goesOn = true; goesOn && !stopping;) {
      const left = ledger.unanswered.shift();
      if (left) {
        // The same post again, as it was; then the cell is read once more, since the relay does not believe a reading
        // from before its own start.
        goesOn = (await deliver(sheet, ledger, left)) !== undefined && (await write(sheet, ledger, left.k));
        continue;
      }
      const k = ledger.again.shift() ?? ledger.next;
      if (k === ledger.next) ledger.next += 1;
      goesOn = await write(sheet, ledger, k);
      // Now and then somebody did not hear the answer and sends again what was taken long ago.
      const again = k % 32 === 0 ? ledger.recent[0] : undefined;
      if (!goesOn || !again) continue;
      const seq = await deliver(sheet, ledger, { k: again.k, id: again.id, body: again.body });
      if (seq === undefined) return;
      repeated += 1;
      if (seq !== again.seq) rewritten += 1;
    }
  }

  const slots = sheets.flatMap(([sheet, ledger]) => Array.from({ length: inFlight }, () => slot(sheet, ledger)));
  return {
    refused,
    repeated: () => repeated,
    rewritten: () => rewritten,
    mostInFlight: () => most,
    async stop() {
      stopping = true;
      await Promise.all(slots);
      agent.destroy();
    },
  };
}
