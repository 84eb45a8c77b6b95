import { existsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { CONNECTION_PREFIX, connectionSchema } from "@sheetwire/shared/protocol";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createAccess } from "./access/access.ts";
import { createSqliteAccessStore } from "./access/engines/sqlite.ts";
import { migrations } from "./store/migrations.ts";
import { holdStore, openStore } from "./store/store.ts";
import { household, type Household, type RunningRelay } from "./testing/process.ts";
import { bearer, greet, seqsOf, sheetsPost, signed } from "./testing/testing.ts";

let house: Household;
beforeEach(() => {
  house = household();
});
afterEach(() => house.end());

const json = async (args: readonly string[], env?: Record<string, string>): Promise<Record<string, string>> => {
  const { code, out, err } = await house.sheetwire([...args, "--json"], env);
  if (code !== 0) throw new Error(err);
  return JSON.parse(out) as Record<string, string>;
};

async function letIn(spreadsheetId: string) {
  const { ingestKey = "", connectionString = "" } = await json(["spreadsheet", "add", spreadsheetId]);
  const { token = "", deviceId = "" } = await json([
    "device",
    "add",
    spreadsheetId,
    "--name",
    "panel",
    "--scope",
    "read",
  ]);
  return { ingestKey, connectionString, token, deviceId };
}

