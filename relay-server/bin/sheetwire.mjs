#!/usr/bin/env node
// Starts cli.ts with a Node that runs TypeScript: this one if it is new enough, else the one the project brings along.
import { spawn } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import module from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = dirname(realpathSync(fileURLToPath(import.meta.url)));

function newEnoughNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 24 || (major === 24 && minor >= 12)) return process.execPath;
  for (let folder = here; ; folder = dirname(folder)) {
    const own = join(folder, "node_modules", ".bin", "node");
    if (existsSync(own)) return own;
    if (folder === dirname(folder)) return undefined;
  }
}

const cli = join(here, "..", "cli.ts");
const node = newEnoughNode();
if (node === process.execPath) {
  // Half of a short command's time is compiling.
  module.enableCompileCache();
  await import(pathToFileURL(cli).href);
} else if (node === undefined) {
  process.stderr.write("sheetwire needs Node 24.12 or newer. Run `npm install` first: it brings one along.\n");
  process.exitCode = 1;
} else {
  const child = spawn(node, [cli, ...process.argv.slice(2)], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
}
