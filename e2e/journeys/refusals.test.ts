/** What a relay says no to, over real HTTP and a real socket: each no changes nothing, and the relay goes on. */
import { createHmac, randomUUID } from "node:crypto";
import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { openStage, until, type Stage } from "../stage/stage.ts";

type Answer = { status: number; headers: IncomingHttpHeaders; body: Record<string, unknown> };
type Secrets = { key: string; token: string; deviceId: string };

const id = "1refusals-spreadsheet-of-our-own";
const other = "1another-spreadsheet-beside-it";
const unknown = "1nobody-has-heard-of-this-sheet";
const MEBI = 1024 * 1024;

let stage: Stage;
let ours: Secrets;
let theirs: Secrets;
let before: string;

beforeAll(async () => {
  stage = await openStage();
  ours = await introduce(id);
  theirs = await introduce(other);
  await post(alive());
  before = await heads();
});
afterAll(() => stage.stop());
afterEach(async () => {
  const after = await heads();
  if (after !== before) throw new Error(`A refusal left its mark in a log: ${before}, then ${after}.`);
  const { status } = await fetch(`${stage.relay.url}/readyz`);
  if (status !== 200) throw new Error(`After a refusal the relay is no longer ready: ${status}.`);
});

async function introduce(spreadsheetId: string): Promise<Secrets> {
  const text = await stage.register(spreadsheetId);
  const { ingestKey } = JSON.parse(Buffer.from(text.slice("sw1.".length), "base64url").toString("utf8")) as {
    ingestKey: string;
  };
  const added = await stage.relay.command("device", "add", spreadsheetId, "--name", "e2e", "--json");
  return { key: ingestKey, token: String(added["token"]), deviceId: String(added["deviceId"]) };
}

/** Where both logs stand, as one text. */
async function heads(): Promise<string> {
  const answers = [];
  for (const [spreadsheetId, { token }] of [
    [id, ours],
    [other, theirs],
  ] as const) {
    const response = await fetch(`${stage.relay.url}/v1/spreadsheets/${spreadsheetId}/changes?since=0`, {
      headers: { authorization: `Bearer ${token}` },
    });
    const { epoch, seq } = (await response.json()) as Record<string, unknown>;
    answers.push(response.status, epoch, seq);
  }
  return answers.join(" ");
}

const alive = (more: object = {}): string =>
  JSON.stringify({
    protocol: 1,
    run: randomUUID(),
    n: 0,
    cause: "manual",
    script: { version: "0.1.0", installation: "e2e" },
    allowance: { spentMs: 0, runLimitMs: 360_000 },
    readings: [{ kind: "alive", readAt: [Date.now(), Date.now()], triggers: [] }],
    ...more,
  });

/** Headers by the Standard Webhooks specification, written here once more, so that nothing of ours takes part. */
function signed(body: string | Buffer, how: { key?: string; id?: string; ageS?: number } = {}): Record<string, string> {
  const key = Buffer.from((how.key ?? ours.key).slice("whsec_".length), "base64");
  const messageId = how.id ?? `msg_${randomUUID()}`;
  const timestamp = String(Math.floor(Date.now() / 1000) - (how.ageS ?? 0));
  const signature = createHmac("sha256", key).update(`${messageId}.${timestamp}.`).update(body).digest("base64");
  return {
    "content-type": "application/json",
    "webhook-id": messageId,
    "webhook-timestamp": timestamp,
    "webhook-signature": `v1,${signature}`,
  };
}

function post(
  body: string | Buffer,
  how: { headers?: Record<string, string>; spreadsheetId?: string } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      `${stage.relay.url}/v1/spreadsheets/${how.spreadsheetId ?? id}/posts`,
      { method: "POST", headers: { "content-length": Buffer.byteLength(body), ...(how.headers ?? signed(body)) } },
      (response) => {
        let text = "";
        response.on("data", (piece: Buffer) => (text += piece.toString("utf8")));
        response.on("end", () => {
          const { statusCode = 0, headers } = response;
          resolve({ status: statusCode, headers, body: JSON.parse(text) as Record<string, unknown> });
          request.destroy();
        });
      },
    );
    request.on("error", reject);
    request.write(body);
    if (how.headers?.["content-length"] === undefined) request.end();
  });
}

/** A refusal is a problem document with its status in it. */
async function expectRefused(answer: Promise<Answer>, status: number, code: string): Promise<Answer> {
  const came = await answer;
  expect([came.status, came.headers["content-type"], came.body["status"], came.body["type"]]).toEqual([
    status,
    expect.stringContaining("application/problem+json"),
    status,
    `/problems/${code}`,
  ]);
  return came;
}

const without = (headers: Record<string, string>, name: string): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).filter(([key]) => key !== name));

