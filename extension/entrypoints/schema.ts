import { defineUnlistedScript } from "wxt/utils/define-unlisted-script";
import { makeOrUpgrade } from "../schema/schema.ts";

declare global {
  var __sheetwireSchema: { makeOrUpgrade: typeof makeOrUpgrade } | undefined;
}

/** The schema as a script by itself, which the background runs when it finds no database of its version. */
export default defineUnlistedScript(() => {
  globalThis.__sheetwireSchema = { makeOrUpgrade };
});
