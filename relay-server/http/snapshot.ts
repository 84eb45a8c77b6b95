import { pipeline, Readable, type Transform } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { constants, createBrotliCompress, createGzip, createZstdCompress } from "node:zlib";
import * as z from "zod";
import type { Ingest } from "../ingest/ingest.ts";
import { linesOf, type SnapshotVersion, type SpreadsheetState } from "../sheets/sheets.ts";
import { NOTHING_YET, type Route } from "./route.ts";

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

/** A version stays for so long after it was read last, in milliseconds: whoever was cut off dials again. */
const VERSION_STAYS_MS = 120_000;
/** Versions of one spreadsheet that are kept. */
const MOST_VERSIONS = 3;

type Kept = SnapshotVersion & { readonly digest: string; usedAt: number };

/** Versions that somebody may go on reading though edits go on: those that are being read take `mostBytes` at most, all others half of it. */
function createVersions(elapsed: () => number, mostBytes: number) {
  const kept = new Map<string, Map<string, Kept>>();
  /** How many read which. A version that is not kept any more stays as long as somebody reads it. */
  const read = new Map<Kept, number>();
  const drop = (spreadsheetId: string, etag: string): void => {
    const versions = kept.get(spreadsheetId);
    versions?.delete(etag);
    if (versions?.size === 0) kept.delete(spreadsheetId);
  };
  const oldestFirst = (): { spreadsheetId: string; etag: string; version: Kept }[] =>
    [...kept]
      .flatMap(([spreadsheetId, versions]) =>
        [...versions].map(([etag, version]) => ({ spreadsheetId, etag, version })),
      )
      .sort((a, b) => a.version.usedAt - b.version.usedAt);
  const forget = (): void => {
    const all = oldestFirst();
    let bytes = sumOf(all.map(({ version }) => version));
    const newest = all.at(-1)?.version;
    for (const { spreadsheetId, etag, version } of all) {
      const isOver = bytes > mostBytes / 2 && version !== newest;
      if (!isOver && elapsed() - version.usedAt <= VERSION_STAYS_MS) return;
      bytes -= version.bytes;
      drop(spreadsheetId, etag);
    }
  };
  return {
    find(spreadsheetId: string, etag: string): Kept | undefined {
      const found = kept.get(spreadsheetId)?.get(etag);
      if (found) found.usedAt = elapsed();
      return found;
    },
    keep(spreadsheetId: string, etag: string, version: SnapshotVersion, digest: string): Kept {
      const one: Kept = { ...version, digest, usedAt: elapsed() };
      const versions = kept.get(spreadsheetId) ?? new Map<string, Kept>();
      kept.set(spreadsheetId, versions.set(etag, one));
      for (const oldest of versions.keys()) if (versions.size > MOST_VERSIONS) versions.delete(oldest);
      forget();
      return one;
    },
    forget,
    /** Whether there is room for one more to read it; `end` is then to be called when that is over. */
    begin(version: Kept): boolean {
      const readers = read.get(version) ?? 0;
      if (readers === 0 && read.size > 0 && sumOf([...read.keys()]) + version.bytes > mostBytes) return false;
      read.set(version, readers + 1);
      return true;
    },
    end(version: Kept): void {
      const readers = read.get(version) ?? 0;
      if (readers > 1) read.set(version, readers - 1);
      else read.delete(version);
    },
  };
}

const sumOf = (versions: readonly SnapshotVersion[]): number => versions.reduce((sum, { bytes }) => sum + bytes, 0);

/**
 * The whole spreadsheet as NDJSON, of one version, streamed no faster than the reader takes it. Its ETag names epoch and
 * contents: a reader that was cut off goes on behind the last row it has with `?after=sheetId:row` and `If-Match`, for two
 * minutes also when edits went on meanwhile.
 */
export function snapshotRoute({
  ingest,
  elapsed,
  mostBytes = Number.POSITIVE_INFINITY,
}: {
  ingest: Ingest;
  elapsed: () => number;
  mostBytes?: number;
}): Route {
  const versions = createVersions(elapsed, mostBytes);
  setInterval(versions.forget, VERSION_STAYS_MS).unref();
  return {
    method: "GET",
    path: "/v1/spreadsheets/:spreadsheetId/snapshot",
    access: "token",
    async handle({ params, query, headers }) {
      const { spreadsheetId = "" } = params;
      const asked = afterSchema.safeParse(query);
      if (!asked.success) return { ok: false, code: "malformed", detail: "after is sheetId:row, both whole numbers." };
      const { after } = asked.data;
      const state = await ingest.stateOf(spreadsheetId);
      if (!state) return NOTHING_YET;
      // From here to the version nothing is awaited: ETag, head, rows and end are of the same.
      const digest = state.digest();
      const current = tagOf(state, digest);
      const wanted = headers["if-match"];
      if (after && wanted === undefined) {
        return { ok: false, code: "malformed", detail: "Going on needs If-Match with the ETag of what was begun." };
      }
      const isCurrent = wanted === undefined || names(wanted, current);
      const etag = isCurrent ? current : plainTag(wanted);
      // Of an earlier life of the log nothing is served: its numbers mean something else now.
      const isOfThisLife = etag.startsWith(`"${state.head.epoch}-`);
      const kept = isOfThisLife ? versions.find(spreadsheetId, etag) : undefined;
      // The same contents at an earlier place in the log: a reader would be sent behind where its changes follow.
      const held = isCurrent && kept?.head !== JSON.stringify(state.snapshotHead()) ? undefined : kept;
      if (!held && !isCurrent) return { ok: false, code: "version-gone" };
      const common = { etag, "cache-control": "private, no-cache", vary: "Accept-Encoding, Authorization" };
      const known = headers["if-none-match"];
      if (known !== undefined && names(known, etag)) return { ok: true, status: 304, headers: common, body: "" };
      const version = held ?? versions.keep(spreadsheetId, etag, state.version(), digest);
      if (after && !version.sheets.some((sheet) => sheet.sheetId === after.sheetId)) {
        return { ok: false, code: "version-gone" };
      }
      if (!versions.begin(version)) return { ok: false, code: "busy", retryAfterMs: 10_000 };
      const end = JSON.stringify({ end: true, digest: version.digest });
      const plain = Readable.from(pieces(linesOf(version, after), end), {
        objectMode: false,
        highWaterMark: PIECE_CHARS,
      });
      plain.once("close", () => versions.end(version));
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

/** Unknown rows add nothing to a digest, and neither do blank ones: while any is unknown, the place in the log tells versions apart. */
function tagOf({ head, hasUnknownRows }: SpreadsheetState, digest: string): string {
  return `"${head.epoch}-${digest}${hasUnknownRows ? `-${head.seq}` : ""}"`;
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

/** The first tag of a header, without the mark of a weak one. */
const plainTag = (header: string): string => (header.split(",")[0] ?? "").trim().replace(/^W\//, "");
