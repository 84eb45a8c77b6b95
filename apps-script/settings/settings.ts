/**
 * What the script keeps in the spreadsheet's document properties: all it remembers from one run to the next. Every editor
 * of the spreadsheet can read and write them, so they are read as untrusted text: what is not of its form counts as absent.
 */

export type Connection = { readonly url: string; readonly spreadsheetId: string; readonly ingestKey: string };

/** Whose triggers count. Events of any other trigger are dropped, so that two installers do not double them. */
export type Installation = {
  readonly installation: string;
  readonly triggerUids: readonly string[];
  readonly installedBy: string;
  readonly installedAt: number;
};

export type LastError = { readonly at: number; readonly code: string };

export type Settings = {
  readonly connection: Connection | undefined;
  readonly installation: Installation | undefined;
  readonly lastError: LastError | undefined;
  /** Property keys of the outbox; the outbox room reads them. */
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

type Fields = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The object that a JSON text holds, or nothing. */
export function parseObject(text = ""): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function connectionOf(value: Fields = {}): Connection | undefined {
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

function installationOf(value: Fields = {}): Installation | undefined {
  const { installation, triggerUids, installedBy, installedAt } = value;
  if (typeof installation !== "string" || !installation || !Array.isArray(triggerUids)) return undefined;
  return {
    installation: installation.slice(0, 128),
    triggerUids: triggerUids.map(String),
    installedBy: String(installedBy),
    installedAt: Number(installedAt),
  };
}

function lastErrorOf(value: Fields = {}): LastError | undefined {
  const { at, code } = value;
  return typeof at === "number" && at >= 0 && typeof code === "string" ? { at, code: code.slice(0, 200) } : undefined;
}
