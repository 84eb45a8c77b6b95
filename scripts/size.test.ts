import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { extensionSizes, isGood } from "./size.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sheetwire-size-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function built(files: Record<string, string>): void {
  for (const [path, source] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), source);
  }
}
const bytesIn = (name: string): number[] => extensionSizes(name, folder).map(({ bytes }) => bytes);

test("the background weighs what it loads before it starts, each file once; what it loads later does not count", () => {
  const background = 'import"./chunks/a.js";import{x}from"/chunks/b.js";const later=()=>import("./chunks/later.js");';
  const [a, b] = ['import { y } from "./b.js";', 'export { y } from "./a.js";export const x=1;'];
  built({
    "manifest.json": JSON.stringify({ background: { service_worker: "background.js" } }),
    "background.js": background,
    "chunks/a.js": a,
    "chunks/b.js": b,
    "chunks/later.js": "x".repeat(1_000),
  });
  expect(bytesIn("Chrome")).toEqual([background.length + a.length + b.length, 0]);
});

test("Firefox's background scripts and all content scripts are weighed too", () => {
  built({
    "manifest.json": JSON.stringify({
      background: { scripts: ["one.js", "two.js"] },
      content_scripts: [{ js: ["content/a.js"] }, { js: ["content/b.js"] }],
    }),
    "one.js": "1",
    "two.js": "22",
    "content/a.js": "333",
    "content/b.js": "4444",
  });
  expect(bytesIn("Firefox")).toEqual([3, 7]);
});

test("a chunk that is missing is an error, not a saving", () => {
  built({
    "manifest.json": JSON.stringify({ background: { service_worker: "background.js" } }),
    "background.js": 'import "./gone.js";',
  });
  expect(() => bytesIn("Chrome")).toThrow("gone.js");
});

test("too much is wrong, and so is nothing", () => {
  const size = (bytes: number) => ({ name: "x", bytes, mostBytes: 40_000 });
  expect([0, 1, 40_000, 40_001].map((bytes) => isGood(size(bytes)))).toEqual([false, true, true, false]);
});
