/** What a store of access records does. It only keeps; what the records mean is decided in access.ts. */
export type Scope = "read" | "write";

export type SpreadsheetRecord = { readonly spreadsheetId: string; readonly createdAt: number };

export type KeyRecord = {
  readonly spreadsheetId: string;
  /** `whsec_` and base64. */
  readonly secret: string;
  readonly createdAt: number;
  /** When it stops being valid; absent for the current one. */
  readonly endsAt?: number | undefined;
};

export type DeviceRecord = {
  readonly deviceId: string;
  readonly spreadsheetId: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** SHA-256 of the token, hex. */
  readonly tokenHash: string;
  readonly createdAt: number;
  readonly lastSeenAt?: number | undefined;
  readonly revokedAt?: number | undefined;
};

export type AuditRecord = {
  readonly at: number;
  readonly event: string;
  readonly spreadsheetId?: string | undefined;
  readonly deviceId?: string | undefined;
  readonly detail?: string | undefined;
};

export type AccessRecords = {
  readonly spreadsheets: readonly SpreadsheetRecord[];
  readonly keys: readonly KeyRecord[];
  readonly devices: readonly DeviceRecord[];
};

export interface AccessStore {
  read(): AccessRecords;
  /** Both or neither; false when the spreadsheet is there already. */
  addSpreadsheet(spreadsheet: SpreadsheetRecord, key: Omit<KeyRecord, "spreadsheetId">): boolean;
  /** With its keys and devices; false when it was not there. */
  removeSpreadsheet(spreadsheetId: string): boolean;
  /** Adds a key and lets the others end at `oldEndAt`, those that end earlier excepted. */
  rotateKey(spreadsheetId: string, key: Omit<KeyRecord, "spreadsheetId">, oldEndAt: number): void;
  addDevice(device: DeviceRecord): void;
  /** When each of these devices was seen, by its id. */
  touchDevices(seen: readonly (readonly [deviceId: string, at: number])[]): void;
  revokeDevice(deviceId: string, at: number): void;
  audit(record: AuditRecord): void;
  audits(): readonly AuditRecord[];
  /** Changes when another process has written. */
  version(): number;
}
