/** The programs that a convergence is played with: started once, in one time, for any number of seeds. */
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CONNECTION_PREFIX } from "@sheetwire/shared/protocol";
import * as z from "zod";
import { createAccess } from "../../relay-server/access/access.ts";
import { createSqliteAccessStore } from "../../relay-server/access/engines/sqlite.ts";
import { readConfig } from "../../relay-server/config.ts";
import { openStore } from "../../relay-server/store/store.ts";
import { openStage, type Action, type Stage } from "../stage/stage.ts";
import { openTap, type Tap } from "./tap.ts";

/** What lets a script post and a device read. */
export type Grant = { readonly connectionString: string; readonly token: string };

/** What `stage/control.ts` does not ask of the stand-in for Google. */
export type Google = {
  profile: (name: string, seed?: number) => Promise<unknown>;
  stopFaults: () => Promise<unknown>;
  clock: (how: { advanceMs?: number; virtual?: boolean; shared?: boolean }) => Promise<{ now: number }>;
  remove: (spreadsheetId: string) => Promise<void>;
  /** Does them one after another; one that Google refuses is left out. Answers how many were done. */
  act: (spreadsheetId: string, actions: readonly Action[]) => Promise<number>;
};

export type Programs = {
  readonly stage: Stage;
  readonly tap: Tap;
  readonly google: Google;
  /** Where the relay has a clock of its own: how far it is ahead of the machine's. */
  ahead: (ms: number) => void;
  grant: (spreadsheetId: string) => Grant;
  stop: () => Promise<void>;
};

export async function openPrograms(): Promise<Programs> {
  const folder = mkdtempSync(join(tmpdir(), "sheetwire-converge-"));
  const clockFile = join(folder, "clock");
  writeFileSync(clockFile, new Uint8Array(16));
  const clock = openSync(clockFile, "r+");
  const env = {
    NODE_OPTIONS: `--import ${join(import.meta.dirname, "clock-file.mjs")}`,
    SHEETWIRE_CLOCK_FILE: clockFile,
    SHEETWIRE_DURABILITY: "normal",
  };
  const googleEnv = { NODE_OPTIONS: `--import ${join(import.meta.dirname, "brief-runs.mjs")}` };
  const stage = await openStage(env, { clockFile, googleEnv });
  const tap = await openTap(stage.relay.url);
  const store = openGuest(stage.relay.dataDir, tap.url);
  return {
    stage,
    tap,
    google: googleOf(stage.google.url),
    ahead: (ms) => void writeSync(clock, new Float64Array([ms]), 0, 8, 8),
    grant: store.grant,
    async stop() {
      store.stop();
      await tap.stop();
      await stage.stop();
      closeSync(clock);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Does what the commands `spreadsheet add` and `device add` do, without starting a program each time. */
function openGuest(dataDir: string, relayUrl: string): { grant: Programs["grant"]; stop: () => void } {
  const config = readConfig({ SHEETWIRE_DATA_DIR: dataDir }, dataDir);
  if (config.store.kind !== "sqlite") throw new Error("The relay's store is in its memory.");
  const store = openStore(config.store.path, "normal");
  const access = createAccess({ store: createSqliteAccessStore(store), now: () => Date.now() });
  return {
    grant(spreadsheetId) {
      const added = access.addSpreadsheet(spreadsheetId);
      const device = access.addDevice(spreadsheetId, "converge", ["read"]);
      if (!added || !device) throw new Error("The spreadsheet could not be made known.");
      const connection = { url: relayUrl, spreadsheetId, ingestKey: added.ingestKey };
      const text = Buffer.from(JSON.stringify(connection)).toString("base64url");
      return { connectionString: CONNECTION_PREFIX + text, token: device.token };
    },
    stop: () => store.close(),
  };
}

const actedSchema = z.looseObject({ applied: z.number().optional(), detail: z.string().optional() });
const clockSchema = z.looseObject({ now: z.iso.datetime().transform((text) => Date.parse(text)) });

/** What is asked of a stand-in for Google at this address. */
export function googleOf(url: string): Google {
  async function call(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(`${url}/control${path}`, {
      method,
      ...(body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} /control${path} answered ${response.status}: ${text.slice(0, 300)}`);
    return text === "" ? undefined : JSON.parse(text);
  }
  return {
    profile: (name, seed) => call("POST", "/profile", seed === undefined ? { name } : { name, seed }),
    stopFaults: () => call("POST", "/faults/stop", {}),
    clock: async (how) =>
      clockSchema.parse(Object.keys(how).length > 0 ? await call("POST", "/clock", how) : await call("GET", "/clock")),
    async act(spreadsheetId, actions) {
      let done = 0;
      for (let at = 0; at < actions.length;) {
        const response = await fetch(`${url}/control/spreadsheets/${spreadsheetId}/actions`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(actions.slice(at)),
        });
        const { applied, detail } = actedSchema.parse(await response.json());
        if (applied === undefined) throw new Error(`The actions were not taken: ${detail}`);
        done += applied;
        at += applied + (response.ok ? 0 : 1);
      }
      return done;
    },
    remove: async (spreadsheetId) => void (await call("DELETE", `/spreadsheets/${spreadsheetId}`)),
  };
}
