/** The figures as a table of bench/README.md, in a section of its own. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { goals, rounded, verdictsOn, type Beside, type Found, type Goal, type Verdict } from "./figures.ts";
import type { Engine } from "./stage.ts";

const README = join(import.meta.dirname, "../README.md");
const BEGIN = "<!-- What stands from here to the end mark is written by `npm run bench -- mirror --write`. -->";
const END = "<!-- end of what is written -->";
const ENGINES: readonly Engine[] = ["leveldb", "sqlite"];
const MIB = 1_024 * 1_024;

/** With what, how, and how busy the machine was with other things when it began. */
type Told = { chromium: string; command: string; load: number };

/** Puts the table in the place of the one that stands there. */
export function writeReport(found: readonly Found[], told: Told): void {
  const readme = readFileSync(README, "utf8");
  const [from, to] = [readme.indexOf(BEGIN), readme.indexOf(END)];
  if (from < 0 || to < from) throw new Error("bench/README.md has no place for the table of the mirror.");
  writeFileSync(README, `${readme.slice(0, from)}${BEGIN}\n\n${reportOf(found, told)}\n\n${readme.slice(to)}`);
}

export function reportOf(found: readonly Found[], told: Told): string {
  const engines = ENGINES.filter((engine) => found.some((one) => one.engine === engine));
  const head = ["question", "beside", "to reach", "prototype", ...engines.map((engine) => `on ${engine}`)];
  const lines = goals.flatMap((goal) => {
    const cells = engines.map((engine) => cellOf(goal, found, engine));
    if (cells.every((cell) => cell === "")) return [];
    return [[goal.words, "beside" in goal ? goal.beside : "", boundOf(goal), goal.prototype ?? "", ...cells]];
  });
  const table = [head, head.map(() => "---"), ...lines].map((line) => `| ${line.join(" | ")} |`).join("\n");
  const date = new Date().toISOString().slice(0, 10);
  const when = `${date}, Chromium ${told.chromium} headless, two shared cores, load before it began ${told.load.toFixed(1)}; \`${told.command}\`.`;
  return `${when}\n\n${table}`;
}

function boundOf(goal: Goal): string {
  if ("bytesAtMost" in goal) return `<= ${goal.bytesAtMost / MIB} MiB`;
  if ("msAtMost" in goal) return `<= ${goal.msAtMost} ms`;
  if ("timesFaster" in goal) return `>= ${goal.timesFaster.toLocaleString("en")} x faster`;
  return goal.atMost === undefined ? "" : `<= ${goal.atMost} x`;
}

function cellOf(goal: Goal, found: readonly Found[], engine: Engine): string {
  for (const one of found) {
    if (one.engine !== engine || one.question !== goal.question) continue;
    const verdict = verdictsOn(one).find((each) => each.goal === goal);
    if (!verdict) return "";
    const { reached } = verdict;
    const mark = reached === undefined ? "" : reached ? ": yes" : ": **no**";
    return `${ratioOf(verdict)}${mark}${figuresOf(goal, one)}`;
  }
  return "";
}

function ratioOf({ goal, ratio }: Verdict): string {
  if ("bytesAtMost" in goal) return `${Math.round(ratio / MIB)} MiB`;
  if ("msAtMost" in goal) return `${rounded(ratio)} ms`;
  return "timesFaster" in goal ? `${rounded(1 / ratio).toLocaleString("en")} x faster` : `${rounded(ratio)} x`;
}

/** The two figures behind a ratio. */
function figuresOf(goal: Goal, { figures, unit }: Found): string {
  if (!("beside" in goal)) return "";
  const said = (who: Beside): string => {
    const figure = figures[who] ?? Number.NaN;
    return unit === "bytes" ? `${(figure / MIB).toPrecision(3)} MiB` : `${figure.toLocaleString("en")} ms`;
  };
  return ` (${said("mirror")}, ${said(goal.beside)})`;
}
