/** STUB with the final signatures; the real body is being written. */
import type { RefusalCode, RelayFacts } from "@sheetwire/shared/protocol";
import type { SpreadsheetState } from "../sheets/sheets.ts";

export type IngestResult =
  | { readonly ok: true; /** JSON text of the 202. */ readonly answer: string }
  | {
      readonly ok: false;
      readonly code: RefusalCode;
      readonly detail?: string;
      readonly maxBytes?: number;
      readonly retryAfterMs?: number;
    };

export type PostHeaders = { id: string | undefined; timestamp: string | undefined; signature: string | undefined };

/** Takes posts as far as the log, and keeps the state that they are folded against. */
export interface Ingest {
  /** One signed post, its raw body. Resolves when it is durable or refused; a refusal has stored nothing. */
  take(spreadsheetId: string, headers: PostHeaders, body: Buffer): Promise<IngestResult>;
  /** The state at the head, loaded from the store when need be; undefined for a spreadsheet without a record. */
  stateOf(spreadsheetId: string): Promise<SpreadsheetState | undefined>;
  /** `watchers` and `relay` are filled in by the caller. */
  factsOf(spreadsheetId: string): Promise<Omit<RelayFacts, "watchers" | "relay"> | undefined>;
  /** Called when the facts of a spreadsheet may have changed. Returns the way to end it. */
  onFacts(listener: (spreadsheetId: string) => void): () => void;
  /** Drops what is held in memory of a spreadsheet (it was erased or restored). */
  forget(spreadsheetId: string): void;
  close(): Promise<void>;
}
