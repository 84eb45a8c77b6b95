import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { openStore, startCheckpoints } from "./store.ts";

test("the write-ahead log stays short though writing never pauses, and what was written is there", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sheetwire-checkpoints-"));
  const path = join(folder, "sheetwire.db");
  const store = openStore(path, "normal");
  const faults: unknown[] = [];
  const stop = startCheckpoints({ store, path, onFault: (error) => faults.push(error) });
  try {
    store.db.exec("CREATE TABLE many (text TEXT)");
    const add = store.db.prepare("INSERT INTO many VALUES (?)");
    const text = "x".repeat(64 * 1024);
    let rows = 0;
    // Begun again at its start it is far smaller than all that went through it.
    const walBytes = (): number => statSync(`${path}-wal`).size;
    await vi.waitFor(
      () => {
        for (let at = 0; at < 16; at += 1) store.transact(() => add.run(text));
        rows += 16;
        store.wrote(16 * text.length);
        if (rows * text.length < 2 * walBytes()) throw new Error("It grows with all that is written.");
      },
      { timeout: 25_000, interval: 20 },
    );
    expect(store.db.prepare("SELECT count(*) AS rows FROM many").get()).toEqual({ rows });
    expect(faults).toEqual([]);
  } finally {
    await stop();
    store.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a write that found no room has the log moved, so that the next one does not need more", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sheetwire-checkpoints-"));
  const path = join(folder, "sheetwire.db");
  const store = openStore(path, "full");
  const stop = startCheckpoints({ store, path, onFault: () => {} });
  try {
    store.db.exec("CREATE TABLE many (text TEXT)");
    const add = store.db.prepare("INSERT INTO many VALUES (?)");
    const text = "x".repeat(64 * 1024);
    for (let at = 0; at < 20; at += 1) store.transact(() => add.run(text));
    const moved = (): boolean => statSync(path).size >= 20 * text.length;
    const pages = Number(store.db.prepare("PRAGMA page_count").get()?.["page_count"]);
    store.db.exec(`PRAGMA max_page_count = ${pages}`);
    expect(moved()).toBe(false);
    expect(() => store.transact(() => add.run(text))).toThrow("full");
    await vi.waitFor(
      () => {
        if (!moved()) throw new Error("The log was not moved.");
      },
      { timeout: 10_000 },
    );
    // It is written over from its start.
    const walBytes = statSync(`${path}-wal`).size;
    store.db.exec("PRAGMA max_page_count = 1000000");
    for (let at = 0; at < 10; at += 1) store.transact(() => add.run(text));
    expect(statSync(`${path}-wal`).size).toBe(walBytes);
  } finally {
    await stop();
    store.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
