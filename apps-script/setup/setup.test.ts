import { postSchema, type Want } from "@sheetwire/shared/protocol";
import { beforeEach, describe, expect, test } from "vitest";
import { runAsync, type Program, type Sent } from "../effects/effects.ts";
import { settingsOf } from "../settings/settings.ts";
import { createWorld } from "../simulation/simulation.ts";
import { readConnectionString } from "./connection-string.ts";
import { check, connect, disconnect, status } from "./setup.ts";

const spreadsheetId = "sheet-under-test";
const ingestKey = `whsec_${"A".repeat(32)}`;
const stringOf = (value: unknown) => `sw1.${Buffer.from(JSON.stringify(value)).toString("base64url")}`;
const good = { url: "https://relay.example", spreadsheetId, ingestKey };

describe("a connection string", () => {
  test.each([
    ["https", good],
    ["a path and a port", { ...good, url: "https://relay.example:8443/sheets" }],
    ["http to this machine", { ...good, url: "http://127.0.0.1:8787" }],
    ["http to this machine by name", { ...good, url: "http://localhost:8787" }],
  ])("with %s is read", (_name, value) => {
    expect(readConnectionString(` ${stringOf(value)}\n`, spreadsheetId)).toEqual({ ok: true, connection: value });
  });

  test("with line breaks from a mail, or with padding, is read all the same", () => {
    const text = stringOf(good);
    expect(readConnectionString(`${text.slice(0, 30)}\n  ${text.slice(30)}==`, spreadsheetId)).toMatchObject({
      ok: true,
    });
  });

  test.each<[name: string, text: string, message: RegExp]>([
    ["nothing", "  ", /Paste the connection string/],
    ["something else", "https://relay.example", /not a connection string/],
    ["a very long text", `sw1.${"A".repeat(10_000)}`, /not a connection string/],
    ["half of it", stringOf(good).slice(0, 60), /damaged or incomplete/],
    ["letters that are not base64", "sw1.§§§", /damaged or incomplete/],
    ["bytes that are not UTF-8", `sw1.${Buffer.from([0xff, 0xfe]).toString("base64url")}`, /damaged or incomplete/],
    ["no key", stringOf({ ...good, ingestKey: undefined }), /damaged or incomplete/],
    ["a short key", stringOf({ ...good, ingestKey: "whsec_abc" }), /damaged or incomplete/],
    ["another spreadsheet's", stringOf({ ...good, spreadsheetId: "another-sheet" }), /another spreadsheet/],
    ["http to another machine", stringOf({ ...good, url: "http://relay.example" }), /https/],
    [
      "http to a machine whose name begins like ours",
      stringOf({ ...good, url: "http://localhost.evil.example" }),
      /https/,
    ],
    ["another scheme", stringOf({ ...good, url: "ftp://relay.example" }), /not a web address/],
    ["an address with a password", stringOf({ ...good, url: "https://a:b@relay.example" }), /not a web address/],
  ])("that is %s is refused in words, without repeating it", (_name, text, message) => {
    const read = readConnectionString(text, spreadsheetId);
    expect(read).toMatchObject({ ok: false, message: expect.stringMatching(message) });
    expect(JSON.stringify(read)).not.toContain(ingestKey);
  });
});

function unconnected() {
  const wants: Want[][] = [];
  const failures: Sent[] = [];
  const world = createWorld({
    spreadsheetId,
    relay: () =>
      failures.shift() ?? {
        reached: true,
        status: 202,
        text: JSON.stringify({ epoch: "e", seq: 1, wants: wants.shift() ?? [] }),
      },
  });
  world.addSheet(7, "Plan", 20, 3);
  return { world, wants, failures };
}

let { world, wants, failures } = unconnected();
beforeEach(() => {
  ({ world, wants, failures } = unconnected());
});
const run = <T>(program: Program<T>): Promise<T> => runAsync(program, world.hands());
const posts = () => world.posts.map(({ body }) => postSchema.parse(JSON.parse(body)));

