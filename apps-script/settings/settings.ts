/**
 * What the script keeps in the spreadsheet's document properties: all it remembers from one run to the next. Every editor
 * of the spreadsheet can read and write them, so they are read as untrusted text: what is not of its form counts as absent.
 */
import type { Cause } from "@sheetwire/shared/protocol";

export type Connection = { readonly url: string; readonly spreadsheetId: string; readonly ingestKey: string };

/** Whose triggers count. Events of any other trigger are dropped, so that two installers do not double them. */
export type Installation = {
  readonly installation: string;
  readonly triggerUids: readonly string[];
  readonly installedBy: string;
  readonly installedAt: number;
};

export type LastError = { readonly at: number; readonly code: string };

/** What made a reading that was not delivered, so that it can still be told when it is. */
export type Origin = { readonly cause: Cause; readonly actor?: string | undefined; readonly at: number };

/** Cells to be read again, as a range and never as contents. Counted from 0. */
export type KeptRange = Origin & {
  readonly sheetId: number;
  readonly row: number;
  readonly rows: number;
  readonly column: number;
  readonly columns: number;
};

/** What could not be delivered. */
export type Outbox = {
  /** So much was lost track of that every sheet is to be read again. */
  readonly everything: Origin | undefined;
  /** The list of sheets is to be told again. */
  readonly sheets: Origin | undefined;
  readonly ranges: readonly KeptRange[];
};

export type Settings = {
  readonly connection: Connection | undefined;
  readonly installation: Installation | undefined;
  readonly lastError: LastError | undefined;
  /** Property keys of the outbox; read it with {@link outboxOf} in the outbox room. */
  readonly outboxTexts: Readonly<Record<string, string>>;
};

export const keys = {
  connection: "sheetwire.connection",
  installation: "sheetwire.installation",
  lastError: "sheetwire.lastError",
  outboxPrefix: "sheetwire.outbox.",
} as const;

export function settingsOf(properties: Readonly<Record<string, string>>): Settings {
  const outboxTexts: Record<string, string> = {};
  for (const key of Object.keys(properties)) {
    const text = properties[key];
    if (text !== undefined && key.startsWith(keys.outboxPrefix)) outboxTexts[key] = text;
  }
  return {
    connection: connectionOf(parseObject(properties[keys.connection])),
    installation: installationOf(parseObject(properties[keys.installation])),
    lastError: lastErrorOf(parseObject(properties[keys.lastError])),
    outboxTexts,
  };
}

/** The object that a JSON text holds, or nothing. */
export function parseObject(text: string | undefined): Readonly<Record<string, unknown>> | undefined {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

export function connectionOf(value: Readonly<Record<string, unknown>> | undefined): Connection | undefined {
  if (!value) return undefined;
  const { url, spreadsheetId, ingestKey } = value;
  const isGood =
    typeof url === "string" &&
    url.length <= 2_048 &&
    typeof spreadsheetId === "string" &&
    /^[A-Za-z0-9_-]{5,128}$/.test(spreadsheetId) &&
    typeof ingestKey === "string" &&
    /^whsec_[A-Za-z0-9+/]{32,}={0,2}$/.test(ingestKey);
  return isGood ? { url, spreadsheetId, ingestKey } : undefined;
}

function installationOf(value: Readonly<Record<string, unknown>> | undefined): Installation | undefined {
  if (!value) return undefined;
  const { installation, triggerUids, installedBy, installedAt } = value;
  if (typeof installation !== "string" || !installation || installation.length > 128 || !Array.isArray(triggerUids)) {
    return undefined;
  }
  return {
    installation,
    triggerUids: triggerUids.filter((uid): uid is string => typeof uid === "string"),
    installedBy: typeof installedBy === "string" ? installedBy : "",
    installedAt: typeof installedAt === "number" ? installedAt : 0,
  };
}

function lastErrorOf(value: Readonly<Record<string, unknown>> | undefined): LastError | undefined {
  if (!value) return undefined;
  const { at, code } = value;
  return typeof at === "number" && at >= 0 && typeof code === "string" ? { at, code: code.slice(0, 200) } : undefined;
}
