/**
 * The sheet that is measured: twenty columns of real tables, tiled to any length.
 *
 * Sixteen columns are the films of vega-datasets, two come from the project's table of countries, one is a formula and
 * one a checkbox. A plain repetition would flatter dictionaries, so no tile equals another: in tile k each column is
 * taken from another row of the table, another one for each column; amounts grow with k; titles carry a word of another
 * title. What repeats in the real tables (genres, studios, countries) repeats here as often.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Cell, Row } from "@sheetwire/shared/protocol";

export const COLUMNS = 20;
export const SHEET_ID = 7;
export const SPREADSHEET_ID = "bench-of-the-mirror-0123456789";

type Film = Record<string, string | number | null>;

const FILM_COLUMNS = [
  "Title",
  "US Gross",
  "Worldwide Gross",
  "US DVD Sales",
  "Production Budget",
  "Release Date",
  "MPAA Rating",
  "Running Time min",
  "Distributor",
  "Source",
  "Major Genre",
  "Creative Type",
  "Director",
  "Rotten Tomatoes Rating",
  "IMDB Rating",
  "IMDB Votes",
];
const WORLDWIDE = 2;
const BUDGET = 4;
/** Amounts above this grow from tile to tile; smaller numbers are grades and minutes. */
const AMOUNT_LEAST = 1_000;
const MS_A_DAY = 86_400_000;
/** Day 0 of a spreadsheet: 1899-12-30. */
const DAY_ZERO_MS = Date.UTC(1899, 11, 30);

/** `rows` rows of the table, trailing blanks dropped as on the wire. */
export function readTable(rows: number): Row[] {
  const films = JSON.parse(readFileSync(filmsFile(), "utf8")) as Film[];
  const history = JSON.parse(
    readFileSync(join(import.meta.dirname, "../../e2e/histories/country-codes.json"), "utf8"),
  ) as string[][][];
  const [names = [], ...countries] = history.at(-1) ?? [];
  const country = names.indexOf("CLDR display name");
  const currency = names.indexOf("ISO4217-currency_alphabetic_code");
  const isIndependent = names.indexOf("is_independent");
  const filmAt = (index: number): Film => films[index % films.length] ?? {};

  return Array.from({ length: rows }, (_, row) => {
    const tile = Math.floor(row / films.length);
    const cells: Cell[] = FILM_COLUMNS.map((name, column) => {
      const value = filmAt(row + tile * (2 * column + 1) * 37)[name] ?? null;
      if (name === "Release Date") return dateCell(value);
      if (name === "Title" && tile > 0) return `${value} ${wordOf(filmAt(row * 7 + tile * 131)["Title"])}`;
      return typeof value === "number" && value >= AMOUNT_LEAST ? value + tile * 1_009 : blank(value);
    });
    const land = countries[(row + tile * 41) % countries.length] ?? [];
    cells.push(blank(land[country] ?? null), blank(land[currency] ?? null), land[isIndependent] === "Yes");
    const [worldwide, budget] = [cells[WORLDWIDE], cells[BUDGET]];
    const ratio = typeof worldwide === "number" && typeof budget === "number" ? worldwide / budget : undefined;
    const formula = `=C${row + 1}/E${row + 1}`;
    cells.push(ratio === undefined ? { v: null, f: formula, e: "#DIV/0!" } : { v: round(ratio), f: formula });
    while (cells.length > 0 && cells.at(-1) === null) cells.pop();
    return cells;
  });
}

const filmsFile = (): string =>
  join(dirname(createRequire(import.meta.url).resolve("vega-datasets")), "..", "data", "movies.json");

const blank = (value: string | number | null): Cell => (value === "" ? null : value);
const round = (value: number): number => Number(value.toFixed(6));
const wordOf = (title: unknown): string => String(title).split(" ")[0] ?? "";

/** A date as Google has it: days since day 0, with the text that a person sees. */
function dateCell(value: string | number | null): Cell {
  if (typeof value !== "string") return value;
  const ms = Date.parse(`${value} UTC`);
  return Number.isNaN(ms) ? value : { v: Math.round((ms - DAY_ZERO_MS) / MS_A_DAY), d: value };
}
