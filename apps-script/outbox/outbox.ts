/**
 * What could not be delivered, kept as ranges and never as contents: at the next chance it is read again, so what arrives
 * is what the sheet says then. It lives in the document properties, within their limits, and gets coarser as it grows:
 * ranges, then whole sheets, then "everything".
 */
import { limits } from "@sheetwire/shared/limits";
import type { Reading } from "@sheetwire/shared/protocol";
import { ask, type Program, type Rectangle } from "../effects/effects.ts";
import { deliver, type As, type Delivery, type Run } from "../posting/posting.ts";
import type { Reader } from "../reading/reading.ts";
import { keys, settingsOf, type KeptRange, type LastError, type Origin, type Outbox } from "../settings/settings.ts";

/** Google allows 9 KB a property; entries are measured in characters of ASCII JSON. */
const textMaxChars = 8_000;
/** Numbered properties at most. */
const textsMost = 8;
const lockWaitMs = 3_000;

export const emptyOutbox: Outbox = { everything: undefined, sheets: undefined, ranges: [] };

export const isEmpty = (outbox: Outbox): boolean => !outbox.everything && !outbox.sheets && outbox.ranges.length === 0;

/** A range as it is stored; `null` in place of its numbers: the list of sheets, or everything. */
type Entry = readonly [place: readonly [number, number, number, number, number] | "sheets" | "everything", cause: string, at: number, actor?: string];

/** The outbox that stands in properties. What cannot be read there counts as "everything": it stood for something. */
export function outboxOf(texts: Readonly<Record<string, string>>): Outbox {
  let outbox = emptyOutbox;
  for (const key of Object.keys(texts).sort()) {
    const entries = entriesOf(texts[key] ?? "");
    if (!entries) outbox = { ...outbox, everything: outbox.everything ?? { cause: "sweep", at: 0 } };
    for (const entry of entries ?? []) outbox = withEntry(outbox, entry);
  }
  return outbox;
}

/** Adds a range, joined with those it overlaps or touches so that they make one rectangle. */
export function withRange(outbox: Outbox, range: KeptRange): Outbox {
  if (range.rows <= 0 || range.columns <= 0) return outbox;
  let joined = range;
  let rest = outbox.ranges;
  for (;;) {
    const index = rest.findIndex((one) => joins(one, joined));
    const found = rest[index];
    if (!found) break;
    joined = union(found, joined);
    rest = rest.filter((_, place) => place !== index);
  }
  return { ...outbox, ranges: [...rest, joined] };
}

/** The texts that hold an outbox, coarser where it would not fit. */
export function textsOf(outbox: Outbox): Readonly<Record<string, string>> {
  return texts(outbox) ?? texts(byWholeSheets(outbox)) ?? texts({ ...emptyOutbox, everything: oldest(outbox) }) ?? {};
}

/** Remembers what these readings were about, and why they could not be told. */
export function* keep(readings: readonly Reading[], as: As, code: string): Program<void> {
  const at = yield* ask("now", {});
  const origin: Origin = as.actor === undefined ? { cause: as.cause, at } : { cause: as.cause, actor: as.actor, at };
  let added = emptyOutbox;
  for (const reading of readings) {
    // What answered a want is wanted again by the relay itself.
    if (reading.want !== undefined) continue;
    if (reading.kind === "sheets") added = { ...added, sheets: origin };
    if (reading.kind === "cells") {
      const { row, column, rows, columns } = reading.edited ?? {
        ...reading.at,
        rows: reading.size?.rows ?? reading.cells.length,
        columns: reading.size?.columns ?? limits.sheetMaxColumns,
      };
      added = withRange(added, { ...origin, sheetId: reading.sheetId, row, rows, column, columns });
    }
  }
  yield* add(added, { at, code });
}

/** Remembers a range that could not even be read. */
export function* keepRange(range: Rectangle | undefined, as: As, code: string): Program<void> {
  const at = yield* ask("now", {});
  const origin: Origin = { ...as, at };
  yield* add(range ? withRange(emptyOutbox, { ...origin, ...range }) : { ...emptyOutbox, sheets: origin }, { at, code });
}

/**
 * Reads again and posts what was kept, oldest first, until `deadline`. What the relay took is removed; the rest stays.
 * A sheet that is gone takes its ranges with it: the list of sheets says so.
 */
