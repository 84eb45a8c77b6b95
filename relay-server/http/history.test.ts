import { afterEach, beforeEach, expect, test } from "vitest";
import { bearer, filled, learn, letIn, openRelay, type TestRelay } from "../testing/testing.ts";

const id = "sheet-1";
let relay: TestRelay;
let token: string;
beforeEach(async () => {
  relay = await openRelay();
  ({ token } = letIn(relay, id));
  await learn(relay, id, ...filled([["canary", 1]], { title: "My Data", columns: 2 }));
  const at = { row: 0, column: 0 };
  await learn(relay, id, { kind: "cells", sheetId: 7, at, cells: [["canary two"]], was: [["canary"]] });
});
afterEach(() => relay.stop());

const ask = (a1: string, query = "", key = token): Promise<Response> =>
  fetch(`${relay.url}/v1/spreadsheets/${id}/cells/${encodeURIComponent(a1)}/history${query}`, bearer(key));

test("a cell's history is read by its A1 name, with or without its sheet's", async () => {
  for (const a1 of ["A1", "$A$1", "'My Data'!A1", "My Data!a1"]) {
    const answer = await ask(a1);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({
      sheetId: 7,
      row: 0,
      column: 0,
      seq: 3,
      complete: true,
      end: "beginning",
      entries: [
        { seq: 3, loggedAt: 1, cause: "edit", was: "canary", now: "canary two" },
        { seq: 2, now: "canary" },
      ],
    });
  }
  expect(await (await ask("A1", "?limit=1")).json()).toMatchObject({
    complete: false,
    end: "limit",
    entries: [{ seq: 3 }],
  });
});

test("a long story is told in parts, each of which says where the next begins", async () => {
  const parts: unknown[] = [];
  let from = "";
  for (let part = 0; part < 5; part += 1) {
    const answer = (await (await ask("A1", `?limit=1${from}`)).json()) as { entries: unknown[]; next?: string };
    parts.push(...answer.entries);
    if (answer.next === undefined) break;
    from = `&from=${answer.next}`;
  }
  expect(parts).toEqual(((await (await ask("A1")).json()) as { entries: unknown[] }).entries);
  expect(parts).toHaveLength(2);
});

test.each([
  ["a name that is no cell's, so a sheet's", "A0", "", 404],
  ["a range", "A1:B1", "", 400],
  ["a whole sheet", "My Data", "", 400],
  ["nothing in A1 notation", "'", "", 400],
  ["a sheet that is not there", "Other!A1", "", 404],
  ["a cell beyond the sheet", "C1", "", 404],
  ["no limit", "A1", "?limit=0", 400],
  ["too high a limit", "A1", "?limit=1001", 400],
  ["a limit that is no number", "A1", "?limit=all", 400],
  ["a beginning that is none", "A1", "?from=3", 400],
  ["a beginning in another log", "A1", "?from=other.3.7.0.0", 400],
  ["a beginning that is not written yet", "A1", "?from=e.99.7.0.0", 400],
])("%s is refused with a problem document", async (_what, a1, query, status) => {
  const answer = await ask(a1, query);
  expect(answer.status).toBe(status);
  expect(answer.headers.get("content-type")).toMatch("application/problem+json");
});

test("P7 a history is read with a token of that spreadsheet only", async () => {
  const other = letIn(relay, "sheet-2");
  expect((await ask("A1", "", other.token)).status).toBe(401);
  expect((await ask("A1", "", "x".repeat(43))).status).toBe(401);
});

test("P6 neither the cell nor its name is in the log lines", async () => {
  await ask("'My Data'!A1");
  expect(relay.lines.join("")).not.toMatch(/canary|My Data|My%20Data/);
  expect(relay.lines.join("")).toContain("/cells/:a1/history");
});
