/** All that a deployer can set: environment variables, or the same keys in camelCase in `sheetwire.config.json`. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { getHeapStatistics } from "node:v8";
import { limits } from "@sheetwire/shared/limits";
import * as z from "zod";
import { isGuarded } from "./origins/origins.ts";

export const CONFIG_FILE = "sheetwire.config.json";
/** In the data folder while a relay runs: where it listens, for a command beside it that needs the address. */
export const LISTENING_FILE = "listening.json";

export type StoreChoice = { readonly kind: "sqlite"; readonly path: string } | { readonly kind: "memory" };

export type Config = {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** How the relay is reached from outside; stands in connection strings. */
  readonly publicUrl: string | undefined;
  readonly dataDir: string;
  readonly durability: "full" | "normal";
  readonly store: StoreChoice;
  /** Changes stay for so many days, and the newest of a spreadsheet up to so many megabytes; what older readers need is then a snapshot. */
  readonly keepDays: number;
  readonly keepMegabytes: number;
  /** Sheets that nobody uses stay in memory up to so much. */
  readonly holdMegabytes: number;
  /** Posts of one spreadsheet a second. */
  readonly postsPerSecond: number;
  readonly logLevel: (typeof LOG_LEVELS)[number];
  /** Web apps are called only at these. */
  readonly webAppOrigins: readonly string[];
};

/** The settings cannot be used. The message names the key and what it takes, never what it held. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** Of what Node lets this program take. */
const HALF_THE_HEAP_MB = Math.floor(getHeapStatistics().heap_size_limit / 2 / 1024 / 1024);

const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;

const originSchema = z
  .string()
  .refine((text) => URL.canParse(text) && isGuarded(new URL(text)) && new URL(text).href === `${new URL(text).origin}/`)
  .transform((text) => new URL(text).origin);

const numberFrom = (least: number, most: number) =>
  z
    .union([
      z.number(),
      z
        .string()
        .regex(/^\d{1,7}(\.\d{1,4})?$/)
        .transform(Number),
    ])
    .pipe(z.number().min(least).max(most));

