/** One way to have a copy of a sheet elsewhere, and what it costs at Google. */
import type { Action } from "../../e2e/stage/stage.ts";

export type { Action } from "../../e2e/stage/stage.ts";

export type Costs = {
  /** Bodies of what is sent and answered, without headers. */
  readonly bytes: number;
  readonly fetches: number;
  readonly rangeReads: number;
  readonly properties: number;
  readonly locks: number;
  /** Rows that were told to have other content than before. */
  readonly rowsTold: number;
};

export type Design = {
  /** Does these to the sheet, lets so much of Google's time pass, and answers what that cost. */
  play: (actions: readonly Action[], waitMs: number) => Promise<Costs>;
  stop: () => Promise<void>;
};
