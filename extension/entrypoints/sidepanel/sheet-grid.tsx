import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { cellName, columnName, displayOf, formulaOf, isRich, valueOf } from "@sheetwire/shared/grid";
import type { Cell, GridRange, Row, Sheet } from "@sheetwire/shared/protocol";
import type { ChangeSummary, Viewport } from "../../mirror/mirror.ts";
import type { LookedAt, PastLooks } from "../../queries/queries.ts";
import { CellStory } from "./cell-story.tsx";
import { useDrawn } from "./drawn.ts";
import type { Spot } from "./sheet-view.tsx";
import { useReading } from "./use-copy.ts";
import { useVirtual } from "./use-virtual.ts";

const ROW_PX = 24;
const HEAD_PX = 26;
const NUMBER_PX = 52;
/** No browser makes an element much higher than this; rows below are reached by search and export. */
const MOST_ROWS = Math.floor(15_000_000 / ROW_PX);
const PAGE_ROWS = 20;

type Loaded = { range: GridRange; viewport: Viewport };
type Place = { row: number; column: number };

/** The cells of one sheet. Only what can be seen is drawn, and read from the mirror. Read-only, moved about by keyboard. */
export function SheetGrid(props: {
  mirror: LookedAt;
  spreadsheetId: string;
  /** The copy as it was, when that is what is shown. */
  past?: PastLooks | undefined;
  sheet: Sheet;
  changes: readonly ChangeSummary[];
  spot: Spot | undefined;
}): JSX.Element {
  const { mirror, spreadsheetId, past, sheet, changes, spot } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState<Place>({ row: spot?.row ?? 0, column: spot?.column ?? 0 });
  const [loaded, setLoaded] = useState<Loaded>();
  const [isStoryShown, setIsStoryShown] = useState(false);
  const copy = useMemo(() => mirror.of(spreadsheetId), [mirror, spreadsheetId]);
  const rowCount = Math.min(sheet.rows, MOST_ROWS);
  const columnCount = Math.max(1, sheet.columns);
  const widths = useColumnWidths(loaded, sheet.sheetId);

  const rows = useVirtual({
    count: rowCount,
    size: () => ROW_PX,
    paddingStart: HEAD_PX,
    overscan: 6,
    scroller: () => scroller.current,
  });
  const columns = useVirtual({
    count: columnCount,
    size: (index) => widths.get(index) ?? 96,
    horizontal: true,
    paddingStart: NUMBER_PX,
    overscan: 2,
    scroller: () => scroller.current,
  });
  useLayoutEffect(() => columns.measure(), [widths]);

  const shownRows = rows.getVirtualItems();
  const shownColumns = columns.getVirtualItems();
  const wanted = useWanted(shownRows, shownColumns);
  useReading(
    // What was does not change with the next commit.
    past ? undefined : mirror,
    spreadsheetId,
    async () => wanted && (past ?? copy).viewport(sheet.sheetId, wanted),
    (viewport) => {
      if (wanted && viewport) setLoaded({ range: wanted, viewport });
    },
    [sheet.sheetId, wanted, past],
  );

  // A change is drawn when the cells are, which are read after its word has come.
  const cellsAt = loaded?.viewport.seq ?? 0;
  useDrawn(useMemo(() => changes.filter((change) => change.seq <= cellsAt), [changes, cellsAt]));

  const goTo = (place: Place): void => {
    const row = Math.max(0, Math.min(rowCount - 1, place.row));
    const column = Math.max(0, Math.min(columnCount - 1, place.column));
    setActive({ row, column });
    rows.scrollToIndex(row);
    columns.scrollToIndex(column);
  };
  useEffect(() => {
    if (spot) goTo(spot);
  }, [spot]);

  const onKey = (event: KeyboardEvent): void => {
    const next = placeAfterKey(event, active, { rows: rowCount, columns: columnCount });
    if (!next) return;
    event.preventDefault();
    goTo(next);
  };
  const cellAt = (row: number, column: number): Cell | undefined => {
    const line = rowOf(loaded, row);
    return line ? (line[column - (loaded?.range.startColumnIndex ?? 0)] ?? null) : undefined;
  };
  const activeCell = cellAt(active.row, active.column);

  return (
    <>
      <CellBar
        place={active}
        cell={activeCell}
        isUnknown={rowOf(loaded, active.row) === null}
        isStoryShown={isStoryShown}
        onStory={past ? undefined : setIsStoryShown}
      />
      {isStoryShown && !past ? (
        <CellStory
          key={`${active.row} ${active.column}`}
          copy={copy}
          sheetId={sheet.sheetId}
          row={active.row}
          column={active.column}
          version={loaded?.viewport.seq}
        />
      ) : null}
      <div
        class="grid"
        role="grid"
        aria-label={`Cells of ${sheet.title}`}
        aria-readonly="true"
        aria-rowcount={sheet.rows + 1}
        aria-colcount={columnCount + 1}
        aria-activedescendant={`cell-${active.row}-${active.column}`}
        tabIndex={0}
        ref={scroller}
        onKeyDown={onKey}
      >
        <div class="grid-area" style={{ width: `${columns.getTotalSize()}px`, height: `${rows.getTotalSize()}px` }}>
          <div class="grid-head" role="row" aria-rowindex={1}>
            <div class="grid-corner" role="columnheader">
              <span class="visually-hidden">Row numbers</span>
            </div>
            {shownColumns.map((column) => (
              <div
                key={column.index}
                class={`grid-column${column.index === active.column ? " is-active" : ""}`}
                role="columnheader"
                aria-colindex={column.index + 2}
                style={{ left: `${column.start}px`, width: `${column.size}px` }}
              >
                {columnName(column.index)}
              </div>
            ))}
          </div>
          {shownRows.map((row) => {
            const line = rowOf(loaded, row.index);
            return (
              <div
                key={row.index}
                class={`grid-row${line === null ? " is-unknown" : ""}`}
                role="row"
                aria-rowindex={row.index + 2}
                style={{ transform: `translateY(${row.start}px)` }}
              >
                <div class={`grid-number${row.index === active.row ? " is-active" : ""}`} role="rowheader">
                  {row.index + 1}
                </div>
                {shownColumns.map((column, n) => {
                  const cell = cellAt(row.index, column.index);
                  const isActive = row.index === active.row && column.index === active.column;
                  return (
                    <div
                      key={column.index}
                      id={`cell-${row.index}-${column.index}`}
                      class={`grid-cell ${cellClass(cell)}${isActive ? " is-active" : ""}`}
                      role="gridcell"
                      aria-colindex={column.index + 2}
                      aria-selected={isActive}
                      style={{ left: `${column.start}px`, width: `${column.size}px` }}
                      onMouseDown={() => setActive({ row: row.index, column: column.index })}
                    >
                      {line === null ? (n === 0 ? "being read" : "") : cell === undefined ? "" : displayOf(cell)}
                    </div>
                  );
                })}
              </div>
            );
          })}
        </div>
      </div>
      {sheet.rows > MOST_ROWS ? (
        <p class="soft">
          Rows 1 to {MOST_ROWS.toLocaleString("en")} of {sheet.rows.toLocaleString("en")}. The others are in search and
          CSV.
        </p>
      ) : null}
    </>
  );
}