export function* resend(run: Run, reader: Reader, kept: Outbox, deadline: number): Program<Delivery> {
  if (isEmpty(kept)) return { ok: true };
  const { ranges, sheets } = yield* spelledOut(kept);
  let outcome: Delivery = { ok: true };
  let left: KeptRange[] = [...ranges].sort((a, b) => a.at - b.at);
  let sheetsLeft = sheets;
  if (sheetsLeft) {
    yield* reader.newRound();
    outcome = yield* deliver(run, [yield* reader.sheets()], asOf(sheetsLeft));
    if (outcome.ok) sheetsLeft = undefined;
  }
  while (outcome.ok && left.length > 0 && (yield* ask("now", {})) < deadline) {
    const next = left[0] as KeptRange;
    yield* reader.newRound();
    const size = yield* ask("size", { sheetId: next.sheetId });
    const rowsAtOnce = Math.max(1, Math.floor(limits.editReadMaxCells / Math.max(1, size?.columns ?? 1)));
    const rows = Math.min(next.rows, rowsAtOnce, Math.max(0, (size?.rows ?? 0) - next.row));
    if (rows > 0) outcome = yield* deliver(run, [yield* reader.edited({ ...next, rows })], asOf(next));
    if (!outcome.ok) break;
    const isDone = rows === 0 || rows === next.rows || !size || next.row + rows >= size.rows;
    left = isDone ? left.slice(1) : [{ ...next, row: next.row + rows, rows: next.rows - rows }, ...left.slice(1)];
  }
  yield* replace(kept, { everything: undefined, sheets: sheetsLeft, ranges: left }, outcome.ok ? undefined : outcome.code);
  return outcome;
}

const asOf = ({ cause, actor }: Origin): As => (actor === undefined ? { cause } : { cause, actor });

/** "Everything" as the sheets that there are, in full. */
function* spelledOut(kept: Outbox): Program<Outbox> {
  const { everything } = kept;
  if (!everything) return kept;
  const { sheets } = yield* ask("spreadsheet", {});
  const ranges = sheets.filter((sheet) => sheet.kind === "GRID").map(({ sheetId, columns }) => ({
    ...everything,
    ...wholeSheet(sheetId),
    columns,
  }));
  return { everything: undefined, sheets: kept.sheets ?? everything, ranges };
}

const wholeSheet = (sheetId: number): Rectangle => ({
  sheetId,
  row: 0,
  rows: limits.spreadsheetMaxCells,
  column: 0,
  columns: limits.sheetMaxColumns,
});

/** Puts more into the stored outbox. Without the lock it goes into a property of its own: nobody overwrites anybody. */
function* add(added: Outbox, lastError: LastError): Program<void> {
  const error = { [keys.lastError]: JSON.stringify(lastError) };
  if (isEmpty(added)) {
    yield* ask("saveProperties", { set: error, remove: [] });
    return;
  }
  if (!(yield* ask("lock", { waitMs: lockWaitMs }))) {
    const own = `${keys.outboxPrefix}late-${yield* ask("uuid", {})}`;
    const found = textsOf(added);
    const set: Record<string, string> = { ...error };
    Object.keys(found).forEach((key, place) => (set[`${own}-${place}`] = found[key] ?? "[]"));
    yield* ask("saveProperties", { set, remove: [] });
    return;
  }
  try {
    const stored = settingsOf(yield* ask("properties", {})).outboxTexts;
    yield* store(stored, merged(outboxOf(stored), added), error);
  } finally {
    yield* ask("unlock", {});
  }
}

/** Takes `before` out of what is stored and puts `after` in; what others put there meanwhile stays. */
function* replace(before: Outbox, after: Outbox, code: string | undefined): Program<void> {
  if (!(yield* ask("lock", { waitMs: lockWaitMs }))) return;
  try {
    const stored = settingsOf(yield* ask("properties", {})).outboxTexts;
    const now = outboxOf(stored);
    const sent = new Set(before.ranges.map((range) => JSON.stringify(entryOf(range))));
    const others: Outbox = {
      everything: sameOrigin(now.everything, before.everything) ? undefined : now.everything,
      sheets: sameOrigin(now.sheets, before.sheets) ? undefined : now.sheets,
      ranges: now.ranges.filter((range) => !sent.has(JSON.stringify(entryOf(range)))),
    };
    const at = yield* ask("now", {});
    const error: Record<string, string> = code === undefined ? {} : { [keys.lastError]: JSON.stringify({ at, code }) };
    yield* store(stored, merged(others, after), error);
  } finally {
    yield* ask("unlock", {});
  }
}

function* store(
  stored: Readonly<Record<string, string>>,
  outbox: Outbox,
  also: Readonly<Record<string, string>>,
): Program<void> {
  const set = { ...textsOf(outbox), ...also };
  const remove = Object.keys(stored).filter((key) => !(key in set));
  if (remove.length > 0 || Object.keys(set).some((key) => stored[key] !== set[key])) {
    yield* ask("saveProperties", { set, remove });
  }
}

function merged(a: Outbox, b: Outbox): Outbox {
  const marks = { everything: a.everything ?? b.everything, sheets: a.sheets ?? b.sheets };
  return b.ranges.reduce(withRange, { ...a, ...marks });
}

const sameOrigin = (a: Origin | undefined, b: Origin | undefined): boolean => a?.at === b?.at && a?.cause === b?.cause;

