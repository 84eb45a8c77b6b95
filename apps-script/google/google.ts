/**
 * The rim: every effect, answered by Google's services. Here and in main.ts alone stand Google's globals. Live objects
 * stay inside; what is handed on is plain data.
 */
import { signatureHeader, signedPrefix } from "@sheetwire/shared/signing";
import { limits } from "@sheetwire/shared/limits";
import type { Sheet, Spreadsheet } from "@sheetwire/shared/protocol";
import type { Hands, RawValue, Rectangle, Sent, Size, Trigger } from "../effects/effects.ts";
import { codeOf } from "../faults/faults.ts";
import type { LiveRange } from "./events.ts";

export * from "./events.ts";
export * from "./surface.ts";

type LiveSheet = GoogleAppsScript.Spreadsheet.Sheet;

/** Hands for one execution. `eventRange` is the live range of the event that started it, if it had one. */
export function googleHands(eventRange?: LiveRange): Hands {
  let lock: GoogleAppsScript.Lock.Lock | undefined;

  return {
    now: () => Date.now(),
    uuid: () => Utilities.getUuid(),
    sleep: ({ ms }) => Utilities.sleep(ms),
    log: ({ line }) => {
      // oxlint-disable-next-line no-console -- the executions page is the script's only log
      console.error(line);
    },
    properties: () => PropertiesService.getDocumentProperties().getProperties(),
    saveProperties({ set, remove }) {
      const properties = PropertiesService.getDocumentProperties();
      if (Object.keys(set).length > 0) properties.setProperties({ ...set }, false);
      for (const key of remove) properties.deleteProperty(key);
    },
    lock({ waitMs }) {
      const found = LockService.getDocumentLock();
      if (!found || !found.tryLock(waitMs)) return false;
      lock = found;
      return true;
    },
    unlock() {
      if (lock) lock.releaseLock();
      lock = undefined;
    },
    firstSeen: ({ id, forS }) => firstSeen(id, forS),
    spreadsheetId: () => SpreadsheetApp.getActive().getId(),
    spreadsheet: describeSpreadsheet,
    timeZone: () => SpreadsheetApp.getActive().getSpreadsheetTimeZone(),
    zoneOffset: ({ timeZone, ms }) => zoneOffset(timeZone, ms),
    eventRange: () => (eventRange ? rectangleOf(eventRange) : undefined),
    size: ({ sheetId }) => lookAt(sheetId, sizeOf),
    usedSize: ({ sheetId }) =>
      lookAt(sheetId, (sheet) => ({ rows: sheet.getLastRow(), columns: sheet.getLastColumn() })),
    values: (where) => readRange(where, (range) => plainValues(range.getValues() as unknown[][])),
    formulas: (where) => readRange(where, (range) => range.getFormulas()),
    displays: (where) => readRange(where, (range) => range.getDisplayValues()),
    flush: () => SpreadsheetApp.flush(),
    userKey: () => Session.getTemporaryActiveUserKey() || undefined,
    triggers: () => ScriptApp.getProjectTriggers().map(plainTrigger),
    installTriggers({ plans }) {
      const handlers = plans.map((plan) => plan.handler);
      const before = ScriptApp.getProjectTriggers().filter((one) => handlers.includes(one.getHandlerFunction()));
      const spreadsheet = SpreadsheetApp.getActive();
      const made: Trigger[] = [];
      try {
        for (const { handler, on } of plans) {
          const builder = ScriptApp.newTrigger(handler);
          if (on === "edit") made.push(plainTrigger(builder.forSpreadsheet(spreadsheet).onEdit().create()));
          else if (on === "change") made.push(plainTrigger(builder.forSpreadsheet(spreadsheet).onChange().create()));
          else made.push(plainTrigger(builder.timeBased().everyMinutes(on.everyMinutes).create()));
        }
      } catch (fault) {
        // Half a set of triggers is worse than the one that was there.
        removeTriggers((one) => made.some((trigger) => trigger.uid === one.getUniqueId()));
        throw fault;
      }
      const old = new Set(before.map((one) => one.getUniqueId()));
      removeTriggers((one) => old.has(one.getUniqueId()));
      return made;
    },
    removeTriggers: ({ handlers }) => removeTriggers((one) => handlers.includes(one.getHandlerFunction())),
    webApp: () => ScriptApp.getService().getUrl() || undefined,
    sign: ({ key, text }) => signBytes(bytesOf(text), key),
    send: ({ url, key, id, timestamp, body }) => send(url, key, id, timestamp, body),
  };
}

