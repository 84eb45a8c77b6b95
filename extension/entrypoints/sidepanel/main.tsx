import { render } from "preact";
import { browser } from "wxt/browser";
import { spreadsheetIdSchema } from "@sheetwire/shared/protocol";
import { openQueries } from "../../queries/queries.ts";
import { loadSettings } from "../../settings/settings.ts";
import { shownInAnswerSchema, type Ask } from "../../status/status.ts";
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
  const show = async (spreadsheetId: string | undefined): Promise<void> => {
    if (spreadsheetId !== undefined) {
      render(<Panel key={spreadsheetId} spreadsheetId={spreadsheetId} mirror={mirror} />, root);
      return;
    }
    const { connections } = await loadSettings();
    render(
      <NoSheet held={await mirror.held()} connected={Object.keys(connections)} onChoose={(id) => void show(id)} />,
      root,
    );
  };
  if (named.success) {
    await show(named.data);
    return;
  }
  const tabId = query.get("tab") === null ? undefined : Number(query.get("tab"));
  let shown: string | undefined;
  const follow = async (): Promise<void> => {
    const next = await spreadsheetIn(tabId);
    if (next !== undefined && next === shown) return;
    shown = next;
    await show(next);
  };
  await follow();
  if (tabId === undefined) browser.tabs.onActivated.addListener(() => void follow());
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
