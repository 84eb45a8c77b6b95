import type { Ingest } from "../ingest/ingest.ts";
import type { Metrics } from "../telemetry/telemetry.ts";
import type { Asked, Route } from "./route.ts";

/** Signed posts of the script. Answered when they are durable. */
export function postsRoute(needs: { ingest: Ingest; metrics: Metrics; elapsed: () => number }): Route {
  const { ingest, metrics, elapsed } = needs;
  return {
    method: "POST",
    path: "/v1/spreadsheets/:spreadsheetId/posts",
    access: "open",
    async handle({ params, headers, body }) {
      const encoding = one(headers["content-encoding"]);
      if (encoding !== undefined && encoding !== "identity") {
        return {
          ok: false,
          code: "unsupported-media-type",
          detail: "The body is taken as it is, without content encoding.",
        };
      }
      const startedAt = elapsed();
      const signed = {
        id: one(headers["webhook-id"]),
        timestamp: one(headers["webhook-timestamp"]),
        signature: one(headers["webhook-signature"]),
      };
      const result = await ingest.take(params["spreadsheetId"] ?? "", signed, body);
      metrics.posts.inc({ outcome: result.ok ? "taken" : result.code });
      metrics.postSeconds.observe((elapsed() - startedAt) / 1000);
      return result.ok ? { ok: true, status: 202, body: result.answer } : result;
    },
  };
}

const one = (header: Asked["headers"][string]): string | undefined => (Array.isArray(header) ? header[0] : header);
