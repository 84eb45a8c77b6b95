/** Access records that live as long as the process. */
import type { AccessStore, AuditRecord, DeviceRecord, KeyRecord, SpreadsheetRecord } from "../store.ts";

export function createMemoryAccessStore(): AccessStore {
  const spreadsheets = new Map<string, SpreadsheetRecord>();
  let keys: KeyRecord[] = [];
  const devices = new Map<string, DeviceRecord>();
  const audits: AuditRecord[] = [];
  const change = (deviceId: string, more: Partial<DeviceRecord>): void => {
    const device = devices.get(deviceId);
    if (device) devices.set(deviceId, { ...device, ...more });
  };
  return {
    read: () => ({ spreadsheets: [...spreadsheets.values()], keys: [...keys], devices: [...devices.values()] }),
    addSpreadsheet(spreadsheet, key) {
      if (spreadsheets.has(spreadsheet.spreadsheetId)) return false;
      spreadsheets.set(spreadsheet.spreadsheetId, spreadsheet);
      keys.push({ ...key, spreadsheetId: spreadsheet.spreadsheetId });
      return true;
    },
    removeSpreadsheet(spreadsheetId) {
      keys = keys.filter((key) => key.spreadsheetId !== spreadsheetId);
      for (const device of devices.values())
        if (device.spreadsheetId === spreadsheetId) devices.delete(device.deviceId);
      return spreadsheets.delete(spreadsheetId);
    },
    rotateKey(spreadsheetId, key, oldEndAt) {
      keys = keys.map((one) =>
        one.spreadsheetId === spreadsheetId ? { ...one, endsAt: Math.min(one.endsAt ?? oldEndAt, oldEndAt) } : one,
      );
      keys.push({ ...key, spreadsheetId });
    },
    addDevice: (device) => void devices.set(device.deviceId, device),
    touchDevices: (seen) => {
      for (const [deviceId, at] of seen) change(deviceId, { lastSeenAt: at });
    },
    revokeDevice: (deviceId, at) => change(deviceId, { revokedAt: at }),
    audit: (record) => void audits.push(record),
    audits: () => audits,
    version: () => 0,
  };
}
