/** A script project as it is pushed to Google: one global scope of code, HTML files and a manifest. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse, type Program } from "acorn";
import * as z from "zod";

export type Bundle = {
  readonly code: string;
  /** Names of the global functions: what triggers and menus can call. */
  readonly functions: ReadonlySet<string>;
  readonly html: Readonly<Record<string, string>>;
  readonly manifest: Manifest;
};

const manifestSchema = z.looseObject({
  timeZone: z.string().default("Etc/UTC"),
  runtimeVersion: z.literal("V8", { error: "Rhino is gone: runtimeVersion has to be V8." }).default("V8"),
  oauthScopes: z.array(z.string()).optional(),
  urlFetchWhitelist: z.array(z.string()).optional(),
  webapp: z.looseObject({ access: z.string().optional(), executeAs: z.string().optional() }).optional(),
});
export type Manifest = z.infer<typeof manifestSchema>;

/** Reads what `clasp push` would push from a folder. Throws with the reason Google would give for refusing it. */
export async function readBundle(dir: string): Promise<Bundle> {
  const names = (await readdir(dir)).toSorted();
  const files = new Map<string, string>();
  for (const name of names) {
    if (/\.(js|gs|html)$/.test(name) || name === "appsscript.json")
      files.set(name, await readFile(join(dir, name), "utf8"));
  }
  return makeBundle(files);
}

export function makeBundle(files: ReadonlyMap<string, string>): Bundle {
  const code = [...files]
    .filter(([name]) => /\.(js|gs)$/.test(name))
    .map(([, text]) => text)
    .join("\n");
  if (code === "") throw new Error("There is no script: neither a .js nor a .gs file.");
  const manifestText = files.get("appsscript.json");
  if (manifestText === undefined) throw new Error("There is no appsscript.json.");
  const manifest = manifestSchema.safeParse(JSON.parse(manifestText));
  if (!manifest.success) throw new Error(`appsscript.json: ${z.prettifyError(manifest.error)}`);
  const html = Object.fromEntries(
    [...files].filter(([name]) => name.endsWith(".html")).map(([name, text]) => [name.replace(/\.html$/, ""), text]),
  );
  return { code, functions: globalFunctions(code), html, manifest: manifest.data };
}

/** Google refuses to save what its parser does not know: class fields, modules, top-level await. */
function globalFunctions(code: string): Set<string> {
  let program: Program;
  try {
    program = parse(code, { ecmaVersion: 2021, sourceType: "script" });
  } catch (error) {
    throw new Error(
      `Google would refuse to save this script: ${error instanceof Error ? error.message : "syntax error"}`,
      { cause: error },
    );
  }
  const names = new Set<string>();
  for (const statement of program.body) {
    if (statement.type === "FunctionDeclaration") names.add(statement.id.name);
    if (statement.type !== "VariableDeclaration") continue;
    for (const { id, init } of statement.declarations) {
      const isFunction = init?.type === "FunctionExpression" || init?.type === "ArrowFunctionExpression";
      if (id.type === "Identifier" && isFunction) names.add(id.name);
    }
  }
  return names;
}
