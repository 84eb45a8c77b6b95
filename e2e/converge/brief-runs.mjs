/**
 * Loaded before the stand-in for Google (`--import`): each run of a script is a fresh context of a few milliseconds, in which
 * code that was optimised is lost at once. So nothing is optimised in haste, and two cores are there for the runs.
 */
import { setFlagsFromString } from "node:v8";

for (const flag of [
  "--no-opt",
  "--no-concurrent-sparkplug",
  "--invocation-count-for-maglev=4000",
  "--invocation-count-for-maglev-osr=4000",
])
  setFlagsFromString(flag);
