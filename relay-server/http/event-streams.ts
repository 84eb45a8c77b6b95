import type { ServerResponse } from "node:http";
import { refusals, type Cursor, type RefusalCode } from "@sheetwire/shared/protocol";
import type { Access } from "../access/access.ts";
import { createStallSweep, type FanOut, type Reader } from "../fan-out/fan-out.ts";
import type { Metrics } from "../telemetry/telemetry.ts";

/** The log as server-sent events: `watching`, then `changes` with ids to resume from, and `status` in between. */
export type EventStreams = {
  open(response: ServerResponse, spreadsheetId: string, cursor: Cursor | undefined, deviceId: string): void;
  stop(): void;
};

/** A comment this often, so that nobody on the way takes the stream for dead, in milliseconds. */
const HEARTBEAT_MS = 15_000;
/** A stream that was told goodbye is cut after this long, in milliseconds. */
const CLOSE_WITHIN_MS = 5_000;

export function createEventStreams(needs: {
  fanOut: FanOut;
  access: Access;
  metrics: Metrics;
  /** A reader that takes nothing for so long is cut off, in milliseconds. */
  stalledMs?: number | undefined;
}): EventStreams {
  const { fanOut, access, metrics, stalledMs } = needs;
  const open = new Set<{ response: ServerResponse; deviceId: string; end: (code: RefusalCode) => void }>();
  const stopListening = access.onChange(() => {
    for (const stream of open) if (!access.isGood(stream.deviceId)) stream.end("unauthorized");
  });
  const heartbeat = setInterval(() => {
    for (const { response } of open) {
      // One that takes not even comments is ended by its queue or as stalled, not fed further.
      if (!response.writableEnded && !response.writableNeedDrain) response.write(":\n\n");
    }
  }, HEARTBEAT_MS);
  heartbeat.unref();
  const stalls = createStallSweep({
    open,
    socketOf: ({ response }) => response.socket,
    end: (stream) => stream.end("too-slow"),
    stalledMs,
  });

  return {
    open(response, spreadsheetId, cursor, deviceId) {
      // Gone while the log was looked at: nothing would tell of its end again.
      if (response.destroyed) return;
      response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no" });
      response.flushHeaders();
      const end = (code: RefusalCode): void => {
        fanOut.leave(spreadsheetId, reader);
        if (response.writableEnded || response.destroyed) return;
        // One that takes nothing would not take the goodbye either.
        if (code === "too-slow") return void response.destroy();
        const { nextStep } = refusals[code];
        response.end(`event: refused\ndata: ${JSON.stringify({ kind: "refused", code, nextStep })}\n\n`);
        setTimeout(() => response.destroy(), CLOSE_WITHIN_MS).unref();
      };
      const stream = { response, deviceId, end };
      open.add(stream);
      metrics.watches.inc();
      let epoch = "";
      const reader: Reader = {
        begin({ from, head, recovered }) {
          epoch = head.epoch;
          const { seq, chain } = head;
          const data = JSON.stringify({ kind: "watching", spreadsheetId, epoch, seq, chain, recovered });
          // The id is where this reader stands: one that loses the stream now resumes from there.
          response.write(`id: ${epoch}:${from.seq}:${from.chain}\nevent: watching\ndata: ${data}\n\n`);
        },
        deliver(entries) {
          for (const { lastSeq, chain, data } of entries) {
            response.write(`id: ${epoch}:${lastSeq}:${chain}\nevent: changes\ndata: `);
            response.write(data);
            response.write("\n\n");
          }
        },
        refetch(reason, at) {
          const data = JSON.stringify({ kind: "refetch", spreadsheetId, reason });
          response.write(`id: ${at.epoch}:${at.seq}:${at.chain}\nevent: refetch\ndata: ${data}\n\n`);
        },
        tell: (status) => void response.write(`event: status\ndata: ${status}\n\n`),
        queuedBytes: () => response.writableLength,
        drained: () =>
          new Promise((resolve) => {
            if (!response.writableNeedDrain || response.destroyed) return resolve();
            const done = (): void => {
              response.off("drain", done);
              response.off("close", done);
              resolve();
            };
            response.on("drain", done);
            response.on("close", done);
          }),
        end,
      };
      response.on("close", () => {
        if (!open.delete(stream)) return;
        metrics.watches.dec();
        fanOut.leave(spreadsheetId, reader);
      });
      // Revoked meanwhile, which was told before this stream was there.
      if (!access.isGood(deviceId)) return end("unauthorized");
      fanOut.join(spreadsheetId, cursor, reader);
    },
    stop() {
      clearInterval(heartbeat);
      stalls.stop();
      stopListening();
      for (const stream of open) stream.end("shutting-down");
    },
  };
}
