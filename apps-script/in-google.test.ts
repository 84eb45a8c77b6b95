/** The built script inside the stand-in for Google, both as they are started for real, posting to a small relay. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { limits } from "@sheetwire/shared/limits";
import { postSchema, type Post, type Want } from "@sheetwire/shared/protocol";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { buildAppsScript } from "./build.ts";

const root = resolve(import.meta.dirname, "..");
const folder = mkdtempSync(join(tmpdir(), "sheetwire-google-"));
const ingestKey = `whsec_${Buffer.from("a key of thirty-two bytes or so!").toString("base64")}`;

let google: ChildProcess;
let control = "";
let relay: Server;
let relayUrl = "";
let posts: Post[] = [];
let ids: string[] = [];
/** What the relay says to the next post; 202 without wants when nothing is queued. */
let answers: ((post: Post) => { status: number; wants?: Want[] })[] = [];

beforeAll(async () => {
  relay = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString("utf8");
      const headers = request.headers as Record<string, string>;
      let post: Post;
      try {
        new Webhook(ingestKey).verify(body, headers);
        post = postSchema.parse(JSON.parse(body));
      } catch (fault) {
        response
          .writeHead(400, { "content-type": "application/problem+json" })
          .end(JSON.stringify({ code: "malformed" }));
        throw fault;
      }
      const { status, wants = [] } = answers.shift()?.(post) ?? { status: 202 };
      if (status === 202) {
        posts.push(post);
        ids.push(headers["webhook-id"] ?? "");
      }
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(status === 202 ? { epoch: "e", seq: posts.length, wants } : { code: "busy" }));
    });
  });
  await new Promise<void>((done) => relay.listen(0, "127.0.0.1", done));
  const address = relay.address();
  relayUrl = `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;

  const bundle = join(folder, "dist");
  await buildAppsScript({ outDir: bundle });
  google = spawn(process.execPath, [join(root, "fake-google", "main.ts"), "--port", "0", "--bundle", bundle], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  control = await new Promise<string>((done, fail) => {
    let output = "";
    google.stdout?.on("data", (chunk: Buffer) => {
      output += String(chunk);
      const line = output.split("\n").find((one) => one.includes('"listening"'));
      if (line) done(`${(JSON.parse(line) as { url: string }).url}/control`);
    });
    google.once("exit", (code) => fail(new Error(`fake-google ended with ${code}: ${output}`)));
  });
}, 30_000);

afterAll(async () => {
  if (google.exitCode === null) {
    const ended = new Promise((done) => google.once("exit", done));
    google.kill("SIGTERM");
    await ended;
  }
  await new Promise((done) => relay.close(done));
  rmSync(folder, { recursive: true, force: true });
}, 30_000);

beforeEach(() => {
  posts = [];
  ids = [];
  answers = [];
});

async function ask<T>(path: string, body?: unknown): Promise<T> {
  const init = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  const response = await fetch(`${control}${path}`, init);
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
  return JSON.parse(text) as T;
}

type Made = { spreadsheetId: string; sheets: { sheetId: number; title: string }[] };

const stringFor = (spreadsheetId: string, url = relayUrl) =>
  `sw1.${Buffer.from(JSON.stringify({ url, spreadsheetId, ingestKey })).toString("base64url")}`;

/** A spreadsheet of one sheet, connected, with nothing running and nothing counted. */
async function connected(
  rows: unknown[][],
  more: object = {},
): Promise<{ id: string; sheetId: number; act: (action: object) => Promise<void> }> {
  const made = await ask<Made>("/spreadsheets", { title: "Plan", sheets: [{ title: "One", rows }], ...more });
  const id = made.spreadsheetId;
  const sheetId = made.sheets[0]?.sheetId ?? -1;
  expect(await ask(`/spreadsheets/${id}/connect`, { connectionString: stringFor(id) })).toMatchObject({ ok: true });
  posts = [];
  await ask("/usage/reset", {});
  const act = async (action: object): Promise<void> => {
    await ask(`/spreadsheets/${id}/actions`, [{ sheetId, ...action }]);
    expect(await ask(`/spreadsheets/${id}/idle?timeoutMs=20000`)).toEqual({ idle: true });
  };
  return { id, sheetId, act };
}

const usageOf = (id: string) => ask<Record<string, number>>(`/usage?spreadsheetId=${id}`);
const failuresOf = async (id: string) =>
  (
    await ask<{ status: string; function: string }[] | { executions: { status: string }[] }>(
      `/spreadsheets/${id}/executions`,
    ).then((found) => (Array.isArray(found) ? found : found.executions))
  ).filter((one) => !/^(completed|ok|running)$/i.test(one.status));

describe("the built script inside Google", () => {
  test("P5 a typed edit costs one fetch, one properties read, at most three range reads, no lock and no property write", async () => {
    const { id, act } = await connected([
      ["a", "b"],
      ["c", "d"],
    ]);
    await act({ action: "type", a1: "B2", value: "e", as: "ada@example.com" });
    expect(await usageOf(id)).toMatchObject({ fetches: 1, propertyReads: 1, propertyWrites: 0, locks: 0 });
    expect((await usageOf(id))["reads"]).toBeLessThanOrEqual(3);
    expect(posts).toHaveLength(1);
    expect(posts[0]).toMatchObject({
      cause: "edit",
      readings: [
        { kind: "cells", at: { row: 1, column: 0 }, cells: [["c", "e"]], was: "d", edited: { row: 1, column: 1 } },
      ],
    });
    expect(await failuresOf(id)).toEqual([]);
  });

  test("connecting sends the sheets, installs each trigger once, and reads what the relay wants", async () => {
    const rows = Array.from({ length: 3_000 }, (_, row) =>
      Array.from({ length: 16 }, (_unused, column) => `${row}:${column}`),
    );
    const made = await ask<Made>("/spreadsheets", { title: "Big", sheets: [{ title: "One", rows }] });
    const id = made.spreadsheetId;
    const sheetId = made.sheets[0]?.sheetId ?? -1;
    answers.push((post) => {
      const [reading] = post.readings;
      const sheet = reading?.kind === "sheets" ? reading.spreadsheet.sheets[0] : undefined;
      const height = Math.floor(limits.wantMaxCells / (sheet?.columns ?? 1));
      const wants: Want[] = [];
      for (let from = 0; from < (sheet?.rows ?? 0); from += height) {
        const range = {
          startRowIndex: from,
          endRowIndex: from + height,
          startColumnIndex: 0,
          endColumnIndex: sheet?.columns ?? 1,
        };
        wants.push({ kind: "cells", id: `w${from}`, sheetId, layout: 1, range });
      }
      return { status: 202, wants };
    });
    const startedAt = performance.now();
    expect(await ask(`/spreadsheets/${id}/connect`, { connectionString: stringFor(id) })).toMatchObject({ ok: true });
    console.log(
      `first copy of 3,000 x 16 cells: ${Math.round(performance.now() - startedAt)} ms, ${posts.length} posts`,
    );
    const copy: string[] = [];
    for (const post of posts) {
      for (const reading of post.readings)
        if (reading.kind === "cells") copy.push(...reading.cells.map((row) => JSON.stringify(row)));
    }
    expect(copy).toEqual(rows.map((row) => JSON.stringify(row)));
    const triggers = await ask<{ handler: string }[]>(`/spreadsheets/${id}/triggers`);
    expect(triggers.map((one) => one.handler).sort()).toEqual(["handleChange", "handleEdit", "handleTick"]);
    expect(new Set(ids).size).toBe(ids.length);
  }, 30_000);

  test("a second installer does not double an edit", async () => {
    const made = await ask<Made>("/spreadsheets", { title: "Shared", sheets: [{ title: "One", rows: [["a"]] }] });
    const id = made.spreadsheetId;
    const sheetId = made.sheets[0]?.sheetId;
    await ask(`/spreadsheets/${id}/connect`, { connectionString: stringFor(id), as: "ada@example.com" });
    expect(
      await ask(`/spreadsheets/${id}/connect`, { connectionString: stringFor(id), as: "bob@example.com" }),
    ).toMatchObject({
      ok: true,
      notice: expect.stringContaining("Somebody else"),
    });
    posts = [];
    await ask(`/spreadsheets/${id}/actions`, [{ action: "type", sheetId, a1: "A1", value: "b" }]);
    await ask(`/spreadsheets/${id}/idle?timeoutMs=20000`);
    expect(posts.map((post) => post.cause)).toEqual(["edit"]);
  });

  test("an inserted row is told as the new list of sheets", async () => {
    const { id, act } = await connected([["a"], ["b"]]);
    await act({ action: "insertRows", row: 1, count: 1 });
    expect(posts.map((post) => [post.cause, post.readings.map((one) => one.kind)])).toEqual([
      ["change:INSERT_ROW", ["sheets"]],
    ]);
    expect(await failuresOf(id)).toEqual([]);
  });

  test("a pasted block is one post with all its rows", async () => {
    const { act } = await connected([["a"]]);
    await act({
      action: "paste",
      a1: "B2",
      values: [
        ["1", "2"],
        ["3", "=B2+1"],
      ],
    });
    expect(posts).toHaveLength(1);
    expect(posts[0]?.readings[0]).toMatchObject({
      at: { row: 1, column: 0 },
      cells: [
        [null, 1, 2],
        [null, 3, { v: 2, f: "=B2+1" }],
      ],
    });
  });

  test("1,461 daily dates through a change of clocks cost few zone calls and come out as the sheet holds them", async () => {
    const first = 40_909;
    const rows = Array.from({ length: 1_461 }, (_, day) => [
      `${new Date(Date.UTC(2012, 0, 1 + day)).toISOString().slice(0, 10)} 03:30:15`,
    ]);
    const made = await ask<Made>("/spreadsheets", {
      title: "Weather",
      timeZone: "America/New_York",
      sheets: [{ title: "One", csv: rows.map((row) => row.join(",")).join("\n") }],
    });
    const id = made.spreadsheetId;
    const sheetId = made.sheets[0]?.sheetId ?? -1;
    await ask("/usage/reset", {});
    const range = { startRowIndex: 0, endRowIndex: 1_461, startColumnIndex: 0, endColumnIndex: 1 };
    answers.push(() => ({ status: 202, wants: [{ kind: "cells", id: "w", sheetId, layout: 1, range }] }));
    await ask(`/spreadsheets/${id}/connect`, { connectionString: stringFor(id) });
    const usage = await usageOf(id);
    expect(usage["zoneCalls"]).toBeLessThan(120);
    const cells = posts.flatMap((post) => post.readings.flatMap((one) => (one.kind === "cells" ? one.cells : [])));
    const { rows: truth } = await ask<{ rows: unknown[][] }>(`/spreadsheets/${id}/sheets/${sheetId}/rows`);
    expect(cells).toEqual(truth.slice(0, 1_461));
    expect(cells[0]?.[0]).toMatchObject({ v: first + (3.5 * 3_600 + 15) / 86_400 });
  });

  test("what the relay could not take is read again and arrives with the next edit", async () => {
    const { id, act } = await connected([["a"], ["b"]]);
    answers.push(
      () => ({ status: 503 }),
      () => ({ status: 503 }),
    );
    await act({ action: "type", a1: "A1", value: "lost?" });
    expect(posts).toEqual([]);
    await act({ action: "type", a1: "A2", value: "next" });
    expect(posts.map((post) => post.readings[0]).map((one) => one?.kind === "cells" && one.cells[0]?.[0])).toEqual([
      "next",
      "lost?",
    ]);
    expect(await failuresOf(id)).toEqual([]);
  });

  test("the panel asks, and is told, over google.script.run; disconnecting removes the triggers", async () => {
    const { id } = await connected([["a"]]);
    const status = await ask<{ result: unknown }>(`/spreadsheets/${id}/run`, { function: "ui_getStatus" });
    expect(status.result).toMatchObject({
      ok: true,
      connected: true,
      answeredInMs: expect.any(Number),
      triggerMissing: false,
    });
    expect(posts[0]).toMatchObject({
      cause: "call",
      readings: [{ kind: "alive", triggers: ["handleEdit", "handleChange", "handleTick"] }, { kind: "sheets" }],
    });
    const gone = await ask<{ result: unknown }>(`/spreadsheets/${id}/run`, { function: "ui_disconnect" });
    expect(gone.result).toMatchObject({ ok: true });
    expect(await ask(`/spreadsheets/${id}/triggers`)).toEqual([]);
  });

  test("the panel and the Connect dialog open from the menu", async () => {
    const { id } = await connected([["a"]]);
    expect(await ask(`/spreadsheets/${id}/sidebar`, {})).toMatchObject({
      title: "Sheetwire",
      html: expect.stringContaining("ui_getStatus"),
    });
  });

  test("a connection string for another spreadsheet is refused in words", async () => {
    const made = await ask<Made>("/spreadsheets", { title: "Plan", sheets: [{ title: "One", rows: [["a"]] }] });
    const path = `/spreadsheets/${made.spreadsheetId}/connect`;
    await expect(ask(path, { connectionString: stringFor("another-spreadsheet") })).rejects.toThrow(
      "another spreadsheet",
    );
    await expect(ask(path, { connectionString: "hello" })).rejects.toThrow("not a connection string");
    await expect(ask(path, { connectionString: stringFor(made.spreadsheetId, "http://127.0.0.1:9") })).rejects.toThrow(
      "cannot be reached",
    );
  });

  test("every ten minutes the timed trigger says that the script is there", async () => {
    const { id } = await connected([["a"]]);
    await ask("/clock", { advanceMs: 10 * 60_000 });
    await ask(`/spreadsheets/${id}/idle?timeoutMs=20000`);
    const mine = posts.filter((post) => post.cause === "sweep");
    expect(mine.length).toBeGreaterThan(0);
    expect(mine.every((post) => post.readings[0]?.kind === "alive")).toBe(true);
  });
});
