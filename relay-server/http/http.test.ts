import { createConnection } from "node:net";
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import {
  problemSchema,
  refusals,
  relayFactsSchema,
  snapshotEndSchema,
  snapshotHeadSchema,
  snapshotRowsSchema,
  type RefusalCode,
} from "@sheetwire/shared/protocol";
import { limits } from "@sheetwire/shared/limits";
import { request } from "node:http";
import type { Readable } from "node:stream";
import { text as textOf } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DiskFullError } from "../log/log.ts";
import {
  bearer,
  filled,
  learn,
  letIn,
  openRelay,
  sheetsPost,
  signed,
  soon,
  typed,
  type TestRelay,
} from "../testing/testing.ts";
import { encodingFrom, snapshotRoute } from "./snapshot.ts";

let relay: TestRelay;
let id: string;
let token: string;
let ingestKey: string;
beforeAll(async () => {
  relay = await openRelay();
  ({ spreadsheetId: id, token, ingestKey } = letIn(relay, "sheet-1"));
  await learn(
    relay,
    id,
    ...filled(
      [
        ["name", "born"],
        ["Ada", 1815],
        ["Grace", 1906],
      ],
      { title: "My 'data'/1", columns: 3 },
    ),
  );
});
afterAll(() => relay.stop());

const get = (path: string, more: Record<string, string> = {}): Promise<Response> =>
  fetch(`${relay.url}${path}`, bearer(token, more));
const of = (rest: string): string => `/v1/spreadsheets/${id}${rest}`;

async function expectRefusal(answer: Response, code: RefusalCode): Promise<void> {
  expect(answer.headers.get("content-type")).toContain("application/problem+json");
  const problem = problemSchema.parse(await answer.json());
  expect(problem).toMatchObject({ code, status: refusals[code].status });
  expect(answer.status).toBe(refusals[code].status);
}