/** The relay looks for what the command wrote once a second. */
async function whenKnown(relay: RunningRelay, spreadsheetId: string, token: string): Promise<void> {
  for (let left = 40; left > 0; left -= 1) {
    const answer = await fetch(`${relay.url}/v1/spreadsheets/${spreadsheetId}/status`, bearer(token));
    if (answer.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("The relay did not notice within two seconds.");
}

test("L2 what was answered with 202 is there after kill -9, told to a reader that resumes, once", async () => {
  let relay = await house.relay();
  const { ingestKey, token } = await letIn("sheet-1");
  await whenKnown(relay, "sheet-1", token);
  let cursor: { epoch: string; seq: number; chain: string } | undefined;
  let expected = 0;
  for (let round = 0; round < 3; round += 1) {
    const client = await greet(relay.url, token);
    client.say({ kind: "watch", spreadsheetId: "sheet-1", ...(cursor ? { cursor } : {}) });
    const watching = await client.until("watching");
    expect(watching.recovered).toBe(cursor !== undefined);
    cursor = { epoch: watching.epoch, seq: watching.seq, chain: watching.chain };
    // Many at once, and the kill while some are under way.
    const posts = Array.from({ length: 24 }, async (_, at) => {
      const body = sheetsPost(`round ${round} post ${at}`);
      const answer = await fetch(`${relay.url}/v1/spreadsheets/sheet-1/posts`, signed(ingestKey, body)).catch(
        () => undefined,
      );
      return answer?.status === 202
        ? ((await answer.json().catch(() => undefined)) as { seq: number } | undefined)
        : undefined;
    });
    const first = await Promise.race(posts);
    expect(first?.seq).toBeGreaterThan(0);
    await relay.kill("SIGKILL");
    const acknowledged = (await Promise.all(posts)).map((one) => one?.seq ?? 0);
    expected = Math.max(expected, ...acknowledged);
    relay = await house.relay();
    const again = await greet(relay.url, token);
    again.say({ kind: "watch", spreadsheetId: "sheet-1", cursor });
    expect(await again.until("watching")).toMatchObject({ recovered: true });
    await again.until("changes", (frame) => frame.changes.some((change) => change.seq >= expected));
    const seqs = seqsOf(again.frames);
    expect(seqs).toEqual(seqs.map((_, at) => (cursor?.seq ?? 0) + 1 + at));
    const last = again.frames.findLast((frame) => frame.kind === "changes");
    cursor = { epoch: cursor.epoch, seq: seqs.at(-1) ?? 0, chain: last?.chain ?? "" };
    again.close();
  }
  expect(await relay.kill("SIGTERM")).toBe(0);
}, 60_000);

test("the command works beside a running relay, and a revoked device's socket is closed within two seconds", async () => {
  const relay = await house.relay();
  const { connectionString, ingestKey, token, deviceId } = await letIn("sheet-1");
  const connection = connectionSchema.parse(
    JSON.parse(Buffer.from(connectionString.slice(CONNECTION_PREFIX.length), "base64url").toString()),
  );
  expect(connection).toEqual({ url: relay.url, spreadsheetId: "sheet-1", ingestKey });
  await whenKnown(relay, "sheet-1", token);
  const answer = await fetch(
    `${connection.url}/v1/spreadsheets/sheet-1/posts`,
    signed(ingestKey, sheetsPost("Ledger")),
  );
  expect(answer.status).toBe(202);
  const listed = JSON.parse((await house.sheetwire(["spreadsheet", "list", "--json"])).out) as unknown;
  expect(listed).toMatchObject([{ spreadsheetId: "sheet-1", devices: 1, changes: 1 }]);
  const client = await greet(relay.url, token);
  await json(["device", "revoke", "sheet-1", deviceId]);
  const revokedAt = performance.now();
  expect((await client.closed).code).toBe(4401);
  expect(performance.now() - revokedAt).toBeLessThan(2_000);
  const devices = JSON.parse((await house.sheetwire(["device", "list", "sheet-1", "--json"])).out) as {
    revokedAt?: number;
  }[];
  expect(devices[0]?.revokedAt).toBeGreaterThan(0);

  const { ingestKey: newKey = "" } = await json(["key", "rotate", "sheet-1", "--old-valid-for", "0"]);
  const another = await json(["device", "add", "sheet-1", "--name", "second"]);
  await whenKnown(relay, "sheet-1", another["token"] ?? "");
  const url = `${relay.url}/v1/spreadsheets/sheet-1/posts`;
  expect((await fetch(url, signed(ingestKey, sheetsPost("Old key")))).status).toBe(401);
  expect((await fetch(url, signed(newKey, sheetsPost("New key")))).status).toBe(202);

  const refused = await house.sheetwire(["spreadsheet", "remove", "sheet-1"]);
  expect(refused).toMatchObject({ code: 1, out: "" });
  expect(refused.err).toContain("2 changes");
  expect(refused.err).toContain("--yes");
  const last = await greet(relay.url, another["token"] ?? "");
  last.say({ kind: "watch", spreadsheetId: "sheet-1" });
  await last.until("watching");
  expect((await house.sheetwire(["spreadsheet", "remove", "sheet-1", "--yes"])).code).toBe(0);
  expect((await last.closed).code).toBe(4401);
  expect((await fetch(url, signed(newKey, sheetsPost("Gone")))).status).toBe(401);
  // Added again it is a new life: nothing of the old one is left.
  const reborn = await letIn("sheet-1");
  await whenKnown(relay, "sheet-1", reborn.token);
  const page = await fetch(`${relay.url}/v1/spreadsheets/sheet-1/changes`, bearer(reborn.token));
  expect(await page.json()).toMatchObject({ seq: 0, changes: [] });
  expect(relay.said()).not.toContain('"level":"error"');
}, 60_000);

test("a spreadsheet that was removed and added again at once begins empty, in a new life", async () => {
  const relay = await house.relay();
  const { ingestKey, token } = await letIn("sheet-1");
  await whenKnown(relay, "sheet-1", token);
  const url = `${relay.url}/v1/spreadsheets/sheet-1`;
  expect((await fetch(`${url}/posts`, signed(ingestKey, sheetsPost("Removed")))).status).toBe(202);
  const first = await greet(relay.url, token);
  first.say({ kind: "watch", spreadsheetId: "sheet-1" });
  const { epoch } = await first.until("watching");
  expect((await house.sheetwire(["spreadsheet", "remove", "sheet-1", "--yes"])).code).toBe(0);
  const again = await letIn("sheet-1");

  const client = await greet(relay.url, again.token);
  client.say({ kind: "watch", spreadsheetId: "sheet-1" });
  const watching = await client.until("watching");
  expect([watching.seq, watching.epoch === epoch]).toEqual([0, false]);
  for (const what of ["snapshot", "changes?since=0"]) {
    const text = await (await fetch(`${url}/${what}`, bearer(again.token))).text();
    expect([what, text.includes("Removed"), text.includes(`"seq":0`)]).toEqual([what, false, true]);
  }
  expect((await fetch(`${url}/posts`, signed(again.ingestKey, sheetsPost("Anew")))).status).toBe(202);
  expect(await client.until("changes")).toMatchObject({ changes: [{ seq: 1, spreadsheet: { title: "Anew" } }] });
  expect((await first.closed).code).toBe(4401);
  expect(relay.said()).not.toContain('"level":"error"');
}, 60_000);

test("a newer command leaves the store of an older relay alone, and says what to do", async () => {
  const path = join(house.folder, "data", "sheetwire.db");
  const letGo = holdStore(path);
  const old = new DatabaseSync(path);
  old.exec(`${migrations[0] ?? ""}; PRAGMA user_version = 1`);
  old.close();
  const refused = await house.sheetwire(["spreadsheet", "list"]);
  expect([refused.code, refused.out]).toEqual([1, ""]);
  expect(refused.err).toMatch(
    /^A relay of an older version runs on .*Stop it and start this version's relay.*Nothing was done\.$/m,
  );
  letGo();
  expect(await house.sheetwire(["spreadsheet", "list"])).toMatchObject({ code: 0, err: "" });
}, 60_000);

test("a removal that was interrupted is ended by the same command", async () => {
  const relay = await house.relay();
  const { ingestKey, token } = await letIn("sheet-1");
  await whenKnown(relay, "sheet-1", token);
  const url = `${relay.url}/v1/spreadsheets/sheet-1/posts`;
  expect((await fetch(url, signed(ingestKey, sheetsPost("Ledger")))).status).toBe(202);
  await relay.kill("SIGTERM");
  // As it stands between the two steps of a removal.
  const store = openStore(join(house.folder, "data", "sheetwire.db"), "full");
  createAccess({ store: createSqliteAccessStore(store), now: () => Date.now() }).removeSpreadsheet("sheet-1");
  store.close();
  expect(await json(["spreadsheet", "remove", "sheet-1", "--yes"])).toMatchObject({ removed: true, changes: 1 });
  const twice = await house.sheetwire(["spreadsheet", "remove", "sheet-1", "--yes"]);
  expect([twice.code, twice.err]).toEqual([1, expect.stringContaining("not known")]);
}, 60_000);

test("SIGTERM and SIGINT end it cleanly: readers are told, the exit code is 0, its address is taken down", async () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    const relay = await house.relay();
    const id = `sheet-${signal}`;
    const { token } = await letIn(id);
    await whenKnown(relay, id, token);
    const client = await greet(relay.url, token);
    const listening = join(house.folder, "data", "listening.json");
    expect(existsSync(listening)).toBe(true);
    const code = relay.kill(signal);
    expect((await client.until("refused")).code).toBe("shutting-down");
    expect((await client.closed).code).toBe(1012);
    expect(await code).toBe(0);
    expect(existsSync(listening)).toBe(false);
  }
}, 60_000);

