import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { findChromium, needsPackages } from "./install.mjs";
import { run } from "./steps.mjs";
import { choose, countsOf } from "./test.mjs";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sheetwire-scripts-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("the last line counts", () => {
  test("tests that passed and failed", () => {
    const report = { numPassedTests: 7, numFailedTests: 2, numPendingTests: 1, testResults: [] };
    expect(countsOf(report, false)).toEqual({ passed: 7, failed: 2, skipped: 1 });
  });

  test("a test file that could not be loaded as one failed", () => {
    const report = {
      numPassedTests: 7,
      numFailedTests: 0,
      testResults: [
        { status: "failed", assertionResults: [] },
        { status: "passed", assertionResults: [{}] },
      ],
    };
    expect(countsOf(report, false)).toMatchObject({ passed: 7, failed: 1 });
  });

  test("a run that ended badly without saying why as one failed", () => {
    expect(countsOf({ numPassedTests: 7, numFailedTests: 0 }, false)).toMatchObject({ failed: 1 });
    expect(countsOf(undefined, false)).toMatchObject({ passed: 0, failed: 1 });
  });

  test("a run in which nothing was tested as one failed", () => {
    expect(countsOf({ numPassedTests: 0, numFailedTests: 0 }, true)).toMatchObject({ failed: 1 });
  });
});

describe("npm test -- --only", () => {
  const namesOf = (args: string[]) => {
    const choice = choose(args);
    return "chosen" in choice ? choice.chosen.map(({ name }) => name) : choice;
  };

  test("without it every group runs", () => {
    expect(namesOf([])).toEqual(["generate", "check", "build", "unit", "e2e"]);
  });

  test("a group brings along what it needs", () => {
    expect(namesOf(["--only", "e2e"])).toEqual(["generate", "build", "e2e"]);
    expect(namesOf(["--only=check,generate"])).toEqual(["generate", "check"]);
  });

  test("a name that is none is refused with the names there are", () => {
    expect(namesOf(["--only", "untit"])).toEqual({
      wrong: expect.stringContaining("generate, check, build, unit, e2e"),
    });
    expect(namesOf(["--onyl", "unit"])).toEqual({ wrong: expect.stringContaining("--onyl") });
  });

  test("--help says what the groups are, and runs nothing", () => {
    const { stdout, status } = spawnSync(process.execPath, [resolve(import.meta.dirname, "test.mjs"), "--help"], {
      encoding: "utf8",
    });
    expect(stdout).toContain("whole journeys in real browsers");
    expect(status).toBe(0);
  });
});

describe("a step", () => {
  const node = (source: string): string[] => [process.execPath, "-e", source];

  test("that fails keeps what it said", async () => {
    const outcome = await run(node("console.log('said'); process.exit(3)"), { label: "x", withinMs: 10_000 });
    expect(outcome).toMatchObject({ ok: false, output: "said", why: "exit code 3" });
  });

  test("that takes too long is ended, and so is what it started", async () => {
    const child =
      "require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], {stdio: 'inherit'})";
    const outcome = await run(node(`${child}; setInterval(() => {}, 1000)`), { label: "x", withinMs: 500 });
    // `close` waits until nobody holds the pipes any more, the grandchild included.
    expect(outcome.ok).toBe(false);
    expect(outcome.why).toContain("not finished within");
  });

  test("whose program does not exist fails with a reason", async () => {
    const outcome = await run(["no-such-program-here"], { label: "x", withinMs: 10_000 });
    expect(outcome.ok).toBe(false);
    expect(outcome.why).toContain("ENOENT");
  });
});

describe("installing", () => {
  const lockfile = () => join(folder, "package-lock.json");
  const installed = () => join(folder, "node_modules", ".package-lock.json");
  const at = (path: string, seconds: number) => utimesSync(path, seconds, seconds);

  test("packages are installed when there are none", () => {
    writeFileSync(lockfile(), "{}");
    expect(needsPackages(folder)).toBe(true);
  });

  test("packages are installed again when the lockfile is newer, or another one than last time", () => {
    mkdirSync(join(folder, "node_modules"));
    writeFileSync(lockfile(), "{}");
    writeFileSync(installed(), "{}");
    at(installed(), 1_000);
    at(lockfile(), 2_000);
    expect(needsPackages(folder)).toBe(true);
    at(installed(), 3_000);
    expect(needsPackages(folder)).toBe(false);
    at(lockfile(), 4_000);
    expect(needsPackages(folder)).toBe(false);
    writeFileSync(lockfile(), '{"other":1}');
    expect(needsPackages(folder)).toBe(true);
    // Somebody installed by hand meanwhile.
    writeFileSync(installed(), "{}");
    at(lockfile(), 5_000);
    expect(needsPackages(folder)).toBe(false);
  });

  test("a browser named in the environment comes before one on the PATH, and must exist", () => {
    const program = join(folder, "chromium");
    writeFileSync(program, "#!/bin/sh\n");
    chmodSync(program, 0o755);
    expect(findChromium({ PATH: `/nowhere:${folder}` })).toBe(program);
    expect(findChromium({ CHROMIUM: process.execPath, PATH: folder })).toBe(process.execPath);
    expect(() => findChromium({ CHROMIUM: join(folder, "gone"), PATH: folder })).toThrow("CHROMIUM names");
  });

  test("a file that cannot be run is not taken for a browser", () => {
    writeFileSync(join(folder, "chromium"), "text");
    chmodSync(join(folder, "chromium"), 0o644);
    const found = findChromium({ PATH: folder });
    expect(found).not.toBe(join(folder, "chromium"));
  });

  test("who may not install a browser is told the one command that does", () => {
    const { stdout } = spawnSync(
      process.execPath,
      [
        "-e",
        `import(${JSON.stringify(resolve(import.meta.dirname, "install.mjs"))}).then(async (m) => console.log(JSON.stringify(await m.ensureChromium())))`,
      ],
      { encoding: "utf8", env: { PATH: folder }, ...(process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}) },
    );
    expect(JSON.parse(stdout)).toEqual({ missing: expect.stringContaining("apt-get install -y chromium") });
  });
});