describe("refusals over HTTP", () => {
  test.each([
    ["no token", {}],
    ["a token that nobody made", { authorization: "Bearer swd_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" }],
    ["another scheme", { authorization: "Basic YTpi" }],
    ["a token with a space", { authorization: "Bearer a b" }],
  ])("%s opens nothing", async (_, headers: Record<string, string>) => {
    for (const path of [
      "/v1/spreadsheets",
      of(""),
      of("/status"),
      of("/snapshot"),
      of("/changes"),
      of("/values/A1"),
      of("/digests?sheetId=7"),
    ]) {
      const answer = await fetch(`${relay.url}${path}`, { headers });
      expect(answer.headers.get("www-authenticate")).toBe("Bearer");
      await expectRefusal(answer, "unauthorized");
    }
  });

  test("an unknown spreadsheet and one of somebody else are refused alike", async () => {
    const other = letIn(relay, "sheet-2");
    const bodies = await Promise.all(
      ["sheet-2", "nobody-knows-it", "!"].map(async (one) => {
        const answer = await get(`/v1/spreadsheets/${one}/status`);
        return { status: answer.status, body: await answer.text() };
      }),
    );
    expect(new Set(bodies.map((one) => JSON.stringify(one))).size).toBe(1);
    expect(bodies[0]?.status).toBe(401);
    expect((await fetch(`${relay.url}/v1/spreadsheets/sheet-2/status`, bearer(other.token))).status).toBe(200);
  });

  test("a revoked token opens nothing from then on", async () => {
    const gone = relay.access.addDevice(id, "old phone", ["read"]);
    if (!gone) throw new Error("no device");
    expect((await fetch(`${relay.url}${of("/status")}`, bearer(gone.token))).status).toBe(200);
    relay.access.revokeDevice(id, gone.deviceId);
    await expectRefusal(await fetch(`${relay.url}${of("/status")}`, bearer(gone.token)), "unauthorized");
  });

  test("a device without the scope to read cannot read", async () => {
    const writer = relay.access.addDevice(id, "writer", ["write"]);
    if (!writer) throw new Error("no device");
    await expectRefusal(await fetch(`${relay.url}${of("/status")}`, bearer(writer.token)), "unauthorized");
  });

  test("what is not there is not found, and a wrong method is named with the right ones", async () => {
    await expectRefusal(await get("/v2/everything"), "not-found");
    await expectRefusal(await get("/"), "not-found");
    for (const method of ["PUT", "DELETE", "PATCH", "POST"]) {
      const answer = await fetch(`${relay.url}${of("/snapshot")}`, { method, ...bearer(token) });
      expect(answer.headers.get("allow")).toBe("GET, OPTIONS");
      await expectRefusal(answer, "method-not-allowed");
    }
    const answer = await get(of("/posts"));
    expect(answer.headers.get("allow")).toBe("POST");
    await expectRefusal(answer, "method-not-allowed");
  });

  test("an address that cannot be decoded is malformed", async () => {
    await expectRefusal(await get(of("/values/%ZZ")), "malformed");
  });

  test("a post unsigned, wrongly signed, stale, or for another spreadsheet is refused alike", async () => {
    const body = sheetsPost("x");
    const other = letIn(relay, "sheet-3");
    const url = `${relay.url}${of("/posts")}`;
    const good = signed(ingestKey, body);
    const { "webhook-signature": _, ...unsigned } = good.headers;
    await expectRefusal(await fetch(url, { ...good, headers: unsigned }), "unauthorized");
    await expectRefusal(await fetch(url, { ...good, body: `${body} ` }), "unauthorized");
    await expectRefusal(await fetch(url, signed(other.ingestKey, body)), "unauthorized");
    await expectRefusal(await fetch(url, signed(ingestKey, body, Date.now() - 10 * 60_000)), "unauthorized");
    await expectRefusal(
      await fetch(`${relay.url}/v1/spreadsheets/nobody/posts`, signed(ingestKey, body)),
      "unauthorized",
    );
  });

  test("a signed post that is no JSON, or no post, is malformed", async () => {
    for (const body of ["", "{", "[]", '{"protocol":1}', Buffer.from([0xff, 0xfe])]) {
      await expectRefusal(await fetch(`${relay.url}${of("/posts")}`, signed(ingestKey, body)), "malformed");
    }
  });

  test("a post of a protocol that is not served names the side to update", async () => {
    const answer = await fetch(`${relay.url}${of("/posts")}`, signed(ingestKey, sheetsPost("x", { protocol: 99 })));
    await expectRefusal(answer, "protocol-too-old");
  });

  test("a post that is too large is refused with the size that is not", async () => {
    const body = Buffer.alloc(limits.postMaxBytes + 1, 32);
    const answer = await fetch(`${relay.url}${of("/posts")}`, signed(ingestKey, body));
    expect(await answer.clone().json()).toMatchObject({ maxBytes: limits.postMaxBytes });
    await expectRefusal(answer, "too-large");
  });

  test("a post that is no JSON by its type, or is packed, is not understood", async () => {
    const post = signed(ingestKey, sheetsPost("x"));
    const url = `${relay.url}${of("/posts")}`;
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "nonsense"]) {
      const answer = await fetch(url, { ...post, headers: { ...post.headers, "content-type": type } });
      await expectRefusal(answer, "unsupported-media-type");
    }
    const packed = await fetch(url, { ...post, headers: { ...post.headers, "content-encoding": "gzip" } });
    await expectRefusal(packed, "unsupported-media-type");
  });

  test("what is not HTTP, or asks for what no server may give, gets a refusal too, and the connection ends", async () => {
    const port = Number(new URL(relay.url).port);
    const answerTo = (bytes: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket = createConnection(port, "127.0.0.1", () => socket.write(bytes));
        let text = "";
        socket.on("data", (data) => (text += data.toString()));
        socket.on("close", () => resolve(text));
        socket.on("error", reject);
      });
    const codeIn = (said: string): RefusalCode => problemSchema.parse(JSON.parse(said.split("\r\n\r\n")[1] ?? "")).code;
    expect(codeIn(await answerTo("HELLO\r\n\r\n"))).toBe("malformed");
    const long = `GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${"x".repeat(20_000)}\r\n\r\n`;
    expect(codeIn(await answerTo(long))).toBe("too-large");
    for (const wrong of [
      "GET /livez HTTP/1.1\r\n\r\n",
      "GET /livez HTTP/1.1\r\nHost: x\r\nExpect: zap\r\n\r\n",
      "POST /v1/spreadsheets/x/posts HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
    ]) {
      const said = await answerTo(wrong);
      expect(said).toMatch(/^HTTP\/1\.1 400 .*application\/problem\+json/s);
      expect(codeIn(said)).toBe("malformed");
    }
    // Of what older programs speak a host is no part.
    expect(await answerTo("GET /livez HTTP/1.0\r\n\r\n")).toMatch(/^HTTP\/1\.1 200 /);
  });

  test(
    "a connection that says nothing, never comes to its point or was refused is not held for ever",
    { timeout: 30_000 },
    async () => {
      const impatient = await openRelay({ stalledMs: 1_000 });
      const port = Number(new URL(impatient.url).port);
      const held = (): number => process.getActiveResourcesInfo().filter((kind) => kind === "TCPSocketWrap").length;
      const before = held();
      const sockets = ["", "GET /livez HTTP/1.1\r\nHost: x\r\n", "HELLO\r\n\r\n"].map((bytes) => {
        // It does not say goodbye in its turn.
        const socket = createConnection({ port, host: "127.0.0.1", allowHalfOpen: true });
        socket.resume();
        socket.write(bytes);
        return socket;
      });
      try {
        await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.on("end", resolve))));
        // These ends are left, theirs are gone.
        await soon(() => expect(held()).toBe(before + sockets.length));
      } finally {
        for (const socket of sockets) socket.destroy();
        await impatient.stop();
      }
    },
  );

  test("who offers to speak another protocol than HTTP/1.1 is answered in this one", async () => {
    const offer = { connection: "Upgrade, HTTP2-Settings", upgrade: "h2c", "http2-settings": "AAMAAABkAAQAAP__" };
    const asked = async (path: string, more: object): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const { body, ...options } = { body: "", ...more };
        const asking = request(`${relay.url}${path}`, { agent: false, ...options }, (answer) => {
          resolve(answer.statusCode);
          asking.destroy();
        });
        asking.on("error", reject).end(body);
      });
    const { headers } = bearer(token, offer);
    expect(await asked(of("/status"), { headers })).toBe(200);
    const other = letIn(relay, "sheet-offered");
    const post = signed(other.ingestKey, sheetsPost("Offered"));
    const length = { "content-length": Buffer.byteLength(post.body) };
    const posted = { ...post, headers: { ...post.headers, ...offer, ...length } };
    expect(await asked("/v1/spreadsheets/sheet-offered/posts", posted)).toBe(202);
  });

  test("queries that make no sense are malformed, with what would", async () => {
    for (const path of [
      "/digests",
      "/digests?sheetId=-1",
      "/digests?sheetId=7&from=x",
      "/values/A1?render=pretty",
      "/values/!A1",
      "/changes?since=-1",
      "/changes?limit=0",
      "/changes?limit=1001",
      "/snapshot?after=x",
      "/snapshot?after=7:1",
    ]) {
      await expectRefusal(await get(of(path)), "malformed");
    }
    await expectRefusal(await get(of("/digests?sheetId=8")), "not-found");
    await expectRefusal(await get(of("/values/Nowhere!A1")), "not-found");
  });

  test("a full disk and a fault of ours have their own answers, without the reason's words", async () => {
    let error: Error = new DiskFullError("secret detail");
    const broken = await openRelay({
      wrapLog: (log) => ({
        ...log,
        head: async (one) => {
          if (one === "readyz" || one === "sheet-1") throw error;
          return log.head(one);
        },
      }),
    });
    const device = letIn(broken, "sheet-1");
    const ask = (): Promise<Response> => fetch(`${broken.url}/v1/spreadsheets/sheet-1/changes`, bearer(device.token));
    const full = await ask();
    expect(full.headers.get("retry-after")).toBe("60");
    await expectRefusal(full, "disk-full");
    error = new Error("secret detail");
    const failed = await ask();
    expect(await failed.clone().text()).not.toContain("secret");
    await expectRefusal(failed, "internal");
    await expectRefusal(await fetch(`${broken.url}/readyz`), "busy");
    expect(broken.lines.join("")).not.toContain("secret");
    await broken.stop();
  });
});

