import { createHmac, X509Certificate } from "node:crypto";
import { request } from "node:https";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { makeBundle } from "./bundle/bundle.ts";
import { createFakeGoogle, type FakeGoogle } from "./fake-google.ts";
import { listen, type Listener } from "./testing/listener.ts";

let google: FakeGoogle;
let listener: Listener;

beforeAll(async () => {
  google = await createFakeGoogle({ bundleDir: join(import.meta.dirname, "testing", "script") });
});
afterAll(() => google.stop());
beforeEach(async () => {
  listener = await listen();
});
afterEach(() => listener.stop());

type Answer = { status: number; body: Record<string, unknown> };
type Sheet = { spreadsheetId: string; sheets: { sheetId: number }[] };

async function post(path: string, body: unknown): Promise<Answer> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const response = await fetch(`${google.url}/control${path}`, { method: "POST", body: text });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}
const get = async (path: string): Promise<Record<string, unknown>> =>
  (await fetch(`${google.url}/control${path}`)).json() as Promise<Record<string, unknown>>;

async function open(rows: unknown[][], more: object = {}): Promise<string> {
  const { status, body } = await post("/spreadsheets", { title: "T", sheets: [{ title: "A", rows }], ...more });
  expect(status).toBe(201);
  return (body as unknown as Sheet).spreadsheetId;
}

async function connected(rows: unknown[][], more: object = {}): Promise<string> {
  const id = await open(rows, more);
  expect(await post(`/spreadsheets/${id}/connect`, { connectionString: listener.url })).toEqual({
    status: 200,
    body: { ok: true, triggers: 3 },
  });
  return id;
}

const act = (id: string, ...actions: object[]): Promise<Answer> =>
  post(
    `/spreadsheets/${id}/actions`,
    actions.map((action) => ({ sheetId: 0, ...action })),
  );
const idle = (id: string) => get(`/spreadsheets/${id}/idle?timeoutMs=20000`);

/** What a piece of script hands back, run as a page would run it. */
async function evaluate(id: string, source: string, as?: string): Promise<unknown> {
  const { status, body } = await post(`/spreadsheets/${id}/run`, {
    function: "evaluate",
    args: [source],
    ...(as ? { as } : {}),
  });
  if (status !== 200) throw new Error(String(body["detail"]));
  return body["result"];
}

