/**
 * What could not be delivered, kept as places and never as contents: at the next chance it is read again, so what arrives
 * is what the sheet says then. It lives in the document properties, within their limits, and gets coarser as it grows:
 * ranges, then whole sheets, then "everything".
 */
import { limits } from "@sheetwire/shared/limits";
import type { Cause, Reading } from "@sheetwire/shared/protocol";
import { ask, underLock, type Program, type Rectangle } from "../effects/effects.ts";
import { deliver, type As, type Delivery, type Run } from "../posting/posting.ts";
import type { Reader } from "../reading/reading.ts";
import { keys, settingsOf } from "../settings/settings.ts";

/** Google allows 9 KB a property; the texts are ASCII, so characters are bytes. */
const textMaxChars = 8_000;
/** Numbered properties at most. */
const textsMost = 8;
const lockWaitMs = 3_000;

/**
 * What is to be read again. `sheets` is the list of sheets; `everything` is every sheet in full, which is left when so
 * much was lost that places no longer fit.
 */
export type Place = Rectangle | "sheets" | "everything";

/** A place, with what made it need reading. */
export type Kept = {
  readonly place: Place;
  readonly cause: Cause;
  /** When it was first kept, in milliseconds. */
  readonly at: number;
  readonly actor?: string | undefined;
};

export type Outbox = readonly Kept[];

const lostTrack: Kept = { place: "everything", cause: "sweep", at: 0 };

/** The outbox that stands in properties. What cannot be read there counts as "everything": it stood for something. */
export function outboxOf(texts: Readonly<Record<string, string>>): Outbox {
  let outbox: Outbox = [];
  for (const text of Object.values(texts))
    for (const entry of entriesOf(text)) outbox = withKept(outbox, keptOf(entry));
  return outbox;
}

/** Adds a place; a range joins those with which it makes one rectangle. */
export function withKept(outbox: Outbox, kept: Kept): Outbox {
  let { place } = kept;
  if (typeof place === "string") {
    const known = outbox.find((one) => one.place === place);
    return known ? outbox.map((one) => (one === known ? ofBoth(known, kept) : one)) : [...outbox, kept];
  }
  let joined = kept;
  let rest = outbox;
  for (let found = true; found;) {
    found = false;
    for (const one of rest) {
      if (typeof one.place === "string" || !joins(one.place, place)) continue;
      place = union(one.place, place);
      joined = { ...inOne(one, joined), place };
      rest = rest.filter((other) => other !== one);
      found = true;
      break;
    }
  }
  return [...rest, joined];
}

/** The texts that hold an outbox, coarser where it would not fit. */
export function textsOf(outbox: Outbox): Readonly<Record<string, string>> {
  return fitting(outbox) || fitting(outbox.map(asWholeSheet).reduce(withKept, [])) || fitting([lostTrack]) || {};
}

/** Remembers what these readings were about, and why they could not be told. */
export function* keep(readings: readonly Reading[], as: As, code: string): Program<void> {
  const places: Place[] = [];
  for (const reading of readings) {
    // What answered a want is wanted again by the relay itself.
    if (reading.want !== undefined) continue;
    if (reading.kind === "sheets") places.push("sheets");
    if (reading.kind === "cells") {
      const { sheetId, at, size = { rows: reading.cells.length, columns: limits.sheetMaxColumns } } = reading;
      places.push({ sheetId, ...(reading.edited || { ...at, ...size }) });
    }
  }
  yield* keepPlaces(places, as, code);
}

/** Remembers places, and the code of what went wrong. Also with no places: then only the code. */
export function* keepPlaces(places: readonly Place[], as: As, code: string): Program<void> {
  const at = yield* ask("now");
  const error = { [keys.lastError]: JSON.stringify({ at, code }) };
  const added = places.map((place): Kept => ({ place, cause: as.cause, at, actor: as.actor })).reduce(withKept, []);
  if (added.length > 0 && (yield* locked((stored) => [...stored, ...added].reduce(withKept, []), error))) return;
  // Without the lock it goes into properties of its own: nobody overwrites anybody.
  const own = yield* ask("uuid");
  yield* ask("saveProperties", { set: { ...renamed(textsOf(added), own), ...error }, remove: [] });
}

