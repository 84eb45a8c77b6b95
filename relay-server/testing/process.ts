/** The real programs in processes of their own, as people start them. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as z from "zod";

/** What one process compiled the next need not compile again. */
const CACHE = join(tmpdir(), "node-compile-cache");
const here = join(import.meta.dirname, "..");

export type Household = {
  folder: string;
  /** Starts a relay; resolves when it listens. */
  relay(env?: Record<string, string>): Promise<RunningRelay>;
  /** Runs the command to its end. */
  sheetwire(args: readonly string[], env?: Record<string, string>): Promise<Ended>;
  end(): Promise<void>;
};
export type Ended = { code: number | null; out: string; err: string };
export type RunningRelay = {
  url: string;
  /** All that was said on stdout and stderr. */
  said: () => string;
  kill(signal: "SIGKILL" | "SIGTERM" | "SIGINT"): Promise<number | null>;
};

const listeningSchema = z.object({ msg: z.literal("listening"), url: z.url() });

/** A folder with its own data and settings; whatever runs in it is ended with it. */
export function household(settings: Record<string, string> = {}): Household {
  const folder = mkdtempSync(join(tmpdir(), "sheetwire-house-"));
  const children = new Set<ChildProcess>();
  const start = (file: string, args: readonly string[], env: Record<string, string>): ChildProcess => {
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith("SHEETWIRE_"));
    const child = spawn(process.execPath, [join(here, file), ...args], {
      cwd: folder,
      env: {
        ...Object.fromEntries(own),
        NODE_COMPILE_CACHE: CACHE,
        SHEETWIRE_PORT: "0",
        SHEETWIRE_LOG_LEVEL: "trace",
        ...settings,
        ...env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    children.add(child);
    child.on("exit", () => children.delete(child));
    return child;
  };
  const ended = (child: ChildProcess): Promise<number | null> =>
    new Promise((resolve) => (child.exitCode !== null ? resolve(child.exitCode) : child.on("close", resolve)));

  return {
    folder,
    relay: (env = {}) =>
      new Promise((resolve, reject) => {
        const child = start("main.ts", [], env);
        let said = "";
        const hear = (data: Buffer): void => {
          said += data.toString();
          for (const line of said.split("\n")) {
            const listening = line.includes('"listening"') && listeningSchema.safeParse(JSON.parse(line));
            if (!listening || !listening.success) continue;
            resolve({
              url: listening.data.url,
              said: () => said,
              kill: (signal) => {
                const end = ended(child);
                child.kill(signal);
                return end;
              },
            });
          }
        };
        child.stdout?.on("data", hear);
        child.stderr?.on("data", hear);
        child.on("close", (code) => reject(new Error(`The relay ended with ${code}: ${said}`)));
      }),
    async sheetwire(args, env = {}) {
      const child = start("bin/sheetwire.mjs", args, env);
      let out = "";
      let err = "";
      child.stdout?.on("data", (data: Buffer) => (out += data.toString()));
      child.stderr?.on("data", (data: Buffer) => (err += data.toString()));
      return { code: await ended(child), out, err };
    },
    async end() {
      await Promise.all(
        [...children].map((child) => {
          const end = ended(child);
          child.kill("SIGKILL");
          return end;
        }),
      );
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
