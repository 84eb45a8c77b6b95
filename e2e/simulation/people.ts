/** What people and programs do to the table, and what Google tells the script of it. */
import type { Dice } from "./dice.ts";
import type { GoogleEvent } from "./scripts.ts";
import type { Day } from "./weather.ts";
import type { Formula, Held, Sheet, Table } from "./table.ts";

const MOST_ROWS = 14;
const MOST_COLUMNS = 6;
const MOST_SHEETS = 3;

/** Few words, so that rows often repeat. */
const words: readonly Held[] = ["a", "b", "c", 1, 2, 3.5, true, false, "Straße", "=", "", "0"];

type Deed = (table: Table, dice: Dice) => readonly GoogleEvent[];

const value = (dice: Dice): Held => {
  const word = dice.pick(words);
  return word === "" ? null : word;
};

const sheetOf = (table: Table, dice: Dice): Sheet =>
  dice.pick(table.sheets.filter((sheet) => sheet.title !== "Results"));

function put(sheet: Sheet, row: number, column: number, held: Held): void {
  const cells = sheet.rows[row];
  if (!cells) return;
  while (cells.length < column) cells.push(null);
  cells[column] = held;
}

const edited = (
  sheet: Sheet,
  row: number,
  column: number,
  rows: number,
  columns: number,
  oldValue?: string,
): GoogleEvent => ({
  kind: "edit",
  range: { sheetId: sheet.sheetId, row, column, rows, columns },
  oldValue,
});

const changed = (changeType: string): GoogleEvent => ({ kind: "change", changeType });

/** Google's `oldValue` of a cell: text, and nothing for what was blank. */
function oldValueOf(table: Table, sheet: Sheet, row: number, column: number): string | undefined {
  const before = table.displayAt(sheet.sheetId, row, column);
  return before === "" ? undefined : before;
}

function typeCell(table: Table, dice: Dice): GoogleEvent[] {
  const sheet = sheetOf(table, dice);
  const row = dice.below(sheet.rows.length);
  const column = dice.below(sheet.columns);
  const oldValue = oldValueOf(table, sheet, row, column);
  put(sheet, row, column, value(dice));
  return [edited(sheet, row, column, 1, 1, oldValue)];
}

/** A box ticked and unticked: what is read in between agrees with what is read before and after. */
function toggle(table: Table, dice: Dice): GoogleEvent[] {
  const sheet = sheetOf(table, dice);
  const before = sheet.rows[0]?.[0];
  put(sheet, 0, 0, before !== true);
  return [edited(sheet, 0, 0, 1, 1, typeof before === "boolean" ? String(before) : undefined)];
}

function block(dice: Dice, sheet: Sheet): { row: number; column: number; rows: number; columns: number } {
  const row = dice.below(sheet.rows.length);
  const column = dice.below(sheet.columns);
  const rows = 1 + dice.below(Math.min(4, sheet.rows.length - row));
  const columns = 1 + dice.below(Math.min(3, sheet.columns - column));
  return { row, column, rows, columns };
}

function fillBlock(sheet: Sheet, at: ReturnType<typeof block>, content: () => Held): void {
  for (let row = at.row; row < at.row + at.rows; row += 1) {
    for (let column = at.column; column < at.column + at.columns; column += 1) put(sheet, row, column, content());
  }
}

function paste(table: Table, dice: Dice): GoogleEvent[] {
  const sheet = sheetOf(table, dice);
  const at = block(dice, sheet);
  fillBlock(sheet, at, () => value(dice));
  return [edited(sheet, at.row, at.column, at.rows, at.columns)];
}

function apiWrite(table: Table, dice: Dice): GoogleEvent[] {
  const sheet = sheetOf(table, dice);
  fillBlock(sheet, block(dice, sheet), () => value(dice));
  return [];
}

function formula(table: Table, dice: Dice): GoogleEvent[] {
  const sheet = sheetOf(table, dice);
  const row = dice.below(sheet.rows.length);
  const column = dice.below(sheet.columns);
  const of = sheetOf(table, dice).sheetId;
  const fn = dice.pick(["count", "first", "spill", "volatile"] as const);
  const made: Formula = fn === "volatile" ? { fn } : { fn, of };
  put(sheet, row, column, { formula: made });
  return [edited(sheet, row, column, 1, 1)];
}

function insertRows(table: Table, dice: Dice): GoogleEvent[] {
  const sheet = sheetOf(table, dice);
  const count = 1 + dice.below(2);
  if (sheet.rows.length + count > MOST_ROWS) return deleteRows(table, dice);
  sheet.rows.splice(dice.below(sheet.rows.length + 1), 0, ...Array.from({ length: count }, (): Held[] => []));
  return [changed("INSERT_ROW")];
}

