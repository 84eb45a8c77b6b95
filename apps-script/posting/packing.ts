/** Readings into posts that are small enough: packed together up to a size, cut where one alone is too large. */
import { limits } from "@sheetwire/shared/limits";
import type { Reading, ReadingOf } from "@sheetwire/shared/protocol";

/** A reading and how it travels. */
export type Packed = { readonly reading: Reading; readonly text: string; readonly bytes: number };

/** Bytes of a text in UTF-8. */
export function utf8Bytes(text: string): number {
  let bytes = text.length;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit < 0x80) continue;
    // A surrogate pair is two units and four bytes.
    bytes += unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 1 : 2;
  }
  return bytes;
}

/**
 * One reading as texts, cut between rows where it is larger than `maxBytes`, and elsewhere only above `mostBytes`. What
 * cannot be cut stays too large. Only the last part answers the want: until then it is not answered.
 */
export function packReading(reading: Reading, maxBytes: number, mostBytes = maxBytes): Packed[] {
  const text = JSON.stringify(reading);
  const bytes = utf8Bytes(text);
  const isRowByRow =
    (reading.kind === "cells" && reading.cells.length > 1) || (reading.kind === "rows" && reading.rows.length > 1);
  const parts = bytes > (isRowByRow ? maxBytes : mostBytes) ? cutInTwo(reading) : undefined;
  if (!parts) return [{ reading, text, bytes }];
  const [first, last] = parts;
  return [{ ...first, want: undefined }, last].flatMap((part) => packReading(part, maxBytes, mostBytes));
}

/** One reading as it is packed at first: a whole row is worth a larger post, since part of one says little. */
export const packUp = (reading: Reading): Packed[] =>
  packReading(reading, limits.postTargetChars, limits.postMaxBytes - 65_536);

/** Groups of what fits together, in order. */
export function groupsOf(packed: readonly Packed[], maxBytes: number): Packed[][] {
  const groups: Packed[][] = [];
  let open: Packed[] = [];
  let bytes = 0;
  for (const one of packed) {
    if (open.length > 0 && (bytes + one.bytes > maxBytes || open.length >= limits.postMaxReadings)) {
      groups.push(open);
      open = [];
      bytes = 0;
    }
    open.push(one);
    bytes += one.bytes + 1;
  }
  if (open.length > 0) groups.push(open);
  return groups;
}

function cutInTwo(reading: Reading): readonly [Reading, Reading] | undefined {
  switch (reading.kind) {
    case "cells":
      return cutCells(reading);
    case "rows":
      return cutRows(reading);
    case "digests":
      return cutDigests(reading);
    case "sheets":
    case "alive":
      return undefined;
  }
}

function cutCells(reading: ReadingOf<"cells">): readonly [Reading, Reading] | undefined {
  const { at, cells, size } = reading;
  // Every cells reading of ours says its size.
  const { rows, columns } = size || { rows: cells.length, columns: 0 };
  if (cells.length > 1) {
    const top = cells.length >> 1;
    return [
      { ...reading, cells: cells.slice(0, top), size: { rows: top, columns } },
      { ...reading, at: { ...at, row: at.row + top }, cells: cells.slice(top), size: { rows: rows - top, columns } },
    ];
  }
  const row = cells[0] || [];
  if (row.length < 2) return undefined;
  const left = row.length >> 1;
  return [
    { ...reading, cells: [row.slice(0, left)], size: { rows, columns: left } },
    {
      ...reading,
      at: { ...at, column: at.column + left },
      cells: [row.slice(left)],
      size: { rows, columns: columns - left },
    },
  ];
}

function cutRows(reading: ReadingOf<"rows">): readonly [Reading, Reading] | undefined {
  const { rows, readAt, want, sheetId, sheetRows, sheetColumns } = reading;
  if (rows.length > 1) {
    const half = rows.length >> 1;
    return [
      { ...reading, rows: rows.slice(0, half) },
      { ...reading, rows: rows.slice(half) },
    ];
  }
  // One row alone is too large for a post: it travels as cells, part by part.
  const only = rows[0];
  if (!only || sheetRows === undefined || sheetColumns === undefined) return undefined;
  return cutCells({
    kind: "cells",
    readAt,
    want,
    sheetId,
    at: { row: only[0], column: 0 },
    cells: [only[1]],
    size: { rows: 1, columns: sheetColumns },
    sheetRows,
    sheetColumns,
  });
}

/** Three digests are 24 bytes, which are 32 characters of base64: there the text can be cut. */
function cutDigests(reading: ReadingOf<"digests">): readonly [Reading, Reading] | undefined {
  const { from, to, digests } = reading;
  const first = Math.floor((to - from) / 6) * 3;
  if (first === 0) return undefined;
  const characters = (first / 3) * 32;
  return [
    { ...reading, to: from + first, digests: digests.slice(0, characters) },
    { ...reading, from: from + first, digests: digests.slice(characters) },
  ];
}
