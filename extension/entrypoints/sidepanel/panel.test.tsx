// @vitest-environment happy-dom
import "fake-indexeddb/auto";
import { cleanup, fireEvent, render, screen, within } from "@testing-library/preact";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { fakeBrowser } from "wxt/testing/fake-browser";
import type { Change, Row, SnapshotRows } from "@sheetwire/shared/protocol";
import type { SyncFacts } from "@sheetwire/shared/status";
import { openMirror, type Mirror, type Notice } from "../../mirror/mirror.ts";
import { openQueries, type LookedAt } from "../../queries/queries.ts";
import { serve } from "../../queries/serve.ts";
import { linePair } from "../../queries/line-pair.ts";
import { Panel, PanelTrouble } from "./panel.tsx";

const ID = "spreadsheet-1";
const chain = "0000000000000000";
let mirror: Mirror;
/** The mirror as the panel has it: what takes long is at the other end of a line. */
let looked: LookedAt;
let names = 0;
let facts: SyncFacts;

beforeEach(async () => {
  fakeBrowser.reset();
  facts = {
    link: "up",
    linkHeardAt: Date.now(),
    behindBy: 0,
    copy: "whole",
    relay: {
      script: { lastHeardAt: Date.now(), answerers: [], triggers: [] },
      allowance: { spentMs: 0, limitMs: 1 },
      sweep: { openRows: 0, unprovenRows: 0 },
      healed: { count: 0 },
      watchers: 1,
      relay: { version: "0.1.0", protocol: 1 },
    },
  };
  fakeBrowser.runtime.sendMessage = () => Promise.resolve({ facts });
  const opened = await openMirror(`panel-${(names += 1)}`);
  if (!opened.ok) throw new Error(opened.why);
  mirror = opened.mirror;
  const [line, there] = linePair();
  serve(there, async () => opened);
  const asked = await openQueries({ open: async () => opened, dial: () => ({ line, hangUp: () => {} }) });
  if (!asked.ok) throw new Error(asked.why);
  looked = asked.mirror;
});
afterEach(() => {
  cleanup();
  vi.useRealTimers();
  mirror.close();
});

const lineOf = (rows: SnapshotRows): Uint8Array => new TextEncoder().encode(JSON.stringify(rows));
async function hold(rows: (Row | null)[], seq = 1): Promise<void> {
  const sheet = { sheetId: 0, title: "Movies", index: 0, rows: rows.length, columns: 3, hidden: false, kind: "GRID" };
  const writer = await mirror.of(ID).startSnapshot({
    epoch: "e1",
    seq,
    chain,
    spreadsheet: { title: "My films", locale: "en_US", timeZone: "Etc/UTC", sheets: [sheet] },
  });
  await writer.putLine(lineOf({ sheetId: 0, fromRow: 0, rows }));
  await writer.finish();
}
const edit = (seq: number, column: number, cell: string | number, actor?: string): Change => ({
  kind: "cells",
  seq,
  loggedAt: Date.now(),
  cause: "edit",
  readAt: [1, 2],
  sheetId: 0,
  at: { row: 0, column },
  cells: [[cell]],
  ...(actor === undefined ? {} : { actor }),
});
const take = (changed: Change): Promise<void> =>
  mirror.of(ID).take([changed], { epoch: "e1", seq: changed.seq, chain });

test("a change appears with its cell, what it was, what it is and who, as soon as it is in the mirror", async () => {
  await hold([["Alien", 1979]]);
  render(<Panel spreadsheetId={ID} mirror={looked} />);
  await screen.findByText("My films");
  await screen.findByText(/No changes yet/);
  await take(edit(2, 1, 1986, "mara@example.org"));
  const entry = (await screen.findByText("1986")).closest("li");
  if (!entry) throw new Error("The change is not in a list.");
  const said = within(entry);
  expect(said.getByText("1979").tagName).toBe("DEL");
  expect(said.getByText("1986").tagName).toBe("INS");
  expect([said.queryByText("B1"), said.queryByText("mara@example.org"), said.queryByText("just now")]).not.toContain(
    null,
  );
});

test("nothing is missing from the list, nor there twice, however word of commits arrives", async () => {
  await hold([["a"]]);
  let swallowed: Notice | undefined;
  const listeners = new Set<(notice: Notice) => void>();
  const lossy: LookedAt = {
    ...looked,
    subscribe: (listener) => {
      listeners.add(listener);
      return looked.subscribe((notice) => {
        // One word gets lost, and is heard again long after.
        if (notice.seq === 3) swallowed = notice;
        else listener(notice);
      });
    },
  };
  render(<Panel spreadsheetId={ID} mirror={lossy} />);
  await screen.findByText(/No changes yet/);
  await take(edit(2, 0, "two"));
  await take(edit(3, 0, "three"));
  await take(edit(4, 0, "four"));
  await screen.findByText("four", { selector: "ins" });
  for (const listener of listeners) if (swallowed) listener(swallowed);
  await take(edit(5, 0, "five"));
  await screen.findByText("five", { selector: "ins" });
  const shown = [...document.querySelectorAll("ins")].map((element) => element.textContent);
  expect(shown).toEqual(["five", "four", "three", "two"]);
});

test("contents are shown as text, whatever they look like", async () => {
  await hold([["a"]]);
  render(<Panel spreadsheetId={ID} mirror={looked} />);
  await screen.findByText(/No changes yet/);
  const nasty = '<img src=x onerror="alert(1)">';
  await take(edit(2, 0, nasty));
  await screen.findByText(nasty);
  expect(document.querySelector("img[src=x]")).toBeNull();
});

