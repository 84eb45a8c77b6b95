import { limits } from "@sheetwire/shared/limits";

/** What a post says before its body, read without any parser of HTTP. */
export type PlainHead = {
  readonly spreadsheetId: string;
  readonly headers: {
    readonly "webhook-id": string;
    readonly "webhook-timestamp": string;
    readonly "webhook-signature": string;
  };
  /** Where the body begins, and how long it is, in bytes. */
  readonly from: number;
  readonly length: number;
};

/** A longer head is none of ours. */
const MOST_BYTES = 4_096;

const PLAIN =
  /^POST \/v1\/spreadsheets\/([A-Za-z0-9_-]{5,128})\/posts HTTP\/1\.1\r\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e]*\r\n)+$/;

/**
 * The head of a post that is written as nearly all are: whole, with a length, each header once, and with none that changes
 * how it is to be read or answered. Of any other there is nothing to say here: it is for a real parser.
 */
export function readPlainHead(bytes: Buffer): PlainHead | undefined {
  const end = bytes.subarray(0, MOST_BYTES).indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const text = bytes.toString("latin1", 0, end + 2);
  const spreadsheetId = PLAIN.exec(text)?.[1];
  if (spreadsheetId === undefined) return undefined;
  let id: string | undefined;
  let timestamp: string | undefined;
  let signature: string | undefined;
  let length: string | undefined;
  let type: string | undefined;
  let host: string | undefined;
  for (let at = text.indexOf("\r\n") + 2; at < text.length;) {
    const lineEnd = text.indexOf("\r\n", at);
    const colon = text.indexOf(":", at);
    const name = text.slice(at, colon).toLowerCase();
    const value = text.slice(colon + 1, lineEnd).trim();
    at = lineEnd + 2;
    if (name === "webhook-id") {
      if (id !== undefined) return undefined;
      id = value;
    } else if (name === "webhook-timestamp") {
      if (timestamp !== undefined) return undefined;
      timestamp = value;
    } else if (name === "webhook-signature") {
      if (signature !== undefined) return undefined;
      signature = value;
    } else if (name === "content-length") {
      if (length !== undefined) return undefined;
      length = value;
    } else if (name === "content-type") {
      if (type !== undefined) return undefined;
      type = value;
    } else if (name === "host") {
      if (host !== undefined) return undefined;
      host = value;
    } else if (name === "connection") {
      if (value.toLowerCase() !== "keep-alive") return undefined;
    } else if (NOT_PLAIN.has(name)) return undefined;
  }
  if (!id || !timestamp || !signature || !host || type === undefined || length === undefined) return undefined;
  if (!/^application\/json *(;|$)/i.test(type) || !/^[1-9]\d{0,8}$/.test(length)) return undefined;
  if (Number(length) > limits.postMaxBytes) return undefined;
  return {
    spreadsheetId,
    headers: { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature },
    from: end + 4,
    length: Number(length),
  };
}

/** Headers that ask for something else than a body of so many bytes, to be answered by the next answer. */
const NOT_PLAIN = new Set([
  "content-encoding",
  "expect",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
