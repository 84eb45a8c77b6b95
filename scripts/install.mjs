// Gets a machine ready: packages, Node 24 and browsers. `node scripts/install.mjs [--no-browsers]`.
// Plain JavaScript without dependencies, since it runs with whatever Node is there, before anything is installed.
import { createHash } from "node:crypto";
import { accessSync, constants, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { projectNode } from "./run.mjs";
import { run, say, seconds } from "./steps.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

const MINUTE_MS = 60_000;

/**
 * A browser, or the words that tell a person how to get one.
 * @typedef {{ path: string } | { missing: string }} Browser
 */

/**
 * Everything that the project's commands need.
 * @param {{ browsers?: boolean }} [what]
 * @returns {Promise<{ node: string, chromium?: Browser, firefox?: Browser }>}
 */
export async function install({ browsers = true } = {}) {
  await ensurePackages();
  const node = projectNode();
  if (!browsers) return { node };
  return { node, chromium: await ensureChromium(), firefox: await ensureFirefox() };
}

/**
 * Installs the packages when they are missing or when another lockfile than last time is there. The lockfile itself is
 * left as it is.
 */
export async function ensurePackages(folder = root) {
  if (!needsPackages(folder)) return;
  say("installing packages (npm install)");
  const lockfile = join(folder, "package-lock.json");
  const before = readFileSync(lockfile);
  const npm = process.env["npm_execpath"] ?? "";
  const command = /npm-cli\.c?js$/.test(npm) ? [process.execPath, npm] : ["npm"];
  const outcome = await run([...command, "install", "--no-audit", "--no-fund"], {
    label: "npm install",
    cwd: folder,
    withinMs: 10 * MINUTE_MS,
  });
  if (!outcome.ok) throw new Error(`npm install failed (${outcome.why}):\n${outcome.output}`);
  if (!readFileSync(lockfile).equals(before)) {
    writeFileSync(lockfile, before);
    say("      npm wanted to rewrite package-lock.json; it was left as it is");
  }
  remember(folder);
  say(`      installed in ${seconds(outcome.tookMs)}`);
}

/** Whether packages are missing, or were installed from another lockfile. */
export function needsPackages(folder = root) {
  const installed = join(folder, "node_modules", ".package-lock.json");
  if (!existsSync(installed)) return true;
  const stamp = stampOf(folder);
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lockfileHash(folder)) return false;
  if (statSync(installed).mtimeMs < statSync(join(folder, "package-lock.json")).mtimeMs) return true;
  // Somebody ran npm install by hand, after the lockfile came: that will do.
  remember(folder);
  return false;
}

/** @param {string} folder */
const stampOf = (folder) => join(folder, "node_modules", ".cache", "sheetwire", "installed");

/** @param {string} folder */
const lockfileHash = (folder) =>
  createHash("sha256")
    .update(readFileSync(join(folder, "package-lock.json")))
    .digest("hex");

/** @param {string} folder */
function remember(folder) {
  mkdirSync(dirname(stampOf(folder)), { recursive: true });
  writeFileSync(stampOf(folder), lockfileHash(folder));
}

/** @typedef {{ setting: string, names: readonly string[], places: readonly string[], aptPackage: string }} Kind */

/** Chromium first: branded Chrome does not load an unpacked extension from its command line any more. @type {Kind} */
const chromium = {
  setting: "CHROMIUM",
  names: ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"],
  places: [
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  ],
  aptPackage: "chromium",
};

/** @type {Kind} */
const firefox = {
  setting: "FIREFOX",
  names: ["firefox-esr", "firefox"],
  places: ["/Applications/Firefox.app/Contents/MacOS/firefox"],
  aptPackage: "firefox-esr",
};

export const ensureChromium = () => ensureBrowser(chromium);
export const ensureFirefox = () => ensureBrowser(firefox);

/** @param {Record<string, string | undefined>} [env] @returns {string | undefined} */
export const findChromium = (env) => findBrowser(chromium, env);
/** @param {Record<string, string | undefined>} [env] @returns {string | undefined} */
export const findFirefox = (env) => findBrowser(firefox, env);

/**
 * The browser that the environment names, else one on the PATH, else one in its usual place. A named one that is not
 * there is a mistake, and is said rather than passed over.
 * @param {Kind} kind
 * @param {Record<string, string | undefined>} [env]
 * @returns {string | undefined}
 */
function findBrowser(kind, env = process.env) {
  const named = env[kind.setting];
  if (named) {
    if (isProgram(named)) return named;
    throw new Error(`${kind.setting} names ${named}, but no program is there.`);
  }
  const folders = (env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  for (const name of kind.names) {
    for (const folder of folders) {
      if (isProgram(join(folder, name))) return join(folder, name);
    }
  }
  return kind.places.find(isProgram);
}

/** @param {string} path */
function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Finds the browser or, where that needs nobody's permission, installs it. @param {Kind} kind @returns {Promise<Browser>} */
async function ensureBrowser(kind) {
  const found = findBrowser(kind);
  if (found) return { path: found };
  const command = `apt-get update && apt-get install -y ${kind.aptPackage}`;
  const missing =
    `No ${kind.aptPackage} was found. Install it (on Debian or Ubuntu: sudo sh -c '${command}') ` +
    `or set ${kind.setting} to the path of one.`;
  if (process.getuid?.() !== 0 || !isProgram("/usr/bin/apt-get")) return { missing };
  say(`installing ${kind.aptPackage} (${command})`);
  const outcome = await run(["sh", "-c", command], {
    label: `installing ${kind.aptPackage}`,
    withinMs: 8 * MINUTE_MS,
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
  const path = findBrowser(kind);
  if (path) {
    say(`      installed in ${seconds(outcome.tookMs)}`);
    return { path };
  }
  return { missing: `${missing}\napt-get said (${outcome.why ?? "no error"}):\n${outcome.output.slice(-2_000)}` };
}

if (process.argv[1] && fileURLToPath(import.meta.url) === process.argv[1]) {
  const { node, ...browsers } = await install({ browsers: !process.argv.includes("--no-browsers") });
  say(`node      ${node}`);
  for (const [name, browser] of Object.entries(browsers)) {
    say(`${name.padEnd(9)} ${"path" in browser ? browser.path : browser.missing}`);
    if (name === "chromium" && "missing" in browser) process.exitCode = 1;
  }
}
