/** What Google's three ways of reading a range say of one cell, as the one Cell that travels. */
import { canonicalCell } from "@sheetwire/shared/grid";
import { limits } from "@sheetwire/shared/limits";
import type { Cell, CellValue, RichCell } from "@sheetwire/shared/protocol";
import type { RawValue } from "../effects/effects.ts";
import { isInstant } from "./dates.ts";

const errorLiterals = new Set(["#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A", "#ERROR!"]);

/** A formula whose result is still on its way: IMPORTRANGE, a connected sheet, a slow custom function. */
export const isLoading = (value: RawValue, formula: string): boolean =>
  formula !== "" && typeof value === "string" && (value.startsWith("Loading...") || value.startsWith("Loading…"));

/**
 * `serial` gives a date's serial number. A formula that is still loading after a second look travels as the error
 * `Loading…`: the wire has no other word for "no value yet", and the next reading that differs replaces it.
 * Error texts count as errors in formula cells only: elsewhere somebody typed them as words.
 */
export function cellOf(value: RawValue, formula: string, display: string, serial: (ms: number) => number): Cell {
  if (value === "" && formula === "" && display === "") return null;
  if (formula !== "" && typeof value === "string") {
    if (isLoading(value, formula)) return { v: null, f: clip(formula), e: "Loading…" };
    if (errorLiterals.has(value)) return canonicalCell({ v: null, f: clip(formula), d: clip(display), e: value });
  }
  const v: CellValue = isInstant(value) ? serial(value.ms) : typeof value === "string" ? clip(value) : value;
  const rich: RichCell = { v };
  if (formula !== "") rich.f = clip(formula);
  rich.d = clip(display);
  return canonicalCell(rich);
}

/** Google's own limit is the wire's: a longer text can only be a misreading, and must not make a whole post unreadable. */
const clip = (text: string): string => (text.length > limits.cellMaxChars ? text.slice(0, limits.cellMaxChars) : text);
