import { ask, exception, isBytes, utf8 } from "./host.ts";

export type Blob = {
  getBytes(): number[];
  getDataAsString(charset?: string): string;
  getContentType(): string | null;
  getName(): string | null;
  setContentType(type: string | null): Blob;
  setName(name: string): Blob;
  setBytes(bytes: number[]): Blob;
  setDataFromString(text: string, charset?: string): Blob;
  copyBlob(): Blob;
  isGoogleType(): boolean;
};

export function newBlob(data: string | number[], contentType: string | null = null, name: string | null = null): Blob {
  let bytes: number[] | undefined = isBytes(data) ? data.slice() : undefined;
  let text: string | undefined = typeof data === "string" ? data : undefined;
  if (bytes === undefined && text === undefined)
    throw exception("The parameters don't match the method signature for Utilities.newBlob.");
  let type = contentType ?? (text === undefined ? null : "text/plain");
  let title = name;
  const held = (): number[] => (bytes ??= utf8(text ?? ""));
  const blob: Blob = {
    getBytes: () => held().slice(),
    getDataAsString: (charset = "UTF-8") => decode(held(), charset),
    getContentType: () => type,
    getName: () => title,
    setContentType: (to) => {
      type = to;
      return blob;
    },
    setName: (to) => {
      title = to;
      return blob;
    },
    setBytes: (to) => {
      bytes = to.slice();
      text = undefined;
      return blob;
    },
    setDataFromString: (to, charset = "UTF-8") => {
      bytes = /^utf-?8$/i.test(charset) ? undefined : encode(to, charset);
      text = to;
      return blob;
    },
    copyBlob: () => newBlob(held(), type, title),
    isGoogleType: () => false,
  };
  return blob;
}

export function decode(bytes: readonly number[], charset: string): string {
  return String(ask("local.decode", charset, Int8Array.from(bytes)));
}

/** Text as bytes in a charset; what the charset has not becomes `?`. */
export function encode(text: string, charset: string): number[] {
  if (/^utf-?8$/i.test(charset)) return utf8(text);
  const limit = /^iso-?8859-?1$/i.test(charset) ? 255 : 127;
  const bytes: number[] = [];
  for (const letter of text) {
    const code = letter.codePointAt(0) ?? 63;
    const byte = code > limit ? 63 : code;
    bytes.push(byte > 127 ? byte - 256 : byte);
  }
  return bytes;
}
