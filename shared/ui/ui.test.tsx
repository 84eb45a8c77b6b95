// @vitest-environment happy-dom
import { render } from "preact";
import { act } from "preact/test-utils";
import { beforeEach, expect, test } from "vitest";
import type { Status } from "@sheetwire/shared/status";
import { StatusCard } from "./ui.tsx";

const status: Status = { tone: "good", word: "Up to date", headline: "Up to date.", detail: "Last heard just now." };

let root: HTMLElement;
beforeEach(() => {
  root = document.createElement("div");
});
const show = (shown: Status): Promise<void> => act(() => render(<StatusCard status={shown} />, root));
const text = (): string => root.textContent;

test("a status is read in full, and what to do stands at its end", async () => {
  await show({ ...status, tone: "bad", headline: "The script is silent.", action: "Choose Connect." });
  expect(text()).toContain("The script is silent.");
  expect(text()).toContain("Last heard just now.");
  expect(text().endsWith("Choose Connect.")).toBe(true);
});

test("a screen reader hears the headline when it changes, and only that", async () => {
  await show(status);
  const live = root.querySelectorAll("[role=status]");
  expect(live).toHaveLength(1);
  await show({ ...status, headline: "Catching up." });
  expect(root.querySelector("[role=status]")).toBe(live[0]);
  expect(live[0]?.textContent).toBe("Catching up.");
});

test("each tone has a mark of its own, so nothing rests on colour, and it is not read aloud", async () => {
  const marks = new Set<string | undefined>();
  for (const tone of ["good", "waiting", "bad", "quiet"] as const) {
    await show({ ...status, tone });
    const mark = root.querySelector(".sw-mark");
    expect(mark?.getAttribute("aria-hidden")).toBe("true");
    marks.add(mark?.textContent);
  }
  expect(marks.size).toBe(4);
});

test("proof is shown with its time, and not claimed without it", async () => {
  await show(status);
  expect(text()).not.toContain("Checked against the sheet");
  const checkedAt = new Date(2026, 4, 17, 12, 3, 5).getTime();
  await show({ ...status, checkedAt });
  expect(text()).toContain(`Checked against the sheet at ${new Date(checkedAt).toLocaleTimeString()}`);
});

test("what a status says is text: markup in it is shown, not obeyed", async () => {
  await show({ ...status, detail: "<img src=x onerror=alert(1)>" });
  expect(root.querySelector("img")).toBeNull();
  expect(text()).toContain("<img src=x");
});
