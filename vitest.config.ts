import { defineConfig } from "vitest/config";
import { WxtVitest } from "wxt/testing/vitest-plugin";

const jsx = { jsx: { runtime: "automatic", importSource: "preact" } } as const;

/** Two cores and real processes: a slow machine is no reason to fail, only a bound against hanging. */
const unit = { testTimeout: 30_000, hookTimeout: 30_000 };

/** WXT's plugin writes FIREFOX=false into the environment, where we look for a path. */
const { FIREFOX = "" } = process.env;

/** One project a program, so that `vitest --project relay-server` runs just that one. */
export default defineConfig({
  test: {
    projects: [
      { test: { ...unit, name: "shared", include: ["shared/**/*.test.ts"] } },
      { oxc: jsx, test: { ...unit, name: "ui", include: ["shared/ui/**/*.test.tsx"] } },
      { test: { ...unit, name: "apps-script", include: ["apps-script/**/*.test.ts"] } },
      { test: { ...unit, name: "relay-server", include: ["relay-server/**/*.test.ts"] } },
      { test: { ...unit, name: "fake-google", include: ["fake-google/**/*.test.ts"] } },
      { test: { ...unit, name: "house", include: ["scripts/**/*.test.ts", "*.test.ts"] } },
      {
        oxc: jsx,
        plugins: [await WxtVitest()],
        test: { ...unit, name: "extension", include: ["extension/**/*.test.{ts,tsx}"] },
      },
      {
        test: {
          name: "e2e",
          env: { FIREFOX },
          include: ["e2e/**/*.test.ts"],
          pool: "forks",
          // One stage at a time: each has browsers, a relay and a stand-in for Google of its own.
          fileParallelism: false,
          maxWorkers: 1,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
