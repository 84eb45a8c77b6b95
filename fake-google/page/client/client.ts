/** The page of one open spreadsheet. */
import { createCells } from "./cells.ts";
import { button, cellName, element } from "./dom.ts";
import { createMenus, type Entry } from "./menus.ts";
import { createPanels } from "./panels.ts";
import { createServer, type Facts, type MenuItem, type SheetFacts } from "./server.ts";
import "./page.css";

const held = JSON.parse(document.querySelector("#facts")?.textContent ?? "{}") as {
  id: string;
  user: string;
  nonce: string;
};
const server = createServer(held.id, held.user);
let facts: Facts | undefined;
let session = "";

const title = element("h1", { class: "title" });
const menuBar = element("nav", { class: "menus", "aria-label": "Menus" });
const nameBox = element("output", { class: "name-box", "aria-label": "Selected cell" }, "A1");
const bar = element("input", {
  class: "formula-bar",
  "aria-label": "Formula bar",
  spellcheck: "false",
  autocomplete: "off",
});
const place = element("div", { class: "cells" });
const side = element("aside", { class: "sidebar", hidden: "" });
const tabs = element("div", { class: "tabs", role: "tablist" });
const notice = element("p", { class: "notice", role: "status" });

const cells = createCells(place, {
  nonce: held.nonce,
  act,
  onFocus: ({ row, column }, text) => {
    nameBox.value = cellName(row, column);
    if (document.activeElement !== bar) bar.value = text;
  },
});
const menus = createMenus(menuBar);
const panels = createPanels(side, {
  answer: (dialog, chosen, text) => void server.answer(session, dialog, chosen, text).catch(complain),
});

document.querySelector("#app")?.append(
  element(
    "header",
    { class: "top" },
    element("span", { class: "logo", "aria-hidden": "true" }),
    element("div", { class: "heading" }, title, menuBar),
    element(
      "span",
      { class: "stand-in", title: "This is not Google: it is a stand-in on your own machine." },
      "stand-in",
    ),
    element(
      "span",
      { class: "user", title: held.user },
      element("span", { class: "face", "aria-hidden": "true" }, held.user.slice(0, 1).toUpperCase()),
      held.user,
    ),
  ),
  toolbar(),
  element("div", { class: "formula" }, nameBox, element("span", { class: "fx", "aria-hidden": "true" }, "fx"), bar),
  element("main", { class: "work" }, place, side),
  element(
    "footer",
    { class: "bottom" },
    button("+", "Add a sheet", () => act({ action: "addSheet" })),
    tabs,
    notice,
  ),
);

bar.addEventListener("keydown", (event) => {
  const { row, column } = cells.focused();
  if (event.key === "Enter") cells.type(row, column, bar.value);
  if (event.key !== "Enter" && event.key !== "Escape") return;
  event.preventDefault();
  bar.blur();
  cells.focusGrid();
});

menus.add("Edit", () => [
  { caption: "Undo", run: () => onSheet({ action: "undo" }) },
  { caption: "Redo", run: () => onSheet({ action: "redo" }) },
  { separator: true },
  {
    caption: "Delete row",
    run: () => onSheet({ action: "deleteRows", row: cells.selection().row, count: cells.selection().rows }),
  },
  {
    caption: "Delete column",
    run: () => onSheet({ action: "deleteColumns", column: cells.selection().column, count: cells.selection().columns }),
  },
]);
menus.add("Insert", () => [
  { caption: "Row above", run: () => onSheet({ action: "insertRows", row: cells.selection().row }) },
  {
    caption: "Row below",
    run: () => onSheet({ action: "insertRows", row: cells.selection().row + cells.selection().rows }),
  },
  { caption: "Column left", run: () => onSheet({ action: "insertColumns", column: cells.selection().column }) },
  { separator: true },
  { caption: "Sheet", run: () => act({ action: "addSheet" }) },
]);
menus.add("Data", () => [
  { caption: "Sort sheet A to Z by this column", run: () => sort(true) },
  { caption: "Sort sheet Z to A by this column", run: () => sort(false) },
]);

