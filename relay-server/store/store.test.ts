import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { migrations } from "./migrations.ts";
import { holdStore, openStore, STORE_VERSION, StoreError, storeErrorOf, StoreInUseError } from "./store.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sheetwire-store-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error("Nothing was thrown.");
}

test("a store without room says so, and what to do, also as the cause of another error", () => {
  const store = openStore(join(folder, "sheetwire.db"), "full");
  try {
    store.db.exec("CREATE TABLE many (text TEXT)");
    const pages = Number(store.db.prepare("PRAGMA page_count").get()?.["page_count"]);
    store.db.exec(`PRAGMA max_page_count = ${pages}`);
    const full = thrownBy(() =>
      store.transact(() => store.db.prepare("INSERT INTO many VALUES (?)").run("x".repeat(1_000_000))),
    );
    for (const error of [full, new Error("wrapped", { cause: full })])
      expect(storeErrorOf("PATH", error)?.message).toMatch(/^There is no room left where PATH lies\. Make room/);
    expect(storeErrorOf("PATH", new Error("of ours"))).toBeUndefined();
  } finally {
    store.close();
  }
});

test("a store that cannot be reached says which, and why", () => {
  writeFileSync(join(folder, "file"), "");
  const path = join(folder, "file", "sheetwire.db");
  const error = thrownBy(() => openStore(path, "full"));
  expect(error).toBeInstanceOf(StoreError);
  expect(String(error)).toContain(`${path} cannot be opened, read or written (EEXIST`);
  const folderItself = thrownBy(() => openStore(folder, "full"));
  expect(folderItself).toBeInstanceOf(StoreError);
});

test("a command updates no store under the relay of an older version", () => {
  const path = join(folder, "sheetwire.db");
  const old = new DatabaseSync(path);
  old.exec(migrations[0] ?? "");
  old.exec("PRAGMA user_version = 1");
  const versionNow = () => old.prepare("PRAGMA user_version").get()?.["user_version"];
  const letGo = holdStore(path);
  expect(thrownBy(() => openStore(path, "full", "guest"))).toBeInstanceOf(StoreInUseError);
  expect(versionNow()).toBe(1);
  letGo();
  openStore(path, "full", "guest").close();
  expect(versionNow()).toBe(STORE_VERSION);
  // Nothing is held back any more.
  holdStore(path)();
  old.close();
});
