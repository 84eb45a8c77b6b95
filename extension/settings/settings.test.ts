import { beforeEach, expect, test } from "vitest";
import { fakeBrowser } from "wxt/testing/fake-browser";
import {
  acceptDisclosure,
  followSettings,
  loadSettings,
  lockSettings,
  readRelayUrl,
  readSettings,
  removeConnection,
  saveConnection,
  tryConnection,
  type Settings,
} from "./settings.ts";

beforeEach(() => fakeBrowser.reset());
const setting = { relayUrl: "https://relay.example.org", token: "a-token-of-16-chars" };

test("what is saved is read again, in the shape that is documented", async () => {
  await saveConnection("spreadsheet-1", setting);
  await acceptDisclosure(1_234);
  expect(await fakeBrowser.storage.local.get()).toEqual({
    connections: { "spreadsheet-1": setting },
    disclosure: { acceptedAt: 1_234 },
  });
  expect(await loadSettings()).toEqual({
    connections: { "spreadsheet-1": setting },
    acceptedAt: 1_234,
    unreadable: [],
  });
  await removeConnection("spreadsheet-1");
  expect((await loadSettings()).connections).toEqual({});
});

test("a stored setting that cannot be read is named and not used; the others work", () => {
  const settings = readSettings({
    connections: {
      "good-sheet": { relayUrl: "http://127.0.0.1:8080/", token: setting.token },
      "bad-url": { relayUrl: "http://relay.example.org", token: setting.token },
      "no-token": { relayUrl: setting.relayUrl },
      "x y": setting,
    },
    disclosure: { acceptedAt: "yesterday" },
  });
  expect(settings).toEqual({
    connections: { "good-sheet": { relayUrl: "http://127.0.0.1:8080", token: setting.token } },
    acceptedAt: undefined,
    unreadable: ["bad-url", "no-token", "x y"],
  });
  expect(readSettings({ connections: 7 })).toEqual({ connections: {}, acceptedAt: undefined, unreadable: [] });
});

test("a change made in another place is heard", async () => {
  const heard: Settings[] = [];
  const stop = followSettings(
    (settings) => heard.push(settings),
    (error) => {
      throw error;
    },
  );
  await saveConnection("spreadsheet-1", setting);
  await expect.poll(() => heard.at(-1)?.connections).toEqual({ "spreadsheet-1": setting });
  stop();
  await removeConnection("spreadsheet-1");
  expect(heard.length).toBe(1);
});

test("tokens are locked away from content scripts where the browser can, and the lack of it is no fault", async () => {
  const levels: unknown[] = [];
  Object.assign(fakeBrowser.storage.local, { setAccessLevel: async (level: unknown) => void levels.push(level) });
  await lockSettings();
  expect(levels).toEqual([{ accessLevel: "TRUSTED_CONTEXTS" }]);
  Object.assign(fakeBrowser.storage.local, { setAccessLevel: undefined });
  await expect(lockSettings()).resolves.toBeUndefined();
});

test.each([
  ["https://relay.example.org/", "https://relay.example.org"],
  ["  https://relay.example.org/base/ ", "https://relay.example.org/base"],
  ["http://127.0.0.1:8080", "http://127.0.0.1:8080"],
])("%s is a relay's address", (typed, url) => {
  expect(readRelayUrl(typed)).toEqual({ ok: true, url });
});

test.each([
  ["", /Enter the address/],
  ["relay.example.org", /not a web address/],
  ["http://relay.example.org", /begins with https/],
  ["http://localhost:8080", /begins with https/],
  ["ftp://relay.example.org", /begins with https/],
  ["https://me:secret@relay.example.org", /user name/],
  ["https://relay.example.org/?token=x", /Leave out/],
])("%s is refused as a relay's address, with the reason", (typed, why) => {
  const read = readRelayUrl(typed);
  expect(read.ok ? "" : read.why).toMatch(why);
});

test("trying a connection tells no answer, a wrong token, something else and a relay apart", async () => {
  const ask = (answer: () => Response | Promise<Response>) =>
    tryConnection({ spreadsheetId: "spreadsheet-1", ...setting }, async () => answer());
  const problem = (status: number, code: string): Response =>
    Response.json({ type: `/problems/${code}`, title: "t", status, code }, { status });
  expect(await ask(() => Response.json({ facts: {} }))).toEqual({ ok: true });
  expect(await ask(() => Promise.reject(new TypeError("no")))).toMatchObject({ ok: false, why: "unreachable" });
  expect(await ask(() => problem(401, "unauthorized"))).toMatchObject({ ok: false, why: "no-access" });
  expect(await ask(() => problem(503, "busy"))).toMatchObject({
    ok: false,
    why: "trouble",
    words: expect.stringContaining("busy"),
  });
  expect(await ask(() => new Response("<html>"))).toMatchObject({ ok: false, why: "not-a-relay" });
  expect(await ask(() => new Response("gone", { status: 404 }))).toMatchObject({ ok: false, why: "not-a-relay" });
});

test("the token goes into a header, never into the address", async () => {
  let asked: { url: string; headers: Headers } | undefined;
  await tryConnection({ spreadsheetId: "spreadsheet-1", ...setting }, async (url, init) => {
    asked = { url, headers: new Headers(init.headers) };
    return Response.json({});
  });
  expect(asked?.url).toBe("https://relay.example.org/v1/spreadsheets/spreadsheet-1/status");
  expect(asked?.headers.get("authorization")).toBe(`Bearer ${setting.token}`);
});
