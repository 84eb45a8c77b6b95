/**
 * `npm run bench [-- NAME … | -- NAME OPTIONS]`: each answers its questions with one JSON line each. Medians; the machine is
 * noisy. Options belong to the one bench that is named before them.
 */
import { benchConverge } from "./converge/converge.ts";
import { benchMirror, mirrorUsage } from "./mirror/mirror.ts";
import { benchRelay, relayUsage } from "./relay/relay.ts";
import { benchWants } from "./wants.ts";

type Bench = { run: (options: readonly string[]) => void | Promise<void>; usage?: string };

const benches: Record<string, Bench> = {
  wants: { run: benchWants },
  converge: { run: benchConverge },
  relay: { run: benchRelay, usage: relayUsage },
  mirror: { run: benchMirror, usage: mirrorUsage },
};

const args = process.argv.slice(2);
const firstOption = args.findIndex((arg) => arg.startsWith("-"));
const names = firstOption < 0 ? args : args.slice(0, firstOption);
const options = firstOption < 0 ? [] : args.slice(firstOption);
const isHelp = options.includes("--help") || options.includes("-h");
const unknown = names.filter((name) => !(name in benches));
const isAstray = options.length > 0 && (names.length !== 1 || benches[names[0] ?? ""]?.usage === undefined);
if (isHelp || unknown.length > 0 || isAstray) {
  const known = Object.entries(benches).map(([name, { usage }]) => `  ${usage ?? name}`);
  const complaint = unknown.length > 0 ? `There is no bench ${unknown.join(", ")}.\n` : "";
  process.stderr.write(`${complaint}npm run bench [-- NAME …]\n${known.join("\n")}\n`);
  process.exitCode = isHelp ? 0 : 2;
} else {
  for (const [name, { run }] of Object.entries(benches)) {
    if (names.length === 0 || names.includes(name)) await run(options);
  }
}