const bytesOf = (text: string): number[] => Utilities.newBlob(text, "application/json").getBytes();

/** Bytes, never text: Google hashes text as US-ASCII with question marks. */
const signBytes = (bytes: number[], key: string): string =>
  Utilities.base64Encode(
    Utilities.computeHmacSha256Signature(bytes, Utilities.base64Decode(key.replace(/^whsec_/, ""))),
  );

function send(url: string, key: string, id: string, timestamp: string, body: string): Sent {
  const bytes = bytesOf(body);
  const signature = signBytes(bytesOf(signedPrefix(id, timestamp)).concat(bytes), key);
  try {
    const answer = UrlFetchApp.fetch(url, {
      method: "post",
      contentType: "application/json",
      payload: bytes,
      muteHttpExceptions: true,
      followRedirects: false,
      headers: {
        "webhook-id": id,
        "webhook-timestamp": timestamp,
        "webhook-signature": signatureHeader([signature]),
      },
    });
    const retryAfterMs = retryAfterOf(answer.getHeaders());
    return { reached: true, status: answer.getResponseCode(), text: answer.getContentText("UTF-8"), retryAfterMs };
  } catch (fault) {
    return { reached: false, code: codeOf(fault) };
  }
}

function retryAfterOf(headers: object): number | undefined {
  const entry = Object.entries(headers).find(([name]) => name.toLowerCase() === "retry-after");
  const seconds = Number(entry && entry[1]);
  return entry && Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : undefined;
}

function firstSeen(id: string, forS: number): boolean {
  const cache = CacheService.getDocumentCache();
  const key = `sheetwire.call.${id}`;
  if (!cache || cache.get(key) !== null) return false;
  cache.put(key, "1", forS);
  return true;
}

/** A sheet may be deleted between any two calls; Google throws then, and that it is not there is the answer. */
function unlessGone<T>(sheetId: number, look: () => T): T | undefined {
  try {
    return look();
  } catch (fault) {
    if (SpreadsheetApp.getActive().getSheetById(sheetId)) throw fault;
    return undefined;
  }
}

/** What there is to see of a sheet that is there and has cells. */
function lookAt<T>(sheetId: number, look: (sheet: LiveSheet) => T): T | undefined {
  return unlessGone(sheetId, () => {
    const sheet = SpreadsheetApp.getActive().getSheetById(sheetId);
    return sheet && kindOf(sheet) === "GRID" ? look(sheet) : undefined;
  });
}

const kindOf = (sheet: LiveSheet): string => String(sheet.getType());

const sizeOf = (sheet: LiveSheet): Size => ({ rows: sheet.getMaxRows(), columns: sheet.getMaxColumns() });

/** A sheet deleted or shortened under our hands makes Google throw: then there is nothing to read, which is an answer. */
function readRange<T>(where: Rectangle, read: (range: LiveRange) => T): T | undefined {
  return lookAt(where.sheetId, (sheet) => {
    try {
      return read(sheet.getRange(where.row + 1, where.column + 1, where.rows, where.columns));
    } catch (fault) {
      const size = sizeOf(sheet);
      if (where.row + where.rows <= size.rows && where.column + where.columns <= size.columns) throw fault;
      return undefined;
    }
  });
}

