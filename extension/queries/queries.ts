/**
 * What a page asks of the mirror. Short reads it makes itself, for what was committed is to be on screen at once; what goes
 * through millions of cells is asked of a worker, which is started with the first such question, so that the page goes on
 * moving. What comes in many pieces is handed over as it is asked for: whoever reads slowly holds the worker back.
 */
import {
  openForShowing,
  type Copy,
  type Mirror,
  type Moment,
  type NotKept,
  type Notice,
  type ShownCopy,
} from "../mirror/mirror.ts";
import { keepOpen, type Opens, type Refused } from "./kept-open.ts";
import type { Answer, Asked, Line, Method, Question } from "./talk.ts";

/** What takes long, of a copy of whatever time. */
type Scans = Pick<Copy, "search" | "columnStatistics" | "rangeSum" | "verify" | "exportRows"> & {
  /** Writes a sheet into a file of the browser's own, piece by piece, and hands the file over. */
  exportFile: (
    sheetId: number,
    format: "csv" | "json",
    options?: { signal?: AbortSignal; onProgress?: (rows: number, ofRows: number) => void },
  ) => Promise<File>;
};

/** A copy as it was. */
export type PastLooks = Pick<Copy, "sheets" | "viewport"> & Scans;

export type LongLooks = Scans & {
  history: Copy["history"];
  /** The copy as it was, as far back as what went is kept. */
  at: (moment: Moment) => Promise<{ ok: true; seq: number; copy: PastLooks } | NotKept>;
};

/** What a surface asks of a copy. */
export type Looks = ShownCopy & LongLooks;

/** The mirror as surfaces see it. */
export type LookedAt = Pick<Mirror, "held" | "subscribe"> & {
  of: (spreadsheetId: string) => Looks;
  close: () => void;
};

/** Where the mirror is opened, and the worker's line begun; the browser's own where nothing else is said. */
export type QueriesNeeds = {
  open?: Opens<Mirror<ShownCopy>>;
  dial?: () => { line: Line; hangUp: () => void };
};

function startWorker(): { line: Line; hangUp: () => void } {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  return { line: worker, hangUp: () => worker.terminate() };
}

/** Opens the mirror in this page, or says that a newer version made it or that it cannot be opened. */
export async function openQueries(needs: QueriesNeeds = {}): Promise<{ ok: true; mirror: LookedAt } | Refused> {
  const { open = openForShowing, dial = startWorker } = needs;
  const listeners = new Set<(notice: Notice) => void>();
  const here = keepOpen(open, (notice) => {
    for (const listener of listeners) listener(notice);
  });
  const opened = await here.open();
  if (!opened.ok) return opened;
  let worker: { ask: (spreadsheetId: string) => LongLooks; hangUp: () => void } | undefined;
  const long = (spreadsheetId: string): LongLooks => {
    if (!worker) {
      const { line, hangUp } = dial();
      worker = { ask: askOver(line), hangUp };
    }
    return worker.ask(spreadsheetId);
  };
  const of = (spreadsheetId: string): Looks => ({
    sheets: async () => (await here.mirror()).of(spreadsheetId).sheets(),
    viewport: async (...range) => (await here.mirror()).of(spreadsheetId).viewport(...range),
    changes: async (afterSeq) => (await here.mirror()).of(spreadsheetId).changes(afterSeq),
    history: (...cell) => long(spreadsheetId).history(...cell),
    at: (moment) => long(spreadsheetId).at(moment),
    search: (...asked) => long(spreadsheetId).search(...asked),
    columnStatistics: (...asked) => long(spreadsheetId).columnStatistics(...asked),
    rangeSum: (...asked) => long(spreadsheetId).rangeSum(...asked),
    verify: (...asked) => long(spreadsheetId).verify(...asked),
    exportRows: (...asked) => long(spreadsheetId).exportRows(...asked),
    exportFile: (...asked) => long(spreadsheetId).exportFile(...asked),
  });
  return {
    ok: true,
    mirror: {
      of,
      held: async () => (await here.mirror()).held(),
      subscribe: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      close: () => {
        listeners.clear();
        here.close();
        worker?.hangUp();
      },
    },
  };
}

type Waiting = {
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
  onProgress: ((rows: number, ofRows: number) => void) | undefined;
};

/** The mirror at the other end of a line. */
export function askOver(line: Line): (spreadsheetId: string) => LongLooks {
  const waiting = new Map<number, Waiting>();
  let ids = 0;

  line.onmessage = (event: MessageEvent<Answer>) => {
    const answer = event.data;
    if (answer.kind === "progress") waiting.get(answer.id)?.onProgress?.(answer.rows, answer.ofRows);
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

  async function call<T>(of: Asked, method: Method, args: unknown[], how: How = {}): Promise<T> {
    const id = (ids += 1);
    how.signal?.throwIfAborted();
    const abort = (): void => line.postMessage({ kind: "stop", id });
    how.signal?.addEventListener("abort", abort);
    try {
      return await ask<T>({ kind: "call", id, of, method, args }, how.onProgress);
    } finally {
      how.signal?.removeEventListener("abort", abort);
    }
  }

  /** Many pieces: the next ones are asked for when these have been used. */
  async function* pieces<T>(of: Asked, method: Method, args: unknown[], how: How): AsyncGenerator<T> {
    const id = (ids += 1);
    const abort = (): void => line.postMessage({ kind: "stop", id });
    how.signal?.addEventListener("abort", abort);
    try {
      line.postMessage({ kind: "begin", id, of, method, args });
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

  const scans = (of: Asked): Scans => ({
    columnStatistics: (sheetId, column, how) => call(of, "columnStatistics", [sheetId, column], how),
    rangeSum: (sheetId, range, how) => call(of, "rangeSum", [sheetId, range], how),
    verify: (how) => call(of, "verify", [], how),
    exportFile: (sheetId, format, how) => call(of, "exportFile", [sheetId, format], how),
    search: (text, { most, ...how } = {}) => pieces(of, "search", [text, most], how),
    exportRows: (sheetId, format, how = {}) => pieces(of, "exportRows", [sheetId, format], how),
  });
  const past = (of: Asked): PastLooks => ({
    ...scans(of),
    sheets: () => call(of, "sheets", []),
    viewport: (...range) => call(of, "viewport", range),
  });
  return (spreadsheetId) => ({
    ...scans({ spreadsheetId }),
    history: (...cell) => call({ spreadsheetId }, "history", cell),
    async at(moment) {
      const found = await call<{ ok: true; seq: number } | NotKept>({ spreadsheetId }, "at", [moment]);
      return found.ok ? { ...found, copy: past({ spreadsheetId, seq: found.seq }) } : found;
    },
  });
}
