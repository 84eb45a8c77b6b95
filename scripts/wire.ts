/** Writes down the wire of a new protocol version. It never rewrites one that is written: `node scripts/wire.ts` */
import { writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { PROTOCOL_VERSION } from "@sheetwire/shared/protocol";
import { describeWire } from "../shared/protocol/wire.ts";

const path = join(resolve(import.meta.dirname, ".."), "shared", "protocol", `wire.v${PROTOCOL_VERSION}.json`);
try {
  writeFileSync(path, `${JSON.stringify(describeWire(), null, 2)}\n`, { flag: "wx" });
  console.log(`Wrote ${path}`);
} catch (error) {
  if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  console.error(`${path} is written already. A changed wire is a new version: raise PROTOCOL_VERSION first.`);
  process.exitCode = 1;
}
