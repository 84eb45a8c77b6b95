/** What a page and its worker say to each other. Both are ours and of one build, so types are enough. */
export type Method =
  | "at"
  | "sheets"
  | "viewport"
  | "history"
  | "columnStatistics"
  | "rangeSum"
  | "verify"
  | "exportFile"
  | "search"
  | "exportRows";

/** Which copy is asked: that of now, or that of an earlier seq. */
export type Asked = { spreadsheetId: string; seq?: number | undefined };

export type Question =
  | { kind: "call"; id: number; of: Asked; method: Method; args: unknown[] }
  | { kind: "begin"; id: number; of: Asked; method: Method; args: unknown[] }
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
