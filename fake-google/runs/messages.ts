import type { Call, RunFacts } from "../services/services.ts";

/** To a worker: one execution. */
export type RunMessage = { readonly code: string; readonly facts: RunFacts; readonly call: Call };

/** From it, at the end. `json` is what the function handed back. */
export type RunResult =
  | { readonly ok: true; readonly json: string; readonly zoneCalls: number }
  | { readonly ok: false; readonly error: string; readonly zoneCalls: number };
