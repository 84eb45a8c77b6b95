/**
 * Known bugs, planted one at a time into a copy of the programs, to show that the simulation would see them. Each was found
 * in an earlier draft of the design, or stands for an invariant that nothing else would miss.
 */
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Day } from "./weather.ts";

export type Plant = {
  readonly name: string;
  /** Below the repository's root. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** On which day it shows, and within how many seeds. */
  readonly day: Day;
  readonly seeds: number;
  /** One that shows it, as long as the simulation stays as it is: played first, to save time. */
  readonly known?: number;
  readonly steps?: number;
};

const cells = "relay-server/wants/fold/cells.ts";
const digests = "relay-server/wants/fold/digests.ts";
const fold = "relay-server/wants/fold/fold.ts";
const placing = "relay-server/wants/placing.ts";

export const plants: readonly Plant[] = [
  {
    name: "a reading that agrees is not remembered: a checkbox ticked, unticked and ticked again",
    file: cells,
    find: "  remember(fold.desk, arrival, fold.now);\n  if (isLate)",
    replace: "  if (found.length > 0) remember(fold.desk, arrival, fold.now);\n  if (isLate)",
    day: "boxes",
    seeds: 60,
    known: 29,
  },
  {
    name: "a reading that is dropped asks for nothing",
    file: cells,
    find: "(found.length > 0 && (!isCertain || !isPlaceable))) doubt",
    replace: "false) doubt",
    day: "races",
    seeds: 300,
    known: 118,
  },
  {
    name: "rows are placed by number after a further insertion",
    file: cells,
    find: "if (isOtherSize || isBeforeLayout(arrival, desk)) {",
    replace: "if (false) {",
    day: "honest",
    seeds: 200,
    known: 19,
  },
  {
    name: "an insertion and a deletion that nobody told go unnoticed under an edit",
    file: cells,
    find: 'if (isTyped && (came === "yes" || movedUnseen(fold, reading, area)))',
    replace: 'if (isTyped && came === "yes")',
    day: "unseen",
    seeds: 50,
  },
  {
    name: "results of formulas in another sheet are not looked at after an edit",
    file: fold,
    find: 'if (cause === "edit" && wasEdited) checkFormulasAfterEdit(fold);',
    replace: "",
    day: "formulas",
    seeds: 20,
  },
  {
    name: "of a sheet with formulas only the rows that have a formula's text are compared",
    file: digests,
    find: "  for (const stretch of stretchesOf(toRead)) doubt(fold, sheetId, stretch);",
    replace:
      '  for (const stretch of stretchesOf(toRead.filter((row) => fold.state.row(sheetId, row)?.some((cell) => typeof cell === "object")))) doubt(fold, sheetId, stretch);',
    day: "formulas",
    seeds: 20,
  },
  {
    name: "a cursor ahead of a log that lost its tail is taken for good",
    file: "relay-server/fan-out/fan-out.ts",
    find: "        cursor.seq <= head.seq &&\n        (await chainAt(spreadsheetId, cursor.seq)) === cursor.chain;",
    replace: "        true;",
    day: "storm",
    seeds: 300,
    known: 68,
  },
  {
    name: "a fold stays ahead of a commit that failed",
    file: "relay-server/ingest/ingest.ts",
    find: "for (const [spreadsheetId, live] of liveOf) drop(spreadsheetId, live);",
    replace: "",
    day: "honest",
    seeds: 100,
  },
  {
    name: "a row that changes at every look is wanted for ever",
    file: "relay-server/wants/fold/volatile.ts",
    find: "const read = desk.readBy?.run === post.run ? desk.readBy.rows : undefined;",
    replace: "const read = desk.readBy?.run === `${post.run}?` ? desk.readBy.rows : undefined;",
    day: "restless",
    seeds: 10,
  },
  {
    name: "a reading that comes later than anything is remembered is applied",
    file: placing,
    find: "Math.max(desk.startedAt, now - limits.readingMemoryMs)",
    replace: "Math.max(desk.startedAt, now - 1e9)",
    day: "late",
    seeds: 200,
    known: 107,
    steps: 48,
  },
  {
    name: "a reading from before the relay's start is applied after it",
    file: placing,
    find: "Math.max(desk.startedAt, now - limits.readingMemoryMs)",
    replace: "now - limits.readingMemoryMs",
    day: "restarts",
    seeds: 100,
    known: 19,
  },
  {
    name: "an older list of digests that comes after newer rows is believed",
    file: digests,
    find: "isAfterAll(fold.desk, arrival) && isAboveFloor",
    replace: "isAboveFloor",
    day: "lists",
    seeds: 2_000,
    known: 1_842,
  },
  {
    name: "a row that moved between two looks of one check counts as checked",
    file: digests,
    find: "if (found.moved && !isOneLook)",
    replace: "if (false)",
    day: "windows",
    seeds: 60,
    known: 12,
  },
  {
    name: "of a row that was dragged only the place is believed that it went to",
    file: cells,
    find: "if (isWhole) return cameFromElsewhere",
    replace: 'if (isWhole) return "no"; else cameFromElsewhere',
    day: "unseen",
    seeds: 20,
  },
  {
    name: "values that changed while formulas were read make a torn row",
    file: "apps-script/reading/rectangles.ts",
    find: "isSettled: !isPending && sameValues(values, again)",
    replace: "isSettled: !isPending",
    day: "slow",
    seeds: 60,
    known: 13,
  },
  {
    name: "an id that was taken is answered as before, whatever its contents",
    file: "relay-server/ingest/ingest.ts",
    find: "end(taken.bodyHash === bodyHash ? { ok: true, answer: taken.answer } : ID_REUSED);",
    replace: "end({ ok: true, answer: taken.answer });",
    day: "honest",
    seeds: 100,
  },
  {
    name: "a post that was taken is taken again when it comes again",
    file: "relay-server/ingest/ingest.ts",
    find: "if (taken) return end(",
    replace: "if (taken && taken.bodyHash !== bodyHash) return end(",
    day: "honest",
    seeds: 1_000,
    known: 709,
  },
  {
    name: "of a spreadsheet that rests the desk is forgotten",
    file: "relay-server/ingest/lives.ts",
    find: "resting.set(spreadsheetId, { head: state.head, heldRows: state.heldRows(), desk });",
    replace:
      "resting.set(spreadsheetId, { head: state.head, heldRows: state.heldRows(), desk: { ...emptyDesk(startedAt), sheetsSince: undefined } });",
    day: "races",
    seeds: 100,
    known: 48,
  },
  {
    name: "the mirror's reader goes on over a hole",
    file: "extension/sync/sync.ts",
    find: "headSeq = frame.seq;\n      epoch = frame.epoch;",
    replace: "frame = { ...frame, recovered: true };\n      headSeq = frame.seq;\n      epoch = frame.epoch;",
    day: "storm",
    seeds: 50,
  },
  {
    name: "what the script could not send is not kept",
    file: "apps-script/runs/runs.ts",
    find: "yield* keep(outcome.unsent, run, outcome.code);",
    replace: "",
    day: "honest",
    seeds: 100,
  },
];

