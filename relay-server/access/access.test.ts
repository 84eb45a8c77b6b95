import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectionSchema } from "@sheetwire/shared/protocol";
import { afterEach, describe, expect, test, vi } from "vitest";
import { openStore, type Store } from "../store/store.ts";
import { createAccess, LOOK_EVERY_MS, type AccessStore } from "./access.ts";
import { createMemoryAccessStore } from "./engines/memory.ts";
import { createSqliteAccessStore } from "./engines/sqlite.ts";

const folders: string[] = [];
const stores: Store[] = [];
afterEach(() => {
  vi.useRealTimers();
  for (const store of stores.splice(0)) store.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function openSqlite(path = join(newFolder(), "sheetwire.db")): AccessStore {
  const store = openStore(path, "full");
  stores.push(store);
  return createSqliteAccessStore(store);
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "sheetwire-access-"));
  folders.push(folder);
  return folder;
}

const engines: readonly [string, () => AccessStore][] = [
  ["memory", createMemoryAccessStore],
  ["sqlite", openSqlite],
];

describe.each(engines)("%s", (_, open) => {
  test("A1 a token opens exactly its spreadsheet, for exactly its scopes", () => {
    const access = createAccess({ store: open(), now: () => 1_000 });
    access.addSpreadsheet("sheet-1");
    access.addSpreadsheet("sheet-2");
    const reader = access.addDevice("sheet-1", "panel", ["read"]);
    const both = access.addDevice("sheet-1", "tool", ["read", "write"]);
    const token = reader?.token ?? "";
    expect(access.opens(token, "sheet-1", "read")?.deviceId).toBe(reader?.deviceId);
    expect(access.opens(token, "sheet-1", "write")).toBeUndefined();
    expect(access.opens(token, "sheet-2", "read")).toBeUndefined();
    expect(access.opens(both?.token ?? "", "sheet-1", "write")).toBeDefined();
    for (const wrong of ["", "x", token.slice(0, -1), `${token}x`, token.toUpperCase(), reader?.deviceId ?? ""]) {
      expect(access.deviceOf(wrong)).toBeUndefined();
    }
  });

  test("A1 a spreadsheet's key is its own, of 32 bytes, and none for one that is not known", () => {
    const access = createAccess({ store: open(), now: () => 1_000 });
    const one = access.addSpreadsheet("sheet-1");
    const two = access.addSpreadsheet("sheet-2");
    expect(one?.ingestKey).not.toBe(two?.ingestKey);
    expect(connectionSchema.shape.ingestKey.safeParse(one?.ingestKey).success).toBe(true);
    expect(access.keysOf("sheet-1")).toHaveLength(1);
    expect(access.keysOf("sheet-1")[0]).toHaveLength(32);
    expect(access.keysOf("nobody")).toEqual([]);
    expect(access.addSpreadsheet("sheet-1")).toBeUndefined();
    expect(access.keysOf("sheet-1")).toHaveLength(1);
  });

  test("a rotated key ends when it was said to, and a second rotation does not prolong it", () => {
    let now = 1_000;
    const access = createAccess({ store: open(), now: () => now });
    access.addSpreadsheet("sheet-1");
    expect(access.rotateKey("sheet-1", 500)?.oldEndAt).toBe(1_500);
    expect(access.keysOf("sheet-1")).toHaveLength(2);
    access.rotateKey("sheet-1", 10_000);
    expect(access.keysOf("sheet-1")).toHaveLength(3);
    now = 1_600;
    expect(access.keysOf("sheet-1")).toHaveLength(2);
    now = 20_000;
    expect(access.keysOf("sheet-1")).toHaveLength(1);
    expect(access.rotateKey("nobody")).toBeUndefined();
  });

  test("A2 no store holds a token", () => {
    const store = open();
    const access = createAccess({ store, now: () => 1_000 });
    access.addSpreadsheet("sheet-1");
    const device = access.addDevice("sheet-1", "panel", ["read"]);
    expect(device?.token).toMatch(/^swd_[\w-]{43}$/);
    expect(JSON.stringify([store.read(), store.audits(), access.devices("sheet-1")])).not.toContain(device?.token);
    expect(JSON.stringify(access.devices("sheet-1"))).not.toContain("tokenHash");
  });

  test("a revoked device is named as such and opens nothing; revoking again says no", () => {
    const access = createAccess({ store: open(), now: () => 1_000 });
    access.addSpreadsheet("sheet-1");
    const device = access.addDevice("sheet-1", "panel", ["read"]);
    const deviceId = device?.deviceId ?? "";
    expect(access.isGood(deviceId)).toBe(true);
    expect(access.revokeDevice("sheet-2", deviceId)).toBe(false);
    expect(access.revokeDevice("sheet-1", deviceId)).toBe(true);
    expect(access.revokeDevice("sheet-1", deviceId)).toBe(false);
    expect(access.isGood(deviceId)).toBe(false);
    expect(access.deviceOf(device?.token ?? "")).toBeUndefined();
    expect(access.devices("sheet-1")).toMatchObject([{ deviceId, revokedAt: 1_000 }]);
  });

  test("removing a spreadsheet takes its keys and devices along, and adding it again gives it new ones", () => {
    const access = createAccess({ store: open(), now: () => 1_000 });
    const first = access.addSpreadsheet("sheet-1");
    const device = access.addDevice("sheet-1", "panel", ["read"]);
    expect(access.removeSpreadsheet("sheet-1")).toBe(true);
    expect(access.removeSpreadsheet("sheet-1")).toBe(false);
    expect(access.keysOf("sheet-1")).toEqual([]);
    expect(access.deviceOf(device?.token ?? "")).toBeUndefined();
    expect(access.addDevice("sheet-1", "panel", ["read"])).toBeUndefined();
    const second = access.addSpreadsheet("sheet-1");
    expect(second?.ingestKey).not.toBe(first?.ingestKey);
    expect(access.devices("sheet-1")).toEqual([]);
  });

  test("a disk too full for the note when a device was seen lets it in all the same, and says so once", () => {
    vi.useFakeTimers();
    const store = open();
    const faults: unknown[] = [];
    const access = createAccess({ store, now: () => 1_000_000 });
    const stopWatching = access.watch((error) => faults.push(error));
    access.addSpreadsheet("sheet-1");
    const device = access.addDevice("sheet-1", "panel", ["read"]);
    vi.spyOn(store, "touchDevices").mockImplementation(() => {
      throw new Error("No room.");
    });
    expect(access.opens(device?.token ?? "", "sheet-1", "read")?.name).toBe("panel");
    vi.advanceTimersByTime(5 * LOOK_EVERY_MS);
    expect(faults).toHaveLength(1);
    stopWatching();
  });

  test("when devices were seen is written together, not at every request, and at the end", () => {
    vi.useFakeTimers();
    let now = 100_000;
    const store = open();
    const touch = vi.spyOn(store, "touchDevices");
    const access = createAccess({ store, now: () => now });
    const stopWatching = access.watch((error) => expect.unreachable(String(error)));
    access.addSpreadsheet("sheet-1");
    const tokens = ["Ann", "Bo", "Cy"].map((name) => access.addDevice("sheet-1", name, ["read"])?.token ?? "");
    const seenOf = (): (number | undefined)[] => store.read().devices.map((one) => one.lastSeenAt);
    for (const token of [...tokens, ...tokens]) access.deviceOf(token);
    expect(touch).not.toHaveBeenCalled();
    vi.advanceTimersByTime(3 * LOOK_EVERY_MS);
    expect(touch).toHaveBeenCalledTimes(1);
    expect(seenOf()).toEqual([100_000, 100_000, 100_000]);
    now += 120_000;
    access.deviceOf(tokens[1] ?? "");
    stopWatching();
    expect(touch).toHaveBeenCalledTimes(2);
    expect(seenOf().filter((at) => at === 220_000)).toHaveLength(1);
  });

  test("a spreadsheet is listed with the devices that are still good", () => {
    const access = createAccess({ store: open(), now: () => 1_000 });
    access.addSpreadsheet("sheet-1");
    access.addSpreadsheet("sheet-2");
    const revoked = access.addDevice("sheet-1", "panel", ["read"]);
    access.addDevice("sheet-1", "curl", ["read"]);
    access.revokeDevice("sheet-1", revoked?.deviceId ?? "");
    expect(access.spreadsheets()).toEqual([
      { spreadsheetId: "sheet-1", createdAt: 1_000, devices: 1 },
      { spreadsheetId: "sheet-2", createdAt: 1_000, devices: 0 },
    ]);
  });

  test("A4 every grant and revocation is in the audit record", () => {
    const store = open();
    const access = createAccess({ store, now: () => 7 });
    access.addSpreadsheet("sheet-1");
    access.rotateKey("sheet-1");
    const device = access.addDevice("sheet-1", "panel", ["read"]);
    access.revokeDevice("sheet-1", device?.deviceId ?? "");
    access.removeSpreadsheet("sheet-1");
    expect(store.audits().map((one) => one.event)).toEqual([
      "spreadsheet-added",
      "key-rotated",
      "device-added",
      "device-revoked",
      "spreadsheet-removed",
    ]);
    expect(store.audits()[2]).toMatchObject({
      at: 7,
      spreadsheetId: "sheet-1",
      deviceId: device?.deviceId,
      detail: "read",
    });
  });
});

