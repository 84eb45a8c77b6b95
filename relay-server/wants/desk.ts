/**
 * What the relay keeps on its desk for one spreadsheet: what it still needs to know, whom it asked, and when what it knows
 * was read. Everything is counted in `order`, the arrival of readings and the issue of wants on one scale, so that "this
 * was read after that" can be said without any clock.
 */
import * as z from "zod";
import type { CallHealth } from "./policy.ts";
import type { Probe } from "./probe.ts";
import { Stamps } from "./stamps.ts";
import { readAtSchema, type Digest, type ReadAt, type Want } from "./types.ts";
import type { Stretch } from "./stretches.ts";

/** When a rectangle was read, and by whom. Kept for a minute. */
export type Stamp = {
  readonly sheetId: number;
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
  readonly readAt: ReadAt;
  readonly run: string;
  readonly n: number;
  order: number;
  arrivedAt: number;
};

/** Rows whose content is known but not believed, since the reading that arrived as number `since`. */
export type Doubt = Stretch & { readonly since: number };

/** Windows of digests on their way to a whole round. */
export type Round = {
  readonly layout: number;
  /** The earliest issue among its wants. */
  readonly order: number;
  readonly sheetRows: number;
  readonly pieces: {
    readonly from: number;
    readonly to: number;
    readonly digests: readonly Digest[];
    readonly readAt: ReadAt;
    /** It was looked at down to the last filled row. */
    readonly isEnd: boolean;
  }[];
};

/** A look at a whole sheet that is put off, since rows came or went there and were found without it. Milliseconds. */
export type Recheck = {
  readonly structureAt: number;
  readonly pauseMs: number;
  /** Undefined when it is done. */
  readonly dueAt?: number | undefined;
  /** Something moved, and it is not known where: until then no row is believed. */
  readonly isOpen?: boolean | undefined;
  /** When that was last: only a look that was asked for later ends it. On the scale of arrivals. */
  readonly since?: number | undefined;
};

/** What is stored of a sheet. Each of these is replaced as a whole, never changed inside: see {@link sheetText}. */
export type StoredSheetDesk = {
  /** Raised with every structure change. */
  layout: number;
  /** The reading that the latest layout came from. */
  layoutStamp:
    | { readonly readAt: ReadAt; readonly run: string; readonly n: number; readonly order: number }
    | undefined;
  /** Digests of all rows are needed: something may have moved, or a check is due. */
  digestsSince: number | undefined;
  /** Digests of all columns are needed first: columns may have come, gone or moved. */
  columnsSince: number | undefined;
  /** Columns were compared since rows agreed last: a mass of differing rows is then taken for what it is. */
  columnsTried: boolean;
  doubts: readonly Readonly<Doubt>[];
  /** Rows changed or contested since digests last agreed. */
  unproven: readonly Readonly<Stretch>[];
  /** Rows that were otherwise at every look: whole checks read them, no proof speaks of them. */
  volatile: readonly Readonly<Stretch>[];
  /** A whole check has begun: volatile rows are to be read once. */
  volatileDue: boolean;
  /** The grid's size and its used part, as last seen in any reading. */
  seen: { readonly rows: number; readonly columns: number; readonly usedRows: number; readonly usedColumns: number };
  /** Another size than the held one, which was taken for what a list of sheets had been sent for: it explains no other list. */
  explained: { readonly rows: number; readonly columns: number } | undefined;
  /** It changed without an edit before: it is checked after every edit, as a sheet with formulas is. */
  restless: boolean;
  /** When a whole round of digests agreed, by the reading's own time. */
  checkedAt: number | undefined;
  recheck: Recheck | undefined;
};

export type SheetDesk = StoredSheetDesk & {
  /** Rows whose contents the last run that was asked for any has told. */
  readBy: { readonly run: string; readonly rows: Set<number> } | undefined;
  round: Round | undefined;
  /** The search for rows that came or went; `whole` where it was given up, or all is to be looked at. */
  probe: Probe | "whole" | undefined;
  /** Rows of the sheet as it is now that were told of while it was not known where rows stand. */
  untaken: readonly Readonly<Stretch>[];
  /** How it was stored last, and what was stored then. */
  text: { readonly json: string; readonly of: Readonly<StoredSheetDesk> } | undefined;
};

export type Lease = {
  readonly want: Want;
  /** When it was issued, on the scale of arrivals. */
  readonly order: number;
  readonly issuedAt: number;
  readonly run: string;
  until: number;
};

