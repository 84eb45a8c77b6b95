/** Holds the built programs to their sizes, in bytes as they are loaded (1 kB = 1000 bytes). `node scripts/size.ts` */
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { join, posix, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const KB = 1000;

type Manifest = {
  background?: { service_worker?: string; scripts?: string[] };
  content_scripts?: { js?: string[] }[];
};

/** A file and every file that it imports before it can start, once each. Imports written as `import(…)` load later. */
function withStaticImports(folder: string, file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen;
  seen.add(file);
  const source = readFileSync(join(folder, file), "utf8");
  for (const [, specifier = ""] of source.matchAll(/(?:\bfrom|\bimport)\s*["'](\.{0,2}\/[^"']+\.js)["']/g)) {
    const path = specifier.startsWith("/") ? specifier.slice(1) : posix.join(posix.dirname(file), specifier);
    withStaticImports(folder, path, seen);
  }
  return seen;
}

const bytesOf = (folder: string, files: Iterable<string>): number =>
  [...files].reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);

for (const built of [
  "apps-script/dist/Code.js",
  "extension/.output/chrome-mv3/manifest.json",
  "extension/.output/firefox-mv3/manifest.json",
]) {
  if (existsSync(join(root, built))) continue;
  console.error(`There is no ${built}. Build first: npm run build`);
  process.exit(1);
}

const rows: { name: string; bytes: number; mostBytes: number }[] = [];

const script = join(root, "apps-script", "dist");
rows.push({
  name: "Apps Script bundle",
  bytes: bytesOf(script, globSync("**/*.js", { cwd: script })),
  mostBytes: 40 * KB,
});

for (const browser of ["chrome", "firefox"]) {
  const folder = join(root, "extension", ".output", `${browser}-mv3`);
  const manifest: Manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8"));
  const worker = manifest.background?.service_worker;
  const starts = worker ? [worker] : (manifest.background?.scripts ?? []);
  const loaded = new Set(starts.flatMap((file) => [...withStaticImports(folder, file)]));
  rows.push({ name: `${browser}: background`, bytes: bytesOf(folder, loaded), mostBytes: 250 * KB });
  const content = (manifest.content_scripts ?? []).flatMap((one) => one.js ?? []);
  rows.push({ name: `${browser}: content script`, bytes: bytesOf(folder, content), mostBytes: 60 * KB });
}

for (const { name, bytes, mostBytes } of rows) {
  const isGood = bytes > 0 && bytes <= mostBytes;
  const verdict = bytes === 0 ? "MISSING" : isGood ? "ok" : "TOO LARGE";
  console.log(`${name.padEnd(24)} ${(bytes / KB).toFixed(1).padStart(7)} kB of ${mostBytes / KB} kB  ${verdict}`);
  if (!isGood) process.exitCode = 1;
}
