/** What a page and its worker say to each other. Both are ours and of one build, so types are enough. */
export type Method = "history" | "columnStatistics" | "rangeSum" | "verify" | "exportFile" | "search" | "exportRows";

export type Question =
  | { kind: "call"; id: number; spreadsheetId: string; method: Method; args: unknown[] }
  | { kind: "begin"; id: number; spreadsheetId: string; method: Method; args: unknown[] }
  | { kind: "more"; id: number }
  | { kind: "stop"; id: number };

export type Answer =
  | { kind: "value"; id: number; value: unknown }
  | { kind: "error"; id: number; name: string; message: string }
  | { kind: "progress"; id: number; rows: number; ofRows: number };

/** One end of a line between two contexts: a worker, or a port. */
export type Line = {
  postMessage: (message: Question | Answer) => void;
  onmessage: ((event: MessageEvent) => void) | null;
};
