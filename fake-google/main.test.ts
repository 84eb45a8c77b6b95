import { spawn } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

/** Runs the program; `onLine` is given its first line of output. */
async function run(
  args: string[],
  onLine?: (line: string, stop: () => void) => void,
): Promise<{ code: number | null; out: string; error: string }> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "main.ts"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [out, error] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => {
    const isFirst = !out.includes("\n");
    out += chunk.toString();
    if (isFirst && out.includes("\n")) onLine?.(out.slice(0, out.indexOf("\n")), () => child.kill("SIGTERM"));
  });
  child.stderr.on("data", (chunk: Buffer) => (error += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.on("exit", resolve));
  return { code, out, error };
}

test("it says where it listens and stops cleanly when asked to", async () => {
  let facts: Record<string, unknown> = {};
  let answer: Promise<number> | undefined;
  const { code, error } = await run(["--port", "0"], (line, stop) => {
    facts = JSON.parse(line) as Record<string, unknown>;
    answer = fetch(`${String(facts["url"])}/control/usage`).then((response) => response.status);
    void answer.finally(stop);
  });
  expect(facts).toMatchObject({
    msg: "listening",
    sheetsUrl: expect.stringMatching(/^https:\/\/127\.0\.0\.1:\d+$/) as string,
    spki: expect.stringMatching(/^.{43}=$/) as string,
  });
  expect(await answer).toBe(200);
  expect({ code, error }).toEqual({ code: 0, error: "" });
}, 30_000);

test.each([
  [["--port", "99999"], "--port takes a port number"],
  [["--nonsense"], "Unknown option"],
  [["--profile", "nice"], "There is no behaviour profile nice."],
  [["--profile", "hostile", "--seed", "x"], "--seed takes a whole number."],
  [["--seed", "3"], "Only --profile hostile has a --seed."],
])(
  "%j is refused with the reason",
  async (args, reason) => {
    const { code, error } = await run(args);
    expect(code).toBe(1);
    expect(error).toContain(reason);
  },
  30_000,
);

test("it starts on a bad day when told to, with the seed it is given", async () => {
  let profile: Promise<unknown> | undefined;
  await run(["--port", "0", "--profile", "hostile", "--seed", "42"], (line, stop) => {
    const { url } = JSON.parse(line) as { url: string };
    profile = fetch(`${url}/control/profile`).then((response) => response.json());
    void profile.finally(stop);
  });
  expect(await profile).toMatchObject({ name: "hostile", seed: 42, over: false });
}, 30_000);

test("--help tells the options", async () => {
  const { code, out } = await run(["--help"]);
  expect(code).toBe(0);
  expect(out).toContain("--sheets-port");
}, 30_000);
