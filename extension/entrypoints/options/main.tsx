import { render } from "preact";
import { openMirror } from "../../mirror/mirror.ts";
import { Options } from "./options.tsx";
import "./options.css";

async function main(root: HTMLElement): Promise<void> {
  const opened = await openMirror();
  const held = opened.ok ? await opened.mirror.held() : [];
  render(<Options titles={new Map(held.map(({ spreadsheetId, title }) => [spreadsheetId, title]))} />, root);
}

const root = document.getElementById("root");
if (!root) throw new Error("The page has no root.");
void main(root);
