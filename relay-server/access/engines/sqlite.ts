/** Access records in the embedded database, beside the log. */
import * as z from "zod";
import type { Store } from "../../store/store.ts";
import type { AccessStore } from "../store.ts";

const maybe = <T extends z.ZodType>(schema: T) => schema.nullable().transform((value) => value ?? undefined);
const spreadsheetRow = z.object({ spreadsheetId: z.string(), createdAt: z.number() });
const keyRow = z.object({
  spreadsheetId: z.string(),
  secret: z.string(),
  createdAt: z.number(),
  endsAt: maybe(z.number()),
});
const deviceRow = z.object({
  deviceId: z.string(),
  spreadsheetId: z.string(),
  name: z.string(),
  scopes: z.string().transform((text) => text.split(" ").filter((one) => one === "read" || one === "write")),
  tokenHash: z.string(),
  createdAt: z.number(),
  lastSeenAt: maybe(z.number()),
  revokedAt: maybe(z.number()),
});
const auditRow = z.object({
  at: z.number(),
  event: z.string(),
  spreadsheetId: maybe(z.string()),
  deviceId: maybe(z.string()),
  detail: maybe(z.string()),
});

export function createSqliteAccessStore(store: Store): AccessStore {
  const { db } = store;
  const sql = {
    spreadsheets: db.prepare(
      "SELECT spreadsheet_id AS spreadsheetId, created_at AS createdAt FROM known_spreadsheets ORDER BY created_at, spreadsheet_id",
    ),
    keys: db.prepare(
      "SELECT spreadsheet_id AS spreadsheetId, secret, created_at AS createdAt, ends_at AS endsAt FROM ingest_keys ORDER BY key_id",
    ),
    devices: db.prepare(
      `SELECT device_id AS deviceId, spreadsheet_id AS spreadsheetId, name, scopes, token_hash AS tokenHash,
        created_at AS createdAt, last_seen_at AS lastSeenAt, revoked_at AS revokedAt FROM devices ORDER BY created_at, device_id`,
    ),
    addSpreadsheet: db.prepare("INSERT OR IGNORE INTO known_spreadsheets (spreadsheet_id, created_at) VALUES (?, ?)"),
    addKey: db.prepare("INSERT INTO ingest_keys (spreadsheet_id, secret, created_at) VALUES (?, ?, ?)"),
    endKeys: db.prepare("UPDATE ingest_keys SET ends_at = min(coalesce(ends_at, ?), ?) WHERE spreadsheet_id = ?"),
    dropSpreadsheet: db.prepare("DELETE FROM known_spreadsheets WHERE spreadsheet_id = ?"),
    dropKeys: db.prepare("DELETE FROM ingest_keys WHERE spreadsheet_id = ?"),
    dropDevices: db.prepare("DELETE FROM devices WHERE spreadsheet_id = ?"),
    addDevice: db.prepare(
      "INSERT INTO devices (device_id, spreadsheet_id, name, scopes, token_hash, created_at) VALUES (?, ?, ?, ?, ?, ?)",
    ),
    touch: db.prepare("UPDATE devices SET last_seen_at = ? WHERE device_id = ?"),
    revoke: db.prepare("UPDATE devices SET revoked_at = ? WHERE device_id = ? AND revoked_at IS NULL"),
    audit: db.prepare("INSERT INTO audit (at, event, spreadsheet_id, device_id, detail) VALUES (?, ?, ?, ?, ?)"),
    audits: db.prepare(
      "SELECT at, event, spreadsheet_id AS spreadsheetId, device_id AS deviceId, detail FROM audit ORDER BY rowid",
    ),
  };
  return {
    read: () => ({
      spreadsheets: sql.spreadsheets.all().map((row) => spreadsheetRow.parse(row)),
      keys: sql.keys.all().map((row) => keyRow.parse(row)),
      devices: sql.devices.all().map((row) => deviceRow.parse(row)),
    }),
    addSpreadsheet: ({ spreadsheetId, createdAt }, key) =>
      store.transact(() => {
        if (sql.addSpreadsheet.run(spreadsheetId, createdAt).changes === 0) return false;
        sql.addKey.run(spreadsheetId, key.secret, key.createdAt);
        return true;
      }),
    removeSpreadsheet: (spreadsheetId) =>
      store.transact(() => {
        sql.dropKeys.run(spreadsheetId);
        sql.dropDevices.run(spreadsheetId);
        return sql.dropSpreadsheet.run(spreadsheetId).changes > 0;
      }),
    rotateKey: (spreadsheetId, key, oldEndAt) =>
      store.transact(() => {
        sql.endKeys.run(oldEndAt, oldEndAt, spreadsheetId);
        sql.addKey.run(spreadsheetId, key.secret, key.createdAt);
      }),
    addDevice: ({ deviceId, spreadsheetId, name, scopes, tokenHash, createdAt }) =>
      void sql.addDevice.run(deviceId, spreadsheetId, name, scopes.join(" "), tokenHash, createdAt),
    touchDevices: (seen) =>
      store.transact(() => {
        for (const [deviceId, at] of seen) sql.touch.run(at, deviceId);
      }, "soon"),
    revokeDevice: (deviceId, at) => void sql.revoke.run(at, deviceId),
    audit: ({ at, event, spreadsheetId, deviceId, detail }) =>
      void sql.audit.run(at, event, spreadsheetId ?? null, deviceId ?? null, detail ?? null),
    audits: () => sql.audits.all().map((row) => auditRow.parse(row)),
    version: () => store.foreignWrites(),
  };
}
