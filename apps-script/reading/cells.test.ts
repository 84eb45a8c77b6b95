import { cellSchema } from "@sheetwire/shared/protocol";
import { describe, expect, test } from "vitest";
import type { RawValue } from "../effects/effects.ts";
import { cellOf } from "./cells.ts";

const serial = (ms: number) => ms / 86_400_000 + 25_569;
const noon = Date.UTC(2026, 10, 22, 12);

describe("a cell of the wire, from Google's value, formula and display", () => {
  test.each<[name: string, value: RawValue, formula: string, display: string, cell: unknown]>([
    ["nothing", "", "", "", null],
    ["text", "a", "", "a", "a"],
    ["a number", 12.5, "", "12.5", 12.5],
    ["a number with a format", 12.5, "", "€12.50", { v: 12.5, d: "€12.50" }],
    ["minus zero", -0, "", "0", 0],
    ["a ticked box", true, "", "TRUE", true],
    ["a ticked box in German", true, "", "WAHR", { v: true, d: "WAHR" }],
    ["a formula", 3, "=1+2", "3", { v: 3, f: "=1+2" }],
    ["a formula that gives nothing", "", "=A1&B1", "", { v: "", f: "=A1&B1" }],
    ["a formula in error", "#DIV/0!", "=1/0", "#DIV/0!", { v: null, f: "=1/0", e: "#DIV/0!" }],
    ["an error in German", "#REF!", "=A0", "#BEZUG!", { v: null, f: "=A0", d: "#BEZUG!", e: "#REF!" }],
    ["the word for an error, typed", "#REF!", "", "#REF!", "#REF!"],
    ["a date", { ms: noon }, "", "22.11.2026", { v: 46_348.5, d: "22.11.2026" }],
    [
      "a formula still loading",
      "Loading...",
      "=IMPORTRANGE(1)",
      "Loading...",
      { v: null, f: "=IMPORTRANGE(1)", e: "Loading…" },
    ],
    ["the word Loading, typed", "Loading...", "", "Loading...", "Loading..."],
    ["a formula that looks like HTML", "<b>", '="<b>"', "<b>", { v: "<b>", f: '="<b>"' }],
    ["an image in a cell", "", "", "", null],
    ["NUL, emoji and right-to-left text", "\0👍🏽שלום", "", "\0👍🏽שלום", "\0👍🏽שלום"],
    ["half a surrogate pair", "\ud83d", "", "\ud83d", "\ud83d"],
    ["text of 50,000 characters", "x".repeat(50_000), "", "x".repeat(50_000), "x".repeat(50_000)],
    ["a text longer than Google allows", "x".repeat(50_001), "", "x".repeat(50_001), "x".repeat(50_000)],
  ])("%s", (_name, value, formula, display, cell) => {
    const made = cellOf(value, formula, display, serial);
    expect(made).toEqual(cell);
    expect(cellSchema.safeParse(JSON.parse(JSON.stringify(made))).success).toBe(true);
  });
});
