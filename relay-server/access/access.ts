/** Who may post for a spreadsheet and who may read it: ingest keys, device tokens, and a record of every grant. */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { AccessRecords, AccessStore, DeviceRecord, Scope } from "./store.ts";

export type { AccessStore, AuditRecord, DeviceRecord, KeyRecord, Scope } from "./store.ts";

/** A device as people see it; its token cannot be shown again. */
export type Device = Omit<DeviceRecord, "tokenHash">;

/** How often the records are looked at for what another process wrote, in milliseconds: a revocation acts within two seconds. */
export const LOOK_EVERY_MS = 1_000;
/** `lastSeenAt` is written at most this often for a device, in milliseconds. */
const SEEN_EVERY_MS = 60_000;
/** Of so many devices at once: all of them come within a moment where the relay has just been started. */
const SEEN_AT_ONCE = 1_000;
/** How long the old key stays valid after a rotation unless told otherwise, in milliseconds. */
export const ROTATION_MS = 7 * 24 * 60 * 60 * 1000;

type Needs = { store: AccessStore; now: () => number };

/**
 * - A1: a key opens exactly its spreadsheet for posts, a token exactly its spreadsheet for its scopes.
 * - A2: a token is kept only as its SHA-256 and compared in constant time; it is shown once, when it is made.
 * - A3: what another process granted counts here when it is used, what it revoked within {@link LOOK_EVERY_MS}; `onChange`
 *   tells of both.
 * - A4: every grant, rotation and revocation is in the audit record.
 */
export interface Access {
  /** Makes a spreadsheet known, with its first ingest key; undefined when it is known already. */
  addSpreadsheet(spreadsheetId: string): { ingestKey: string } | undefined;
  /** Forgets a spreadsheet with its keys and devices; false when it was not known. */
  removeSpreadsheet(spreadsheetId: string): boolean;
  isKnown(spreadsheetId: string): boolean;
  spreadsheets(): readonly { spreadsheetId: string; createdAt: number; devices: number }[];
  /** Makes a further key; the others end after `oldValidForMs`. Undefined when the spreadsheet is not known. */
  rotateKey(spreadsheetId: string, oldValidForMs?: number): { ingestKey: string; oldEndAt: number } | undefined;
  /** The bytes of every key that is valid now; the same arrays as long as nothing changed. */
  keysOf(spreadsheetId: string): readonly Uint8Array[];
  /** Undefined when the spreadsheet is not known. */
  addDevice(
    spreadsheetId: string,
    name: string,
    scopes: readonly Scope[],
  ): { deviceId: string; token: string } | undefined;
  devices(spreadsheetId: string): readonly Device[];
  /** False when there is no such device, or it was revoked before. */
  revokeDevice(spreadsheetId: string, deviceId: string): boolean;
  /** The device that a token belongs to, unless it was revoked. */
  deviceOf(token: string): Device | undefined;
  /** The device, if its token opens this spreadsheet for this. */
  opens(token: string, spreadsheetId: string, scope: Scope): Device | undefined;
  /** Whether a device that was let in is still good. */
  isGood(deviceId: string): boolean;
  /** Called when keys, devices or spreadsheets changed. Returns the way to end it. */
  onChange(listener: () => void): () => void;
  /** Looks at once for what another process wrote. */
  look(): void;
  /** Looks regularly, and writes when devices were seen; returns the way to end it. */
  watch(onFault: (error: unknown) => void): () => void;
}