/** Every key: its name in the environment, what it takes (for people), and its schema. */
const keys = {
  host: {
    env: "SHEETWIRE_HOST",
    takes: "a host name or address to listen on",
    schema: z.string().min(1).default("127.0.0.1"),
  },
  port: {
    env: "SHEETWIRE_PORT",
    takes: "a port from 0 (any free one) to 65535",
    schema: z
      .union([
        z.int(),
        z
          .string()
          .regex(/^\d{1,5}$/)
          .transform(Number),
      ])
      .pipe(z.int().min(0).max(65_535))
      .default(8_787),
  },
  publicUrl: {
    env: "SHEETWIRE_PUBLIC_URL",
    takes: "an address that begins with https:// or http://, without user, query or fragment",
    schema: z
      .url({ protocol: /^https?$/ })
      .refine((text) => !/[?#@]/.test(text))
      .transform((text) => text.replace(/\/+$/, ""))
      .optional(),
  },
  dataDir: { env: "SHEETWIRE_DATA_DIR", takes: "a folder", schema: z.string().min(1).default("./data") },
  durability: {
    env: "SHEETWIRE_DURABILITY",
    takes: "full (survives a power cut) or normal (survives the end of the process)",
    schema: z.enum(["full", "normal"]).default("full"),
  },
  store: {
    env: "SHEETWIRE_STORE",
    takes: "sqlite:PATH or memory:",
    schema: z
      .string()
      .regex(/^(sqlite:.+|memory:)$/)
      .optional(),
  },
  keepDays: {
    env: "SHEETWIRE_KEEP_DAYS",
    takes: "for how many days changes stay, from 0.01 to 36500",
    schema: numberFrom(0.01, 36_500).default(limits.keepDays),
  },
  keepMegabytes: {
    env: "SHEETWIRE_KEEP_MB",
    takes: "how many megabytes of changes stay for each spreadsheet, from 1 to 1000000",
    schema: numberFrom(1, 1_000_000).default(limits.keepMegabytes),
  },
  holdMegabytes: {
    env: "SHEETWIRE_HOLD_MB",
    takes: "how many megabytes of sheets stay in memory though nobody uses them, from 0 to 1000000",
    schema: numberFrom(0, 1_000_000).default(HALF_THE_HEAP_MB),
  },
  postsPerSecond: {
    env: "SHEETWIRE_POSTS_PER_SECOND",
    takes: "how many posts a second a spreadsheet may send, from 1 to 1000000",
    schema: numberFrom(1, 1_000_000).default(limits.postsPerSecond),
  },
  logLevel: { env: "SHEETWIRE_LOG_LEVEL", takes: LOG_LEVELS.join(", "), schema: z.enum(LOG_LEVELS).default("info") },
  webAppOrigins: {
    env: "SHEETWIRE_WEB_APP_ORIGINS",
    takes:
      "https:// origins without a path, with commas between them, or none (http:// and any certificate on loopback)",
    schema: z
      .union([
        z.array(z.string()),
        z.string().transform((text) => (text === "none" ? [] : text.split(",").map((one) => one.trim()))),
      ])
      .pipe(z.array(originSchema).max(20))
      .default(["https://script.google.com"]),
  },
} as const;

type Key = keyof typeof keys;
const names = Object.keys(keys) as Key[];

/** Reads the settings; the environment wins over the file. */
export function readConfig(env: NodeJS.ProcessEnv, folder: string): Config {
  const file = readFile(join(folder, CONFIG_FILE));
  const unknownInFile = Object.keys(file).filter((name) => !(name in keys));
  if (unknownInFile.length > 0) {
    throw new ConfigError(
      `${CONFIG_FILE} has unknown keys: ${unknownInFile.join(", ")}. It takes ${names.join(", ")}.`,
    );
  }
  const wrong: string[] = [];
  const read = <K extends Key>(name: K): z.output<(typeof keys)[K]["schema"]> => {
    const { env: variable, schema, takes } = keys[name];
    const fromEnv = env[variable];
    const given = fromEnv === undefined || fromEnv === "" ? file[name] : fromEnv;
    const result = schema.safeParse(given);
    if (!result.success) {
      wrong.push(`${fromEnv ? variable : `${name} in ${CONFIG_FILE}`} takes ${takes}.`);
      return undefined as z.output<(typeof keys)[K]["schema"]>;
    }
    return result.data as z.output<(typeof keys)[K]["schema"]>;
  };
  const held = {
    host: read("host"),
    port: read("port"),
    publicUrl: read("publicUrl"),
    dataDir: read("dataDir"),
    durability: read("durability"),
    store: read("store"),
    keepDays: read("keepDays"),
    keepMegabytes: read("keepMegabytes"),
    holdMegabytes: read("holdMegabytes"),
    postsPerSecond: read("postsPerSecond"),
    logLevel: read("logLevel"),
    webAppOrigins: read("webAppOrigins"),
  };
  if (wrong.length > 0) throw new ConfigError(wrong.join("\n"));
  const dataDir = resolve(folder, held.dataDir);
  return { ...held, dataDir, store: storeOf(held.store, folder, dataDir) };
}

function storeOf(text: string | undefined, folder: string, dataDir: string): StoreChoice {
  if (text === undefined) return { kind: "sqlite", path: join(dataDir, "sheetwire.db") };
  if (text === "memory:") return { kind: "memory" };
  return { kind: "sqlite", path: resolve(folder, text.slice("sqlite:".length)) };
}

function readFile(path: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return {};
    throw new ConfigError(`${path} cannot be read.`, { cause: error });
  }
  const parsed = z.record(z.string(), z.unknown()).safeParse(jsonOf(text));
  if (!parsed.success) throw new ConfigError(`${path} is not a JSON object.`);
  return parsed.data;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** `http://HOST:PORT`, with an IPv6 address in brackets; an address that means "everywhere" is reached on loopback. */
export function urlOf(host: string, port: number): string {
  const reached = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  return `http://${reached.includes(":") ? `[${reached}]` : reached}:${port}`;
}
