/** What a route is: a pattern, who may ask, and a function from what is asked to an answer. */
import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import type { RefusalCode } from "@sheetwire/shared/protocol";
import type { Device } from "../access/access.ts";

/** A no, as a value: the server makes the problem document of it. */
export type Refused = {
  readonly ok: false;
  readonly code: RefusalCode;
  readonly detail?: string | undefined;
  readonly maxBytes?: number | undefined;
  readonly retryAfterMs?: number | undefined;
};

export type Answer =
  | Refused
  | {
      readonly ok: true;
      readonly status?: number;
      readonly type?: string;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body: string | Readable;
    }
  /** The route writes the response itself from here on. */
  | { readonly ok: true; readonly takeOver: (response: ServerResponse) => void };

/** What a route is asked, with everything from outside still `unknown` or text. */
export type Asked = {
  readonly params: Readonly<Record<string, string>>;
  readonly query: unknown;
  readonly headers: IncomingHttpHeaders;
  /** Whose token it was; only on routes for tokens. */
  readonly device: Device | undefined;
};

export type Route = {
  readonly method: "GET" | "POST";
  readonly path: string;
  /** `token`: a bearer token that opens `:spreadsheetId`, where the path has one. `open`: the route sees to it itself. */
  readonly access: "token" | "open";
  readonly handle: (asked: Asked) => Promise<Answer> | Answer;
};

/** A JSON answer. */
export const json = (body: unknown): Answer => ({ ok: true, body: JSON.stringify(body) });

export const malformed = (detail: string): Answer => ({ ok: false, code: "malformed", detail });

export const NOTHING_YET: Answer = {
  ok: false,
  code: "busy",
  detail: "The spreadsheet has not reported anything yet.",
  retryAfterMs: 5_000,
};