export function createAccess({ store, now }: Needs): Access {
  const listeners = new Set<() => void>();
  let records = store.read();
  let version = store.version();
  let index = indexOf(records);
  const seenAt = new Map<string, number>();
  /** What of it is still to be written. */
  const unwritten = new Map<string, number>();

  function reread(): void {
    records = store.read();
    index = indexOf(records);
    for (const listener of listeners) listener();
  }
  const isKnown = (spreadsheetId: string): boolean => index.known.has(spreadsheetId);
  const audit = (event: string, spreadsheetId: string, more: { deviceId?: string; detail?: string } = {}): void =>
    store.audit({ at: now(), event, spreadsheetId, ...more });

  function deviceOf(token: string): Device | undefined {
    const hash = hashOf(token);
    // A token that was granted a moment ago by another process is not unknown, only unseen.
    if (!index.byHash.has(hash)) look();
    const record = index.byHash.get(hash);
    if (!record || !timingSafeEqual(Buffer.from(record.tokenHash, "hex"), Buffer.from(hash, "hex"))) return undefined;
    const last = Math.max(seenAt.get(record.deviceId) ?? 0, record.lastSeenAt ?? 0);
    if (now() - last > SEEN_EVERY_MS) {
      seenAt.set(record.deviceId, now());
      unwritten.set(record.deviceId, now());
    }
    return withoutHash(record);
  }

  function look(): void {
    const seen = store.version();
    if (seen === version) return;
    version = seen;
    reread();
  }

  /** In one commit for all: a thousand that come back within a moment wait for no disk. What cannot be written is given up: it was a note, and comes again. */
  function writeSeen(most: number): void {
    if (unwritten.size === 0) return;
    const seen = [...unwritten].slice(0, most);
    for (const [deviceId] of seen) unwritten.delete(deviceId);
    store.touchDevices(seen);
  }

  return {
    addSpreadsheet(spreadsheetId) {
      const ingestKey = newIngestKey();
      const added = store.addSpreadsheet({ spreadsheetId, createdAt: now() }, { secret: ingestKey, createdAt: now() });
      if (!added) return undefined;
      audit("spreadsheet-added", spreadsheetId);
      reread();
      return { ingestKey };
    },
    removeSpreadsheet(spreadsheetId) {
      if (!store.removeSpreadsheet(spreadsheetId)) return false;
      audit("spreadsheet-removed", spreadsheetId);
      reread();
      return true;
    },
    isKnown,
    spreadsheets: () =>
      records.spreadsheets.map((one) => ({ ...one, devices: index.devices.get(one.spreadsheetId) ?? 0 })),
    rotateKey(spreadsheetId, oldValidForMs = ROTATION_MS) {
      if (!isKnown(spreadsheetId)) return undefined;
      const ingestKey = newIngestKey();
      const oldEndAt = now() + oldValidForMs;
      store.rotateKey(spreadsheetId, { secret: ingestKey, createdAt: now() }, oldEndAt);
      audit("key-rotated", spreadsheetId);
      reread();
      return { ingestKey, oldEndAt };
    },
    keysOf(spreadsheetId) {
      if (!isKnown(spreadsheetId)) look();
      const keys = index.keys.get(spreadsheetId) ?? [];
      return keys.filter(({ endsAt }) => endsAt === undefined || endsAt > now()).map(({ bytes }) => bytes);
    },
    addDevice(spreadsheetId, name, scopes) {
      if (!isKnown(spreadsheetId)) return undefined;
      const deviceId = `dev_${randomBytes(9).toString("base64url")}`;
      const token = `swd_${randomBytes(32).toString("base64url")}`;
      store.addDevice({ deviceId, spreadsheetId, name, scopes, tokenHash: hashOf(token), createdAt: now() });
      audit("device-added", spreadsheetId, { deviceId, detail: scopes.join(" ") });
      reread();
      return { deviceId, token };
    },
    devices: (spreadsheetId) => records.devices.filter((one) => one.spreadsheetId === spreadsheetId).map(withoutHash),
    revokeDevice(spreadsheetId, deviceId) {
      const device = records.devices.find((one) => one.deviceId === deviceId && one.spreadsheetId === spreadsheetId);
      if (!device || device.revokedAt !== undefined) return false;
      store.revokeDevice(deviceId, now());
      audit("device-revoked", spreadsheetId, { deviceId });
      reread();
      return true;
    },
    deviceOf,
    opens(token, spreadsheetId, scope) {
      const device = deviceOf(token);
      const opened = device?.spreadsheetId === spreadsheetId && device.scopes.includes(scope) && isKnown(spreadsheetId);
      return opened ? device : undefined;
    },
    isGood: (deviceId) => index.good.has(deviceId),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    look,
    watch(onFault) {
      const orTell = (work: () => void): void => {
        try {
          work();
        } catch (error) {
          onFault(error);
        }
      };
      const timer = setInterval(() => {
        orTell(look);
        orTell(() => writeSeen(SEEN_AT_ONCE));
      }, LOOK_EVERY_MS);
      timer.unref();
      return () => {
        clearInterval(timer);
        orTell(() => writeSeen(unwritten.size));
      };
    },
  };
}

/** The records as they are looked up: with each post and with each token, so without a search. */
function indexOf({ spreadsheets, keys, devices }: AccessRecords) {
  const good = devices.filter((one) => one.revokedAt === undefined);
  const bySpreadsheet = new Map<string, { bytes: Uint8Array; endsAt: number | undefined }[]>();
  for (const { spreadsheetId, secret, endsAt } of keys) {
    const held = bySpreadsheet.get(spreadsheetId) ?? [];
    bySpreadsheet.set(spreadsheetId, held);
    held.push({ bytes: bytesOfIngestKey(secret), endsAt });
  }
  const counts = new Map<string, number>();
  for (const { spreadsheetId } of good) counts.set(spreadsheetId, (counts.get(spreadsheetId) ?? 0) + 1);
  return {
    /** How many good ones each spreadsheet has. */
    devices: counts,
    known: new Set(spreadsheets.map((one) => one.spreadsheetId)),
    keys: bySpreadsheet,
    byHash: new Map(good.map((one) => [one.tokenHash, one])),
    good: new Set(good.map((one) => one.deviceId)),
  };
}

/** A key as Standard Webhooks writes it: 32 random bytes. */
const newIngestKey = (): string => `whsec_${randomBytes(32).toString("base64")}`;

/** What HMAC is keyed with. */
export const bytesOfIngestKey = (secret: string): Uint8Array => Buffer.from(secret.slice("whsec_".length), "base64");

const hashOf = (token: string): string => createHash("sha256").update(token).digest("hex");

function withoutHash(record: DeviceRecord): Device {
  const { deviceId, spreadsheetId, name, scopes, createdAt, lastSeenAt, revokedAt } = record;
  return { deviceId, spreadsheetId, name, scopes, createdAt, lastSeenAt, revokedAt };
}
