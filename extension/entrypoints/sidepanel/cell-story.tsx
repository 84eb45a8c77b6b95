import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { cellName, columnName, displayOf } from "@sheetwire/shared/grid";
import type { Cell } from "@sheetwire/shared/protocol";
import { ago } from "@sheetwire/shared/status";
import { useNow } from "../../look/look.tsx";
import type { CellHistory, ColumnStatistics } from "../../mirror/mirror.ts";
import type { Looks } from "../../queries/queries.ts";
import { causeWords, statisticsWords, whoWords } from "./words.ts";

/** Entries drawn at most: a cell that changes every minute has thousands. */
const MOST_ENTRIES = 50;
/** A sheet that changes all the time is not counted all the time. */
const LOOK_EVERY_MS = 2_000;

type Found<T> = { state: "looking" } | { state: "failed" } | { state: "found"; value: T };

/** What one cell held before, through moved rows, and what its column holds. `version` tells it to look again. */
export function CellStory(props: {
  copy: Looks;
  sheetId: number;
  row: number;
  column: number;
  version: number | undefined;
}): JSX.Element {
  const { copy, sheetId, row, column } = props;
  const version = useThrottled(props.version, LOOK_EVERY_MS);
  const history = useFound(() => copy.history(sheetId, row, column), [copy, sheetId, row, column, version]);
  const statistics = useFound(
    (signal) => copy.columnStatistics(sheetId, column, { signal }),
    [copy, sheetId, column, version],
  );
  return (
    <div class="cell-story" role="region" aria-label={`${cellName(row, column)} and its column`}>
      <h2 class="story-head">{cellName(row, column)} before</h2>
      <HistoryList found={history} />
      <h2 class="story-head">Column {columnName(column)}</h2>
      <p class="story-line">
        {statistics.state === "looking"
          ? "Counting…"
          : statistics.state === "failed" || !statistics.value
            ? "The column could not be read. Try again."
            : statisticsWords(statistics.value satisfies ColumnStatistics)}
      </p>
    </div>
  );
}

function HistoryList({ found }: { found: Found<CellHistory> }): JSX.Element {
  const now = useNow();
  if (found.state === "looking") return <p class="story-line">Looking…</p>;
  if (found.state === "failed") return <p class="story-line">The history could not be read. Try again.</p>;
  const { entries, reachesTo } = found.value;
  if (entries.length === 0) {
    return (
      <p class="story-line soft">
        {reachesTo === undefined
          ? "No changes are kept on this machine yet."
          : "It has not changed in the changes that are kept on this machine."}
      </p>
    );
  }
  return (
    <>
      <ol class="story-list">
        {entries.slice(0, MOST_ENTRIES).map(({ seq, loggedAt, cause, actor, before, after }) => (
          <li key={seq} class="story-entry">
            <p class="values">
              {before === undefined ? <span class="soft">came as</span> : <CellText cell={before} kind="removed" />}
              <span class="arrow" aria-hidden="true">
                →
              </span>
              <span class="visually-hidden"> became </span>
              <CellText cell={after} kind="added" />
            </p>
            <p class="change-meta">
              {whoWords(actor)} ·{" "}
              <time dateTime={new Date(loggedAt).toISOString()} title={new Date(loggedAt).toLocaleString()}>
                {ago(loggedAt, Math.max(now, loggedAt))}
              </time>{" "}
              · {causeWords(cause)}
            </p>
          </li>
        ))}
      </ol>
      {entries.length > MOST_ENTRIES ? (
        <p class="story-line soft">And {(entries.length - MOST_ENTRIES).toLocaleString("en")} earlier ones.</p>
      ) : null}
    </>
  );
}

function CellText({ cell, kind }: { cell: Cell; kind: "added" | "removed" }): JSX.Element {
  const text = displayOf(cell);
  const Tag = kind === "added" ? "ins" : "del";
  return <Tag class={`value value-${kind}${text === "" ? " value-empty" : ""}`}>{text === "" ? "empty" : text}</Tag>;
}

/** A value that follows another one at most so often. */
function useThrottled<T>(value: T, everyMs: number): T {
  const [shown, setShown] = useState(value);
  const latest = useRef(value);
  latest.current = value;
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => {
    if (value === shown) return;
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      setShown(latest.current);
    }, everyMs);
  }, [value, shown]);
  useEffect(() => () => clearTimeout(timer.current), []);
  return shown;
}

/** Asks anew when what it depends on changes; what was asked before is stopped. What is shown stays until then. */
function useFound<T>(ask: (signal: AbortSignal) => Promise<T>, deps: readonly unknown[]): Found<T> {
  const [found, setFound] = useState<Found<T>>({ state: "looking" });
  useEffect(() => {
    const control = new AbortController();
    const show = (next: Found<T>): void => {
      if (!control.signal.aborted) setFound(next);
    };
    ask(control.signal).then(
      (value) => show({ state: "found", value }),
      () => show({ state: "failed" }),
    );
    return () => control.abort();
  }, deps);
  return found;
}
