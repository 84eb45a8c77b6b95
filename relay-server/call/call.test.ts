import { createHmac, randomBytes } from "node:crypto";
import { limits } from "@sheetwire/shared/limits";
import { postSchema, wantSchema, type Reading } from "@sheetwire/shared/protocol";
import { judge, signatureHeader, signedPrefix } from "@sheetwire/shared/signing";
import { afterEach, beforeEach, expect, test } from "vitest";
import * as z from "zod";
import { createIngest, type Ingest } from "../ingest/ingest.ts";
import { createMemoryLog } from "../log/engines/memory.ts";
import { SheetDouble } from "../wants/sheet-double.ts";
import { createCaller, type Caller, type WebApps } from "./call.ts";

const URL_OF_APP = "https://script.google.com/macros/s/x/exec";
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const key = randomBytes(32);

let now: number;
let timers: { at: number; run: () => void }[];
let sheets: Map<string, SheetDouble>;
let ingest: Ingest;
let caller: Caller;
let outcomes: string[];
let faults: unknown[];
/** Every call: of whom, when, and what was wanted. */
let calls: { id: string; at: number; wants: string[] }[];
let underWay: number;
let mostUnderWay: number;
/** What a web app does instead of answering. */
let instead: ((spreadsheetId: string) => Promise<Awaited<ReturnType<WebApps["ask"]>> | undefined>) | undefined;

const sign = (id: string, timestamp: string, body: string): string =>
  signatureHeader([createHmac("sha256", key).update(signedPrefix(id, timestamp)).update(body).digest("base64")]);

beforeEach(() => {
  now = 1_800_000_000_000;
  timers = [];
  sheets = new Map();
  outcomes = [];
  faults = [];
  calls = [];
  underWay = 0;
  mostUnderWay = 0;
  instead = undefined;
  let ids = 0;
  ingest = createIngest({
    log: createMemoryLog({ randomId: () => "epoch" }),
    keysOf: (id) => (sheets.has(id) ? [key] : []),
    now: () => now,
    onFault: (error) => void faults.push(error),
  });
  const webApps: WebApps = {
    mayCall: (address) => address.startsWith(URL_OF_APP),
    stop: () => undefined,
    async ask(address, body) {
      const spreadsheetId = new URL(address).searchParams.get("of") ?? "";
      underWay += 1;
      mostUnderWay = Math.max(mostUnderWay, underWay);
      try {
        const { id, timestamp, signature, wants } = callSchema.parse(JSON.parse(body));
        // The signature is over the rest of the body, with its keys in the order in which they were sent.
        const { signature: _, ...unsigned } = JSON.parse(body) as Record<string, unknown>;
        calls.push({ id: spreadsheetId, at: now, wants: wants.map((want) => want.kind) });
        const good = judge(
          { id, timestamp, signature },
          now,
          () => [
            createHmac("sha256", key)
              .update(`${id}.${timestamp}.${JSON.stringify(unsigned)}`)
              .digest("base64"),
          ],
          (a, b) => a === b,
        );
        expect(good).toBe("good");
        const other = await instead?.(spreadsheetId);
        if (other) return other;
        const sheet = sheetOf(spreadsheetId);
        sheet.now = now;
        const answer = sheet.post(
          sheet.newRun(),
          0,
          "call",
          wants.map((want) => sheet.answer(want)),
        );
        return { ok: true, post: signedPost(JSON.stringify(answer)) };
      } finally {
        underWay -= 1;
      }
    },
  };
  caller = createCaller({
    ingest,
    webApps,
    keysOf: (id) => (sheets.has(id) ? [key] : []),
    now: () => now,
    after(ms, run) {
      const timer = { at: now + ms, run };
      timers.push(timer);
      return () => void (timers = timers.filter((one) => one !== timer));
    },
    randomId: () => `id-${(ids += 1)}`,
    die: () => 0.5,
    onCall: (_id, outcome) => void outcomes.push(outcome),
    onFault: (error) => void faults.push(error),
  });
});
afterEach(async () => {
  await caller.stop();
  if (faults.length > 0) throw new AggregateError(faults, "Something failed that should not.");
});

const callSchema = z.object({
  protocol: z.literal(1),
  id: z.string(),
  timestamp: z.string(),
  signature: z.string(),
  wants: z.array(wantSchema),
});

let signedIds = 0;
function signedPost(body: string) {
  const id = `answer-${(signedIds += 1)}`;
  const timestamp = String(Math.floor(now / 1_000));
  return { id, timestamp, signature: sign(id, timestamp, body), body };
}

function sheetOf(id: string): SheetDouble {
  const found = sheets.get(id);
  if (!found) throw new Error(`No sheet ${id}.`);
  return found;
}

