/**
 * Builds the Apps Script bundle and both extensions, each only when its sources changed: `npm run build`. After `--`:
 * `--force` builds all the same, `--relay-url URL` lets the script call that one relay and no other address, `--emails`
 * has it ask for the right to see who edits.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseArgs, promisify } from "node:util";
import { buildAppsScript } from "../apps-script/build.ts";
import { projectNode } from "./run.mjs";

const root = resolve(import.meta.dirname, "..");
const exec = promisify(execFile);

const { values: asked } = parseArgs({
  options: {
    force: { type: "boolean", default: false },
    "relay-url": { type: "string" },
    emails: { type: "boolean", default: false },
  },
});

type Product = {
  name: string;
  /** Folders and files that it is made of. */
  sources: readonly string[];
  /** What else decides how it comes out. */
  settings?: string;
  /** A file that is there when it was built. */
  result: string;
  build: () => Promise<void>;
};

const wxt = async (browser: string): Promise<void> => {
  const program = join(root, "node_modules", "wxt", "bin", "wxt.mjs");
  await exec(projectNode(), [program, "build", "-b", browser], { cwd: root, maxBuffer: 16 * 1024 * 1024 });
};
const extensionSources = ["extension", "shared", "wxt.config.ts", "manifest.config.ts", "package.json"];

const products: readonly Product[] = [
  {
    name: "apps-script",
    sources: ["apps-script", "shared"],
    result: "apps-script/dist/appsscript.json",
    settings: JSON.stringify([asked["relay-url"], asked.emails]),
    build: () =>
      buildAppsScript({
        outDir: join(root, "apps-script", "dist"),
        relayUrl: asked["relay-url"],
        emails: asked.emails,
      }),
  },
  {
    name: "extension for Chrome",
    sources: extensionSources,
    result: "extension/.output/chrome-mv3/manifest.json",
    build: () => wxt("chrome"),
  },
  {
    name: "extension for Firefox",
    sources: extensionSources,
    result: "extension/.output/firefox-mv3/manifest.json",
    build: () => wxt("firefox"),
  },
];

/** One hash over the names and contents of everything that a product is made of, and of the packages it is built with. */
function hashOf({ sources, settings = "" }: Product): string {
  const hash = createHash("sha256").update(settings);
  const files = sources.flatMap((source) => {
    if (source.includes(".")) return [source];
    return globSync(`${source}/**/*.*`, {
      cwd: root,
      exclude: (path) => /(^|\/)(node_modules|dist|\.output|\.wxt|__snapshots__)(\/|$)/.test(path),
    }).filter((path) => statSync(join(root, path)).isFile());
  });
  for (const file of [...files, "package-lock.json"].toSorted()) {
    if (/\.test\.tsx?$/.test(file)) continue;
    const path = join(root, file);
    if (!existsSync(path)) throw new Error(`${file} is missing.`);
    hash.update(file).update("\0").update(readFileSync(path)).update("\0");
  }
  return hash.digest("hex");
}

async function make(product: Product, force: boolean): Promise<void> {
  const stamp = join(root, "node_modules", ".cache", "sheetwire", `built-${product.name.replaceAll(" ", "-")}`);
  const hash = hashOf(product);
  const isFresh = existsSync(stamp) && readFileSync(stamp, "utf8") === hash && existsSync(join(root, product.result));
  if (isFresh && !force) {
    console.log(`${product.name}: nothing changed`);
    return;
  }
  const started = Date.now();
  await product.build();
  if (!existsSync(join(root, product.result))) throw new Error(`Built, but there is no ${product.result}.`);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, hash);
  console.log(`${product.name}: built in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

for (const product of products) {
  try {
    await make(product, asked.force);
  } catch (error) {
    const output = error instanceof Error && "stderr" in error ? `\n${String(error.stderr)}` : "";
    console.error(`${product.name}: ${error instanceof Error ? error.message : String(error)}${output}`);
    process.exitCode = 1;
  }
}
