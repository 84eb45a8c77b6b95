import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createFakeGoogle, type FakeGoogle } from "../fake-google.ts";
import { actionSchema, type Loaded } from "../grid/grid.ts";
import type { Project } from "../projects/projects.ts";
import { listen, type Listener } from "../testing/listener.ts";
import { faultNames, faultsSchema, type Faults } from "./hostile.ts";

const ada = "ada@example.com";
let google: FakeGoogle;
let listener: Listener;

beforeAll(async () => {
  google = await createFakeGoogle({ bundleDir: join(import.meta.dirname, "..", "testing", "script") });
  google.world.clock.setVirtual(true);
});
afterAll(() => google.stop());
beforeEach(async () => {
  listener = await listen();
});
afterEach(async () => {
  google.world.setProfile("normal");
  await listener.stop();
});

/** A connected sheet on a day with these faults and no others. */
async function open(faults: Faults, rows: Loaded[][] = [["old"]], seed = 7): Promise<Project> {
  const { world } = google;
  world.setProfile("normal");
  for (const id of world.projects.keys()) world.remove(id);
  const project = world.create({ title: "T", sheets: [{ title: "A", rows }] });
  project.push(await world.readBundle());
  expect(await call(project, "ui_connect", listener.url)).toMatchObject({ ok: true });
  world.setProfile("hostile", seed, { others: false, ...faults });
  return project;
}

async function call(project: Project, functionName: string, ...args: unknown[]): Promise<unknown> {
  const request = { functionName, user: ada, actor: ada, cause: "test", authMode: "FULL" as const };
  const outcome = await project.run({ ...request, args: JSON.stringify(args) });
  if (!outcome.ok) throw new Error(outcome.error);
  return JSON.parse(outcome.json) as unknown;
}
const evaluate = (project: Project, source: string): Promise<unknown> => call(project, "evaluate", source);

function act(project: Project, action: object): void {
  const outcome = project.act(actionSchema.parse({ sheetId: 0, ...action }));
  if ("refused" in outcome) throw new Error(outcome.refused);
}
const type = (project: Project, a1: string, value: string): void => act(project, { action: "type", a1, value });

async function typeMany(project: Project, count: number, everyMs = 0): Promise<void> {
  for (let n = 1; n <= count; n++) {
    if (everyMs > 0) await google.world.clock.wait(everyMs, "the next key");
    type(project, `B${n}`, String(n));
  }
  await project.idle();
}

const heard = (kind: string): Record<string, unknown>[] => listener.json().filter((one) => one["kind"] === kind);
const kinds = (): string[] => listener.json().map((one) => String(one["kind"]));
const ran = (project: Project) => project.executions().filter((one) => one.cause.startsWith("trigger"));
const off: Faults = {};

