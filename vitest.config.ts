import { defineConfig } from "vitest/config";
import { WxtVitest } from "wxt/testing/vitest-plugin";

const jsx = { jsx: { runtime: "automatic", importSource: "preact" } } as const;

/** Two cores and real processes: a slow machine is no reason to fail, only a bound against hanging. */
const unit = { testTimeout: 30_000, hookTimeout: 30_000, expect: { poll: { timeout: 10_000 } } };

/** One file at a time, each with real programs of its own. */
const whole = {
  pool: "forks",
  fileParallelism: false,
  maxWorkers: 1,
  testTimeout: 120_000,
  expect: { poll: { timeout: 10_000 } },
  hookTimeout: 120_000,
} as const;

/** Runs under a seed: no browser, much work. */
const seeded = ["e2e/{converge,simulation,chaos}/**/*.test.ts"];

/** WXT's plugin writes FIREFOX=false into the environment, where we look for a path. */
const { FIREFOX = "" } = process.env;

/** One project a program, so that `vitest --project relay-server` runs just that one. */
export default defineConfig({
  test: {
    // All cores: by itself vitest leaves one of them idle, which is half of two.
    maxWorkers: "100%",
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
      { test: { ...whole, name: "e2e", env: { FIREFOX }, include: ["e2e/**/*.test.ts"], exclude: seeded } },
      { test: { ...whole, name: "seeded", include: seeded } },
    ],
  },
});
