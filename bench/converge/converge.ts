/** What a copy costs at Google, action by action, beside two ways in which people do it without Sheetwire. */
import { openStage, type ControlCell } from "../../e2e/stage/stage.ts";
import { tell } from "../measure.ts";
import type { Action, Costs } from "./design.ts";
import { benchFullCheck } from "./large.ts";
import { openNaive } from "./naive.ts";
import { openSheetwire } from "./sheetwire.ts";

type Story = {
  readonly did: string;
  readonly actions: readonly Action[];
  /** Of Google's time, until everybody who ever learns of it can have learned of it. */
  readonly waitMs: number;
  /** Rows whose content is new, and how many changes somebody could have seen. */
  readonly rowsChanged: number;
  readonly changes: number;
};

const QUIET_MS = 5_000;
const TICK_MS = 10 * 60_000;
const HOUR_MS = 6 * TICK_MS;

function storiesOf(sheetId: number): readonly Story[] {
  const one = (action: string, more: object): Action => ({ action, sheetId, ...more });
  const block = Array.from({ length: 10 }, (_, row) => Array.from({ length: 10 }, (_cell, at) => `p ${row} ${at}`));
  const typed = Array.from({ length: 5 }, (_, n) => one("type", { a1: "C9", value: `draft ${n}`, afterMs: 5_000 }));
  const story = (did: string, actions: readonly Action[], rowsChanged: number, changes = 1, waitMs = 0): Story => ({
    did,
    // What was read in the same moment as the last check would have to be read again.
    actions: actions.map((action) => ({ afterMs: QUIET_MS, ...action })),
    rowsChanged,
    changes,
    waitMs,
  });
  return [
    story("a typed cell", [one("type", { a1: "A2", value: "typed" })], 1),
    story("a pasted block of 10 x 10", [one("paste", { a1: "C40", values: block })], 10),
    story("a row inserted in the middle", [one("insertRows", { row: 1_500, count: 1 })], 1),
    story("two rows deleted", [one("deleteRows", { row: 700, count: 2 })], 2),
    story("a column inserted", [one("insertColumns", { column: 4, count: 1 })], 0),
    story("all rows sorted", [one("sort", { column: 0 })], 0),
    story("one cell typed five times in 25 s", typed, 1, 5),
    story("a row written by a program", [one("apiWrite", { a1: "B20", values: [["a", "b"]] })], 1, 1, TICK_MS),
    story("an hour in which nothing happens", [], 0, 0, HOUR_MS),
  ];
}

/** Rows of real data, as the designs get them. */
async function realRows(): Promise<ControlCell[][]> {
  const stage = await openStage();
  try {
    const { spreadsheetId, sheets } = await stage.control.load("movies");
    const { rows } = await stage.control.rows(spreadsheetId, sheets[0]?.sheetId ?? 0);
    return rows.map((row) => row.map((cell) => (typeof cell === "object" && cell !== null ? cell.v : cell)));
  } finally {
    await stage.stop();
  }
}

export async function benchConverge(): Promise<void> {
  const rows = await realRows();
  const designs = {
    sheetwire: await openSheetwire(rows),
    resend: await openNaive(rows, false),
    poll: await openNaive(rows, true),
  };
  const wrong = { rowsToldThatHadNotChanged: 0, changesLost: 0 };
  const unheard = { resend: 0 };
  try {
    // Each design numbers its sheet from 0.
    for (const { did, actions, waitMs, rowsChanged, changes } of storiesOf(0)) {
      const costs: Record<string, Costs> = {};
      for (const [name, design] of Object.entries(designs)) costs[name] = await design.play(actions, waitMs);
      tell(`${rows.length} rows: ${did}`, costs);
      wrong.rowsToldThatHadNotChanged += Math.max(0, (costs["poll"]?.rowsTold ?? 0) - rowsChanged);
      wrong.changesLost += Math.max(0, changes - 1);
      if (changes > 0 && costs["resend"]?.fetches === 0) unheard.resend += changes;
    }
    tell("told wrongly in all of it", { poll: wrong, resend: { changesUnheardOf: unheard.resend } });
  } finally {
    for (const design of Object.values(designs)) await design.stop();
  }
  await benchFormulas();
  benchFullCheck();
}

/** One typed edit in 20,000 cells, a fifth of them formulas. */
async function benchFormulas(): Promise<void> {
  const rows = Array.from({ length: 1_000 }, (_, row): ControlCell[] => [
    ...Array.from({ length: 16 }, (_cell, at) => row * at),
    ...[`=A${row + 1}+B${row + 1}`, `=C${row + 1}*2`, `=SUM(D${row + 1}:F${row + 1})`, `=A${row + 1}`].map((f) => ({
      v: null,
      f,
    })),
  ]);
  const sheetwire = await openSheetwire(rows);
  const quiet = { action: "type", sheetId: 0, afterMs: QUIET_MS };
  try {
    await sheetwire.play([{ ...quiet, a1: "H900", value: "before" }], TICK_MS);
    const costs = await sheetwire.play([{ ...quiet, a1: "A500", value: "77" }], 0);
    tell("20,000 cells with formulas: a typed cell that three formulas follow", {
      ...costs,
      posts: sheetwire.posts(),
      rowsOfContentSent: sheetwire.rowsSent(),
    });
  } finally {
    await sheetwire.stop();
  }
}
