/** The grid of cells: draws what the server shows, and turns keys, pastes and edits into actions. */
import { defineCustomElements } from "@revolist/revogrid/loader";
import { cellName, columnName } from "./dom.ts";
import type { Shown, SheetFacts } from "./server.ts";

type Model = Record<string, string>;
type Spot = { row: number; column: number };
export type Selection = { row: number; column: number; rows: number; columns: number };

export type CellsNeeds = {
  readonly act: (action: Readonly<Record<string, unknown>>) => void;
  readonly onFocus: (spot: Spot, text: string) => void;
  readonly nonce: string;
};

type GridElement = HTMLRevoGridElement;

export function createCells(place: HTMLElement, needs: CellsNeeds) {
  defineCustomElements(window);
  const grid: GridElement = document.createElement("revo-grid");
  Object.assign(grid, {
    range: true,
    resize: true,
    rowHeaders: true,
    hideAttribution: true,
    theme: "default",
    rowSize: 25,
    colSize: 104,
    useClipboard: false,
    applyOnClose: true,
  });
  place.append(grid);
  let sheet: SheetFacts | undefined;
  let source: Model[] = [];
  let focused: Spot = { row: 0, column: 0 };
  let selection: Selection = { row: 0, column: 0, rows: 1, columns: 1 };
  let isRefreshing = false;

  const display = (row: number, column: number): string => source[row]?.[`d${column}`] ?? "";
  const text = (row: number, column: number): string => source[row]?.[column] ?? "";

  function hold(row: number, column: number, shown: Shown): void {
    const model = (source[row] ??= {});
    const [view = "", edit = view, kind = ""] = shown ?? [];
    model[column] = edit;
    model[`d${column}`] = view;
    model[`k${column}`] = kind;
  }

  function columnsOf(count: number) {
    return Array.from({ length: count }, (_, column) => ({
      prop: String(column),
      name: columnName(column),
      cellTemplate: (_create: unknown, { model }: { model: Model }) => model[`d${column}`] ?? "",
      cellProperties: ({ model }: { model: Model }) => ({ class: { [`kind-${model[`k${column}`] ?? ""}`]: true } }),
    }));
  }

  function show(facts: SheetFacts, rows: readonly Shown[][]): void {
    const isOther = facts.sheetId !== sheet?.sheetId;
    if (isOther || facts.columns !== sheet?.columns) grid.columns = columnsOf(facts.columns) as never;
    sheet = facts;
    source = Array.from({ length: facts.rows }, () => ({}));
    rows.forEach((line, row) => line.forEach((shown, column) => shown && hold(row, column, shown)));
    grid.source = source;
    if (isOther) {
      selection = { row: 0, column: 0, rows: 1, columns: 1 };
      focused = { row: 0, column: 0 };
    }
    needs.onFocus(focused, text(focused.row, focused.column));
  }

  function refresh(): void {
    if (isRefreshing) return;
    isRefreshing = true;
    requestAnimationFrame(() => {
      isRefreshing = false;
      void grid.refresh("all");
      needs.onFocus(focused, text(focused.row, focused.column));
    });
  }

  /** Cells that the server says are others now. */
  function update(cells: readonly [number, number, number, Shown][]): void {
    for (const [sheetId, row, column, shown] of cells) if (sheetId === sheet?.sheetId) hold(row, column, shown);
    refresh();
  }

  function type(row: number, column: number, value: string): void {
    if (!sheet || value === text(row, column)) return;
    // Shown at once; what the server makes of it follows.
    hold(row, column, value === "" ? null : [value]);
    refresh();
    needs.act({ action: "type", sheetId: sheet.sheetId, a1: cellName(row, column), value });
  }

  grid.addEventListener("beforeedit", (event) => {
    event.preventDefault();
    const { prop, rowIndex, val } = (event as CustomEvent<{ prop: string; rowIndex: number; val?: string }>).detail;
    type(rowIndex, Number(prop), val ?? "");
  });
  // Drags of the corner, and whatever else the component would write by itself.
  grid.addEventListener("beforerangeedit", (event) => event.preventDefault());
  grid.addEventListener("beforeautofill", (event) => {
    event.preventDefault();
    const { oldRange, newRange } = (event as CustomEvent<{ oldRange: Box; newRange: Box }>).detail;
    if (sheet)
      needs.act({
        action: "fill",
        sheetId: sheet.sheetId,
        from: nameOf(selectionOf(oldRange)),
        to: nameOf(selectionOf(newRange)),
      });
  });
  grid.addEventListener("afterfocus", (event) => {
    const { rowIndex, colIndex } = (event as CustomEvent<{ rowIndex: number; colIndex: number }>).detail;
    focused = { row: rowIndex, column: colIndex };
    selection = { ...focused, rows: 1, columns: 1 };
    needs.onFocus(focused, text(rowIndex, colIndex));
  });
  // Said before the new focus is drawn: a paste right after a click goes where the click was.
  grid.addEventListener("focuscell", (event) => {
    const { focus, end } = (event as CustomEvent<{ focus?: { x: number; y: number }; end?: { x: number; y: number } }>)
      .detail;
    if (focus) selection = selectionOf({ ...focus, x1: end?.x ?? focus.x, y1: end?.y ?? focus.y });
  });
  grid.addEventListener("setrange", (event) => {
    selection = selectionOf((event as CustomEvent<Box>).detail);
  });

  const isTyping = (): boolean => {
    const active = document.activeElement;
    return (
      active instanceof HTMLInputElement || active instanceof HTMLTextAreaElement || active instanceof HTMLSelectElement
    );
  };
  // The component opens its editor a moment after the first key: what is typed in between waits for it.
  let isOpening = false;
  let openingTimer: ReturnType<typeof setTimeout> | undefined;
  const early: string[] = [];
  function awaitEditor(): void {
    isOpening = true;
    clearTimeout(openingTimer);
    openingTimer = setTimeout(() => {
      isOpening = false;
      early.length = 0;
    }, 1500);
  }
  document.addEventListener("focusin", (event) => {
    const input = event.target;
    if (!isOpening || !(input instanceof HTMLInputElement) || !input.closest("revogr-edit")) return;
    isOpening = false;
    for (const key of early.splice(0)) {
      if (key.length === 1) input.value += key;
      else input.dispatchEvent(new KeyboardEvent("keydown", { key, code: key, bubbles: true, cancelable: true }));
    }
  });
  document.addEventListener(
    "keydown",
    (event) => {
      if (isTyping() || !sheet) return;
      const isCommand = event.ctrlKey || event.metaKey;
      if (isOpening) {
        early.push(event.key);
        event.preventDefault();
        event.stopPropagation();
        return;
      }
      if (event.key.length === 1 && !isCommand && !event.altKey) awaitEditor();
      const key = event.key.toLowerCase();
      if (event.key === "Delete" || event.key === "Backspace")
        needs.act({ action: "clear", sheetId: sheet.sheetId, a1: nameOf(selection) });
      else if (isCommand && key === "z")
        needs.act({ action: event.shiftKey ? "redo" : "undo", sheetId: sheet.sheetId });
      else if (isCommand && key === "y") needs.act({ action: "redo", sheetId: sheet.sheetId });
      else return;
      event.preventDefault();
      event.stopPropagation();
    },
    true,
  );
  document.addEventListener(
    "paste",
    (event) => {
      if (isTyping() || !sheet) return;
      const pasted = event.clipboardData?.getData("text/plain") ?? "";
      if (pasted === "") return;
      event.preventDefault();
      event.stopPropagation();
      needs.act({
        action: "paste",
        sheetId: sheet.sheetId,
        a1: cellName(selection.row, selection.column),
        values: table(pasted),
      });
    },
    true,
  );
  for (const kind of ["copy", "cut"] as const) {
    document.addEventListener(
      kind,
      (event) => {
        if (isTyping() || !sheet) return;
        const lines = Array.from({ length: selection.rows }, (_, row) =>
          Array.from({ length: selection.columns }, (_cell, column) =>
            display(selection.row + row, selection.column + column),
          ).join("\t"),
        );
        event.clipboardData?.setData("text/plain", lines.join("\n"));
        event.preventDefault();
        event.stopPropagation();
        if (kind === "cut") needs.act({ action: "clear", sheetId: sheet.sheetId, a1: nameOf(selection) });
      },
      true,
    );
  }

  return {
    show,
    update,
    type,
    focused: (): Spot => focused,
    selection: (): Selection => selection,
    focusGrid: (): void => void grid.setCellsFocus({ x: focused.column, y: focused.row }),
  };
}