describe("each fault alone happens, and not where it is off", () => {
  test("dropRuns: what finds two waiting for a trigger is lost", async () => {
    const calm = await open(off);
    await typeMany(calm, 10);
    expect([calm.usage.dropped, ran(calm).length]).toEqual([0, 20]);
    const project = await open({ dropRuns: true });
    await typeMany(project, 10);
    expect([project.usage.dropped, ran(project).length]).toEqual([16, 4]);
  });

  const startedAfter = (project: Project, from: number): number[] =>
    ran(project).map((one) => Date.parse(one.startedAt) - from);

  test("delayRuns: handlers start up to half a minute after the edit", async () => {
    const calm = await open(off);
    const calmFrom = google.world.clock.now();
    await typeMany(calm, 6);
    expect(startedAfter(calm, calmFrom).filter((ms) => Math.abs(ms) > 1)).toEqual([]);
    const project = await open({ delayRuns: 1 });
    const from = google.world.clock.now();
    await typeMany(project, 6);
    const delays = startedAfter(project, from);
    expect(delays).toHaveLength(12);
    expect(Math.max(...delays)).toBeGreaterThan(10_000);
    expect(Math.max(...delays)).toBeLessThanOrEqual(30_001);
  });

  test("reorderRuns: later edits are told before earlier ones", async () => {
    const order = (): string[] => heard("edit").map((one) => String(one["a1"]));
    await typeMany(await open(off), 8, 100);
    const typed = order();
    expect(typed).toEqual(["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8"]);
    listener.heard.length = 0;
    await typeMany(await open({ reorderRuns: 0.5 }), 8, 100);
    expect(order()).not.toEqual(typed);
    expect(order().toSorted()).toEqual(typed);
  });

  test("duplicateRuns: one edit starts its handler twice", async () => {
    await typeMany(await open(off), 1);
    expect(kinds()).toEqual(["edit", "change"]);
    await typeMany(await open({ duplicateRuns: 1 }), 1);
    expect(kinds().slice(2).toSorted()).toEqual(["change", "change", "edit", "edit"]);
  });

  test("overlapRuns: a slow run reads, a later one reads and posts, the slow one posts", async () => {
    const { clock } = google.world;
    const inside = async (project: Project): Promise<number> => {
      let most = 0;
      for (let n = 1; n <= 8; n++) {
        type(project, `B${n}`, "x");
        await clock.wait(300, "the next key");
        most = Math.max(most, ran(project).filter((one) => one.status === "running").length);
      }
      await project.idle();
      return most;
    };
    expect(await inside(await open(off))).toBe(0);
    expect(await inside(await open({ overlapRuns: 0.7 }))).toBeGreaterThan(2);
  });

  test("killRuns: runs end in the middle, some before a call is carried out and some after", async () => {
    const calm = await open(off);
    await typeMany(calm, 8);
    expect(ran(calm).map((one) => one.status)).not.toContain("timed-out");
    const project = await open({ killRuns: 1 });
    await typeMany(project, 8);
    const ends = ran(project).filter((one) => one.status === "timed-out");
    expect(ends.length).toBeGreaterThan(2);
    expect(ends[0]?.error).toBe("Exception: Exceeded maximum execution time");
    const how = (google.world.hostility()?.decisions().decisions ?? []).map((one) => String(one.how).split(" ")[0]);
    expect(new Set(how)).toEqual(new Set(["before", "after"]));
  });

  test("killRuns: a script that catches its end does nothing more, and others run on", async () => {
    const project = await open({ killRuns: 1 });
    const stubborn = `const store = PropertiesService.getScriptProperties();
      for (let n = 0; ; n++) try { store.setProperty("n", String(n)); } catch (error) { if (n > 1e6) break; }
      try { store.setProperty("after", "yes"); } catch (error) {}`;
    await expect(evaluate(project, stubborn)).rejects.toThrow("maximum execution time");
    google.world.endFaults();
    const held = (await evaluate(project, "return PropertiesService.getScriptProperties().getProperties()")) as object;
    expect(held).not.toHaveProperty("after");
    expect(Number((held as { n?: string }).n ?? 0)).toBeLessThan(12);
  });

  test("killRuns: the call it is drawn for ends the run, however often sizes were asked for before", async () => {
    const project = await open({ killRuns: 1 });
    const runs = Array.from({ length: 30 }, (_, run) => run);
    for (const run of runs) {
      const asking = `var sheet = SpreadsheetApp.getActive().getSheets()[0]; for (var n = 0; n < 5; n++) sheet.getMaxRows();
        PropertiesService.getScriptProperties().setProperty("run ${run}", ""); SpreadsheetApp.flush();
        for (var n = 0; n < 20; n++) sheet.getLastRow();`;
      await expect(evaluate(project, asking)).rejects.toThrow("maximum execution time");
    }
    const drawn = (google.world.hostility()?.decisions().decisions ?? []).map((one) => String(one.how));
    google.world.endFaults();
    const kept = await evaluate(project, "return PropertiesService.getScriptProperties().getKeys()");
    // The sheets are one call, their sizes five, and the seventh writes.
    const wrote = (how: string): boolean => how === "after call 7" || Number(how.split(" ").at(-1)) > 7;
    expect(drawn.length).toBe(runs.length);
    expect((kept as string[]).filter((key) => key.startsWith("run "))).toEqual(
      runs.filter((run) => wrote(drawn[run] ?? "")).map((run) => `run ${run}`),
    );
    expect(new Set(drawn.map(wrote)).size).toBe(2);
  });

  test("withholdValues: value, oldValue or both are not told", async () => {
    const told = async (project: Project): Promise<string[]> => {
      listener.heard.length = 0;
      for (let n = 0; n < 10; n++) type(project, "A1", `v${n}`);
      await project.idle();
      return heard("edit").map((one) =>
        Object.keys(one["event"] as object)
          .filter((name) => /value/i.test(name))
          .toSorted()
          .join(),
      );
    };
    expect(new Set(await told(await open(off)))).toEqual(new Set(["oldValue,value"]));
    expect(new Set(await told(await open({ withholdValues: 1 })))).toEqual(new Set(["", "oldValue", "value"]));
  });

  test("swapEditAndChange: the change handler runs first", async () => {
    await typeMany(await open(off), 1);
    expect(kinds()).toEqual(["edit", "change"]);
    await typeMany(await open({ swapEditAndChange: 1 }), 1);
    expect(kinds().slice(2)).toEqual(["change", "edit"]);
  });

  test("silentActions: what is only believed to fire does not", async () => {
    const rows = [[2], [1]];
    const calm = await open(off, rows);
    act(calm, { action: "sort", column: 0 });
    await calm.idle();
    expect(kinds()).toEqual(["edit", "change"]);
    const project = await open({ silentActions: 1 }, rows);
    act(project, { action: "sort", column: 0 });
    act(project, { action: "undo" });
    await project.idle();
    expect(kinds()).toHaveLength(2);
    type(project, "A1", "5");
    await project.idle();
    expect(kinds()).toHaveLength(4);
  });

  const fetchIt = (): string =>
    `var r = UrlFetchApp.fetch("${listener.url}", {method: "post", payload: "x", muteHttpExceptions: true}); return r.getResponseCode()`;

  test("fetchThrows: nothing is sent", async () => {
    expect(await evaluate(await open(off), fetchIt())).toBe(202);
    await expect(evaluate(await open({ fetchThrows: 1 }), fetchIt())).rejects.toThrow("Address unavailable");
    expect(listener.heard).toHaveLength(1);
  });

  test("fetchFails: somebody in between answers 5xx", async () => {
    const project = await open({ fetchFails: 1 });
    expect([500, 502, 503, 504]).toContain(await evaluate(project, fetchIt()));
    expect(listener.heard).toHaveLength(0);
    await expect(evaluate(project, `UrlFetchApp.fetch("${listener.url}")`)).rejects.toThrow("returned code 5");
  });

  test("fetchAnswerLost: it is taken, and the answer never comes back", async () => {
    const project = await open({ fetchAnswerLost: 1 });
    const ends = new Set<unknown>();
    for (let n = 0; n < 8; n++) ends.add(await evaluate(project, fetchIt()).catch((error: Error) => error.message));
    expect(ends).toEqual(new Set([504, expect.stringContaining("Timeout: http://127.0.0.1") as string]));
    expect(listener.heard).toHaveLength(8);
  });

  test("latePosts: what was read leaves up to a minute and a half later", async () => {
    const { clock } = google.world;
    const calm = await open(off);
    const calmFrom = clock.now();
    await evaluate(calm, fetchIt());
    expect(clock.now()).toBe(calmFrom);
    const project = await open({ latePosts: 1 });
    const waits: number[] = [];
    for (let n = 0; n < 8; n++) {
      const from = clock.now();
      await evaluate(project, fetchIt());
      waits.push(clock.now() - from);
    }
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(1000);
    expect(Math.max(...waits)).toBeGreaterThan(30_000);
    expect(Math.max(...waits)).toBeLessThanOrEqual(90_000);
  });

  const untilMidnight = (): number => google.world.hostility()?.untilMidnightMs(google.world.clock.now()) ?? 0;
  const spent = "Exception: Service using too much computer time for one day";

  test("exhaustTriggerTime: no trigger of that user runs until midnight", async () => {
    const project = await open({ exhaustTriggerTime: 0.1 });
    let typed = 0;
    while (!ran(project).some((one) => one.error === spent) && typed++ < 100) await typeMany(project, 1);
    expect(typed).toBeGreaterThan(0);
    const before = ran(project).length;
    await typeMany(project, 5);
    expect(
      ran(project)
        .slice(before)
        .map((one) => one.error),
    ).toEqual(Array.from({ length: 10 }, () => spent));
    await google.world.clock.advance(untilMidnight() + 1);
    listener.heard.length = 0;
    await typeMany(project, 1);
    expect(kinds()).toContain("edit");
  });

  test("exhaustFetches: no fetch until midnight", async () => {
    const project = await open({ exhaustFetches: 0.2 });
    const fetched = (): Promise<unknown> => evaluate(project, fetchIt()).catch((error: Error) => error.message);
    let said: unknown = 202;
    for (let n = 0; n < 50 && said === 202; n++) said = await fetched();
    const quota = "Exception: Service invoked too many times for one day: urlfetch.";
    expect(said).toBe(quota);
    const sent = listener.heard.length;
    for (let n = 0; n < 5; n++) expect(await fetched()).toBe(quota);
    expect(listener.heard).toHaveLength(sent);
    await google.world.clock.advance(untilMidnight() + 1);
    expect(await fetched()).toBe(202);
  });

  test("skewClocks: each run has a clock of its own, up to a second fast or slow", async () => {
    const skews = async (project: Project): Promise<number[]> => {
      const list: number[] = [];
      for (let n = 0; n < 8; n++) {
        const before = Date.now();
        const told = Number(await evaluate(project, "return Date.now()"));
        list.push(told < before ? told - before : Math.max(0, told - Date.now()));
      }
      return list;
    };
    expect(await skews(await open(off))).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    const project = await open({ skewClocks: true });
    const list = await skews(project);
    expect(Math.min(...list)).toBeLessThan(-100);
    expect(Math.max(...list)).toBeGreaterThan(100);
    expect(Math.max(...list.map(Math.abs))).toBeLessThan(1100);
    expect(
      await evaluate(
        project,
        `var d = new Date(), e = new Date(0); return [Math.abs(d.getTime() - Date.now()) < 50, d instanceof Date, d.constructor === Date,
          Object.prototype.toString.call(d), e.getTime(), typeof Date(), Date.UTC(2024, 0, 2), new Date(2024, 0, 2) instanceof Date, Date.name]`,
      ),
    ).toEqual([true, true, true, "[object Date]", 0, "string", Date.UTC(2024, 0, 2), true, "Date"]);
  });

  test("tornReads: somebody types between two reads of a run", async () => {
    const torn = async (project: Project): Promise<unknown> => {
      listener.heard.length = 0;
      type(project, "A1", "first");
      await google.world.clock.wait(100, "the next key");
      type(project, "A1", "second");
      await project.idle();
      const [first] = heard("edit");
      return [first?.["values"], first?.["display"]];
    };
    expect(await torn(await open(off))).toEqual([[["first"]], [["first"]]]);
    expect(await torn(await open({ tornReads: 1 }))).toEqual([[["first"]], [["second"]]]);
  });

  test("cachedReads: a run reads again what it has read, until it flushes", async () => {
    const reads = async (project: Project): Promise<unknown> => {
      const reading = evaluate(
        project,
        `var r = SpreadsheetApp.getActive().getSheets()[0].getRange("A1"); var seen = [r.getValue()]; Utilities.sleep(1000);
         seen.push(r.getValue()); SpreadsheetApp.flush(); seen.push(r.getValue()); return seen`,
      );
      await google.world.clock.wait(500, "a key");
      type(project, "A1", "new");
      return reading;
    };
    expect(await reads(await open(off))).toEqual(["old", "new", "new"]);
    expect(await reads(await open({ cachedReads: 1 }))).toEqual(["old", "old", "new"]);
  });

  test("cachedReads: the size of a sheet stays what it was first, until the run flushes", async () => {
    const sizes = async (project: Project): Promise<unknown> => {
      const reading = evaluate(
        project,
        `var s = SpreadsheetApp.getActive().getSheets()[0]; var seen = [s.getLastRow()]; Utilities.sleep(1000);
         seen.push(s.getLastRow(), s.getLastRow()); SpreadsheetApp.flush(); seen.push(s.getLastRow()); return seen`,
      );
      await google.world.clock.wait(500, "a key");
      type(project, "A5", "new");
      return reading;
    };
    expect(await sizes(await open(off))).toEqual([1, 5, 5, 5]);
    expect(await sizes(await open({ cachedReads: 1 }))).toEqual([1, 1, 1, 5]);
  });

  test("loading: a formula shows no result for a while after it was worked out", async () => {
    const read = `var r = SpreadsheetApp.getActive().getSheets()[0].getRange("B1"); return [r.getValue(), r.getDisplayValue(), r.getFormula()]`;
    const rows = [[1, { f: "=A1+1" }]];
    const calm = await open(off, rows);
    type(calm, "A1", "5");
    expect(await evaluate(calm, read)).toEqual([6, "6", "=A1+1"]);
    const project = await open({ loading: 1 }, rows);
    google.world.clock.setVirtual(true, false);
    try {
      type(project, "A1", "5");
      expect(await evaluate(project, read)).toEqual(["Loading...", "Loading...", "=A1+1"]);
      await google.world.clock.advance(8001);
      expect(await evaluate(project, read)).toEqual([6, "6", "=A1+1"]);
    } finally {
      google.world.clock.setVirtual(true);
    }
  });
});