describe("posts", () => {
  test("a signed post is taken, and said again is answered as the first time", async () => {
    const one = letIn(relay, "sheet-posts");
    const url = `${relay.url}/v1/spreadsheets/sheet-posts/posts`;
    const body = sheetsPost("Ledger");
    const post = signed(one.ingestKey, body, Date.now(), "post-0001");
    const first = await fetch(url, post);
    expect(first.status).toBe(202);
    const answer = await first.text();
    expect(JSON.parse(answer)).toMatchObject({ seq: 1 });
    const again = await fetch(url, signed(one.ingestKey, body, Date.now() + 1_000, "post-0001"));
    expect([again.status, await again.text()]).toEqual([202, answer]);
    const reused = await fetch(url, signed(one.ingestKey, sheetsPost("Other"), Date.now(), "post-0001"));
    await expectRefusal(reused, "id-reused");
    const changes = await fetch(`${relay.url}/v1/spreadsheets/sheet-posts/changes`, bearer(one.token));
    expect(await changes.json()).toMatchObject({ seq: 1, changes: [{ seq: 1, kind: "sheets" }] });
  });

  test("while a key rotates both keys are good, and then only the new one", async () => {
    let now = Date.now();
    const own = await openRelay({ now: () => now });
    const one = letIn(own, "sheet-1");
    const url = `${own.url}/v1/spreadsheets/sheet-1/posts`;
    const rotated = own.access.rotateKey("sheet-1", 60_000);
    const newKey = rotated?.ingestKey ?? "";
    expect((await fetch(url, signed(one.ingestKey, sheetsPost("a"), now))).status).toBe(202);
    expect((await fetch(url, signed(newKey, sheetsPost("b"), now))).status).toBe(202);
    now += 61_000;
    expect((await fetch(url, signed(one.ingestKey, sheetsPost("c"), now))).status).toBe(401);
    expect((await fetch(url, signed(newKey, sheetsPost("d"), now))).status).toBe(202);
    await own.stop();
  });
});

