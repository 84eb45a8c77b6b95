/** Real tables to begin with, from the npm package vega-datasets. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Loaded } from "../grid/grid.ts";

export const datasets = ["movies", "airports", "gapminder", "seattle-weather"] as const;
export type Dataset = (typeof datasets)[number];

/** Texts in it are read as if somebody typed them, as an import of the file would. */
export type Table = { readonly title: string; readonly rows: Loaded[][] };

const files: Record<Dataset, string> = {
  movies: "movies.json",
  airports: "airports.csv",
  gapminder: "gapminder.json",
  "seattle-weather": "seattle-weather.csv",
};

/** A dataset as a sheet; of JSON, the keys are the first row. */
export async function readDataset(name: Dataset): Promise<Table> {
  const folder = join(dirname(createRequire(import.meta.url).resolve("vega-datasets")), "..", "data");
  const text = await readFile(join(folder, files[name]), "utf8");
  if (files[name].endsWith(".csv")) return { title: name, rows: parseCsv(text) };
  const records = JSON.parse(text) as Record<string, Loaded>[];
  const keys = [...new Set(records.flatMap((record) => Object.keys(record)))];
  return { title: name, rows: [keys, ...records.map((record) => keys.map((key) => record[key] ?? null))] };
}

/** RFC 4180, with either line end. */
export function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let field = "";
  let isQuoted = false;
  const source = text.startsWith("\ufeff") ? text.slice(1) : text;
  for (let i = 0; i < source.length; i++) {
    const letter = source[i] ?? "";
    if (isQuoted) {
      if (letter !== '"') field += letter;
      else if (source[i + 1] === '"') {
        field += '"';
        i++;
      } else isQuoted = false;
    } else if (letter === '"' && field === "") isQuoted = true;
    else if (letter === ",") {
      row.push(field);
      field = "";
    } else if (letter === "\n") {
      row.push(field.endsWith("\r") ? field.slice(0, -1) : field);
      rows.push(row);
      row = [];
      field = "";
    } else field += letter;
  }
  if (field !== "" || row.length > 0) rows.push([...row, field]);
  return rows;
}
