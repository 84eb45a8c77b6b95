import { pipeline, Readable, type Transform } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { constants, createBrotliCompress, createGzip, createZstdCompress } from "node:zlib";
import * as z from "zod";
import type { Ingest } from "../ingest/ingest.ts";
import type { Route } from "./route.ts";

const afterSchema = z.object({
  after: z
    .string()
    .regex(/^\d{1,15}:\d{1,8}$/)
    .transform((text) => {
      const [sheetId = 0, row = 0] = text.split(":").map(Number);
      return { sheetId, row };
    })
    .optional(),
});

/** Lines are handed on in pieces of about this many characters. */
const PIECE_CHARS = 64 * 1024;

/**
 * The whole spreadsheet as NDJSON, of one version, streamed no faster than the reader takes it. Its ETag names epoch and
 * contents: a reader that was cut off goes on behind the last row it has with `?after=sheetId:row` and `If-Match`.
 */
export function snapshotRoute({ ingest }: { ingest: Ingest }): Route {
  return {
    method: "GET",
    path: "/v1/spreadsheets/:spreadsheetId/snapshot",
    access: "token",
    async handle({ params, query, headers }) {
      const asked = afterSchema.safeParse(query);
      if (!asked.success) return { ok: false, code: "malformed", detail: "after is sheetId:row, both whole numbers." };
      const { after } = asked.data;
      const state = await ingest.stateOf(params["spreadsheetId"] ?? "");
      if (!state)
        return {
          ok: false,
          code: "busy",
          detail: "The spreadsheet has not reported anything yet.",
          retryAfterMs: 5_000,
        };
      // From here to the lines nothing is awaited: ETag, head, rows and end are of the same version.
      const digest = state.digest();
      const etag = `"${state.head.epoch}-${digest}"`;
      const wanted = headers["if-match"];
      if (after && wanted === undefined) {
        return { ok: false, code: "malformed", detail: "Going on needs If-Match with the ETag of what was begun." };
      }
      if (wanted !== undefined && !names(wanted, etag)) return { ok: false, code: "version-gone" };
      if (after && !state.sheets().some((sheet) => sheet.sheetId === after.sheetId))
        return { ok: false, code: "version-gone" };
      const common = { etag, "cache-control": "private, no-cache", vary: "Accept-Encoding, Authorization" };
      const held = headers["if-none-match"];
      if (held !== undefined && names(held, etag)) return { ok: true, status: 304, headers: common, body: "" };
      const lines = state.snapshotLines(after);
      const end = JSON.stringify({ end: true, digest });
      const plain = Readable.from(pieces(lines, end), { objectMode: false, highWaterMark: PIECE_CHARS });
      const encoding = encodingFrom(headers["accept-encoding"]);
      const type = "application/x-ndjson; charset=utf-8";
      if (!encoding) return { ok: true, type, headers: common, body: plain };
      const packed = COMPRESS[encoding]();
      // A reader that goes away ends both; that is no fault.
      pipeline(plain, packed, () => {});
      return { ok: true, type, headers: { ...common, "content-encoding": encoding }, body: packed };
    },
  };
}

async function* pieces(lines: Iterable<string>, end: string): AsyncGenerator<string> {
  let held = "";
  for (const line of lines) {
    held += `${line}\n`;
    if (held.length < PIECE_CHARS) continue;
    yield held;
    held = "";
    // A snapshot of millions of cells leaves the others their turns.
    await setImmediate();
  }
  yield `${held}${end}\n`;
}

type Encoding = "zstd" | "br" | "gzip";
const COMPRESS: Record<Encoding, () => Transform> = {
  zstd: () => createZstdCompress(),
  br: () => createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 4 } }),
  gzip: () => createGzip({ level: 4 }),
};
const PREFERRED: readonly Encoding[] = ["zstd", "br", "gzip"];

/** The best encoding that the reader takes; nothing for none. */
export function encodingFrom(header: string | string[] | undefined): Encoding | undefined {
  const weights = new Map<string, number>();
  for (const part of String(header ?? "").split(",")) {
    const [name = "", ...rest] = part.trim().toLowerCase().split(";");
    const q = rest.map((one) => /^\s*q=([\d.]+)$/.exec(one)?.[1]).find((one) => one !== undefined);
    weights.set(name.trim(), q === undefined ? 1 : Number(q));
  }
  const weightOf = (encoding: Encoding): number => weights.get(encoding) ?? weights.get("*") ?? 0;
  const best = PREFERRED.toSorted((a, b) => weightOf(b) - weightOf(a))[0];
  return best && weightOf(best) > 0 ? best : undefined;
}

const names = (header: string, etag: string): boolean =>
  header.trim() === "*" || header.split(",").some((one) => one.trim().replace(/^W\//, "") === etag);
