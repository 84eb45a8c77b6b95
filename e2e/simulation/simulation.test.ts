/** Whole Sheetwires under many seeds; `npm run simulate -- --seed N --verbose` tells the story of one. */
import "fake-indexeddb/auto";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { openMirror } from "../../extension/mirror/mirror.ts";
import type { ReadableCopy } from "./memory-copy.ts";
import { harvest, plants } from "./plants.ts";
import { SPREADSHEET_ID } from "./relay-host.ts";
import { simulate } from "./simulation.ts";

const exec = promisify(execFile);
const main = join(import.meta.dirname, "main.ts");

type Summary = { ok: boolean; failures: number; failed: unknown[]; seedsPerS: number };

/** In a process of its own, so that both cores have work. */
async function many(seed: number, seeds: number, steps: number): Promise<Summary> {
  const args = [main, "--seed", String(seed), "--seeds", String(seeds), "--steps", String(steps)];
  const { stdout } = await exec(process.execPath, args).catch((error: { stdout?: string }) => {
    if (!error.stdout) throw error;
    return { stdout: error.stdout };
  });
  return JSON.parse(stdout) as Summary;
}

test("a thousand days end equal, with nothing open and no silent error on the way", async () => {
  const halves = await Promise.all([many(1, 500, 16), many(501, 500, 16)]);
  expect(halves.flatMap((half) => half.failed)).toEqual([]);
}, 600_000);

test("a seed plays the same, always; another plays otherwise", async () => {
  const [once, again, other] = [
    await simulate({ seed: 77, steps: 20 }),
    await simulate({ seed: 77, steps: 20 }),
    await simulate({ seed: 78, steps: 20 }),
  ];
  expect(again).toEqual(once);
  expect(other.trace).not.toBe(once.trace);
});

test.each([
  ["a round of windows lacked rows that were blank meanwhile, and never ended", 100_450, "windows", 16],
  ["a window read for its proof was taken for the beginning of a look that never ended", 51_820, "windows", 24],
  ["two runs that read halves of one edit proved each other", 50_704, "storm", 24],
  ["an old look at the filled part blanked a row that was filled below it since", 75_929, "honest", 24],
  ["a column that was dragged in a sheet too large to be read with the edit went unseen", 72_299, "honest", 24],
  ["one sheet's new size explained what had happened in two", 56_892, "honest", 24],
  ["what a script had not been able to tell of two sheets was told of one", 319_517, "honest", 24],
  ["an older look at rows undid how they had been sorted since", 401_040, "lists", 24],
  ["what a round had read before was told as read later", 502_686, "storm", 24],
  ["an old edit was believed after the commit of a newer one had been refused", 601_454, "races", 24],
  ["rows in doubt were read while others were sought, and began the search anew each time", 7_036, "honest", 24],
  ["a row was dragged to where an equal one stood", 28, "unseen", 24],
] as const)("what once went wrong does no more: %s", async (_what, seed, day, steps) => {
  expect((await simulate({ seed, day, steps })).problems).toEqual([]);
});

test("the mirror of the extension, in IndexedDB, ends equal too", async () => {
  for (let seed = 1; seed <= 12; seed += 1) {
    const opened = await openMirror(`simulation-${seed}`);
    if (!opened.ok) throw new Error(opened.why);
    const copy = opened.mirror.of(SPREADSHEET_ID);
    const readable: ReadableCopy = {
      ...copy,
      async contents() {
        const held = await copy.sheets();
        if (!held?.whole) return undefined;
        const sheets = [];
        for (const sheet of held.sheets) {
          const range = {
            startRowIndex: 0,
            endRowIndex: sheet.rows,
            startColumnIndex: 0,
            endColumnIndex: sheet.columns,
          };
          const rows = sheet.rows > 0 ? ((await copy.viewport(sheet.sheetId, range))?.rows ?? []) : [];
          sheets.push({ sheet, rows });
        }
        return { cursor: held.cursor, sheets };
      },
    };
    const { problems } = await simulate({ seed, steps: 20, copy: readable });
    opened.mirror.close();
    expect(problems, `seed ${seed}`).toEqual([]);
  }
}, 120_000);

test.each(plants.map((plant) => [plant.name, plant] as const))(
  "a planted bug is caught: %s",
  async (_name, plant) => {
    const { failures } = await harvest(plant);
    expect(failures).toBeGreaterThan(0);
  },
  300_000,
);