test("an actor that Google does not name is not guessed, and a temporary key is not shown", async () => {
  await hold([["a"]]);
  render(<Panel spreadsheetId={ID} mirror={looked} />);
  await take(edit(2, 0, "b"));
  await screen.findByText("Google does not say who");
  await take(edit(3, 0, "c", "ABvTemporaryKey"));
  await screen.findByText("Somebody without a name");
  expect(screen.queryByText(/ABvTemporaryKey/)).toBeNull();
});

test("the status expires by itself when the background falls silent", async () => {
  await hold([["a"]]);
  render(<Panel spreadsheetId={ID} mirror={looked} />);
  await screen.findByText(/^Up to date/);
  // The background is gone: nothing answers any more.
  fakeBrowser.runtime.sendMessage = () =>
    Promise.reject(new Error("Could not establish connection. Receiving end does not exist."));
  vi.useFakeTimers({ toFake: ["Date"] });
  vi.setSystemTime(Date.now() + 31_000);
  const headline = await screen.findByText(/^Offline/, undefined, { timeout: 3_000 });
  expect(headline.textContent).toBe("Offline. You see the copy as it was.");
});

test("views are reached by keyboard, and say what they are", async () => {
  await hold([["a"]]);
  render(<Panel spreadsheetId={ID} mirror={looked} />);
  const changes = await screen.findByRole("tab", { name: /Changes/ });
  expect(changes.getAttribute("aria-selected")).toBe("true");
  changes.focus();
  fireEvent.keyDown(changes, { key: "ArrowRight" });
  const sheet = screen.getByRole("tab", { name: "Sheet" });
  expect(sheet.getAttribute("aria-selected")).toBe("true");
  await screen.findByRole("grid", { name: "Cells of Movies" });
  screen.getByText("What is not in this copy");
});

test("what a cell held before is a click away, and so is what its column holds", async () => {
  await hold([
    ["Alien", 1979],
    ["Brazil", 1985],
  ]);
  render(<Panel spreadsheetId={ID} mirror={looked} />);
  await take(edit(2, 1, 1986, "mara@example.org"));
  fireEvent.click(await screen.findByRole("button", { name: "B1" }));
  const button = await screen.findByRole("button", { name: "History" });
  expect(button.getAttribute("aria-expanded")).toBe("false");
  fireEvent.click(button);
  const story = within(await screen.findByRole("region", { name: "B1 and its column" }));
  expect((await story.findByText("1979")).tagName).toBe("DEL");
  expect(story.getByText("1986").tagName).toBe("INS");
  story.getByText(/mara@example.org/);
  await story.findByText("2 rows: 2 numbers. Sum 3,971, mean 1,985.5, from 1,985 to 1,986.");
  expect(button.getAttribute("aria-expanded")).toBe("true");
});

test("the sheet can be seen and searched as it was before a change, and one click leads back", async () => {
  await hold([["Alien", 1979]]);
  render(<Panel spreadsheetId={ID} mirror={looked} />);
  await screen.findByText(/No changes yet/);
  await take(edit(2, 0, "Aliens", "mara@example.org"));
  await take(edit(3, 1, 1986));
  const [, older] = await screen.findAllByRole("button", { name: "Before this change" });
  if (!older) throw new Error("There is no way back.");
  fireEvent.click(older);
  const banner = await screen.findByText(/^As it was before A1 changed, .*, by mara@example\.org\.$/);
  await screen.findByRole("grid", { name: "Cells of Movies" });
  // What goes on meanwhile is not of that time.
  await take(edit(4, 0, "Alien 3"));
  const search = screen.getByRole("searchbox");
  fireEvent.input(search, { target: { value: "alien" } });
  const hits = await screen.findByRole("list", { name: "Found cells" });
  await within(hits).findByText("Alien");
  expect(hits.textContent).not.toContain("Alien 3");
  expect(screen.queryByRole("button", { name: "Check this copy" })).toBeNull();
  expect(screen.queryByRole("button", { name: "History" })).toBeNull();
  const back = screen.getByRole("button", { name: "Back to now" });
  expect(document.activeElement).toBe(back);
  fireEvent.click(back);
  await screen.findByRole("button", { name: "Check this copy" });
  expect(banner.isConnected).toBe(false);
});

test("what was before the first copy is said not to be kept", async () => {
  await hold([["Alien", 1979]]);
  render(<Panel spreadsheetId={ID} mirror={looked} />);
  await take(edit(2, 0, "Aliens"));
  const before = await screen.findByRole("button", { name: "Before this change" });
  await hold([["Aliens", 1986]], 9);
  fireEvent.click(before);
  const banner = await screen.findByText(/is not kept on this machine/);
  expect(banner.closest("[role=status]")).not.toBeNull();
});

test("a mirror of a newer version is said so in the panel", () => {
  render(<PanelTrouble why="newer" />);
  expect(screen.getByRole("status").textContent).toBe("The copy on this machine was made by a newer version.");
  expect(screen.queryByText("Update the extension.")).not.toBeNull();
});

test("a background that does not answer is told of, and taken back when it does", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"] });
  let isAnswering = false;
  fakeBrowser.runtime.sendMessage = () =>
    isAnswering
      ? Promise.resolve({ facts: { ...facts, linkHeardAt: Date.now() } })
      : Promise.reject(new Error("Could not establish connection. Receiving end does not exist."));
  render(<Panel mirror={looked} spreadsheetId={ID} />);
  await vi.advanceTimersByTimeAsync(29_000);
  expect(screen.queryByText("Sheetwire's background does not answer.")).toBeNull();
  await vi.advanceTimersByTimeAsync(2_000);
  expect(screen.getByText("Sheetwire's background does not answer.")).toBeTruthy();
  isAnswering = true;
  await vi.advanceTimersByTimeAsync(20_000);
  expect(screen.queryByText("Sheetwire's background does not answer.")).toBeNull();
});