test("nothing that was typed, no key and no token comes into its lines, its numbers or its refusals", async () => {
  const relay = await house.relay();
  const { ingestKey, token } = await letIn("sheet-1");
  await whenKnown(relay, "sheet-1", token);
  const canary = "CANARY-4711";
  const heard: string[] = [];
  const ask = async (path: string, init: RequestInit = bearer(token)): Promise<void> => {
    const answer = await fetch(`${relay.url}${path}`, init);
    heard.push([...answer.headers].join());
    const body = await answer.text();
    if (!answer.ok) heard.push(body);
  };
  const posts = "/v1/spreadsheets/sheet-1/posts";
  await ask(posts, signed(ingestKey, sheetsPost(canary)));
  await ask(posts, signed(ingestKey, `{"${canary}": ${canary}`));
  await ask(posts, signed(ingestKey, JSON.stringify({ protocol: 1, run: canary, readings: [{ kind: canary }] })));
  await ask(posts, signed("whsec_Q0FOQVJZLTQ3MTFDQU5BUlktNDcxMUNBTkFSWQ==", sheetsPost(canary)));
  await ask(posts, { method: "POST", body: canary, headers: { "content-type": canary } });
  await ask(`/v1/spreadsheets/sheet-1/values/${canary}!A1`);
  await ask(`/v1/spreadsheets/sheet-1/values/A1?render=${canary}`);
  await ask(`/v1/spreadsheets/sheet-1/changes?since=${canary}`);
  await ask(`/v1/spreadsheets/${canary}/status`);
  await ask(`/${canary}?${canary}`);
  await ask("/v1/spreadsheets", bearer(`swd_${canary}`));
  const client = await greet(relay.url, token);
  client.sayRaw(`{"${canary}`);
  await client.closed;
  heard.push(JSON.stringify(client.frames));
  const stranger = await greet(relay.url, token);
  stranger.say({ kind: "watch", spreadsheetId: "sheet-2", token: `swd_${canary}` });
  heard.push(JSON.stringify(await stranger.until("refused")));
  heard.push(await (await fetch(`${relay.url}/metrics`)).text(), await (await fetch(`${relay.url}/status`)).text());
  await relay.kill("SIGTERM");
  const all = [...heard, relay.said()].join("\n");
  expect(relay.said().split("\n").length).toBeGreaterThan(10);
  const secrets = [canary, ingestKey, ingestKey.slice(6), token, token.slice(4), "Q0FOQVJZ"];
  expect(secrets.filter((secret) => all.includes(secret))).toEqual([]);
}, 60_000);

