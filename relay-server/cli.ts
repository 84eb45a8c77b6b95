/** The `sheetwire` command: writes the store beside a running relay, which notices within two seconds. */
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { CONNECTION_PREFIX, spreadsheetIdSchema, type Connection } from "@sheetwire/shared/protocol";
import { Command, InvalidArgumentError, Option } from "commander";
import * as z from "zod";
import { createAccess, ROTATION_MS, type Access, type Scope } from "./access/access.ts";
import { createSqliteAccessStore } from "./access/engines/sqlite.ts";
import { ConfigError, LISTENING_FILE, readConfig, urlOf, type Config } from "./config.ts";
import { createSqliteLog } from "./log/engines/sqlite.ts";
import type { ChangeLog } from "./log/log.ts";
import { salvageStore } from "./salvage/salvage.ts";
import { openStore, StoreError, storeErrorOf, StoreInUseError, type Durability, type Store } from "./store/store.ts";
import { VERSION } from "./version.ts";

/** What a person can put right: said on stderr, exit code 1. */
class Complaint extends Error {
  override readonly name = "Complaint";
}

type Tools = { config: Config; access: Access; log: ChangeLog };

const out = (text: string): void => void process.stdout.write(`${text}\n`);
const outJson = (value: unknown): void => out(JSON.stringify(value));
const asJson = new Option("--json", "print one line of JSON");

const program = new Command("sheetwire")
  .description("Keeps the keys and devices of a Sheetwire relay. Works on the store, also while the relay runs.")
  .version(VERSION)
  .showHelpAfterError("(add --help for what it takes)")
  .addHelpText(
    "after",
    "\nReads the same settings as the relay: SHEETWIRE_DATA_DIR, SHEETWIRE_STORE, SHEETWIRE_PUBLIC_URL …,\nor sheetwire.config.json in this folder.",
  );

const spreadsheet = program.command("spreadsheet").description("the spreadsheets that the relay serves");

spreadsheet
  .command("add")
  .description("make a spreadsheet known, and print what connects its script to the relay")
  .argument("<spreadsheetId>", "the id in the spreadsheet's address, between /d/ and /edit", spreadsheetIdFrom)
  .addOption(asJson)
  .action(async (spreadsheetId: string, { json }: { json?: boolean }) => {
    await withTools(async ({ config, access, log }) => {
      const url = relayUrl(config);
      const added = access.addSpreadsheet(spreadsheetId);
      if (!added) {
        throw new Complaint(`${spreadsheetId} is known already. For a new key: sheetwire key rotate ${spreadsheetId}`);
      }
      await log.create(spreadsheetId);
      const { ingestKey } = added;
      const connectionString = connectionStringOf({ url, spreadsheetId, ingestKey });
      if (json) return outJson({ spreadsheetId, ingestKey, connectionString });
      out(`Added ${spreadsheetId}.`);
      out(
        `In the spreadsheet, choose Sheetwire > Connect and paste this line. It opens this spreadsheet only; keep it secret:`,
      );
      out("");
      out(connectionString);
    });
  });

spreadsheet
  .command("list")
  .description("show what the relay serves")
  .addOption(asJson)
  .action(async ({ json }: { json?: boolean }) => {
    await withTools(async ({ access, log }) => {
      const rows = await Promise.all(
        access.spreadsheets().map(async ({ spreadsheetId, createdAt, devices }) => {
          const head = await log.head(spreadsheetId);
          return { spreadsheetId, createdAt: new Date(createdAt).toISOString(), devices, changes: head?.seq ?? 0 };
        }),
      );
      if (json) return outJson(rows);
      if (rows.length === 0) return out("No spreadsheets yet. Add one: sheetwire spreadsheet add ID");
      for (const { spreadsheetId, createdAt, devices, changes } of rows) {
        out(`${spreadsheetId}  added ${createdAt}  devices ${devices}  changes ${changes}`);
      }
    });
  });

spreadsheet
  .command("remove")
  .description("forget a spreadsheet: its keys, devices, log and copy")
  .argument("<spreadsheetId>", "which", spreadsheetIdFrom)
  .option("--yes", "do not ask")
  .addOption(asJson)
  .action(async (spreadsheetId: string, { yes, json }: { yes?: boolean; json?: boolean }) => {
    await withTools(async ({ access, log }) => {
      const head = await log.head(spreadsheetId);
      // A log without access is what a removal left that was interrupted.
      if (!access.isKnown(spreadsheetId) && !head) throw unknown(spreadsheetId);
      const loss = `the log of ${head?.seq ?? 0} changes, the relay's copy, ${access.devices(spreadsheetId).length} devices and every key of ${spreadsheetId}`;
      if (!yes) await askBefore(`This erases ${loss}. The spreadsheet at Google stays as it is.`);
      access.removeSpreadsheet(spreadsheetId);
      await log.erase(spreadsheetId);
      if (json) return outJson({ spreadsheetId, removed: true, changes: head?.seq ?? 0 });
      out(`Erased ${loss}.`);
    });
  });