describe("connecting", () => {
  test("installs the three triggers, keeps the settings, and answers wants until the relay has its first copy", async () => {
    world.put(7, 0, 0, [["a"], ["b"]]);
    wants.push([{ kind: "rows", id: "w", sheetId: 7, layout: 1, rows: [0, 1] }]);
    const result = await run(connect(stringOf(good)));
    expect(result).toMatchObject({ ok: true, message: expect.stringContaining("Connected") });
    expect(world.triggers.map((one) => one.handler)).toEqual(["handleEdit", "handleChange", "handleTick"]);
    const { connection, installation } = settingsOf(world.properties);
    expect(connection).toEqual(good);
    expect(installation?.triggerUids).toEqual(world.triggers.map((one) => one.uid));
    expect(posts().map((post) => [post.cause, post.n, post.readings.map((one) => one.kind)])).toEqual([
      ["install", 0, ["sheets"]],
      ["install", 1, ["alive"]],
      ["install", 2, ["rows"]],
    ]);
    expect(posts()[1]?.readings[0]).toMatchObject({ triggers: ["handleEdit", "handleChange", "handleTick"] });
    expect(world.count("lock")).toBe(world.count("unlock"));
  });

  test("with a key that the relay does not accept changes nothing", async () => {
    failures.push({ reached: true, status: 401, text: JSON.stringify({ code: "unauthorized" }) });
    const result = await run(connect(stringOf(good)));
    expect(result).toEqual({ ok: false, message: expect.stringMatching(/^Not connected\. The relay does not accept/) });
    expect([world.properties, world.triggers]).toEqual([{}, []]);
  });

  test("to a relay that cannot be reached says what to look at", async () => {
    failures.push({ reached: false, code: "dns" }, { reached: false, code: "dns" });
    expect(await run(connect(stringOf(good)))).toMatchObject({
      ok: false,
      message: expect.stringContaining("cannot be reached"),
    });
    expect(world.triggers).toEqual([]);
  });

  test.each([undefined, null, 7, {}, ["sw1."]])("with %j instead of a text is refused", async (argument) => {
    expect(await run(connect(argument))).toMatchObject({ ok: false });
    expect(world.posts).toEqual([]);
  });

  test("again by the same person keeps the installation and replaces the triggers", async () => {
    await run(connect(stringOf(good)));
    const first = settingsOf(world.properties).installation;
    const result = await run(connect(stringOf(good)));
    const second = settingsOf(world.properties).installation;
    expect(second?.installation).toBe(first?.installation);
    expect(second?.triggerUids).not.toEqual(first?.triggerUids);
    expect(result).not.toHaveProperty("notice");
  });

  test("by a second person takes over, and says so", async () => {
    await run(connect(stringOf(good)));
    const first = settingsOf(world.properties).installation;
    world.userKey = "key-of-another";
    expect(await run(connect(stringOf(good)))).toMatchObject({
      ok: true,
      notice: expect.stringContaining("Somebody else"),
    });
    const second = settingsOf(world.properties).installation;
    expect(second?.installation).not.toBe(first?.installation);
    expect(second?.triggerUids.some((uid) => first?.triggerUids.includes(uid))).toBe(false);
  });

  test("while somebody else holds the lock leaves everything as it was", async () => {
    world.isLockTaken = true;
    expect(await run(connect(stringOf(good)))).toMatchObject({
      ok: false,
      message: expect.stringContaining("Somebody else"),
    });
    expect([world.properties, world.triggers]).toEqual([{}, []]);
  });

  test("whose first copy breaks off stays connected and says that it goes on", async () => {
    wants.push([{ kind: "sheets", id: "w" }]);
    let sent = 0;
    world.before = (effect) => {
      if (effect === "send" && (sent += 1) > 2) failures.push({ reached: false, code: "timeout" });
    };
    expect(await run(connect(stringOf(good)))).toMatchObject({
      ok: true,
      message: expect.stringContaining("goes on by itself"),
    });
    expect(world.triggers).toHaveLength(3);
  });
});

describe("disconnecting", () => {
  test("removes triggers, key and outbox", async () => {
    await run(connect(stringOf(good)));
    world.properties["sheetwire.outbox.0"] = "[]";
    world.properties["another"] = "stays";
    expect(await run(disconnect())).toMatchObject({ ok: true });
    expect([world.properties, world.triggers]).toEqual([{ another: "stays" }, []]);
    expect(await run(status())).toEqual({ ok: true, connected: false });
    expect(await run(check())).toEqual({ ok: false, message: "This spreadsheet is not connected." });
  });
});

describe("the status", () => {
  test("comes from the relay's answer just now, and holds no key", async () => {
    await run(connect(stringOf(good)));
    const found = await run(status());
    expect(found).toEqual({
      ok: true,
      connected: true,
      answeredInMs: expect.any(Number),
      wantsLeft: false,
      kept: false,
      triggerMissing: false,
    });
    expect(JSON.stringify(found)).not.toContain("whsec");
  });

  test("says why when the relay does not answer", async () => {
    await run(connect(stringOf(good)));
    failures.push({ reached: false, code: "timeout" }, { reached: false, code: "timeout" });
    expect(await run(status())).toMatchObject({
      connected: true,
      code: "timeout",
      words: expect.stringContaining("cannot be reached"),
    });
  });

  test("notices that one of this person's triggers is gone", async () => {
    await run(connect(stringOf(good)));
    world.triggers = world.triggers.slice(1);
    expect(await run(status())).toMatchObject({ triggerMissing: true });
  });
});
