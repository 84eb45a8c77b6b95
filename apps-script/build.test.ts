import { execFileSync } from "node:child_process";
import { createHmac, randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createContext, runInContext } from "node:vm";
import { parse } from "acorn";
import { postSchema } from "@sheetwire/shared/protocol";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildAppsScript, builtFiles, manifest } from "./build.ts";

const folder = mkdtempSync(join(tmpdir(), "sheetwire-script-"));
const dist = join(folder, "dist");
let code = "";
beforeAll(async () => {
  await buildAppsScript({ outDir: dist, relayUrl: "https://relay.example/base" });
  code = readFileSync(join(dist, "Code.js"), "utf8");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const functions = [
  "checkNow",
  "disconnect",
  "doPost",
  "handleChange",
  "handleEdit",
  "handleTick",
  "onInstall",
  "onOpen",
  "showConnect",
  "showSidebar",
  "ui_connect",
  "ui_disconnect",
  "ui_getStatus",
];

describe("what is built for Google", () => {
  test("is one script, the manifest and two pages", () => {
    expect(readdirSync(dist).sort()).toEqual([...builtFiles].sort());
  });

  test("is written in what Google can save: ES2019, no modules, no class fields", () => {
    const tree = parse(code, { ecmaVersion: 2019, sourceType: "script" });
    const names = tree.body.flatMap((node) => (node.type === "FunctionDeclaration" ? [node.id.name] : []));
    expect(names.sort()).toEqual(functions);
  });

  test("stays within 40 kB and brings no schema library", () => {
    expect(statSync(join(dist, "Code.js")).size).toBeLessThanOrEqual(40_000);
    expect(code).not.toMatch(/ZodType|_zod|safeParse/);
  });

  test("touches no service when it is loaded, and makes each function a global one", () => {
    const context = createContext({});
    runInContext(code, context);
    expect(functions.map((name) => runInContext(`typeof ${name}`, context) as unknown)).toEqual(
      functions.map(() => "function"),
    );
  });

  test("needs nothing of the browser or of Node", () => {
    const found = new Set(
      code.match(/\b(?:setTimeout|fetch|URL|TextEncoder|atob|btoa|crypto|process|Buffer|require|window)\b\s*[.(]/g),
    );
    // UrlFetchApp.fetch is Google's.
    expect([...found]).toEqual(["fetch("]);
    expect(code.match(/[\w.]*\bfetch\(/g)).toEqual(["UrlFetchApp.fetch("]);
  });

  test("asks for the narrowest rights, and for one relay alone when it is given", () => {
    const scope = "https://www.googleapis.com/auth/";
    const made = JSON.parse(readFileSync(join(dist, "appsscript.json"), "utf8")) as unknown;
    expect(made).toEqual({
      timeZone: "Etc/UTC",
      runtimeVersion: "V8",
      exceptionLogging: "STACKDRIVER",
      dependencies: {},
      oauthScopes: [
        "spreadsheets.currentonly",
        "script.external_request",
        "script.scriptapp",
        "script.container.ui",
      ].map((name) => scope + name),
      urlFetchWhitelist: ["https://relay.example/base/"],
      webapp: { access: "ANYONE_ANONYMOUS", executeAs: "USER_DEPLOYING" },
    });
    expect(manifest({ relayUrl: undefined })).not.toHaveProperty("urlFetchWhitelist");
    expect(manifest({ relayUrl: undefined, emails: true })).toMatchObject({
      oauthScopes: expect.arrayContaining([`${scope}userinfo.email`]),
    });
  });

  test.each(["http://relay.example", "relay.example", "https://a:b@relay.example", "https://relay.example/?x"])(
    "for %s is refused: Google lists plain https addresses alone",
    (relayUrl) => {
      expect(() => manifest({ relayUrl })).toThrow("plain https address");
    },
  );

  test("has pages that stand alone and hold nothing that Google takes for a template", () => {
    for (const name of ["Sidebar.html", "Connect.html"]) {
      const html = readFileSync(join(dist, name), "utf8");
      expect(html).not.toContain("<?");
      expect(html).not.toMatch(/(?:src|href)="/);
      expect(html.match(/<\/script/g)).toHaveLength(1);
      expect(html).toContain("google.script.run");
    }
  });

  test("is exactly what clasp finds to push, without a network", () => {
    writeFileSync(join(folder, ".clasp.json"), JSON.stringify({ scriptId: "a-script", rootDir: "dist" }));
    const home = join(folder, "home");
    mkdirSync(home, { recursive: true });
    const clasp = createRequire(import.meta.url).resolve("@google/clasp");
    const output = execFileSync(process.execPath, [clasp, "status", "--json"], {
      cwd: folder,
      encoding: "utf8",
      timeout: 60_000,
      // Whatever tries to reach the network fails.
      env: {
        PATH: process.env["PATH"],
        HOME: home,
        HTTPS_PROXY: "http://127.0.0.1:9",
        HTTP_PROXY: "http://127.0.0.1:9",
      },
    });
    const { filesToPush } = JSON.parse(output.slice(output.indexOf("{"))) as { filesToPush: string[] };
    expect(filesToPush.map((file) => file.replace(/^dist\//, "")).sort()).toEqual([...builtFiles].sort());
  }, 60_000);
});

/** As few of Google's globals as one edit and the menu need. Bytes are signed, as Google's are. */
function google(
  context: Record<string, unknown>,
  relay: (url: string, options: FetchOptions) => { status: number; text: string },
) {
  const signed = (bytes: Buffer) => [...bytes].map((byte) => (byte << 24) >> 24);
  const bytesOf = (value: readonly number[]) => Buffer.from(value.map((byte) => byte & 255));
  const sheet = {
    getSheetId: () => 7,
    getType: () => "GRID",
    getMaxRows: () => 10,
    getMaxColumns: () => 3,
    getRange: (_row: number, _column: number, rows: number, columns: number) => {
      const fill = <T>(value: (column: number) => T) =>
        Array.from({ length: rows }, () => Array.from({ length: columns }, (_, column) => value(column)));
      return {
        getValues: () =>
          fill((column) => (column === 0 ? "grün €" : column === 1 ? new Date(Date.UTC(2026, 10, 22, 10)) : "")),
        getFormulas: () => fill(() => ""),
        getDisplayValues: () => fill((column) => (column === 0 ? "grün €" : column === 1 ? "22.11.2026" : "")),
      };
    },
  };
  const log: string[] = [];
  const properties: Record<string, string> = {};
  const menu: string[] = [];
  const builder = {
    addItem: (title: string, name: string) => (menu.push(`${title} ${name}`), builder),
    addSeparator: () => builder,
    addToUi: () => undefined,
  };
  Object.assign(context, {
    console: { error: (line: string) => log.push(line) },
    PropertiesService: { getDocumentProperties: () => ({ getProperties: () => ({ ...properties }) }) },
    SpreadsheetApp: {
      getActive: () => ({
        getId: () => "sheet-under-test",
        getSpreadsheetTimeZone: () => "Europe/Berlin",
        getSheetById: (id: number) => (id === 7 ? sheet : null),
      }),
      getUi: () => ({ createMenu: () => builder }),
    },
    Session: { getTemporaryActiveUserKey: () => "pseudonym" },
    Utilities: {
      getUuid: randomUUID,
      newBlob: (text: string) => ({ getBytes: () => signed(Buffer.from(text, "utf8")) }),
      base64Decode: (text: string) => signed(Buffer.from(text, "base64")),
      base64Encode: (bytes: number[]) => bytesOf(bytes).toString("base64"),
      computeHmacSha256Signature: (bytes: number[], key: number[]) =>
        signed(createHmac("sha256", bytesOf(key)).update(bytesOf(bytes)).digest()),
      formatDate: (date: Date, zone: string, pattern: string) => {
        expect([zone, pattern]).toEqual(["Europe/Berlin", "yyyy-MM-dd HH:mm:ss"]);
        return new Date(date.getTime() + 3_600_000).toISOString().slice(0, 19).replace("T", " ");
      },
      sleep: () => undefined,
    },
    UrlFetchApp: {
      fetch: (url: string, options: FetchOptions) => {
        const { status, text } = relay(url, options);
        return { getResponseCode: () => status, getContentText: () => text, getHeaders: () => ({}) };
      },
    },
  });
  return { log, menu, properties, sheet, bytesOf };
}

type FetchOptions = {
  payload: number[];
  headers: Record<string, string>;
  contentType: string;
  muteHttpExceptions: boolean;
  followRedirects: boolean;
};

describe("the built script, running", () => {
  const ingestKey = `whsec_${Buffer.from("a key of thirty-two bytes or so!").toString("base64")}`;

  test("posts an edit that the relay's schema reads and an independent implementation finds well signed", () => {
    const context = createContext({});
    const calls: { url: string; options: FetchOptions }[] = [];
    const { properties, sheet, bytesOf, log } = google(context, (url, options) => {
      calls.push({ url, options });
      return { status: 202, text: '{"epoch":"e","seq":1,"wants":[]}' };
    });
    properties["sheetwire.connection"] = JSON.stringify({
      url: "https://relay.example",
      spreadsheetId: "sheet-under-test",
      ingestKey,
    });
    properties["sheetwire.installation"] = JSON.stringify({
      installation: "i",
      triggerUids: ["9007199254740993"],
      installedBy: "",
    });
    runInContext(code, context);
    const range = { rowStart: 3, rowEnd: 3, columnStart: 1, columnEnd: 1, getSheet: () => sheet };
    context["event"] = {
      triggerUid: "9007199254740993",
      user: { getEmail: () => "ada@example.com" },
      oldValue: "rot",
      range,
    };
    runInContext("handleEdit(event)", context);

    expect(log).toEqual([]);
    expect(calls).toHaveLength(1);
    const [{ url, options } = {} as never] = calls;
    expect(url).toBe("https://relay.example/v1/spreadsheets/sheet-under-test/posts");
    expect(options).toMatchObject({
      contentType: "application/json",
      muteHttpExceptions: true,
      followRedirects: false,
    });
    const body = bytesOf(options.payload).toString("utf8");
    expect(new Webhook(ingestKey).verify(body, options.headers)).toBeTruthy();
    const post = postSchema.parse(JSON.parse(body));
    expect(post).toMatchObject({
      cause: "edit",
      actor: "ada@example.com",
      script: { version: "0.1.0", installation: "i" },
      readings: [
        { cells: [["grün €", { v: 46_348 + 11 / 24, d: "22.11.2026" }]], at: { row: 2, column: 0 }, was: "rot" },
      ],
    });
  });

  test("adds its menu with no other right", () => {
    const context = createContext({});
    const { menu } = google(context, () => ({ status: 500, text: "" }));
    for (const name of ["PropertiesService", "Session", "UrlFetchApp", "Utilities"]) delete context[name];
    runInContext(code, context);
    runInContext("onOpen({ authMode: 'NONE' })", context);
    expect(menu).toEqual([
      "Connect… showConnect",
      "Show panel showSidebar",
      "Check now checkNow",
      "Disconnect disconnect",
    ]);
    expect(() => runInContext("onInstall()", context)).not.toThrow();
  });

  test.each([
    "handleEdit()",
    "handleEdit(null)",
    "handleEdit({ range: { rowStart: 1 } })",
    "handleChange({ changeType: 'EDIT' })",
  ])("%s costs nothing but its start", (call) => {
    const context = createContext({});
    runInContext(code, context);
    expect(() => runInContext(call, context) as unknown).not.toThrow();
  });

  test("throws nothing into anybody's face, and logs what failed without what it was about", () => {
    const context = createContext({});
    const { log } = google(context, () => ({ status: 500, text: "" }));
    context["PropertiesService"] = {
      getDocumentProperties: () => {
        throw new Error("Service Spreadsheets failed at canary-cell\n    at canary (canary:1:1)");
      },
    };
    runInContext(code, context);
    for (const call of ["handleTick({})", "handleChange({ changeType: 'OTHER' })"]) runInContext(call, context);
    const answer: unknown = JSON.parse(runInContext("JSON.stringify(ui_getStatus())", context) as string);
    expect(answer).toEqual({
      ok: false,
      code: "spreadsheet-service",
      message: expect.stringContaining("spreadsheet-service"),
    });
    expect(log).toHaveLength(3);
    expect(log[0]).toMatch(/^handleTick failed: spreadsheet-service at /);
    expect(log.join()).not.toContain("canary");
  });
});
