/** Servers on one core, the load generator on the other, and whatever was started is ended. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export const peersFolder = join(import.meta.dirname, "..", "peers");

export type Running = {
  readonly pid: number;
  readonly url: string;
  /** The line it said when it listened, if it says one. */
  readonly line: Readonly<Record<string, unknown>>;
  stop: () => Promise<void>;
};

/** A folder and all processes of one bench. */
export type Workshop = {
  readonly folder: string;
  /** Writes a file for the load generator; answers its path. */
  file: (name: string, content: Buffer | string) => string;
  /** Starts a server on the first core. With `ready` undefined its `listening` line is waited for, else the port. */
  server: (
    command: readonly string[],
    options?: { env?: Record<string, string>; port?: number; within?: readonly string[] },
  ) => Promise<Running>;
  /** Starts the load generator on the second core; resolves when its watchers are in. */
  load: (args: readonly string[], within?: readonly string[]) => Promise<Load>;
  /** Compiles a C file of the peers. */
  compile: (name: string) => string;
  end: () => Promise<void>;
};

export type Load = {
  /** Says a line and hears one. */
  ask: (line: string) => Promise<Record<string, number | string>>;
  stop: () => Promise<void>;
};

export const has = (program: string): boolean =>
  spawnSync("sh", ["-c", `command -v ${program}`], { stdio: "ignore" }).status === 0;

/** A port that nobody has now. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() =>
        typeof address === "object" && address ? resolve(address.port) : reject(new Error("No port.")),
      );
    });
  });

export function openWorkshop(): Workshop {
  const folder = mkdtempSync(join(tmpdir(), "sheetwire-bench-"));
  const children = new Set<ChildProcess>();
  const pinned = has("taskset");
  let files = 0;
  const begin = (core: 0 | 1, command: readonly string[], env: Record<string, string> = {}): ChildProcess => {
    const [program = "", ...args] = pinned ? ["taskset", "-c", String(core), ...command] : command;
    const child = spawn(program, args, {
      cwd: folder,
      env: { ...process.env, ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    children.add(child);
    child.once("exit", () => children.delete(child));
    return child;
  };
  const ended = (child: ChildProcess): Promise<void> =>
    new Promise((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve();
      child.once("exit", () => resolve());
    });

  const workshop: Workshop = {
    folder,
    file(name, content) {
      files += 1;
      const path = join(folder, `${files}-${name}`);
      writeFileSync(path, content);
      return path;
    },
    async server(command, { env, port, within = [] } = {}) {
      const child = begin(0, [...within, ...command], env);
      let said = "";
      const gone = ended(child).then(() =>
        Promise.reject(new Error(`${command.join(" ")} ended: ${said.slice(-2_000)}`)),
      );
      const line = new Promise<Record<string, unknown>>((resolve) => {
        const hear = (text: string): void => {
          said += `${text}\n`;
          if (text.includes('"listening"')) resolve(JSON.parse(text) as Record<string, unknown>);
        };
        if (child.stdout) createInterface({ input: child.stdout }).on("line", hear);
        if (child.stderr) createInterface({ input: child.stderr }).on("line", hear);
      });
      const heard = await Promise.race([port === undefined ? line : listens(port, within), gone]);
      gone.catch(() => {});
      return {
        pid: child.pid ?? 0,
        url: typeof heard["url"] === "string" ? heard["url"] : "",
        line: heard,
        async stop() {
          child.kill("SIGTERM");
          const late = setTimeout(() => child.kill("SIGKILL"), 5_000);
          await ended(child);
          clearTimeout(late);
        },
      };
    },
    async load(args, within = []) {
      const child = begin(1, [...within, workshop.compile("load"), ...args]);
      let said = "";
      child.stderr?.on("data", (data: Buffer) => (said += data.toString()));
      const waiting: { resolve: (line: Record<string, number | string>) => void; reject: (error: Error) => void }[] =
        [];
      const next = (): Promise<Record<string, number | string>> =>
        new Promise((resolve, reject) => waiting.push({ resolve, reject }));
      if (child.stdout)
        createInterface({ input: child.stdout }).on("line", (text) =>
          waiting.shift()?.resolve(JSON.parse(text) as Record<string, number | string>),
        );
      child.once("exit", () => {
        for (const one of waiting.splice(0)) one.reject(new Error(`The load generator ended: ${said.slice(0, 1_000)}`));
      });
      await next();
      return {
        ask(line) {
          const answer = next();
          child.stdin?.write(`${line}\n`);
          return answer;
        },
        async stop() {
          child.stdin?.end();
          const late = setTimeout(() => child.kill("SIGKILL"), 5_000);
          await ended(child);
          clearTimeout(late);
        },
      };
    },
    compile(name) {
      const known = compiled.get(name);
      if (known) return known;
      const to = join(folder, name);
      const { status, stderr } = spawnSync("cc", ["-O2", "-o", to, join(peersFolder, `${name}.c`)], {
        encoding: "utf8",
      });
      if (status !== 0) throw new Error(`${name}.c could not be compiled: ${stderr}`);
      compiled.set(name, to);
      return to;
    },
    async end() {
      await Promise.all(
        [...children].map((child) => {
          child.kill("SIGKILL");
          return ended(child);
        }),
      );
      rmSync(folder, { recursive: true, force: true });
    },
  };
  const compiled = new Map<string, string>();
  return workshop;
}

/** Waits until somebody listens, where that is not said. Inside another network only time tells. */
async function listens(port: number, within: readonly string[]): Promise<Record<string, unknown>> {
  const wait = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50));
  for (let left = 200; left > 0; left -= 1) {
    const [program = "", ...args]: string[] = [
      ...within,
      "sh",
      "-c",
      `grep -qi ':${port.toString(16).padStart(4, "0")} .* 0A ' /proc/net/tcp /proc/net/tcp6`,
    ];
    if (spawnSync(program, args).status === 0) return {};
    await wait();
  }
  throw new Error(`Nobody listened on port ${port}.`);
}
