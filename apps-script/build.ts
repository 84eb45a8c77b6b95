/** Builds what `clasp push` sends to Google: one script file, the manifest, and the pages. */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { limits } from "@sheetwire/shared/limits";
import { build, type Plugin } from "esbuild";

const here = import.meta.dirname;

export type BuildAppsScript = {
  readonly outDir: string;
  /** The one relay that the script may call. With it Google refuses every other address. */
  readonly relayUrl?: string | undefined;
  /** Asks for the right to see the e-mail of whoever edits; without it Google tells a pseudonym at most. */
  readonly emails?: boolean | undefined;
};

export const builtFiles = ["Code.js", "Connect.html", "Sidebar.html", "appsscript.json"] as const;

/** Writes the built files, and nothing else, into `outDir`. */
export async function buildAppsScript({ outDir, relayUrl, emails }: BuildAppsScript): Promise<void> {
  const files: Record<(typeof builtFiles)[number], string> = {
    "Code.js": await script(),
    "Connect.html": await page("connect"),
    "Sidebar.html": await page("sidebar"),
    "appsscript.json": `${JSON.stringify(manifest({ relayUrl, emails }), null, 2)}\n`,
  };
  await rm(outDir, { recursive: true, force: true });
  await mkdir(outDir, { recursive: true });
  await Promise.all(builtFiles.map((name) => writeFile(join(outDir, name), files[name])));
}

/** Google finds functions by `function name() {}` at the top of the file, so each export of main.ts gets one. */
async function script(): Promise<string> {
  const { version } = JSON.parse(await readFile(join(here, "package.json"), "utf8")) as { version: string };
  const { outputFiles, metafile } = await build({
    entryPoints: [join(here, "main.ts")],
    outfile: "Code.js",
    bundle: true,
    write: false,
    metafile: true,
    format: "esm",
    target: "es2019",
    charset: "utf8",
    legalComments: "none",
    logLevel: "warning",
    define: { SHEETWIRE_VERSION: JSON.stringify(version) },
    // Google compiles the script anew for every event. Short lines keep the places in a trace exact.
    minify: true,
    lineLimit: 500,
    plugins: [limitsAsNumbers],
  });
  const names = Object.values(metafile.outputs).flatMap((output) => output.exports);
  const module = /^([\s\S]*?)\bexport\s*\{([\s\w$,]*)\};?\s*$/.exec(outputFiles[0]?.text ?? "");
  if (!module || names.length === 0) throw new Error("main.ts exports nothing that Google could call.");
  const [, body = "", exported = ""] = module;
  // `export{a as b,c}` becomes `return{b:a,c}`: Google knows no modules.
  const returned = exported.replace(/([\w$]+)\s+as\s+([\w$]+)/g, "$2:$1");
  return [
    `// Sheetwire ${version}. Built from apps-script/: changes made here are lost with the next push.`,
    `var sheetwire_=(()=>{"use strict";${body.trimEnd()}\nreturn{${returned.trim()}}})();`,
    ...names.map((name) => `function ${name}(e){return sheetwire_.${name}(e)}`),
    "",
  ].join("\n");
}

/** Puts each limit in as its number: the script needs a dozen of them, and not the words for all the others. */
const limitsAsNumbers: Plugin = {
  name: "limits-as-numbers",
  setup(bundling) {
    bundling.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      const contents = source.replace(/\blimits\.(\w+)/g, (found, name: string) =>
        name in limits ? String(limits[name as keyof typeof limits]) : found,
      );
      return { contents, loader: "ts" };
    });
  },
};

/** A page with its style and script inside: Apps Script stores no other files. */
async function page(name: "connect" | "sidebar"): Promise<string> {
  const folder = join(here, "sidebar", "page");
  const { outputFiles } = await build({
    entryPoints: [join(folder, `${name}.ts`)],
    bundle: true,
    write: false,
    format: "iife",
    target: "es2019",
    charset: "utf8",
    legalComments: "none",
    logLevel: "warning",
  });
  const code = (outputFiles[0]?.text ?? "").replaceAll("</script", "<\\/script");
  const look = await readFile(join(folder, "look.css"), "utf8");
  const html = (await readFile(join(folder, `${name}.html`), "utf8"))
    .replace('<link rel="stylesheet" href="look.css" />', () => `<style>\n${look}</style>`)
    .replace(`<script src="${name}.ts"></script>`, () => `<script>\n${code}</script>`);
  // Google reads `<?` anywhere in a page as the start of a template.
  if (html.includes("<?")) throw new Error(`${name}.html holds "<?", which Google takes for a template.`);
  if (!html.includes("<style>") || !html.includes("<script>\n"))
    throw new Error(`${name}.html lacks its style or script.`);
  return html;
}

export function manifest({ relayUrl, emails }: Pick<BuildAppsScript, "relayUrl" | "emails">): object {
  const scope = (name: string) => `https://www.googleapis.com/auth/${name}`;
  return {
    timeZone: "Etc/UTC",
    runtimeVersion: "V8",
    exceptionLogging: "STACKDRIVER",
    dependencies: {},
    oauthScopes: [
      scope("spreadsheets.currentonly"),
      scope("script.external_request"),
      scope("script.scriptapp"),
      scope("script.container.ui"),
      ...(emails ? [scope("userinfo.email")] : []),
    ],
    ...(relayUrl === undefined ? {} : { urlFetchWhitelist: [allowed(relayUrl)] }),
    webapp: { access: "ANYONE_ANONYMOUS", executeAs: "USER_DEPLOYING" },
  };
}

/** Google wants https, the whole host name and a path. */
function allowed(relayUrl: string): string {
  const url = URL.canParse(relayUrl) ? new URL(relayUrl) : undefined;
  if (url?.protocol !== "https:" || url.search || url.hash || url.username) {
    throw new Error(`The relay's address must be a plain https address; this is not: ${relayUrl}`);
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}/`;
}

if (import.meta.main) {
  const outDir = resolve(here, "dist");
  const [relayUrl] = process.argv.slice(2).filter((word) => !word.startsWith("--"));
  await buildAppsScript({ outDir, relayUrl, emails: process.argv.includes("--emails") });
  console.log(`Built ${builtFiles.join(", ")} in ${outDir}`);
}
