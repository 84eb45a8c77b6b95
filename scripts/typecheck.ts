/** Type checks every folder that has a tsconfig.json, two at a time. `npm run typecheck` */
import { execFile } from "node:child_process";
import { globSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { projectNode } from "./run.mjs";

const root = resolve(import.meta.dirname, "..");
const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
const exec = promisify(execFile);

const projects = globSync(["tsconfig.json", "tsconfig.tests*.json", "*/tsconfig.json", "*/*/tsconfig.json"], {
  cwd: root,
  exclude: (path) => /(^|\/)(node_modules|\.\w[^/]*|dist)$/.test(path),
}).toSorted();

async function check(project: string): Promise<string | undefined> {
  try {
    await exec(projectNode(), [tsc, "-p", project, "--pretty", "false"], { cwd: root, maxBuffer: 64 * 1024 * 1024 });
    return undefined;
  } catch (error) {
    const output = error instanceof Error && "stdout" in error ? String(error.stdout).trim() : "";
    return output || String(error);
  }
}

let failed = 0;
const queue = projects.values();
async function worker(): Promise<void> {
  for (const project of queue) {
    const errors = await check(project);
    // A program of which no file is written yet: said, so that nobody takes it for checked.
    const isEmpty = errors?.includes("TS18003") ?? false;
    if (errors && !isEmpty) failed += 1;
    console.log(`${isEmpty ? "empty " : errors ? "FAILED" : "ok    "} ${project}`);
    if (errors && !isEmpty) console.log(errors);
  }
}
await Promise.all([worker(), worker()]);
if (failed > 0) {
  console.log(`${failed} of ${projects.length} projects failed the type check.`);
  process.exitCode = 1;
}
