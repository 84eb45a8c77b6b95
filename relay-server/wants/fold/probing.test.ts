import { beforeEach, describe, expect, test } from "vitest";
import type { Cell, Reading } from "@sheetwire/shared/protocol";
import { openWork } from "../check.ts";
import { loadDesk, storeDesk } from "../desk.ts";
import { factsOf } from "../facts.ts";
import { RelayDouble, SheetDouble } from "../sheet-double.ts";
import { recheckAfter } from "./probing.ts";

const MINUTE_MS = 60_000;
/** More cells than the digests of a few wants tell of. */
const ROWS = 5_000;
const COLUMNS = 130;
const line = (text: string | number): Cell[] => [text, ...Array<Cell>(COLUMNS - 2).fill(null), "end"];
let sheet: SheetDouble;
let relay: RelayDouble;
let digestsRead: number;

beforeEach(() => {
  sheet = new SheetDouble([
    { sheetId: 7, title: "Large", columns: COLUMNS, rows: Array.from({ length: ROWS }, (_, row) => line(row)) },
  ]);
  relay = new RelayDouble(sheet);
  relay.run("install", [sheet.sheets()]);
  relay.run("manual", [sheet.sheets()]);
  expectEqual();
  sheet.now += 2 * MINUTE_MS;
  relay.cellsSent = 0;
  digestsRead = 0;
  const answer = sheet.answer.bind(sheet);
  sheet.answer = (want): Reading => {
    const reading = answer(want);
    if (reading.kind === "digests") digestsRead += reading.to - reading.from;
    return reading;
  };
});

const insert = (at: number, ...texts: string[]): void => void sheet.grid(7).rows.splice(at, 0, ...texts.map(line));
const structure = (cause: "change:INSERT_ROW" | "change:REMOVE_ROW" = "change:INSERT_ROW"): number =>
  relay.run(cause, [sheet.sheets()]);
const deskNow = () => relay.desk.sheets.get(7);
const expectEqual = (): void => {
  const wrong: number[] = [];
  const held = relay.rows(7);
  sheet.grid(7).rows.forEach((row, at) => {
    if (wrong.length < 5 && JSON.stringify(row) !== JSON.stringify(held[at])) wrong.push(at);
  });
  expect({ rows: held.length, wrong }).toEqual({ rows: sheet.grid(7).rows.length, wrong: [] });
};

test.each([
  ["at the top", 0],
  ["in the middle", 2_500],
  ["at the end", ROWS],
])("a row inserted %s is found by a few hundred digests, and only it is read", (_where, at) => {
  insert(at, "new");
  expect(structure()).toBeLessThanOrEqual(6);
  expectEqual();
  expect(relay.cellsSent).toBe(COLUMNS);
  expect(digestsRead).toBeLessThan(250);
});

test("rows that went are found the same way, and nothing is read of them", () => {
  sheet.grid(7).rows.splice(1_234, 3);
  structure("change:REMOVE_ROW");
  expectEqual();
  expect(relay.cellsSent).toBe(0);
  expect(digestsRead).toBeLessThan(250);
});

test("an edit that shows that rows came is asked for the list of sheets first, and not for everything", () => {
  insert(10, "new");
  sheet.grid(7).rows[3_000] = line("typed");
  relay.run("edit", [sheet.edit(7, 3_000, 0, 1, 1)]);
  expect(digestsRead).toBeLessThan(250);
  structure();
  relay.run("call", []);
  expectEqual();
  expect(digestsRead).toBeLessThan(500);
});

test("what was told of a row that is gone since leaves nothing open", () => {
  insert(ROWS, "new");
  relay.take(sheet.post(sheet.newRun(), 0, "edit", [sheet.edit(7, ROWS, 0, 1, 1)]));
  sheet.grid(7).rows.splice(ROWS - 9, 10);
  sheet.now += MINUTE_MS + 1_000;
  structure("change:REMOVE_ROW");
  expectEqual();
  expect(deskNow()?.doubts).toEqual([]);
  expect(openWork(relay.state, relay.desk, sheet.now).openItems).toBe(0);
});

