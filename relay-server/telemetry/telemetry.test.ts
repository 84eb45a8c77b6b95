import { expect, test } from "vitest";
import { createLogger, createRefusalLines } from "./telemetry.ts";

test("of many refusals in a second only the first are written, and the next line says how many were not", () => {
  const lines: { status: number; unsaid?: number }[] = [];
  let now = 1_000;
  const tell = createRefusalLines(
    createLogger("info", { write: (line: string) => void lines.push(JSON.parse(line)) }),
    () => now,
    3,
  );
  for (let at = 0; at < 1_000; at += 1) tell({ status: 401 });
  expect(lines).toHaveLength(3);
  now = 2_500;
  tell({ status: 404 });
  tell({ status: 405 });
  expect(lines.map(({ status, unsaid }) => [status, unsaid])).toEqual([
    [401, undefined],
    [401, undefined],
    [401, undefined],
    [404, 997],
    [405, undefined],
  ]);
});
