import { randomUUID } from "node:crypto";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createAccess, type Access } from "../access/access.ts";
import { createSqliteAccessStore } from "../access/engines/sqlite.ts";
import { createSqliteLog } from "../log/engines/sqlite.ts";
import { appendTo } from "../log/log.contract.ts";
import { DamagedError, type ChangeLog } from "../log/log.ts";
import { salvageStore } from "./salvage.ts";
import { holdStore, openStore, StoreInUseError, StoreUnreadableError, type Store } from "../store/store.ts";

let folder: string;
let path: string;
const now = new Date("2026-11-22T10:20:30.456Z");

type Opened = { store: Store; log: ChangeLog; access: Access; close: () => Promise<void> };
function open(): Opened {
  const store = openStore(path, "full");
  const log = createSqliteLog(store, {
    randomId: randomUUID,
    onFault: (error) => {
      throw error;
    },
    as: "owner",
  });
  const access = createAccess({ store: createSqliteAccessStore(store), now: () => 0 });
  const close = async (): Promise<void> => {
    await log.close();
    store.close();
  };
  return { store, log, access, close };
}

/** A store with two spreadsheets, a device and some hundred changes. */
async function fill(): Promise<string> {
  const { log, access, close } = open();
  for (const spreadsheetId of ["sheet-1", "sheet-2"]) {
    access.addSpreadsheet(spreadsheetId);
    await log.create(spreadsheetId);
  }
  const device = access.addDevice("sheet-1", "Mara's browser", ["read"]);
  await close();
  // Put in their place little by little, as in a relay that runs.
  for (let part = 0; part < 6; part += 1) {
    const opened = open();
    for (let n = part * 50; n < part * 50 + 50; n += 1) {
      await appendTo(opened.log, n % 2 === 0 ? "sheet-1" : "sheet-2", `change ${n} ${"x".repeat(200)}`);
    }
    await opened.close();
  }
  return device?.token ?? "";
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sheetwire-salvage-"));
  path = join(folder, "sheetwire.db");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("of a store that was cut short keys, devices and the beginning of the log are taken over", async () => {
  const token = await fill();
  const before = open();
  const kept = await before.log.readAfter("sheet-1", 0, 1_000_000);
  await before.close();
  truncateSync(path, Math.floor((statSync(path).size * 2) / 3));
  expect(() => open()).toThrow(StoreUnreadableError);
  const { rows, incomplete, keptAs } = salvageStore(path, now);
  expect(rows).toMatchObject({ known_spreadsheets: 2, ingest_keys: 2, devices: 1 });
  expect(incomplete).toContain("frames");
  expect(rows["frames"]).toBeGreaterThan(0);
  expect(keptAs).toBe(`${path}.damaged-20261122T102030Z`);
  expect(existsSync(keptAs)).toBe(true);
  const { log, access, close } = open();
  expect(access.deviceOf(token)?.spreadsheetId).toBe("sheet-1");
  expect(access.keysOf("sheet-2").length).toBe(1);
  // What is there is what was there; where it ends is named.
  const texts: string[] = [];
  const readOn = async (): Promise<never> => {
    for (let seq = 0; ;) {
      const entries = await log.readAfter("sheet-1", seq, 10_000);
      for (const { json, lastSeq } of entries) {
        texts.push(json);
        seq = lastSeq;
      }
    }
  };
  await expect(readOn()).rejects.toThrow(DamagedError);
  expect(texts.length).toBeGreaterThan(0);
  expect(
    kept
      .map(({ json }) => json)
      .join("\n")
      .startsWith(texts.join("\n")),
  ).toBe(true);
  await close();
});

test("a store that nothing is missing of comes out whole, and its readers begin anew", async () => {
  await fill();
  const before = open();
  const epoch = (await before.log.head("sheet-1"))?.epoch;
  const frames = await before.log.readAfter("sheet-1", 0, 1_000_000);
  await before.close();
  expect(salvageStore(path, now).incomplete).toEqual([]);
  const { log, close } = open();
  const head = await log.head("sheet-1");
  expect(head).toMatchObject({ seq: 150 });
  expect(head?.epoch).not.toBe(epoch);
  const after = await log.readAfter("sheet-1", 0, 1_000_000);
  expect(after.map(({ json }) => json)).toEqual(frames.map(({ json }) => json));
  await close();
});

test("cut anywhere, it is salvaged or said to be past saving, and never left half done", async () => {
  await fill();
  const whole = readFileSync(path);
  const outcomes: string[] = [];
  for (let part = 0; part < 24; part += 1) {
    rmSync(folder, { recursive: true });
    folder = mkdtempSync(join(tmpdir(), "sheetwire-salvage-"));
    path = join(folder, "sheetwire.db");
    const cut = whole.subarray(0, Math.floor((whole.length * part) / 24));
    writeFileSync(path, cut);
    let refused: unknown;
    try {
      salvageStore(path, now);
    } catch (error) {
      if (!(error instanceof StoreUnreadableError)) throw error;
      refused = error;
    }
    const left = readdirSync(folder).filter((name) => name.includes("salvage") || name.includes("damaged"));
    const isAsItWas = readFileSync(path).equals(cut);
    outcomes.push(
      refused === undefined ? `salvaged, ${left.length} kept` : `refused, ${left.length} kept, ${isAsItWas}`,
    );
    if (refused !== undefined) continue;
    const { access, close } = open();
    access.spreadsheets();
    await close();
  }
  expect([...new Set(outcomes)].sort()).toEqual(["refused, 0 kept, true", "salvaged, 1 kept"]);
});

test("what was committed last and a spreadsheet that could not be read do not come back under another one's name", async () => {
  await fill();
  const killed = open();
  await appendTo(killed.log, "sheet-2", "committed, and not in its place yet");
  const head = await appendTo(killed.log, "sheet-1", "as well");
  killed.store.db.exec("DELETE FROM spreadsheets WHERE spreadsheet_id = 'sheet-2'");
  killed.store.close();
  salvageStore(path, now);
  const store = openStore(path, "full");
  const guest = createSqliteLog(store, { randomId: randomUUID, onFault: () => {}, as: "guest" });
  await guest.create("sheet-3");
  store.close();
  const { log, close } = open();
  expect(await log.head("sheet-3")).toMatchObject({ seq: 0 });
  expect(await log.head("sheet-1")).toMatchObject({ seq: head.seq, chain: head.chain });
  await close();
});

test("what a relay runs on is left alone", async () => {
  await fill();
  const letGo = holdStore(path);
  expect(() => salvageStore(path, now)).toThrow(StoreInUseError);
  letGo();
});
