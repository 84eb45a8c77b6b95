/** `npm run test:long`: the simulation and the convergence runner over many more seeds than `npm test` has time for. */
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const HELP = `npm run test:long -- [--simulations K] [--converge K] [--from N] [--steps M]

Plays K simulations (default 100000) of M steps (default 24) from seed N (default 1000000) on, on all cores, and then K seeds of
the convergence runner (default 2000). Says on standard error how far it is, and of the first failure how to play it again;
then it stops. Prints one JSON line; exits 0 when all seeds passed.`;

/** Seeds that one process plays before it says how it went. */
const CHUNK = 250;

const root = join(import.meta.dirname, "..");
const say = (line: string): void => void process.stderr.write(`${new Date().toISOString()} ${line}\n`);

type Said = { readonly code: number; readonly line: Record<string, unknown> };

/** Runs a program of ours to its end and reads the last line it prints. */
function run(args: readonly string[]): Promise<Said> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (piece: string) => (text += piece));
    child.on("error", reject);
    child.on("close", (code) => {
      const last = text.trim().split("\n").at(-1) ?? "";
      if (!last.startsWith("{")) reject(new Error(`${args[0]} said nothing and ended with ${code}.`));
      else resolve({ code: code ?? 1, line: JSON.parse(last) as Record<string, unknown> });
    });
  });
}

/** Answers the first failure, in words that play it again; undefined when there was none. */
async function simulations(from: number, seeds: number, steps: number): Promise<string | undefined> {
  let next = from;
  let done = 0;
  let failure: string | undefined;
  const beganAt = performance.now();
  const work = async (): Promise<void> => {
    while (next < from + seeds && failure === undefined) {
      const seed = next;
      const count = Math.min(CHUNK, from + seeds - seed);
      next += count;
      const options = { seed, seeds: count, steps };
      const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
      const { code, line } = await run(["e2e/simulation/main.ts", ...args, "--first"]);
      done += count;
      const perS = Math.round((done / (performance.now() - beganAt)) * 1_000);
      if (code === 0) say(`${done} of ${seeds} simulations, ${perS} a second`);
      else {
        const [first] = line["failed"] as { seed: number; day: string; problems: string[] }[];
        failure ??= `npm run simulate -- --seed ${first?.seed} --steps ${steps} --verbose`;
        say(`Seed ${first?.seed} (${first?.day}) failed: ${first?.problems[0] ?? ""}`);
        say(`Again: ${failure}`);
      }
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return failure;
}

function whole(name: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new RangeError(`--${name} takes a whole number.`);
  return Number(text);
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      simulations: { type: "string", default: "100000" },
      converge: { type: "string", default: "2000" },
      from: { type: "string", default: "1000000" },
      steps: { type: "string", default: "24" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(`${HELP}\n`);
    return 0;
  }
  const [seeds, converged] = [whole("simulations", values.simulations), whole("converge", values.converge)];
  const [from, steps] = [whole("from", values.from), whole("steps", values.steps)];
  const beganAt = performance.now();
  let again = await simulations(from, seeds, steps);
  if (again === undefined && converged > 0) {
    const { code, line } = await run(["scripts/converge.ts", "--seed", "1", "--seeds", String(converged), "--verbose"]);
    if (code !== 0) {
      again = `npm run converge -- --seeds ${converged}`;
      say(`The convergence runner: ${JSON.stringify(line)}`);
    }
  }
  const minutes = Math.round((performance.now() - beganAt) / 6_000) / 10;
  const ok = again === undefined;
  process.stdout.write(
    `${JSON.stringify({ ok, simulations: seeds, converge: converged, from, steps, again, minutes })}\n`,
  );
  return ok ? 0 : 1;
}

process.exitCode = await main();
