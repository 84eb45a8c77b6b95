/** Stands before the relay and counts what the script posts: the only measure of traffic that no side makes of itself. */
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import * as z from "zod";
import { hashed } from "../simulation/dice.ts";

export type Traffic = {
  posts: number;
  /** Of posts and their answers, without headers. */
  bytes: number;
  /** Posts that answer wants. */
  wantsRounds: number;
  /** Cells of content that were sent, and those of rows that had been sent before with the same contents. */
  cellsSent: number;
  rowsSent: number;
  cellsAgain: number;
};

export type Tap = {
  readonly url: string;
  traffic: () => Traffic;
  /** Knows nothing of what was sent before: another spreadsheet. */
  forget: () => void;
  /** Counts from nothing; what was sent before stays known. */
  reset: () => void;
  /** Whether the relay's wants are taken out of its answers, as by a script that is deaf to them. */
  dropWants: (isDeaf: boolean) => void;
  stop: () => Promise<void>;
};

const readingsSchema = z.object({
  readings: z.array(
    z.object({
      kind: z.string(),
      sheetId: z.number().optional(),
      want: z.string().optional(),
      cells: z.array(z.array(z.unknown())).optional(),
      rows: z.array(z.tuple([z.number(), z.array(z.unknown())])).optional(),
    }),
  ),
});

const empty = (): Traffic => ({ posts: 0, bytes: 0, wantsRounds: 0, cellsSent: 0, rowsSent: 0, cellsAgain: 0 });

export async function openTap(relayUrl: string): Promise<Tap> {
  let traffic = empty();
  let isDeaf = false;
  const seen = new Set<string>();

  function count(body: string): void {
    const { readings } = readingsSchema.parse(JSON.parse(body));
    traffic.posts += 1;
    if (readings.some((reading) => reading.want !== undefined)) traffic.wantsRounds += 1;
    for (const { cells, rows, sheetId } of readings) {
      for (const row of [...(cells ?? []), ...(rows ?? []).map(([, held]) => held)]) {
        const size = row.filter((cell) => cell !== null).length;
        const known = `${sheetId} ${hashed(JSON.stringify(row))}`;
        traffic.rowsSent += 1;
        traffic.cellsSent += size;
        if (seen.has(known)) traffic.cellsAgain += size;
        seen.add(known);
      }
    }
  }

  const server = createServer((asked, answer) => {
    const parts: Buffer[] = [];
    asked.on("data", (part: Buffer) => parts.push(part));
    asked.on("end", () => {
      const body = Buffer.concat(parts);
      const isPost = asked.method === "POST" && (asked.url ?? "").endsWith("/posts");
      if (isPost) {
        traffic.bytes += body.length;
        count(body.toString("utf8"));
      }
      const passed = request(new URL(asked.url ?? "/", relayUrl), { method: asked.method, headers: asked.headers });
      passed.on("response", (response) => {
        const pieces: Buffer[] = [];
        response.on("data", (piece: Buffer) => pieces.push(piece));
        response.on("end", () => {
          const full = Buffer.concat(pieces);
          if (isPost) traffic.bytes += full.length;
          const text = isPost && isDeaf && response.statusCode === 202 ? withoutWants(full) : full;
          answer.writeHead(response.statusCode ?? 502, {
            "content-type": response.headers["content-type"] ?? "application/json",
            ...(response.headers["retry-after"] ? { "retry-after": response.headers["retry-after"] } : {}),
          });
          answer.end(text);
        });
      });
      passed.on("error", () => answer.destroy());
      passed.end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    traffic: () => ({ ...traffic }),
    forget: () => seen.clear(),
    reset: () => (traffic = empty()),
    dropWants: (isOn) => (isDeaf = isOn),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function withoutWants(answer: Buffer): string {
  const held = z.looseObject({ wants: z.array(z.unknown()) }).parse(JSON.parse(answer.toString("utf8")));
  return JSON.stringify({ ...held, wants: [] });
}