const device = program.command("device").description("who may read a spreadsheet");

device
  .command("add")
  .description("make a device and print its token; the token is shown only now")
  .argument("<spreadsheetId>", "which spreadsheet it opens", spreadsheetIdFrom)
  .requiredOption("--name <name>", "what people call it", nameFrom)
  .addOption(new Option("--scope <scopes...>", "what it may do").choices(["read", "write"]).default(["read"]))
  .addOption(asJson)
  .action(async (spreadsheetId: string, { name, scope, json }: { name: string; scope: Scope[]; json?: boolean }) => {
    await withTools(async ({ access }) => {
      const added = access.addDevice(spreadsheetId, name, [...new Set(scope)]);
      if (!added) throw unknown(spreadsheetId);
      if (json) return outJson(added);
      out(`Added device ${added.deviceId} (${name}). Its token, shown only now:`);
      out("");
      out(added.token);
    });
  });

device
  .command("list")
  .description("show a spreadsheet's devices")
  .argument("<spreadsheetId>", "which", spreadsheetIdFrom)
  .addOption(asJson)
  .action(async (spreadsheetId: string, { json }: { json?: boolean }) => {
    await withTools(async ({ access }) => {
      if (!access.isKnown(spreadsheetId)) throw unknown(spreadsheetId);
      const devices = access.devices(spreadsheetId);
      if (json) return outJson(devices);
      if (devices.length === 0)
        return out(`No devices yet. Add one: sheetwire device add ${spreadsheetId} --name NAME`);
      for (const { deviceId, name, scopes, lastSeenAt, revokedAt } of devices) {
        const seen = lastSeenAt === undefined ? "never seen" : `seen ${new Date(lastSeenAt).toISOString()}`;
        const revoked = revokedAt === undefined ? "" : `  revoked ${new Date(revokedAt).toISOString()}`;
        out(`${deviceId}  ${scopes.join("+")}  ${seen}${revoked}  ${name}`);
      }
    });
  });

device
  .command("revoke")
  .description("end a device's access; its connections are closed within two seconds")
  .argument("<spreadsheetId>", "which spreadsheet", spreadsheetIdFrom)
  .argument("<deviceId>", "which device, as listed")
  .addOption(asJson)
  .action(async (spreadsheetId: string, deviceId: string, { json }: { json?: boolean }) => {
    await withTools(async ({ access }) => {
      if (!access.isKnown(spreadsheetId)) throw unknown(spreadsheetId);
      if (!access.revokeDevice(spreadsheetId, deviceId)) {
        throw new Complaint(`There is no such device to revoke. See: sheetwire device list ${spreadsheetId}`);
      }
      if (json) return outJson({ spreadsheetId, deviceId, revoked: true });
      out(`Revoked ${deviceId}.`);
    });
  });

const key = program.command("key").description("what a spreadsheet's script signs with");

key
  .command("rotate")
  .description("make a new ingest key; the old one stays valid for a while, so nothing is lost in between")
  .argument("<spreadsheetId>", "which", spreadsheetIdFrom)
  .option("--old-valid-for <hours>", "how long the old key stays valid, in hours", hoursFrom, ROTATION_MS / 3_600_000)
  .addOption(asJson)
  .action(async (spreadsheetId: string, { oldValidFor, json }: { oldValidFor: number; json?: boolean }) => {
    await withTools(async ({ config, access }) => {
      const url = relayUrl(config);
      const rotated = access.rotateKey(spreadsheetId, oldValidFor * 3_600_000);
      if (!rotated) throw unknown(spreadsheetId);
      const { ingestKey } = rotated;
      const oldEndsAt = new Date(rotated.oldEndAt).toISOString();
      const connectionString = connectionStringOf({ url, spreadsheetId, ingestKey });
      if (json) return outJson({ spreadsheetId, ingestKey, connectionString, oldEndsAt });
      out(`New key for ${spreadsheetId}; the old one is valid until ${oldEndsAt}.`);
      out("In the spreadsheet, choose Sheetwire > Connect and paste this line:");
      out("");
      out(connectionString);
    });
  });

