// @vitest-environment happy-dom
import { cleanup, fireEvent, render, screen } from "@testing-library/preact";
import { afterEach, expect, test } from "vitest";
import type { PastLooks } from "../../queries/queries.ts";
import { CopyTools } from "./copy-tools.tsx";

afterEach(cleanup);

/** A copy whose files are ready when the test says so. */
function slowFiles() {
  const under: { sheetId: number; signal: AbortSignal | undefined; end: () => void }[] = [];
  const copy = {
    exportFile: (sheetId: number, _: string, { signal }: { signal?: AbortSignal } = {}) =>
      new Promise<File>((resolve, reject) => {
        signal?.addEventListener("abort", () => reject(new DOMException("It was stopped.", "AbortError")));
        under.push({ sheetId, signal, end: () => resolve(new File(["1,2"], "a.csv")) });
      }),
  } as unknown as PastLooks;
  const tools = (sheetId: number) => (
    <CopyTools spreadsheetId="sheet-1" copy={copy} isPast={false} sheetId={sheetId} title={`Sheet ${sheetId}`} />
  );
  return { under, tools };
}

test("a file that is being written can be stopped, and is the only one, also when another sheet is chosen", async () => {
  const { under, tools } = slowFiles();
  const { rerender } = render(tools(1));
  fireEvent.click(screen.getByText("Save CSV"));
  await screen.findByText("Saving CSV…");
  rerender(tools(2));
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(screen.getByText<HTMLButtonElement>("Save CSV").disabled).toBe(true);
  fireEvent.click(screen.getByText("Stop"));
  await screen.findByText("Stopped.");
  expect(under.map(({ sheetId, signal }) => [sheetId, signal?.aborted])).toEqual([[1, true]]);
});

test("what was said of one sheet's file is not said of the next sheet's", async () => {
  const { under, tools } = slowFiles();
  const { rerender } = render(tools(1));
  fireEvent.click(screen.getByText("Save CSV"));
  under[0]?.end();
  await screen.findByText("Saved 3 bytes.");
  rerender(tools(2));
  await expect.poll(() => screen.getByRole("status").textContent).toBe("");
});
