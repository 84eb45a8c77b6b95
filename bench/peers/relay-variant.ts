/**
 * The relay put together around another log, to see what the store costs. `relay-variant.ts memory|none COUNT [PORT]`: `none`
 * takes note of where each log is and keeps nothing else. At the port the first spreadsheet's log is handed ready messages,
 * as the peers of fan-out are: what is left is the relay's fan-out alone.
 */
import { randomUUID } from "node:crypto";
import { createAccess } from "../../relay-server/access/access.ts";
import { createMemoryAccessStore } from "../../relay-server/access/engines/memory.ts";
import { createIngest } from "../../relay-server/ingest/ingest.ts";
import { createMemoryLog } from "../../relay-server/log/engines/memory.ts";
import type { ChangeLog } from "../../relay-server/log/log.ts";
import { nextChain } from "@sheetwire/shared/digest";
import { createRelay } from "../../relay-server/relay.ts";
import { createLogger, createMetrics } from "../../relay-server/telemetry/telemetry.ts";
import { listenForMessages } from "./publisher-port.mjs";

const [kind = "memory", count = "1", messagesPort] = process.argv.slice(2);
const now = (): number => Date.now();
const onFault = (error: unknown): void => console.error(error);
const memory = createMemoryLog({ randomId: randomUUID, onFault });

/** Says where the log is and stores nothing. */
function forgetful(log: ChangeLog): ChangeLog {
  const heads = new Map<string, { epoch: string; seq: number; chain: string }>();
  return {
    ...log,
    async create(spreadsheetId) {
      const head = heads.get(spreadsheetId) ?? (await log.create(spreadsheetId));
      heads.set(spreadsheetId, head);
      return head;
    },
    head: async (spreadsheetId) => heads.get(spreadsheetId),
    async append(group) {
      for (const { spreadsheetId, expected, entry } of group)
        if (entry) heads.set(spreadsheetId, { epoch: expected.epoch, seq: entry.lastSeq, chain: entry.chain });
    },
    takenPost: async () => undefined,
    saveState: async () => {},
  };
}
const log = kind === "none" ? forgetful(memory) : memory;
const access = createAccess({ store: createMemoryAccessStore(), now });
const sheets: object[] = [];
for (let at = 0; at < Number(count); at += 1) {
  const spreadsheetId = `bench-${at}`;
  const added = access.addSpreadsheet(spreadsheetId);
  const device = access.addDevice(spreadsheetId, "bench", ["read"]);
  await log.create(spreadsheetId);
  sheets.push({ spreadsheetId, ingestKey: added?.ingestKey, token: device?.token });
}
const ingest = createIngest({ log, keysOf: (spreadsheetId) => access.keysOf(spreadsheetId), now, onFault });
const relay = createRelay(
  { host: "127.0.0.1", port: 0, webAppOrigins: [] },
  {
    log,
    access,
    ingest,
    logger: createLogger("warn"),
    metrics: createMetrics(),
    now,
    elapsed: () => performance.now(),
  },
);
const url = await relay.listen();

/** What came in one read goes into the log as one group, as posts that came together do. */
async function hand(messages: readonly string[]): Promise<void> {
  let head = await log.create("bench-0");
  const group = messages.map((message) => {
    const json = message.slice(message.indexOf("[{"), message.indexOf('],"chain"') + 1);
    const expected = head;
    const seq = head.seq + 1;
    head = { epoch: head.epoch, seq, chain: nextChain(head.chain, json) };
    return { spreadsheetId: "bench-0", expected, entry: { firstSeq: seq, lastSeq: seq, json, chain: head.chain } };
  });
  await log.append(group);
}
let handed = Promise.resolve();
if (messagesPort !== undefined) {
  listenForMessages(Number(messagesPort), (messages) => {
    handed = handed.then(() => hand(messages)).catch(onFault);
  });
}
console.log(JSON.stringify({ msg: "listening", url, sheets }));