describe("reads", () => {
  test("a token's spreadsheets are the one it opens", async () => {
    const body = await (await get("/v1/spreadsheets")).json();
    expect(body).toEqual({ spreadsheets: [expect.objectContaining({ spreadsheetId: id, title: "Ledger", seq: 2 })] });
  });

  test("a spreadsheet tells its sheets and the head of its log", async () => {
    const body = await (await get(of(""))).json();
    expect(body).toMatchObject({ title: "Ledger", timeZone: "UTC", sheets: [{ sheetId: 7, rows: 3 }], seq: 2 });
    expect(body).toHaveProperty("epoch");
    expect(body).toHaveProperty("chain");
  });

  test("values of a range, of the first sheet or a named one with any title", async () => {
    expect(await (await get(of("/values/A2:B9"))).json()).toMatchObject({
      majorDimension: "ROWS",
      values: [
        ["Ada", 1815],
        ["Grace", 1906],
      ],
    });
    const name = encodeURIComponent("'My ''data''/1'!B:B");
    expect(await (await get(of(`/values/${name}`))).json()).toMatchObject({ values: [["born"], [1815], [1906]] });
    const whole = encodeURIComponent("'My ''data''/1'");
    expect(await (await get(of(`/values/${whole}`))).json()).toMatchObject({
      values: [
        ["name", "born"],
        ["Ada", 1815],
        ["Grace", 1906],
      ],
    });
    expect(await (await get(of("/values/C1:C3"))).json()).toMatchObject({ values: [] });
  });

  test("cells are rendered as asked: value, formula, display, or all of it; an unread row is null", async () => {
    const one = letIn(relay, "sheet-render");
    await learn(
      relay,
      "sheet-render",
      { kind: "sheets", spreadsheet: { title: "t", locale: "", timeZone: "", sheets: [{ ...SHEET, rows: 2 }] } },
      {
        kind: "rows",
        sheetId: 7,
        runs: [
          { put: [[{ v: 0.5, f: "=1/2", d: "50%" }, { v: null, f: "=1/0", e: "#DIV/0!" }, true]] },
          { unknown: 1 },
        ],
      },
    );
    const read = async (render: string): Promise<unknown> => {
      const url = `${relay.url}/v1/spreadsheets/sheet-render/values/A1:C2?render=${render}`;
      return ((await (await fetch(url, bearer(one.token))).json()) as { values: unknown }).values;
    };
    expect(await read("values")).toEqual([[0.5, "#DIV/0!", true], null]);
    expect(await read("formulas")).toEqual([["=1/2", "=1/0", true], null]);
    expect(await read("display")).toEqual([["50%", "#DIV/0!", "TRUE"], null]);
    expect(await read("cells")).toEqual([
      [{ v: 0.5, f: "=1/2", d: "50%" }, { v: null, f: "=1/0", e: "#DIV/0!" }, true],
      null,
    ]);
  });

  test("digests of a window, bounded by the sheet", async () => {
    const body = (await (await get(of("/digests?sheetId=7&from=1&to=99"))).json()) as { digests: string[]; to: number };
    expect(body.to).toBe(3);
    expect(body.digests).toHaveLength(2);
    for (const digest of body.digests) expect(digest).toMatch(/^[0-9a-f]{16}$/);
    expect(await (await get(of("/digests?sheetId=7&from=50"))).json()).toMatchObject({ digests: [] });
  });

  test("the status has the shape that every surface shares", async () => {
    const facts = relayFactsSchema.parse(await (await get(of("/status"))).json());
    expect(facts.relay.protocol).toBe(1);
  });

  test("too much for one answer is refused with what to do", async () => {
    const one = letIn(relay, "sheet-large");
    await learn(relay, "sheet-large", {
      kind: "sheets",
      spreadsheet: { title: "t", locale: "", timeZone: "", sheets: [{ ...SHEET, rows: 100_001, columns: 6 }] },
    });
    for (const path of ["values/A:F", "values/A:A", "digests?sheetId=7"]) {
      await expectRefusal(
        await fetch(`${relay.url}/v1/spreadsheets/sheet-large/${path}`, bearer(one.token)),
        "too-large",
      );
    }
  });
});

