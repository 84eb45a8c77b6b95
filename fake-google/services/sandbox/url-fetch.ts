import { decode, newBlob, type Blob } from "./blob.ts";
import { askForBytes, exception, isBytes, needScope, object, utf8 } from "./host.ts";

type Params = {
  method?: string;
  contentType?: string;
  headers?: Record<string, string>;
  payload?: unknown;
  muteHttpExceptions?: boolean;
  followRedirects?: boolean;
  validateHttpsCertificates?: boolean;
  escaping?: boolean;
  timeoutSeconds?: number;
  useIntranet?: boolean;
};

const known = ["method", "contentType", "headers", "payload", "muteHttpExceptions", "followRedirects"].concat([
  "validateHttpsCertificates",
  "escaping",
  "timeoutSeconds",
  "useIntranet",
  "url",
]);
const methods = ["get", "delete", "patch", "post", "put"];

function payloadOf(payload: unknown): { bytes: number[]; contentType?: string } {
  if (typeof payload === "string") return { bytes: utf8(payload) };
  if (isBytes(payload)) return { bytes: payload };
  if (typeof payload === "object" && payload !== null && "getBytes" in payload) {
    const blob = payload as Blob;
    return { bytes: blob.getBytes(), contentType: blob.getContentType() ?? "application/octet-stream" };
  }
  if (typeof payload === "object" && payload !== null) {
    const fields = Object.entries(payload).map(
      ([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`,
    );
    return { bytes: utf8(fields.join("&")) };
  }
  throw exception("Attribute provided with invalid value: payload");
}

function prepare(url: string, params: Params) {
  for (const name of Object.keys(params)) {
    if (!known.includes(name)) throw exception(`Attribute provided with invalid value: ${name}`);
  }
  const method = (params.method ?? "get").toLowerCase();
  if (!methods.includes(method)) throw exception("Attribute provided with invalid value: method");
  const payload = params.payload === undefined || params.payload === null ? undefined : payloadOf(params.payload);
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(params.headers ?? {})) headers[name] = String(value);
  return {
    url: String(url),
    method: payload && method === "get" ? "post" : method,
    contentType: params.contentType ?? payload?.contentType ?? "application/x-www-form-urlencoded",
    headers,
    hasPayload: payload !== undefined,
    bytes: payload?.bytes ?? [],
    followRedirects: params.followRedirects !== false,
    muteHttpExceptions: params.muteHttpExceptions === true,
    timeoutSeconds: params.timeoutSeconds ?? 360,
  };
}

type Prepared = ReturnType<typeof prepare>;
type Reply = { status: number; headers: Record<string, string | string[]>; length: number; error?: string };

function sendAll(requests: readonly Prepared[]) {
  let total = 0;
  for (const request of requests) total += request.bytes.length;
  const bytes = new Int8Array(total);
  let at = 0;
  for (const request of requests) {
    bytes.set(request.bytes, at);
    at += request.bytes.length;
  }
  const described = requests.map(({ bytes: payload, ...rest }) => ({ ...rest, length: payload.length }));
  const answer = askForBytes("fetch", described, bytes);
  let from = 0;
  return (answer.value as Reply[]).map((reply, index) => {
    const content = answer.bytes.slice(from, from + reply.length);
    from += reply.length;
    if (reply.error !== undefined) throw exception(reply.error);
    const response = responseOf(reply, content);
    const request = requests[index];
    if (reply.status >= 400 && request && !request.muteHttpExceptions) {
      const host = /^https?:\/\/[^/?#]+/.exec(request.url)?.[0] ?? request.url;
      const start = response.getContentText().slice(0, 200);
      throw exception(
        `Request failed for ${host} returned code ${reply.status}. Truncated server response: ${start} (use muteHttpExceptions option to examine full response)`,
      );
    }
    return response;
  });
}

function responseOf(reply: Reply, content: readonly number[]) {
  const first: Record<string, string> = {};
  for (const [name, value] of Object.entries(reply.headers))
    first[name] = Array.isArray(value) ? (value[0] ?? "") : value;
  const type = (): string => first["content-type"] ?? first["Content-Type"] ?? "";
  return object("HTTPResponse", {
    getResponseCode: () => reply.status,
    getContentText: (charset?: string) => decode(content, charset ?? /charset=([\w-]+)/i.exec(type())?.[1] ?? "UTF-8"),
    getContent: () => content.slice(),
    getBlob: () => newBlob(content.slice(), type()),
    getHeaders: () => ({ ...first }),
    getAllHeaders: () => ({ ...reply.headers }),
  });
}

const scope = ["script.external_request"];

export const UrlFetchApp = object("UrlFetchApp", {
  fetch: (url: string, params: Params = {}) => {
    needScope("UrlFetchApp.fetch", scope);
    return sendAll([prepare(url, params)])[0];
  },
  fetchAll: (requests: (string | (Params & { url: string }))[]) => {
    needScope("UrlFetchApp.fetchAll", scope);
    return sendAll(
      requests.map((request) => (typeof request === "string" ? prepare(request, {}) : prepare(request.url, request))),
    );
  },
  getRequest: (url: string, params: Params = {}) => {
    const { method, contentType, headers, bytes } = prepare(url, params);
    return { url, method, contentType, headers, payload: bytes };
  },
});