/** An hour of somebody's work on a bad day. */
async function work(project: Project): Promise<void> {
  for (let n = 0; n < 40; n++) {
    await google.world.clock.wait(700 + (n % 7) * 900, "the next action");
    if (n % 9 === 8) act(project, { action: "insertRows", row: n % 3, count: 1 });
    else if (n % 9 === 4) act(project, { action: "sort", column: 0, ascending: n % 2 === 0 });
    else type(project, `A${(n % 5) + 1}`, String(n));
  }
  await google.world.clock.advance(3_600_000);
  await project.idle();
}

test("the same seed makes the same decisions, another seed others", async () => {
  const rows = [[1, { f: "=A1*2" }], [2], [3]];
  const day = async (seed: number): Promise<readonly unknown[]> => {
    await work(await open({ others: true }, rows, seed));
    return google.world.hostility()?.decisions().decisions ?? [];
  };
  const first = await day(11);
  expect(first.length).toBeGreaterThan(100);
  expect(await day(11)).toEqual(first);
  expect(await day(12)).not.toEqual(first);
  const struck = new Set(first.map((one) => (one as { fault: string }).fault));
  expect(struck.size).toBeGreaterThan(10);
}, 60_000);

test("with every fault off nothing is decided, lost or refused", async () => {
  const project = await open(off, [[1, { f: "=A1*2" }], [2], [3]]);
  await work(project);
  expect(google.world.hostility()?.decisions()).toEqual({ seed: 7, decisions: [], more: 0 });
  expect(project.usage.dropped).toBe(0);
  expect(new Set(ran(project).map((one) => one.status))).toEqual(new Set(["completed"]));
});

