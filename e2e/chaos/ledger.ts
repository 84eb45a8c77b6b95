/**
 * What the writers were promised. Every post puts a text of its own into a cell of its own, so that one can say of each
 * post whether the log has it, once, and whether each reader got it.
 */

/** A sheet's grid; cell `k` of a ledger is written by post `k`, and again by post `k` plus their number. */
export const ROWS = 4_000;
export const COLUMNS = 20;
const CELLS = ROWS * COLUMNS;

export const placeOf = (k: number): { row: number; column: number } => ({
  row: Math.floor((k % CELLS) / COLUMNS),
  column: k % COLUMNS,
});
/** The place of a cell in a copy. */
export const placeOfCell = (row: number, column: number): number => row * COLUMNS + column;
export const textOf = (k: number): string => `p${k}`;
/** The number of the post that wrote this text; undefined for any other. */
export const postOf = (text: unknown): number | undefined =>
  typeof text === "string" && /^p\d+$/.test(text) ? Number(text.slice(1)) : undefined;

/** A post as it was sent: again it is sent with the same id and body. */
export type OpenPost = { readonly k: number; readonly id: string; readonly body: string };

/** The posts of one spreadsheet. */
export type Ledger = {
  /** The number of the next post. */
  next: number;
  /** Posts answered 202, with the seq that the answer named. */
  readonly acknowledged: Map<number, number>;
  /** Sent, and the connection broke before an answer came: they may be in the log or not. */
  readonly unanswered: OpenPost[];
  /** Cells whose last reading may not have been believed: they are read and posted again. */
  readonly again: number[];
  /** The last ones that were taken. */
  readonly recent: (OpenPost & { readonly seq: number })[];
};

export const openLedger = (): Ledger => ({ next: 0, acknowledged: new Map(), unanswered: [], again: [], recent: [] });
