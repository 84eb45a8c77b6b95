/**
 * What a run's thread may answer by itself. A script asks again and again how large a sheet is, and each time its thread
 * would wait for this one. So it is told what is true now, with a number that counts up as soon as anything may have
 * changed, and for how many calls no fault is due: what it answers itself is what would have been answered here.
 */
import type { Leeway, Meanwhile } from "../runs/runs.ts";
import { isReading, readFacts } from "./answer.ts";
import type { Execution, Project } from "./projects.ts";

/** What a run was told last, for what it says later it answered. */
export type Told = { revision: number; readonly answers: Readonly<Record<string, string>> };

const flush = "spreadsheet.flush null";
const endless = { calls: Infinity, reads: Infinity };

export function leewayOf(project: Project, run: Execution): Leeway | undefined {
  const quiet = run.fate?.quiet() ?? endless;
  // Who stands at a gate is to be seen there.
  if (quiet.calls === 0 || project.gates.areThere()) return undefined;
  const revision = project.revision();
  if (run.told?.revision === revision) return quiet;
  const isCached = run.fate?.isCached() === true;
  const answers = { ...readFacts(project) };
  if (isCached) {
    for (const [asked, { json }] of run.remembered) if (asked in answers) answers[asked] = json;
  }
  // Where reads are cached, a flush is more than nothing.
  if (!isCached) answers[flush] = "null";
  run.told = { revision, answers };
  return { ...quiet, known: run.told };
}

/** Counts what the run answered itself, as if it had been asked here. */
export function account(run: Execution, meanwhile: Meanwhile): void {
  if (!meanwhile) return;
  let reads = 0;
  for (const asked of meanwhile) {
    if (!isReading(asked.slice(0, asked.indexOf(" ")))) continue;
    reads++;
    const json = run.told?.answers[asked];
    if (json !== undefined && run.fate?.isCached() === true && !run.remembered.has(asked))
      run.remembered.set(asked, { json });
  }
  run.fate?.pass(meanwhile.length, reads);
}
