/** What the extension's own pages share: their style sheet, and the status that describes itself anew every second. */
import { useEffect, useState } from "preact/hooks";
import { describeStatus, NOT_RUNNING, STARTING, type Status, type SyncFacts } from "@sheetwire/shared/status";
import { followFacts, useIsLate } from "../heartbeat/heartbeat.ts";
import { readFacts } from "../status/status.ts";
import "./look.css";

export function useNow(everyMs = 1_000): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

/** The facts of one spreadsheet as the background tells them; undefined until it has answered. */
export function useFacts(spreadsheetId: string): SyncFacts | undefined {
  const [facts, setFacts] = useState<SyncFacts>();
  useEffect(() => followFacts(spreadsheetId, { read: readFacts, onFacts: setFacts }), [spreadsheetId]);
  return facts;
}

export function bytesInWords(bytes: number): string {
  if (bytes < 1_000) return `${bytes} bytes`;
  if (bytes < 1_000_000) return `${Math.round(bytes / 1_000)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

export function useStatus(spreadsheetId: string): Status {
  const facts = useFacts(spreadsheetId);
  const now = useNow();
  const isLate = useIsLate(facts !== undefined);
  if (facts) return describeStatus(facts, now);
  return isLate ? NOT_RUNNING : STARTING;
}
