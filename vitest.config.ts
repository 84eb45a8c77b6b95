import { defineConfig } from "vitest/config";
import { WxtVitest } from "wxt/testing/vitest-plugin";

const jsx = { jsx: { runtime: "automatic", importSource: "preact" } } as const;

/** One project a program, so that `vitest --project relay-server` runs just that one. */
export default defineConfig({
  test: {
    projects: [
      { test: { name: "shared", include: ["shared/**/*.test.ts"] } },
      { oxc: jsx, test: { name: "ui", include: ["shared/ui/**/*.test.tsx"] } },
      { test: { name: "apps-script", include: ["apps-script/**/*.test.ts"] } },
      { test: { name: "relay-server", include: ["relay-server/**/*.test.ts"] } },
      { test: { name: "fake-google", include: ["fake-google/**/*.test.ts"] } },
      { test: { name: "house", include: ["scripts/**/*.test.ts", "*.test.ts"] } },
      {
        oxc: jsx,
        plugins: [await WxtVitest()],
        test: { name: "extension", include: ["extension/**/*.test.{ts,tsx}"] },
      },
      {
        test: {
          name: "e2e",
          include: ["e2e/**/*.test.ts"],
          pool: "forks",
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