/** What the active cell holds, as in a formula bar. */
function CellBar(props: {
  place: Place;
  cell: Cell | undefined;
  isUnknown: boolean;
  isStoryShown: boolean;
  /** Absent where there is no story to tell. */
  onStory: ((isShown: boolean) => void) | undefined;
}): JSX.Element {
  const { place, cell, isUnknown, isStoryShown, onStory } = props;
  const formula = cell === undefined ? undefined : formulaOf(cell);
  const display = cell === undefined ? "" : displayOf(cell);
  return (
    <div class="cell-bar">
      <span class="where where-still">{cellName(place.row, place.column)}</span>
      <output class="cell-content" aria-live="off">
        {isUnknown ? <span class="soft">being read</span> : formula ? <code>{formula}</code> : display}
        {formula === undefined || isUnknown ? null : <span class="soft"> {display}</span>}
      </output>
      {onStory ? (
        <button
          type="button"
          class="button button-small"
          aria-expanded={isStoryShown}
          title="What this cell held before, and what its column holds"
          onClick={() => onStory(!isStoryShown)}
        >
          History
        </button>
      ) : null}
    </div>
  );
}

/** The row of the loaded part: null while it is being read, undefined where nothing is loaded. */
function rowOf(loaded: Loaded | undefined, row: number): Row | null | undefined {
  if (!loaded || row < loaded.range.startRowIndex) return undefined;
  return loaded.viewport.rows[row - loaded.range.startRowIndex];
}

