import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type * as z from "zod";
import { limits } from "@sheetwire/shared/limits";
import {
  cellSchema,
  changeSchema,
  connectionSchema,
  downFrameSchema,
  gridRangeSchema,
  nextStepAfterClose,
  postAnswerSchema,
  postSchema,
  problemOf,
  problemSchema,
  refusalCodes,
  refusals,
  rowSchema,
  snapshotEndSchema,
  snapshotRowsSchema,
  upFrameSchema,
  wantSchema,
} from "./protocol.ts";

const NOW = Date.UTC(2026, 4, 17);
const range = { startRowIndex: 0, endRowIndex: 1, startColumnIndex: 0, endColumnIndex: 1 };
const cells = {
  kind: "cells",
  readAt: [NOW, NOW + 20],
  sheetId: 0,
  at: { row: 0, column: 0 },
  cells: [["a"]],
  sheetRows: 1_000,
  sheetColumns: 26,
};
const digests = {
  kind: "digests",
  readAt: [NOW, NOW],
  sheetId: 0,
  from: 0,
  to: 1,
  digests: "AAAAAAAAAAA=",
  usedRows: 1,
  usedColumns: 1,
};
const post = {
  protocol: 1,
  run: "0c9f6d5e-0000-4000-8000-000000000000",
  n: 0,
  cause: "edit",
  script: { version: "0.1.0", installation: "i-1" },
  allowance: { spentMs: 0, runLimitMs: 360_000 },
  readings: [cells],
};
const cellsChange = {
  kind: "cells",
  seq: 1,
  loggedAt: NOW,
  cause: "edit",
  readAt: [NOW, NOW],
  sheetId: 0,
  at: { row: 0, column: 0 },
  cells: [["a"]],
};
const verified = {
  ...cellsChange,
  kind: "verified",
  window: { from: 0, to: 256 },
  digest: "0123456789abcdef",
};
const cursor = { epoch: "e1", seq: 5, chain: "0123456789abcdef" };
const token = "0123456789abcdef";
const watch = { kind: "watch", spreadsheetId: "sheet-1", cursor };
const want = { kind: "digests", id: "w1", sheetId: 0, layout: 3, from: 0, to: 256 };
const connection = {
  url: "https://relay.example",
  spreadsheetId: "sheet-1",
  ingestKey: `whsec_${Buffer.alloc(32).toString("base64")}`,
};

const accepts = (schema: z.ZodType, input: unknown): boolean => schema.safeParse(input).success;
const withCells = (rows: unknown): unknown => ({ ...post, readings: [{ ...cells, cells: rows }] });

describe("what is as the protocol says is read", () => {
  test.each<[string, z.ZodType, unknown]>([
    ["a post of an edit", postSchema, post],
    ["a post after Google's change event", postSchema, { ...post, cause: "change:INSERT_ROW", actor: "a@example.com" }],
    ["a post with nothing to report", postSchema, { ...post, cause: "sweep", readings: [] }],
    ["digests of rows", postSchema, { ...post, readings: [digests] }],
    ["the largest cell", cellSchema, "x".repeat(50_000)],
    ["the widest row", rowSchema, Array.from({ length: 18_278 }, () => 1)],
    ["emoji, right-to-left text, NUL and half a surrogate pair", rowSchema, ["🎉", "שלום", "a\0b", "\ud83c"]],
    ["a formula that looks like HTML", cellSchema, { v: "<b>", f: '="<script>alert(1)</script>"' }],
    ["an error", cellSchema, { v: null, f: "=1/0", e: "#DIV/0!" }],
    ["a change", changeSchema, cellsChange],
    ["a proof", changeSchema, verified],
    ["watching from a cursor", upFrameSchema, watch],
    ["a want", wantSchema, want],
    ["a connection string's content", connectionSchema, connection],
    ["rows of a snapshot, one of them unknown", snapshotRowsSchema, { sheetId: 0, fromRow: 0, rows: [["a"], null] }],
  ])("%s", (_name, schema, input) => {
    expect(schema.safeParse(input).error).toBeUndefined();
  });

  test("a field that only a newer version knows is passed over, not refused", () => {
    expect(postSchema.parse({ ...post, later: true })).not.toHaveProperty("later");
  });

  test("digests are of rows where nothing else is said", () => {
    expect(postSchema.parse({ ...post, readings: [digests] }).readings[0]).toMatchObject({ axis: "rows" });
  });
});