/**
 * Reads again and posts what was kept, oldest first, until `deadline`. What the relay took is removed; the rest stays.
 * A sheet that is gone takes its ranges with it: the list of sheets says so.
 */
export function* resend(run: Run, reader: Reader, kept: Outbox, deadline: number): Program<Delivery> {
  let outcome: Delivery = { ok: true };
  let left = (yield* spelledOut(kept)).sort((a, b) => a.at - b.at);
  for (let next = left[0]; next && (yield* ask("now")) < deadline; next = left[0]) {
    const { place } = next;
    yield* reader.newRound();
    if (typeof place === "string") {
      outcome = yield* deliver(run, [yield* reader.sheets()], next);
      if (!outcome.ok) break;
      left = left.slice(1);
      continue;
    }
    const size = (yield* ask("size", { sheetId: place.sheetId })) || { rows: 0, columns: 1 };
    const end = Math.min(place.row + place.rows, size.rows);
    const rows = Math.min(end - place.row, Math.max(1, Math.floor(limits.editReadMaxCells / size.columns)));
    if (rows > 0) outcome = yield* deliver(run, [yield* reader.edited({ ...place, rows })], next);
    if (!outcome.ok) break;
    const row = place.row + rows;
    left =
      rows <= 0 || row >= end
        ? left.slice(1)
        : [{ ...next, place: { ...place, row, rows: end - row } }, ...left.slice(1)];
  }
  const sent = new Set(kept.map(entryText));
  const others = (stored: Outbox) => stored.filter((one) => !sent.has(entryText(one)));
  const error = outcome.ok
    ? undefined
    : { [keys.lastError]: JSON.stringify({ at: yield* ask("now"), code: outcome.code }) };
  yield* locked((stored) => [...others(stored), ...left].reduce(withKept, []), error);
  return outcome;
}

/** "Everything" as the sheets that there are, in full. */
function* spelledOut(kept: Outbox): Program<Kept[]> {
  const everything = kept.find((one) => one.place === "everything");
  if (!everything) return kept.slice();
  const { sheets } = yield* ask("spreadsheet");
  const whole = sheets.filter((sheet) => sheet.kind === "GRID").map((sheet) => wholeSheet(sheet.sheetId));
  return ["sheets" as const, ...whole].map((place) => ({ ...everything, place }));
}

/** Rewrites the stored outbox under the lock; false when the lock was not to be had. */
const locked = (after: (stored: Outbox) => Outbox, also?: Readonly<Record<string, string>>): Program<boolean> =>
  underLock(lockWaitMs, function* () {
    const stored = settingsOf(yield* ask("properties")).outboxTexts;
    const set = { ...textsOf(after(outboxOf(stored))), ...also };
    yield* ask("saveProperties", { set, remove: Object.keys(stored).filter((key) => !(key in set)) });
  });

function renamed(found: Readonly<Record<string, string>>, own: string): Record<string, string> {
  const set: Record<string, string> = {};
  for (const [key, text] of Object.entries(found)) set[`${key}.${own}`] = text;
  return set;
}

const wholeSheet = (sheetId: number): Rectangle => ({
  sheetId,
  row: 0,
  rows: limits.spreadsheetMaxCells,
  column: 0,
  columns: limits.sheetMaxColumns,
});

/** Nobody is named for a whole sheet. */
const asWholeSheet = ({ place, cause, at }: Kept): Kept => ({
  place: typeof place === "string" ? place : wholeSheet(place.sheetId),
  cause,
  at,
});