describe("runs and triggers", () => {
  test("a typed value reaches both handlers, with the fields Google gives", async () => {
    const id = await connected([["old"]]);
    await act(id, { action: "type", a1: "A1", value: "12", as: "bob@example.com" });
    await listener.until(2);
    const edit = listener.json().find((one) => one["kind"] === "edit");
    const user = { email: "bob@example.com", nickname: "bob" };
    expect(edit).toMatchObject({
      a1: "A1",
      values: [[12]],
      display: [["12"]],
      event: {
        authMode: "FULL",
        value: "12",
        oldValue: "old",
        source: {},
        user,
        range: { rowStart: 1, rowEnd: 1, columnStart: 1, columnEnd: 1 },
      },
    });
    const change = listener.json().find((one) => one["kind"] === "change");
    expect(change).toMatchObject({ event: { authMode: "FULL", changeType: "EDIT", user } });
  });

  test("a stranger's address is not told, and a block carries no values", async () => {
    const id = await connected([[1, 2]]);
    await act(id, { action: "paste", a1: "A1", values: [["5", "6"]], as: "eve@elsewhere.org" });
    await listener.until(2);
    const edit = listener.json().find((one) => one["kind"] === "edit")?.["event"];
    expect(edit).toMatchObject({ user: {} });
    expect(edit).not.toHaveProperty("value");
    expect(edit).not.toHaveProperty("oldValue");
  });

  test("rows inserted tell only the change trigger; what programs and formulas do tells nobody", async () => {
    const id = await connected([[1, { f: "=A1+1" }]]);
    await act(
      id,
      { action: "apiWrite", a1: "A1", values: [[5]] },
      { action: "scriptWrite", a1: "A1", values: [[6]] },
      { action: "recalc" },
      { action: "insertRows", row: 0 },
    );
    await idle(id);
    expect(listener.json().map((one) => (one["event"] as Record<string, unknown>)["changeType"])).toEqual([
      "INSERT_ROW",
    ]);
    expect((await get(`/spreadsheets/${id}/sheets/0/rows`))["rows"]).toEqual([[], [6, { v: 7, f: "=A2+1" }]]);
  });

  test("two runs are inside at once: one reads, a user types, the other reads and posts, then the first posts", async () => {
    const id = await connected([["before"]]);
    const project = google.world.project(id);
    if (!project) throw new Error("The spreadsheet is gone.");
    const fetches = project.gates.close("fetch");
    await act(id, { action: "type", a1: "A1", value: "first" });
    // Edit and change handler both stand before their fetch; the edit handler has read already.
    await fetches.reached(2);
    await act(id, { action: "type", a1: "A1", value: "second" });
    await fetches.reached(4);
    fetches.open();
    await listener.until(4);
    const read = listener
      .json()
      .filter((one) => one["kind"] === "edit")
      .map((one) => one["values"]);
    expect(read).toHaveLength(2);
    expect(read).toContainEqual([["first"]]);
    expect(read).toContainEqual([["second"]]);
  });

  test("a run that was held posts what it read, after the run that came later", async () => {
    const id = await connected([["before"]]);
    const project = google.world.project(id);
    const handler = project?.triggers.all().find((one) => one.eventType === "ON_CHANGE");
    if (!project || !handler) throw new Error("The spreadsheet is gone.");
    project.triggers.remove(handler.uid, handler.owner);
    const fetches = project.gates.close("fetch");
    await act(id, { action: "type", a1: "A1", value: "A read this" });
    await fetches.reached(1);
    const later = evaluate(
      id,
      `UrlFetchApp.fetch("${listener.url}", {method: "post", payload: JSON.stringify({late: SpreadsheetApp.getActive().getSheets()[0].getRange("A1").getValue()})})`,
    ).catch(() => undefined);
    await fetches.reached(2);
    await act(id, { action: "type", a1: "A1", value: "typed meanwhile" });
    await fetches.reached(3);
    expect(fetches.held()).toBe(3);
    fetches.open();
    await later;
    await listener.until(3);
    expect(listener.json().map((one) => one["values"] ?? one["late"])).toEqual(
      expect.arrayContaining([[["A read this"]], "A read this", [["typed meanwhile"]]]),
    );
  });

  test("beyond what runs and what waits, events are lost and counted", async () => {
    const id = await connected([[]]);
    const project = google.world.project(id);
    const fetches = project?.gates.close("fetch");
    const actions = Array.from({ length: 60 }, (_, row) => ({ action: "insertRows", row }));
    await act(id, ...actions);
    fetches?.open();
    await idle(id);
    // 30 ran, 2 waited.
    expect(await get(`/usage?spreadsheetId=${id}`)).toMatchObject({ dropped: 28, fetches: 32 });
  }, 30_000);

  test("a clock trigger runs when its time has come", async () => {
    const id = await connected([[]]);
    await post("/clock", { advanceMs: 9 * 60_000 });
    await idle(id);
    expect(listener.heard).toHaveLength(0);
    await post("/clock", { advanceMs: 61_000 });
    await listener.until(1);
    expect(listener.json()[0]).toMatchObject({ kind: "tick", year: expect.any(Number) as number });
  });

  test("an exception in a handler is written down and harms nothing else", async () => {
    const id = await connected([[]]);
    await listener.stop();
    await act(id, { action: "type", a1: "A1", value: "x" });
    await idle(id);
    const executions = (await get(`/spreadsheets/${id}/executions`)) as unknown as {
      function: string;
      status: string;
      error?: string;
      cause: string;
    }[];
    expect(executions.filter((one) => one.status === "failed")).toMatchObject([
      {
        function: expect.stringMatching(/handle/) as string,
        error: expect.stringContaining("Address unavailable") as string,
        cause: expect.stringContaining("trigger") as string,
      },
      {},
    ]);
    expect(await evaluate(id, "return 1")).toBe(1);
  });

  test("a run that does not end is ended", async () => {
    const id = await open([[]]);
    const project = google.world.project(id);
    project?.push(await google.world.readBundle());
    const outcome = await project?.run({
      functionName: "evaluate",
      user: "ada@example.com",
      actor: "ada@example.com",
      cause: "test",
      authMode: "FULL",
      args: '["while (true);"]',
      limitMs: 300,
    });
    expect(outcome).toMatchObject({ ok: false, error: "Exception: Exceeded maximum execution time" });
    expect(project?.executions().at(-1)?.status).toBe("timed-out");
    expect(await evaluate(id, "return 2")).toBe(2);
  });
});

