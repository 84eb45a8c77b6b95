/** Rows of real tables, from a place that the seed chooses. */
import type { Dice } from "../simulation/dice.ts";
import type { ControlCell, Stage } from "../stage/stage.ts";

/** Rows that a run works with: enough for windows and runs, few enough for hundreds of seeds. */
const ROWS = 120;
const MOST_ROWS = 3_000;

type Tables = { draw: (dice: Dice) => Promise<ControlCell[][]> };

export function openTables({ control }: Stage, remove: (spreadsheetId: string) => Promise<void>): Tables {
  const loaded = new Map<string, ControlCell[][]>();

  async function load(dataset: string): Promise<ControlCell[][]> {
    const known = loaded.get(dataset);
    if (known) return known;
    const { spreadsheetId, sheets } = await control.load(dataset);
    const { rows } = await control.rows(spreadsheetId, sheets[0]?.sheetId ?? 0);
    await remove(spreadsheetId);
    const width = rows.reduce((most, row) => Math.max(most, row.length), 0);
    const plain = rows.slice(0, MOST_ROWS).map((row) => Array.from({ length: width }, (_, at) => valueOf(row[at])));
    loaded.set(dataset, plain);
    return plain;
  }

  return {
    async draw(dice) {
      const table = await load(dice.pick(["movies", "airports", "gapminder", "seattle-weather"]));
      const from = dice.below(Math.max(1, table.length - ROWS));
      return [table[0] ?? [], ...table.slice(from + 1, from + ROWS)];
    },
  };
}

const valueOf = (cell: ControlCell | undefined): ControlCell =>
  cell === undefined ? null : typeof cell === "object" && cell !== null ? cell.v : cell;