const root = join(import.meta.dirname, "../..");
const programs = ["relay-server", "apps-script", "extension", "e2e"];
const left = /(node_modules|\.output|\.wxt|dist|\.test\.tsx?)$/;

export type Harvest = { readonly failures: number; readonly problem: string };

/** Plants one bug into a copy of the programs and plays simulations there until one fails. */
export async function harvest(plant: Plant): Promise<Harvest> {
  const folder = mkdtempSync(join(tmpdir(), "sheetwire-plant-"));
  try {
    for (const program of programs) {
      cpSync(join(root, program), join(folder, program), { recursive: true, filter: (path) => !left.test(path) });
    }
    cpSync(join(root, "package.json"), join(folder, "package.json"));
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
    const path = join(folder, plant.file);
    const before = readFileSync(path, "utf8");
    if (before.split(plant.find).length !== 2) {
      throw new Error(`${plant.file} no longer has one place for this bug: ${plant.name}`);
    }
    writeFileSync(
      path,
      before.replace(plant.find, () => plant.replace),
    );
    const { known } = plant;
    const first = known === undefined ? undefined : await play(folder, { ...plant, seeds: 1 }, known);
    return first && first.failures > 0 ? first : await play(folder, plant, 1);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function play(folder: string, { day, seeds, steps = 24 }: Plant, firstSeed: number): Promise<Harvest> {
  const args = ["e2e/simulation/main.ts", "--day", day, "--seed", String(firstSeed), "--seeds", String(seeds)];
  const said = await new Promise<{ stdout: string; stderr: string }>((resolve) => {
    const options = { cwd: folder, maxBuffer: 16 * 1024 * 1024 };
    execFile(process.execPath, [...args, "--steps", String(steps), "--first"], options, (_error, stdout, stderr) =>
      resolve({ stdout, stderr }),
    );
  });
  if (!said.stdout.startsWith("{")) throw new Error(`The simulation did not run: ${said.stderr.slice(0, 2_000)}`);
  const line = JSON.parse(said.stdout) as { failures: number; failed: { seed: number; problems: string[] }[] };
  const first = line.failed[0];
  return { failures: line.failures, problem: first ? `seed ${first.seed}: ${first.problems[0] ?? ""}` : "" };
}
