import type { Answer, Call, RunFacts } from "../services/services.ts";

/**
 * What a run's thread may answer in place of the main thread: so many calls, of which so many reads, as long as the
 * spreadsheet's revision is that of what is known. It says afterwards which it answered.
 */
export type Leeway = {
  readonly calls: number;
  readonly reads: number;
  /** Nothing where it is still what was told before. */
  readonly known?: Known;
};

/** JSON of answers by what is asked: the op, a space, JSON of the arguments. */
export type Known = { readonly revision: number; readonly answers: Readonly<Record<string, string>> };

/** To a worker: one execution. */
export type RunMessage = {
  readonly code: string;
  readonly facts: RunFacts;
  readonly call: Call;
  /** Counted up by the main thread with whatever may have changed an answer. */
  readonly revision: SharedArrayBuffer;
  readonly leeway: Leeway | undefined;
};

/** From it: one service call. */
export type Asked = {
  readonly op: string;
  readonly args: string;
  readonly bytes?: Int8Array | undefined;
  readonly meanwhile: Meanwhile;
};

/** What the thread has answered itself since it last said so. */
export type Meanwhile = readonly string[] | undefined;

/** To it: the answer. */
export type Reply = Answer & { readonly leeway?: Leeway | undefined };

/** From it, at the end. `json` is what the function handed back. */
export type RunResult = { readonly zoneCalls: number; readonly meanwhile?: Meanwhile } & (
  | { readonly ok: true; readonly json: string }
  | { readonly ok: false; readonly error: string }
);
