import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { downFrameSchema, upFrameSchema } from "@sheetwire/shared/protocol";

const root = resolve(import.meta.dirname, "..");
const pages = globSync(["*.md", "docs/**/*.md"], { cwd: root }).toSorted();
const textOf = (page: string): string => readFileSync(join(root, page), "utf8");

describe("the pages for people", () => {
  test.each(pages)("%s leads only to pages that are there", (page) => {
    // Pictures are made by `npm run screenshots`, which fails by itself when it cannot.
    const links = [...textOf(page).matchAll(/(?<!!)\[[^\]]+\]\(([^)\s]+)\)/g)].map(([, target = ""]) => target);
    const own = links
      .filter((target) => !/^(https?:|mailto:|#)/.test(target))
      .map((target) => target.split("#")[0] ?? "");
    expect(own.filter((target) => !existsSync(join(root, dirname(page), target)))).toEqual([]);
  });

  test("every command they name is one that package.json has", () => {
    const { scripts }: { scripts: Record<string, string> } = JSON.parse(textOf("package.json"));
    const named = pages.flatMap((page) =>
      [...textOf(page).matchAll(/npm run (?:--prefix \S+ )?([\w:-]+)/g)].map(([, name = ""]) => name),
    );
    expect(named).not.toEqual([]);
    expect([...new Set(named)].filter((name) => !(name in scripts))).toEqual([]);
  });

  test("every decision is on the list", () => {
    const list = textOf("docs/decisions/README.md");
    const decisions = globSync("docs/decisions/0*.md", { cwd: root }).map((path) => path.split("/").at(-1) ?? "");
    expect(decisions.filter((name) => !list.includes(`(${name})`))).toEqual([]);
  });

  test("every setting of the relay stands in the page for admins", () => {
    const settings = textOf("relay-server/config.ts").match(/SHEETWIRE_[A-Z_]+/g) ?? [];
    const page = textOf("docs/admins.md");
    expect(settings).not.toEqual([]);
    expect([...new Set(settings)].filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });

  test("every message that travels has its word", () => {
    const design = textOf("docs/design.md");
    const kinds = [...upFrameSchema.options, ...downFrameSchema.options].map(({ shape }) => shape.kind.value);
    expect(kinds).toContain("watching");
    expect(kinds.filter((kind) => !design.includes(`\`${kind}\``))).toEqual([]);
  });
});
