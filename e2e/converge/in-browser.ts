/** The extension's mirror where people have it: in a real Chromium, read out of its IndexedDB. */
import { mirrorOf, type Browser, type Stage } from "../stage/stage.ts";
import type { Copy } from "./judging.ts";

/** Pairs the browser's extension with the spreadsheet and keeps its panel open, so that it follows. */
export async function openInBrowser(
  stage: Stage,
  browser: Browser,
  spreadsheetId: string,
  token: string,
): Promise<Copy> {
  await stage.pair(browser, spreadsheetId, token);
  const panel = await browser.open(`sidepanel.html?spreadsheet=${spreadsheetId}`);
  return {
    seq: async () => (await mirrorOf(panel, spreadsheetId))?.seq ?? -1,
    async sheets() {
      const copy = await mirrorOf(panel, spreadsheetId);
      return copy?.whole ? copy.sheets : undefined;
    },
    stop: () => panel.close(),
  };
}