test("what programs and time do fires nothing on a bad day either", async () => {
  const project = await open({ others: true, dropRuns: false }, [[1, { f: "=RAND()" }]]);
  act(project, { action: "apiWrite", a1: "A1", values: [[5]] });
  act(project, { action: "scriptWrite", a1: "A1", values: [[6]] });
  act(project, { action: "importData", rows: [["x"]] });
  act(project, { action: "recalc" });
  await project.idle();
  expect(ran(project)).toEqual([]);
});

test("the end of the faults lets go what they held, gives allowances back, and nothing strikes any more", async () => {
  const { clock } = google.world;
  clock.setVirtual(true, false);
  try {
    const project = await open({ delayRuns: 1, latePosts: 1, exhaustFetches: 0, tornReads: 1 });
    type(project, "A1", "x");
    let isIdle = false;
    const idle = project.idle().then(() => (isIdle = true));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(isIdle).toBe(false);
    google.world.endFaults();
    await idle;
    expect(kinds().toSorted()).toEqual(["change", "edit"]);
    const decided = google.world.hostility()?.decisions().decisions.length;
    type(project, "A1", "y");
    await project.idle();
    expect(kinds()).toHaveLength(4);
    expect(google.world.hostility()?.decisions().decisions).toHaveLength(decided ?? -1);
  } finally {
    clock.setVirtual(true);
  }
});

