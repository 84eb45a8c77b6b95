/** What UrlFetchApp asks for, done from here, within Google's limits. */
import * as z from "zod";
import type { Answer } from "../services/services.ts";

const fetchLimits = { headers: 100, headerBytes: 8 * 1024, urlChars: 2082, bodyBytes: 50 * 1024 * 1024 };

const requestsSchema = z.array(
  z.object({
    url: z.string(),
    method: z.string(),
    contentType: z.string(),
    headers: z.record(z.string(), z.string()),
    hasPayload: z.boolean(),
    followRedirects: z.boolean(),
    muteHttpExceptions: z.boolean(),
    timeoutSeconds: z.number(),
    length: z.int().nonnegative(),
  }),
);
type Request = z.infer<typeof requestsSchema>[number];
type Reply = { status: number; headers: Record<string, string | string[]>; length: number; error?: string };

const userAgent = "Mozilla/5.0 (compatible; Google-Apps-Script; beanserver; +https://script.google.com; id: fake)";
const forbidden = [
  "host",
  "content-length",
  "connection",
  "transfer-encoding",
  "expect",
  "te",
  "upgrade",
  "keep-alive",
];

export async function answerFetch(
  args: unknown,
  bytes: Int8Array | undefined,
  allowList: readonly string[] | undefined,
): Promise<Answer> {
  const requests = requestsSchema.parse(args);
  const all = bytes ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) : Buffer.alloc(0);
  let at = 0;
  const sent = requests.map((request) => {
    const body = all.subarray(at, at + request.length);
    at += request.length;
    return send(request, body, allowList);
  });
  const replies = await Promise.all(sent);
  return {
    json: JSON.stringify(replies.map(({ reply }) => reply)),
    bytes: Buffer.concat(replies.map(({ content }) => content)),
  };
}

/** The same answer for each of them, with nothing sent: an error as Google words it, or a page of somebody in between. */
export function replyForAll(args: unknown, end: { readonly status: number } | { readonly error: string }): Answer {
  const content = Buffer.from("error" in end ? "" : `<html><head><title>Error ${end.status}</title></head></html>`);
  const replies = requestsSchema
    .parse(args)
    .map((request): Reply =>
      "error" in end
        ? { status: 0, headers: {}, length: 0, error: `${end.error}: ${hostOf(request.url)}` }
        : { status: end.status, headers: { "content-type": "text/html; charset=utf-8" }, length: content.length },
    );
  return { json: JSON.stringify(replies), bytes: Buffer.concat(replies.map(() => content)) };
}

async function send(
  request: Request,
  body: Buffer,
  allowList: readonly string[] | undefined,
): Promise<{ reply: Reply; content: Buffer }> {
  const wrong = refusalOf(request, body, allowList);
  if (wrong !== undefined) return failed(wrong);
  try {
    const headers = new Headers({ "user-agent": userAgent });
    if (request.hasPayload) headers.set("content-type", request.contentType);
    for (const [name, value] of Object.entries(request.headers)) headers.set(name, value);
    const response = await fetch(request.url, {
      method: request.method.toUpperCase(),
      headers,
      redirect: request.followRedirects ? "follow" : "manual",
      signal: AbortSignal.timeout(Math.min(360, Math.max(1, request.timeoutSeconds)) * 1000),
      ...(request.hasPayload ? { body: new Uint8Array(body) } : {}),
    });
    const content = Buffer.from(await response.arrayBuffer());
    if (content.length > fetchLimits.bodyBytes)
      return failed(`Limit exceeded: URLFetch Response Size: ${hostOf(request.url)}`);
    const held: Record<string, string | string[]> = {};
    for (const [name, value] of response.headers) held[name] = value;
    return { reply: { status: response.status, headers: held, length: content.length }, content };
  } catch (error) {
    const isTimeout = error instanceof Error && error.name === "TimeoutError";
    return failed(isTimeout ? `Timeout: ${hostOf(request.url)}` : `Address unavailable: ${hostOf(request.url)}`);
  }
}

function refusalOf(request: Request, body: Buffer, allowList: readonly string[] | undefined): string | undefined {
  if (request.url.length > fetchLimits.urlChars) return "Limit exceeded: URLFetch URL Length.";
  let url: URL;
  try {
    url = new URL(request.url);
  } catch {
    return "Invalid argument: the URL";
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") return "Invalid argument: the URL";
  const isLoopback = ["127.0.0.1", "localhost", "[::1]"].includes(url.hostname);
  // Google's servers would reach neither; this machine is let in so that a relay can be tried on it.
  if (!isLoopback && url.protocol !== "https:") return `UrlFetch calls to ${url.origin} are not permitted: only https.`;
  if (!isLoopback && allowList && !allowList.some((entry) => isAllowed(url, entry))) {
    return `UrlFetch calls to ${url.origin} are not permitted by the URL fetch allowlist of the manifest.`;
  }
  const headers = Object.entries(request.headers);
  if (headers.length > fetchLimits.headers) return "Limit exceeded: URLFetch Header Count.";
  for (const [name, value] of headers) {
    if (
      forbidden.includes(name.toLowerCase()) ||
      !/^[\w!#$%&'*+.^`|~-]+$/.test(name) ||
      !/^[\t\x20-\x7e\x80-\xff]*$/.test(value)
    ) {
      return `Attribute provided with invalid value: Header:${name}`;
    }
    if (Buffer.byteLength(name) + Buffer.byteLength(value) > fetchLimits.headerBytes)
      return "Limit exceeded: URLFetch Header Size.";
  }
  return body.length > fetchLimits.bodyBytes ? "Limit exceeded: URLFetch POST Size." : undefined;
}

/** An entry of `urlFetchWhitelist`: https, a full host with at most one leading `*.`, and a path to begin with. */
export function isAllowed(url: URL, entry: string): boolean {
  const match = /^https:\/\/(\*\.)?([^/*]+)(\/.*)$/.exec(entry);
  if (!match) return false;
  const [, star, host = "", path = "/"] = match;
  const isHost = star === undefined ? url.host === host : url.host.endsWith(`.${host}`);
  return isHost && (url.pathname + url.search).startsWith(path);
}

const hostOf = (url: string): string => /^https?:\/\/[^/?#]+/.exec(url)?.[0] ?? "the address";

const failed = (error: string): { reply: Reply; content: Buffer } => ({
  reply: { status: 0, headers: {}, length: 0, error },
  content: Buffer.alloc(0),
});
