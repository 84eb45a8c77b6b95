import { expect, test } from "vitest";
import { answerFetch, isAllowed } from "./fetch.ts";

test.each([
  ["https://relay.example.com/v1/x", "https://relay.example.com/", true],
  ["https://relay.example.com/v1/x", "https://relay.example.com/v1/", true],
  ["https://relay.example.com/v2", "https://relay.example.com/v1/", false],
  ["https://a.example.com/", "https://*.example.com/", true],
  ["https://example.com/", "https://*.example.com/", false],
  ["https://badexample.com/", "https://*.example.com/", false],
  ["https://a.example.com/", "https://*.*.com/", false],
  ["https://relay.example.com/", "https://relay.example.com", false],
  ["https://relay.example.com/", "http://relay.example.com/", false],
])("%s is measured by the allowlist entry %s: %j", (url, entry, allowed) => {
  expect(isAllowed(new URL(url), entry)).toBe(allowed);
});

test("an address that is not on the manifest's list is refused before anything is sent", async () => {
  const request = {
    url: "https://elsewhere.example/",
    method: "get",
    contentType: "text/plain",
    headers: {},
    hasPayload: false,
  };
  const more = { followRedirects: true, muteHttpExceptions: true, timeoutSeconds: 5, length: 0 };
  const { json } = await answerFetch([{ ...request, ...more }], undefined, ["https://relay.example.com/"]);
  expect(JSON.parse(json)).toMatchObject([{ status: 0, error: expect.stringContaining("allowlist") as string }]);
});