test("a day passes in seconds, each clock trigger at its time", async () => {
  const project = await open(off);
  const began = performance.now();
  await google.world.clock.advance(86_400_000);
  await project.idle();
  expect(heard("tick")).toHaveLength(144);
  expect(performance.now() - began).toBeLessThan(30_000);
}, 40_000);

test("a script that sleeps an hour of calls takes no time outside, and the time limit is by this clock", async () => {
  const project = await open(off);
  const from = google.world.clock.now();
  expect(await evaluate(project, "Utilities.sleep(300000); return 1")).toBe(1);
  expect(google.world.clock.now() - from).toBe(300_000);
  await expect(evaluate(project, "Utilities.sleep(300000); Utilities.sleep(300000); return 1")).rejects.toThrow(
    "maximum execution time",
  );
});

test("who waits for a lock waits by this clock", async () => {
  const project = await open(off);
  const lock = "LockService.getDocumentLock()";
  const holder = evaluate(project, `${lock}.waitLock(1000); Utilities.sleep(10000); return "held"`);
  const from = google.world.clock.now();
  await google.world.clock.wait(1, "the holder to sleep");
  const early = evaluate(project, `return ${lock}.tryLock(5000)`);
  const patient = evaluate(project, `return ${lock}.tryLock(20000)`);
  expect(await Promise.all([holder, early, patient])).toEqual(["held", false, true]);
  expect(google.world.clock.now() - from).toBe(10_000);
});

