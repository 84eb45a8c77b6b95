/** `npm run chaos`: faults on the real relay while posts are under way. Prints one JSON line of totals a fault. */
import { parseArgs } from "node:util";
import { faultNames, runChaos } from "../e2e/chaos/chaos.ts";

const HELP = `npm run chaos -- [--rounds N] [--seed S] [--fault ${faultNames.join("|")}] [--durability full|normal]

Starts the real relay, keeps at least 64 signed posts under way, strikes, and looks after each round whether every post
that was answered 202 is in the log exactly once and every reader has it exactly once or was told to refetch. Prints one
JSON line of totals a fault; exits 0 when nothing was lost, doubled or left out, else 1.

--rounds N      how often it strikes (default 10)
--seed S        when and where (default 1)
--fault NAME    one of them, or all in turn (default kill)
--durability    full (default) or normal; a power cut is tried with both, and has to lose something under normal
--verbose       tells of each round on stderr`;

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "10" },
    seed: { type: "string", default: "1" },
    fault: { type: "string", default: "kill" },
    durability: { type: "string" },
    verbose: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

function whole(name: string, text: string, least: number): number {
  const number = Number(text);
  if (text === "" || !Number.isSafeInteger(number) || number < least)
    throw new RangeError(`--${name} must be a whole number from ${least}.`);
  return number;
}

async function main(): Promise<number> {
  if (values.help) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const rounds = whole("rounds", values.rounds, 1);
  const seed = whole("seed", values.seed, 0);
  const { durability } = values;
  if (durability !== undefined && durability !== "full" && durability !== "normal")
    throw new RangeError("--durability must be full or normal.");
  const known = faultNames.filter((name) => values.fault === "all" || name === values.fault);
  if (known.length === 0) throw new RangeError(`--fault must be all or one of ${faultNames.join(", ")}.`);
  const say = values.verbose ? (line: string): void => void process.stderr.write(`${line}\n`) : undefined;
  let isGood = true;
  for (const fault of known) {
    // A power cut that loses nothing under `normal` would show nothing under `full` either.
    const durabilities: readonly ("full" | "normal")[] = durability
      ? [durability]
      : fault === "power"
        ? ["full", "normal"]
        : ["full"];
    for (const one of durabilities) {
      const totals = await runChaos({ rounds, seed, fault, durability: one, say });
      process.stdout.write(`${JSON.stringify(totals)}\n`);
      isGood &&= totals.ok;
    }
  }
  return isGood ? 0 : 1;
}

process.exitCode = await main();
