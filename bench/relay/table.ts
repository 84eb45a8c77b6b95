/** The figures as tables of bench/README.md, in the part that the bench writes by itself. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { goals } from "./goals.ts";
import type { Figures } from "./figures.ts";

const README = join(import.meta.dirname, "..", "README.md");
const begin = (question: string): string => `<!-- written by npm run bench -- relay --only ${question} --write -->`;
const END = "<!-- end of what the bench wrote -->";

/** What a question came to: first what was to be reached, then everything as it was measured. `taken` says when and where. */
export function tableOf(figures: Figures, taken: string): string {
  const asked = new Set(figures.all.map(({ question }) => question));
  const reached = goals
    .filter(({ question }) => asked.has(question))
    .map(({ question, of, atLeast, ratio, limit }) => {
      const is = ratio(figures);
      const verdict = is === undefined ? "not shown" : is >= atLeast ? "reached" : "**not reached**";
      const most = limit?.ratio(figures);
      const would = most === undefined ? "" : `${limit?.who}: ${short(most)}`;
      return `| ${question} | ${of} | ${short(atLeast)} | ${is === undefined ? "–" : short(is)} | ${verdict} | ${would} |`;
    });
  const rows = figures.all.map(
    ({ question, who, unit, median, min, max, lost }) =>
      `| ${question} | ${who}${lost === undefined ? "" : ` (lost ${lost})`} | ${median} | ${min} to ${max} | ${unit} |`,
  );
  const skipped = figures.skipped.map(({ question, who, why }) => `- ${question}: ${who} skipped, ${why}`);
  return [
    `${taken} ${noiseOf(figures)}`,
    "",
    ...(reached.length > 0
      ? [
          "| question | the relay is | at least | is | | the limit is |",
          "| --- | --- | --- | --- | --- | --- |",
          ...reached,
          "",
        ]
      : []),
    "| question | who | median | smallest to largest | unit |",
    "| --- | --- | --- | --- | --- |",
    ...rows,
    ...(skipped.length > 0 ? ["", ...skipped] : []),
  ].join("\n");
}

/** Puts the tables of a question between its marks. */
export function writeTable(question: string, text: string): void {
  const readme = readFileSync(README, "utf8");
  const from = readme.indexOf(begin(question));
  const to = readme.indexOf(END, from);
  if (from < 0 || to < from) throw new Error(`bench/README.md has lost the marks "${begin(question)}" and "${END}".`);
  writeFileSync(README, `${readme.slice(0, from)}${begin(question)}\n\n${text}\n\n${readme.slice(to)}`);
}

/** How the same question to the same program differed from round to round: below that, a difference says nothing. */
function noiseOf(figures: Figures): string {
  const factors = figures.all
    .filter(({ min, runs }) => min > 0 && runs > 1)
    .map(({ min, max }) => max / min)
    .sort((a, b) => a - b);
  const [middle, worst] = [factors[factors.length >> 1], factors.at(-1)];
  if (middle === undefined || worst === undefined) return "Each was asked once, so the noise is not known.";
  return `Noise: from round to round one and the same program differed by a factor of ${short(middle)} (median of all figures; at worst ${short(worst)}).`;
}

const short = (value: number): string => String(Number(value.toPrecision(3)));
