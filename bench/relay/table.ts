/** The figures as tables of bench/README.md, in the part that the bench writes by itself. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { GROWTH_PLOT } from "./growth.ts";
import { goals } from "./goals.ts";
import type { Figures } from "./figures.ts";

const README = join(import.meta.dirname, "..", "README.md");
const BEGIN = "<!-- written by npm run bench -- relay --write -->";
const END = "<!-- end of what the bench wrote -->";

export type Circumstances = {
  readonly at: string;
  readonly machine: string;
  /** How far the same question to the same program lay apart, as the largest over the smallest. */
  readonly noise: string;
};

export function tableOf(figures: Figures, { at, machine, noise }: Circumstances): string {
  const reached = goals.map(({ question, of, atLeast, ratio }) => {
    const is = ratio(figures);
    const verdict = is === undefined ? "not shown" : is >= atLeast ? "reached" : "**not reached**";
    return `| ${question} | ${of} | ${short(atLeast)} | ${is === undefined ? "–" : short(is)} | ${verdict} |`;
  });
  const rows = figures.all.map(
    ({ question, who, unit, median, min, max, lost }) =>
      `| ${question} | ${who}${lost === undefined ? "" : ` (lost ${lost})`} | ${median} | ${min} to ${max} | ${unit} |`,
  );
  const skipped = figures.skipped.map(({ question, who, why }) => `- ${question}: ${who} skipped, ${why}`);
  return [
    `Taken ${at} on ${machine}. ${noise}`,
    "",
    "| question | the relay is | at least | is | |",
    "| --- | --- | --- | --- | --- |",
    ...reached,
    "",
    "| question | who | median | smallest to largest | unit |",
    "| --- | --- | --- | --- | --- |",
    ...rows,
    ...(skipped.length > 0 ? ["", ...skipped] : []),
    "",
    `![Costs of the relay as spreadsheets, watchers, the log and the sheet grow; both axes count in factors](../docs/${GROWTH_PLOT})`,
  ].join("\n");
}

/** Puts the tables between their marks. */
export function writeTable(text: string): void {
  const readme = readFileSync(README, "utf8");
  const from = readme.indexOf(BEGIN);
  const to = readme.indexOf(END);
  if (from < 0 || to < from) throw new Error(`bench/README.md has lost the marks "${BEGIN}" and "${END}".`);
  writeFileSync(README, `${readme.slice(0, from + BEGIN.length)}\n\n${text}\n\n${readme.slice(to)}`);
}

/** How the steadiest of all, the C broadcaster, differed from round to round. */
export function noiseOf(figures: Figures): string {
  const factors = figures.all
    .filter(({ who, min, runs }) => who === "C epoll" && min > 0 && runs > 1)
    .map(({ min, max }) => max / min)
    .sort((a, b) => a - b);
  const worst = factors.at(-1);
  if (worst === undefined) return "The noise of the machine was not measured.";
  return `From round to round the C broadcaster alone differed by up to a factor of ${short(worst)}: smaller differences say nothing.`;
}

const short = (value: number): string => String(Number(value.toPrecision(3)));
