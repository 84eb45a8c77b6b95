import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getHeapStatistics } from "node:v8";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CONFIG_FILE, ConfigError, readConfig, urlOf } from "./config.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sheetwire-config-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const inFile = (value: unknown): void =>
  writeFileSync(join(folder, CONFIG_FILE), typeof value === "string" ? value : JSON.stringify(value));

const complaint = (env: NodeJS.ProcessEnv = {}): string => {
  try {
    readConfig(env, folder);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error("Nothing was wrong.");
};

test("without settings a relay listens on loopback alone and keeps everything durable in ./data", () => {
  expect(readConfig({}, folder)).toEqual({
    host: "127.0.0.1",
    port: 8787,
    publicUrl: undefined,
    dataDir: join(folder, "data"),
    durability: "full",
    store: { kind: "sqlite", path: join(folder, "data", "sheetwire.db") },
    keepDays: 90,
    keepMegabytes: 1_024,
    holdMegabytes: Math.floor(getHeapStatistics().heap_size_limit / 2 / 1024 / 1024),
    postsPerSecond: 20_000,
    logLevel: "info",
    webAppOrigins: ["https://script.google.com"],
  });
});

test("the environment wins over the file, and an empty variable is none", () => {
  inFile({ port: 9_000, durability: "normal", dataDir: "/srv/sheetwire", store: "sqlite:here.db" });
  const config = readConfig(
    { SHEETWIRE_PORT: "0", SHEETWIRE_DATA_DIR: "", SHEETWIRE_PUBLIC_URL: "https://relay.example/" },
    folder,
  );
  expect(config).toMatchObject({
    port: 0,
    durability: "normal",
    dataDir: "/srv/sheetwire",
    store: { kind: "sqlite", path: join(folder, "here.db") },
    publicUrl: "https://relay.example",
  });
  expect(readConfig({ SHEETWIRE_STORE: "memory:" }, folder).store).toEqual({ kind: "memory" });
});

test.each([
  ["SHEETWIRE_PORT", "65536", "a port from 0"],
  ["SHEETWIRE_PORT", "http", "a port from 0"],
  ["SHEETWIRE_DURABILITY", "most", "full"],
  ["SHEETWIRE_STORE", "postgres://user:hunter2@db/x", "sqlite:PATH or memory:"],
  ["SHEETWIRE_STORE", "sqlite:", "sqlite:PATH"],
  ["SHEETWIRE_WEB_APP_ORIGINS", "http://script.google.com", "https:// origins"],
  ["SHEETWIRE_WEB_APP_ORIGINS", "https://script.google.com/macros", "https:// origins"],
  ["SHEETWIRE_WEB_APP_ORIGINS", "https://hunter2@script.google.com", "https:// origins"],
  ["SHEETWIRE_WEB_APP_ORIGINS", "script.google.com", "https:// origins"],
  ["SHEETWIRE_PUBLIC_URL", "ftp://hunter2/", "https://"],
  ["SHEETWIRE_PUBLIC_URL", "https://user:hunter2@relay.example", "without user"],
  ["SHEETWIRE_PUBLIC_URL", "https://relay.example/?key=hunter2", "query"],
  ["SHEETWIRE_LOG_LEVEL", "loud", "info"],
])("%s=%s is refused with the key and what it takes, and without what it held", (name, value, takes) => {
  const said = complaint({ [name]: value });
  expect(said).toContain(name);
  expect(said).toContain(takes);
  expect(said).not.toContain("hunter2");
});

test("everything that is wrong is said at once", () => {
  expect(complaint({ SHEETWIRE_PORT: "x", SHEETWIRE_DURABILITY: "y" }).split("\n")).toHaveLength(2);
});

test("a file that is no JSON object, or has a key that nobody reads, is refused", () => {
  inFile("{");
  expect(complaint()).toContain("is not a JSON object");
  inFile([1]);
  expect(complaint()).toContain("is not a JSON object");
  inFile({ prot: 1 });
  expect(complaint()).toContain("unknown keys: prot");
  inFile({ port: "x" });
  expect(complaint()).toContain(`port in ${CONFIG_FILE}`);
});

test("an address is written as it can be dialled", () => {
  expect(urlOf("127.0.0.1", 1)).toBe("http://127.0.0.1:1");
  expect(urlOf("::1", 1)).toBe("http://[::1]:1");
  expect(urlOf("0.0.0.0", 1)).toBe("http://127.0.0.1:1");
});

test("web apps are called at the origins that are listed, at none if so wished", () => {
  const originsOf = (text: string) => readConfig({ SHEETWIRE_WEB_APP_ORIGINS: text }, folder).webAppOrigins;
  expect(originsOf("https://script.google.com, https://127.0.0.1:8443")).toEqual([
    "https://script.google.com",
    "https://127.0.0.1:8443",
  ]);
  expect(originsOf("http://127.0.0.1:8443/")).toEqual(["http://127.0.0.1:8443"]);
  expect(originsOf("none")).toEqual([]);
  inFile({ webAppOrigins: ["https://script.google.com"] });
  expect(readConfig({}, folder).webAppOrigins).toEqual(["https://script.google.com"]);
});
