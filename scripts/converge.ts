/** `npm run converge`: the copy is the sheet, whatever Google does. Prints one JSON line. */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { playAll, type Converged, type ConvergePlan } from "../e2e/converge/converge.ts";
import { HistoryError, readHistory, type State } from "../e2e/converge/history.ts";

const HELP = `npm run converge -- [--seed N] [--steps M] [--profile hostile|normal] [--history FILE] [--seeds K] [--browser]

Starts the real relay and the stand-in for Google, edits real data there, and compares sheet, relay and mirror cell by cell
when the edits and the faults have ended. Prints one JSON line; exits 0 when all is equal, 1 when not, 2 when it was asked wrongly.

--seed N        what happens (default 1)
--steps M       how many edits (default 300); with --history how many states, 0 for all
--profile NAME  hostile (default) or normal
--history FILE  a JSON array of states of a table, each an array of rows of texts: plays what leads from one to the next
--seeds K       seeds N to N+K-1 in one go; the line then sums up
--streams S     how many seeds are played beside each other (default: two for each core)
--browser       the mirror is the extension in a real Chromium (needs \`npm run build\`)
--without-wants the script hears no wants: must end unequal (shows that the comparison can fail)
--verbose       says on stderr how far it is`;

const OPTIONS = {
  seed: { type: "string", default: "1" },
  steps: { type: "string" },
  seeds: { type: "string", default: "1" },
  streams: { type: "string" },
  profile: { type: "string", default: "hostile" },
  history: { type: "string" },
  browser: { type: "boolean", default: false },
  "without-wants": { type: "boolean", default: false },
  verbose: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

/** What was asked cannot be done: for people. */
class Complaint extends Error {
  override readonly name = "Complaint";
}

function whole(name: string, text: string, least = 0): number {
  const number = Number(text);
  if (!/^\d{1,15}$/.test(text) || number < least) throw new Complaint(`--${name} takes a whole number from ${least}.`);
  return number;
}

function optionsFrom(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS }).values;
  } catch (error) {
    throw new Complaint(error instanceof Error ? error.message : "The options are not understood.");
  }
}

function historyFrom(file: string | undefined): readonly State[] | undefined {
  if (file === undefined) return undefined;
  let json: string;
  try {
    json = readFileSync(file, "utf8");
  } catch {
    throw new Complaint("The file of --history cannot be read.");
  }
  return readHistory(json);
}

async function main(): Promise<number> {
  const values = optionsFrom(process.argv.slice(2));
  if (values.help) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const { profile, browser } = values;
  if (profile !== "hostile" && profile !== "normal") throw new Complaint("--profile is hostile or normal.");
  const seed = whole("seed", values.seed);
  const seeds = whole("seeds", values.seeds, 1);
  const streams = values.streams === undefined ? 2 * availableParallelism() : whole("streams", values.streams, 1);
  const history = historyFrom(values.history);
  const steps = whole("steps", values.steps ?? (history ? "0" : "300"));
  const say = values.verbose ? (line: string): void => void process.stderr.write(`${line}\n`) : undefined;
  const plans = Array.from({ length: seeds }, (_, at): ConvergePlan => {
    return { seed: seed + at, steps, profile, history, withoutWants: values["without-wants"], say };
  });
  const played: Converged[] = [];
  const beganAt = performance.now();
  const onPlayed = (one: Converged): void => {
    played.push(one);
    say?.(`seed ${one.seed}: ${one.ok ? "ok" : one.problems.join("; ")} (${played.length} of ${seeds})`);
  };
  await playAll(plans, streams, onPlayed, { browser });
  const [only] = played;
  const failed = played.filter((one) => !one.ok).toSorted((a, b) => a.seed - b.seed);
  const line =
    seeds === 1 && only
      ? only
      : {
          ok: failed.length === 0,
          seed,
          seeds,
          steps,
          failed: failed.slice(0, 10),
          failures: failed.length,
          healed: played.reduce((sum, one) => sum + one.healed, 0),
          fetches: played.reduce((sum, one) => sum + one.fetches, 0),
          sweepMs: Math.max(...played.map((one) => one.sweepMs)),
          ms: Math.round(performance.now() - beganAt),
        };
  process.stdout.write(`${JSON.stringify(line)}\n`);
  return failed.length === 0 ? 0 : 1;
}

// Exiting ends the programs, which a signal alone would leave behind.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof Complaint) && !(error instanceof HistoryError)) throw error;
  process.stderr.write(`${error.message} See --help.\n`);
  process.exitCode = 2;
}