function deleteRows(table: Table, dice: Dice): GoogleEvent[] {
  const sheet = sheetOf(table, dice);
  if (sheet.rows.length < 3) return typeCell(table, dice);
  sheet.rows.splice(dice.below(sheet.rows.length - 1), 1 + dice.below(2));
  if (sheet.rows.length === 0) sheet.rows.push([]);
  return [changed("REMOVE_ROW")];
}

/** In one turn, so that the number of rows says nothing. */
function insertAndDelete(table: Table, dice: Dice): GoogleEvent[] {
  const sheet = sheetOf(table, dice);
  sheet.rows.splice(dice.below(sheet.rows.length), 1);
  sheet.rows.splice(dice.below(sheet.rows.length + 1), 0, []);
  return [changed("REMOVE_ROW"), changed("INSERT_ROW")];
}

function moveRows(table: Table, dice: Dice, isUntold = false): GoogleEvent[] {
  const sheet = sheetOf(table, dice);
  const from = dice.below(sheet.rows.length);
  // Of an empty row Google tells nothing that says so.
  if (trimmed(sheet.rows[from] ?? []).length === 0 && !isUntold) return typeCell(table, dice);
  const [row] = sheet.rows.splice(from, 1);
  const to = dice.below(sheet.rows.length + 1);
  sheet.rows.splice(to, 0, row ?? []);
  return [edited(sheet, to, 0, 1, sheet.columns)];
}

function sort(table: Table, dice: Dice): GoogleEvent[] {
  const sheet = sheetOf(table, dice);
  const column = dice.below(sheet.columns);
  const keyOf = (row: Held[]): string => JSON.stringify(row[column] ?? null);
  sheet.rows.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : keyOf(a) > keyOf(b) ? 1 : 0));
  return [edited(sheet, 0, 0, sheet.rows.length, sheet.columns)];
}

const padded = (sheet: Sheet): void =>
  sheet.rows.forEach((row) => {
    while (row.length < sheet.columns) row.push(null);
  });

function insertColumn(table: Table, dice: Dice): GoogleEvent[] {
  const sheet = sheetOf(table, dice);
  if (sheet.columns >= MOST_COLUMNS) return deleteColumn(table, dice);
  padded(sheet);
  const at = dice.below(sheet.columns + 1);
  for (const row of sheet.rows) row.splice(at, 0, null);
  sheet.columns += 1;
  return [changed("INSERT_COLUMN")];
}

function deleteColumn(table: Table, dice: Dice): GoogleEvent[] {
  const sheet = sheetOf(table, dice);
  if (sheet.columns < 2) return typeCell(table, dice);
  padded(sheet);
  const at = dice.below(sheet.columns);
  for (const row of sheet.rows) row.splice(at, 1);
  sheet.columns -= 1;
  return [changed("REMOVE_COLUMN")];
}

function moveColumn(table: Table, dice: Dice): GoogleEvent[] {
  const sheet = sheetOf(table, dice);
  padded(sheet);
  const from = dice.below(sheet.columns);
  const to = dice.below(sheet.columns);
  if (sheet.rows.every((row) => (row[from] ?? null) === null)) return typeCell(table, dice);
  for (const row of sheet.rows) {
    const [cell] = row.splice(from, 1);
    row.splice(to, 0, cell ?? null);
  }
  return [edited(sheet, 0, to, sheet.rows.length, 1)];
}

function addSheet(table: Table, dice: Dice): GoogleEvent[] {
  if (table.sheets.length >= MOST_SHEETS) return deleteSheet(table, dice);
  const source = dice.chance(0.5) ? sheetOf(table, dice) : undefined;
  const sheet = table.addSheet(`Sheet ${dice.below(1_000)}`, source?.rows.length ?? 4, source?.columns ?? 3);
  if (source) sheet.rows = source.rows.map((row) => row.slice());
  return [changed("INSERT_GRID")];
}

function deleteSheet(table: Table, dice: Dice): GoogleEvent[] {
  if (table.sheets.length < 2) return typeCell(table, dice);
  table.sheets.splice(dice.below(table.sheets.length), 1);
  return [changed("REMOVE_GRID")];
}

function renameSheet(table: Table, dice: Dice): GoogleEvent[] {
  sheetOf(table, dice).title = `Renamed ${dice.below(1_000)}`;
  return [changed("OTHER")];
}

function reorderSheets(table: Table, dice: Dice): GoogleEvent[] {
  const [sheet] = table.sheets.splice(dice.below(table.sheets.length), 1);
  if (sheet) table.sheets.splice(dice.below(table.sheets.length + 1), 0, sheet);
  return [changed("OTHER")];
}

/** Everything new, by a program: nothing is told. */
function replaceAll(table: Table, dice: Dice): GoogleEvent[] {
  const sheet = sheetOf(table, dice);
  for (const row of sheet.rows) for (let column = 0; column < sheet.columns; column += 1) row[column] = value(dice);
  return [];
}