describe("the script's world", () => {
  test("there is nothing but what is documented", async () => {
    const id = await open([[]]);
    const names = [
      "setTimeout",
      "setInterval",
      "fetch",
      "URL",
      "URLSearchParams",
      "TextEncoder",
      "Buffer",
      "process",
      "require",
      "crypto",
      "atob",
      "structuredClone",
      "queueMicrotask",
      "performance",
      "module",
      "sandbox",
      "host",
    ];
    expect(
      await evaluate(
        id,
        `return ${JSON.stringify(names)}.filter(function (n) { return typeof globalThis[n] !== "undefined"; })`,
      ),
    ).toEqual([]);
    expect(await evaluate(id, `return SpreadsheetApp.getActive.constructor("return typeof process")()`)).toBe(
      "undefined",
    );
  });

  test("a run that asks again and again for the last row hears of it when somebody has typed below", async () => {
    const id = await open([["a"]]);
    const gate = google.world.project(id)?.gates.close("properties.set");
    const asking = evaluate(
      id,
      `var until = Date.now() + 20000, seen = [];
       var sheet = SpreadsheetApp.getActive().getSheets()[0]; seen.push(sheet.getLastRow());
       PropertiesService.getScriptProperties().setProperty("seen", "once");
       while (sheet.getLastRow() === 1 && Date.now() < until); seen.push(sheet.getLastRow()); return seen`,
    );
    // It has looked once; from here on it asks for sizes alone.
    await gate?.reached();
    gate?.open();
    await act(id, { action: "type", a1: "B1", value: "beside" });
    await act(id, { action: "type", a1: "A5", value: "below" });
    expect(await asking).toEqual([1, 5]);
  });

  test("a gate holds a run also at what it could have known", async () => {
    const id = await open([["a"]]);
    const gate = google.world.project(id)?.gates.close("sheet.facts");
    const asking = evaluate(id, "return SpreadsheetApp.getActive().getSheets()[0].getMaxRows()");
    await gate?.reached();
    gate?.open();
    expect(await asking).toBe(1000);
  });

  test("globals do not outlive a run", async () => {
    const id = await open([[]]);
    await evaluate(id, "globalThis.kept = 1");
    expect(await evaluate(id, "return typeof kept")).toBe("undefined");
  });

  test("values are numbers, booleans, dates of this realm, texts, blanks and error texts", async () => {
    const id = await open([[1.5, true, "x", null, { f: "=1/0" }, { f: "=A1*2" }]], { timeZone: "Europe/Berlin" });
    await act(id, { action: "type", a1: "G1", value: "7/2/2024 12:00" });
    const read = `var r = SpreadsheetApp.getActive().getSheetById(0).getDataRange(); var v = r.getValues()[0];`;
    expect(await evaluate(id, `${read} return v.slice(0, 6)`)).toEqual([1.5, true, "x", "", "#DIV/0!", 3]);
    expect(
      await evaluate(
        id,
        `${read} return [v[6] instanceof Date, v[6].toISOString(), Array.isArray(v), v instanceof Array]`,
      ),
    ).toEqual([true, "2024-07-02T10:00:00.000Z", true, true]);
    expect(
      await evaluate(
        id,
        `${read} return [r.getDisplayValues()[0], r.getFormulas()[0], r.getNumRows(), r.getLastColumn()]`,
      ),
    ).toEqual([
      ["1.5", "TRUE", "x", "", "#DIV/0!", "3", "7/2/2024 12:00:00 PM"],
      ["", "", "", "", "=1/0", "=A1*2", ""],
      1,
      7,
    ]);
    expect(
      await evaluate(
        id,
        "var s = SpreadsheetApp.getActive(); return [s.getSpreadsheetTimeZone(), s.getSpreadsheetLocale(), s.getName(), s.getId()]",
      ),
    ).toEqual(["Europe/Berlin", "en_US", "T", id]);
  });

  test("an empty sheet has one blank cell, and a range outside throws as Google's does", async () => {
    const id = await open([]);
    expect(
      await evaluate(
        id,
        "var s = SpreadsheetApp.getActive().getSheets()[0]; return [s.getDataRange().getValues(), s.getLastRow(), s.getMaxRows(), s.getMaxColumns(), s.getSheetId()]",
      ),
    ).toEqual([[[""]], 0, 1000, 26, 0]);
    await expect(evaluate(id, "SpreadsheetApp.getActive().getSheets()[0].getRange(1000, 1, 2, 1)")).rejects.toThrow(
      "The coordinates of the range are outside the dimensions of the sheet.",
    );
    await expect(evaluate(id, "SpreadsheetApp.getActive().getSheets()[0].getRange(0, 1)")).rejects.toThrow("too small");
  });

  test("bytes are signed, and text without a charset is ASCII with question marks", async () => {
    const id = await open([[]]);
    expect(await evaluate(id, `return Utilities.newBlob("ü€").getBytes()`)).toEqual([-61, -68, -30, -126, -84]);
    expect(await evaluate(id, `return Utilities.newBlob([-61, -68]).getDataAsString()`)).toBe("ü");
    expect(await evaluate(id, `return Utilities.base64Encode("ü")`)).toBe("Pw==");
    expect(await evaluate(id, `return Utilities.base64Encode("ü", Utilities.Charset.UTF_8)`)).toBe("w7w=");
    const key = Buffer.from("secret");
    const hmac = (text: string): string => createHmac("sha256", key).update(text).digest("base64");
    expect(
      await evaluate(id, `return Utilities.base64Encode(Utilities.computeHmacSha256Signature("ü", "secret"))`),
    ).toBe(hmac("?"));
    expect(
      await evaluate(
        id,
        `var b = function (t) { return Utilities.newBlob(t).getBytes(); }; return Utilities.base64Encode(Utilities.computeHmacSha256Signature(b("ü"), b("secret")))`,
      ),
    ).toBe(hmac("ü"));
    expect(
      await evaluate(
        id,
        `return Utilities.base64Encode(Utilities.computeDigest(Utilities.DigestAlgorithm.SHA_256, "abc"))`,
      ),
    ).toBe("ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    expect(
      await evaluate(id, `return Utilities.ungzip(Utilities.gzip(Utilities.newBlob("hello"))).getDataAsString()`),
    ).toBe("hello");
    expect(await evaluate(id, `return Utilities.formatDate(new Date(0), "Asia/Kolkata", "yyyy-MM-dd HH:mm Z")`)).toBe(
      "1970-01-01 05:30 +0530",
    );
    await expect(evaluate(id, `Utilities.base64Decode("%%")`)).rejects.toThrow("Could not decode string.");
  });

  test("properties are strings within Google's limits, and counted", async () => {
    const id = await open([[]]);
    await evaluate(id, `PropertiesService.getDocumentProperties().setProperties({a: 1, b: "2"})`);
    expect(await evaluate(id, `return PropertiesService.getDocumentProperties().getProperties()`)).toEqual({
      a: "1",
      b: "2",
    });
    expect(await evaluate(id, `return PropertiesService.getUserProperties().getProperty("a")`)).toBeNull();
    await expect(
      evaluate(id, `PropertiesService.getDocumentProperties().setProperty("big", new Array(9300).join("x"))`),
    ).rejects.toThrow("property storage quota");
    expect(await get(`/usage?spreadsheetId=${id}`)).toMatchObject({
      propertyReads: 2,
      propertyWrites: 2,
      reads: 0,
      fetches: 0,
      locks: 0,
      runs: 4,
    });
  });

  test("a lock that one run holds keeps another waiting, and is let go at its end", async () => {
    const id = await open([[]]);
    const project = google.world.project(id);
    project?.push(await google.world.readBundle());
    const gate = project?.gates.close("properties.get");
    const holder = evaluate(
      id,
      `LockService.getDocumentLock().waitLock(1000); PropertiesService.getDocumentProperties().getProperty("x"); return "held"`,
    );
    await gate?.reached(1);
    expect(await evaluate(id, `return LockService.getDocumentLock().tryLock(20)`)).toBe(false);
    const waiter = evaluate(id, `return LockService.getDocumentLock().tryLock(5000)`);
    gate?.open();
    expect([await holder, await waiter]).toEqual(["held", true]);
  });

  test("a cache forgets in time", async () => {
    const id = await open([[]]);
    await evaluate(id, `CacheService.getScriptCache().put("k", "v", 60)`);
    expect(await evaluate(id, `return CacheService.getScriptCache().get("k")`)).toBe("v");
    await post("/clock", { advanceMs: 61_000 });
    expect(await evaluate(id, `return CacheService.getScriptCache().get("k")`)).toBeNull();
  });

  test("each user sees only their own triggers, twenty at most", async () => {
    const id = await open([[]]);
    await evaluate(
      id,
      `ScriptApp.newTrigger("handleEdit").forSpreadsheet(SpreadsheetApp.getActive()).onEdit().create()`,
    );
    expect(await evaluate(id, `return ScriptApp.getProjectTriggers().length`, "bob@example.com")).toBe(0);
    expect(
      await evaluate(
        id,
        `var t = ScriptApp.getProjectTriggers()[0]; return [t.getHandlerFunction(), String(t.getEventType()), t.getEventType() === ScriptApp.EventType.ON_EDIT, /^\\d{19}$/.test(t.getUniqueId())]`,
      ),
    ).toEqual(["handleEdit", "ON_EDIT", true, true]);
    await expect(
      evaluate(
        id,
        `for (var i = 0; i < 20; i++) ScriptApp.newTrigger("handleTick").timeBased().everyMinutes(10).create()`,
      ),
    ).rejects.toThrow("too many triggers");
    await expect(evaluate(id, `ScriptApp.newTrigger("handleTick").timeBased().everyMinutes(7)`)).rejects.toThrow(
      "everyMinutes",
    );
    await evaluate(id, `ScriptApp.getProjectTriggers().forEach(function (t) { ScriptApp.deleteTrigger(t); })`);
    expect(await get(`/spreadsheets/${id}/triggers`)).toEqual([]);
  });

  test("fetch sends bytes, throws on a refusal unless muted, and keeps Google's limits", async () => {
    const id = await open([[]]);
    const refusing = await listen(() => ({ status: 401, text: '{"no":"ü"}' }));
    try {
      const fetchIt = (params: string, url = refusing.url): string =>
        `var r = UrlFetchApp.fetch("${url}", ${params}); return [r.getResponseCode(), r.getContentText()]`;
      expect(
        await evaluate(
          id,
          fetchIt(
            `{method: "post", payload: [-61, -68], contentType: "application/json", headers: {"webhook-id": "1"}, muteHttpExceptions: true}`,
          ),
        ),
      ).toEqual([401, '{"no":"ü"}']);
      expect(refusing.heard[0]).toMatchObject({
        body: "ü",
        method: "POST",
        headers: { "content-type": "application/json", "webhook-id": "1" },
      });
      await expect(evaluate(id, fetchIt("{}"))).rejects.toThrow("returned code 401");
      await expect(evaluate(id, fetchIt("{}", "http://example.com/"))).rejects.toThrow("only https");
      await expect(evaluate(id, fetchIt("{}", "nonsense"))).rejects.toThrow("Invalid argument");
      await expect(evaluate(id, fetchIt("{}", `${refusing.url}${"x".repeat(2100)}`))).rejects.toThrow("URL Length");
      await expect(evaluate(id, fetchIt(`{headers: {"x": "a\\nb"}}`))).rejects.toThrow("Header:x");
      await expect(evaluate(id, fetchIt(`{headers: {"x": new Array(8300).join("a")}}`))).rejects.toThrow("Header Size");
      await expect(evaluate(id, fetchIt(`{wrong: 1}`))).rejects.toThrow("invalid value: wrong");
      expect((await get(`/usage?spreadsheetId=${id}`))["fetches"]).toBe(7);
    } finally {
      await refusing.stop();
    }
  });

  test("a simple trigger may neither fetch nor open a panel, and nothing may without its scope", async () => {
    const id = await open([[]]);
    const project = google.world.project(id);
    const manifest = (scopes: string[]): string => JSON.stringify({ runtimeVersion: "V8", oauthScopes: scopes });
    const code = `function onOpen() { UrlFetchApp.fetch("${listener.url}"); } function onEdit() { SpreadsheetApp.getUi(); } function go() { UrlFetchApp.fetch("${listener.url}"); }`;
    project?.push(
      makeBundle(
        new Map([
          ["Code.gs", code],
          ["appsscript.json", manifest(["https://www.googleapis.com/auth/spreadsheets.currentonly"])],
        ]),
      ),
    );
    await project?.open("ada@example.com", () => null);
    await act(id, { action: "type", a1: "A1", value: "x" });
    await post(`/spreadsheets/${id}/run`, { function: "go" });
    await idle(id);
    const errors = project?.executions().map((one) => one.error ?? "") ?? [];
    expect(errors[0]).toContain("You do not have permission to call UrlFetchApp.fetch");
    expect(errors[1]).toContain("Cannot call SpreadsheetApp.getUi() from this context.");
    expect(errors[2]).toContain("Required permissions: https://www.googleapis.com/auth/script.external_request");
    expect(listener.heard).toHaveLength(0);
  });

  test("what a script writes fires nothing and takes dates as dates", async () => {
    const id = await connected([[]]);
    await evaluate(
      id,
      `SpreadsheetApp.getActive().getSheets()[0].getRange(1, 1, 1, 3).setValues([[new Date(Date.UTC(2024, 0, 2)), "=1+1", "3"]])`,
    );
    await idle(id);
    expect(listener.heard).toHaveLength(0);
    expect((await get(`/spreadsheets/${id}/sheets/0/rows`))["rows"]).toEqual([
      [{ v: 45293, d: "1/2/2024" }, { v: 2, f: "=1+1" }, 3],
    ]);
    await expect(
      evaluate(id, `SpreadsheetApp.getActive().getSheets()[0].getRange("A1:B1").setValues([[1]])`),
    ).rejects.toThrow("does not match");
  });

  test("pages call only functions without a trailing underscore, and speak only JSON", async () => {
    const id = await open([[]]);
    expect((await post(`/spreadsheets/${id}/run`, { function: "hidden_" })).status).toBe(404);
    expect((await post(`/spreadsheets/${id}/run`, { function: "missing" })).status).toBe(404);
    await expect(evaluate(id, "return new Date()")).rejects.toThrow("Date");
    await expect(evaluate(id, "return {f: function () {}}")).rejects.toThrow("function");
    await expect(evaluate(id, "throw new Error('mine')")).rejects.toThrow("mine");
  });
});