/** Lets everything that is under way go as far as it can. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 60; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

/** Time passes; what is due happens in order. */
async function pass(ms: number): Promise<void> {
  const end = now + ms;
  await settle();
  for (;;) {
    const [next] = timers.filter((one) => one.at <= end).sort((a, b) => a.at - b.at);
    if (!next) break;
    timers = timers.filter((one) => one !== next);
    now = Math.max(now, next.at);
    next.run();
    await settle();
  }
  now = end;
}

async function post(id: string, cause: "install" | "edit" | "sweep", readings: Reading[]): Promise<void> {
  const sheet = sheetOf(id);
  const { body, ...headers } = signedPost(
    JSON.stringify(postSchema.parse(sheet.post(sheet.newRun(), 0, cause, readings))),
  );
  const result = await ingest.take(id, headers, Buffer.from(body));
  if (!result.ok) throw new Error(result.code);
}

/** A spreadsheet whose script told of its web app, and of its sheets. */
async function open(
  id = "s1",
  rows: (string | null)[][] = [["a", "b"], ["c"], ["d"]],
  webApp = URL_OF_APP,
): Promise<SheetDouble> {
  const sheet = new SheetDouble([{ sheetId: 7, title: "One", columns: 2, rows }], id);
  sheet.now = now;
  sheets.set(id, sheet);
  const alive: Reading = {
    kind: "alive",
    readAt: [now, now],
    triggers: ["handleEdit"],
    webApp: `${webApp}?of=${id}`,
  };
  await post(id, "install", [alive, sheet.sheets()]);
  return sheet;
}

const rowsOf = async (id: string) => {
  const state = await ingest.stateOf(id);
  return (state?.sheetState(7)?.rows ?? []).map((_, row) => state?.row(7, row) ?? null);
};
const factsOf = async (id: string) => {
  const facts = await ingest.factsOf(id);
  if (!facts) throw new Error("No facts.");
  return facts;
};

/** A sheet that is copied, proven and quiet. */
async function settled(id?: string): Promise<SheetDouble> {
  const sheet = await open(id);
  // Whoever was asked first never answers: after a minute others are.
  await pass(2 * MINUTE);
  expect((await factsOf(id ?? "s1")).sweep).toMatchObject({ openRows: 0, unprovenRows: 0 });
  calls = [];
  outcomes = [];
  return sheet;
}

test("a sheet of which nothing but its web app was heard is copied and proven by calls alone", async () => {
  const sheet = await open();
  await pass(2 * MINUTE);
  expect(await rowsOf("s1")).toEqual(sheet.grid(7).rows);
  expect((await factsOf("s1")).sweep).toMatchObject({ openRows: 0, unprovenRows: 0, lastFullAt: expect.any(Number) });
  expect((await factsOf("s1")).script.answerers).toEqual(["trigger", "webApp"]);
  expect(new Set(outcomes)).toEqual(new Set(["answered"]));
});

test("an edit is proven by a call 5 s after quiet, and by one only", async () => {
  const sheet = await settled();
  sheet.grid(7).rows[1] = ["typed"];
  sheet.now = now;
  await post("s1", "edit", [sheet.edit(7, 1, 0, 1, 1)]);
  const editedAt = now;
  await pass(limits.quietMs - 1);
  expect(calls).toEqual([]);
  await pass(30 * SECOND);
  expect(calls).toEqual([{ id: "s1", at: editedAt + limits.quietMs, wants: ["digests"] }]);
  expect((await factsOf("s1")).sweep.unprovenRows).toBe(0);
});

test("what fires nothing is healed at the next sweep, with one call when nothing is open", async () => {
  const sheet = await settled();
  sheet.grid(7).rows[2] = ["by a program"];
  await pass(limits.tickEveryMs);
  expect(await rowsOf("s1")).toEqual(sheet.grid(7).rows);
  expect(calls[0]?.wants).toEqual(["sheets", "digests"]);
  calls = [];
  await pass(limits.tickEveryMs);
  expect(calls.map((call) => call.wants)).toEqual([["sheets", "digests"]]);
});

test("a spreadsheet without a web app, or with one at another place, is never called", async () => {
  await open("s1", [["a"]], "https://script.google.com.evil.example/x");
  await pass(60 * MINUTE);
  expect(calls).toEqual([]);
  expect((await factsOf("s1")).script.answerers).toEqual(["trigger"]);
});

test("P4 a call that hangs is told of before 30 s have passed, and an answer takes it back", async () => {
  await settled();
  let answer = (): void => undefined;
  instead = () => new Promise((resolve) => (answer = () => resolve(undefined)));
  await pass(limits.tickEveryMs);
  const [call] = calls;
  if (!call) throw new Error("No call.");
  expect(now - call.at).toBeLessThan(MINUTE * 10);
  await pass(Math.max(0, call.at + limits.callAnswerWithinMs - now));
  expect((await factsOf("s1")).script.callUnansweredSince).toBe(call.at);
  expect((await factsOf("s1")).script.answerers).toEqual(["trigger"]);
  instead = undefined;
  answer();
  await settle();
  expect((await factsOf("s1")).script.callUnansweredSince).toBeUndefined();
});

