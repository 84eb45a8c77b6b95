import { encode, newBlob, type Blob } from "./blob.ts";
import { ask, askForBytes, enumOf, exception, isBytes, object, type Enum } from "./host.ts";

const charsets = enumOf(["US_ASCII", "UTF_8"]);
const digests = enumOf(["MD2", "MD5", "SHA_1", "SHA_256", "SHA_384", "SHA_512"]);
const macs = enumOf(["HMAC_MD5", "HMAC_SHA_1", "HMAC_SHA_256", "HMAC_SHA_384", "HMAC_SHA_512"]);

/** Strings are US-ASCII with `?` for the rest unless a charset is named: bytes are the safe way. */
function bytesOf(value: unknown, charset: Enum | undefined, call: string): number[] {
  if (isBytes(value)) return value;
  if (typeof value === "string") return encode(value, charset === charsets["UTF_8"] ? "UTF-8" : "US-ASCII");
  throw exception(`The parameters don't match the method signature for ${call}.`);
}

function mac(algorithm: Enum, value: unknown, key: unknown, charset: Enum | undefined, call: string): number[] {
  if (isBytes(value) !== isBytes(key))
    throw exception(`The parameters (${typeof value},${typeof key}) don't match the method signature for ${call}.`);
  const message = bytesOf(value, charset, call);
  const secret = bytesOf(key, charset, call);
  const joined = Int8Array.from(message.concat(secret));
  return askForBytes("local.hmac", { algorithm: algorithm.name(), messageLength: message.length }, joined).bytes;
}

const isBlob = (value: unknown): value is Blob => typeof value === "object" && value !== null && "getBytes" in value;

export const Utilities = object("Utilities", {
  Charset: charsets,
  DigestAlgorithm: digests,
  MacAlgorithm: macs,
  newBlob,
  computeHmacSha256Signature: (value: unknown, key: unknown, charset?: Enum) =>
    mac(macs["HMAC_SHA_256"] ?? fail(), value, key, charset, "Utilities.computeHmacSha256Signature"),
  computeHmacSignature: (algorithm: Enum, value: unknown, key: unknown, charset?: Enum) =>
    mac(algorithm, value, key, charset, "Utilities.computeHmacSignature"),
  computeDigest: (algorithm: Enum, value: unknown, charset?: Enum) =>
    askForBytes("local.digest", algorithm.name(), Int8Array.from(bytesOf(value, charset, "Utilities.computeDigest")))
      .bytes,
  base64Encode: (data: unknown, charset?: Enum) => base64(data, charset, "local.base64"),
  base64EncodeWebSafe: (data: unknown, charset?: Enum) => base64(data, charset, "local.base64Url"),
  base64Decode: (text: string) => unbase64(text, /^[A-Za-z0-9+/]*={0,2}$/),
  base64DecodeWebSafe: (text: string) => unbase64(text, /^[A-Za-z0-9_-]*={0,2}$/),
  getUuid: () => String(ask("local.uuid")),
  formatDate: (date: Date, timeZone: string, format: string) => {
    if (Object.prototype.toString.call(date) !== "[object Date]") {
      throw exception(
        `The parameters (${typeof date},String,String) don't match the method signature for Utilities.formatDate.`,
      );
    }
    return String(ask("local.formatDate", { instantMs: date.getTime(), timeZone, format }));
  },
  sleep: (milliseconds: number) => {
    if (!(milliseconds >= 0) || milliseconds > 300_000) throw exception("Invalid argument: milliseconds");
    ask("time.sleep", milliseconds);
  },
  gzip: (blob: Blob, name?: string) =>
    newBlob(
      askForBytes("local.gzip", null, Int8Array.from(blob.getBytes())).bytes,
      "application/x-gzip",
      name ?? "archive.gz",
    ),
  ungzip: (blob: Blob) => newBlob(askForBytes("local.ungzip", null, Int8Array.from(blob.getBytes())).bytes),
  jsonParse: (text: string) => JSON.parse(text) as unknown,
  jsonStringify: (value: unknown) => JSON.stringify(value),
  formatString: (template: string, ...args: unknown[]) => {
    let next = 0;
    return template.replace(
      /%(?:(\d*)(?:\.(\d+))?([sdf])|%)/g,
      (piece, width: string, digits: string, kind: string) => {
        if (piece === "%%") return "%";
        const value = args[next++];
        const text =
          kind === "f"
            ? Number(value).toFixed(digits ? Number(digits) : 6)
            : kind === "d"
              ? String(Math.trunc(Number(value)))
              : String(value);
        return text.padStart(width === "" ? 0 : Number(width), width.startsWith("0") ? "0" : " ");
      },
    );
  },
  parseCsv: (text: string, delimiter = ",") => parseCsv(text, delimiter),
});

function base64(data: unknown, charset: Enum | undefined, op: string): string {
  const bytes = isBlob(data) ? data.getBytes() : bytesOf(data, charset, "Utilities.base64Encode");
  return String(ask(op, null, Int8Array.from(bytes)));
}

function unbase64(text: string, alphabet: RegExp): number[] {
  if (typeof text !== "string" || !alphabet.test(text)) throw exception("Could not decode string.");
  return askForBytes("local.unbase64", text).bytes;
}

function parseCsv(text: string, delimiter: string): string[][] {
  const rows: string[][] = [[]];
  let field = "";
  let isQuoted = false;
  for (let i = 0; i < text.length; i++) {
    const letter = text[i] ?? "";
    if (isQuoted) {
      if (letter !== '"') field += letter;
      else if (text[i + 1] === '"') {
        field += '"';
        i++;
      } else isQuoted = false;
    } else if (letter === '"') isQuoted = true;
    else if (letter === delimiter || letter === "\n") {
      rows[rows.length - 1]?.push(field.replace(/\r$/, ""));
      field = "";
      if (letter === "\n") rows.push([]);
    } else field += letter;
  }
  rows[rows.length - 1]?.push(field);
  return rows;
}

function fail(): never {
  throw exception("No such algorithm.");
}