/** Dates become instants, and what has no value of its own (an image in a cell) becomes blank. */
function plainValues(rows: unknown[][]): RawValue[][] {
  for (const row of rows) {
    for (let column = 0; column < row.length; column += 1) {
      const value = row[column];
      if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") continue;
      const isDate = Object.prototype.toString.call(value) === "[object Date]";
      const ms = isDate ? (value as Date).getTime() : NaN;
      row[column] = ms === ms ? { ms } : "";
    }
  }
  return rows as RawValue[][];
}

function rectangleOf(range: LiveRange): Rectangle | undefined {
  const sheet = range.getSheet();
  if (kindOf(sheet) !== "GRID") return undefined;
  // Google's event has these four as plain fields; they are not documented, so they may be missing.
  const { rowStart, rowEnd, columnStart, columnEnd } = range as unknown as Partial<Record<string, number>>;
  const top = rowStart || range.getRow();
  const left = columnStart || range.getColumn();
  const bottom = rowEnd || range.getLastRow();
  const right = columnEnd || range.getLastColumn();
  return {
    sheetId: sheet.getSheetId(),
    row: top - 1,
    column: left - 1,
    rows: bottom - top + 1,
    columns: right - left + 1,
  };
}

function describeSpreadsheet(): Spreadsheet {
  const spreadsheet = SpreadsheetApp.getActive();
  const sheets: Sheet[] = [];
  for (const sheet of spreadsheet.getSheets().slice(0, limits.spreadsheetMaxSheets)) {
    const found = unlessGone(sheet.getSheetId(), () => describeSheet(sheet, sheets.length));
    if (found) sheets.push(found);
  }
  return {
    title: spreadsheet.getName().slice(0, 10_000),
    locale: spreadsheet.getSpreadsheetLocale(),
    timeZone: spreadsheet.getSpreadsheetTimeZone(),
    sheets,
  };
}

function describeSheet(sheet: LiveSheet, index: number): Sheet {
  const kind = kindOf(sheet);
  const common = {
    sheetId: sheet.getSheetId(),
    title: sheet.getName().slice(0, 1_000),
    index,
    hidden: sheet.isSheetHidden(),
    kind,
  };
  if (kind !== "GRID") return { ...common, rows: 0, columns: 0 };
  return {
    ...common,
    ...sizeOf(sheet),
    usedRows: sheet.getLastRow(),
    usedColumns: sheet.getLastColumn(),
    frozenRows: sheet.getFrozenRows(),
    frozenColumns: sheet.getFrozenColumns(),
  };
}

/**
 * From the wall clock and not from the pattern `Z`, which drops the seconds that zones had before 1900: times without a
 * date lie on 1899-12-30.
 */
function zoneOffset(timeZone: string, ms: number): number {
  const wholeMs = Math.floor(readable(ms) / 1_000) * 1_000;
  const wall = Utilities.formatDate(new Date(wholeMs), timeZone, "yyyy-MM-dd HH:mm:ss");
  const localMs = Date.parse(`${wall.replace(" ", "T")}Z`);
  if (Number.isNaN(localMs)) throw new Error("Google gave no wall clock for a date.");
  return localMs - wholeMs;
}

/**
 * An instant with the same offset in a year of four digits: years before 1 are written without their sign, those after 9999
 * cannot be read back. Long ago each place had its own mean time all along, and calendars repeat every 400 years.
 */
function readable(ms: number): number {
  const late = Math.ceil((ms - Date.UTC(9999, 0)) / fourCenturiesMs);
  return late > 0 ? ms - late * fourCenturiesMs : Math.max(ms, Date.UTC(1000, 0));
}
const fourCenturiesMs = 146_097 * 86_400_000;

const plainTrigger = (trigger: GoogleAppsScript.Script.Trigger): Trigger => ({
  uid: trigger.getUniqueId(),
  handler: trigger.getHandlerFunction(),
});

function removeTriggers(isDoomed: (trigger: GoogleAppsScript.Script.Trigger) => boolean): number {
  const doomed = ScriptApp.getProjectTriggers().filter(isDoomed);
  for (const trigger of doomed) ScriptApp.deleteTrigger(trigger);
  return doomed.length;
}
