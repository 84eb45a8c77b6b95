/** Holds the built programs to their sizes, in bytes as they are loaded (1 kB = 1000 bytes). `node scripts/size.ts` */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join, posix, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const KB = 1000;

type Manifest = {
  background?: { service_worker?: string; scripts?: string[] };
  content_scripts?: { js?: string[] }[];
};

export type Size = { readonly name: string; readonly bytes: number; readonly mostBytes: number };

/** The sizes of a built extension: its background with all that must be loaded before it starts, its content scripts. */
export function extensionSizes(name: string, folder: string): Size[] {
  const manifest: Manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8"));
  const worker = manifest.background?.service_worker;
  const starts = worker ? [worker] : (manifest.background?.scripts ?? []);
  const loaded = new Set<string>();
  for (const file of starts) addStaticImports(folder, file, loaded);
  const content = (manifest.content_scripts ?? []).flatMap((one) => one.js ?? []);
  return [
    { name: `${name}: background`, bytes: bytesOf(folder, loaded), mostBytes: 250 * KB },
    { name: `${name}: content script`, bytes: bytesOf(folder, content), mostBytes: 60 * KB },
  ];
}

/** Adds a file and every file that it imports before it can start. What is written as `import(…)` loads later. */
function addStaticImports(folder: string, file: string, loaded: Set<string>): void {
  if (loaded.has(file)) return;
  loaded.add(file);
  const source = readFileSync(join(folder, file), "utf8");
  for (const [, specifier = ""] of source.matchAll(/(?:\bfrom|\bimport)\s*["'](\.{0,2}\/[^"']+\.js)["']/g)) {
    const path = specifier.startsWith("/") ? specifier.slice(1) : posix.join(posix.dirname(file), specifier);
    addStaticImports(folder, path, loaded);
  }
}

const bytesOf = (folder: string, files: Iterable<string>): number =>
  [...files].reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);

/** Nothing at all is as wrong as too much: it means that we looked in the wrong place. */
export const isGood = ({ bytes, mostBytes }: Size): boolean => bytes > 0 && bytes <= mostBytes;

function main(): void {
  const bundle = join(root, "apps-script", "dist", "Code.js");
  const folders = ["chrome", "firefox"].map((browser) => join(root, "extension", ".output", `${browser}-mv3`));
  const missing = [bundle, ...folders].filter((path) => !existsSync(path));
  if (missing.length > 0) {
    console.error(`Not built: ${missing.join(", ")}. Build first: npm run build`);
    process.exitCode = 1;
    return;
  }
  const sizes = [
    { name: "Apps Script bundle", bytes: statSync(bundle).size, mostBytes: 40 * KB },
    ...folders.flatMap((folder) => extensionSizes(folder.endsWith("chrome-mv3") ? "Chrome" : "Firefox", folder)),
  ];
  for (const size of sizes) {
    const number = size.bytes.toLocaleString("en").padStart(8);
    const verdict = size.bytes === 0 ? "MISSING" : isGood(size) ? "ok" : "TOO LARGE";
    console.log(`${size.name.padEnd(24)} ${number} of ${size.mostBytes.toLocaleString("en")} bytes  ${verdict}`);
    if (!isGood(size)) process.exitCode = 1;
  }
}

if (import.meta.main) main();
