import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { browser } from "wxt/browser";
import { bytesInWords } from "../../look/look.tsx";
import type { PastLooks } from "../../queries/queries.ts";
import { relayDigestsSchema, type Ask, type RelayDigests } from "../../status/status.ts";
import { compare, verdictWords, type Verdict } from "./verdict.ts";

type Work =
  | { state: "idle" }
  | { state: "busy"; what: string; rows: number; ofRows: number }
  | { state: "done"; words: string; tone: "good" | "waiting" | "bad" };

/** What one does with a copy as a whole: save a sheet as a file, and check the copy against the relay. */
export function CopyTools(props: {
  spreadsheetId: string;
  copy: PastLooks;
  /** The relay proves only what is now. */
  isPast: boolean;
  sheetId: number;
  title: string;
}): JSX.Element {
  const { spreadsheetId, copy, sheetId, title } = props;
  const [work, setWork] = useState<Work>({ state: "idle" });
  const control = useRef<AbortController>(undefined);
  const link = useRef<HTMLAnchorElement>(null);
  useEffect(() => () => control.current?.abort(), [copy]);
  // What is under way goes on when another sheet is chosen: it can be stopped, and nothing else begins beside it.
  useEffect(() => setWork((held) => (held.state === "busy" ? held : { state: "idle" })), [sheetId]);

  /** One thing at a time; what runs can be stopped. */
  const run = async (
    what: string,
    task: (how: { signal: AbortSignal; onProgress: (rows: number, ofRows: number) => void }) => Promise<Work>,
  ): Promise<void> => {
    const mine = new AbortController();
    control.current = mine;
    setWork({ state: "busy", what, rows: 0, ofRows: 0 });
    try {
      const onProgress = (rows: number, ofRows: number): void => {
        if (!mine.signal.aborted) setWork({ state: "busy", what, rows, ofRows });
      };
      setWork(await task({ signal: mine.signal, onProgress }));
    } catch (error) {
      const isFull = error instanceof Error && error.name === "QuotaExceededError";
      const words = isFull ? "There is no room on the disk for the file." : `${what} failed. Try again.`;
      setWork(
        mine.signal.aborted
          ? { state: "done", tone: "waiting", words: "Stopped." }
          : { state: "done", tone: "bad", words },
      );
    }
  };
  const save = (format: "csv" | "json"): Promise<void> =>
    run(`Saving ${format.toUpperCase()}`, async (how) => {
      const file = await copy.exportFile(sheetId, format, how);
      const url = URL.createObjectURL(file);
      const { current } = link;
      if (current) {
        current.href = url;
        current.download = `${title.replace(/[^\p{L}\p{N} _-]/gu, "_").slice(0, 80) || "sheet"}.${format}`;
        current.click();
      }
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
      return { state: "done", tone: "good", words: `Saved ${bytesInWords(file.size)}.` };
    });
  const check = (): Promise<void> =>
    run("Checking", async (how) => {
      const verdict = await checkCopy(spreadsheetId, copy, how);
      return { state: "done", ...verdictWords(verdict) };
    });

  const isBusy = work.state === "busy";
  return (
    <div class="copy-tools">
      <div class="buttons" role="group" aria-label="This copy">
        <button type="button" class="button button-small" disabled={isBusy} onClick={() => void save("csv")}>
          Save CSV
        </button>
        <button type="button" class="button button-small" disabled={isBusy} onClick={() => void save("json")}>
          Save JSON
        </button>
        {props.isPast ? null : (
          <button type="button" class="button button-small" disabled={isBusy} onClick={() => void check()}>
            Check this copy
          </button>
        )}
        {isBusy ? (
          <button type="button" class="button button-small" onClick={() => control.current?.abort()}>
            Stop
          </button>
        ) : null}
      </div>
      {isBusy ? (
        <progress class="progress" aria-label={work.what} value={work.rows} max={Math.max(1, work.ofRows)} />
      ) : null}
      <p class={`copy-result tone-${work.state === "done" ? work.tone : "quiet"}`} role="status">
        {work.state === "busy" ? `${work.what}…` : work.state === "done" ? work.words : ""}
      </p>
      <a ref={link} hidden />
    </div>
  );
}

const TRIES = 3;
const PAUSE_MS = 700;

/** Compares the copy's own digests with the relay's, of the same seq; a spreadsheet that is being edited is tried again. */
async function checkCopy(
  spreadsheetId: string,
  copy: PastLooks,
  how: { signal: AbortSignal; onProgress: (rows: number, ofRows: number) => void },
): Promise<Verdict> {
  let verdict: Verdict = { kind: "moving" };
  for (let n = 0; n < TRIES; n += 1) {
    if (n > 0) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    how.signal.throwIfAborted();
    const ask: Ask = { kind: "relay-digests", spreadsheetId };
    const answer = relayDigestsSchema.safeParse(await browser.runtime.sendMessage(ask));
    const theirs: RelayDigests = answer.success ? answer.data : { ok: false, why: "unreachable" };
    verdict = compare(theirs, theirs.ok ? await copy.verify(how) : undefined);
    if (verdict.kind !== "moving") return verdict;
  }
  return verdict;
}
