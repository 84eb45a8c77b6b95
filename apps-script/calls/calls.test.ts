import { createHmac } from "node:crypto";
import { postSchema, type Want } from "@sheetwire/shared/protocol";
import { Webhook } from "standardwebhooks";
import { beforeEach, describe, expect, test } from "vitest";
import { runAsync } from "../effects/effects.ts";
import { createWorld } from "../simulation/simulation.ts";
import { onCall } from "./calls.ts";

const spreadsheetId = "sheet-under-test";
const ingestKey = `whsec_${Buffer.from("a key of thirty-two bytes or so!").toString("base64")}`;
const sign = (key: string, text: string) =>
  createHmac("sha256", Buffer.from(key.replace("whsec_", ""), "base64"))
    .update(text)
    .digest("base64");

let world = createWorld({ spreadsheetId, sign, relay: () => ({ reached: false, code: "nobody-posts-here" }) });
beforeEach(() => {
  world = createWorld({ spreadsheetId, sign, relay: () => ({ reached: false, code: "nobody-posts-here" }) });
  world.addSheet(7, "Plan", 10, 3);
  world.put(7, 0, 0, [["a"]]);
  world.properties["sheetwire.connection"] = JSON.stringify({ url: "https://relay.example", spreadsheetId, ingestKey });
  world.properties["sheetwire.installation"] = JSON.stringify({
    installation: "i",
    triggerUids: [],
    installedBy: "",
    installedAt: 1,
  });
});

/** The relay's call, as it would arrive. */
function callOf(
  more: { id?: string; atMs?: number; key?: string; wants?: readonly Want[]; protocol?: number } = {},
): string {
  const { id = "call-1", atMs = world.now(), key = ingestKey, protocol = 1 } = more;
  const wants = more.wants ?? [{ kind: "rows", id: "w", sheetId: 7, layout: 1, rows: [0] }];
  const signed = { protocol, id, timestamp: String(Math.floor(atMs / 1_000)), wants };
  const signature = `v1,${sign(key, `${id}.${signed.timestamp}.${JSON.stringify(signed)}`)}`;
  return JSON.stringify({ ...signed, signature });
}
const call = (contents: unknown) => runAsync(onCall(contents), world.hands());

describe("a call of the relay", () => {
  test("is answered with one signed post and no fetch", async () => {
    const answer = await call(callOf());
    if (!answer.ok) throw new Error(answer.code);
    const headers = {
      "webhook-id": answer.id,
      "webhook-timestamp": answer.timestamp,
      "webhook-signature": answer.signature,
    };
    expect(() => new Webhook(ingestKey).sign("x", new Date(), "y")).not.toThrow();
    const made = new Webhook(ingestKey).sign(answer.id, new Date(Number(answer.timestamp) * 1_000), answer.body);
    expect(headers["webhook-signature"]).toBe(made);
    const post = postSchema.parse(JSON.parse(answer.body));
    expect(post).toMatchObject({ cause: "call", n: 0, readings: [{ kind: "rows", want: "w", rows: [[0, ["a"]]] }] });
    expect(world.posts).toEqual([]);
  });

  test("is answered once: whoever repeats it learns nothing", async () => {
    const contents = callOf();
    expect((await call(contents)).ok).toBe(true);
    expect(await call(contents)).toEqual({ ok: false, code: "unauthorized" });
  });

  test("two of the same at once are answered once", async () => {
    const contents = callOf();
    const answers = await Promise.all([call(contents), call(contents)]);
    expect(answers.filter((answer) => answer.ok)).toHaveLength(1);
  });

  test.each<[name: string, contents: () => unknown, code: string]>([
    ["with another key", () => callOf({ key: `whsec_${"B".repeat(40)}` }), "unauthorized"],
    ["of an hour ago", () => callOf({ atMs: world.now() - 3_600_000 }), "unauthorized"],
    ["from the future", () => callOf({ atMs: world.now() + 3_600_000 }), "unauthorized"],
    ["with its wants exchanged", () => callOf().replace('"rows":[0]', '"rows":[1]'), "unauthorized"],
    ["without a signature", () => JSON.stringify({ ...JSON.parse(callOf()), signature: undefined }), "unauthorized"],
    [
      "with numbers for texts",
      () => JSON.stringify({ protocol: 1, id: 5, timestamp: 5, signature: 5, wants: [] }),
      "unauthorized",
    ],
    ["that is no JSON", () => "<html>", "malformed"],
    ["that is a list", () => "[]", "malformed"],
    ["that is nothing", () => undefined, "malformed"],
    ["of another protocol", () => callOf({ protocol: 2 }), "protocol-too-old"],
  ])("%s is refused and reads nothing", async (_name, contents, code) => {
    expect(await call(contents())).toEqual({ ok: false, code });
    expect(world.count("values")).toBe(0);
  });

  test("to a spreadsheet that is not connected is refused like one with a wrong key", async () => {
    world.properties = {};
    expect(await call(callOf())).toEqual({ ok: false, code: "unauthorized" });
  });
});
