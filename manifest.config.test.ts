import { expect, test } from "vitest";
import { manifest } from "./manifest.config.ts";

const chrome = manifest({ browser: "chrome", command: "build" });
const firefox = manifest({ browser: "firefox", command: "build" });
const policyOf = (made: typeof chrome): string => JSON.stringify(made.content_security_policy);

test("no browser is asked for more than storage, room for the copy, and alarms", () => {
  for (const made of [chrome, firefox]) {
    expect(made.permissions).toEqual(["storage", "unlimitedStorage", "alarms"]);
    expect(made.host_permissions).toBeUndefined();
    expect(made.optional_host_permissions).toBeUndefined();
  }
});

test("pages load nothing from elsewhere, and unencrypted connections reach this machine only", () => {
  for (const made of [chrome, firefox]) {
    expect(policyOf(made)).toContain("default-src 'self'; script-src 'self'; style-src 'self'");
    expect(policyOf(made)).not.toMatch(/unsafe|upgrade-insecure-requests|localhost/);
    const plain = policyOf(made).match(/\b(?:http|ws):[^\s;"]*/g);
    expect(plain).toEqual(["http://127.0.0.1:*", "ws://127.0.0.1:*"]);
  }
});

test("the dev server's socket is allowed while developing, and never in a build", () => {
  expect(policyOf(manifest({ browser: "chrome", command: "serve" }))).toContain("ws://localhost:3000");
});

test("Firefox is told what leaves the browser, and has an id that storage stays with", () => {
  const gecko = firefox.browser_specific_settings?.gecko;
  expect(gecko).toMatchObject({
    id: "sheetwire@sheetwire.example.org",
    strict_min_version: "142.0",
    data_collection_permissions: { required: ["websiteContent"] },
  });
  expect(chrome.browser_specific_settings).toBeUndefined();
});

test("the name carries no mark of Google's", () => {
  for (const made of [chrome, firefox]) expect(made.name).not.toMatch(/google|sheets/i);
});
