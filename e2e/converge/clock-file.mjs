/**
 * Loaded before a program (`--import`): its clock is what a file of two doubles says. The first is the time itself, written
 * by the stand-in for Google while virtual time is shared; where that is 0, the clock is the machine's and runs ahead of it
 * by the second. So hours pass for the relay in no time.
 */
import { openSync, readSync } from "node:fs";

const file = process.env.SHEETWIRE_CLOCK_FILE;
if (file) {
  const descriptor = openSync(file, "r");
  const [sharedNow, aheadMs] = [0, 1];
  const said = new Float64Array(2);
  const bytes = new Uint8Array(said.buffer);
  const RealDate = Date;
  const now = () => {
    readSync(descriptor, bytes, 0, 16, 0);
    return said[sharedNow] || RealDate.now() + said[aheadMs];
  };
  globalThis.Date = class extends RealDate {
    constructor(...given) {
      if (given.length === 0) super(now());
      else super(...given);
    }
    static now() {
      return now();
    }
  };
}
