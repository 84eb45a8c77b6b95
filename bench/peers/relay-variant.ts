/**
 * The relay put together around another log, to see what the store costs. `relay-variant.ts memory|none COUNT`: `none`
 * takes note of where each log is and keeps nothing else.
 */
import { randomUUID } from "node:crypto";
import { createAccess } from "../../relay-server/access/access.ts";
import { createMemoryAccessStore } from "../../relay-server/access/engines/memory.ts";
import { createIngest } from "../../relay-server/ingest/ingest.ts";
import { createMemoryLog } from "../../relay-server/log/engines/memory.ts";
import type { ChangeLog } from "../../relay-server/log/log.ts";
import { createRelay } from "../../relay-server/relay.ts";
import { createLogger, createMetrics } from "../../relay-server/telemetry/telemetry.ts";

const [kind = "memory", count = "1"] = process.argv.slice(2);
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
console.log(JSON.stringify({ msg: "listening", url, sheets }));
