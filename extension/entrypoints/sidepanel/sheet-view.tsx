import type { JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import type { Sheet } from "@sheetwire/shared/protocol";
import type { ChangeSummary, HeldSpreadsheet } from "../../mirror/mirror.ts";
import type { LookedAt } from "../../queries/queries.ts";
import { CopyTools } from "./copy-tools.tsx";
import { PastBanner } from "./past-banner.tsx";
import { SearchBox } from "./search-box.tsx";
import { SheetGrid } from "./sheet-grid.tsx";
import { usePast } from "./use-past.ts";

/** A cell somebody wants to see. */
export type Spot = { sheetId: number; row: number; column: number };

/** The copy itself: sheet tabs, search, and the cells; as it is, or as it was before a change. */
export function SheetView(props: {
  mirror: LookedAt;
  spreadsheetId: string;
  spreadsheet: HeldSpreadsheet | undefined;
  changes: readonly ChangeSummary[];
  spot: Spot | undefined;
  before: ChangeSummary | undefined;
  onNow: () => void;
}): JSX.Element {
  const { mirror, spreadsheetId, before } = props;
  const [spot, setSpot] = useState(props.spot);
  const [chosen, setChosen] = useState(props.spot?.sheetId);
  useEffect(() => {
    if (!props.spot) return;
    setSpot(props.spot);
    setChosen(props.spot.sheetId);
  }, [props.spot]);
  const present = useMemo(() => mirror.of(spreadsheetId), [mirror, spreadsheetId]);
  const past = usePast(present, before);
  const banner =
    before && past ? <PastBanner key={before.seq} before={before} past={past} onNow={props.onNow} /> : null;
  if (past && past.state !== "there") return <div class="sheet-view">{banner}</div>;
  const copy = past?.copy ?? present;
  const spreadsheet = past?.spreadsheet ?? props.spreadsheet;
  const sheet = spreadsheet?.sheets.find((one) => one.sheetId === chosen) ?? firstShown(spreadsheet?.sheets ?? []);

  if (!spreadsheet || !sheet) {
    return <p class="empty">There is no copy on this machine yet. It appears here as it arrives.</p>;
  }
  return (
    <div class="sheet-view">
      {banner}
      <div class="sheet-tools">
        <SearchBox
          copy={copy}
          onGo={(next) => {
            setSpot(next);
            setChosen(next.sheetId);
          }}
        />
      </div>
      <CopyTools
        key={before?.seq}
        spreadsheetId={spreadsheetId}
        copy={copy}
        isPast={past !== undefined}
        sheetId={sheet.sheetId}
        title={before ? `${sheet.title} before ${new Date(before.loggedAt).toISOString()}` : sheet.title}
      />
      <SheetGrid
        key={`${sheet.sheetId} ${before?.seq}`}
        mirror={mirror}
        spreadsheetId={spreadsheetId}
        past={past?.copy}
        sheet={sheet}
        changes={past ? NO_CHANGES : props.changes}
        spot={spot?.sheetId === sheet.sheetId ? spot : undefined}
      />
      <SheetTabs sheets={spreadsheet.sheets} shown={sheet.sheetId} onChoose={setChosen} />
      <details class="not-mirrored">
        <summary>What is not in this copy</summary>
        <p>
          Values, formulas and what the cells show are here. Notes, comments, formats, images, chips and merged cells
          stay in Google Sheets.
        </p>
      </details>
    </div>
  );
}

const NO_CHANGES: readonly ChangeSummary[] = [];

function firstShown(sheets: readonly Sheet[]): Sheet | undefined {
  return sheets.find((sheet) => !sheet.hidden) ?? sheets[0];
}

function SheetTabs(props: {
  sheets: readonly Sheet[];
  shown: number;
  onChoose: (sheetId: number) => void;
}): JSX.Element {
  const { sheets, shown, onChoose } = props;
  return (
    <nav class="sheet-tabs" aria-label="Sheets">
      {sheets.map((sheet) => (
        <button
          key={sheet.sheetId}
          type="button"
          class={`sheet-tab${sheet.hidden ? " sheet-tab-hidden" : ""}`}
          aria-current={sheet.sheetId === shown ? "true" : undefined}
          title={sheet.hidden ? `${sheet.title} (hidden in the spreadsheet)` : sheet.title}
          onClick={() => onChoose(sheet.sheetId)}
        >
          {sheet.title}
        </button>
      ))}
    </nav>
  );
}