describe("scripts that Google would not take", () => {
  const manifest = ["appsscript.json", "{}"] as const;
  test.each([
    ["class A { #p = 1 }", "refuse to save"],
    ["class A { static x = 1 }", "refuse to save"],
    ["export const a = 1;", "refuse to save"],
    ["await 1;", "refuse to save"],
    ["function (", "refuse to save"],
  ])("%s", (code, reason) => {
    expect(() => makeBundle(new Map([["Code.gs", code], manifest]))).toThrow(reason);
  });
  test("no manifest, no script, another runtime", () => {
    expect(() => makeBundle(new Map([["Code.gs", "var a"]]))).toThrow("no appsscript.json");
    expect(() => makeBundle(new Map([manifest]))).toThrow("no script");
    expect(() =>
      makeBundle(
        new Map([
          ["Code.gs", "var a"],
          ["appsscript.json", '{"runtimeVersion":"DEPRECATED_ES5"}'],
        ]),
      ),
    ).toThrow("V8");
  });
});

describe("the control API", () => {
  test("bad input is refused with the reason, and what came before it in the list stays", async () => {
    const id = await open([[]]);
    expect(
      await act(id, { action: "type", a1: "A1", value: "kept" }, { action: "type", a1: "A1:B2", value: "x" }),
    ).toMatchObject({ status: 400, body: { applied: 1, detail: "A value is typed into one cell." } });
    expect(await act(id, { action: "fly" })).toMatchObject({
      status: 400,
      body: { detail: "There is no such action." },
    });
    expect(await act(id, { action: "type", a1: "A1", value: "x".repeat(50_001) })).toMatchObject({ status: 400 });
    expect(await post(`/spreadsheets/${id}/actions`, "{")).toMatchObject({
      status: 400,
      body: { detail: "The body is not JSON." },
    });
    expect(await post(`/spreadsheets/${id}/actions`, { action: "undo" })).toMatchObject({
      status: 400,
      body: { detail: "Actions come as an array." },
    });
    expect(await post("/spreadsheets/nowhere/actions", [])).toMatchObject({ status: 404 });
    expect(await post("/spreadsheets", { title: "T", locale: "xx-YY-zz" })).toMatchObject({ status: 400 });
    expect(
      await post("/spreadsheets", {
        title: "T",
        sheets: [
          { title: "a", rows: [] },
          { title: "A", rows: [] },
        ],
      }),
    ).toMatchObject({ status: 400 });
    expect(await post("/data", { dataset: "secrets" })).toMatchObject({ status: 400 });
    expect(await post("/profile", { name: "nice" })).toMatchObject({ status: 400 });
    expect(await post("/clock", { advanceMs: -1 })).toMatchObject({ status: 400 });
    expect(await post(`/spreadsheets/${id}/connect`, { connectionString: "what?" })).toMatchObject({
      status: 422,
      body: { detail: "That is not an address." },
    });
    expect((await get(`/spreadsheets/${id}/sheets/0/rows`))["rows"]).toEqual([["kept"]]);
  });

  test("a run can be held at a service call from outside, and let go", async () => {
    const id = await connected([["x"]]);
    const { body } = await post(`/spreadsheets/${id}/gates`, { op: "fetch" });
    const gate = `/spreadsheets/${id}/gates/${String(body["gateId"])}`;
    await act(id, { action: "type", a1: "A1", value: "y" });
    await expect.poll(() => get(gate)).toEqual({ held: 2 });
    expect(await get(`/spreadsheets/${id}/idle?timeoutMs=50`)).toEqual({ idle: false });
    expect(await (await fetch(`${google.url}/control${gate}`, { method: "DELETE" })).json()).toEqual({ released: 2 });
    await listener.until(2);
    expect(await idle(id)).toEqual({ idle: true });
    expect((await post(`/spreadsheets/${id}/gates`, { op: "range read" })).status).toBe(400);
  });

  test("csv is read as typed by the locale, rows are taken as they are", async () => {
    const { body } = await post("/spreadsheets", {
      title: "T",
      locale: "de_DE",
      sheets: [
        { title: "A", csv: 'a,"b ""q"""\n2.1.2024,"1,5"\n' },
        { title: "B", rows: [["2.1.2024", { f: "=A!B2*2" }]] },
      ],
    });
    const { spreadsheetId, sheets } = body as unknown as Sheet;
    expect((await get(`/spreadsheets/${spreadsheetId}/sheets/0/rows`))["rows"]).toEqual([
      ["a", 'b "q"'],
      [
        { v: 45293, d: "02.01.2024" },
        { v: 1.5, d: "1,5" },
      ],
    ]);
    expect((await get(`/spreadsheets/${spreadsheetId}/sheets/${sheets[1]?.sheetId}/rows`))["rows"]).toEqual([
      ["2.1.2024", { v: 3, f: "=A!B2*2" }],
    ]);
  });

  test("the movies are 3,201 rows of real values", async () => {
    const { body } = await post("/data", { dataset: "movies" });
    const { spreadsheetId } = body as unknown as Sheet;
    const { usedRows, usedColumns, rows } = (await get(`/spreadsheets/${spreadsheetId}/sheets/0/rows`)) as unknown as {
      usedRows: number;
      usedColumns: number;
      rows: unknown[][];
    };
    expect([usedRows, usedColumns]).toEqual([3202, 16]);
    expect(rows[1]?.slice(0, 6)).toEqual([
      "The Land Girls",
      146083,
      146083,
      null,
      8000000,
      { v: 35958, d: "Jun 12, 1998" },
    ]);
  });

  test("a sheet of 3,200 by 16 is made and read whole well within a third of a second", async () => {
    const rows = Array.from({ length: 3200 }, (_, row) =>
      Array.from({ length: 16 }, (_cell, column) => (column % 2 === 0 ? row * column : `text ${row}`)),
    );
    const began = performance.now();
    const id = google.world.create({ title: "T", sheets: [{ title: "A", rows }] }).spreadsheet.state.id;
    const project = google.world.project(id);
    const sheet = project?.spreadsheet.sheetById(0);
    expect(sheet && project?.spreadsheet.wireRows(sheet).rows).toHaveLength(3200);
    expect(performance.now() - began).toBeLessThan(1000);
  });
});

