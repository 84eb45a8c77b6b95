import { limits } from "@sheetwire/shared/limits";
import type { Cursor } from "@sheetwire/shared/protocol";
import * as z from "zod";
import { laterPart, partsOf, type ChangeLog, type Head } from "../log/log.ts";
import type { EventStreams } from "./event-streams.ts";
import type { Answer, Asked, Route } from "./route.ts";

const querySchema = z.object({
  since: z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number)
    .default(0),
  limit: z
    .string()
    .regex(/^\d{1,6}$/)
    .transform(Number)
    .pipe(z.number().min(1).max(limits.changesPageMax))
    .default(limits.changesPageMax),
  epoch: z.string().max(64).optional(),
});
const eventIdSchema = z.string().regex(/^[^:\s]{1,64}:\d{1,15}:[0-9a-f]{16}$/);

type Needs = { log: ChangeLog; streams: EventStreams };

/** The log, page by page as JSON, or followed as server-sent events where the reader accepts these. */
export function changesRoute({ log, streams }: Needs): Route {
  return {
    method: "GET",
    path: "/v1/spreadsheets/:spreadsheetId/changes",
    access: "token",
    async handle(asked) {
      const spreadsheetId = asked.params["spreadsheetId"] ?? "";
      const query = querySchema.safeParse(asked.query);
      if (!query.success) {
        return malformed(`since is a whole number, limit one from 1 to ${limits.changesPageMax}.`);
      }
      const head = (await log.head(spreadsheetId)) ?? (await log.create(spreadsheetId));
      if (asked.headers.accept?.includes("text/event-stream")) return follow(spreadsheetId, head, asked);
      const { since, limit, epoch } = query.data;
      const isGone =
        since > head.seq || since < (await log.floor(spreadsheetId)) || (epoch !== undefined && epoch !== head.epoch);
      if (isGone) return { ok: false, code: "history-gone" };
      return page(spreadsheetId, head, since, limit);
    },
  };

  async function page(spreadsheetId: string, head: Head, since: number, limit: number): Promise<Answer> {
    const changes: string[] = [];
    for (const entry of await log.readAfter(spreadsheetId, since, limits.frameMaxBytes)) {
      if (changes.length >= limit) break;
      changes.push(...partsOf(laterPart(spreadsheetId, entry, since).json).slice(0, limit - changes.length));
    }
    const seq = since + changes.length;
    const chain = await log.chainAt(spreadsheetId, seq);
    if (chain === undefined) return { ok: false, code: "history-gone" };
    const { epoch } = head;
    const body = `{"epoch":${JSON.stringify(epoch)},"seq":${seq},"chain":"${chain}","changes":[${changes.join(",")}]}`;
    return { ok: true, body };
  }

  async function follow(spreadsheetId: string, head: Head, { headers, query, device }: Asked): Promise<Answer> {
    if (!device) return { ok: false, code: "unauthorized" };
    const lastEventId = headers["last-event-id"];
    let cursor: Cursor | undefined;
    if (lastEventId !== undefined) {
      const parsed = eventIdSchema.safeParse(lastEventId);
      if (!parsed.success) return malformed("Last-Event-ID is an id that this stream gave.");
      const [epoch = "", seq = "", chain = ""] = parsed.data.split(":");
      cursor = { epoch, seq: Number(seq), chain };
    } else if (z.object({ since: z.string() }).safeParse(query).success) {
      const { since: seq, epoch } = querySchema.parse(query);
      // A number of another life of the log is no place in this one.
      const chain = (epoch ?? head.epoch) === head.epoch ? await log.chainAt(spreadsheetId, seq) : undefined;
      if (chain === undefined) return { ok: false, code: "history-gone" };
      cursor = { epoch: head.epoch, seq, chain };
    }
    return { ok: true, takeOver: (response) => streams.open(response, spreadsheetId, cursor, device.deviceId) };
  }
}

const malformed = (detail: string): Answer => ({ ok: false, code: "malformed", detail });
