import { render } from "preact";
import { openForKeeping } from "../../mirror/mirror.ts";
import { Options } from "./options.tsx";
import "./options.css";

/** Titles come with the copies, also those that arrive while the page is open. */
async function main(root: HTMLElement): Promise<void> {
  const opened = await openForKeeping();
  const draw = async (): Promise<void> => {
    const held = opened.ok ? await opened.mirror.held() : [];
    render(<Options titles={new Map(held.map(({ spreadsheetId, title }) => [spreadsheetId, title]))} />, root);
  };
  await draw();
  if (opened.ok) {
    opened.mirror.subscribe(({ what }) => {
      if (what !== "changes") void draw();
    });
  }
}

const root = document.getElementById("root");
if (!root) throw new Error("The page has no root.");
void main(root);