function cellClass(cell: Cell | undefined): string {
  if (cell === undefined || cell === null) return "";
  if (isRich(cell) && cell.e !== undefined) return "is-error";
  const value = valueOf(cell);
  return typeof value === "number" ? "is-number" : typeof value === "boolean" ? "is-boolean" : "";
}

/** What to read for what is seen, with a margin; the same object as long as that still covers it. */
function useWanted(rows: readonly { index: number }[], columns: readonly { index: number }[]): GridRange | undefined {
  const held = useRef<GridRange | undefined>(undefined);
  const [firstRow, lastRow] = [rows[0]?.index, rows.at(-1)?.index];
  const [firstColumn, lastColumn] = [columns[0]?.index, columns.at(-1)?.index];
  return useMemo(() => {
    if (firstRow === undefined || lastRow === undefined || firstColumn === undefined || lastColumn === undefined) {
      return held.current;
    }
    const { current } = held;
    const covers =
      current &&
      current.startRowIndex <= firstRow &&
      current.endRowIndex > lastRow &&
      current.startColumnIndex <= firstColumn &&
      current.endColumnIndex > lastColumn;
    if (!covers) {
      held.current = {
        startRowIndex: Math.max(0, firstRow - 40),
        endRowIndex: lastRow + 41,
        startColumnIndex: Math.max(0, firstColumn - 8),
        endColumnIndex: lastColumn + 9,
      };
    }
    return held.current;
  }, [firstRow, lastRow, firstColumn, lastColumn]);
}

/** As wide as what stands in a column when it is first seen, within reason; then it stays. */
function useColumnWidths(loaded: Loaded | undefined, sheetId: number): ReadonlyMap<number, number> {
  const [widths, setWidths] = useState<ReadonlyMap<number, number>>(new Map());
  useEffect(() => {
    if (!loaded) return;
    const next = new Map(widths);
    for (const row of loaded.viewport.rows) {
      for (const [offset, cell] of (row ?? []).entries()) {
        const column = loaded.range.startColumnIndex + offset;
        if (widths.has(column) || cell === null) continue;
        const chars = Math.min(26, displayOf(cell).length);
        next.set(column, Math.max(next.get(column) ?? 56, chars * 7 + 18));
      }
    }
    if (next.size > widths.size) setWidths(next);
  }, [loaded, sheetId]);
  return widths;
}

function placeAfterKey(event: KeyboardEvent, at: Place, size: { rows: number; columns: number }): Place | undefined {
  const far = event.ctrlKey || event.metaKey;
  switch (event.key) {
    case "ArrowUp":
      return { ...at, row: far ? 0 : at.row - 1 };
    case "ArrowDown":
      return { ...at, row: far ? size.rows - 1 : at.row + 1 };
    case "ArrowLeft":
      return { ...at, column: far ? 0 : at.column - 1 };
    case "ArrowRight":
      return { ...at, column: far ? size.columns - 1 : at.column + 1 };
    case "PageUp":
      return { ...at, row: at.row - PAGE_ROWS };
    case "PageDown":
      return { ...at, row: at.row + PAGE_ROWS };
    case "Home":
      return far ? { row: 0, column: 0 } : { ...at, column: 0 };
    case "End":
      return far ? { row: size.rows - 1, column: size.columns - 1 } : { ...at, column: size.columns - 1 };
    default:
      return undefined;
  }
}
