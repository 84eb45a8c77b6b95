import * as z from "zod";
import { digestOfWindow, digestText, fold, NO_DIGEST, parseDigest } from "@sheetwire/shared/digest";
import { limits } from "@sheetwire/shared/limits";
import { digestTextSchema, type Sheet } from "@sheetwire/shared/protocol";
import type { RelayDigests } from "../status/status.ts";
import type { SnapshotSource } from "./snapshot.ts";

const pageSchema = z.object({ seq: z.int(), to: z.int(), digests: z.array(digestTextSchema.nullable()) });

/** A relay that says nothing for so long, in milliseconds, cannot be reached: whoever waits is told so. */
const PAGE_WITHIN_MS = 15_000;

/** Asks the relay for the digests of all rows, window by window, and folds each sheet's into one. They are of one seq. */
export async function fetchDigests(
  { relayUrl, spreadsheetId, token }: SnapshotSource,
  sheets: readonly Sheet[],
  fetch: (url: string, init: RequestInit) => Promise<Response>,
  withinMs = PAGE_WITHIN_MS,
): Promise<RelayDigests> {
  const base = `${relayUrl.replace(/\/+$/, "")}/v1/spreadsheets/${spreadsheetId}/digests`;
  const headers = { authorization: `Bearer ${token}` };
  const found: Extract<RelayDigests, { ok: true }>["sheets"] = [];
  let seq: number | undefined;
  for (const { sheetId } of sheets) {
    let digest = NO_DIGEST;
    let unknownRows = 0;
    let rows = 0;
    for (let isLast = false; !isLast;) {
      const url = `${base}?sheetId=${sheetId}&from=${rows}&to=${rows + WINDOW_ROWS}`;
      let response: Response;
      let page: unknown;
      try {
        const signal = AbortSignal.timeout(withinMs);
        response = await fetch(url, { headers, cache: "no-store", credentials: "omit", signal });
        page = await response.json();
      } catch {
        return { ok: false, why: "unreachable" };
      }
      // A sheet that is not there any more: the copy hears of it with the next change.
      if (response.status === 404) return { ok: false, why: "moving" };
      if (!response.ok) return { ok: false, why: "refused" };
      const read = pageSchema.safeParse(page);
      if (!read.success) return { ok: false, why: "refused" };
      seq ??= read.data.seq;
      if (read.data.seq !== seq) return { ok: false, why: "moving" };
      const { digests } = read.data;
      unknownRows += digests.filter((one) => one === null).length;
      digest = fold(
        digest,
        digestOfWindow(
          rows,
          digests.map((one) => (one === null ? NO_DIGEST : parseDigest(one))),
        ),
      );
      rows += digests.length;
      isLast = digests.length < WINDOW_ROWS;
    }
    found.push({ sheetId, rows, unknownRows, digest: digestText(digest) });
  }
  return { ok: true, seq: seq ?? 0, sheets: found };
}

const WINDOW_ROWS = limits.readMaxRows;
