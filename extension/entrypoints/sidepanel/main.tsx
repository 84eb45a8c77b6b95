import { render } from "preact";
import { browser } from "wxt/browser";
import { spreadsheetIdSchema } from "@sheetwire/shared/protocol";
import { openQueries } from "../../queries/queries.ts";
import { loadSettings } from "../../settings/settings.ts";
import { askSchema, shownInAnswerSchema, type Ask } from "../../status/status.ts";
import { followTab } from "./follow-tab.ts";
import { NoSheet } from "./no-sheet.tsx";
import { Panel, PanelTrouble } from "./panel.tsx";
import "./panel.css";

/**
 * The panel beside the sheet, also as a page of its own: `sidepanel.html?tab=<tab id>` follows a tab,
 * `sidepanel.html?spreadsheet=<id>` one spreadsheet. Without either it follows the tab in front of it (Firefox).
 */
async function main(root: HTMLElement): Promise<void> {
  const opened = await openQueries();
  if (!opened.ok) {
    render(<PanelTrouble why={opened.why} />, root);
    return;
  }
  const { mirror } = opened;
  const query = new URLSearchParams(location.search);
  const named = spreadsheetIdSchema.safeParse(query.get("spreadsheet"));
  const tabId = query.get("tab") === null ? undefined : Number(query.get("tab"));
  const { follow, choose } = followTab({
    find: () => spreadsheetIn(tabId),
    show: (spreadsheetId) => render(<Panel key={spreadsheetId} spreadsheetId={spreadsheetId} mirror={mirror} />, root),
    gather: async () => {
      const { connections } = await loadSettings();
      const held = await mirror.held();
      return () => render(<NoSheet held={held} connected={Object.keys(connections)} onChoose={choose} />, root);
    },
  });
  if (named.success) {
    choose(named.data);
    return;
  }
  await follow();
  if (tabId !== undefined) return;
  browser.tabs.onActivated.addListener(() => void follow());
  // A tab may be in front before its sheet has loaded, and go on to another sheet: the page says so itself.
  browser.runtime.onMessage.addListener((message: unknown, sender) => {
    const said = askSchema.safeParse(message);
    if (sender.id !== browser.runtime.id || !sender.tab?.active || said.data?.kind !== "here") return;
    void spreadsheetIn(undefined).then((spreadsheetId) => spreadsheetId !== undefined && choose(spreadsheetId));
  });
}

async function spreadsheetIn(tabId: number | undefined): Promise<string | undefined> {
  const id = tabId ?? (await browser.tabs.query({ active: true, currentWindow: true }))[0]?.id;
  if (id === undefined) return undefined;
  const answer = shownInAnswerSchema.safeParse(
    await browser.runtime.sendMessage({ kind: "shown-in", tabId: id } satisfies Ask),
  );
  return answer.success ? answer.data.spreadsheetId : undefined;
}

const root = document.getElementById("root");
if (!root) throw new Error("The page has no root.");
void main(root).catch((error: unknown) => {
  render(<PanelTrouble why="failed" />, root);
  throw error;
});
