import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION } from "./version.ts";
import { describeWire } from "./wire.ts";

const pathOf = (version: number): string => join(import.meta.dirname, `wire.v${version}.json`);

test("the wire changes only together with PROTOCOL_VERSION (then: node scripts/wire.ts; no flag updates this)", () => {
  const path = pathOf(PROTOCOL_VERSION);
  expect(existsSync(path), `${path} is missing: node scripts/wire.ts writes it`).toBe(true);
  expect(JSON.parse(JSON.stringify(describeWire()))).toEqual(JSON.parse(readFileSync(path, "utf8")));
});

test("the wire of every version that is still served stays written down", () => {
  expect(PROTOCOL_VERSION - OLDEST_PROTOCOL_VERSION).toBeLessThanOrEqual(1);
  for (let version = OLDEST_PROTOCOL_VERSION; version <= PROTOCOL_VERSION; version += 1) {
    const written: { version: number } = JSON.parse(readFileSync(pathOf(version), "utf8"));
    expect(written.version).toBe(version);
  }
});

test("the description holds every message there is: leaving one out would go unnoticed", () => {
  const text = JSON.stringify(describeWire());
  for (const name of ["postSchema", "upFrameSchema", "downFrameSchema", "changeSchema", "snapshotHeadSchema"]) {
    expect(text).toContain(`"${name}"`);
  }
  for (const word of ["loggedAt", "usedColumns", "recovered", "readAt", "webApp", "ingestKey"]) {
    expect(text).toContain(`"${word}"`);
  }
});
