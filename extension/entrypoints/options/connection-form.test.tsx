// @vitest-environment happy-dom
import { cleanup, fireEvent, render, screen } from "@testing-library/preact";
import { afterEach, expect, test } from "vitest";
import { ConnectionForm, readForm } from "./connection-form.tsx";

afterEach(cleanup);
const typed = {
  spreadsheet: "https://docs.google.com/spreadsheets/d/1aB_c-9xyz/edit#gid=0",
  relayUrl: "https://relay.example.org/",
  token: " a-token-of-16-chars ",
};

test("a sheet's address will do for its id, and the rest is tidied", () => {
  expect(readForm(typed)).toEqual({
    ok: true,
    spreadsheetId: "1aB_c-9xyz",
    setting: { relayUrl: "https://relay.example.org", token: "a-token-of-16-chars" },
  });
});

test("each field that is wrong says so beside itself, and nothing is saved", async () => {
  const saved: unknown[] = [];
  render(<ConnectionForm onSave={async (...all) => void saved.push(all)} />);
  fireEvent.click(screen.getByRole("button", { name: "Save" }));
  await screen.findByText(/Paste the address of the spreadsheet/);
  screen.getByText(/Enter the address of your relay/);
  screen.getByText(/Paste the token/);
  expect(screen.getByLabelText("Token").getAttribute("aria-invalid")).toBe("true");
  expect(saved).toEqual([]);
});

test("what is right is saved, and the token is cleared from the form", async () => {
  const saved: unknown[] = [];
  render(<ConnectionForm onSave={async (...all) => void saved.push(all)} />);
  for (const [label, value] of [
    ["Spreadsheet", typed.spreadsheet],
    ["Relay address", typed.relayUrl],
    ["Token", typed.token],
  ] as const) {
    fireEvent.input(screen.getByLabelText(label), { target: { value } });
  }
  fireEvent.click(screen.getByRole("button", { name: "Save" }));
  await screen.findByText(/Saved/);
  expect(saved).toEqual([["1aB_c-9xyz", { relayUrl: "https://relay.example.org", token: "a-token-of-16-chars" }]]);
  expect(screen.getByLabelText<HTMLInputElement>("Token").value).toBe("");
});
