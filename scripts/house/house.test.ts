import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { wrongArrow } from "./house.ts";

const judge = (from: string, specifier: string, typeOnly = false) => wrongArrow({ from, specifier, typeOnly });

/** What the house forbids: the file, its import, and a word of the reason. */
const faults: readonly [from: string, specifier: string, reason: string][] = [
  ["shared/grid/a1.ts", "../../relay-server/log/log.ts", "shared knows no program"],
  ["shared/grid/a1.ts", "@sheetwire/relay-server/log", "shared knows no program"],
  ["shared/grid/grid.test.ts", "../../fake-google/fake-google.ts", "shared knows no program"],
  ["shared/grid/a1.ts", "../protocol/cell.ts", "shared has doors"],
  ["shared/grid/a1.ts", "@sheetwire/shared/digest", "shared/grid may not import shared/digest"],
  ["shared/grid/a1.ts", "@sheetwire/shared/grid", "named by their path"],
  ["shared/grid/a1.ts", "node:fs", "shared is pure"],
  ["shared/grid/a1.ts", "zod", "shared/grid may not import zod"],
  ["relay-server/ingest/ingest.ts", "../../shared/protocol/post.ts", "shared has doors"],
  ["relay-server/ingest/ingest.ts", "../../extension/sync/sync.ts", "programs meet only in shared"],
  ["relay-server/ingest/ingest.ts", "@sheetwire/extension/sync/sync.ts", "programs meet only in shared"],
  ["extension/sync/sync.ts", "@sheetwire/apps-script/main.ts", "programs meet only in shared"],
  ["relay-server/ingest/ingest.ts", "../log/head.ts", "log has one door"],
  ["relay-server/ingest/ingest.ts", "../log/engines/sqlite.ts", "engines are chosen"],
  ["relay-server/log/log.ts", "./engines/sqlite.ts", "engines are chosen"],
  ["relay-server/relay.ts", "./log/engines/memory.ts", "engines are chosen"],
  ["relay-server/ingest/ingest.ts", "../main.ts", "nobody imports it"],
  ["extension/entrypoints/sidepanel/main.tsx", "../../connection/connection.ts", "a surface only shows"],
  ["extension/entrypoints/popup/main.tsx", "../../sync/sync.ts", "a surface only shows"],
  ["extension/entrypoints/sheets.content/index.tsx", "../../sync/sync.ts", "a surface only shows"],
  ["extension/entrypoints/popup/main.tsx", "../sidepanel/grid.tsx", "nobody imports it"],
  ["extension/connection/connection.ts", "../mirror/mirror.ts", "connection knows only shared"],
  ["extension/connection/connection.ts", "wxt/browser", "connection knows no browser extension"],
  ["extension/mirror/mirror.ts", "dexie", "the schema alone knows Dexie"],
  ["fake-google/sheet/sheet.ts", "@sheetwire/shared/grid", "fake-google behaves as Google does"],
  ["fake-google/sheet/sheet.ts", "@sheetwire/shared/protocol", "fake-google behaves as Google does"],
  ["apps-script/reading/reading.ts", "@sheetwire/shared/protocol", "import type"],
  ["apps-script/reading/reading.ts", "../../../elsewhere/x.ts", "outside the repository"],
];

