import { expect, test } from "vitest";
import { mayCall, mayFollow } from "./origins.ts";

const google = ["https://script.google.com"];

test.each([
  ["https://script.google.com/macros/s/x/exec", true],
  ["https://script.google.com:443/macros/s/x/exec", true],
  ["http://script.google.com/macros/s/x/exec", false],
  ["https://script.google.com:8443/macros/s/x/exec", false],
  ["https://script.google.com.evil.example/exec", false],
  ["https://evil.example/script.google.com", false],
  ["https://script.google.com@evil.example/", false],
  ["https://user:secret@script.google.com/", false],
  ["http://127.0.0.1/", false],
  ["file:///etc/passwd", false],
  ["no address", false],
])("%s may be called: %s", (address, allowed) => {
  expect(mayCall(address, google)).toBe(allowed);
});

test("http is for this machine alone, even where an admin lists it", () => {
  expect(mayCall("http://127.0.0.1:8443/x", ["http://127.0.0.1:8443"])).toBe(true);
  expect(mayCall("http://example.com/x", ["http://example.com"])).toBe(false);
});

test.each([
  ["https://script.googleusercontent.com/macros/echo", true],
  ["http://script.googleusercontent.com/macros/echo", false],
  ["https://127.0.0.1/", false],
  ["https://2130706433/", false],
  ["https://[::1]/", false],
  ["https://[fd00::1]/", false],
  ["https://10.0.0.7/", false],
  ["https://localhost/", false],
  ["https://intranet/", false],
  ["https://user@script.googleusercontent.com/", false],
])("Google may lead to %s: %s", (to, allowed) => {
  expect(mayFollow(new URL("https://script.google.com/x"), new URL(to))).toBe(allowed);
});

test("this machine leads to this machine only", () => {
  const here = new URL("https://127.0.0.1:8443/x");
  expect(mayFollow(here, new URL("https://127.0.0.1:9443/y"))).toBe(true);
  expect(mayFollow(here, new URL("https://example.com/y"))).toBe(false);
});