test("what a deployer can put right is said in a sentence, with exit code 2", async () => {
  await expect(house.relay({ SHEETWIRE_PORT: "many" })).rejects.toThrow(/ended with 2: SHEETWIRE_PORT takes a port/);
  const first = await house.relay({ SHEETWIRE_STORE: "memory:" });
  const { port } = new URL(first.url);
  await expect(house.relay({ SHEETWIRE_PORT: port })).rejects.toThrow(/ended with 2: .*EADDRINUSE/s);
  const second = await house.relay();
  await expect(house.relay()).rejects.toThrow(/ended with 2: Another relay runs on .*sheetwire\.db/);
  // A folder in a place where there is a file.
  const nowhere = { SHEETWIRE_STORE: `sqlite:${import.meta.filename}/sheetwire.db` };
  await expect(house.relay(nowhere)).rejects.toThrow(/ended with 2: .*sheetwire\.db cannot be opened, read or written/);
  expect((await house.sheetwire(["spreadsheet", "list"], nowhere)).err).toMatch(/^.*cannot be opened, read or written/);
  // However it ended, the next one may begin.
  await second.kill("SIGKILL");
  await house.relay();
}, 60_000);

test("the command says on stderr what to do, and exits with 1", async () => {
  const cases: [string[], Record<string, string>, RegExp][] = [
    [["spreadsheet", "add", "no"], {}, /5 to 128 letters/],
    [["spreadsheet", "add", "sheet-1"], {}, /Start the relay first, or set SHEETWIRE_PUBLIC_URL/],
    [["device", "add", "nobody", "--name", "x"], {}, /not known.*sheetwire spreadsheet add nobody/s],
    [["device", "add", "sheet-1"], {}, /--name/],
    [["device", "add", "sheet-1", "--name", "x", "--scope", "admin"], {}, /read, write/],
    [["device", "revoke", "nobody", "dev_1"], {}, /not known/],
    [["spreadsheet", "remove", "nobody", "--yes"], {}, /not known/],
    [["key", "rotate", "sheet-1", "--old-valid-for", "soon"], {}, /from 0 to 8760/],
    [["spreadsheet", "list"], { SHEETWIRE_STORE: "memory:" }, /only the relay itself can see/],
    [["spreadsheet", "list"], { SHEETWIRE_PORT: "x" }, /SHEETWIRE_PORT takes/],
    [["dance"], {}, /unknown command/],
  ];
  for (const [args, env, words] of cases) {
    const { code, out, err } = await house.sheetwire(args, env);
    expect([args.join(" "), code, out]).toEqual([args.join(" "), 1, ""]);
    expect(err).toMatch(words);
  }
  const env = { SHEETWIRE_PUBLIC_URL: "https://relay.example/base/" };
  const pasted = "https://docs.google.com/spreadsheets/d/1AbC-def_9/edit#gid=0";
  const { connectionString = "" } = await json(["spreadsheet", "add", pasted], env);
  const text = Buffer.from(connectionString.slice(CONNECTION_PREFIX.length), "base64url").toString();
  expect(JSON.parse(text)).toMatchObject({ url: "https://relay.example/base", spreadsheetId: "1AbC-def_9" });
  const again = await house.sheetwire(["spreadsheet", "add", "1AbC-def_9"], env);
  expect(again).toMatchObject({ code: 1, out: "" });
  expect(again.err).toContain("sheetwire key rotate 1AbC-def_9");
  expect((await house.sheetwire(["--help"])).out).toContain("spreadsheet");
  expect((await house.sheetwire(["device", "add", "--help"])).out).toContain("--scope");
}, 60_000);
