/**
 * Which relay follows which spreadsheet, with which token, and whether the person has agreed to it. Kept in
 * `storage.local` under two keys, `connections` and `disclosure`, in the shapes below.
 */
import { browser } from "wxt/browser";
import * as z from "zod";
import { spreadsheetIdSchema } from "@sheetwire/shared/protocol";
import { readRelayUrl } from "./relay-url.ts";

export { readRelayUrl } from "./relay-url.ts";
export { tryConnection, type Trial } from "./try-connection.ts";

/** One spreadsheet's relay. The URL is `https:`, or `http:` on 127.0.0.1, without a query. */
export const connectionSettingSchema = z.object({
  relayUrl: z.string().refine((text) => readRelayUrl(text).ok, { message: "not a relay's address" }),
  token: z.string().min(16).max(512),
});
export type ConnectionSetting = z.infer<typeof connectionSettingSchema>;

const disclosureSchema = z.object({ acceptedAt: z.number().positive() });

export type Settings = {
  connections: Record<string, ConnectionSetting>;
  /** When the person agreed that cell values go to the relay; before that nothing is dialled. */
  acceptedAt: number | undefined;
  /** Spreadsheets whose stored setting could not be read. */
  unreadable: string[];
};

/** Reads settings as they are stored. What cannot be read is named, never used. */
export function readSettings(stored: Record<string, unknown>): Settings {
  const settings: Settings = { connections: {}, acceptedAt: undefined, unreadable: [] };
  const map = z.record(z.string(), z.unknown()).safeParse(stored["connections"] ?? {});
  for (const [spreadsheetId, value] of Object.entries(map.success ? map.data : {})) {
    const setting = connectionSettingSchema.safeParse(value);
    const url = setting.success ? readRelayUrl(setting.data.relayUrl) : undefined;
    if (!setting.success || !url?.ok || !spreadsheetIdSchema.safeParse(spreadsheetId).success) {
      settings.unreadable.push(spreadsheetId);
    } else {
      settings.connections[spreadsheetId] = { relayUrl: url.url, token: setting.data.token };
    }
  }
  const disclosure = disclosureSchema.safeParse(stored["disclosure"]);
  if (disclosure.success) settings.acceptedAt = disclosure.data.acceptedAt;
  return settings;
}

export const loadSettings = async (): Promise<Settings> =>
  readSettings(await browser.storage.local.get(["connections", "disclosure"]));

export async function saveConnection(spreadsheetId: string, setting: ConnectionSetting): Promise<void> {
  await changeConnections((connections) => (connections[spreadsheetId] = setting));
}

export async function removeConnection(spreadsheetId: string): Promise<void> {
  await changeConnections((connections) => delete connections[spreadsheetId]);
}

export async function acceptDisclosure(acceptedAt: number): Promise<void> {
  await browser.storage.local.set({ disclosure: { acceptedAt } });
}

/** Tells of every change of the settings, from whatever context. */
export function followSettings(listener: (settings: Settings) => void, onFault: (error: unknown) => void): () => void {
  const onChanged = (_: unknown, area: string): void => {
    if (area === "local") loadSettings().then(listener, onFault);
  };
  browser.storage.onChanged.addListener(onChanged);
  return () => browser.storage.onChanged.removeListener(onChanged);
}

/** Content scripts can read `storage.local` unless told otherwise; tokens are not for pages. Firefox has no such call. */
export async function lockSettings(): Promise<void> {
  await browser.storage.local.setAccessLevel?.({ accessLevel: "TRUSTED_CONTEXTS" });
}

/** One change after the other, also from two pages: unreadable entries are kept as they are. */
async function changeConnections(change: (connections: Record<string, unknown>) => void): Promise<void> {
  await navigator.locks.request("sheetwire-settings", async () => {
    const stored = await browser.storage.local.get("connections");
    const map = z.record(z.string(), z.unknown()).safeParse(stored["connections"] ?? {});
    const connections = map.success ? { ...map.data } : {};
    change(connections);
    await browser.storage.local.set({ connections });
  });
}
