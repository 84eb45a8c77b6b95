import { expect, test } from "vitest";
import { compare, verdictWords } from "./verdict.ts";

const proof = (digest: string | undefined, unknownRows = 0) => ({
  sheetId: 0,
  title: "Films",
  rows: 3,
  unknownRows,
  digest,
});
const theirs = (seq: number, digest: string, unknownRows = 0) => ({
  ok: true as const,
  seq,
  sheets: [{ sheetId: 0, rows: 3, unknownRows, digest }],
});

test("equal digests at the same seq are equal, other digests are not, and another seq says nothing", () => {
  expect(compare(theirs(4, "a"), { seq: 4, sheets: [proof("a")] })).toMatchObject({ kind: "equal", rows: 3 });
  expect(compare(theirs(4, "b"), { seq: 4, sheets: [proof("a")] })).toEqual({ kind: "different", titles: ["Films"] });
  expect(compare(theirs(5, "a"), { seq: 4, sheets: [proof("a")] })).toEqual({ kind: "moving" });
  expect(compare({ ok: false, why: "moving" }, undefined)).toEqual({ kind: "moving" });
});

test("a sheet that only one side has, or with other rows unread, is different", () => {
  expect(compare({ ok: true, seq: 4, sheets: [] }, { seq: 4, sheets: [proof("a")] })).toMatchObject({
    kind: "different",
  });
  expect(compare(theirs(4, "a", 1), { seq: 4, sheets: [proof("a")] })).toMatchObject({ kind: "different" });
});

test("rows that are still being read are said, and nothing is claimed of them", () => {
  const verdict = compare(theirs(4, "x", 2), { seq: 4, sheets: [proof(undefined, 2)] });
  expect(verdictWords(verdict)).toMatchObject({ tone: "waiting", words: expect.stringContaining("2 rows") as string });
});

test("why nothing could be compared is said in words", () => {
  for (const why of ["not-connected", "unreachable", "refused"] as const) {
    expect(verdictWords(compare({ ok: false, why }, undefined)).words).toMatch(/relay|compare/);
  }
});