const SHEET = { sheetId: 7, title: "Data", index: 0, rows: 4, columns: 3, hidden: false, kind: "GRID" };

describe("changes as pages", () => {
  test("pages follow each other without hole or repetition, also inside an entry, each with the chain to go on", async () => {
    const one = letIn(relay, "sheet-pages");
    await learn(relay, "sheet-pages", ...filled([["a"]]), typed("b"), typed("c"));
    await learn(relay, "sheet-pages", typed("d"));
    let since = 0;
    const seqs: number[] = [];
    for (;;) {
      const url = `${relay.url}/v1/spreadsheets/sheet-pages/changes?since=${since}&limit=2`;
      const page = (await (await fetch(url, bearer(one.token))).json()) as {
        seq: number;
        chain: string;
        changes: { seq: number }[];
      };
      expect(page.chain).toBe(await relay.log.chainAt("sheet-pages", page.seq));
      if (page.changes.length === 0) break;
      seqs.push(...page.changes.map((change) => change.seq));
      since = page.seq;
    }
    expect(seqs).toEqual([1, 2, 3, 4, 5]);
  });

  test("a place that the log does not hold is history that is gone", async () => {
    await expectRefusal(await get(of("/changes?since=3")), "history-gone");
    await expectRefusal(await get(of("/changes?since=0&epoch=another")), "history-gone");
  });
});