test("C1 a spreadsheet is never called twice at once, however long a call takes", async () => {
  const sheet = await settled();
  let answer = (): void => undefined;
  instead = () => new Promise((resolve) => (answer = () => resolve({ ok: false, code: "timeout" })));
  await pass(limits.tickEveryMs);
  expect(calls).toHaveLength(1);
  sheet.now = now;
  sheet.grid(7).rows[0] = ["x"];
  await post("s1", "edit", [sheet.edit(7, 0, 0, 1, 1)]);
  await pass(30 * MINUTE);
  expect(calls).toHaveLength(1);
  answer();
  await settle();
  await pass(MINUTE);
  expect(calls).toHaveLength(2);
  answer();
});

test("C1 many spreadsheets are called, but only so many at once, and none is forgotten", async () => {
  const ids = Array.from({ length: limits.callsAtOnce + 9 }, (_, at) => `many-${at}`);
  for (const id of ids) await open(id);
  const held: (() => void)[] = [];
  instead = () => new Promise((resolve) => held.push(() => resolve(undefined)));
  await pass(70 * SECOND);
  expect(mostUnderWay).toBe(limits.callsAtOnce);
  instead = undefined;
  for (const answer of held) answer();
  await pass(2 * MINUTE);
  expect(new Set(calls.map((call) => call.id))).toEqual(new Set(ids));
});

test("C3 a web app that fails is tried ever more slowly, and the triggers' word says that it alone is broken", async () => {
  const sheet = await settled();
  instead = async () => ({ ok: false, code: "not-json" });
  await pass(limits.tickEveryMs);
  const from = calls[0]?.at ?? 0;
  await pass(5 * MINUTE);
  const tries = calls.filter((call) => call.at - from <= 5 * MINUTE).length;
  expect(tries).toBeGreaterThan(3);
  expect(tries).toBeLessThan(9);
  expect((await factsOf("s1")).script.callUnansweredSince).toBe(from);
  sheet.now = now;
  await post("s1", "sweep", []);
  expect((await factsOf("s1")).script.callUnansweredSince).toBeUndefined();
  await pass(limits.tickEveryMs);
  expect((await factsOf("s1")).script).not.toHaveProperty("callUnansweredSince");
  expect(outcomes).toContain("not-json");
});

test("C2 what a failed call was asked for is open for a run of the script at once", async () => {
  const sheet = await settled();
  sheet.grid(7).rows[0] = ["later"];
  instead = async () => ({ ok: false, code: "timeout" });
  await pass(limits.tickEveryMs);
  sheet.now = now;
  const answer = await answerTo("s1", "sweep");
  expect(answer).toContain("digests");
});

test("an answer that is not signed with this spreadsheet's key changes nothing and is no answer", async () => {
  const sheet = await settled();
  sheet.grid(7).rows[0] = ["forged"];
  const rows = await rowsOf("s1");
  instead = async () => {
    const forged = signedPost(JSON.stringify(sheet.post(sheet.newRun(), 0, "call", [])));
    return { ok: true, post: { ...forged, signature: `v1,${Buffer.alloc(32).toString("base64")}` } };
  };
  await pass(limits.tickEveryMs + MINUTE);
  expect(await rowsOf("s1")).toEqual(rows);
  expect(outcomes).toContain("not-taken:unauthorized");
  expect((await factsOf("s1")).script.callUnansweredSince).toBeDefined();
});

test("a sheet that changes at every look is asked ever more slowly, and left to sweeps in the end", async () => {
  const sheet = await settled();
  let changes = 0;
  instead = async () => {
    sheet.grid(7).rows[0] = [`now ${(changes += 1)}`];
    return undefined;
  };
  await pass(6 * 60 * MINUTE);
  const lastHour = calls.filter((call) => call.at > now - 60 * MINUTE).length;
  // Six sweeps an hour, each of a few rounds; without the growing quiet there would be hundreds.
  expect(lastHour).toBeLessThan(6 * (limits.callMaxRounds / 2));
});

async function answerTo(id: string, cause: "sweep"): Promise<string[]> {
  const sheet = sheetOf(id);
  const { body, ...headers } = signedPost(JSON.stringify(sheet.post(sheet.newRun(), 0, cause, [])));
  const result = await ingest.take(id, headers, Buffer.from(body));
  if (!result.ok) throw new Error(result.code);
  const { wants } = z.object({ wants: z.array(wantSchema) }).parse(JSON.parse(result.answer));
  return wants.map((want) => want.kind);
}