test("a shared virtual time is what scripts have, from their first moment to their last", async () => {
  const told: (number | undefined)[] = [];
  const shared = await createFakeGoogle({
    bundleDir: join(import.meta.dirname, "..", "testing", "script"),
    onShared: (now) => void told.push(now),
  });
  try {
    const { clock } = shared.world;
    clock.setVirtual(true, true, true);
    await clock.advance(5 * 3_600_000);
    const project = shared.world.create({ title: "T" });
    project.push(await shared.world.readBundle());
    const source = "const began = Date.now(); Utilities.sleep(60000); return [began, Date.now(), new Date().getTime()]";
    const before = clock.now();
    const [began, ended, again] = (await evaluate(project, source)) as [number, number, number];
    expect(began).toBe(Math.floor(before));
    expect([ended - began, again - ended]).toEqual([60_000, 0]);
    expect(told).toContain(ended);
    clock.setVirtual(true);
    expect(told.at(-1)).toBeUndefined();
    expect(Math.abs(Number(await evaluate(project, "return Date.now()")) - Date.now())).toBeLessThan(60_000);
  } finally {
    await shared.stop();
  }
});

test("a relay that waits for the clock before it answers does not stop it for good", async () => {
  const project = await open(off);
  const server = createServer((_request, response) => {
    void google.world.clock.wait(60_000, "a relay").then(() => response.end("at last"));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    expect(await evaluate(project, `return UrlFetchApp.fetch("${url}").getContentText()`)).toBe("at last");
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

describe("what is asked of the day from outside", () => {
  const post = async (path: string, body: unknown) => {
    const response = await fetch(`${google.url}/control${path}`, { method: "POST", body: JSON.stringify(body) });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const get = async (path: string) => (await (await fetch(`${google.url}/control${path}`)).json()) as object;

  test("names, seeds and chances that there are not are refused, and change nothing", async () => {
    expect(
      await post("/profile", { name: "hostile", seed: 3, faults: { delayRuns: false, latePosts: 0.5 } }),
    ).toMatchObject({
      status: 200,
      body: { name: "hostile", seed: 3, faults: { delayRuns: 0, latePosts: 0.5, dropRuns: 1 } },
    });
    for (const wrong of [
      { name: "hostile", faults: { delayRun: true } },
      { name: "hostile", faults: { delayRuns: 2 } },
      { name: "hostile", faults: ["delayRuns"] },
      { name: "hostile", seed: 1.5 },
      { name: "hostile", sed: 1 },
      { name: "normal", seed: 1 },
      { name: "worse" },
    ])
      expect((await post("/profile", wrong)).status).toBe(400);
    expect(await get("/profile")).toMatchObject({ name: "hostile", seed: 3, over: false });
    expect(await post("/faults/stop", {})).toEqual({ status: 200, body: { ok: true } });
    expect(await get("/profile")).toMatchObject({ over: true });
    expect(faultsSchema.parse(Object.fromEntries(faultNames.map((name) => [name, true])))).toBeDefined();
  });

  test("the clock is told and asked over HTTP, actions come after so much of its time, and decisions are listed", async () => {
    const project = await open({ delayRuns: 1 });
    const path = `/spreadsheets/${project.spreadsheet.state.id}`;
    const before = google.world.clock.now();
    const actions = [
      { action: "type", sheetId: 0, a1: "A1", value: "1" },
      { action: "type", sheetId: 0, a1: "A2", value: "2", afterMs: 60_000 },
    ];
    expect((await post(`${path}/actions`, actions)).body).toEqual({ applied: 2 });
    expect(await get(`${path}/idle?timeoutMs=5000`)).toEqual({ idle: true });
    expect(google.world.clock.now() - before).toBeGreaterThanOrEqual(60_000);
    expect(heard("edit").map((one) => one["a1"])).toEqual(["A1", "A2"]);
    expect(await get("/decisions")).toMatchObject({
      seed: 7,
      more: 0,
      decisions: [
        { fault: "delayRuns", at: `s1/event 1 type/handleEdit/${ada}`, how: expect.any(Number) as number },
        {},
        {},
        {},
      ],
    });
    expect(await get("/clock")).toMatchObject({ virtual: true, auto: true, working: 0, pending: [] });
    const { status, body } = await post("/clock", { virtual: true, auto: false, advanceMs: 1000 });
    expect([status, body]).toMatchObject([200, { virtual: true, auto: false }]);
    for (const wrong of [{}, { auto: true }, { virtual: false, auto: true }, { advanceMs: -1 }, { virtual: "yes" }])
      expect((await post("/clock", wrong)).status).toBe(400);
    expect((await post("/clock", { virtual: true })).body).toMatchObject({ auto: true });
    expect((await post(`${path}/actions`, [{ action: "recalc", afterMs: -1 }])).status).toBe(400);
  });

  test("a deleted spreadsheet is not found, and none of its triggers fires", async () => {
    const project = await open(off);
    const path = `${google.url}/control/spreadsheets/${project.spreadsheet.state.id}`;
    expect((await fetch(path, { method: "DELETE" })).status).toBe(200);
    expect((await fetch(path, { method: "DELETE" })).status).toBe(404);
    await google.world.clock.advance(3_600_000);
    expect(listener.heard).toEqual([]);
  });
});
