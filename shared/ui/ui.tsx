/** Pieces that the extension and the sidebar draw alike. Meaning never rests on colour alone. */
import type { Status } from "@sheetwire/shared/status";
import type { JSX } from "preact";

const MARKS: Record<Status["tone"], string> = { good: "✓", waiting: "…", bad: "!", quiet: "–" };

export function StatusMark({ tone }: { tone: Status["tone"] }): JSX.Element {
  return (
    <span class={`sw-mark sw-mark-${tone}`} aria-hidden="true">
      {MARKS[tone]}
    </span>
  );
}

/** The status in full. A screen reader hears it when the headline changes. */
export function StatusCard({ status }: { status: Status }): JSX.Element {
  return (
    <section class={`sw-status sw-status-${status.tone}`} aria-label="Sync status">
      <StatusMark tone={status.tone} />
      <div class="sw-status-text">
        <p class="sw-status-headline" role="status">
          {status.headline}
        </p>
        <p class="sw-status-detail">{status.detail}</p>
        {status.checkedAt === undefined ? null : (
          <p class="sw-status-detail">Checked against the sheet at {new Date(status.checkedAt).toLocaleTimeString()}</p>
        )}
        {status.action ? <p class="sw-status-action">{status.action}</p> : null}
      </div>
    </section>
  );
}
