/**
 * A spreadsheet, its document properties and a relay in memory, for running the script's programs without Google: every
 * effect is answered in its own time, so several runs can be inside at once and a person can type between any two reads.
 */
import type { EffectName, Instant, RawValue, Rectangle, Sent, Size, SlowHands, Trigger } from "../effects/effects.ts";

/** One cell as Google's three reads would show it. */
export type SimulatedCell = { readonly value: RawValue; readonly formula?: string; readonly display?: string };

export type SimulatedSheet = {
  sheetId: number;
  title: string;
  kind: string;
  rows: number;
  columns: number;
  /** Filled cells by `row,column`. */
  cells: Map<string, SimulatedCell>;
};

export type SentPost = {
  readonly url: string;
  readonly key: string;
  readonly id: string;
  readonly timestamp: string;
  readonly body: string;
};

export type World = ReturnType<typeof createWorld>;

export type WorldPlan = {
  readonly spreadsheetId: string;
  readonly timeZone?: string;
  readonly zoneOffset?: (ms: number) => number;
  /** What the relay says to a post. */
  readonly relay: (post: SentPost) => Sent;
  readonly sign?: (key: string, text: string) => string;
};

/** How long each effect takes by the world's clock, in milliseconds; what is not named takes none. */
const durations: Partial<Record<EffectName, number>> = {
  values: 5,
  formulas: 5,
  displays: 5,
  send: 50,
  spreadsheet: 5,
};

