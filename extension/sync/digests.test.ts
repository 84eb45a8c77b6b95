import { expect, test } from "vitest";
import { fetchDigests } from "./digests.ts";

const source = { relayUrl: "http://relay.example", spreadsheetId: "sheet-1", token: "swd_1" };
const sheets = [{ sheetId: 7, title: "Data", index: 0, rows: 1, columns: 1, hidden: false, kind: "GRID" as const }];

test("a relay that never answers is unreachable after a while, also in the middle of its answer", async () => {
  const silent = (_url: string, { signal }: RequestInit): Promise<Response> =>
    new Promise((_resolve, reject) => signal?.addEventListener("abort", () => reject(signal.reason as Error)));
  const halfway = async (_url: string, { signal }: RequestInit): Promise<Response> =>
    new Response(
      new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode('{"seq":1,'));
          signal?.addEventListener("abort", () => controller.error(signal.reason));
        },
      }),
    );
  for (const fetch of [silent, halfway])
    expect(await fetchDigests(source, sheets, fetch, 30)).toEqual({ ok: false, why: "unreachable" });
});
