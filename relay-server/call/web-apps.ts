/** One call of one web app over HTTP: Google answers with a redirect to the content, or with a page that says what failed. */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { limits } from "@sheetwire/shared/limits";
import * as z from "zod";
import { isLoopback, mayCall, mayFollow } from "../origins/origins.ts";

/** The signed post that a call was answered with. */
export type SignedPost = {
  readonly id: string;
  readonly timestamp: string;
  readonly signature: string;
  /** The post's text, exactly as it was signed. */
  readonly body: string;
};

/**
 * Why there is no answer.
 *
 * - `not-allowed`: the address, or where it leads, is none that the relay calls.
 * - `unreachable`, `timeout`: no connection, or nothing came in time.
 * - `bad-status`, `not-json`: Google's own page instead of the script's answer: not deployed, not allowed, quota, a fault.
 * - `too-large`: more than a post may have.
 * - `refused`: the script's own no; `detail` is its code.
 */
export type CallFailure =
  | "not-allowed"
  | "unreachable"
  | "timeout"
  | "bad-status"
  | "not-json"
  | "too-large"
  | "refused"
  | "stopped";

export type CallResult =
  | { readonly ok: true; readonly post: SignedPost }
  | { readonly ok: false; readonly code: CallFailure; readonly detail?: string | undefined };

export interface WebApps {
  mayCall(address: string): boolean;
  ask(address: string, body: string): Promise<CallResult>;
  stop(): void;
}

const answerSchema = z.discriminatedUnion("ok", [
  z.object({
    ok: z.literal(true),
    id: z.string().min(1).max(256),
    timestamp: z.string().max(12),
    signature: z.string().max(1_024),
    body: z.string(),
  }),
  z.object({ ok: z.literal(false), code: z.string().regex(/^[a-z-]{1,40}$/) }),
]);

/** The post is a string inside JSON, where quotes take two characters. */
const ANSWER_MAX_BYTES = 2 * limits.postMaxBytes;
const REDIRECTS = new Set([301, 302, 303]);

class CallError extends Error {
  override readonly name = "CallError";
  readonly code: CallFailure;
  constructor(code: CallFailure) {
    super(code);
    this.code = code;
  }
}

export function createWebApps(needs: { origins: readonly string[]; timeoutMs?: number }): WebApps {
  const { origins, timeoutMs = limits.callTimeoutMs } = needs;
  const stopping = new AbortController();
  const secure = new HttpsAgent({ keepAlive: true, maxSockets: limits.callsAtOnce });
  // On the way to this machine itself a certificate proves nothing; the stand-in for Google makes its own.
  const nearby = new HttpsAgent({ keepAlive: true, rejectUnauthorized: false });
  const plain = new HttpAgent({ keepAlive: true });

  async function exchange(address: string, body: string, signal: AbortSignal): Promise<string> {
    let url = new URL(address);
    let response = await send(url, body, signal);
    for (let redirects = 0; REDIRECTS.has(response.statusCode ?? 0); redirects += 1) {
      response.destroy();
      const { location = "" } = response.headers;
      if (redirects === limits.callMaxRedirects || !URL.canParse(location, url.href)) throw new CallError("bad-status");
      const next = new URL(location, url.href);
      if (!mayFollow(url, next)) throw new CallError("not-allowed");
      url = next;
      response = await send(url, undefined, signal);
    }
    if (response.statusCode !== 200) {
      response.destroy();
      throw new CallError("bad-status");
    }
    return read(response);
  }

  function send(url: URL, body: string | undefined, signal: AbortSignal): Promise<IncomingMessage> {
    const isSecure = url.protocol === "https:";
    const request = isSecure ? httpsRequest : httpRequest;
    const agent = !isSecure ? plain : isLoopback(url) ? nearby : secure;
    return new Promise((resolve, reject) => {
      const sent = request(url, {
        method: body === undefined ? "GET" : "POST",
        agent,
        signal,
        headers: {
          accept: "application/json",
          ...(body === undefined
            ? {}
            : { "content-type": "application/json", "content-length": String(Buffer.byteLength(body)) }),
        },
      });
      sent.once("response", resolve);
      sent.once("error", reject);
      sent.end(body);
    });
  }

  return {
    mayCall: (address) => mayCall(address, origins),
    async ask(address, body) {
      if (!mayCall(address, origins)) return { ok: false, code: "not-allowed" };
      const timeout = AbortSignal.timeout(timeoutMs);
      try {
        return answerOf(await exchange(address, body, AbortSignal.any([timeout, stopping.signal])));
      } catch (error) {
        // What failed on the way may quote addresses: only its kind is kept.
        if (stopping.signal.aborted) return { ok: false, code: "stopped" };
        if (timeout.aborted) return { ok: false, code: "timeout" };
        return error instanceof CallError ? { ok: false, code: error.code } : { ok: false, code: "unreachable" };
      }
    },
    stop() {
      stopping.abort();
      for (const agent of [secure, nearby, plain]) agent.destroy();
    },
  };
}

function answerOf(text: string): CallResult {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: false, code: "not-json" };
  }
  const parsed = answerSchema.safeParse(value);
  if (!parsed.success) return { ok: false, code: "not-json" };
  if (!parsed.data.ok) return { ok: false, code: "refused", detail: parsed.data.code };
  const { id, timestamp, signature, body } = parsed.data;
  if (Buffer.byteLength(body) > limits.postMaxBytes) return { ok: false, code: "too-large" };
  return { ok: true, post: { id, timestamp, signature, body } };
}

async function read(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > ANSWER_MAX_BYTES) {
      response.destroy();
      throw new CallError("too-large");
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
