/** Makes a bare context a place where Apps Script runs: Google's documented globals and nothing else. */
import { ask, connect, run, type Host, type Run } from "./host.ts";
import { ContentService, HtmlService } from "./html.ts";
import { authMode, ScriptApp, Session } from "./script.ts";
import { activeSpreadsheet, rangeOf, SpreadsheetApp } from "./spreadsheet.ts";
import { CacheService, LockService, PropertiesService } from "./stores.ts";
import { UrlFetchApp } from "./url-fetch.ts";
import { Utilities } from "./utilities.ts";

export type { Host, Run } from "./host.ts";

/** An event as it is described to the sandbox, which makes of it what a handler is given. */
export type EventFacts =
  | {
      kind: "edit";
      sheetId: number;
      row: number;
      column: number;
      rows: number;
      columns: number;
      value?: string | undefined;
      oldValue?: string | undefined;
      triggerUid?: string | undefined;
      user: string;
    }
  | { kind: "change"; changeType: string; triggerUid?: string | undefined; user: string }
  | { kind: "open"; triggerUid?: string | undefined; user: string }
  | { kind: "clock"; triggerUid: string; at: readonly number[] }
  | { kind: "post"; body: string; contentType: string; parameter: Record<string, string>; query: string };

const log = (...lines: unknown[]): void => {
  ask("log", lines.map((line) => (typeof line === "string" ? line : String(line))).join(" "));
};

const Logger = { log: (...lines: unknown[]) => (log(...lines), Logger), getLog: () => "", clear: () => undefined };
const console = { log, info: log, warn: log, error: log, debug: log, time: () => undefined, timeEnd: () => undefined };

/** Where there is no context's own `console`, Google's stands in for it. */
export function install(global: object): void {
  const services = {
    SpreadsheetApp,
    UrlFetchApp,
    Utilities,
    PropertiesService,
    CacheService,
    LockService,
    ScriptApp,
    Session,
    HtmlService,
    ContentService,
    Logger,
    console,
  };
  for (const [name, value] of Object.entries(services))
    Object.defineProperty(global, name, { value, writable: true, configurable: true, enumerable: false });
  // What an engine gives and Google does not.
  for (const name of [
    "WebAssembly",
    "SharedArrayBuffer",
    "Atomics",
    "WeakRef",
    "FinalizationRegistry",
    "Iterator",
    "escape",
    "unescape",
  ]) {
    if (name === "WebAssembly" || name === "escape" || name === "unescape") continue;
    Reflect.deleteProperty(global, name);
  }
}

export type Call = {
  readonly functionName: string;
  readonly event?: EventFacts | undefined;
  readonly args?: string | undefined;
};

/** Calls a global function of the script as Google would; answers its result, or a promise of it. */
export function call(global: Record<string, unknown>, host: Host, facts: Run, what: Call): unknown {
  connect(host, facts);
  const target = what.functionName
    .split(".")
    .reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], global);
  if (typeof target !== "function") throw new Error(`Script function not found: ${what.functionName}`);
  const args =
    what.args === undefined ? (what.event ? [eventOf(what.event)] : []) : (JSON.parse(what.args) as unknown[]);
  return (target as (...args: unknown[]) => unknown)(...args);
}

/** Before the script's own top level runs. */
export function begin(host: Host, facts: Run): void {
  connect(host, facts);
  if (facts.skewMs !== 0 || facts.now !== undefined) skewDate(host, facts.skewMs);
}

/** This run's clock is fast or slow, or not the machine's at all: `Date` shows it, and nothing else does. */
function skewDate(host: Host, skewMs: number): void {
  const TrueDate = Date;
  const now = (): number => (host.now() ?? TrueDate.now()) + skewMs;
  const SkewedDate = new Proxy(TrueDate, {
    construct: (target, args: unknown[], newTarget) =>
      Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget) as object,
    apply: () => new TrueDate(now()).toString(),
    get: (target, key, receiver): unknown => (key === "now" ? now : Reflect.get(target, key, receiver)),
  });
  TrueDate.prototype.constructor = SkewedDate;
  globalThis.Date = SkewedDate;
}

function eventOf(facts: EventFacts): object {
  const user = (email: string): object => {
    const one = { email, nickname: email.replace(/@.*/, ""), getEmail: () => email };
    return email === "" ? {} : one;
  };
  switch (facts.kind) {
    case "edit": {
      const { sheetId, row, column, rows, columns } = facts;
      const plain = { rowStart: row + 1, rowEnd: row + rows, columnStart: column + 1, columnEnd: column + columns };
      const event: Record<string, unknown> = {
        authMode: authMode(),
        range: Object.assign(rangeOf({ sheetId, row, column, rows, columns }), plain),
        source: activeSpreadsheet(),
        user: user(facts.user),
      };
      if (facts.triggerUid !== undefined) event["triggerUid"] = facts.triggerUid;
      if (facts.value !== undefined) event["value"] = facts.value;
      if (facts.oldValue !== undefined) event["oldValue"] = facts.oldValue;
      return event;
    }
    case "change":
      return {
        authMode: authMode(),
        changeType: facts.changeType,
        source: activeSpreadsheet(),
        triggerUid: facts.triggerUid,
        user: user(facts.user),
      };
    case "open": {
      const event: Record<string, unknown> = {
        authMode: authMode(),
        source: activeSpreadsheet(),
        user: user(facts.user),
      };
      if (facts.triggerUid !== undefined) event["triggerUid"] = facts.triggerUid;
      return event;
    }
    case "clock": {
      const [year, month, day, hour, minute, second, weekday, week] = facts.at;
      return {
        authMode: authMode(),
        triggerUid: facts.triggerUid,
        year,
        month,
        "day-of-month": day,
        hour,
        minute,
        second,
        "day-of-week": weekday,
        "week-of-year": week,
        timezone: "UTC",
      };
    }
    case "post":
      return {
        parameter: facts.parameter,
        parameters: Object.fromEntries(Object.entries(facts.parameter).map(([name, value]) => [name, [value]])),
        queryString: facts.query,
        contextPath: "",
        contentLength: facts.body.length,
        postData: {
          contents: facts.body,
          length: facts.body.length,
          name: "postData",
          type: facts.contentType,
          getDataAsString: () => facts.body,
        },
      };
  }
}

/** What a web app or google.script.run hands back, as text: JSON only, as Google marshals it. */
export function marshal(value: unknown): string {
  if (value === undefined || value === null) return "null";
  if (typeof value === "object" && "getContent" in value && "getMimeType" in value) {
    const output = value as { getContent(): string; getMimeType(): { name(): string } };
    return JSON.stringify({ $content: output.getContent(), mimeType: output.getMimeType().name() });
  }
  if (typeof value === "object" && "getContent" in value)
    return JSON.stringify({ $content: (value as { getContent(): string }).getContent(), mimeType: "HTML" });
  refuseUnspeakable(value, 0);
  return JSON.stringify(value);
}

function refuseUnspeakable(value: unknown, depth: number): void {
  if (depth > 200) throw new Error("The result is circular.");
  if (typeof value === "function") throw new Error("The result holds a function.");
  if (typeof value !== "object" || value === null) return;
  if (Object.prototype.toString.call(value) === "[object Date]") throw new Error("The result holds a Date.");
  for (const one of Object.values(value)) if (one !== undefined) refuseUnspeakable(one, depth + 1);
}

export { run };
