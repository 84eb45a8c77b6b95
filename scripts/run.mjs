// Runs a TypeScript program with the project's own Node 24, whatever Node started this: `node scripts/run.mjs FILE …`.
// Packages that are missing are installed first; `--build` before FILE builds the Apps Script bundle that it runs.
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "..");

/** The Node to run the project with: this one if it is new enough, else the one the project installs for itself. */
export function projectNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major > 24 || (major === 24 && minor >= 12)) return process.execPath;
  const own = join(root, "node_modules", ".bin", "node");
  if (existsSync(own)) return own;
  throw new Error("Sheetwire needs Node 24.12 or newer. Run `npm install` first: it brings one along.");
}

/** @param {string[]} args */
async function main(args) {
  if (!existsSync(join(root, "node_modules"))) await (await import("./install.mjs")).ensurePackages();
  if (args[0] === "--build") {
    args.shift();
    // What is printed on the way is not the program's own output.
    const built = spawnSync(projectNode(), [join(root, "apps-script", "build.ts")], { stdio: ["ignore", 2, 2] });
    if (built.status !== 0) process.exit(built.status ?? 1);
  }
  const child = spawn(projectNode(), args, { stdio: "inherit", cwd: process.cwd() });
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) process.on(signal, () => child.kill(signal));
  if (process.env["npm_lifecycle_event"] !== undefined) {
    // npm hands a signal to its shell, and the shell dies without handing it on: then it was meant for the program.
    const shell = process.ppid;
    const watch = setInterval(() => {
      if (process.ppid === shell) return;
      clearInterval(watch);
      child.kill("SIGTERM");
    }, 250);
    watch.unref();
  }
  child.on("exit", (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
}

// Not awaited: install.mjs imports this file, and would wait for it as it waits for install.mjs.
if (process.argv[1] && import.meta.url === new URL(`file://${process.argv[1]}`).href) void main(process.argv.slice(2));
