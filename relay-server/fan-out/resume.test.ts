/** Readers over real sockets and a real store, while thousands of changes flow and small entries are joined under them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { createSqliteLog } from "../log/engines/sqlite.ts";
import { openStore } from "../store/store.ts";
import { greet, learn, letIn, openRelay, seqsOf, soon, typed } from "../testing/testing.ts";

test("F1 readers that join at any time, from anywhere, miss nothing and hear nothing twice", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sheetwire-resume-"));
  const store = openStore(join(folder, "sheetwire.db"), "normal");
  const log = createSqliteLog(store, {
    randomId: randomUUID,
    onFault: (error) => {
      throw error;
    },
    as: "owner",
  });
  const relay = await openRelay({ log });
  try {
    const { token } = letIn(relay, "sheet-1");
    const head = await log.create("sheet-1");
    let isFlowing = true;
    const flow = (async () => {
      for (let at = 0; isFlowing; at += 1) {
        await learn(relay, "sheet-1", ...Array.from({ length: 1 + (at % 5) }, () => typed(`change ${at}`)));
        if (at % 50 === 0) while (await log.tidy());
        if (at % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    const readers: { from: number; client: Awaited<ReturnType<typeof greet>> }[] = [];
    for (let at = 0; at < 8; at += 1) {
      await soon(async () => expect((await log.head("sheet-1"))?.seq).toBeGreaterThan(at * 150));
      const reached = (await log.head("sheet-1"))?.seq ?? 0;
      const seq = Math.floor((reached * (at % 4)) / 3);
      const chain = (await log.chainAt("sheet-1", seq)) ?? "";
      const client = await greet(relay.url, token);
      client.say({ kind: "watch", spreadsheetId: "sheet-1", cursor: { epoch: head.epoch, seq, chain } });
      readers.push({ from: seq, client });
    }
    isFlowing = false;
    await flow;
    const end = await log.head("sheet-1");
    for (const { from, client } of readers) {
      await soon(() => expect(seqsOf(client.frames).at(-1)).toBe(end?.seq));
      const seqs = seqsOf(client.frames);
      expect(seqs).toEqual(Array.from({ length: (end?.seq ?? 0) - from }, (_, at) => from + 1 + at));
      const last = client.frames.findLast((frame) => frame.kind === "changes");
      expect(last?.chain).toBe(end?.chain);
      client.close();
    }
  } finally {
    await relay.stop();
    await log.close();
    store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);