/** Whether two ranges make one rectangle together: one lies in the other, or they share a whole side. */
function joins(a: Rectangle, b: Rectangle): boolean {
  if (a.sheetId !== b.sheetId) return false;
  const sameRows = a.row === b.row && a.rows === b.rows;
  const sameColumns = a.column === b.column && a.columns === b.columns;
  const rowsMeet = a.row <= b.row + b.rows && b.row <= a.row + a.rows;
  const columnsMeet = a.column <= b.column + b.columns && b.column <= a.column + a.columns;
  return (sameRows && columnsMeet) || (sameColumns && rowsMeet) || holds(a, b) || holds(b, a);
}

const holds = (outer: Rectangle, inner: Rectangle): boolean =>
  outer.row <= inner.row &&
  outer.column <= inner.column &&
  outer.row + outer.rows >= inner.row + inner.rows &&
  outer.column + outer.columns >= inner.column + inner.columns;

/** Two ranges as one. Where two people or two causes meet, nobody is named. */
function union(a: KeptRange, b: KeptRange): KeptRange {
  const row = Math.min(a.row, b.row);
  const column = Math.min(a.column, b.column);
  const place = {
    sheetId: a.sheetId,
    row,
    column,
    rows: Math.max(a.row + a.rows, b.row + b.rows) - row,
    columns: Math.max(a.column + a.columns, b.column + b.columns) - column,
  };
  const cause = a.cause === b.cause ? a.cause : "sweep";
  const at = Math.min(a.at, b.at);
  return a.actor !== undefined && a.actor === b.actor ? { ...place, cause, at, actor: a.actor } : { ...place, cause, at };
}

function byWholeSheets(outbox: Outbox): Outbox {
  const bySheet = new Map<number, KeptRange>();
  for (const range of outbox.ranges) {
    const whole = { ...wholeSheet(range.sheetId), cause: range.cause, at: range.at };
    const found = bySheet.get(range.sheetId);
    bySheet.set(range.sheetId, found ? union(found, whole) : whole);
  }
  return { ...outbox, ranges: [...bySheet.values()] };
}

const oldest = (outbox: Outbox): Origin => ({
  cause: "sweep",
  at: Math.min(...outbox.ranges.map((range) => range.at), outbox.sheets?.at ?? Infinity, outbox.everything?.at ?? Infinity),
});

function texts(outbox: Outbox): Record<string, string> | undefined {
  const entries: Entry[] = outbox.ranges.map(entryOf);
  if (outbox.sheets) entries.unshift(markOf("sheets", outbox.sheets));
  if (outbox.everything) entries.unshift(markOf("everything", outbox.everything));
  const found: Record<string, string> = {};
  let open: string[] = [];
  let chars = 2;
  let count = 0;
  const close = (): void => {
    if (open.length > 0) found[`${keys.outboxPrefix}${count}`] = `[${open.join(",")}]`;
    count += open.length > 0 ? 1 : 0;
    open = [];
    chars = 2;
  };
  for (const entry of entries) {
    const text = asciiJson(entry);
    if (chars + text.length + 1 > textMaxChars) close();
    open.push(text);
    chars += text.length + 1;
  }
  close();
  return count <= textsMost ? found : undefined;
}

/** JSON without a character outside ASCII, so that characters are bytes. */
const asciiJson = (entry: Entry): string =>
  JSON.stringify(entry).replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);

const entryOf = ({ sheetId, row, rows, column, columns, cause, at, actor }: KeptRange): Entry =>
  actor === undefined
    ? [[sheetId, row, rows, column, columns], cause, at]
    : [[sheetId, row, rows, column, columns], cause, at, actor];

const markOf = (mark: "sheets" | "everything", { cause, at, actor }: Origin): Entry =>
  actor === undefined ? [mark, cause, at] : [mark, cause, at, actor];

function entriesOf(text: string): unknown[] | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function withEntry(outbox: Outbox, entry: unknown): Outbox {
  const [place, cause, at, actor]: unknown[] = Array.isArray(entry) ? entry : [];
  const lost: Outbox = { ...outbox, everything: outbox.everything ?? { cause: "sweep", at: 0 } };
  if (typeof at !== "number" || typeof cause !== "string" || !isCause(cause)) return lost;
  const origin: Origin = typeof actor === "string" ? { cause, at, actor: actor.slice(0, 320) } : { cause, at };
  if (place === "sheets") return { ...outbox, sheets: outbox.sheets ?? origin };
  if (place === "everything") return { ...outbox, everything: outbox.everything ?? origin };
  const numbers = Array.isArray(place) ? place.filter((one): one is number => Number.isInteger(one) && one >= 0) : [];
  const [sheetId, row, rows, column, columns] = numbers;
  if (sheetId === undefined || row === undefined || rows === undefined || column === undefined || columns === undefined) {
    return lost;
  }
  return { ...outbox, ranges: [...outbox.ranges, { ...origin, sheetId, row, rows, column, columns }] };
}

const isCause = (text: string): text is Origin["cause"] =>
  /^(edit|sweep|install|call|manual|change:[A-Z_]{1,40})$/.test(text);
