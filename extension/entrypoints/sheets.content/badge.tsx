import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { browser } from "wxt/browser";
import { describeStatus, NOT_RUNNING, STARTING, type SyncFacts } from "@sheetwire/shared/status";
import { StatusMark } from "@sheetwire/shared/ui";
import { followFacts, isContextGone, readFactsLightly, useIsLate } from "../../heartbeat/heartbeat.ts";
import type { Ask } from "../../status/status.ts";

const LEFT_BEHIND = "Sheetwire was updated. Reload this tab to go on.";

/** One word on how the sync stands, in the corner of the open sheet. A click opens the side panel. */
export function Badge({ spreadsheetId }: { spreadsheetId: string }): JSX.Element {
  const [facts, setFacts] = useState<SyncFacts>();
  const [isLost, setLost] = useState(false);
  const [now, setNow] = useState(Date.now);
  const [hint, setHint] = useState("");

  useEffect(
    () =>
      followFacts(spreadsheetId, {
        read: readFactsLightly,
        onFacts: (next) => {
          setFacts(next);
          setNow(Date.now());
        },
        onLost: () => setLost(true),
      }),
    [spreadsheetId],
  );
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);

  const isLate = useIsLate(facts !== undefined);
  const status = facts ? describeStatus(facts, now) : isLate ? NOT_RUNNING : STARTING;
  const word = isLost ? "Reload this tab" : status.word;
  const tone = isLost ? "bad" : status.tone;
  const headline = isLost ? LEFT_BEHIND : status.headline;

  const open = async (): Promise<void> => {
    if (isLost) {
      location.reload();
      return;
    }
    try {
      const answer: unknown = await browser.runtime.sendMessage({ kind: "open-panel" } satisfies Ask);
      const isOpened = typeof answer === "object" && answer !== null && "opened" in answer && answer.opened === true;
      setHint(isOpened ? "" : "Open the panel with the Sheetwire button in the toolbar.");
    } catch (error) {
      if (isContextGone(error)) setLost(true);
      else setHint("The panel could not be opened. Use the Sheetwire button in the toolbar.");
    }
  };

  return (
    <div class="badge-corner">
      {hint === "" ? null : (
        <p class="badge-hint" role="alert">
          {hint}
        </p>
      )}
      <button
        type="button"
        class={`badge badge-${tone}`}
        title={`${headline}${isLost ? "" : " Click for the panel."}`}
        onClick={() => void open()}
      >
        <StatusMark tone={tone} />
        <span class="visually-hidden">Sheetwire: </span>
        <span>{word}</span>
      </button>
      {/* The word alone: a headline with "12 s ago" in it would be read out again and again. */}
      <span class="visually-hidden" role="status">
        {isLost ? LEFT_BEHIND : word}
      </span>
    </div>
  );
}
