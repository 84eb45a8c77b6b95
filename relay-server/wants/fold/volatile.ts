/**
 * Rows that are otherwise at every look (`NOW()`). One that a run has read, and whose digest the same run then finds changed
 * again, is left to the whole checks: each reads it once, and no proof speaks of it. It stops being volatile when it held
 * still from one whole check to the next.
 */
import type { SheetDesk } from "../desk.ts";
import { addStretch, includes, stretchesOf, type Stretch } from "../stretches.ts";
import type { Folding } from "./folding.ts";

/** Rows of one run that are remembered: a first copy reads a million, and none of them twice. */
const MOST_READ = 10_000;

/** Contents of these rows came from this run, which had been asked for them. */
export function noteRead({ post }: Folding, desk: SheetDesk, { from, to }: Stretch): void {
  if (desk.readBy?.run !== post.run) desk.readBy = { run: post.run, rows: new Set() };
  const { rows } = desk.readBy;
  for (let row = from; row < to && rows.size < MOST_READ; row += 1) rows.add(row);
}

/** Which of the rows that differ in a whole round are to be read; the others are volatile. */
export function rowsToRead({ post }: Folding, desk: SheetDesk, changed: readonly number[]): number[] {
  const read = desk.readBy?.run === post.run ? desk.readBy.rows : undefined;
  const isVolatile = (row: number): boolean => includes(desk.volatile, row);
  const again = changed.filter((row) => read?.has(row));
  const due = desk.volatileDue;
  if (due) {
    desk.volatile = stretchesOf(changed.filter(isVolatile));
    desk.volatileDue = false;
  }
  for (const stretch of stretchesOf(again)) desk.volatile = addStretch(desk.volatile, stretch, (one) => one);
  return changed.filter((row) => !read?.has(row) && (due || !isVolatile(row)));
}