describe("the deployed web app", () => {
  type Page = { status: number; text: string; location: string | undefined };
  const call = (url: string, body?: string): Promise<Page> =>
    new Promise((resolve, reject) => {
      const sent = request(
        url,
        {
          method: body === undefined ? "GET" : "POST",
          rejectUnauthorized: false,
          headers: { "content-type": "application/json" },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("end", () =>
            resolve({
              status: response.statusCode ?? 0,
              text: Buffer.concat(chunks).toString(),
              location: response.headers.location,
            }),
          );
        },
      );
      sent.on("error", reject);
      sent.end(body);
    });

  test("a post runs doPost and is answered by way of a second address; an exception is a page with status 200", async () => {
    const id = await open([[]]);
    const { status, body } = await post(`/spreadsheets/${id}/deployments`, {});
    expect(status).toBe(201);
    const url = String(body["url"]);
    expect(await evaluate(id, "return ScriptApp.getService().getUrl()")).toBe(url);
    const first = await call(`${url}?a=1`, '{"x":1}');
    expect(first.status).toBe(302);
    const answer = JSON.parse((await call(first.location ?? "")).text) as unknown;
    expect(answer).toEqual({ got: '{"x":1}', parameter: { a: "1" }, id });
    const failed = await call(url, "fail");
    expect([failed.status, failed.text.includes("Asked to fail"), failed.text.startsWith("<!DOCTYPE")]).toEqual([
      200,
      true,
      true,
    ]);
    expect((await call(`${google.sheetsUrl}/macros/s/AKfycbNothing/exec`, "x")).status).toBe(404);
  });

  test("the certificate is the one whose key is announced", async () => {
    const { certificate } = await import("./page/tls.ts");
    const { cert, spki } = await certificate();
    expect(spki).toBe(google.spki);
    expect(new X509Certificate(cert).subjectAltName).toContain("DNS:docs.google.com");
  });
});
