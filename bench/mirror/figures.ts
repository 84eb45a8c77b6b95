/** What was found, and how it stands to what it must reach. */
import type { PeerName } from "./peers.ts";
import type { Engine } from "./stage.ts";

export type QuestionName =
  | "load"
  | "load-10m"
  | "stored-bytes"
  | "memory"
  | "memory-10m"
  | "edit"
  | "edit-synced"
  | "edits"
  | "insert"
  | "insert-10m"
  | "viewport"
  | "viewport-10m"
  | "viewport-cold"
  | "search"
  | "csv"
  | "reload"
  | "wake"
  | "commit-while-searching";

/** One question answered: a median for each who was asked. */
export type Found = {
  question: QuestionName;
  engine: Engine;
  cells: number;
  unit: "ms" | "bytes";
  runs: number;
  figures: Partial<Record<PeerName | "idle" | "bare", number>>;
};

/** `atMost` times the figure of `beside`; or a plain bound, where beside is nobody. */
export type Goal = { question: QuestionName; words: string; beside?: PeerName | "idle" | "bare"; atMost: number };

export const goals: readonly Goal[] = [
  { question: "load", words: "load", beside: "rows", atMost: 1 / 15 },
  { question: "load", words: "load", beside: "sqlite", atMost: 1 / 8 },
  { question: "load", words: "load", beside: "floor", atMost: 8 },
  { question: "load-10m", words: "load, 10,000,000 cells", beside: "floor", atMost: 6 },
  { question: "stored-bytes", words: "stored bytes", beside: "rows", atMost: 0.6 },
  { question: "stored-bytes", words: "stored bytes", beside: "sqlite", atMost: 0.6 },
  { question: "memory", words: "rise of resident memory while loading", beside: "rows", atMost: 0.6 },
  { question: "memory-10m", words: "rise of resident memory, 10,000,000 cells", atMost: 100 * 1_024 * 1_024 },
  { question: "edit", words: "one awaited edit, p50", beside: "floor", atMost: 1.4 },
  { question: "edit-synced", words: "one awaited edit, both synced, p50", beside: "sqlite", atMost: 1.1 },
  { question: "edits", words: "10,000 edits arriving one by one", beside: "rows", atMost: 1 / 5 },
  { question: "edits", words: "10,000 edits arriving one by one", beside: "sqlite", atMost: 1 / 1.5 },
  { question: "insert", words: "a row inserted at the top", beside: "floor", atMost: 3 },
  { question: "insert-10m", words: "a row inserted at the top, 10,000,000 cells", beside: "floor", atMost: 3 },
  { question: "insert", words: "a row inserted at the top", beside: "rows", atMost: 1 / 1_000 },
  { question: "insert", words: "a row inserted at the top", beside: "sqlite", atMost: 1 / 200 },
  { question: "viewport", words: "viewport 50 x 20, warm, p50", beside: "floor", atMost: 2.2 },
  { question: "viewport-cold", words: "viewport 50 x 20, cold, p50", beside: "floor", atMost: 4 },
  { question: "search", words: "search all cells, all hits", beside: "floor", atMost: 1.5 },
  { question: "search", words: "search all cells, all hits", beside: "sqlite", atMost: 0.6 },
  { question: "csv", words: "CSV of everything", beside: "floor", atMost: 4 },
  { question: "csv", words: "CSV of everything", beside: "rows", atMost: 0.3 },
  { question: "csv", words: "CSV of everything", beside: "sqlite", atMost: 0.15 },
  { question: "reload", words: "painted viewport after a reload", beside: "floor", atMost: 1.8 },
  { question: "reload", words: "painted viewport after a reload", beside: "sqlite", atMost: 0.6 },
  { question: "reload", words: "painted viewport after a reload", beside: "yjs", atMost: 0.1 },
  { question: "wake", words: "killed worker: woken to durable commit", beside: "bare", atMost: 2 },
  { question: "commit-while-searching", words: "commit p99 while the panel searches", beside: "idle", atMost: 5 },
];

export type Verdict = Goal & { ratio: number; reached: boolean };

/** How a question stands to each of its goals, as far as who it is compared with was asked. */
export function verdictsOn(found: Found): Verdict[] {
  const { mirror } = found.figures;
  return goals.flatMap((goal) => {
    if (goal.question !== found.question || mirror === undefined) return [];
    const beside = goal.beside === undefined ? 1 : found.figures[goal.beside];
    if (beside === undefined) return [];
    const ratio = mirror / beside;
    return [{ ...goal, ratio, reached: ratio <= goal.atMost }];
  });
}

export const rounded = (value: number): number => Number(value.toPrecision(3));

export function median(values: readonly number[], at = 0.5): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))] ?? Number.NaN;
}
