import { render } from "preact";
import { openForKeeping } from "../../mirror/mirror.ts";
import { Options, type HeldCopy } from "./options.tsx";
import "./options.css";

/** Titles come with the copies, also those that arrive while the page is open. */
async function main(root: HTMLElement): Promise<void> {
  const opened = await openForKeeping();
  const draw = async (): Promise<void> => {
    const copies = new Map<string, HeldCopy>();
    if (opened.ok) {
      for (const { spreadsheetId, title } of await opened.mirror.held()) {
        copies.set(spreadsheetId, { title, use: await opened.mirror.of(spreadsheetId).storage() });
      }
    }
    render(<Options copies={copies} />, root);
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
