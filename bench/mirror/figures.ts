/** What was found, and how it stands to what it must reach. */
import type { PeerName } from "./peers.ts";
import type { Engine } from "./stage.ts";

export type QuestionName =
  | "load"
  | "load-10m"
  | "stored-bytes"
  | "memory"
  | "memory-10m"
  | "renderer-10m"
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
  | "boot"
  | "commit-while-searching";

/** One question answered: a median for each who was asked. */
export type Found = {
  question: QuestionName;
  engine: Engine;
  cells: number;
  unit: "ms" | "bytes";
  runs: number;
  figures: Partial<Record<Beside, number>>;
};

export type Beside = PeerName | "idle" | "bare";

/**
 * At most so many times the figure of `beside`, or at least so many times faster than it; or a plain bound, where beside is
 * nobody. What has no bound is told for its own sake.
 */
export type Goal = { question: QuestionName; words: string; prototype?: string } & (
  | { beside: Beside; atMost?: number }
  | { beside: Beside; timesFaster: number }
  | { bytesAtMost: number }
  | { msAtMost: number }
);

const MIB = 1_024 * 1_024;

export const goals: readonly Goal[] = [
  { question: "load", words: "load", beside: "rows", timesFaster: 15, prototype: "21 x" },
  { question: "load", words: "load", beside: "sqlite", timesFaster: 8, prototype: "11 x" },
  { question: "load", words: "load", beside: "floor", atMost: 8, prototype: "6.3 x" },
  { question: "load-10m", words: "load, 10,000,000 cells", beside: "floor", atMost: 6, prototype: "5.2 x" },
  { question: "stored-bytes", words: "stored bytes", beside: "rows", atMost: 0.6, prototype: "0.50 x" },
  { question: "stored-bytes", words: "stored bytes", beside: "sqlite", atMost: 0.6, prototype: "0.54 x" },
  {
    question: "memory",
    words: "rise of resident memory while loading",
    beside: "rows",
    atMost: 0.6,
    prototype: "0.51 x",
  },
  {
    question: "memory-10m",
    words: "rise of resident memory, 10,000,000 cells",
    bytesAtMost: 100 * MIB,
    prototype: "83 MiB",
  },
  { question: "renderer-10m", words: "renderer while loading and scrolling 10,000,000 cells", bytesAtMost: 400 * MIB },
  { question: "edit", words: "one awaited edit, p50", beside: "floor", atMost: 1.4, prototype: "1.2 x" },
  {
    question: "edit-synced",
    words: "one awaited edit, both synced, p50",
    beside: "sqlite",
    atMost: 1.1,
    prototype: "0.97 x",
  },
  { question: "edit-synced", words: "one awaited edit, both synced, p50", beside: "sqlite-wal" },
  { question: "edits", words: "10,000 edits arriving one by one", beside: "rows", timesFaster: 5, prototype: "6.4 x" },
  {
    question: "edits",
    words: "10,000 edits arriving one by one",
    beside: "sqlite",
    timesFaster: 1.5,
    prototype: "1.8 x",
  },
  { question: "edits", words: "10,000 edits arriving one by one", beside: "sqlite-wal" },
  { question: "insert", words: "a row inserted at the top", beside: "floor", atMost: 3, prototype: "1.6 x" },
  {
    question: "insert-10m",
    words: "a row inserted at the top, 10,000,000 cells",
    beside: "floor",
    atMost: 3,
    prototype: "3.2 x",
  },
  { question: "insert", words: "a row inserted at the top", beside: "rows", timesFaster: 1_000, prototype: "5,400 x" },
  { question: "insert", words: "a row inserted at the top", beside: "sqlite", timesFaster: 200, prototype: "500 x" },
  { question: "viewport", words: "viewport 50 x 20, warm, p50", beside: "floor", atMost: 2.2, prototype: "1.9 x" },
  { question: "viewport-10m", words: "viewport 50 x 20, warm, 10,000,000 cells", beside: "floor" },
  { question: "viewport-cold", words: "viewport 50 x 20, cold, p50", beside: "floor", atMost: 4, prototype: "3.8 x" },
  { question: "search", words: "search all cells, all hits", beside: "floor", atMost: 1.5, prototype: "1.0 x" },
  { question: "search", words: "search all cells, all hits", beside: "sqlite", atMost: 0.6, prototype: "0.53 x" },
  { question: "csv", words: "CSV of everything", beside: "floor", atMost: 4, prototype: "3.1 x" },
  { question: "csv", words: "CSV of everything", beside: "rows", atMost: 0.3, prototype: "0.23 x" },
  { question: "csv", words: "CSV of everything", beside: "sqlite", atMost: 0.15, prototype: "0.11 x" },
  { question: "reload", words: "painted viewport after a reload", beside: "floor", atMost: 1.8, prototype: "1.6 x" },
  { question: "reload", words: "painted viewport after a reload", beside: "sqlite", atMost: 0.6, prototype: "0.52 x" },
  { question: "reload", words: "painted viewport after a reload", beside: "yjs", atMost: 0.1, prototype: "0.05 x" },
  { question: "wake", words: "killed worker: woken to durable commit", beside: "bare", atMost: 2, prototype: "1.8 x" },
  { question: "boot", words: "killed worker: from its script to the image, 300 commits in the tail", msAtMost: 100 },
  {
    question: "commit-while-searching",
    words: "commit p99 while the panel searches",
    beside: "idle",
    atMost: 5,
    prototype: "3-5 x",
  },
];

export type Verdict = {
  goal: Goal;
  /** The mirror's figure in terms of the other's; the figure itself where there is no other. */
  ratio: number;
  /** Undefined where nothing was to be reached. */
  reached: boolean | undefined;
};

/** How a question stands to each of its goals, as far as who it is compared with was asked. */
export function verdictsOn({ question, figures }: Found): Verdict[] {
  const { mirror } = figures;
  return goals.flatMap((goal) => {
    if (goal.question !== question || mirror === undefined) return [];
    const other = "beside" in goal ? figures[goal.beside] : 1;
    if (other === undefined) return [];
    const ratio = mirror / other;
    const most = mostOf(goal);
    return [{ goal, ratio, reached: most === undefined ? undefined : ratio <= most }];
  });
}

/** The largest ratio that reaches the goal. */
export function mostOf(goal: Goal): number | undefined {
  if ("bytesAtMost" in goal) return goal.bytesAtMost;
  if ("msAtMost" in goal) return goal.msAtMost;
  return "timesFaster" in goal ? 1 / goal.timesFaster : goal.atMost;
}

export const rounded = (value: number): number => Number(value.toPrecision(3));

export function median(values: readonly number[], at = 0.5): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))] ?? Number.NaN;
}
