/** `npm run converge`: the copy is the sheet, whatever Google does. Prints one JSON line. */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { openConvergence, type Converged } from "../e2e/converge/converge.ts";
import { readHistory } from "../e2e/converge/history.ts";

const HELP = `npm run converge -- [--seed N] [--steps M] [--profile hostile|normal] [--history FILE] [--seeds K]

Starts the real relay and the stand-in for Google, edits real data there, and compares sheet, relay and mirror cell by cell
when the edits and the faults have ended. Prints one JSON line; exits 0 when all is equal, else 1.

--seed N        what happens (default 1)
--steps M       how many edits (default 300); with --history how many states, 0 for all
--profile NAME  hostile (default) or normal
--history FILE  a JSON array of states of a table, each an array of rows of texts: plays what leads from one to the next
--seeds K       seeds N to N+K-1 in one go; the line then sums up
--without-wants the script hears no wants: must end unequal (shows that the comparison can fail)`;

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    steps: { type: "string" },
    seeds: { type: "string", default: "1" },
    profile: { type: "string", default: "hostile" },
    history: { type: "string" },
    "without-wants": { type: "boolean", default: false },
    verbose: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

function whole(name: string, text: string): number {
  const number = Number(text);
  if (text === "" || !Number.isSafeInteger(number) || number < 0)
    throw new RangeError(`--${name} must be a whole number.`);
  return number;
}

async function main(): Promise<number> {
  if (values.help) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const seed = whole("seed", values.seed);
  const seeds = whole("seeds", values.seeds);
  const { profile } = values;
  if (profile !== "hostile" && profile !== "normal") throw new RangeError("--profile must be hostile or normal.");
  const history = values.history === undefined ? undefined : readHistory(readFileSync(values.history, "utf8"));
  const steps = whole("steps", values.steps ?? (history ? "0" : "300"));
  const withoutWants = values["without-wants"];
  const say = values.verbose ? (line: string): void => void process.stderr.write(`${line}\n`) : undefined;
  const convergence = await openConvergence();
  const results: Converged[] = [];
  const beganAt = performance.now();
  try {
    for (let at = 0; at < seeds; at += 1) {
      results.push(await convergence.play({ seed: seed + at, steps, profile, history, withoutWants, say }));
    }
  } finally {
    await convergence.stop();
  }
  const [only] = results;
  const failed = results.filter((one) => !one.ok);
  const line =
    results.length === 1 && only
      ? only
      : {
          ok: failed.length === 0,
          seed,
          seeds,
          steps,
          failed: failed.slice(0, 10),
          failures: failed.length,
          healed: results.reduce((sum, one) => sum + one.healed, 0),
          sweepMs: Math.max(...results.map((one) => one.sweepMs)),
          ms: Math.round(performance.now() - beganAt),
        };
  process.stdout.write(`${JSON.stringify(line)}\n`);
  return failed.length === 0 ? 0 : 1;
}

process.exitCode = await main();
