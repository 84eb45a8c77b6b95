import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { actionNames } from "../grid/grid.ts";
import { createHostility } from "../hostile/hostile.ts";
import { profileNamed, profileSchema } from "./triggers.ts";

const normal = profileNamed("normal");

test("the written table of actions and events is the normal profile", () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const section = readme.slice(readme.indexOf("## What each action fires"), readme.indexOf("## Control"));
  const lines = [...section.matchAll(/^\| (\w+) \| (\w+) \| (\w+) \|/gm)].filter(([, name]) => name !== "action");
  expect(Object.fromEntries(lines.map(([, name, edit, change]) => [name, { edit, change }]))).toEqual(normal?.events);
});

test("every action has its line in the profile", () => {
  const lines = Object.keys(normal?.events ?? {});
  expect(actionNames.filter((name) => !lines.includes(name))).toEqual([]);
});

test("what programs and time do fires nothing", () => {
  for (const name of ["apiWrite", "scriptWrite", "recalc", "importData"]) {
    expect(normal?.events[name]).toEqual({ edit: "none", change: "none" });
  }
});

test("a profile with an unknown change type is refused", () => {
  expect(
    profileSchema.safeParse({ ...normal, events: { type: { edit: "values", change: "SOMETHING" } } }).success,
  ).toBe(false);
});

test("the written table of faults names each of them, with the chance it has", () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const lines = [...readme.matchAll(/^\| `(\w+)` \| .+ \| ([\d.]+)[^|]* \|$/gm)];
  const { chances } = createHostility(1, {}, 0);
  expect(Object.fromEntries(lines.map(([, name, chance]) => [name, Number(chance)]))).toEqual(chances);
});
