/** `npm run chaos:mirror`: kills the extension's worker and the browser while changes stream in. One JSON line of totals. */
import { parseArgs } from "node:util";
import { runMirrorFaults } from "./mirror-faults.ts";

const HELP = `npm run chaos:mirror -- [--rounds N] [--seed S] [--browser-every N] [--engine leveldb|sqlite] [--verbose]

Follows a relay that never rests with the real extension in a real Chromium, kills its worker (each Nth time the whole browser)
at random instants, and reads the store after each kill: content and cursor must agree to the cell, nothing may be there
twice, nothing acknowledged may be gone. Exits 0 when that held, else 1.

--rounds N         how often it kills (default 200)
--seed S           when, and what changes (default 1)
--browser-every N  each Nth kill is of the browser (default 10; 0 never)
--engine NAME      which of Chromium's engines of IndexedDB (default leveldb)
--verbose          tells of each round on stderr`;

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "200" },
    seed: { type: "string", default: "1" },
    "browser-every": { type: "string", default: "10" },
    engine: { type: "string", default: "leveldb" },
    verbose: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

function whole(name: "rounds" | "seed" | "browser-every", least: number): number {
  const number = Number(values[name]);
  if (values[name] === "" || !Number.isSafeInteger(number) || number < least) {
    throw new RangeError(`--${name} must be a whole number from ${least}.`);
  }
  return number;
}

async function main(): Promise<number> {
  if (values.help) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const { engine } = values;
  if (engine !== "leveldb" && engine !== "sqlite") throw new RangeError("--engine must be leveldb or sqlite.");
  const totals = await runMirrorFaults({
    rounds: whole("rounds", 1),
    seed: whole("seed", 0),
    browserEvery: whole("browser-every", 0),
    engine,
    ...(values.verbose ? { say: (line: string) => void process.stderr.write(`${line}\n`) } : {}),
  });
  process.stdout.write(`${JSON.stringify(totals)}\n`);
  return totals.ok ? 0 : 1;
}

process.exitCode = await main();
