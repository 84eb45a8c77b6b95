/** For the kill test: appends for ever, saying on stdout what was acknowledged. */
import { randomUUID } from "node:crypto";
import { nextChain } from "@sheetwire/shared/digest";
import { openStore } from "../store/store.ts";
import { createSqliteLog } from "./engines/sqlite.ts";

const store = openStore(process.argv[2] ?? "", "full");
const log = createSqliteLog(store, { randomId: randomUUID, onFault: console.error, as: "owner" });
let head = await log.create("sheet-1");
for (;;) {
  const seq = head.seq + 1;
  const change = JSON.stringify({ seq, text: "x".repeat(500) });
  const chain = nextChain(head.chain, change);
  const entry = { firstSeq: seq, lastSeq: seq, json: `[${change}]`, chain };
  const post = { webhookId: `post-${seq}`, bodyHash: "", answer: "{}", takenAt: seq };
  await log.append([{ spreadsheetId: "sheet-1", expected: head, entry, post }]);
  head = { epoch: head.epoch, seq, chain };
  process.stdout.write(`${seq}\n`);
  await new Promise((resolve) => setImmediate(resolve));
}