describe("the snapshot", () => {
  const parse = (text: string) => {
    const lines = text.split("\n");
    expect(lines.pop()).toBe("");
    const [head, ...rest] = lines.map((line) => JSON.parse(line) as unknown);
    const end = snapshotEndSchema.parse(rest.pop());
    return { head: snapshotHeadSchema.parse(head), rows: rest.map((line) => snapshotRowsSchema.parse(line)), end };
  };

  test("holds everything, of one version, between its first and its last line", async () => {
    const answer = await get(of("/snapshot"), { "accept-encoding": "identity" });
    expect(answer.headers.get("content-type")).toContain("application/x-ndjson");
    const { head, rows, end } = parse(await answer.text());
    expect(head).toMatchObject({ seq: 2, spreadsheet: { title: "Ledger" } });
    expect(rows).toEqual([
      {
        sheetId: 7,
        fromRow: 0,
        rows: [
          ["name", "born"],
          ["Ada", 1815],
          ["Grace", 1906],
        ],
      },
    ]);
    expect(answer.headers.get("etag")).toBe(`"${head.epoch}-${end.digest}"`);
  });

  test("is packed as the reader takes it", async () => {
    const plain = await (await get(of("/snapshot"), { "accept-encoding": "identity" })).text();
    const unpack = { gzip: gunzipSync, br: brotliDecompressSync, zstd: zstdDecompressSync };
    for (const [encoding, open] of Object.entries(unpack)) {
      // node:http, since fetch unpacks by itself.
      const packed = await new Promise<Buffer>((resolve, reject) => {
        const { headers } = bearer(token, { "accept-encoding": encoding });
        request(`${relay.url}${of("/snapshot")}`, { headers }, (answer) => {
          expect(answer.headers["content-encoding"]).toBe(encoding);
          const pieces: Buffer[] = [];
          answer.on("data", (piece: Buffer) => pieces.push(piece));
          answer.on("end", () => resolve(Buffer.concat(pieces)));
        })
          .on("error", reject)
          .end();
      });
      expect(open(packed).toString()).toBe(plain);
    }
  });

  test("that has not changed is not sent again; that has is", async () => {
    const one = letIn(relay, "sheet-etag");
    await learn(relay, "sheet-etag", ...filled([["a"], ["b"]]));
    const url = `${relay.url}/v1/spreadsheets/sheet-etag/snapshot`;
    const first = await fetch(url, bearer(one.token));
    const etag = first.headers.get("etag") ?? "";
    await first.text();
    expect((await fetch(url, bearer(one.token, { "if-none-match": `"x", ${etag}` }))).status).toBe(304);
    await learn(relay, "sheet-etag", typed("changed"));
    expect((await fetch(url, bearer(one.token, { "if-none-match": etag }))).status).toBe(200);
  });

  test("with rows that were unknown is another when they turn out to be blank", async () => {
    const one = letIn(relay, "sheet-unknown");
    const [sheets] = filled([["a"], [null]]);
    await learn(relay, "sheet-unknown", ...(sheets ? [sheets] : []), typed("a"));
    const url = `${relay.url}/v1/spreadsheets/sheet-unknown/snapshot`;
    const first = await fetch(url, bearer(one.token));
    const etag = first.headers.get("etag") ?? "";
    expect(parse(await first.text()).rows.map((line) => line.rows)).toEqual([[["a"], null]]);
    await learn(relay, "sheet-unknown", { kind: "rows", sheetId: 7, runs: [{ keep: [0, 1] }, { blank: 1 }] });
    const second = await fetch(url, bearer(one.token, { "if-none-match": etag }));
    expect(second.status).toBe(200);
    expect(parse(await second.text()).rows.map((line) => line.rows)).toEqual([[["a"], []]]);
  });

  test("is gone on with behind the last row that came, unless its version is gone", async () => {
    const one = letIn(relay, "sheet-resume");
    const rows = Array.from({ length: 700 }, (_, row) => [`row ${row}`]);
    await learn(relay, "sheet-resume", ...filled(rows, { columns: 1 }));
    const url = `${relay.url}/v1/spreadsheets/sheet-resume/snapshot`;
    const whole = await fetch(url, bearer(one.token));
    const etag = whole.headers.get("etag") ?? "";
    expect(parse(await whole.text()).rows.map((line) => [line.fromRow, line.rows.length])).toEqual([
      [0, 256],
      [256, 256],
      [512, 188],
    ]);
    const rest = parse(await (await fetch(`${url}?after=7:511`, bearer(one.token, { "if-match": etag }))).text());
    expect(rest.rows.map((line) => line.fromRow)).toEqual([512]);
    await expectRefusal(await fetch(`${url}?after=8:0`, bearer(one.token, { "if-match": etag })), "version-gone");
    // Edits go on, and so does the reader: of the version that it began with.
    await learn(relay, "sheet-resume", typed("changed", 600));
    const going = await fetch(`${url}?after=7:511`, bearer(one.token, { "if-match": etag }));
    expect(going.headers.get("etag")).toBe(etag);
    expect(parse(await going.text())).toEqual(rest);
    expect((await fetch(url, bearer(one.token))).headers.get("etag")).not.toBe(etag);
    relay.skip(121_000);
    await learn(relay, "sheet-resume", typed("again"));
    await (await fetch(url, bearer(one.token))).text();
    await expectRefusal(await fetch(`${url}?after=7:511`, bearer(one.token, { "if-match": etag })), "version-gone");
  });

  test("a reader that goes away in the middle is no fault", async () => {
    const one = letIn(relay, "sheet-away");
    const rows = Array.from({ length: 20_000 }, (_, row) => [`${row} `.repeat(100)]);
    await learn(relay, "sheet-away", ...filled(rows, { columns: 1 }));
    const faults = async (): Promise<number> => (await relay.metrics.faults.get()).values[0]?.value ?? 0;
    const before = await faults();
    for (const encoding of ["identity", "gzip"]) {
      const controller = new AbortController();
      const url = `${relay.url}/v1/spreadsheets/sheet-away/snapshot`;
      const answer = await fetch(url, {
        ...bearer(one.token, { "accept-encoding": encoding }),
        signal: controller.signal,
      });
      await answer.body?.getReader().read();
      controller.abort();
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await faults()).toBe(before);
    expect((await get(of("/snapshot"))).status).toBe(200);
  });

  test("breaks off when its reader's token is revoked", async () => {
    const one = letIn(relay, "sheet-revoked");
    const rows = Array.from({ length: 20_000 }, (_, row) => [`${row} `.repeat(200)]);
    await learn(relay, "sheet-revoked", ...filled(rows, { columns: 1 }));
    const faults = async (): Promise<number> => (await relay.metrics.faults.get()).values[0]?.value ?? 0;
    const before = await faults();
    for (const encoding of ["identity", "gzip"]) {
      const device = relay.access.addDevice("sheet-revoked", encoding, ["read"])!;
      const url = `${relay.url}/v1/spreadsheets/sheet-revoked/snapshot`;
      const headers = { "accept-encoding": encoding };
      const [going, other] = await Promise.all([device, one].map(({ token: own }) => fetch(url, bearer(own, headers))));
      const reader = going!.body!.getReader();
      await reader.read();
      relay.access.revokeDevice("sheet-revoked", device.deviceId);
      const toTheEnd = async (): Promise<void> => {
        while (!(await reader.read()).done);
      };
      await expect(toTheEnd()).rejects.toThrow("terminated");
      expect(parse(await other!.text()).rows.at(-1)?.fromRow).toBeGreaterThan(19_000);
    }
    expect(await faults()).toBe(before);
  });

  test("is never older than the place from which changes follow, also when contents are again what they were", async () => {
    const one = letIn(relay, "sheet-again");
    const take = async (): Promise<number> => {
      const answer = await fetch(`${relay.url}/v1/spreadsheets/sheet-again/snapshot`, bearer(one.token));
      return snapshotHeadSchema.parse(JSON.parse((await answer.text()).split("\n")[0] ?? "")).seq;
    };
    await learn(relay, "sheet-again", ...filled([["a"], ["b"]], { columns: 1 }));
    expect(await take()).toBe(2);
    await learn(relay, "sheet-again", typed("x"));
    expect(await take()).toBe(3);
    await learn(relay, "sheet-again", typed("a"));
    expect(await take()).toBe(4);
  });

  test("versions that slow readers hold have an end: one too many is told to come again", async () => {
    const one = letIn(relay, "sheet-versions");
    await learn(relay, "sheet-versions", ...filled([["a"], ["b"], ["c"]], { columns: 1 }));
    const route = snapshotRoute({ ingest: relay.ingest, elapsed: () => performance.now(), mostBytes: 400 });
    const ask = async (): Promise<Readable> => {
      const params = { spreadsheetId: one.spreadsheetId };
      const answer = await route.handle({ params, query: {}, headers: {}, device: undefined });
      if (!answer.ok) throw new Error(answer.code);
      if (!("body" in answer) || typeof answer.body === "string") throw new Error("No stream.");
      return answer.body;
    };
    const slow = await ask();
    const beside = await ask();
    await learn(relay, "sheet-versions", typed("later"));
    await expect(ask()).rejects.toThrow("busy");
    beside.destroy();
    await expect(ask()).rejects.toThrow("busy");
    slow.destroy();
    await soon(async () => expect(await textOf(await ask())).toContain("later"));
  });

  test("versions that nobody reads make place for newer ones, the newest stays", async () => {
    const one = letIn(relay, "sheet-kept");
    await learn(relay, "sheet-kept", ...filled([["a"], ["b"], ["c"]], { columns: 1 }));
    const route = snapshotRoute({ ingest: relay.ingest, elapsed: () => performance.now(), mostBytes: 1 });
    const ask = async (more: { headers?: { "if-match": string }; query?: { after: string } } = {}): Promise<string> => {
      const params = { spreadsheetId: one.spreadsheetId };
      const answer = await route.handle({ params, query: {}, headers: {}, device: undefined, ...more });
      if (!answer.ok) throw new Error(answer.code);
      if (!("body" in answer) || typeof answer.body === "string") throw new Error("No stream.");
      await textOf(answer.body);
      return answer.headers?.["etag"] ?? "";
    };
    const goOn = (etag: string) => ask({ headers: { "if-match": etag }, query: { after: "7:0" } });
    const first = await ask();
    await learn(relay, "sheet-kept", typed("later"));
    await expect(goOn(first)).resolves.toBe(first);
    const second = await ask();
    await learn(relay, "sheet-kept", typed("last"));
    await expect(goOn(second)).resolves.toBe(second);
    await expect(goOn(first)).rejects.toThrow("version-gone");
  });

  test("a reader that takes nothing is let go", { timeout: 30_000 }, async () => {
    const impatient = await openRelay({ stalledMs: 2_000 });
    try {
      const one = letIn(impatient, "sheet-stalled");
      const rows = Array.from({ length: 20_000 }, (_, row) => [`${row} `.repeat(200)]);
      await learn(impatient, "sheet-stalled", ...filled(rows, { columns: 1 }));
      const socket = createConnection(Number(new URL(impatient.url).port), "127.0.0.1");
      const stalled = { isClosed: false, last: "" };
      socket.on("close", () => (stalled.isClosed = true));
      socket.on("error", () => {});
      socket.on("data", (data) => (stalled.last = (stalled.last + data.toString("latin1")).slice(-200)));
      const head = `GET /v1/spreadsheets/sheet-stalled/snapshot HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${one.token}`;
      socket.write(`${head}\r\nConnection: close\r\n\r\n`);
      await soon(() => expect(stalled.last).not.toBe(""));
      socket.pause();
      // A write that got stuck in between counts as something taken, so it can be twice as long.
      await new Promise((resolve) => setTimeout(resolve, 9_000));
      socket.resume();
      await soon(() => expect(stalled.isClosed).toBe(true));
      expect(stalled.last).not.toContain('{"end":true');
    } finally {
      await impatient.stop();
    }
  });

  test.each([
    [undefined, undefined],
    ["identity", undefined],
    ["gzip, deflate, br, zstd", "zstd"],
    ["gzip;q=1.0, br;q=0.5", "gzip"],
    ["*", "zstd"],
    ["zstd;q=0, *", "br"],
    ["gzip;q=0", undefined],
    ["deflate", undefined],
  ])("an Accept-Encoding of %s is answered with %s", (header, encoding) => {
    expect(encodingFrom(header)).toBe(encoding);
  });
});

