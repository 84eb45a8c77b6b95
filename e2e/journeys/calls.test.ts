/** The relay asks by itself: the built script as a web app at Google's stand-in, a real relay, and writes that fire nothing. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { openStage, until, type ControlCell, type Stage } from "../stage/stage.ts";

let stage: Stage;
let spreadsheetId: string;
let sheetId: number;
let token: string;

const rows: ControlCell[][] = Array.from({ length: 200 }, (_, row) => [`row ${row}`, row, "same"]);

beforeAll(async () => {
  stage = await openStage();
  const made = await stage.control.create({ title: "Ledger", sheets: [{ title: "Data", rows }] });
  spreadsheetId = made.spreadsheetId;
  sheetId = made.sheets[0]?.sheetId ?? -1;
  const connectionString = await stage.register(spreadsheetId);
  ({ token } = (await stage.relay.command(
    "device",
    "add",
    spreadsheetId,
    "--name",
    "reader",
    "--scope",
    "read",
    "--json",
  )) as { token: string });
  await stage.control.deploy(spreadsheetId);
  await stage.connect(spreadsheetId, connectionString);
});
afterAll(() => stage.stop());

async function ask<T>(path: string): Promise<T> {
  const answer = await fetch(`${stage.relay.url}/v1/spreadsheets/${spreadsheetId}${path}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return (await answer.json()) as T;
}

const held = async (a1: string): Promise<ControlCell | undefined> =>
  (await ask<{ values: (ControlCell[] | null)[] }>(`/values/${a1}`)).values[0]?.[0];
type Facts = {
  script: { answerers: string[]; callUnansweredSince?: number };
  sweep: { openRows: number; unprovenRows: number; lastFullAt?: number };
  healed: { count: number; how?: string };
};
const facts = (): Promise<Facts> => ask<Facts>("/status");
const write = (a1: string, value: string): Promise<void> =>
  stage.control.act(spreadsheetId, [{ action: "apiWrite", sheetId, a1, values: [[value]] }]);
const runs = async (name: string): Promise<number> =>
  (await stage.control.executions(spreadsheetId)).filter((one) => one.function === name).length;

test("a write that fires no trigger arrives through a call, 5 s after the script told of its web app", async () => {
  await until("the first copy", async () => (await held("B100")) === 99);
  await write("B100", "by a program");
  const before = {
    edits: await runs("handleEdit"),
    changes: await runs("handleChange"),
    ticks: await runs("handleTick"),
  };
  await until("the write to arrive", async () => (await held("B100")) === "by a program");
  expect({
    edits: await runs("handleEdit"),
    changes: await runs("handleChange"),
    ticks: await runs("handleTick"),
  }).toEqual(before);
  expect(await runs("doPost")).toBeGreaterThan(0);
  await until("the proof", async () => (await facts()).sweep.unprovenRows === 0);
  const { script, healed } = await facts();
  expect(script.answerers).toEqual(["trigger", "webApp"]);
  expect(script.callUnansweredSince).toBeUndefined();
  expect(healed).toMatchObject({ count: 1, how: "call" });
});

test("an edit is proven 5 s after quiet, and what had changed unseen beside it is healed with it", async () => {
  await write("C7", "unseen");
  await stage.control.act(spreadsheetId, [{ action: "type", sheetId, a1: "A150", value: "typed" }]);
  await until("the edit", async () => (await held("A150")) === "typed", 3_000);
  await until("the write that nobody told of", async () => (await held("C7")) === "unseen");
  await until("the proof", async () => {
    const { openRows, unprovenRows } = (await facts()).sweep;
    return openRows === 0 && unprovenRows === 0;
  });
});

test("an open panel counts as one who answers", async () => {
  await stage.control.run(spreadsheetId, "ui_getStatus");
  await until("the panel's word", async () => (await facts()).script.answerers.includes("sidebar"));
});

test("P6 nothing that stands in cells stands in the relay's log", () => {
  expect(stage.relay.output()).not.toMatch(/by a program|unseen|typed|row 1\d\d/);
});
