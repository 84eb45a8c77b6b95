/** Sheets that are turned over while they are read, and people who work at the same time. */
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { mirrorOf, openStage, until, untilEqual, type Browser, type Stage } from "../stage/stage.ts";

let stage: Stage;
let browser: Browser;

beforeAll(async () => {
  stage = await openStage();
  browser = await stage.browser();
});
afterAll(() => stage.stop());

type Doing = { action: string } & Record<string, unknown>;
type Followed = {
  spreadsheetId: string;
  sheetIds: number[];
  panel: Page;
  token: string;
  /** Does it on the first sheet, unless one is named, and waits until the script has nothing more to do. */
  act: (...actions: Doing[]) => Promise<void>;
  equal: () => Promise<void>;
};

async function create(spreadsheet: Record<string, unknown>): Promise<Omit<Followed, "panel" | "token" | "equal">> {
  const { spreadsheetId, sheets } = await stage.control.create(spreadsheet);
  const sheetIds = sheets.map((sheet) => sheet.sheetId);
  return {
    spreadsheetId,
    sheetIds,
    async act(...actions) {
      await stage.control.act(
        spreadsheetId,
        actions.map((one) => ({ sheetId: sheetIds[0] ?? -1, ...one })),
      );
      await stage.control.idle(spreadsheetId);
    },
  };
}

async function follow(spreadsheet: Record<string, unknown>): Promise<Followed> {
  const created = await create(spreadsheet);
  const { spreadsheetId } = created;
  await stage.connect(spreadsheetId);
  const token = await stage.pair(browser, spreadsheetId);
  const panel = await browser.open(`sidepanel.html?spreadsheet=${spreadsheetId}`);
  const equal = (): Promise<void> => untilEqual(stage.control, panel, spreadsheetId);
  await equal();
  return { ...created, panel, token, equal };
}

const table = (rows: number, columns: number): unknown[][] =>
  Array.from({ length: rows }, (_row, row) => Array.from({ length: columns }, (_cell, column) => `r${row} c${column}`));

/** Contents so long that a copy of them takes several posts. */
const longTable = (rows: number, columns: number): unknown[][] =>
  table(rows, columns).map((row) => row.map((cell) => `${String(cell)} ${"and more ".repeat(12)}`));

async function statusOf(
  spreadsheetId: string,
  token: string,
): Promise<{ firstCopy?: { doneCells: number; totalCells: number } }> {
  const response = await fetch(`${stage.relay.url}/v1/spreadsheets/${spreadsheetId}/status`, {
    headers: { authorization: `Bearer ${token}` },
  });
  return (await response.json()) as { firstCopy?: { doneCells: number; totalCells: number } };
}

test("sheets renamed and deleted in the middle of a first copy end as they are", async () => {
  const { spreadsheetId, sheetIds, act } = await create({
    title: "Large",
    sheets: [
      { title: "Large", rows: longTable(6_000, 8) },
      { title: "Goes", rows: table(2_000, 4) },
      { title: "Stays", rows: table(500, 4) },
    ],
  });
  const connectionString = await stage.register(spreadsheetId);
  const token = await stage.pair(browser, spreadsheetId);
  const connecting = stage.connect(spreadsheetId, connectionString);
  const panel = await browser.open(`sidepanel.html?spreadsheet=${spreadsheetId}`);
  await until("the first part of the copy", async () => ((await mirrorOf(panel, spreadsheetId))?.seq ?? 0) > 1);
  const { firstCopy } = await statusOf(spreadsheetId, token);
  expect(firstCopy?.doneCells).toBeLessThan(firstCopy?.totalCells ?? 0);
  await act(
    { action: "renameSheet", title: "Still large" },
    { action: "deleteSheet", sheetId: sheetIds[1] },
    { action: "insertRows", row: 3_000, count: 3 },
    { action: "type", a1: "A5900", value: "typed meanwhile" },
  );
  await connecting;
  await untilEqual(stage.control, panel, spreadsheetId, 90_000);
  const titles = async (): Promise<string[] | undefined> =>
    (await mirrorOf(panel, spreadsheetId))?.sheets.map((sheet) => sheet.title);
  await until("the titles", async () => (await titles())?.join() === "Still large,Stays");
  await panel.close();
});