describe("what is not is refused", () => {
  test.each<[string, z.ZodType, unknown]>([
    ["a cell of 50,001 characters", postSchema, withCells([["x".repeat(50_001)]])],
    ["a formula of 50,001 characters", postSchema, withCells([[{ v: 1, f: "x".repeat(50_001) }]])],
    ["a row of 18,279 columns", postSchema, withCells([Array.from({ length: 18_279 }, () => 1)])],
    ["a cell that is no number", postSchema, withCells([[Number.NaN]])],
    ["a cell that is infinite", postSchema, withCells([[Number.POSITIVE_INFINITY]])],
    ["a cell that is a list", postSchema, withCells([[[1]]])],
    ["a cell that is a date object", postSchema, withCells([[new Date(0)]])],
    ["a cell that is undefined", postSchema, withCells([[undefined]])],
    ["a rich cell without a value", postSchema, withCells([[{ f: "=1" }]])],
    ["a rich cell in a rich cell", postSchema, withCells([[{ v: { v: 1 } }]])],
    ["cells that are no rows", postSchema, withCells(["a"])],
    ["a negative row", postSchema, { ...post, readings: [{ ...cells, at: { row: -1, column: 0 } }] }],
    ["a negative column", postSchema, { ...post, readings: [{ ...cells, at: { row: 0, column: -1 } }] }],
    ["half a row", postSchema, { ...post, readings: [{ ...cells, at: { row: 0.5, column: 0 } }] }],
    ["a row given as text", postSchema, { ...post, readings: [{ ...cells, at: { row: "1", column: 0 } }] }],
    ["a sheet of 1e9 rows", postSchema, { ...post, readings: [{ ...cells, sheetRows: 1e9 }] }],
    ["a window up to row 1e9", postSchema, { ...post, readings: [{ ...digests, to: 1e9 }] }],
    ["digests that are no base64", postSchema, { ...post, readings: [{ ...digests, digests: "§§§" }] }],
    ["a time that is no number", postSchema, { ...post, readings: [{ ...cells, readAt: [Number.NaN, NOW] }] }],
    ["a time before 1970", postSchema, { ...post, readings: [{ ...cells, readAt: [-1, NOW] }] }],
    ["a time beyond all dates", postSchema, { ...post, readings: [{ ...cells, readAt: [NOW, 1e300] }] }],
    ["one time instead of two", postSchema, { ...post, readings: [{ ...cells, readAt: [NOW] }] }],
    ["a reading of a kind that is none", postSchema, { ...post, readings: [{ ...cells, kind: "cell" }] }],
    ["a reading without a kind", postSchema, { ...post, readings: [{ ...cells, kind: undefined }] }],
    ["501 readings", postSchema, { ...post, readings: Array.from({ length: 501 }, () => digests) }],
    ["a cause that is none", postSchema, { ...post, cause: "because" }],
    ["a cause with Google's word in small letters", postSchema, { ...post, cause: "change:edit" }],
    ["a cause without end", postSchema, { ...post, cause: `change:${"A".repeat(41)}` }],
    ["an actor without end", postSchema, { ...post, actor: "a".repeat(321) }],
    ["protocol 0", postSchema, { ...post, protocol: 0 }],
    ["a post that is a list", postSchema, [post]],
    ["a post that is nothing", postSchema, null],
    ["an empty range", gridRangeSchema, { ...range, endRowIndex: 0 }],
    ["an inverted range", gridRangeSchema, { ...range, startColumnIndex: 5 }],
    ["an open range", gridRangeSchema, { startRowIndex: 0, endRowIndex: 1 }],
    ["a change with seq 0", changeSchema, { ...cellsChange, seq: 0 }],
    ["a change without cells", changeSchema, { ...cellsChange, cells: [] }],
    ["a change of a kind that is none", changeSchema, { ...cellsChange, kind: "paste" }],
    ["a run that keeps no row", changeSchema, { ...cellsChange, kind: "rows", runs: [{ keep: [0, 0] }] }],
    ["a run that keeps a negative row", changeSchema, { ...cellsChange, kind: "rows", runs: [{ keep: [-1, 1] }] }],
    ["a run of nothing", changeSchema, { ...cellsChange, kind: "rows", runs: [{}] }],
    ["1e9 blank rows", changeSchema, { ...cellsChange, kind: "rows", runs: [{ blank: 1e9 }] }],
    ["columns that are put", changeSchema, { ...cellsChange, kind: "columns", runs: [{ put: [["a"]] }] }],
    ["a digest of 15 digits", changeSchema, { ...verified, digest: "0".repeat(15) }],
    ["a digest in capitals", changeSchema, { ...verified, digest: "A".repeat(16) }],
    ["an up frame of a kind that is none", upFrameSchema, { kind: "write", spreadsheetId: "sheet-1" }],
    ["a down frame as an up frame", upFrameSchema, { kind: "pong" }],
    ["an up frame as a down frame", downFrameSchema, { kind: "ping" }],
    ["hello without a token", upFrameSchema, { kind: "hello", client: "x" }],
    ["hello with a short token", upFrameSchema, { kind: "hello", token: "short", client: "x" }],
    ["hello with a token without end", upFrameSchema, { kind: "hello", token: "x".repeat(513), client: "x" }],
    ["a client's name without end", upFrameSchema, { kind: "hello", token, client: "x".repeat(201) }],
    ["a spreadsheet's id with a path in it", upFrameSchema, { ...watch, spreadsheetId: "../../etc" }],
    ["an empty spreadsheet's id", upFrameSchema, { ...watch, spreadsheetId: "" }],
    ["a cursor without its chain", upFrameSchema, { ...watch, cursor: { epoch: "e1", seq: 5 } }],
    ["a cursor before the log", upFrameSchema, { ...watch, cursor: { ...cursor, seq: -1 } }],
    ["a cursor beyond counting", upFrameSchema, { ...watch, cursor: { ...cursor, seq: 2 ** 60 } }],
    [
      "changes without one",
      downFrameSchema,
      { kind: "changes", spreadsheetId: "s-123", changes: [], chain: cursor.chain },
    ],
    ["a refusal with a code that is none", downFrameSchema, { kind: "refused", code: "because" }],
    ["rows of a want that are none", wantSchema, { kind: "rows", id: "w", sheetId: 0, layout: 0, rows: [] }],
    ["a want without a layout", wantSchema, { ...want, layout: undefined }],
    ["65 wants", postAnswerSchema, { epoch: "e", seq: 0, wants: Array.from({ length: 65 }, () => want) }],
    ["a snapshot's end that is not one", snapshotEndSchema, { end: false, digest: cursor.chain }],
    ["a relay's address that is none", connectionSchema, { ...connection, url: "relay" }],
    ["an ingest key without its prefix", connectionSchema, { ...connection, ingestKey: "A".repeat(44) }],
    ["an ingest key that is too short", connectionSchema, { ...connection, ingestKey: "whsec_AAAA" }],
  ])("%s", (_name, schema, input) => {
    expect(accepts(schema, input)).toBe(false);
  });

  test("whatever else comes as JSON: it is refused and nothing is thrown", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (input) => {
        for (const schema of [postSchema, upFrameSchema, downFrameSchema, changeSchema, wantSchema]) {
          expect(accepts(schema, input)).toBe(false);
        }
      }),
    );
  });

  test("what is said of a refused post names the place, and nothing that stood in a cell", () => {
    const canary = "canary-4711";
    const { error } = postSchema.safeParse(withCells([[canary, { v: canary, f: canary.repeat(9_000) }]]));
    expect(error?.issues[0]?.path.slice(0, 3)).toEqual(["readings", 0, "cells"]);
    expect(JSON.stringify(error?.issues)).not.toContain(canary);
  });
});

