import type { Metrics } from "../telemetry/telemetry.ts";
import type { Answer, Route } from "./route.ts";

type Needs = {
  metrics: Metrics;
  version: string;
  elapsed: () => number;
  /** Whether the store answers. */
  isReady: () => Promise<boolean>;
  counts: () => { spreadsheets: number };
};

/** For whoever runs the relay: is it alive, may it be sent work, what does it count. Nothing secret, no ids. */
export function healthRoutes({ metrics, version, elapsed, isReady, counts }: Needs): readonly Route[] {
  const open = (path: string, handle: () => Promise<Answer> | Answer): Route => ({
    method: "GET",
    path,
    access: "open",
    handle,
  });
  const startedAt = elapsed();
  return [
    open("/livez", () => ({ ok: true, type: "text/plain", body: "ok\n" })),
    open("/readyz", async () =>
      (await isReady())
        ? { ok: true, type: "text/plain", body: "ok\n" }
        : { ok: false, code: "busy", detail: "The store does not answer.", retryAfterMs: 5_000 },
    ),
    open("/metrics", async () => ({
      ok: true,
      type: metrics.registry.contentType,
      body: await metrics.registry.metrics(),
    })),
    open("/status", async () => {
      const sum = async (
        metric: { get(): Promise<{ values: { value: number; labels: object }[] }> },
        label?: [string, string],
      ) =>
        (await metric.get()).values
          .filter(
            ({ labels }) =>
              !label || Object.entries(labels).some(([name, value]) => name === label[0] && value === label[1]),
          )
          .reduce((total, { value }) => total + value, 0);
      const posts = await sum(metrics.posts);
      const taken = await sum(metrics.posts, ["outcome", "taken"]);
      return page(version, [
        ["Running for", duration(elapsed() - startedAt)],
        ["Store", (await isReady()) ? "answers" : "does not answer"],
        ["Spreadsheets", String(counts().spreadsheets)],
        ["Posts taken", String(taken)],
        ["Posts refused", String(posts - taken)],
        ["Changes logged", String(await sum(metrics.changes))],
        ["Readers connected", String(await sum(metrics.watches))],
        ["Faults", String(await sum(metrics.faults))],
      ]);
    }),
  ];
}

function page(version: string, rows: readonly (readonly [string, string])[]): Answer {
  const lines = rows.map(([name, value]) => `<tr><th scope="row">${name}</th><td>${value}</td></tr>`).join("\n");
  return {
    ok: true,
    type: "text/html; charset=utf-8",
    headers: { "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'" },
    body: `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="10">
<title>Sheetwire relay</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:3rem auto;padding:0 1rem}th{text-align:left;padding-right:2rem;font-weight:500}:root{color-scheme:light dark}</style>
<h1>Sheetwire relay</h1>
<p>Version ${version}. Since this relay started:</p>
<table>
${lines}
</table>
<p>Numbers for machines are at <a href="/metrics">/metrics</a>.</p>
</html>
`,
  };
}

function duration(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return "less than a minute";
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d`;
}