/** What it allows. */
const goodArrows: readonly [from: string, specifier: string, typeOnly?: boolean][] = [
  ["shared/digest/digest.ts", "@sheetwire/shared/grid"],
  ["shared/digest/digest.ts", "./murmur.ts"],
  ["shared/protocol/cell.ts", "zod"],
  ["shared/ui/ui.tsx", "preact/hooks"],
  ["shared/signing/signing.test.ts", "node:crypto"],
  ["relay-server/ingest/ingest.ts", "../log/log.ts", true],
  ["relay-server/relay.ts", "./ingest/ingest.ts"],
  ["relay-server/main.ts", "./log/engines/sqlite.ts"],
  ["relay-server/log/engines/memory.ts", "../log.ts"],
  ["relay-server/ingest/ingest.test.ts", "../log/engines/memory.ts"],
  ["relay-server/ingest/ingest.ts", "../config.ts", true],
  ["extension/entrypoints/background.ts", "../sync/sync.ts"],
  ["extension/entrypoints/sidepanel/main.tsx", "../../mirror/mirror.ts"],
  ["extension/entrypoints/sidepanel/main.tsx", "./grid.tsx"],
  ["extension/schema/schema.ts", "dexie"],
  ["fake-google/sheet/sheet.ts", "@sheetwire/shared/protocol", true],
  ["apps-script/reading/reading.ts", "@sheetwire/shared/protocol", true],
  ["apps-script/main.ts", "@sheetwire/shared/digest"],
  ["e2e/journeys/one-edit.test.ts", "../../relay-server/log/engines/memory.ts"],
  ["bench/digest.ts", "../shared/digest/murmur.ts"],
  ["wxt.config.ts", "./manifest.config.ts"],
];

describe("who may import whom", () => {
  test.each(faults)("%s may not import %s", (from, specifier, reason) => {
    expect(judge(from, specifier)).toContain(reason);
  });

  test.each(goodArrows)("%s may import %s", (from, specifier, typeOnly) => {
    expect(judge(from, specifier, typeOnly ?? false)).toBeUndefined();
  });
});

describe("the linter holds the house rules", () => {
  const root = resolve(import.meta.dirname, "..", "..");
  const folders: string[] = [];
  afterEach(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  });

  /** A copy of the linter's real settings with planted files; answers what the linter says of them. */
  function lint(files: Record<string, string>): { failed: boolean; output: string } {
    const folder = mkdtempSync(join(tmpdir(), "house-"));
    folders.push(folder);
    cpSync(join(root, ".oxlintrc.json"), join(folder, ".oxlintrc.json"));
    cpSync(join(root, "scripts/house"), join(folder, "scripts/house"), { recursive: true });
    for (const [path, source] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), source);
    }
    const oxlint = join(root, "node_modules/oxlint/bin/oxlint");
    const { status, stdout, stderr } = spawnSync(process.execPath, [oxlint, "--deny-warnings", ...Object.keys(files)], {
      cwd: folder,
      encoding: "utf8",
      timeout: 30_000,
    });
    return { failed: status !== 0, output: stdout + stderr };
  }

  test.each([
    ["an import of another program", 'import "../../extension/sync/sync.ts";\n', "programs meet only in shared"],
    ["an import past a door", 'import "../log/head.ts";\n', "log has one door"],
    ["a type taken past a door", 'export type { Head } from "../log/head.ts";\n', "log has one door"],
    ["an inline type past a door", 'export type Held = import("../log/head.ts").Head;\n', "log has one door"],
    ["a late import of an engine", 'export const open = () => import("../log/engines/sqlite.ts");\n', "engines are"],
    ["everything re-exported past a door", 'export * from "../log/head.ts";\n', "log has one door"],
  ])("%s makes the check fail", (_name, source, reason) => {
    const { failed, output } = lint({ "relay-server/ingest/planted.ts": source });
    expect(output).toContain(reason);
    expect(failed).toBe(true);
  });

  test("a good import passes the same check", () => {
    const { failed, output } = lint({ "relay-server/ingest/planted.ts": 'export { head } from "../log/log.ts";\n' });
    expect(output).toContain("0 errors");
    expect(failed).toBe(false);
  });

  test("a circle of imports makes the check fail", () => {
    const { failed, output } = lint({
      "relay-server/ingest/one.ts": 'import { two } from "./two.ts";\nexport const one = (): number => two() + 1;\n',
      "relay-server/ingest/two.ts": 'import { one } from "./one.ts";\nexport const two = (): number => one() - 1;\n',
    });
    expect(output).toContain("import(no-cycle)");
    expect(failed).toBe(true);
  });
});