describe("the table of refusals", () => {
  test.each(refusalCodes)("%s has an HTTP status, a close code and words", (code) => {
    const { status, closeCode, title } = refusals[code];
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(600);
    // What RFC 6455 lets an endpoint send: a few of its own, and 4000 to 4999 for applications.
    expect([1003, 1009, 1011, 1012, 1013].includes(closeCode) || (closeCode >= 4000 && closeCode <= 4999)).toBe(true);
    expect(title).toMatch(/^[A-Z].*\.$/);
  });

  test("no two refusals share a close code, so each close leads to its own next step", () => {
    const closeCodes = refusalCodes.map((code) => refusals[code].closeCode);
    expect(new Set(closeCodes).size).toBe(closeCodes.length);
    for (const code of refusalCodes) expect(nextStepAfterClose(refusals[code].closeCode)).toBe(refusals[code].nextStep);
  });

  test.each([1000, 1001, 1005, 1006, 3000, 4999])(
    "a close with %i, of which nothing is known, is dialled again",
    (code) => {
      expect(nextStepAfterClose(code)).toBe("redial");
    },
  );

  test("everything wrong with signature, time, key or spreadsheet is one refusal: nobody finds out which exist", () => {
    expect(refusalCodes.filter((code) => refusals[code].status === 401)).toEqual(["unauthorized"]);
    expect(refusalCodes.map((code): number => refusals[code].status)).not.toContain(403);
  });

  test("each becomes a problem document with its status and an address of its own", () => {
    const problems = refusalCodes.map((code) => problemSchema.parse(problemOf(code)));
    expect(new Set(problems.map(({ type }) => type)).size).toBe(refusalCodes.length);
    expect(problemOf("too-large", { maxBytes: limits.postMaxBytes })).toEqual({
      type: "/problems/too-large",
      title: refusals["too-large"].title,
      status: 413,
      code: "too-large",
      maxBytes: 4_194_304,
    });
  });
});
