import { expect, test } from "vitest";
import { codeOf, traceOf } from "./faults.ts";

test.each([
  ["Exception: Service invoked too many times for one day: urlfetch.", "quota"],
  ["Service using too much computer time for one day", "quota-runtime"],
  ["There are too many scripts running simultaneously for this Google user account", "too-many-runs"],
  ["UrlFetch calls to https://x/ are not permitted by your admin", "url-not-permitted"],
  ["You do not have permission to call UrlFetchApp.fetch. Required permissions: …", "no-permission"],
  ["DNS error: https://relay.example", "dns"],
  ["SSL Error https://relay.example", "certificate"],
  ["Address unavailable: https://relay.example", "unreachable"],
  ["Timeout: https://relay.example", "timeout"],
  ["Service Spreadsheets failed while accessing document with id X.", "spreadsheet-service"],
])("%s is %s", (message, code) => {
  expect(codeOf(new Error(message))).toBe(code);
});

test("a fault of ours is named by its kind alone", () => {
  expect(codeOf(new TypeError("canary is not a function"))).toBe("fault-TypeError");
  expect(codeOf({ name: "<b>canary</b>" })).toBe("fault");
  expect([codeOf(undefined), codeOf("canary"), codeOf(null)]).toEqual(["fault", "fault", "fault"]);
});

test("a trace names functions and lines, and never what was thrown", () => {
  function readSomething(): never {
    throw new Error("canary one\n    at canaryTwo (canary-three:1:1)\n    at canary:2:2");
  }
  let trace = "";
  try {
    readSomething();
  } catch (fault) {
    trace = traceOf(fault);
  }
  expect(trace).toMatch(/readSomething:\d+/);
  expect(trace).not.toContain("canary");
  expect([traceOf(undefined), traceOf("x"), traceOf({ stack: 5 })]).toEqual(["", "", ""]);
});
