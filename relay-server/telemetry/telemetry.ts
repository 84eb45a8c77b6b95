/** Lines and numbers for the operator. Ids, counts and codes only: what people typed into cells never comes here. */
import { pino, type DestinationStream, type Logger } from "pino";

export { createMetrics, type Metrics } from "./metrics.ts";
export type { Logger } from "pino";

export function createLogger(level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: faultOf },
    // A second net below "never hand it over": these never hold anything that may be read.
    redact: { paths: ["token", "ingestKey", "body", "*.token", "*.ingestKey", "*.body", "req.headers"], remove: true },
  };
  return destination ? pino(options, destination) : pino(options);
}

/** What of an error may be logged: its kind and where it came from. Its message may quote what was being read. */
export function faultOf(error: unknown): { name: string; code?: string; at: string[] } {
  if (!(error instanceof Error)) return { name: typeof error, at: [] };
  const at = (error.stack ?? "")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => /^at [^"'`]*:\d+:\d+\)?$/.test(line))
    .slice(0, 12);
  const code =
    "code" in error && typeof error.code === "string" && /^\w{1,60}$/.test(error.code) ? { code: error.code } : {};
  const number = "errcode" in error && typeof error.errcode === "number" ? { code: `SQLITE_${error.errcode}` } : {};
  return { name: error.name, ...code, ...number, at };
}
