/**
 * What the right answers are: the sheet as plain rows in memory, and every question answered by the plainest loop. None of
 * the product's code takes part, so that equal means equal.
 */
import { createHash } from "node:crypto";
import type { Cell, Row } from "@sheetwire/shared/protocol";

/** `was` is what the cell held before: the relay says it with each edit of a row that it knows. */
export type Edit = { row: number; column: number; cell: Cell; was: Cell };
export type Place = { row: number; column: number };

export const VIEW_ROWS = 50;
export const VIEW_COLUMNS = 20;

export class Model {
  readonly rows: Row[];

  constructor(rows: readonly Row[]) {
    this.rows = rows.map((row) => row.slice());
  }

  /** Writes a cell, and answers the edit as it is told to everybody. */
  edit(row: number, column: number, cell: Cell): Edit {
    const cells = this.rows[row] ?? [];
    const was = cells[column] ?? null;
    while (cells.length <= column) cells.push(null);
    cells[column] = cell;
    this.rows[row] = trimmed(cells);
    return { row, column, cell, was };
  }

  insertTop(row: Row): void {
    this.rows.unshift(row.slice());
  }

  viewport({ row, column }: Place): string {
    const rows = this.rows.slice(row, row + VIEW_ROWS);
    return hashOf(JSON.stringify(rows.map((cells) => trimmed(cells.slice(column, column + VIEW_COLUMNS)))));
  }

  search(text: string): { count: number; hash: string } {
    const hits: string[] = [];
    this.rows.forEach((cells, row) => {
      cells.forEach((cell, column) => {
        if (cell === null) return;
        const formula = typeof cell === "object" ? (cell.f ?? "") : "";
        if (displayOf(cell).toLowerCase().includes(text) || formula.toLowerCase().includes(text))
          hits.push(`${row},${column}`);
      });
    });
    return { count: hits.length, hash: hashOf(hits.join(";")) };
  }

  csv(): string {
    const lines = this.rows.map((cells) => `${cells.map((cell) => csvField(displayOf(cell))).join(",")}\r\n`);
    return hashOf(lines.join(""));
  }
}

const trimmed = (cells: Row): Row => {
  let length = cells.length;
  while (length > 0 && (cells[length - 1] ?? null) === null) length -= 1;
  return cells.slice(0, length);
};

function displayOf(cell: Cell): string {
  if (cell === null) return "";
  if (typeof cell === "object") return cell.d ?? cell.e ?? displayOf(cell.v);
  return typeof cell === "boolean" ? (cell ? "TRUE" : "FALSE") : String(cell);
}

const csvField = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

export const hashOf = (text: string): string => createHash("sha256").update(text).digest("hex");
