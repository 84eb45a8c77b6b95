/** What faults need of the machine: mounts, limits, and whether they can be had. */
import { execFile, spawnSync } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Runs a command; what it complained of is in the error. */
export async function command(program: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run(program, args);
  return stdout;
}

export const has = (program: string): boolean =>
  spawnSync("sh", ["-c", `command -v ${program}`], { stdio: "ignore" }).status === 0;

/** Why mounts cannot be made here; undefined when they can. */
export async function cannotMount(...programs: readonly string[]): Promise<string | undefined> {
  if (process.platform !== "linux") return "needs Linux";
  if (process.getuid?.() !== 0) return "needs root, to mount";
  const missing = ["mount", "umount", ...programs].find((program) => !has(program));
  if (missing !== undefined) return `needs ${missing}`;
  const refused = await command("unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt").then(
    () => undefined,
    () => "mounting is not allowed here",
  );
  return refused;
}

/** Lets go of a mount, also when somebody still looks into it. */
export async function unmount(path: string): Promise<void> {
  await command("umount", path).catch(() => command("umount", "--lazy", path));
}