export type Desk = {
  order: number;
  /**
   * The relay's own start, or when it noticed that its clock was set back, in milliseconds: nothing stamped before it is
   * applied over what disagrees.
   */
  startedAt: number;
  sheetsSince: number | undefined;
  sheetsStamp: Stamp | undefined;
  readonly sheets: Map<number, SheetDesk>;
  readonly leases: Map<string, Lease>;
  readonly stamps: Stamps;
  /** How many wants were issued since the start; with `startedAt` it names them. */
  wantCount: number;
  lastHeardAt: number | undefined;
  /** When everything was checked last, or a check of everything began: by the script's own timer or by a call. */
  lastSweepAt: number | undefined;
  /** How calls of the web app went. */
  calls: CallHealth;
  /** When an open sidebar was heard last. */
  lastSidebarAt: number | undefined;
  script: {
    triggers: string[];
    lastError?: { at: number; code: string } | undefined;
    webApp?: string | undefined;
  };
  /** Trigger time spent since `since`, in milliseconds; `runs` holds what each of the latest runs has spent. */
  allowance: { since: number; spentMs: number; runs: Map<string, number> };
  healed: { count: number; lastAt?: number | undefined; how?: string | undefined };
};

export function emptyDesk(startedAt: number): Desk {
  return {
    order: 0,
    startedAt,
    sheetsSince: 0,
    sheetsStamp: undefined,
    sheets: new Map(),
    leases: new Map(),
    stamps: new Stamps(),
    wantCount: 0,
    lastHeardAt: undefined,
    lastSweepAt: undefined,
    calls: {},
    lastSidebarAt: undefined,
    script: { triggers: [] },
    allowance: { since: startedAt, spentMs: 0, runs: new Map() },
    healed: { count: 0 },
  };
}

export function emptySheetDesk(seen: SheetDesk["seen"]): SheetDesk {
  return {
    layout: 1,
    layoutStamp: undefined,
    digestsSince: undefined,
    columnsSince: undefined,
    columnsTried: false,
    doubts: [],
    unproven: [],
    volatile: [],
    volatileDue: false,
    readBy: undefined,
    seen,
    explained: undefined,
    restless: false,
    checkedAt: undefined,
    round: undefined,
    probe: undefined,
    untaken: [],
    recheck: undefined,
    text: undefined,
  };
}

/** Cells in the used part of a sheet, as last seen. */
export const usedCells = ({ seen }: SheetDesk): number => seen.usedRows * seen.usedColumns;

/** What is kept of this sheet; of one that nothing is kept of yet, the whole grid counts as used. */
export function sheetDeskOf(
  desk: Desk,
  sheetId: number,
  { rows, columns }: { rows: number; columns: number },
): SheetDesk {
  const known = desk.sheets.get(sheetId);
  if (known) return known;
  const made = emptySheetDesk({ rows, columns, usedRows: rows, usedColumns: columns });
  desk.sheets.set(sheetId, made);
  return made;
}

const whole = z.int().nonnegative();
const storedSchema = z.object({
  order: whole,
  sheetsSince: whole.optional(),
  sheets: z.array(
    z.object({
      sheetId: whole,
      layout: whole,
      layoutStamp: z.object({ readAt: readAtSchema, run: z.string(), n: whole, order: whole }).optional(),
      digestsSince: whole.optional(),
      columnsSince: whole.optional(),
      columnsTried: z.boolean().default(false),
      doubts: z.array(z.object({ from: whole, to: whole, since: whole })).default([]),
      unproven: z.array(z.object({ from: whole, to: whole })).default([]),
      volatile: z.array(z.object({ from: whole, to: whole })).default([]),
      volatileDue: z.boolean().default(false),
      seen: z.object({ rows: whole, columns: whole, usedRows: whole, usedColumns: whole }),
      explained: z.object({ rows: whole, columns: whole }).optional(),
      restless: z.boolean().default(false),
      checkedAt: z.number().optional(),
      recheck: z
        .object({
          structureAt: z.number(),
          pauseMs: z.number(),
          dueAt: z.number().optional(),
          isOpen: z.boolean().optional(),
          since: whole.optional(),
        })
        .optional(),
    }),
  ),
  lastHeardAt: z.number().optional(),
  lastSweepAt: z.number().optional(),
  calls: z
    .object({
      okAt: z.number().optional(),
      unansweredSince: z.number().optional(),
      isBroken: z.boolean().optional(),
    })
    .default({}),
  script: z.object({
    triggers: z.array(z.string()),
    lastError: z.object({ at: z.number(), code: z.string() }).optional(),
    webApp: z.string().optional(),
  }),
  allowance: z.object({ since: z.number(), spentMs: z.number() }),
  healed: z.object({ count: whole, lastAt: z.number().optional(), how: z.string().optional() }),
});

