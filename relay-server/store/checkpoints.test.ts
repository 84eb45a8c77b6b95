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