test("a post that is not signed, wrongly signed, stale or from the future is refused", async () => {
  const body = alive();
  const headers = signed(body);
  for (const name of ["webhook-id", "webhook-timestamp", "webhook-signature"])
    await expectRefused(post(body, { headers: without(headers, name) }), 401, "unauthorized");
  await expectRefused(post(body, { headers: signed(body, { key: theirs.key }) }), 401, "unauthorized");
  await expectRefused(post(`${body} `, { headers }), 401, "unauthorized");
  await expectRefused(post(body, { headers: { ...headers, "webhook-id": "msg_another" } }), 401, "unauthorized");
  for (const ageS of [400, -400])
    await expectRefused(post(body, { headers: signed(body, { ageS }) }), 401, "unauthorized");
  await expectRefused(post(body, { spreadsheetId: other }), 401, "unauthorized");
});

test("nobody finds out by a refusal which spreadsheets are known", async () => {
  const body = alive();
  expect((await post(body)).status).toBe(202);
  const wrong = await expectRefused(post(body, { headers: signed(body, { key: theirs.key }) }), 401, "unauthorized");
  const nowhere = await expectRefused(post(body, { spreadsheetId: unknown }), 401, "unauthorized");
  const late = await expectRefused(
    post(body, { headers: signed(body, { key: theirs.key, ageS: 4_000 }) }),
    401,
    "unauthorized",
  );
  const told = ({ headers, ...answer }: Answer): unknown => ({ ...answer, headers: { ...headers, date: "" } });
  expect(told(nowhere)).toEqual(told(wrong));
  expect(told(late)).toEqual(told(wrong));
  const reads = await Promise.all(
    [
      [id, theirs.token],
      [unknown, theirs.token],
      [id, "no token at all, but long enough"],
    ].map(async ([spreadsheetId, token]) => {
      const response = await fetch(`${stage.relay.url}/v1/spreadsheets/${spreadsheetId}/snapshot`, {
        headers: { authorization: `Bearer ${token}` },
      });
      return [response.status, await response.text()];
    }),
  );
  expect(reads[0]?.[0]).toBe(401);
  expect(reads[1]).toEqual(reads[0]);
  expect(reads[2]).toEqual(reads[0]);
});

test("a replayed post is answered as the first time; the same id with another body is refused", async () => {
  const body = alive();
  const messageId = `msg_${randomUUID()}`;
  const first = await post(body, { headers: signed(body, { id: messageId }) });
  expect(first.status).toBe(202);
  const again = await post(body, { headers: signed(body, { id: messageId, ageS: 30 }) });
  expect([again.status, again.body]).toEqual([202, first.body]);
  const changed = alive({ n: 1 });
  await expectRefused(post(changed, { headers: signed(changed, { id: messageId }) }), 409, "id-reused");
});

test("a post that is too large, cut off, no JSON, of another shape, type or protocol is refused", async () => {
  // Refused by its length alone, before it is sent.
  const headers = { ...signed("{"), "content-length": String(4 * MEBI + 1) };
  const refused = await expectRefused(post("{", { headers }), 413, "too-large");
  expect(refused.body["maxBytes"]).toBe(4 * MEBI);
  const body = alive();
  for (const [bad, status, code] of [
    [body.slice(0, -10), 400, "malformed"],
    ["not JSON", 400, "malformed"],
    ["", 400, "malformed"],
    ["[]", 400, "malformed"],
    ["null", 400, "malformed"],
    [Buffer.from([0xff, 0xfe, 0x00, 0x7b]), 400, "malformed"],
    ["[".repeat(200_000), 400, "malformed"],
    [alive({ readings: [{ kind: "rumour" }] }), 400, "malformed"],
    [
      alive({ readings: Array.from({ length: 501 }, () => ({ kind: "alive", readAt: [0, 0], triggers: [] })) }),
      400,
      "malformed",
    ],
    [alive({ protocol: 99 }), 426, "protocol-too-old"],
  ] as const)
    await expectRefused(post(bad), status, code);
  await expectRefused(
    post(body, { headers: { ...signed(body), "content-type": "text/plain" } }),
    415,
    "unsupported-media-type",
  );
  await expectRefused(
    post(body, { headers: { ...signed(body), "content-encoding": "gzip" } }),
    415,
    "unsupported-media-type",
  );
  await expectRefused(post(body, { headers: without(signed(body), "content-type") }), 415, "unsupported-media-type");
});

test("a post whose end never comes is dropped when its connection is", async () => {
  const body = alive();
  const request = httpRequest(`${stage.relay.url}/v1/spreadsheets/${id}/posts`, {
    method: "POST",
    headers: { ...signed(body), "content-length": Buffer.byteLength(body) },
  });
  const ended = new Promise<void>((resolve) => request.once("error", () => resolve()));
  await new Promise<void>((resolve) => request.write(body.slice(0, 40), () => resolve()));
  request.destroy(new Error("cut"));
  await ended;
  expect(await heads()).toBe(before);
});

