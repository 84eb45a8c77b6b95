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

/** Says that a request was refused, and what is known of it. */
export type TellRefused = (line: object) => void;

/**
 * Refusals as lines. Anybody can cause them, so of many in a second only the first are written; the next line that is says
 * as `unsaid` how many were not. All of them are counted in the metrics.
 */
export function createRefusalLines(logger: Logger, elapsed: () => number, mostASecond = 10): TellRefused {
  let second = Number.NaN;
  let count = 0;
  let unsaid = 0;
  return (line) => {
    const current = Math.floor(elapsed() / 1_000);
    count = current === second ? count + 1 : 1;
    second = current;
    if (count > mostASecond) {
      unsaid += 1;
      return;
    }
    logger.info(unsaid > 0 ? { ...line, unsaid } : line, "request refused");
    unsaid = 0;
  };
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
