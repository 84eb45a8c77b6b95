import type { JSX } from "preact";
import { browser } from "wxt/browser";
import type { HeldSpreadsheet } from "../../mirror/mirror.ts";

/** No open sheet to show: offers the copies that are held, and the options. */
export function NoSheet(props: {
  held: readonly HeldSpreadsheet[];
  connected: readonly string[];
  onChoose: (spreadsheetId: string) => void;
}): JSX.Element {
  const titles = new Map(props.connected.map((id) => [id, id]));
  for (const { spreadsheetId, title } of props.held) titles.set(spreadsheetId, title);
  return (
    <main class="panel panel-empty">
      <h1 class="panel-title">Sheetwire</h1>
      <p>
        {titles.size === 0
          ? "No spreadsheet is connected yet. Add your relay's address and your token in the options, then open the sheet."
          : "This tab shows no connected sheet. These can be opened here, offline too:"}
      </p>
      <ul class="choices">
        {[...titles].map(([id, title]) => (
          <li key={id}>
            <button type="button" class="button" onClick={() => props.onChoose(id)}>
              {title}
            </button>
          </li>
        ))}
      </ul>
      <button type="button" class="button button-main" onClick={() => void browser.runtime.openOptionsPage()}>
        Open the options
      </button>
    </main>
  );
}