test("a row changed beside the inserted one is read with it", () => {
  insert(100, "new", "newer");
  sheet.grid(7).rows[105] = line("changed unseen");
  structure();
  expectEqual();
  expect(relay.cellsSent).toBe(3 * COLUMNS);
});

test("what is found so is believed, and all of it is proven a minute later, when it is quiet", () => {
  insert(2_000, "new");
  structure();
  const { now } = sheet;
  expect(openWork(relay.state, relay.desk, now)).toMatchObject({ openItems: 0, unprovenRows: 1 });
  const dueAt = deskNow()?.recheck?.dueAt ?? 0;
  expect(dueAt - now).toBeGreaterThan(50_000);
  expect(dueAt - now).toBeLessThanOrEqual(MINUTE_MS);
  expect(openWork(relay.state, relay.desk, now).putOffUntil).toBe(dueAt);
  // A change that nobody told, far from there.
  sheet.grid(7).rows[4_000] = line("unseen");
  digestsRead = 0;
  relay.run("call", []);
  expect(digestsRead).toBeLessThan(ROWS);
  sheet.now = dueAt;
  expect(openWork(relay.state, relay.desk, sheet.now).unprovenRows).toBe(ROWS + 1);
  relay.run("call", []);
  relay.run("call", []);
  expectEqual();
  expect(openWork(relay.state, relay.desk, sheet.now)).toEqual({
    openItems: 0,
    unknownRows: 0,
    unprovenRows: 0,
    putOffUntil: undefined,
  });
});

test("what is put off is not forgotten in a restart", () => {
  insert(2_000, "new");
  structure();
  const before = deskNow()?.recheck;
  const after = loadDesk(storeDesk(relay.desk), sheet.now).sheets.get(7);
  expect(after).toMatchObject({ recheck: before });
  expect(before?.dueAt).toBeGreaterThan(sheet.now);
});

test("rows that came in two places, or while the search went on, are found by looking at all of it", () => {
  insert(4_000, "second");
  insert(1_000, "first");
  structure();
  expectEqual();
  insert(3_000, "third");
  const run = sheet.newRun();
  const wants = relay.take(sheet.post(run, 0, "change:INSERT_ROW", [sheet.sheets()]));
  expect(wants.length).toBe(16);
  insert(500, "fourth");
  sheet.now += 300;
  const answers = wants.map((want) => sheet.answer(want));
  relay.take(sheet.post(run, 1, "change:INSERT_ROW", answers));
  // That run ended there, and what it was asked for is asked of others a minute later.
  sheet.now += MINUTE_MS + 1_000;
  structure();
  relay.run("call", []);
  expectEqual();
});

test("a search whose run ended is taken up by the next, without waiting for anything to happen", () => {
  insert(3_000, "new");
  relay.take(sheet.post(sheet.newRun(), 0, "change:INSERT_ROW", [sheet.sheets()]));
  sheet.now += 2 * MINUTE_MS;
  relay.run("call", []);
  expectEqual();
});

test("a sheet in which rows are moved again and again is looked at whole only so often, and ends right", () => {
  const move = (): void => {
    const { rows } = sheet.grid(7);
    rows.splice(4_000, 0, ...rows.splice(100, 1));
    relay.run("change:OTHER", [sheet.sheets()]);
  };
  move();
  expectEqual();
  const once = digestsRead;
  expect(once).toBeGreaterThanOrEqual(ROWS);
  for (let n = 0; n < 5; n += 1) {
    sheet.now += 5_000;
    move();
  }
  expect(digestsRead).toBe(once);
  const { putOffUntil = 0 } = openWork(relay.state, relay.desk, sheet.now);
  expect(putOffUntil).toBeGreaterThan(sheet.now);
  // Nobody is told meanwhile that all is well.
  expect(factsOf(relay.state, relay.desk, sheet.now).sweep.openRows).toBe(ROWS);
  sheet.now = putOffUntil;
  relay.run("call", []);
  relay.run("call", []);
  expectEqual();
  expect(factsOf(relay.state, relay.desk, sheet.now).sweep).toMatchObject({ openRows: 0, unprovenRows: 0 });
});