type Said = { kind: string } & Record<string, unknown>;
type Spoken = { socket: WebSocket; said: Said[]; closed: Promise<number> };

/** A socket at the feed that has said these frames. */
async function speak(...frames: (string | Buffer)[]): Promise<Spoken> {
  const socket = new WebSocket(`${stage.relay.url.replace("http", "ws")}/v1/feed`, "sheetwire.v1");
  const said: Said[] = [];
  socket.on("message", (data: Buffer) => said.push(JSON.parse(data.toString("utf8")) as Said));
  // A frame that is too large breaks the pipe while it is being written; the close says why.
  socket.on("error", () => undefined);
  const closed = new Promise<number>((resolve) => socket.on("close", (code) => resolve(code)));
  await new Promise<void>((resolve) => socket.once("open", () => resolve()));
  for (const frame of frames) socket.send(frame);
  return { socket, said, closed };
}

const hello = (token: string): string => JSON.stringify({ kind: "hello", token, client: "e2e" });
const watch = (spreadsheetId: string): string => JSON.stringify({ kind: "watch", spreadsheetId });

test("a frame that is malformed, unexpected, binary or too large closes its socket with the code that says so", async () => {
  const cases: [string, (string | Buffer)[], number][] = [
    ["no JSON", [hello(ours.token), "not JSON"], 4400],
    ["no frame", [hello(ours.token), "[]"], 4400],
    ["an unknown kind", [hello(ours.token), '{"kind":"dance"}'], 4400],
    ["binary", [hello(ours.token), Buffer.from(watch(id))], 4400],
    ["hello twice", [hello(ours.token), hello(ours.token)], 4400],
    ["watch before hello", [watch(id)], 4400],
    ["a wrong token", [hello("wrong".repeat(8))], 4401],
    ["a token that is too short", [hello("short")], 4400],
    ["too large", [hello(ours.token), JSON.stringify({ kind: "ping", padding: "x".repeat(70_000) })], 1009],
  ];
  for (const [name, frames, code] of cases) {
    const { closed } = await speak(...frames);
    expect([name, await closed]).toEqual([name, code]);
  }
});

test("a flood of frames closes its socket, and another is served meanwhile", async () => {
  const { socket, said, closed } = await speak(hello(ours.token), watch(id));
  const flood = await speak(hello(ours.token), ...Array.from({ length: 3_000 }, () => '{"kind":"ping"}'));
  expect(await flood.closed).toBe(4429);
  await until("the other socket's watch", async () => said.some((one) => one.kind === "watching"));
  socket.close();
  await closed;
});

test("the feed is spoken by its subprotocol and at its address only", async () => {
  const attempts: [string, string | undefined, number][] = [
    ["/v1/feed", undefined, 400],
    ["/v1/feed", "sheetwire.v0", 400],
    ["/v1/elsewhere", "sheetwire.v1", 404],
  ];
  for (const [path, subprotocol, status] of attempts) {
    const socket = new WebSocket(`${stage.relay.url.replace("http", "ws")}${path}`, subprotocol);
    const answered = await new Promise<number | undefined>((resolve) => {
      socket.on("unexpected-response", (_request, response) => resolve(response.statusCode));
      socket.on("error", () => undefined);
      socket.on("open", () => resolve(undefined));
    });
    expect(answered).toBe(status);
    socket.terminate();
  }
});

test("a token for another spreadsheet opens nothing here, and is told so for that watch alone", async () => {
  const { socket, said, closed } = await speak(hello(ours.token), watch(other), watch(unknown), watch(id));
  await until("the watch of our own", async () => said.some((one) => one.kind === "watching"));
  expect(said.filter((one) => one.kind === "refused" || one.kind === "watching")).toEqual([
    { kind: "refused", code: "unauthorized", spreadsheetId: other },
    { kind: "refused", code: "unauthorized", spreadsheetId: unknown },
    expect.objectContaining({ kind: "watching", spreadsheetId: id }),
  ]);
  socket.close();
  await closed;
});

test("a token that is revoked closes its socket within two seconds and opens nothing more", async () => {
  const added = await stage.relay.command("device", "add", id, "--name", "to be revoked", "--json");
  const token = String(added["token"]);
  const { said, closed } = await speak(hello(token), watch(id));
  await until("the watch", async () => said.some((one) => one.kind === "watching"));
  await stage.relay.command("device", "revoke", id, String(added["deviceId"]), "--json");
  const revokedAt = Date.now();
  expect(await closed).toBe(4401);
  expect(Date.now() - revokedAt).toBeLessThan(2_000);
  expect(await (await speak(hello(token))).closed).toBe(4401);
  const read = await fetch(`${stage.relay.url}/v1/spreadsheets/${id}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  expect(read.status).toBe(401);
});