program
  .command("salvage")
  .description(
    "take over what can be read of a damaged store, with the relay stopped; the damaged one is kept beside it",
  )
  .option("--yes", "do not ask")
  .addOption(asJson)
  .action(async ({ yes, json }: { yes?: boolean; json?: boolean }) => {
    const path = storePath(readConfig(process.env, process.cwd()));
    if (!yes) {
      await askBefore(
        `This puts a store with everything readable of ${path} in its place, and keeps the damaged one beside it. A backup holds more, if there is one.`,
      );
    }
    const { rows, incomplete, keptAs } = await onStore(path, () => salvageStore(path, new Date()));
    if (json) return outJson({ rows, incomplete, keptAs });
    const some = (count = 0, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`;
    out(
      `Taken over: ${some(rows["known_spreadsheets"], "spreadsheet")}, ${some(rows["ingest_keys"], "key")}, ${some(rows["devices"], "device")}, ${some(rows["frames"], "piece")} of the log.`,
    );
    if (["known_spreadsheets", "ingest_keys", "devices"].some((table) => incomplete.includes(table))) {
      out(
        "Some spreadsheets, keys or devices could not be read. See: sheetwire spreadsheet list. Add what is missing.",
      );
    }
    if (incomplete.length > 0) out(`Not all could be read of: ${incomplete.join(", ")}.`);
    out(`The damaged store is now ${keptAs}.`);
    out("Start the relay: readers take a new snapshot, and what is missing is read anew from the sheets.");
  });

/** What is wrong with the store itself is said in plain words. */
async function onStore<T>(path: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storeErrorOf(path, error) ?? error;
  }
}

/** Opens the store as a guest, does the work, and closes it again whatever happens. */
async function withTools(work: (tools: Tools) => Promise<void>): Promise<void> {
  const config = readConfig(process.env, process.cwd());
  const path = storePath(config);
  const store = openBeside(path, config.durability);
  try {
    await onStore(path, () => {
      const access = createAccess({ store: createSqliteAccessStore(store), now: () => Date.now() });
      const log = createSqliteLog(store, {
        randomId: randomUUID,
        as: "guest",
        onFault: (error) => {
          throw error;
        },
      });
      return work({ config, access, log });
    });
  } finally {
    store.close();
  }
}

function openBeside(path: string, durability: Durability): Store {
  try {
    return openStore(path, durability, "guest");
  } catch (error) {
    if (!(error instanceof StoreInUseError)) throw error;
    throw new Complaint(
      `A relay of an older version runs on ${path}. Stop it and start this version's relay, which updates the store; then try again. Nothing was done.`,
    );
  }
}

function storePath({ store }: Config): string {
  if (store.kind === "sqlite") return store.path;
  throw new Complaint("SHEETWIRE_STORE is memory:, which only the relay itself can see. Choose sqlite:PATH.");
}

/** How the script reaches the relay: as set, else where the running relay listens, else where it will. */
function relayUrl({ publicUrl, host, port, dataDir }: Config): string {
  if (publicUrl !== undefined) return publicUrl;
  if (port !== 0) return urlOf(host, port);
  const path = join(dataDir, LISTENING_FILE);
  const listening = existsSync(path)
    ? z.object({ url: z.url() }).safeParse(JSON.parse(readFileSync(path, "utf8")))
    : undefined;
  if (listening?.success) return listening.data.url;
  throw new Complaint(
    "SHEETWIRE_PORT is 0, so the relay's address is not known. Start the relay first, or set SHEETWIRE_PUBLIC_URL.",
  );
}

const connectionStringOf = (connection: Connection): string =>
  CONNECTION_PREFIX + Buffer.from(JSON.stringify(connection)).toString("base64url");

const unknown = (spreadsheetId: string): Complaint =>
  new Complaint(
    `${spreadsheetId} is not known. See: sheetwire spreadsheet list. To add it: sheetwire spreadsheet add ${spreadsheetId}`,
  );

async function askBefore(loss: string): Promise<void> {
  if (!process.stdin.isTTY) throw new Complaint(`${loss} Nothing was done: add --yes to do it without being asked.`);
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await lines.question(`${loss}\nType yes to go on: `);
    if (answer.trim().toLowerCase() !== "yes") throw new Complaint("Nothing was done.");
  } finally {
    lines.close();
  }
}

function spreadsheetIdFrom(text: string): string {
  const inAddress = /\/spreadsheets\/d\/([A-Za-z0-9_-]+)/.exec(text)?.[1] ?? text;
  if (!spreadsheetIdSchema.safeParse(inAddress).success) {
    throw new InvalidArgumentError("A spreadsheet's id is 5 to 128 letters, digits, - and _.");
  }
  return inAddress;
}

function nameFrom(text: string): string {
  const name = text.trim();
  if (name.length === 0 || name.length > 100) throw new InvalidArgumentError("A name has 1 to 100 characters.");
  return name;
}

function hoursFrom(text: string): number {
  const hours = Number(text);
  if (text.trim() === "" || !(hours >= 0 && hours <= 8_760))
    throw new InvalidArgumentError("Hours are a number from 0 to 8760.");
  return hours;
}

try {
  await program.parseAsync(process.argv);
} catch (error) {
  const isForPeople = error instanceof Complaint || error instanceof ConfigError || error instanceof StoreError;
  if (!isForPeople) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
