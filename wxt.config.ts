import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { defineConfig } from "wxt";
import { manifest } from "./manifest.config.ts";

/**
 * Schemas can write themselves down as JSON Schema, and say in English what is wrong with a message: nobody asks for either
 * in a browser, and together they are an eighth of what the background has to load before it wakes. Their names stay, so
 * that a version of zod that needs more of them does not build.
 */
const withoutWords = {
  name: "without-words",
  load(id: string): string | undefined {
    if (id.endsWith("zod/v4/locales/en.js")) return "export default () => ({});";
    if (!/zod\/v4\/core\/(?:json-schema-processors|to-json-schema)\.js$/.test(id)) return undefined;
    const names = readFileSync(id, "utf8").matchAll(/^export (?:const|function) (\w+)/gm);
    return [...names].map(([, name]) => `export const ${name} = () => undefined;`).join("\n");
  },
};

/** At the root, because the sources that Mozilla rebuilds are taken from here and need `shared/`. */
export default defineConfig({
  srcDir: "extension",
  publicDir: "extension/public",
  modulesDir: "extension/modules",
  outDir: "extension/.output",
  manifestVersion: 3,
  manifest: (env) => manifest(env),
  imports: false,
  webExt: { disabled: true },
  vite: () => ({
    plugins: [withoutWords],
    // Written for the browsers we ask for; what is found by name is for those of 2015, and larger.
    resolve: { alias: { dexie: resolve(import.meta.dirname, "node_modules/dexie/dist/modern/dexie.mjs") } },
    oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
    build: { target: "es2023" },
  }),
  zip: {
    includeSources: ["extension/**", "shared/**", "*.ts", "package*.json", "tsconfig*.json", "README.md", "LICENSE"],
  },
});
