/** Google's services as one script, to be run inside a bare context before the user's own. */
import { join } from "node:path";
import { build } from "esbuild";

export type { EventFacts, Call } from "./sandbox/sandbox.ts";
export type { Run as RunFacts, Answer, Host } from "./sandbox/host.ts";

let made: Promise<string> | undefined;

/** The script's text; evaluated, it leaves `sandbox` with `install`, `begin`, `call` and `marshal`. */
export function servicesCode(): Promise<string> {
  made ??= build({
    entryPoints: [join(import.meta.dirname, "sandbox", "sandbox.ts")],
    bundle: true,
    write: false,
    format: "iife",
    globalName: "sandbox",
    target: "es2020",
    charset: "utf8",
    logLevel: "silent",
  }).then((result) => result.outputFiles[0]?.text ?? "");
  return made;
}
