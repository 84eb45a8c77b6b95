/** `npm run simulate -- --seed N --steps M --seeds K`: plays simulations and prints one JSON line. */
import { parseArgs } from "node:util";
import { simulate, type Outcome } from "./simulation.ts";
import { days, type Day } from "./weather.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    steps: { type: "string", default: "24" },
    seeds: { type: "string", default: "1" },
    day: { type: "string" },
    first: { type: "boolean", default: false },
    verbose: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

const HELP = `npm run simulate -- [--seed N] [--steps M] [--seeds K] [--day DAY] [--first] [--verbose]

Plays K simulations of M steps from seed N on: the script, the relay and the mirror in one process, over a simulated
clock, table, network and store. Prints one JSON line; exits 0 when everything was equal at the end of each.
--day chooses what goes wrong (${days.join(", ")}); without it the seed does.
--first stops at the first that fails. --verbose tells everything that happens on standard error.`;

function whole(name: "seed" | "steps" | "seeds"): number {
  const number = Number(values[name]);
  if (!Number.isSafeInteger(number) || number < 0) throw new RangeError(`--${name} must be a whole number.`);
  return number;
}

function chosenDay(): Day | undefined {
  if (values.day === undefined) return undefined;
  const chosen = days.find((one) => one === values.day);
  if (!chosen) throw new RangeError(`--day must be one of ${days.join(", ")}.`);
  return chosen;
}

async function main(): Promise<number> {
  if (values.help) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const [first, steps, seeds] = [whole("seed"), whole("steps"), whole("seeds")];
  const wanted = chosenDay();
  const beganAt = performance.now();
  const failed: Outcome[] = [];
  let posts = 0;
  let runs = 0;
  let last: Outcome | undefined;
  for (let seed = first; seed < first + seeds; seed += 1) {
    const onTrace = values.verbose ? (line: string): void => void process.stderr.write(`${line}\n`) : undefined;
    last = await simulate({ seed, steps, day: wanted, onTrace });
    posts += last.posts;
    runs += last.runs;
    if (!last.ok) failed.push(last);
    if (values.first && failed.length > 0) break;
  }
  const ms = Math.round(performance.now() - beganAt);
  process.stdout.write(
    `${JSON.stringify({
      ok: failed.length === 0,
      seed: first,
      seeds,
      steps,
      failed: failed.slice(0, 20).map(({ seed, day, problems }) => ({ seed, day, problems: problems.slice(0, 4) })),
      failures: failed.length,
      runs,
      posts,
      trace: seeds === 1 ? last?.trace : undefined,
      ms,
      seedsPerS: Math.round((seeds / ms) * 1_000),
    })}\n`,
  );
  return failed.length === 0 ? 0 : 1;
}

process.exitCode = await main();