/** Whether two ranges make one rectangle together: one lies in the other, or they share a whole side. */
function joins(a: Rectangle, b: Rectangle): boolean {
  const all = union(a, b);
  const isSame = (one: Rectangle) =>
    one.row === all.row && one.column === all.column && one.rows === all.rows && one.columns === all.columns;
  const meet =
    a.row <= b.row + b.rows &&
    b.row <= a.row + a.rows &&
    a.column <= b.column + b.columns &&
    b.column <= a.column + a.columns;
  const isSide = (a.row === b.row && a.rows === b.rows) || (a.column === b.column && a.columns === b.columns);
  return a.sheetId === b.sheetId && (isSame(a) || isSame(b) || (isSide && meet));
}

/** The smallest rectangle around two. */
function union(a: Rectangle, b: Rectangle): Rectangle {
  const row = Math.min(a.row, b.row);
  const column = Math.min(a.column, b.column);
  const rows = Math.max(a.row + a.rows, b.row + b.rows) - row;
  const columns = Math.max(a.column + a.columns, b.column + b.columns) - column;
  return { sheetId: a.sheetId, row, rows, column, columns };
}

/** Several things may have happened, in several sheets: one list of sheets is then no longer of one of them. */
function ofBoth(a: Kept, b: Kept): Kept {
  const isChange = ({ cause }: Kept) => cause.startsWith("change:");
  if (!isChange(b)) return a;
  return isChange(a) ? { ...inOne(a, b), cause: "change:SEVERAL" } : b;
}

/** Where two people or two causes meet, nobody is named. */
const inOne = (a: Kept, b: Kept): Kept => ({
  place: a.place,
  cause: a.cause === b.cause ? a.cause : "sweep",
  at: Math.min(a.at, b.at),
  actor: a.actor === b.actor ? a.actor : undefined,
});

/** Texts of at most `textMaxChars`, or nothing when there would be too many. */
function fitting(outbox: Outbox): Readonly<Record<string, string>> | undefined {
  const parts: string[] = [];
  let open = "";
  for (const text of outbox.map(entryText)) {
    if (open && open.length + text.length + 3 > textMaxChars) {
      parts.push(open);
      open = "";
    }
    open += `${open && ","}${text}`;
  }
  if (open) parts.push(open);
  if (parts.length > textsMost) return undefined;
  const found: Record<string, string> = {};
  parts.forEach((part, count) => (found[`${keys.outboxPrefix}${count}`] = `[${part}]`));
  return found;
}

/** A place as it is stored: `[sheetId, row, rows, column, columns] or a word, cause, at, actor`, in ASCII. */
function entryText({ place, cause, at, actor }: Kept): string {
  const where = typeof place === "string" ? place : [place.sheetId, place.row, place.rows, place.column, place.columns];
  return JSON.stringify([where, cause, at, actor]).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${`000${unit.charCodeAt(0).toString(16)}`.slice(-4)}`,
  );
}

function entriesOf(text: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value)) return value;
  } catch {
    // Falls through: it is no list either.
  }
  return [undefined];
}

function keptOf(entry: unknown): Kept {
  const [place, cause, at, actor]: unknown[] = Array.isArray(entry) ? entry : [];
  if (typeof at !== "number" || typeof cause !== "string" || !isCause(cause)) return lostTrack;
  const origin = { cause, at, actor: typeof actor === "string" ? actor.slice(0, 320) : undefined };
  if (place === "sheets" || place === "everything") return { ...origin, place };
  if (!Array.isArray(place) || place.length !== 5 || !place.every((one) => Number.isInteger(one) && one >= 0)) {
    return lostTrack;
  }
  const [sheetId, row, rows, column, columns] = place as [number, number, number, number, number];
  return { ...origin, place: { sheetId, row, rows, column, columns } };
}

const isCause = (text: string): text is Cause => /^(edit|sweep|install|call|manual|change:[A-Z_]{1,40})$/.test(text);
