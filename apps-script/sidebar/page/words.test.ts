import { expect, test } from "vitest";
import { describe } from "./words.ts";

const connected = {
  ok: true,
  connected: true,
  answeredInMs: 240,
  wantsLeft: false,
  kept: false,
  triggerMissing: false,
};

test.each([
  [{ ok: false, message: "Reload." }, "bad", "No answer from the script"],
  [{ ok: true, connected: false }, "quiet", "Not connected"],
  [connected, "good", "Connected"],
  [{ ...connected, wantsLeft: true }, "waiting", "Catching up"],
  [{ ...connected, kept: true }, "waiting", "Catching up"],
  [{ ...connected, wantsLeft: true, triggerMissing: true }, "bad", "A trigger is missing"],
  [{ ...connected, answeredInMs: undefined, words: "It cannot be reached." }, "bad", "Not getting through"],
])("the panel says of %j: %s, %s", (answer, tone, headline) => {
  expect(describe(answer)).toMatchObject({ tone, headline });
});

test("the panel says how fast the relay answered, and that kept edits will follow", () => {
  expect(describe(connected).detail).toContain("0.2 s");
  const detail = describe({ ...connected, answeredInMs: undefined, words: "It cannot be reached.", kept: true }).detail;
  expect(detail).toBe("It cannot be reached. What was edited meanwhile is remembered and will follow.");
});
