import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { browser } from "wxt/browser";
import { describeStatus } from "@sheetwire/shared/status";
import { StatusCard } from "@sheetwire/shared/ui";
import { useStatus } from "../../look/look.tsx";
import type { ChangeSummary } from "../../mirror/mirror.ts";
import type { LookedAt } from "../../queries/queries.ts";
import { NO_FACTS } from "../../status/status.ts";
import { ChangesView } from "./changes-view.tsx";
import { SheetView, type Spot } from "./sheet-view.tsx";
import { useChanges, useSpreadsheet } from "./use-copy.ts";

const TABS = ["changes", "sheet"] as const;
type Tab = (typeof TABS)[number];
const LABELS: Record<Tab, string> = { changes: "Changes", sheet: "Sheet" };

/** Everything of one spreadsheet: how the sync stands, what changed, and the copy itself. */
export function Panel({ spreadsheetId, mirror }: { spreadsheetId: string; mirror: LookedAt }): JSX.Element {
  const status = useStatus(spreadsheetId);
  const spreadsheet = useSpreadsheet(mirror, spreadsheetId);
  const changes = useChanges(mirror, spreadsheetId);
  const [tab, setTab] = useState<Tab>("changes");
  const [spot, setSpot] = useState<Spot>();
  /** The sheet is shown as it was before this change. */
  const [before, setBefore] = useState<ChangeSummary>();
  const tabs = useRef<HTMLDivElement>(null);

  const goTo = (next: Spot): void => {
    setSpot(next);
    setBefore(undefined);
    setTab("sheet");
  };
  const goBefore = (change: ChangeSummary): void => {
    const { sheetId, place } = change;
    if (sheetId !== undefined) setSpot({ sheetId, ...(place ?? { row: 0, column: 0 }) });
    setBefore(change);
    setTab("sheet");
  };
  const onTabKey = (event: KeyboardEvent): void => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    event.preventDefault();
    const next = tab === "changes" ? "sheet" : "changes";
    setTab(next);
    tabs.current?.querySelector<HTMLElement>(`#tab-${next}`)?.focus();
  };
  const title = spreadsheet?.title ?? "Sheetwire";
  useEffect(() => {
    document.title = title === "Sheetwire" ? title : `${title} · Sheetwire`;
  }, [title]);

  return (
    <main class="panel">
      <header class="panel-head">
        <h1 class="panel-title" title={title}>
          {title}
        </h1>
        <button
          type="button"
          class="icon-button"
          title="Options"
          onClick={() => void browser.runtime.openOptionsPage()}
        >
          <span aria-hidden="true">⚙</span>
          <span class="visually-hidden">Options</span>
        </button>
      </header>
      <StatusCard status={status} />
      <div class="tabs" role="tablist" aria-label="Views" ref={tabs} onKeyDown={onTabKey}>
        {TABS.map((name) => (
          <button
            key={name}
            type="button"
            role="tab"
            id={`tab-${name}`}
            class="tab"
            aria-selected={tab === name}
            aria-controls={`view-${name}`}
            tabIndex={tab === name ? 0 : -1}
            onClick={() => setTab(name)}
          >
            {LABELS[name]}
            {name === "changes" && changes.length > 0 ? <span class="tab-count">{changes.length}</span> : null}
          </button>
        ))}
      </div>
      <section class="view" role="tabpanel" id={`view-${tab}`} aria-labelledby={`tab-${tab}`}>
        {tab === "changes" ? (
          <ChangesView changes={changes} isHeld={spreadsheet !== undefined} onGo={goTo} onBefore={goBefore} />
        ) : (
          <SheetView
            mirror={mirror}
            spreadsheetId={spreadsheetId}
            spreadsheet={spreadsheet}
            changes={changes}
            spot={spot}
            before={before}
            onNow={() => setBefore(undefined)}
          />
        )}
      </section>
    </main>
  );
}

/** The mirror could not be opened. */
export function PanelTrouble({ why }: { why: "newer" | "failed" }): JSX.Element {
  return (
    <main class="panel">
      <h1 class="panel-title">Sheetwire</h1>
      <StatusCard status={describeStatus({ ...NO_FACTS, storage: why }, Date.now())} />
    </main>
  );
}
