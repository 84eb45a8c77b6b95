/** A relay as an operator runs it: its own data folder, the command beside it, and a process that can be ended at any moment. */
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import * as z from "zod";
import { startProgram, type Program } from "../stage/program.ts";

const root = join(import.meta.dirname, "..", "..");
const RELAY = join(root, "relay-server", "main.ts");
const COMMAND = join(root, "relay-server", "bin", "sheetwire.mjs");

/** A spreadsheet the relay knows, with what opens it. */
export type Sheet = { readonly spreadsheetId: string; readonly ingestKey: string; readonly token: string };

export type House = {
  /** For images, mounts and files of a fault. */
  readonly folder: string;
  /** Where the relay's data lies; a fault may move it. */
  dataDir: string;
  /** What the next start has in its environment beside the ordinary. */
  env: Record<string, string>;
  /** The relay that runs now, if one does. */
  relay: Program | undefined;
  start: () => Promise<Program>;
  /** SIGKILL; what it printed is kept for `said`. */
  kill: () => Promise<void>;
  /** Starts a relay and kills it after so many milliseconds, however far it has come. */
  startAndKill: (afterMs: number) => Promise<void>;
  /** The command beside the relay; its answer, or the error with what it said. */
  command: (args: readonly string[]) => Promise<unknown>;
  addSheet: (spreadsheetId: string) => Promise<Sheet>;
  /** Everything that all relays of this house printed. */
  said: () => string;
  end: () => Promise<void>;
};

const addedSchema = z.object({ ingestKey: z.string() });
const deviceSchema = z.object({ token: z.string() });
const run = promisify(execFile);

export function openHouse(settings: Record<string, string>): House {
  const folder = mkdtempSync(join(tmpdir(), "sheetwire-chaos-"));
  const earlier: string[] = [];
  const environment = (): Record<string, string> => ({
    NODE_COMPILE_CACHE: join(tmpdir(), "node-compile-cache"),
    SHEETWIRE_HOST: "127.0.0.1",
    SHEETWIRE_PORT: "0",
    SHEETWIRE_LOG_LEVEL: "info",
    SHEETWIRE_WEB_APP_ORIGINS: "none",
    SHEETWIRE_STORE: "",
    SHEETWIRE_DATA_DIR: house.dataDir,
    ...settings,
    ...house.env,
  });
  const command = async (args: readonly string[]): Promise<unknown> => {
    const env = { ...process.env, ...environment(), SHEETWIRE_PUBLIC_URL: "http://127.0.0.1:1" };
    const { stdout } = await run(process.execPath, [COMMAND, ...args, "--json"], { cwd: folder, env });
    return JSON.parse(stdout);
  };
  const house: House = {
    folder,
    dataDir: join(folder, "data"),
    env: {},
    command,
    relay: undefined,
    async start() {
      house.relay = await startProgram(RELAY, [], environment());
      return house.relay;
    },
    async kill() {
      const { relay } = house;
      house.relay = undefined;
      if (!relay) return;
      await relay.kill();
      earlier.push(relay.output());
      if (earlier.length > 50) earlier.shift();
    },
    startAndKill: (afterMs) =>
      new Promise((resolve, reject) => {
        const env = { ...process.env, ...environment() };
        const child = spawn(process.execPath, [RELAY], { env, stdio: "ignore" });
        const timer = setTimeout(() => child.kill("SIGKILL"), afterMs);
        child.once("error", reject);
        child.once("exit", () => {
          clearTimeout(timer);
          resolve();
        });
      }),
    async addSheet(spreadsheetId) {
      const { ingestKey } = addedSchema.parse(await command(["spreadsheet", "add", spreadsheetId]));
      const device = await command(["device", "add", spreadsheetId, "--name", "chaos", "--scope", "read"]);
      return { spreadsheetId, ingestKey, token: deviceSchema.parse(device).token };
    },
    said: () => [...earlier, house.relay?.output() ?? ""].join("\n"),
    async end() {
      await house.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return house;
}
