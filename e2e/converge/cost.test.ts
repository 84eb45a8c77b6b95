/** What one edit costs where formulas follow it. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ControlCell } from "../stage/stage.ts";
import { openPrograms, type Programs } from "./programs.ts";

const TICK_MS = 10 * 60_000;

let programs: Programs;
beforeAll(async () => {
  programs = await openPrograms();
});
afterAll(() => programs.stop());

test("in a sheet of 20,000 cells with formulas a typed cell costs one further post, and no content but that of changed rows", async () => {
  const { stage, tap, google, grant } = programs;
  const { control } = stage;
  const rows = Array.from({ length: 1_000 }, (_, row): ControlCell[] => [
    ...Array.from({ length: 17 }, (_cell, at) => row * at),
    ...[`=A${row + 1}+B${row + 1}`, `=C${row + 1}*2`, `=SUM(D${row + 1}:F${row + 1})`].map((f) => ({ v: null, f })),
  ]);
  // One formula far away follows the same cell.
  rows[900]?.splice(19, 1, { v: null, f: "=A500" });
  await google.clock({ virtual: true, shared: true });
  const { spreadsheetId, sheets } = await control.create({ title: "Formulas", sheets: [{ title: "Table", rows }] });
  const sheetId = sheets[0]?.sheetId ?? 0;
  await control.connect(spreadsheetId, grant(spreadsheetId).connectionString);
  await google.clock({ advanceMs: TICK_MS });
  await google.clock({ advanceMs: TICK_MS });
  await control.idle(spreadsheetId);
  const cost = async (a1: string): Promise<object> => {
    tap.reset();
    await google.act(spreadsheetId, [{ action: "type", sheetId, a1, value: "77", afterMs: 5_000 }]);
    await control.idle(spreadsheetId);
    const { posts, rowsSent, cellsSent } = tap.traffic();
    return { posts, rowsSent, cellsSent };
  };
  // The edit, and the digests of all rows, which are as they should be.
  expect(await cost("B300")).toEqual({ posts: 2, rowsSent: 1, cellsSent: 20 });
  // The digests of all rows show the one that another formula changed; its content is the third.
  expect(await cost("A500")).toEqual({ posts: 3, rowsSent: 2, cellsSent: 40 });
});