const deeds: readonly (readonly [weight: number, deed: Deed])[] = [
  [16, typeCell],
  [8, toggle],
  [6, paste],
  [6, apiWrite],
  [3, formula],
  [6, insertRows],
  [5, deleteRows],
  [4, insertAndDelete],
  [4, (table, dice) => moveRows(table, dice)],
  [3, sort],
  [2, insertColumn],
  [2, deleteColumn],
  [1, moveColumn],
  [2, addSheet],
  [1, deleteSheet],
  [1, renameSheet],
  [1, reorderSheets],
  [1, replaceAll],
];
/** What a formula shows or a program writes is told nowhere. */
const untold: readonly Deed[] = [apiWrite, replaceAll, formula];
const toldDeeds = deeds.filter(([, deed]) => !untold.includes(deed));

/** In one of few cells, beside the box that is ticked. */
function typeAbove(table: Table, dice: Dice): GoogleEvent[] {
  const sheet = sheetOf(table, dice);
  const column = dice.below(Math.min(2, sheet.columns));
  const oldValue = oldValueOf(table, sheet, 1, column);
  put(sheet, 1, column, dice.pick(["a", "b"]));
  // Google sometimes withholds what was there.
  return [edited(sheet, 1, column, 1, 1, dice.chance(0.3) ? oldValue : undefined)];
}

/** Always in the same cell, and Google never says what was there. */
function typeAgain(table: Table, dice: Dice): GoogleEvent[] {
  const sheet = table.sheets[0] as Sheet;
  put(sheet, 1, 0, dice.pick(["a", "b", "c", "d"]));
  return [edited(sheet, 1, 0, 1, 1)];
}

/** In another sheet, so that the relay hears of something. */
function typeElsewhere(table: Table, dice: Dice): GoogleEvent[] {
  const sheet = table.sheets[1] as Sheet;
  put(sheet, 1, 1, dice.below(100));
  return [edited(sheet, 1, 1, 1, 1)];
}

/** A program drags a row elsewhere: nothing is told. */
function dragUntold(table: Table, dice: Dice): GoogleEvent[] {
  moveRows(table, dice, true);
  return [];
}

/** A program takes a row out and puts another in. */
function replaceUntold(table: Table, dice: Dice): GoogleEvent[] {
  insertAndDelete(table, dice);
  return [];
}

const trimmed = (row: readonly Held[]): readonly Held[] => row.slice(0, row.findLastIndex((held) => held !== null) + 1);

/** Rows come and go in one turn and Google says nothing; then somebody types into a row that has moved. */
function editAmongMoved(table: Table, dice: Dice): GoogleEvent[] {
  const sheet = sheetOf(table, dice);
  const column = dice.below(sheet.columns);
  const beside = (row: readonly Held[]): string =>
    JSON.stringify(trimmed(row.map((held, at) => (at === column ? null : held))));
  const rows = sheet.rows.slice();
  rows.splice(dice.below(rows.length), 1);
  rows.splice(dice.below(rows.length + 1), 0, []);
  const shows = rows.flatMap((row, at) => (beside(row) === beside(sheet.rows[at] ?? []) ? [] : [at]));
  if (shows.length === 0) return typeCell(table, dice);
  sheet.rows = rows;
  const row = dice.pick(shows);
  const oldValue = oldValueOf(table, sheet, row, column);
  put(sheet, row, column, `typed ${dice.below(1_000)}`);
  return [edited(sheet, row, column, 1, 1, oldValue)];
}

const deedsOf: Record<Day, typeof deeds> = {
  storm: deeds,
  honest: toldDeeds,
  races: [
    [2, toggle],
    [3, typeAbove],
  ],
  late: [
    [2, typeAgain],
    [3, typeElsewhere],
  ],
  boxes: [[1, toggle]],
  restarts: [[1, toggle]],
  lists: [
    [3, sort],
    [1, typeCell],
  ],
  windows: [
    [3, dragUntold],
    [1, replaceUntold],
  ],
  unseen: [
    [2, editAmongMoved],
    [1, (table, dice) => moveRows(table, dice)],
  ],
  formulas: [[1, typeCell]],
  slow: [[1, typeCell]],
  restless: [[1, typeCell]],
};

/** Does one thing to the table; answers its name and what Google tells of it. */
export function act(table: Table, dice: Dice, day: Day): { name: string; events: readonly GoogleEvent[] } {
  const possible = deedsOf[day];
  let left = dice.below(possible.reduce((sum, [weight]) => sum + weight, 0));
  for (const [weight, deed] of possible) {
    left -= weight;
    if (left < 0) return { name: deed.name, events: deed(table, dice) };
  }
  throw new RangeError("No deed was chosen.");
}
