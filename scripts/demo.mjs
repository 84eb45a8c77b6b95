// `npm run demo`: installs what is missing, then starts the demo with the project's own Node 24.
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const args = process.argv.slice(2);

if (args.includes("--help") || args.includes("-h")) {
  process.stdout.write(`npm run demo [-- --once] [-- --dataset NAME] [-- --headless]

Starts the stand-in for Google with a real data set, a relay, and a browser with the extension. Edit a cell in the
spreadsheet and watch it arrive in the side panel. Ctrl+C ends everything.

  --once          headless: makes the edits itself, prints one JSON line of results, exits 0 or 1
  --dataset NAME  movies (default), airports, gapminder, seattle-weather
  --headless      no window, also without --once
`);
  process.exit(0);
}

const { install } = await import("./install.mjs");
// With --once only the result goes to standard output.
const write = process.stdout.write.bind(process.stdout);
if (args.includes("--once")) process.stdout.write = process.stderr.write.bind(process.stderr);
const { node, chromium } = await install();
const { run } = await import("./steps.mjs");
const built = await run([node, join(here, "build.ts")], { label: "building", withinMs: 120_000 });
process.stdout.write = write;
if (!built.ok) {
  process.stderr.write(`The build failed (${built.why}):\n${built.output}\n`);
  process.exit(1);
}

const child = spawn(node, [join(here, "demo.ts"), ...args], {
  stdio: "inherit",
  env: { ...process.env, ...(chromium && "path" in chromium ? { CHROMIUM: chromium.path } : {}) },
});
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