export function createWorld(plan: WorldPlan) {
  let clock = Date.UTC(2026, 5, 1, 12);
  let ids = 0;
  let lockHeld = false;
  const seen = new Set<string>();
  const world = {
    sheets: [] as SimulatedSheet[],
    properties: {} as Record<string, string>,
    triggers: [] as Trigger[],
    posts: [] as SentPost[],
    lines: [] as string[],
    counts: new Map<EffectName, number>(),
    eventRange: undefined as Rectangle | undefined,
    userKey: "key-of-somebody" as string | undefined,
    webApp: undefined as string | undefined,
    /** When true nobody gets the lock. */
    isLockTaken: false,
    /** Called before each effect is answered: the place to type, delete, or fail. */
    before: (_effect: EffectName, _details: object): void | Promise<void> => undefined,
    now: () => clock,
    advance(ms: number): void {
      clock += ms;
    },
    count: (effect: EffectName): number => world.counts.get(effect) ?? 0,
    addSheet,
    put,
    hands,
  };

  function addSheet(sheetId: number, title: string, rows: number, columns: number): SimulatedSheet {
    const sheet = { sheetId, title, kind: "GRID", rows, columns, cells: new Map<string, SimulatedCell>() };
    world.sheets.push(sheet);
    return sheet;
  }

  /** Types values from a corner on; a cell with a formula or a display of its own is given whole. */
  function put(
    sheetId: number,
    row: number,
    column: number,
    rows: readonly (readonly (RawValue | SimulatedCell)[])[],
  ): void {
    const sheet = world.sheets.find((one) => one.sheetId === sheetId);
    rows.forEach((line, r) =>
      line.forEach((cell, c) => {
        const key = `${row + r},${column + c}`;
        if (cell === "") sheet?.cells.delete(key);
        else sheet?.cells.set(key, typeof cell === "object" && "value" in cell ? cell : { value: cell });
      }),
    );
  }

  const grid = (sheetId: number) => world.sheets.find((one) => one.sheetId === sheetId && one.kind === "GRID");

  function usedSize(sheet: SimulatedSheet): Size {
    let rows = 0;
    let columns = 0;
    for (const key of sheet.cells.keys()) {
      const [row = 0, column = 0] = key.split(",").map(Number);
      rows = Math.max(rows, row + 1);
      columns = Math.max(columns, column + 1);
    }
    return { rows, columns };
  }

  function read<T>(where: Rectangle, pick: (cell: SimulatedCell) => T, blank: T): T[][] | undefined {
    const sheet = grid(where.sheetId);
    if (!sheet || where.row + where.rows > sheet.rows || where.column + where.columns > sheet.columns) return undefined;
    if (where.rows < 1 || where.columns < 1) throw new Error("The number of rows in the range must be at least 1.");
    return Array.from({ length: where.rows }, (_, r) =>
      Array.from({ length: where.columns }, (_unused, c) => {
        const cell = sheet.cells.get(`${where.row + r},${where.column + c}`);
        return cell ? pick(cell) : blank;
      }),
    );
  }

  function hands(): SlowHands {
    const answers: SlowHands = {
      now: () => clock,
      uuid: () => `${(ids += 1).toString(16).padStart(8, "0")}-0000-4000-8000-000000000000`,
      sleep: ({ ms }) => world.advance(ms),
      log: ({ line }) => void world.lines.push(line),
      properties: () => ({ ...world.properties }),
      saveProperties({ set, remove }) {
        Object.assign(world.properties, set);
        for (const key of remove) delete world.properties[key];
      },
      lock() {
        if (lockHeld || world.isLockTaken) return false;
        lockHeld = true;
        return true;
      },
      unlock: () => void (lockHeld = false),
      firstSeen: ({ id }) => !seen.has(id) && Boolean(seen.add(id)),
      spreadsheetId: () => plan.spreadsheetId,
      spreadsheet: () => ({
        title: "Simulated",
        locale: "en_US",
        timeZone: plan.timeZone ?? "Etc/UTC",
        sheets: world.sheets.map((sheet, index) => {
          const { sheetId, title, kind, rows, columns } = sheet;
          const used = usedSize(sheet);
          return {
            sheetId,
            title,
            kind,
            index,
            rows,
            columns,
            usedRows: used.rows,
            usedColumns: used.columns,
            hidden: false,
          };
        }),
      }),
      timeZone: () => plan.timeZone ?? "Etc/UTC",
      zoneOffset: ({ ms }) => plan.zoneOffset?.(ms) ?? 0,
      eventRange: () => world.eventRange,
      size({ sheetId }) {
        const sheet = grid(sheetId);
        return sheet && { rows: sheet.rows, columns: sheet.columns };
      },
      usedSize({ sheetId }) {
        const sheet = grid(sheetId);
        return sheet && usedSize(sheet);
      },
      values: (where) => read<RawValue>(where, (cell) => cell.value, ""),
      formulas: (where) => read(where, (cell) => cell.formula ?? "", ""),
      displays: (where) => read(where, (cell) => cell.display ?? plainDisplay(cell.value), ""),
      flush: () => undefined,
      userKey: () => world.userKey,
      triggers: () => world.triggers,
      installTriggers({ plans }) {
        const made = plans.map(({ handler }) => ({ uid: `uid-${(ids += 1)}`, handler }));
        world.triggers = made;
        return made;
      },
      removeTriggers({ handlers }) {
        const before = world.triggers.length;
        world.triggers = world.triggers.filter((trigger) => !handlers.includes(trigger.handler));
        return before - world.triggers.length;
      },
      webApp: () => world.webApp,
      sign: ({ key, text }) => plan.sign?.(key, text) ?? `signed-${text.length}`,
      send(post) {
        world.posts.push(post);
        return plan.relay(post);
      },
    };
    return Object.fromEntries(
      Object.entries(answers).map(([name, answer]) => [
        name,
        async (details: object) => {
          const effect = name as EffectName;
          world.counts.set(effect, world.count(effect) + 1);
          await world.before(effect, details);
          world.advance(durations[effect] ?? 0);
          return (answer as (details: object) => unknown)(details);
        },
      ]),
    ) as unknown as SlowHands;
  }

  return world;
}

const isInstant = (value: RawValue): value is Instant => typeof value === "object";

function plainDisplay(value: RawValue): string {
  if (typeof value === "boolean") return value ? "TRUE" : "FALSE";
  return isInstant(value) ? `date ${value.ms}` : String(value);
}
