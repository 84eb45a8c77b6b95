import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ago } from "@sheetwire/shared/status";
import { useNow } from "../../look/look.tsx";
import type { ChangeSummary } from "../../mirror/mirror.ts";
import { useDrawn } from "./drawn.ts";
import type { Spot } from "./sheet-view.tsx";
import { causeWords, gatherReads, whoWords } from "./words.ts";

/** Entries drawn at once; older ones on demand. */
const PAGE = 100;
const SPEAK_EVERY_MS = 5_000;
/** Made once: making one is what costs. */
const wholeTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** The live list, newest first: where, what it was, what it is, who, when. */
export function ChangesView(props: {
  changes: readonly ChangeSummary[];
  isHeld: boolean;
  onGo: (spot: Spot) => void;
  onBefore: (change: ChangeSummary) => void;
}): JSX.Element {
  const { changes, isHeld, onGo, onBefore } = props;
  const [most, setMost] = useState(PAGE);
  const now = useNow();
  useDrawn(changes);
  // What was there when the list was opened did not just arrive.
  const opened = useRef<number | undefined>(undefined);
  if (isHeld) opened.current ??= changes[0]?.seq ?? 0;
  const isNew = (change: ChangeSummary): boolean => opened.current !== undefined && change.seq > opened.current;
  const entries = gatherReads(changes);
  return (
    <div class="changes">
      <SpokenChanges changes={changes} />
      {entries.length === 0 ? (
        <p class="empty">
          {isHeld
            ? "No changes yet. Edit the sheet: the change appears here a moment later."
            : "Nothing here yet. As soon as the copy has arrived, changes appear here."}
        </p>
      ) : (
        <ol class="change-list">
          {entries.slice(0, most).map((change) => (
            <li key={change.seq} class={`change change-${change.what}${isNew(change) ? " change-new" : ""}`}>
              <ChangeEntry change={change} onGo={onGo} />
              <p class="change-meta">
                <span>{whoWords(change.actor)}</span>
                <span> · </span>
                <time dateTime={new Date(change.loggedAt).toISOString()} title={wholeTime.format(change.loggedAt)}>
                  {ago(change.loggedAt, Math.max(now, change.loggedAt))}
                </time>
                <span> · {causeWords(change.cause)}</span>
                {change.what === "read" ? null : (
                  <button
                    type="button"
                    class="before-button"
                    title="See the sheet as it was before this change"
                    onClick={() => onBefore(change)}
                  >
                    Before<span class="visually-hidden"> this change</span>
                  </button>
                )}
              </p>
            </li>
          ))}
        </ol>
      )}
      {entries.length > most ? (
        <button type="button" class="button more" onClick={() => setMost(most + PAGE)}>
          Show older changes
        </button>
      ) : null}
    </div>
  );
}

function ChangeEntry({ change, onGo }: { change: ChangeSummary; onGo: (spot: Spot) => void }): JSX.Element {
  const { sheetId, place } = change;
  const label = change.where ?? (change.what === "sheets" ? "Sheets" : change.what === "columns" ? "Columns" : "Rows");
  const go = sheetId === undefined || !place ? undefined : (): void => onGo({ sheetId, ...place });
  return (
    <div class="change-main">
      {go ? (
        <button type="button" class="where" title={`Show in the sheet “${change.sheetTitle ?? ""}”`} onClick={go}>
          {label}
        </button>
      ) : (
        <span class="where where-still">{label}</span>
      )}
      {change.what === "cell" ? (
        <p class="values">
          <Value text={change.before ?? ""} kind="removed" />
          <span class="arrow" aria-hidden="true">
            →
          </span>
          <span class="visually-hidden"> became </span>
          <Value text={change.after ?? ""} kind="added" />
          {change.formula === undefined ? null : <code class="formula">{change.formula}</code>}
        </p>
      ) : (
        <p class="values">{change.text}</p>
      )}
      {change.sheetTitle === undefined ? null : <span class="sheet-name">{change.sheetTitle}</span>}
    </div>
  );
}

function Value({ text, kind }: { text: string; kind: "added" | "removed" }): JSX.Element {
  const Tag = kind === "added" ? "ins" : "del";
  return <Tag class={`value value-${kind}${text === "" ? " value-empty" : ""}`}>{text === "" ? "empty" : text}</Tag>;
}

/** Says to a screen reader, now and then, how many changes came; never each of them. */
function SpokenChanges({ changes }: { changes: readonly ChangeSummary[] }): JSX.Element {
  const [words, setWords] = useState("");
  const latest = useRef(changes);
  latest.current = changes;
  useEffect(() => {
    let spoken: number | undefined;
    const timer = setInterval(() => {
      const newest = latest.current[0];
      if (!newest) return;
      if (spoken !== undefined && newest.seq > spoken) {
        const since = spoken;
        const count = latest.current.filter((change) => change.seq > since).length;
        setWords(
          `${count} new ${count === 1 ? "change" : "changes"}, the latest at ${newest.where ?? newest.text ?? ""}`,
        );
      }
      spoken = newest.seq;
    }, SPEAK_EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  return (
    <p class="visually-hidden" aria-live="polite">
      {words}
    </p>
  );
}