test("what moved while the whole sheet was being looked at is not settled by what was read before", () => {
  const move = (): void => {
    const { rows } = sheet.grid(7);
    rows.splice(20, 0, ...rows.splice(10, 1));
  };
  move();
  relay.run("change:OTHER", [sheet.sheets()]);
  expectEqual();
  sheet.now += 5_000;
  const run = sheet.newRun();
  let wants = relay.take(sheet.post(run, 0, "manual", [sheet.sheets()]));
  const readBefore = wants.map((want) => sheet.answer(want));
  sheet.now += 1_000;
  move();
  relay.take(sheet.post(sheet.newRun(), 0, "change:OTHER", [sheet.sheets()]));
  wants = relay.take(sheet.post(run, 1, "manual", readBefore));
  for (let n = 2; wants.length > 0; n += 1) {
    sheet.now += 300;
    wants = relay.take(
      sheet.post(
        run,
        n,
        "manual",
        wants.map((want) => sheet.answer(want)),
      ),
    );
  }
  const { putOffUntil = 0 } = openWork(relay.state, relay.desk, sheet.now);
  expect(putOffUntil).toBeGreaterThan(sheet.now);
  expect(factsOf(relay.state, relay.desk, sheet.now).sweep.openRows).toBe(ROWS);
  relay.desk = loadDesk(storeDesk(relay.desk), 0);
  sheet.now = putOffUntil;
  relay.run("call", []);
  relay.run("call", []);
  expectEqual();
  expect(factsOf(relay.state, relay.desk, sheet.now).sweep).toMatchObject({ openRows: 0, unprovenRows: 0 });
});

test("any splices of any rows end as the sheet is", () => {
  let state = 12345;
  const die = (most: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * most);
  };
  for (let n = 0; n < 25; n += 1) {
    const { rows } = sheet.grid(7);
    for (let places = die(8) === 0 ? 2 : 1; places > 0; places -= 1) {
      const come = Array.from({ length: die(4) }, (_, k) => line(die(2) === 0 ? "same" : `new ${n} ${k}`));
      rows.splice(die(rows.length), die(3) === 0 ? 1 + die(5) : 0, ...come);
    }
    sheet.now += 1_000;
    const typed = die(rows.length);
    const edit = (): void => {
      rows[typed] = line(`typed ${n}`);
      relay.run("edit", [sheet.edit(7, typed, 0, 1, 1)]);
    };
    if (n % 3 === 0) edit();
    structure();
    if (n % 3 === 1) edit();
    relay.run("call", []);
  }
  sheet.now += 61 * MINUTE_MS;
  for (let calls = 0; calls < 3; calls += 1) relay.run("call", []);
  expectEqual();
});

describe("a whole look is put off", () => {
  test("for a minute, then for ever longer while rows come and go, and never beyond what was promised before", () => {
    let recheck = recheckAfter(undefined, 0);
    expect(recheck).toEqual({ structureAt: 0, pauseMs: MINUTE_MS, dueAt: MINUTE_MS, isOpen: false });
    recheck = recheckAfter(recheck, 30_000);
    expect(recheck).toEqual({ structureAt: 30_000, pauseMs: 2 * MINUTE_MS, dueAt: MINUTE_MS, isOpen: false });
    const pauses: number[] = [];
    for (let n = 0; n < 8; n += 1) {
      recheck = recheckAfter({ ...recheck, dueAt: undefined }, recheck.structureAt + 30_000);
      pauses.push(recheck.pauseMs / MINUTE_MS);
    }
    expect(pauses).toEqual([4, 8, 16, 32, 60, 60, 60, 60]);
    recheck = recheckAfter({ ...recheck, dueAt: undefined }, recheck.structureAt + 3 * 60 * MINUTE_MS);
    expect(recheck.pauseMs).toBe(MINUTE_MS);
  });
});
