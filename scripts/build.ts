/**
 * Builds the Apps Script bundle and both extensions, these only when their sources changed: `npm run build`. After `--`:
 * `--force` builds all the same, `--relay-url URL` lets the script call that one relay and no other address, `--emails`
 * has it ask for the right to see who edits.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { buildAppsScript } from "../apps-script/build.ts";
import { projectNode } from "./run.mjs";

const root = resolve(import.meta.dirname, "..");

export type BuildOptions = {
  readonly force?: boolean | undefined;
  readonly relayUrl?: string | undefined;
  readonly emails?: boolean | undefined;
  /** Hears of each product, in a line. */
  readonly say?: (line: string) => void;
};

/** Builds what changed since it was built last. Throws when something cannot be built; the message says what and why. */
export async function build({ force = false, relayUrl, emails, say = console.log }: BuildOptions = {}): Promise<void> {
  // Always: it takes a moment, and clasp may have written into the same folder.
  await buildAppsScript({ outDir: join(root, "apps-script", "dist"), relayUrl, emails });
  say("apps-script: built");
  for (const product of [extensionFor("chrome"), extensionFor("firefox")]) await make(product, force, say);
}

type Product = {
  name: string;
  /** Folders and files that it is made of. */
  sources: readonly string[];
  /** A file that is there when it was built. */
  result: string;
  build: () => Promise<void>;
};

const extensionFor = (browser: "chrome" | "firefox"): Product => ({
  name: `extension-${browser}`,
  sources: ["extension", "shared", "wxt.config.ts", "manifest.config.ts", "package.json"],
  result: `extension/.output/${browser}-mv3/manifest.json`,
  build: () => wxtBuild(browser),
});

/** How much of a failed build's output is repeated: the cause stands at its top, the rest is stack traces. */
const FAILURE_LINES = 20;

function wxtBuild(browser: string): Promise<void> {
  const program = join(root, "node_modules", "wxt", "bin", "wxt.mjs");
  return new Promise((done, fail) => {
    const child = spawn(projectNode(), [program, "build", "-b", browser], {
      cwd: root,
      env: { ...process.env, NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    const keep = (piece: Buffer): void => void (output += piece.toString("utf8"));
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.on("error", fail);
    child.on("close", (code) => {
      if (code === 0) return done();
      const lines = output.split("\n").filter((line) => line.trim() !== "" && !/^\s+at /.test(line));
      fail(new Error(`wxt build ended with ${code}:\n${lines.slice(0, FAILURE_LINES).join("\n")}`));
    });
  });
}

async function make(product: Product, force: boolean, say: (line: string) => void): Promise<void> {
  const stamp = join(root, "node_modules", ".cache", "sheetwire", `built-${product.name}`);
  const hash = hashOf(product);
  const isFresh = existsSync(stamp) && readFileSync(stamp, "utf8") === hash && existsSync(join(root, product.result));
  if (isFresh && !force) return say(`${product.name}: nothing changed`);
  const started = Date.now();
  try {
    await product.build();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`${product.name} could not be built. ${reason}`, { cause: error });
  }
  if (!existsSync(join(root, product.result))) throw new Error(`${product.name}: there is no ${product.result}.`);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, hash);
  say(`${product.name}: built in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

/** One hash over the names and contents of everything that a product is made of, and of the packages it is built with. */
function hashOf({ sources }: Product): string {
  const hash = createHash("sha256");
  const files = sources.flatMap((source) => {
    if (source.includes(".")) return [source];
    return globSync(`${source}/**/*.*`, {
      cwd: root,
      exclude: (path) => /(^|\/)(node_modules|dist|\.output|\.wxt|__snapshots__)(\/|$)/.test(path),
    }).filter((path) => statSync(join(root, path)).isFile());
  });
  for (const file of [...files, "package-lock.json"].toSorted()) {
    if (/\.test\.tsx?$/.test(file)) continue;
    hash
      .update(file)
      .update("\0")
      .update(readFileSync(join(root, file)))
      .update("\0");
  }
  return hash.digest("hex");
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      force: { type: "boolean" },
      "relay-url": { type: "string" },
      emails: { type: "boolean" },
    },
  });
  try {
    await build({ force: values.force, relayUrl: values["relay-url"], emails: values.emails });
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}