type Box = { x: number; y: number; x1: number; y1: number };

const selectionOf = ({ x, y, x1, y1 }: Box): Selection => ({
  row: Math.min(y, y1),
  column: Math.min(x, x1),
  rows: Math.abs(y1 - y) + 1,
  columns: Math.abs(x1 - x) + 1,
});

function nameOf({ row, column, rows, columns }: Selection): string {
  const first = cellName(row, column);
  return rows * columns === 1 ? first : `${first}:${cellName(row + rows - 1, column + columns - 1)}`;
}

/** Tab-separated text as spreadsheets put it on the clipboard; a quoted field may hold line ends. */
function table(text: string): string[][] {
  const rows: string[][] = [[]];
  for (const [, quoted, plain, end] of text
    .replaceAll("\r\n", "\n")
    .matchAll(/(?:"((?:[^"]|"")*)"(?=\t|\n|$)|([^\t\n]*))(\t|\n|$)/g)) {
    rows.at(-1)?.push(quoted === undefined ? (plain ?? "") : quoted.replaceAll('""', '"'));
    if (end === "\n") rows.push([]);
    if (end === "") break;
  }
  const last = rows.at(-1);
  if (rows.length > 1 && last && last.length === 1 && last[0] === "") rows.pop();
  const width = Math.max(...rows.map((row) => row.length));
  return rows.map((row) => [...row, ...Array.from({ length: width - row.length }, () => "")]);
}
