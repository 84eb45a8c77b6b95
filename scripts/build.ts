/** Builds the Apps Script bundle and both extensions, each only when its sources changed. `npm run build [-- --force]` */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { projectNode } from "./run.mjs";

const root = resolve(import.meta.dirname, "..");
const exec = promisify(execFile);

type Product = {
  name: string;
  /** Folders and files that it is made of. */
  sources: readonly string[];
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
    async build() {
      const module: unknown = await import(pathToFileURL(join(root, "apps-script", "build.ts")).href);
      if (!hasBuild(module)) throw new Error("apps-script/build.ts exports no function buildAppsScript.");
      await module.buildAppsScript();
    },
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

type HasBuild = { buildAppsScript: () => Promise<unknown> };
const hasBuild = (module: unknown): module is HasBuild =>
  typeof module === "object" &&
  module !== null &&
  "buildAppsScript" in module &&
  typeof module.buildAppsScript === "function";

/** One hash over the names and contents of everything that a product is made of, and of the packages it is built with. */
function hashOf(sources: readonly string[]): string {
  const hash = createHash("sha256");
  const files = sources.flatMap((source) => {
    if (source.includes(".")) return [source];
    return globSync(`${source}/**/*.*`, {
      cwd: root,
      exclude: (path) => /(^|\/)(node_modules|dist|\.output|\.wxt|__snapshots__)(\/|$)/.test(path),
    });
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
  const hash = hashOf(product.sources);
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

const force = process.argv.includes("--force");
for (const product of products) {
  try {
    await make(product, force);
  } catch (error) {
    const output = error instanceof Error && "stderr" in error ? `\n${String(error.stderr)}` : "";
    console.error(`${product.name}: ${error instanceof Error ? error.message : String(error)}${output}`);
    process.exitCode = 1;
  }
}
