import { defineConfig } from "wxt";
import { manifest } from "./manifest.config.ts";

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
    oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
    build: { target: "es2023" },
  }),
  zip: {
    includeSources: ["extension/**", "shared/**", "*.ts", "package*.json", "tsconfig*.json", "README.md", "LICENSE"],
  },
});
