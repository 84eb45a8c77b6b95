import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { browser } from "wxt/browser";
import { StatusMark } from "@sheetwire/shared/ui";
import { useStatus } from "../../look/look.tsx";
import { shownInAnswerSchema, type Ask } from "../../status/status.ts";

export type PopupSheet = { spreadsheetId: string; title: string };

/** The connected spreadsheets and how each stands, and the way to the panel. */
export function Popup({ sheets, isAgreed }: { sheets: readonly PopupSheet[]; isAgreed: boolean }): JSX.Element {
  return (
    <main class="popup">
      <header class="popup-head">
        <img src="/icon/32.png" width={20} height={20} alt="" />
        <h1>Sheetwire</h1>
      </header>
      {sheets.length === 0 || !isAgreed ? (
        <p class="popup-words">
          {sheets.length === 0
            ? "No spreadsheet is connected yet. You need your relay's address and a token, from whoever runs the relay."
            : "Before anything is fetched, please read and accept in the options what goes where."}
        </p>
      ) : (
        <ul class="popup-list">
          {sheets.map((sheet) => (
            <SheetLine key={sheet.spreadsheetId} sheet={sheet} />
          ))}
        </ul>
      )}
      <footer class="popup-foot">
        <PanelButton />
        <button type="button" class="button" onClick={() => void openOptions()}>
          {sheets.length === 0 ? "Connect a spreadsheet" : "Options"}
        </button>
      </footer>
    </main>
  );
}

function SheetLine({ sheet }: { sheet: PopupSheet }): JSX.Element {
  const status = useStatus(sheet.spreadsheetId);
  const copy = browser.runtime.getURL(`/sidepanel.html?spreadsheet=${sheet.spreadsheetId}`);
  return (
    <li class="popup-sheet">
      <StatusMark tone={status.tone} />
      <div class="popup-text">
        <a
          class="popup-title"
          href={`https://docs.google.com/spreadsheets/d/${sheet.spreadsheetId}/edit`}
          target="_blank"
          rel="noreferrer"
        >
          {sheet.title}
        </a>
        <p class="soft">{status.headline}</p>
      </div>
      <a class="popup-copy" href={copy} target="_blank" title="Open the copy in a tab, offline too">
        Copy
      </a>
    </li>
  );
}

/** Opens the panel beside the sheet in front; there is a button only where there is such a sheet. */
function PanelButton(): JSX.Element | null {
  const [tabId, setTabId] = useState<number>();
  const [hasFailed, setFailed] = useState(false);
  useEffect(() => {
    void findSheetTab().then(setTabId);
  }, []);
  if (tabId === undefined) return null;
  const open = async (): Promise<void> => {
    try {
      if (browser.sidePanel) await browser.sidePanel.open({ tabId });
      else await firefoxSidebar()?.open();
      window.close();
    } catch {
      setFailed(true);
    }
  };
  return (
    <button type="button" class="button button-main" onClick={() => void open()}>
      {hasFailed ? "The panel could not be opened" : "Open panel"}
    </button>
  );
}

async function findSheetTab(): Promise<number | undefined> {
  const [tab] = await browser.tabs.query({ active: true, currentWindow: true });
  if (tab?.id === undefined) return undefined;
  const answer: unknown = await browser.runtime.sendMessage({ kind: "shown-in", tabId: tab.id } satisfies Ask);
  const shown = shownInAnswerSchema.safeParse(answer);
  return shown.success && shown.data.spreadsheetId !== undefined ? tab.id : undefined;
}

type FirefoxSidebar = { open: () => Promise<void> };
const firefoxSidebar = (): FirefoxSidebar | undefined =>
  (browser as unknown as { sidebarAction?: FirefoxSidebar }).sidebarAction;

async function openOptions(): Promise<void> {
  await browser.runtime.openOptionsPage();
  window.close();
}
