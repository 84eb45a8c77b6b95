import type { GridRange } from "@sheetwire/shared/protocol";
import type { Copy, CopyReader, Mirror, Moment, ScanOptions } from "../mirror/mirror.ts";
import { exportFile } from "./export-file.ts";
import { keepOpen, type Opens } from "./kept-open.ts";
import type { Answer, Asked, Line, Method, Question } from "./talk.ts";

/** Pieces are handed over when there are so many, or when the first has waited so long, in milliseconds. */
const MOST_PIECES = 500;
const GATHER_MS = 30;
const PROGRESS_EVERY_MS = 100;

/** Answers questions that come over a line from the mirror, which is opened again when the browser has taken it away. */
export function serve(line: Line, open: Opens<Mirror>): void {
  const { mirror } = keepOpen(open);
  const stops = new Map<number, AbortController>();
  const begun = new Map<number, { pieces: AsyncGenerator; coming: Promise<IteratorResult<unknown>> | undefined }>();
  const say = (answer: Answer): void => line.postMessage(answer);

  function scan(id: number): ScanOptions {
    const stop = stops.get(id) ?? new AbortController();
    let saidAt = -Infinity;
    return {
      signal: stop.signal,
      onProgress: (rows, ofRows) => {
        const now = performance.now();
        if (now - saidAt < PROGRESS_EVERY_MS && rows < ofRows) return;
        saidAt = now;
        say({ kind: "progress", id, rows, ofRows });
      },
    };
  }

  /** The moment that was looked at last: what it is made of is kept with it. */
  let past: { mirror: Mirror; spreadsheetId: string; seq: number; copy: CopyReader } | undefined;

  async function goBack(spreadsheetId: string, moment: Moment): ReturnType<Copy["at"]> {
    const current = await mirror();
    const found = await current.of(spreadsheetId).at(moment);
    if (found.ok) past = { mirror: current, spreadsheetId, seq: found.seq, copy: found.copy };
    return found;
  }

  async function copyOf({ spreadsheetId, seq }: Asked): Promise<CopyReader> {
    const current = await mirror();
    if (seq === undefined) return current.of(spreadsheetId);
    if (past?.mirror === current && past.spreadsheetId === spreadsheetId && past.seq === seq) return past.copy;
    const found = await goBack(spreadsheetId, { seq });
    if (!found.ok) throw new DOMException("That moment is not kept any more.", "NotFoundError");
    // Not what is kept ready: that may be another's by now.
    return found.copy;
  }

  async function call(id: number, of: Asked, method: Method, args: unknown[]): Promise<unknown> {
    const [one, two, three] = args;
    if (method === "at") {
      const found = await goBack(of.spreadsheetId, one as Moment);
      return found.ok ? { ok: true, seq: found.seq } : found;
    }
    if (method === "history") {
      const now: Copy = (await mirror()).of(of.spreadsheetId);
      return now.history(one as number, two as number, three as number);
    }
    const copy = await copyOf(of);
    switch (method) {
      case "sheets":
        return copy.sheets();
      case "viewport":
        return copy.viewport(one as number, two as GridRange);
      case "columnStatistics":
        return copy.columnStatistics(one as number, two as number, scan(id));
      case "rangeSum":
        return copy.rangeSum(one as number, two as GridRange, scan(id));
      case "verify":
        return copy.verify(scan(id));
      case "exportFile":
        return exportFile(copy.exportRows(one as number, two as "csv" | "json", scan(id)), two as "csv" | "json");
      case "search":
      case "exportRows":
        throw new Error(`${method} comes in pieces.`);
    }
  }

  async function* piecesOf(id: number, of: Asked, method: Method, args: unknown[]): AsyncGenerator {
    const copy = await copyOf(of);
    const [one, two] = args;
    if (method === "search") {
      yield* copy.search(one as string, { ...(two === undefined ? {} : { most: two as number }), ...scan(id) });
    } else yield* copy.exportRows(one as number, two as "csv" | "json", scan(id));
  }

  /** What is there soon; at least one piece, unless there are no more. */
  async function more(id: number): Promise<{ items: unknown[]; isLast: boolean }> {
    const one = begun.get(id);
    const items: unknown[] = [];
    if (!one) return { items, isLast: true };
    const until = performance.now() + GATHER_MS;
    while (items.length < MOST_PIECES) {
      one.coming ??= one.pieces.next();
      const waitMs = until - performance.now();
      const next = items.length === 0 ? await one.coming : waitMs > 0 ? await within(one.coming, waitMs) : undefined;
      if (!next) break;
      one.coming = undefined;
      if (next.done) return { items, isLast: true };
      items.push(next.value);
    }
    return { items, isLast: false };
  }

  async function end(id: number): Promise<void> {
    stops.get(id)?.abort();
    const one = begun.get(id);
    if (!one) return;
    stops.delete(id);
    begun.delete(id);
    // Whoever stopped does not wait for what was on its way, and a stop is no failure.
    await one.coming?.catch(() => undefined);
    await one.pieces.return(undefined).catch(() => undefined);
  }

  async function answerWith(id: number, work: () => Promise<unknown>): Promise<void> {
    try {
      say({ kind: "value", id, value: await work() });
    } catch (error) {
      const name = error instanceof Error ? error.name : "unknown";
      say({
        kind: "error",
        id,
        name,
        message: name === "AbortError" ? "It was stopped." : "The mirror did not answer.",
      });
    }
  }

  line.onmessage = (event: MessageEvent<Question>) => {
    const question = event.data;
    const { id } = question;
    if (question.kind === "stop") {
      void end(id);
      return;
    }
    if (question.kind === "more") {
      void answerWith(id, () => more(id));
      return;
    }
    // A stop may come before the work has got to where it looks for one.
    stops.set(id, new AbortController());
    const { of, method, args } = question;
    if (question.kind === "begin") {
      begun.set(id, { pieces: piecesOf(id, of, method, args), coming: undefined });
    } else void answerWith(id, () => call(id, of, method, args)).finally(() => stops.delete(id));
  };
}

async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
