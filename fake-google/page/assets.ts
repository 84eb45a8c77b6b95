/** The page's script and style, bundled once when first asked for. */
import { join } from "node:path";
import { build } from "esbuild";

export type Asset = { readonly type: string; readonly text: string };

let made: Promise<Map<string, Asset>> | undefined;

export function pageAssets(): Promise<Map<string, Asset>> {
  made ??= make();
  return made;
}

async function make(): Promise<Map<string, Asset>> {
  const result = await build({
    entryPoints: { page: join(import.meta.dirname, "client", "client.ts") },
    bundle: true,
    write: false,
    outdir: "assets",
    format: "iife",
    target: "es2022",
    minify: true,
    legalComments: "none",
    logLevel: "silent",
  });
  const assets = new Map<string, Asset>();
  for (const file of result.outputFiles) {
    const name = file.path.slice(file.path.lastIndexOf("/") + 1);
    assets.set(name, {
      type: name.endsWith(".css") ? "text/css; charset=utf-8" : "text/javascript; charset=utf-8",
      text: file.text,
    });
  }
  return assets;
}