/** How many cells with something in them the changes after `seq` carry. */
async function cellsSent({ spreadsheetId, token }: Followed, seq: number): Promise<number> {
  const response = await fetch(`${stage.relay.url}/v1/spreadsheets/${spreadsheetId}/changes?since=${seq}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const { changes } = (await response.json()) as {
    changes: { kind: string; cells?: unknown[][]; runs?: { put?: unknown[][] }[] }[];
  };
  return changes
    .flatMap((change) => [...(change.cells ?? []), ...(change.runs ?? []).flatMap((run) => run.put ?? [])])
    .flat()
    .filter((cell) => cell !== null).length;
}

test("what is undone, sorted, or moved by columns ends equal, and moved columns and sorted rows carry no contents", async () => {
  const followed = await follow({
    title: "Moves",
    sheets: [
      { title: "Moves", rows: Array.from({ length: 300 }, (_, row) => [`n${(row * 7) % 300}`, row, `x${row % 9}`]) },
    ],
  });
  const { act, equal, panel, spreadsheetId } = followed;
  const seq = async (): Promise<number> => (await mirrorOf(panel, spreadsheetId))?.seq ?? 0;
  await act({ action: "paste", a1: "B10", values: table(20, 3), as: "ada@example.com" });
  await equal();
  await act({ action: "undo", as: "ada@example.com" }, { action: "type", a1: "E11", value: "beside what was undone" });
  await equal();
  const before = await seq();
  await act({ action: "insertColumns", column: 1, count: 2 });
  await equal();
  await act({ action: "deleteColumns", column: 2, count: 1 });
  await equal();
  await act({ action: "sort", column: 0 });
  await equal();
  expect(await seq()).toBeGreaterThan(before);
  expect(await cellsSent(followed, before)).toBe(0);
  await panel.close();
});

test("two people who type into one row at once both have what they typed", async () => {
  const { act, equal, panel, spreadsheetId, sheetIds } = await follow({
    title: "Together",
    sheets: [{ title: "Together", rows: [["a", "b", "c", "d"]] }],
  });
  await Promise.all(
    Array.from({ length: 6 }, (_, n) =>
      Promise.all([
        act({ action: "type", a1: `A${n + 1}`, value: `ada ${n}`, as: "ada@example.com" }),
        act({ action: "type", a1: `C${n + 1}`, value: `grace ${n}`, as: "grace@example.com" }),
      ]),
    ),
  );
  await equal();
  await act(
    { action: "type", a1: "B1", value: "first", as: "ada@example.com" },
    { action: "type", a1: "B1", value: "last", as: "grace@example.com" },
  );
  await equal();
  expect((await stage.control.rows(spreadsheetId, sheetIds[0] ?? -1)).rows[0]?.slice(0, 3)).toEqual([
    "ada 0",
    "last",
    "grace 0",
  ]);
  await panel.close();
});

test("formulas on another sheet that follow an edit are followed, though nothing is fired for them", async () => {
  const { act, equal, panel, spreadsheetId } = await follow({
    title: "Sums",
    sheets: [
      { title: "Data", rows: [[1], [2], [3]] },
      { title: "Sums", rows: [[{ v: null, f: "=SUM(Data!A1:A3)" }], [{ v: null, f: "=A1*2" }]] },
    ],
  });
  await act({ action: "type", a1: "A2", value: "20" });
  await equal();
  const sums = (await mirrorOf(panel, spreadsheetId))?.sheets.find((sheet) => sheet.title === "Sums");
  expect(sums?.rows.slice(0, 2)).toEqual([[{ v: 24, f: "=SUM(Data!A1:A3)" }], [{ v: 48, f: "=A1*2" }]]);
  await panel.close();
});
