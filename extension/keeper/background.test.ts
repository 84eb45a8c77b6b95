import "fake-indexeddb/auto";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { fakeBrowser } from "wxt/testing/fake-browser";

const PAGE = "chrome-extension://test/popup.html";

beforeEach(() => {
  fakeBrowser.reset();
  // The stand-in for a browser has no side panel; what fails of that is told to the console.
  vi.spyOn(console, "error").mockImplementation(() => undefined);
  vi.useFakeTimers({ toFake: ["setInterval"] });
  Object.assign(fakeBrowser.runtime, {
    getManifest: () => ({ version: "0.1.0" }),
    getURL: (path: string) => `chrome-extension://test${path}`,
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

test("a background that was ended knows which sheet a tab shows as soon as it is asked", async () => {
  await fakeBrowser.storage.session.set({ tabs: { "7": "spreadsheet-1" } });
  const { default: background } = await import("../entrypoints/background.ts");
  background.main();
  const answers = await fakeBrowser.runtime.onMessage.trigger(
    { kind: "shown-in", tabId: 7 },
    { id: fakeBrowser.runtime.id, url: PAGE },
    () => undefined,
  );
  expect(answers).toEqual([{ spreadsheetId: "spreadsheet-1" }]);
});