describe("for browsers and operators", () => {
  test("another origin may read with a token, and sees the ETag", async () => {
    const preflight = await fetch(`${relay.url}${of("/snapshot")}`, { method: "OPTIONS" });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-origin")).toBe("*");
    expect(preflight.headers.get("access-control-allow-headers")).toContain("Authorization");
    const answer = await get(of("/snapshot"));
    expect(answer.headers.get("access-control-expose-headers")).toContain("ETag");
  });

  test("it says that it lives and is ready, and counts without naming anybody", async () => {
    for (const path of ["/livez", "/readyz"]) expect((await fetch(`${relay.url}${path}`)).status).toBe(200);
    const metrics = await (await fetch(`${relay.url}/metrics`)).text();
    expect(metrics).toContain('route="/v1/spreadsheets/:spreadsheetId/values/:a1"');
    expect(metrics).not.toContain(id);
    const page = await (await fetch(`${relay.url}/status`)).text();
    expect(page).toContain("Posts taken");
    expect(page).not.toContain(id);
  });

  test("its description names every route", async () => {
    const body = (await (await fetch(`${relay.url}/v1/openapi.json`)).json()) as { openapi: string; paths: object };
    expect(body.openapi).toBe("3.1.0");
    expect(Object.keys(body.paths)).toContain("/v1/spreadsheets/{spreadsheetId}/values/{a1}");
    expect(Object.keys(body.paths)).toHaveLength(12);
  });
});
