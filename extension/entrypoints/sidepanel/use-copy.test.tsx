// @vitest-environment happy-dom
import { cleanup, renderHook } from "@testing-library/preact";
import { afterEach, expect, test } from "vitest";
import type { Notice } from "../../mirror/mirror.ts";
import type { LookedAt } from "../../queries/queries.ts";
import { useReading } from "./use-copy.ts";

afterEach(cleanup);

/** A mirror of which each read ends when the test says so, and a view of it. */
function slowReads() {
  const under: { range: string; end: () => void; fail: () => void }[] = [];
  const shown: string[] = [];
  let tell: ((notice: Notice) => void) | undefined;
  const mirror = {
    subscribe(listener: (notice: Notice) => void) {
      tell = listener;
      return () => (tell = undefined);
    },
  } as unknown as LookedAt;
  const view = renderHook(
    ({ range }: { range: string }) =>
      useReading(
        mirror,
        "sheet-1",
        () =>
          new Promise<string>((resolve, reject) => {
            const n = under.length + 1;
            under.push({
              range,
              end: () => resolve(`${range} read ${n}`),
              fail: () => reject(new DOMException("The mirror is closed.", "InvalidStateError")),
            });
          }),
        (found) => shown.push(found),
        [range],
      ),
    { initialProps: { range: "A1" } },
  );
  const end = async (n: number): Promise<void> => {
    under[n]?.end();
    await new Promise((resolve) => setTimeout(resolve));
  };
  return { under, shown, end, view, commit: () => tell?.({ spreadsheetId: "sheet-1", what: "changes" }) };
}

test("what was read for a view that has moved on is not shown over what it shows now", async () => {
  const { under, shown, end, view } = slowReads();
  view.rerender({ range: "Z9" });
  expect(under.map(({ range }) => range)).toEqual(["A1", "Z9"]);
  await end(1);
  await end(0);
  expect(shown).toEqual(["Z9 read 2"]);
});

test("commits that come while a read runs are answered by one more", async () => {
  const { under, shown, end, commit } = slowReads();
  for (let n = 0; n < 5; n += 1) commit();
  expect(under).toHaveLength(1);
  await end(0);
  expect(under).toHaveLength(2);
  await end(1);
  expect(shown).toEqual(["A1 read 1", "A1 read 2"]);
  commit();
  expect(under).toHaveLength(3);
});

test("a commit that came while a read ran is read, also when that read fails", async () => {
  const { under, shown, end, commit } = slowReads();
  commit();
  under[0]?.fail();
  await expect.poll(() => under.length).toBe(2);
  await end(1);
  expect(shown).toEqual(["A1 read 2"]);
});
