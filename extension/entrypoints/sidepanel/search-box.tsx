import type { JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { cellName } from "@sheetwire/shared/grid";
import type { Hit } from "../../mirror/mirror.ts";
import type { PastLooks } from "../../queries/queries.ts";
import type { Spot } from "./sheet-view.tsx";

const MOST_HITS = 200;
const TYPING_PAUSE_MS = 150;
/** Hits are drawn together this often, in milliseconds. */
const DRAW_EVERY_MS = 60;

type Found = { hits: readonly Hit[]; state: "looking" | "done" | "stopped" | "failed"; rows: number; ofRows: number };

/** Looks through every sheet of the copy while one types; what is found shows as it is found. */
export function SearchBox({
  copy,
  onGo,
}: {
  copy: Pick<PastLooks, "search">;
  onGo: (spot: Spot) => void;
}): JSX.Element {
  const [text, setText] = useState("");
  const { found, stop } = useSearch(copy, text.trim());
  const list = useRef<HTMLUListElement>(null);
  const field = useRef<HTMLInputElement>(null);
  const listId = useId();

  const choose = (hit: Hit): void => {
    onGo({ sheetId: hit.sheetId, row: hit.row, column: hit.column });
    setText("");
  };
  /** Arrows go from the field into the hits and through them. */
  const onKey = (event: KeyboardEvent): void => {
    const buttons = [...(list.current?.querySelectorAll<HTMLElement>("button.hit") ?? [])];
    const at = buttons.indexOf(document.activeElement as HTMLElement);
    if (event.key === "Escape") setText("");
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const next = buttons[at + (event.key === "ArrowDown" ? 1 : -1)];
      if (buttons.length === 0) return;
      event.preventDefault();
      if (next) next.focus();
      else if (at === 0) field.current?.focus();
    } else if (event.key === "Enter" && at < 0 && found?.hits[0]) choose(found.hits[0]);
  };
  return (
    <div class="search" onKeyDown={onKey}>
      <input
        type="search"
        ref={field}
        class="field"
        aria-label="Search all sheets"
        placeholder="Search all sheets"
        aria-controls={found ? listId : undefined}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      {found ? (
        <div class="hits">
          <div class="hits-head">
            <p class="soft" role="status">
              {wordsOf(found)}
            </p>
            {found.state === "looking" ? (
              <button type="button" class="button button-small" onClick={stop}>
                Stop
              </button>
            ) : null}
          </div>
          {found.state === "looking" ? (
            <progress
              class="progress"
              aria-label="Rows looked through"
              value={found.rows}
              max={Math.max(1, found.ofRows)}
            />
          ) : null}
          <ul ref={list} id={listId} aria-label="Found cells">
            {found.hits.map((hit) => (
              <li key={`${hit.sheetId} ${hit.row} ${hit.column}`}>
                <button type="button" class="hit" onClick={() => choose(hit)}>
                  <span class="where where-still">{cellName(hit.row, hit.column)}</span>
                  <span class="hit-text">{hit.display}</span>
                  <span class="sheet-name">{hit.sheetTitle}</span>
                </button>
              </li>
            ))}
          </ul>
        </div>
      ) : null}
    </div>
  );
}

function wordsOf({ hits, state }: Found): string {
  const count = hits.length.toLocaleString("en");
  if (state === "failed") return "The search failed. Type again to repeat it.";
  if (state === "looking") return hits.length === 0 ? "Looking…" : `${count} found so far`;
  if (state === "stopped") return `Stopped, ${count} found`;
  if (hits.length === 0) return "Nothing found";
  return `${hits.length === MOST_HITS ? "First " : ""}${count} found`;
}

function useSearch(copy: Pick<PastLooks, "search">, text: string): { found: Found | undefined; stop: () => void } {
  const [found, setFound] = useState<Found>();
  const stop = useRef<AbortController>(undefined);
  useEffect(() => {
    setFound(undefined);
    if (text === "") return undefined;
    const control = new AbortController();
    stop.current = control;
    let isGone = false;
    const hits: Hit[] = [];
    let [rows, ofRows] = [0, 0];
    let drawing: ReturnType<typeof setTimeout> | undefined;
    const draw = (state: Found["state"]): void => {
      clearTimeout(drawing);
      drawing = undefined;
      if (!isGone) setFound({ hits: hits.slice(), state, rows, ofRows });
    };
    const drawSoon = (): void => {
      drawing ??= setTimeout(() => draw("looking"), DRAW_EVERY_MS);
    };
    const search = async (): Promise<void> => {
      const onProgress = (done: number, all: number): void => {
        [rows, ofRows] = [done, all];
        drawSoon();
      };
      try {
        for await (const hit of copy.search(text, { most: MOST_HITS, signal: control.signal, onProgress })) {
          hits.push(hit);
          drawSoon();
        }
        draw("done");
      } catch {
        draw(control.signal.aborted ? "stopped" : "failed");
      }
    };
    const timer = setTimeout(() => void search(), TYPING_PAUSE_MS);
    return () => {
      isGone = true;
      clearTimeout(timer);
      clearTimeout(drawing);
      control.abort();
    };
  }, [copy, text]);
  return { found, stop: () => stop.current?.abort() };
}
