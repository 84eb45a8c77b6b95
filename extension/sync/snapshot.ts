import {
  problemSchema,
  refusals,
  snapshotEndSchema,
  snapshotHeadSchema,
  type RefusalCode,
  type SnapshotHead,
} from "@sheetwire/shared/protocol";
import { LineCutter } from "./line-cutter.ts";
import { rewritten } from "./rows-line.ts";

export type SnapshotSource = {
  relayUrl: string;
  spreadsheetId: string;
  token: string;
};

/** A copy that broke off, as the relay knows it: its version, and the last row that is here. */
export type Held = { etag: string; after: { sheetId: number; row: number } };

/** What is done with a snapshot as it arrives. Promises hold back the stream. */
export type SnapshotTaker = {
  /** `etag` names this version; `isRest`: what follows goes on behind what is held. */
  head: (head: SnapshotHead, etag: string | undefined, isRest: boolean) => Promise<void>;
  /**
   * A line as its bytes came, which are good until this has answered. False where it is no line of rows as the relay
   * writes it.
   */
  rows: (line: Uint8Array) => Promise<boolean>;
};

export type SnapshotResult =
  | { ok: true }
  | { ok: false; code: RefusalCode; retryAfterMs?: number }
  /** The network failed, or the stream broke off or fell silent. */
  | { ok: false; code: "broken" };

type Fetch = (url: string, init: RequestInit) => Promise<Response>;

const SILENT_MS = 30_000;

type Needs = { fetch: Fetch; signal: AbortSignal; after: (ms: number, run: () => void) => () => void };

/**
 * Fetches a snapshot and hands it on line by line; where a part of it is held, only the rest, as long as the relay still
 * has that version. What the taker throws is thrown on.
 */
export async function fetchSnapshot(
  source: SnapshotSource,
  taker: SnapshotTaker,
  needs: Needs,
  held?: Held,
): Promise<SnapshotResult> {
  const rest = held && (await fetchOnce(source, taker, needs, held));
  return rest && (rest.ok || rest.code !== "version-gone") ? rest : fetchOnce(source, taker, needs, undefined);
}

async function fetchOnce(
  { relayUrl, spreadsheetId, token }: SnapshotSource,
  taker: SnapshotTaker,
  needs: Needs,
  held: Held | undefined,
): Promise<SnapshotResult> {
  const silence = new AbortController();
  const signal = AbortSignal.any([needs.signal, silence.signal]);
  let stopWatch = needs.after(SILENT_MS, () => silence.abort());
  const alive = (): void => {
    stopWatch();
    stopWatch = needs.after(SILENT_MS, () => silence.abort());
  };
  try {
    let response: Response;
    try {
      const url = `${relayUrl.replace(/\/+$/, "")}/v1/spreadsheets/${spreadsheetId}/snapshot`;
      const after = held ? `?after=${held.after.sheetId}:${held.after.row}` : "";
      const headers = {
        authorization: `Bearer ${token}`,
        accept: "application/x-ndjson",
        ...(held ? { "if-match": held.etag } : {}),
      };
      response = await needs.fetch(`${url}${after}`, { headers, signal, cache: "no-store", credentials: "omit" });
    } catch {
      return { ok: false, code: "broken" };
    }
    if (!response.ok) return await readRefusal(response);
    if (!response.body) return { ok: false, code: "broken" };
    const etag = response.headers.get("etag") ?? undefined;
    const begin = (head: SnapshotHead): Promise<void> => taker.head(head, etag, held !== undefined);
    return await takeLines(response.body, begin, taker.rows, alive);
  } finally {
    stopWatch();
  }
}

async function takeLines(
  body: ReadableStream<Uint8Array>,
  takeHead: (head: SnapshotHead) => Promise<void>,
  takeRows: SnapshotTaker["rows"],
  alive: () => void,
): Promise<SnapshotResult> {
  const reader = body.getReader();
  const lines = new LineCutter();
  let hasHead = false;
  try {
    for (;;) {
      let chunk: ReadableStreamReadResult<Uint8Array>;
      try {
        chunk = await reader.read();
      } catch {
        return { ok: false, code: "broken" };
      }
      alive();
      for (const line of chunk.done ? lines.rest() : lines.of(chunk.value)) {
        if (line.length === 0) continue;
        if (!hasHead) {
          const head = snapshotHeadSchema.safeParse(parseJson(line));
          if (!head.success) return { ok: false, code: "malformed" };
          await takeHead(head.data);
          hasHead = true;
        } else if (!(await takeRows(line))) {
          const value = parseJson(line);
          const other = rewritten(value);
          if (other && (await takeRows(other))) continue;
          if (snapshotEndSchema.safeParse(value).success) return { ok: true };
          // A line cut short by a stream that broke off is no JSON either.
          return { ok: false, code: chunk.done ? "broken" : "malformed" };
        }
      }
      if (chunk.done) return { ok: false, code: "broken" };
      if (lines.isTooLong) return { ok: false, code: "malformed" };
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function parseJson(line: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(line));
  } catch {
    return undefined;
  }
}

async function readRefusal(response: Response): Promise<SnapshotResult> {
  const retryAfterS = Number(response.headers.get("retry-after"));
  const retryAfterMs = Number.isFinite(retryAfterS) && retryAfterS > 0 ? retryAfterS * 1_000 : undefined;
  const problem = problemSchema.safeParse(await response.json().catch(() => undefined));
  const byStatus = (Object.keys(refusals) as RefusalCode[]).find((code) => refusals[code].status === response.status);
  const code = problem.success ? problem.data.code : (byStatus ?? "internal");
  const waitMs = problem.success ? (problem.data.retryAfterMs ?? retryAfterMs) : retryAfterMs;
  return { ok: false, code, ...(waitMs === undefined ? {} : { retryAfterMs: waitMs }) };
}

/** Rows that the head announces, for "so many of so many". */
export const rowsOfHead = (head: SnapshotHead): number =>
  head.spreadsheet.sheets.reduce((sum, sheet) => sum + (sheet.kind === "GRID" ? sheet.rows : 0), 0);
