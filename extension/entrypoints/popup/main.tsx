import { render } from "preact";
import { openForKeeping } from "../../mirror/mirror.ts";
import { loadSettings } from "../../settings/settings.ts";
import { Popup } from "./popup.tsx";
import "./popup.css";

async function main(root: HTMLElement): Promise<void> {
  const settings = await loadSettings();
  const opened = await openForKeeping();
  const held = opened.ok ? await opened.mirror.held() : [];
  const titles = new Map(held.map(({ spreadsheetId, title }) => [spreadsheetId, title]));
  const ids = Object.keys(settings.connections);
  const sheets = ids.map((spreadsheetId) => ({ spreadsheetId, title: titles.get(spreadsheetId) ?? spreadsheetId }));
  render(<Popup sheets={sheets} isAgreed={settings.acceptedAt !== undefined} />, root);
}

const root = document.getElementById("root");
if (!root) throw new Error("The page has no root.");
void main(root);
