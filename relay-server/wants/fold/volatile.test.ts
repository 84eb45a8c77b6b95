import { beforeEach, expect, test } from "vitest";
import type { Reading, Want } from "@sheetwire/shared/protocol";
import { factsOf } from "../facts.ts";
import { loadDesk, storeDesk } from "../wants.ts";
import { RelayDouble, SheetDouble } from "../sheet-double.ts";

/** A sheet with `=NOW()` in its second row: otherwise at every look, as long as it ticks. */
class Ticking extends SheetDouble {
  ticks = 0;
  isTicking = true;

  tick(): void {
    if (!this.isTicking) return;
    this.ticks += 1;
    this.grid(7).rows[1] = ["now", { v: this.ticks, f: "=NOW()" }];
  }

  override answer(want: Want): Reading {
    this.tick();
    return super.answer(want);
  }
}

let sheet: Ticking;
let relay: RelayDouble;

beforeEach(() => {
  sheet = new Ticking([{ sheetId: 7, title: "Clock", columns: 3, rows: [["a"], ["now"], ["b", 1], ["c"]] }]);
  relay = new RelayDouble(sheet);
  relay.run("install", [sheet.sheets()]);
  sheet.now += 120_000;
});

const check = (): number => {
  sheet.now += 120_000;
  return relay.run("manual", [sheet.sheets()]);
};
const toldOfRow1 = (): number =>
  relay.changes.filter((one) => one.kind === "cells" && one.at.row <= 1 && one.at.row + one.cells.length > 1).length;

test("a row that changes between two looks of one run is wanted no more in it, and the rest is proven", () => {
  expect(check()).toBeLessThanOrEqual(4);
  const desk = relay.desk.sheets.get(7);
  expect(desk).toMatchObject({ volatile: [{ from: 1, to: 2 }], doubts: [], unproven: [], digestsSince: undefined });
  expect(desk?.checkedAt).toBeGreaterThan(0);
  check();
  const proofs = relay.changes.filter((one) => one.kind === "verified").slice(-2);
  expect(proofs.map((one) => one.window)).toEqual([
    { from: 0, to: 1 },
    { from: 2, to: 4 },
  ]);
});

test("each check tells of it once", () => {
  check();
  const before = toldOfRow1();
  for (let checks = 1; checks <= 5; checks += 1) {
    check();
    expect(toldOfRow1()).toBe(before + checks);
  }
});

test("an edit elsewhere does not read it again", () => {
  check();
  const before = toldOfRow1();
  sheet.grid(7).rows[3] = ["typed"];
  relay.run("edit", [sheet.edit(7, 3, 0, 1, 1, "c")]);
  expect(toldOfRow1()).toBe(before);
  expect(relay.rows(7)[3]).toEqual(["typed"]);
});

test("a row that held still from one check to the next is proven again", () => {
  check();
  sheet.isTicking = false;
  check();
  check();
  expect(relay.desk.sheets.get(7)).toMatchObject({ volatile: [], unproven: [] });
  expect(relay.rows(7)).toEqual(sheet.grid(7).rows);
  expect(relay.changes.filter((one) => one.kind === "verified").at(-1)?.window).toEqual({ from: 0, to: 4 });
});

test("how many rows are left out stands in the facts, and outlives a restart", () => {
  check();
  expect(factsOf(relay.state, relay.desk, sheet.now).sweep.volatileRows).toBe(1);
  const again = loadDesk(storeDesk(relay.desk), sheet.now);
  expect(factsOf(relay.state, again, sheet.now).sweep.volatileRows).toBe(1);
});

test("an insertion above it makes it an ordinary row, until it is seen to change again", () => {
  check();
  sheet.grid(7).rows.unshift(["top"]);
  sheet.tick = () => {
    sheet.ticks += 1;
    sheet.grid(7).rows[2] = ["now", { v: sheet.ticks, f: "=NOW()" }];
  };
  relay.run("change:INSERT_ROW", [sheet.sheets()]);
  check();
  expect(relay.desk.sheets.get(7)?.volatile).toEqual([{ from: 2, to: 3 }]);
  expect(relay.rows(7)[0]).toEqual(["top"]);
});
