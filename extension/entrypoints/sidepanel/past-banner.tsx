import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { ChangeSummary } from "../../mirror/mirror.ts";
import type { Past } from "./use-past.ts";

const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** Says that what is shown is not the present, and leads back to it. */
export function PastBanner(props: { before: ChangeSummary; past: Past; onNow: () => void }): JSX.Element {
  const { before, past, onNow } = props;
  const back = useRef<HTMLButtonElement>(null);
  // Whoever came here by keyboard goes on from the way back.
  useEffect(() => back.current?.focus(), []);
  const when = moment.format(before.loggedAt);
  const { actor } = before;
  const words = {
    looking: `Going back to before ${when}…`,
    there: `As it was before ${before.where ?? "it"} changed, ${when}${actor?.includes("@") ? `, by ${actor}` : ""}.`,
    "not-kept": `What was there before ${when} is not kept on this machine.`,
    failed: "That moment could not be read. Try again.",
  }[past.state];
  return (
    <div class="past-banner" role="status">
      <p>{words}</p>
      <button type="button" class="button button-small" ref={back} onClick={onNow}>
        Back to now
      </button>
    </div>
  );
}