function toolbar(): HTMLElement {
  return element(
    "div",
    { class: "toolbar", role: "toolbar", "aria-label": "Actions" },
    button("↶", "Undo", () => onSheet({ action: "undo" })),
    button("↷", "Redo", () => onSheet({ action: "redo" })),
    element("span", { class: "gap" }),
    button("Row above", "Insert a row above", () => onSheet({ action: "insertRows", row: cells.selection().row })),
    button("Row below", "Insert a row below", () =>
      onSheet({ action: "insertRows", row: cells.selection().row + cells.selection().rows }),
    ),
    button("Delete row", "Delete the selected rows", () =>
      onSheet({ action: "deleteRows", row: cells.selection().row, count: cells.selection().rows }),
    ),
    element("span", { class: "gap" }),
    button("A→Z", "Sort the sheet by this column", () => sort(true)),
    button("Z→A", "Sort the sheet by this column, backwards", () => sort(false)),
    element("span", { class: "gap" }),
    button("Rename sheet", "Rename this sheet", () => void rename()),
  );
}

/** The first row stays where it is, as a heading. */
function sort(ascending: boolean): void {
  const sheet = current();
  if (!sheet) return;
  const { column } = cells.selection();
  act({
    action: "sort",
    sheetId: sheet.sheetId,
    column,
    ascending,
    ...(sheet.rows > 1 ? { a1: `A2:${cellName(sheet.rows - 1, sheet.columns - 1)}` } : {}),
  });
}

async function rename(): Promise<void> {
  const sheet = current();
  if (!sheet) return;
  const name = await panels.ask("Rename sheet", sheet.title);
  if (name !== undefined && name !== sheet.title) act({ action: "renameSheet", sheetId: sheet.sheetId, title: name });
}

function current(): SheetFacts | undefined {
  const gid = /gid=(\d+)/.exec(location.hash)?.[1];
  const visible = facts?.sheets.filter((sheet) => !sheet.hidden) ?? [];
  return visible.find((sheet) => String(sheet.sheetId) === gid) ?? visible[0];
}

function onSheet(action: Readonly<Record<string, unknown>>): void {
  const sheet = current();
  if (sheet) act({ sheetId: sheet.sheetId, ...action });
}

/** Actions go one after another, as they were made. */
let last: Promise<unknown> = Promise.resolve();
function act(action: Readonly<Record<string, unknown>>): void {
  last = last
    .then(() => server.act(action))
    .then(
      () => say(""),
      (error: unknown) => {
        complain(error);
        return load();
      },
    );
}

function complain(error: unknown): void {
  say(error instanceof Error ? error.message : "That did not work.");
}

function say(text: string): void {
  notice.textContent = text;
}

function draw(next: Facts): void {
  facts = next;
  title.textContent = next.title;
  document.title = `${next.title} - Google Sheets (stand-in)`;
  const here = current();
  tabs.replaceChildren(
    ...next.sheets
      .filter((sheet) => !sheet.hidden)
      .map((sheet) => {
        const tab = element(
          "a",
          { class: "tab", role: "tab", href: `#gid=${sheet.sheetId}`, "aria-selected": String(sheet === here) },
          sheet.title,
        );
        tab.addEventListener("dblclick", () => void rename());
        return tab;
      }),
  );
}

/** The newest of several loads wins. */
let loads = 0;
async function load(): Promise<void> {
  const mine = ++loads;
  const next = await server.facts();
  if (mine !== loads) return;
  draw(next);
  const sheet = current();
  if (!sheet) return;
  if (!/gid=/.test(location.hash)) history.replaceState(null, "", `#gid=${sheet.sheetId}`);
  const rows = await server.rows(sheet.sheetId);
  if (mine === loads) cells.show(sheet, rows);
}
const reload = (): void => void load().catch(complain);

globalThis.addEventListener("hashchange", reload);

function entriesOf(items: readonly MenuItem[]): Entry[] {
  return items.flatMap((item): Entry[] => {
    if ("separator" in item) return [{ separator: true }];
    if ("items" in item) return [{ heading: item.caption }, ...entriesOf(item.items)];
    return [{ caption: item.caption, run: () => void server.menu(session, item.functionName).catch(complain) }];
  });
}

server.listen((event) => {
  switch (event.kind) {
    case "session":
      // Also after the stream broke: whatever happened in between is read anew.
      session = event.session;
      reload();
      break;
    case "cells":
      cells.update(event.cells);
      break;
    case "structure":
      if (event.sheetId === current()?.sheetId) reload();
      else draw(event.facts);
      break;
    case "sheets":
      reload();
      break;
    case "menu":
      menus.add(event.caption, () => entriesOf(event.items));
      break;
    case "show":
      panels.show(event);
      break;
    case "dialog":
      panels.dialog(event);
      break;
    case "toast":
      say(event.message);
      break;
  }
});
