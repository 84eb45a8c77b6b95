/**
 * The life of the extension's background with no debugger attached, which would keep it alive for ever: a browser that
 * nobody drives, with the relay's end of the wire as the only witness.
 */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { rmSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { findChromium } from "../../scripts/install.mjs";
import { openStage, until, untilEqual, type Stage } from "../stage/stage.ts";

type Frame = { at: number; kind: string } & Record<string, unknown>;
/** One socket of the extension: what it said, and with which code it ended. */
type Call = { openedAt: number; said: Frame[]; closed?: number };
type Witness = { url: string; calls: Call[]; stop: () => void };

/** A background that is silent for this long is ended, in milliseconds. */
const IDLE_MS = 30_000;

let stage: Stage;
let witness: Witness;
let chromium: ChildProcess | undefined;
let profile: string;
let spreadsheetId: string;
let sheetId: number;

beforeAll(async () => {
  stage = await openStage();
  witness = await openWitness(stage.relay.url);
  const created = await stage.control.create({ title: "Idle", sheets: [{ title: "Idle", rows: [["one"], ["two"]] }] });
  spreadsheetId = created.spreadsheetId;
  sheetId = created.sheets[0]?.sheetId ?? -1;
  await stage.connect(spreadsheetId);
  // Settings and a first copy are made while the browser can still be driven.
  const browser = await stage.browser();
  await stage.pair(browser, spreadsheetId);
  const panel = await browser.open(`sidepanel.html?spreadsheet=${spreadsheetId}`);
  await panel.evaluate(async (relayUrl) => {
    type Connections = Record<string, { relayUrl: string; token: string }>;
    const { chrome } = globalThis as unknown as {
      chrome: {
        storage: {
          local: { get: (key: string) => Promise<{ connections: Connections }>; set: (items: object) => Promise<void> };
        };
      };
    };
    const { connections } = await chrome.storage.local.get("connections");
    for (const connection of Object.values(connections)) connection.relayUrl = relayUrl;
    await chrome.storage.local.set({ connections });
  }, witness.url);
  await until("the first call through the witness", async () => witness.calls.length > 0);
  await untilEqual(stage.control, panel, spreadsheetId);
  profile = browser.profile;
  await browser.close({ keepProfile: true });
  await until("the first browser to hang up", async () => witness.calls.every((call) => call.closed !== undefined));
});
afterAll(async () => {
  if (chromium && chromium.exitCode === null) {
    chromium.kill("SIGTERM");
    await once(chromium, "exit");
  }
  witness.stop();
  await stage.stop();
  rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
});

test("beside an open sheet the background outlives its idle time, and one that dies is revived and goes on from its cursor", async () => {
  const before = witness.calls.length;
  chromium = openUndriven(`https://docs.google.com/spreadsheets/d/${spreadsheetId}/edit`);
  const call = await until("the first call", async () => witness.calls[before]);
  await until(
    "pings of its own for longer than an idle background lives",
    async () => {
      const last = call.said.filter((one) => one.kind === "ping").at(-1);
      return last !== undefined && last.at > call.openedAt + IDLE_MS + 5_000;
    },
    60_000,
  );
  expect(call.closed).toBeUndefined();
  expect(witness.calls.length).toBe(before + 1);
  const held = await follows("an edit after the idle time", call);

  const killedAt = Date.now();
  for (const pid of backgroundsOf(chromium.pid ?? 0)) process.kill(pid, "SIGKILL");
  await until("the call to end", async () => call.closed, 5_000);
  const next = await until("the call of the revived background", async () => witness.calls[before + 1], 25_000);
  const watch = await until("its watch", async () => next.said.find((one) => one.kind === "watch"));
  expect(watch["cursor"]).toMatchObject({ seq: held });
  expect(next.openedAt - killedAt).toBeLessThan(25_000);
  await follows("an edit after the death", next);
});

/** An edit reaches the browser over this call: it says that it holds the log's head. Answers the head's seq. */
async function follows(value: string, call: Call): Promise<number> {
  const took = (): number =>
    Math.max(0, ...call.said.filter((one) => one.kind === "took").map((one) => Number(one["seq"])));
  const held = took();
  await stage.control.act(spreadsheetId, [{ action: "type", sheetId, a1: "B1", value }]);
  await stage.control.idle(spreadsheetId);
  await until(`the browser to take ${value}`, async () => took() > held);
  return took();
}

/** A Chromium with the profile that was prepared, and without any way to drive it. */
function openUndriven(url: string): ChildProcess {
  const executable = findChromium();
  if (!executable) throw new Error("No Chromium: run `npm test` or set CHROMIUM.");
  const extension = join(profile, "extension-under-test");
  return spawn(
    executable,
    [
      "--headless=new",
      "--no-sandbox",
      "--disable-gpu",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--disable-quic",
      `--user-data-dir=${profile}`,
      `--disable-extensions-except=${extension}`,
      `--load-extension=${extension}`,
      `--host-resolver-rules=MAP docs.google.com ${new URL(stage.google.sheetsUrl).host}`,
      `--ignore-certificate-errors-spki-list=${stage.google.spki}`,
      url,
    ],
    { stdio: "ignore" },
  );
}

/** The processes below this one in which extensions run. */
function backgroundsOf(browserPid: number): number[] {
  const lines = execFileSync("ps", ["-Ao", "pid=,ppid=,args="], { encoding: "utf8" }).trim().split("\n");
  const processes = lines.map((line) => {
    const [, pid = "", ppid = "", args = ""] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return { pid: Number(pid), ppid: Number(ppid), args };
  });
  const below = new Set([browserPid]);
  for (let size = 0; size < below.size;) {
    size = below.size;
    for (const { pid, ppid } of processes) if (below.has(ppid)) below.add(pid);
  }
  const found = processes.filter(({ pid, args }) => below.has(pid) && args.includes("--extension-process"));
  if (found.length === 0) throw new Error("The browser has no process for extensions.");
  return found.map(({ pid }) => pid);
}

/** Stands between the extension and the relay: hands everything on and writes down what the extension says. */
async function openWitness(relayUrl: string): Promise<Witness> {
  const calls: Call[] = [];
  const server = createServer((request, response) => {
    const onward = httpRequest(
      `${relayUrl}${request.url}`,
      { method: request.method, headers: request.headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    onward.on("error", () => response.destroy());
    request.pipe(onward);
  });
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (near, request) => {
    const call: Call = { openedAt: Date.now(), said: [] };
    calls.push(call);
    const far = new WebSocket(`${relayUrl.replace("http", "ws")}${request.url}`, near.protocol);
    const waiting: string[] = [];
    near.on("message", (data: Buffer) => {
      const text = data.toString("utf8");
      call.said.push({ ...(JSON.parse(text) as { kind: string }), at: Date.now() });
      if (far.readyState === far.OPEN) far.send(text);
      else waiting.push(text);
    });
    far.on("open", () => waiting.splice(0).forEach((text) => far.send(text)));
    far.on("message", (data: Buffer) => near.send(data.toString("utf8")));
    near.on("close", (code) => {
      call.closed = code;
      far.close();
    });
    far.on("close", () => near.close());
    for (const socket of [near, far]) socket.on("error", () => socket.terminate());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    stop: () => {
      sockets.clients.forEach((socket) => socket.terminate());
      server.closeAllConnections();
      server.close();
    },
  };
}
