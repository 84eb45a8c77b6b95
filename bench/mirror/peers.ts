/** Who is measured, and the bundles that run in the browser. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { build } from "esbuild";

export const peerNames = ["floor", "rows", "sqlite", "sqlite-wal", "yjs", "mirror"] as const;
export type PeerName = (typeof peerNames)[number];

const pageDir = join(import.meta.dirname, "page");
/** SQLite can hold its files open in a worker only. */
const onlyInWorker: readonly PeerName[] = ["sqlite", "sqlite-wal"];

/** Path to content of what a peer's origin serves. */
export type Assets = Map<string, { type: string; body: string | Uint8Array }>;

/** Bundled and minified as the extension is. Throws when the peer's packages cannot be had. */
export async function assetsOf(peer: PeerName): Promise<Assets> {
  const from = `import { peer } from "./${peer}.ts";`;
  const viaWorker = `import { remotePeer } from "./remote.ts"; const peer = remotePeer(new Worker("/worker.js", { type: "module" }));`;
  // A page that shows a sheet opens the mirror by the door that the panel uses.
  const shown = peer === "mirror" ? `import { peer } from "./mirror-shown.ts";` : from;
  const reload = `import { paint } from "./reload.ts"; ${onlyInWorker.includes(peer) ? viaWorker : shown} void paint(peer);`;
  const page = `import { remotePeer } from "./remote.ts";
    globalThis.ask = remotePeer(new Worker("/worker.js", { type: "module" })).ask;`;
  const script = async (contents: string) => ({ type: "text/javascript", body: await bundled(contents) });
  const assets: Assets = new Map([
    ["/", { type: "text/html", body: html("/page.js", peer) }],
    ["/reload", { type: "text/html", body: html("/reload.js", peer) }],
    ["/page.js", await script(page)],
    ["/reload.js", await script(reload)],
    ["/worker.js", await script(`${from} import { serve } from "./worker.ts"; serve(peer);`)],
  ]);
  if (onlyInWorker.includes(peer)) {
    const wasm = createRequire(import.meta.url).resolve("@sqlite.org/sqlite-wasm/sqlite3.wasm");
    assets.set("/sqlite3.wasm", { type: "application/wasm", body: readFileSync(wasm) });
  }
  return assets;
}

export const html = (script: string, title: string): string =>
  `<!doctype html><meta charset="utf-8"><title>${title}</title><body><script type="module" src="${script}"></script>`;

/** One script of what is in `page/`. */
export async function bundled(contents: string): Promise<string> {
  const result = await build({
    stdin: { contents, resolveDir: pageDir, loader: "ts", sourcefile: "entry.ts" },
    bundle: true,
    write: false,
    format: "esm",
    minify: true,
    target: "es2023",
    logLevel: "silent",
  });
  return result.outputFiles[0]?.text ?? "";
}
