/** `npm run bench [-- NAME …]`: each answers its questions with one JSON line each. Medians; the machine is noisy. */
import { parseArgs } from "node:util";
import { benchWants } from "./wants.ts";

const benches: Record<string, () => void | Promise<void>> = { wants: benchWants };

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { help: { type: "boolean", short: "h" } },
});
const unknown = positionals.filter((name) => !(name in benches));
if (values.help || unknown.length > 0) {
  process.stderr.write(
    `${unknown.length > 0 ? `There is no bench ${unknown.join(", ")}.\n` : ""}npm run bench [-- NAME …]\nBenches: ${Object.keys(benches).join(", ")}\n`,
  );
  process.exitCode = unknown.length > 0 ? 2 : 0;
} else {
  for (const [name, run] of Object.entries(benches)) {
    if (positionals.length === 0 || positionals.includes(name)) await run();
  }
}