test("A3 what another process granted counts when it is used, what it revoked after the next look", () => {
  const path = join(newFolder(), "sheetwire.db");
  const relay = createAccess({ store: openSqlite(path), now: () => 1_000 });
  const command = createAccess({ store: openSqlite(path), now: () => 1_000 });
  let told = 0;
  relay.onChange(() => (told += 1));
  relay.look();
  expect(told).toBe(0);
  command.addSpreadsheet("sheet-1");
  expect(relay.keysOf("sheet-1")).toHaveLength(1);
  expect(told).toBe(1);
  const token = command.addDevice("sheet-1", "panel", ["read"])?.token ?? "";
  expect(relay.deviceOf("swd_nobodys")).toBeUndefined();
  const device = relay.deviceOf(token);
  expect(device?.name).toBe("panel");
  relay.look();
  expect(told).toBe(2);
  command.revokeDevice("sheet-1", device?.deviceId ?? "");
  relay.look();
  expect(relay.deviceOf(token)).toBeUndefined();
});

test("a revocation acts within two seconds", () => expect(LOOK_EVERY_MS).toBeLessThanOrEqual(1_000));

test("no token stands in the database file", () => {
  const path = join(newFolder(), "sheetwire.db");
  const access = createAccess({ store: openSqlite(path), now: () => 1_000 });
  access.addSpreadsheet("sheet-1");
  const token = access.addDevice("sheet-1", "panel", ["read"])?.token ?? "none";
  for (const file of [path, `${path}-wal`]) expect(readFileSync(file).includes(token.slice(4))).toBe(false);
});
