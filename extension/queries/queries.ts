/**
 * Asks the mirror in a worker, so that a page goes on moving while millions of cells are looked through. What comes in
 * many pieces is handed over as it is asked for: whoever reads slowly holds the worker back.
 */
import type { Copy, Mirror } from "../mirror/mirror.ts";
import type { Answer, Line, Method, Question } from "./talk.ts";

/** What a surface asks of a copy. */
export type Looks = Pick<
  Copy,
  | "sheets"
  | "viewport"
  | "changes"
  | "history"
  | "storage"
  | "search"
  | "columnStatistics"
  | "rangeSum"
  | "verify"
  | "exportRows"
> & {
  /** Writes a sheet into a file of the browser's own, piece by piece, and hands the file over. */
  exportFile: (
    sheetId: number,
    format: "csv" | "json",
    options?: { signal?: AbortSignal; onProgress?: (rows: number, ofRows: number) => void },
  ) => Promise<File>;
};

/** The mirror as surfaces see it. */
export type LookedAt = Pick<Mirror, "held" | "subscribe"> & {
  of: (spreadsheetId: string) => Looks;
  close: () => void;
};

type Refused = { ok: false; why: "newer" | "failed" };

/** Starts the worker and opens the mirror in it. */
export async function openQueries(): Promise<{ ok: true; mirror: LookedAt } | Refused> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  const opened = await askOver(worker, () => worker.terminate());
  if (!opened.ok) worker.terminate();
  return opened;
}

type Waiting = {
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
  onProgress: ((rows: number, ofRows: number) => void) | undefined;
};

/** The mirror at the other end of a line. */
export async function askOver(line: Line, hangUp: () => void): Promise<{ ok: true; mirror: LookedAt } | Refused> {
  const waiting = new Map<number, Waiting>();
  const listeners = new Set<Parameters<Mirror["subscribe"]>[0]>();
  let ids = 0;

  line.onmessage = (event: MessageEvent<Answer>) => {
    const answer = event.data;
    if (answer.kind === "notice") for (const listener of listeners) listener(answer.notice);
    else if (answer.kind === "progress") waiting.get(answer.id)?.onProgress?.(answer.rows, answer.ofRows);
    else {
      const one = waiting.get(answer.id);
      waiting.delete(answer.id);
      if (answer.kind === "value") one?.resolve(answer.value);
      else one?.reject(new DOMException(answer.message, answer.name));
    }
  };

  function ask<T>(question: Question, onProgress?: Waiting["onProgress"]): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      waiting.set(question.id, { resolve: (value) => resolve(value as T), reject, onProgress });
      line.postMessage(question);
    });
  }

  type How = { signal?: AbortSignal | undefined; onProgress?: Waiting["onProgress"] };

  async function call<T>(
    spreadsheetId: string | undefined,
    method: Method,
    args: unknown[],
    how: How = {},
  ): Promise<T> {
    const id = (ids += 1);
    how.signal?.throwIfAborted();
    const abort = (): void => line.postMessage({ kind: "stop", id });
    how.signal?.addEventListener("abort", abort);
    try {
      return await ask<T>({ kind: "call", id, spreadsheetId, method, args }, how.onProgress);
    } finally {
      how.signal?.removeEventListener("abort", abort);
    }
  }

  /** Many pieces: the next ones are asked for when these have been used. */
  async function* pieces<T>(spreadsheetId: string, method: Method, args: unknown[], how: How): AsyncGenerator<T> {
    const id = (ids += 1);
    const abort = (): void => line.postMessage({ kind: "stop", id });
    how.signal?.addEventListener("abort", abort);
    try {
      line.postMessage({ kind: "begin", id, spreadsheetId, method, args });
      for (;;) {
        how.signal?.throwIfAborted();
        const { items, isLast } = await ask<{ items: T[]; isLast: boolean }>({ kind: "more", id }, how.onProgress);
        yield* items;
        if (isLast) return;
      }
    } finally {
      how.signal?.removeEventListener("abort", abort);
      line.postMessage({ kind: "stop", id });
    }
  }

  const opened = await call<{ ok: true } | Refused>(undefined, "open", []);
  if (!opened.ok) return opened;
  const of = (spreadsheetId: string): Looks => {
    const asked =
      <A extends unknown[], T>(method: Method) =>
      (...args: A): Promise<T> =>
        call<T>(spreadsheetId, method, args);
    return {
      sheets: asked("sheets"),
      viewport: asked("viewport"),
      changes: asked("changes"),
      history: asked("history"),
      storage: asked("storage"),
      columnStatistics: (sheetId, column, how) => call(spreadsheetId, "columnStatistics", [sheetId, column], how),
      rangeSum: (sheetId, range, how) => call(spreadsheetId, "rangeSum", [sheetId, range], how),
      verify: (how) => call(spreadsheetId, "verify", [], how),
      exportFile: (sheetId, format, how) => call(spreadsheetId, "exportFile", [sheetId, format], how),
      search: (text, { most, ...how } = {}) => pieces(spreadsheetId, "search", [text, most], how),
      exportRows: (sheetId, format, how = {}) => pieces(spreadsheetId, "exportRows", [sheetId, format], how),
    };
  };
  return {
    ok: true,
    mirror: {
      of,
      held: () => call(undefined, "held", []),
      subscribe: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      close: hangUp,
    },
  };
}
