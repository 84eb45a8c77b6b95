import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { cellName } from "@sheetwire/shared/grid";
import type { Copy, Hit } from "../../mirror/mirror.ts";
import type { Spot } from "./sheet-view.tsx";

const MOST_HITS = 100;
const TYPING_PAUSE_MS = 200;

/** Looks through every sheet of the copy while one types. */
export function SearchBox({ copy, onGo }: { copy: Copy; onGo: (spot: Spot) => void }): JSX.Element {
  const [text, setText] = useState("");
  const [hits, setHits] = useState<Hit[]>();
  useEffect(() => {
    setHits(undefined);
    if (text.trim() === "") return undefined;
    const stop = new AbortController();
    const search = async (): Promise<void> => {
      const found: Hit[] = [];
      for await (const hit of copy.search(text.trim(), { most: MOST_HITS, signal: stop.signal })) found.push(hit);
      if (!stop.signal.aborted) setHits(found);
    };
    const timer = setTimeout(() => void search(), TYPING_PAUSE_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [copy, text]);

  const choose = (hit: Hit): void => {
    onGo({ sheetId: hit.sheetId, row: hit.row, column: hit.column });
    setText("");
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.key === "Escape") setText("");
    const first = hits?.[0];
    if (event.key === "Enter" && first) choose(first);
  };
  return (
    <div class="search" onKeyDown={onKey}>
      <input
        type="search"
        class="field"
        aria-label="Search all sheets"
        placeholder="Search all sheets"
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      {hits ? (
        <div class="hits">
          <p class="soft" role="status">
            {hits.length === 0 ? "Nothing found" : `${hits.length === MOST_HITS ? "First " : ""}${hits.length} found`}
          </p>
          <ul>
            {hits.map((hit) => (
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
