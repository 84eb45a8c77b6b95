/**
 * What the refused side does next.
 *
 * - `give-up`: sending the same again can only fail again; say so to somebody.
 * - `sign-again`: same body, new timestamp and signature.
 * - `ask-for-access`: the token or key is not good (any more); ask the person for another.
 * - `ask-user-to-update`: one of the programs is too old.
 * - `retry-later`: after `retryAfterMs`, or with growing pauses.
 * - `redial`: connect again with the cursor; nothing is lost.
 * - `start-afresh`: drop the copy and take a new snapshot.
 * - `split`: send less at once.
 */
export type NextStep =
  | "give-up"
  | "sign-again"
  | "ask-for-access"
  | "ask-user-to-update"
  | "retry-later"
  | "redial"
  | "start-afresh"
  | "split";

type Row = { status: number; closeCode: number; title: string; nextStep: NextStep };

/** The one table of refusals: HTTP status, WebSocket close code, title of the problem document, and what to do next. */
export const refusals = {
  unauthorized: {
    status: 401,
    closeCode: 4401,
    title: "The signature, token or key does not open this spreadsheet.",
    nextStep: "ask-for-access",
  },
  malformed: { status: 400, closeCode: 4400, title: "The message could not be read.", nextStep: "give-up" },
  "not-found": { status: 404, closeCode: 4404, title: "There is nothing at this address.", nextStep: "give-up" },
  "method-not-allowed": {
    status: 405,
    closeCode: 4405,
    title: "This address does not take that method.",
    nextStep: "give-up",
  },
  "id-reused": {
    status: 409,
    closeCode: 4409,
    title: "This id was used before with another body.",
    nextStep: "give-up",
  },
  "history-gone": {
    status: 410,
    closeCode: 4410,
    title: "The log no longer reaches back to there.",
    nextStep: "start-afresh",
  },
  "version-gone": {
    status: 412,
    closeCode: 4412,
    title: "That version of the snapshot is gone.",
    nextStep: "start-afresh",
  },
  "too-large": { status: 413, closeCode: 1009, title: "The message is larger than allowed.", nextStep: "split" },
  "unsupported-media-type": {
    status: 415,
    closeCode: 1003,
    title: "Only JSON is understood here.",
    nextStep: "give-up",
  },
  "protocol-too-old": {
    status: 426,
    closeCode: 4426,
    title: "The sender speaks a protocol version that is not served here.",
    nextStep: "ask-user-to-update",
  },
  "rate-limited": { status: 429, closeCode: 4429, title: "Too much at once.", nextStep: "retry-later" },
  internal: { status: 500, closeCode: 1011, title: "The relay failed; nothing was changed.", nextStep: "retry-later" },
  busy: { status: 503, closeCode: 1013, title: "The relay is busy.", nextStep: "retry-later" },
  "shutting-down": { status: 503, closeCode: 1012, title: "The relay is stopping.", nextStep: "redial" },
  "disk-full": { status: 507, closeCode: 4507, title: "The relay's disk is full.", nextStep: "retry-later" },
  "too-slow": {
    status: 503,
    closeCode: 4408,
    title: "The reader fell too far behind; it resumes from the log.",
    nextStep: "redial",
  },
  silent: { status: 408, closeCode: 4008, title: "Nothing was heard for too long.", nextStep: "redial" },
  "too-many-watches": {
    status: 429,
    closeCode: 4430,
    title: "Too many spreadsheets on one socket.",
    nextStep: "give-up",
  },
} as const satisfies Record<string, Row>;

export type RefusalCode = keyof typeof refusals;
export const refusalCodes = Object.keys(refusals) as [RefusalCode, ...RefusalCode[]];

/** `type` of the problem document, a relative reference that resolves at the relay's own docs. */
export const problemTypeOf = (code: RefusalCode): string => `/problems/${code}`;

/** What a close code tells the reader to do. Unknown codes, network ends and 1001 are ordinary: dial again. */
export function nextStepAfterClose(closeCode: number): NextStep {
  const known = Object.values(refusals).find((row) => row.closeCode === closeCode);
  return known ? known.nextStep : "redial";
}