/** The part of the desk that must survive a restart. Reading times need not: the restart is a floor below all of them. */
export function storeDesk(desk: Desk): string {
  const { order, sheetsSince, lastHeardAt, lastSweepAt, calls, script, allowance, healed } = desk;
  const others: Omit<z.input<typeof storedSchema>, "sheets"> = {
    order,
    sheetsSince,
    lastHeardAt,
    lastSweepAt,
    calls,
    script,
    allowance: { since: allowance.since, spentMs: allowance.spentMs },
    healed,
  };
  let sheets = "";
  for (const [sheetId, sheet] of desk.sheets) sheets += (sheets && ",") + sheetText(sheetId, sheet);
  return `{"sheets":[${sheets}],${JSON.stringify(others).slice(1)}`;
}

/** This is asked for with each post, of all sheets: one in which nothing was replaced is stored as it was the last time. */
function sheetText(sheetId: number, sheet: SheetDesk): string {
  const { text } = sheet;
  if (text && isAsStored(text.of, sheet)) return text.json;
  const { layout, layoutStamp, digestsSince, columnsSince, columnsTried, doubts, unproven } = sheet;
  const { volatile, volatileDue, seen, explained, restless, checkedAt, recheck } = sheet;
  const kept = { layout, layoutStamp, digestsSince, columnsSince, seen, explained, checkedAt, recheck };
  // Without what is as in an empty one.
  const stored: z.input<typeof storedSchema>["sheets"][number] = {
    sheetId,
    ...kept,
    columnsTried: columnsTried || undefined,
    doubts: unlessEmpty(doubts),
    unproven: unlessEmpty(unproven),
    volatile: unlessEmpty(volatile),
    volatileDue: volatileDue || undefined,
    restless: restless || undefined,
  };
  const json = JSON.stringify(stored);
  sheet.text = { json, of: { ...kept, columnsTried, doubts, unproven, volatile, volatileDue, restless } };
  return json;
}

const isAsStored = (stored: Readonly<StoredSheetDesk>, now: Readonly<StoredSheetDesk>): boolean =>
  stored.layout === now.layout &&
  stored.layoutStamp === now.layoutStamp &&
  stored.digestsSince === now.digestsSince &&
  stored.columnsSince === now.columnsSince &&
  stored.columnsTried === now.columnsTried &&
  stored.doubts === now.doubts &&
  stored.unproven === now.unproven &&
  stored.volatile === now.volatile &&
  stored.volatileDue === now.volatileDue &&
  stored.seen === now.seen &&
  stored.explained === now.explained &&
  stored.restless === now.restless &&
  stored.checkedAt === now.checkedAt &&
  stored.recheck === now.recheck;

const unlessEmpty = <T>(list: readonly T[]): T[] | undefined => (list.length > 0 ? [...list] : undefined);

export function loadDesk(json: string, startedAt: number): Desk {
  const stored = storedSchema.parse(JSON.parse(json));
  const desk = emptyDesk(startedAt);
  desk.order = stored.order;
  desk.sheetsSince = stored.sheetsSince;
  desk.lastHeardAt = stored.lastHeardAt;
  desk.lastSweepAt = stored.lastSweepAt;
  desk.calls = stored.calls;
  desk.script = stored.script;
  desk.healed = stored.healed;
  desk.allowance = { ...stored.allowance, runs: new Map() };
  for (const { sheetId, ...sheet } of stored.sheets) {
    desk.sheets.set(sheetId, {
      ...emptySheetDesk(sheet.seen),
      ...sheet,
      layoutStamp: sheet.layoutStamp,
      digestsSince: sheet.digestsSince,
      columnsSince: sheet.columnsSince,
      explained: sheet.explained,
      checkedAt: sheet.checkedAt,
      recheck: sheet.recheck,
    });
  }
  return desk;
}

/**
 * The stored desk, going on with the times of readings that `before` remembers of what was folded beyond it and refused: a
 * refused reading that is remembered makes others doubted, never believed. Undefined where what was refused had moved rows:
 * their times are forgotten then.
 */
export function withTimesOf(before: Desk, stored: Desk): Desk | undefined {
  for (const [sheetId, { layout }] of stored.sheets) {
    if (before.sheets.get(sheetId)?.layout !== layout) return undefined;
  }
  const { startedAt, stamps, sheetsStamp, wantCount } = before;
  return { ...stored, startedAt, stamps, sheetsStamp, wantCount, order: Math.max(before.order, stored.order) };
}
