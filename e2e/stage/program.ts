/** A program of ours as a process of its own, as an operator would start it. */
import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";

export type Program = {
  readonly url: string;
  /** What its `listening` line said. */
  readonly listening: Readonly<Record<string, unknown>>;
  readonly pid: number;
  /** Everything it printed so far, for messages when something goes wrong. */
  output: () => string;
  /** SIGTERM, then SIGKILL after five seconds. */
  stop: () => Promise<void>;
  /** SIGKILL, now. */
  kill: () => Promise<void>;
};

/** Starts a TypeScript program with this Node and waits for its `listening` line. */
export async function startProgram(
  file: string,
  args: readonly string[],
  env: Record<string, string>,
): Promise<Program> {
  const child = spawn(process.execPath, [file, ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  const keep = (line: string): void => {
    lines.push(line);
    if (lines.length > 2_000) lines.splice(0, 1_000);
  };
  // Nothing that was started here outlives whoever started it.
  const endWithUs = (): void => void child.kill("SIGKILL");
  process.once("exit", endWithUs);
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  void exited.then(() => process.off("exit", endWithUs));
  const output = (): string => lines.join("\n");
  const listening = await new Promise<Record<string, unknown>>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`${file} did not listen within 30 s.\n${output()}`)), 30_000);
    // With "close" everything it said has been read, with "exit" not yet.
    child.once("close", (code) => reject(new Error(`${file} ended with ${code} before it listened.\n${output()}`)));
    createInterface({ input: child.stderr }).on("line", keep);
    createInterface({ input: child.stdout }).on("line", (line) => {
      keep(line);
      if (!line.includes('"listening"')) return;
      const said: unknown = JSON.parse(line);
      if (typeof said !== "object" || said === null || !("url" in said) || typeof said.url !== "string") return;
      clearTimeout(late);
      resolve({ ...said });
    });
  });
  return {
    url: String(listening["url"]),
    listening,
    pid: child.pid ?? 0,
    output,
    stop: () => end(child, exited, "SIGTERM"),
    kill: () => end(child, exited, "SIGKILL"),
  };
}

async function end(child: ChildProcess, exited: Promise<unknown>, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill(signal);
  const late = setTimeout(() => child.kill("SIGKILL"), 5_000);
  await exited;
  clearTimeout(late);
}
