const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Plain base64 of bytes, without any platform's help. */
export function encodeBase64(bytes: Uint8Array): string {
  const pieces: string[] = [];
  let piece = "";
  for (let at = 0; at < bytes.length; at += 3) {
    const a = bytes[at] ?? 0;
    const b = bytes[at + 1] ?? 0;
    const c = bytes[at + 2] ?? 0;
    piece +=
      ALPHABET.charAt(a >> 2) +
      ALPHABET.charAt(((a & 3) << 4) | (b >> 4)) +
      (at + 1 < bytes.length ? ALPHABET.charAt(((b & 15) << 2) | (c >> 6)) : "=") +
      (at + 2 < bytes.length ? ALPHABET.charAt(c & 63) : "=");
    if (piece.length > 8_192) {
      pieces.push(piece);
      piece = "";
    }
  }
  pieces.push(piece);
  return pieces.join("");
}

/** Marked as pure, so that a program which only encodes does not carry it. */
const VALUE = /* @__PURE__ */ valuesOf(ALPHABET);

function valuesOf(alphabet: string): Int8Array {
  const values = new Int8Array(128).fill(-1);
  for (let at = 0; at < alphabet.length; at += 1) values[alphabet.charCodeAt(at)] = at;
  return values;
}

/** The bytes of plain base64, or nothing when the text is not that. */
export function decodeBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0) return undefined;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  let to = 0;
  for (let at = 0; at < text.length; at += 4) {
    let word = 0;
    for (let offset = 0; offset < 4; offset += 1) {
      const code = text.charCodeAt(at + offset);
      const isPadding = code === 61 && at + offset >= text.length - padding;
      const value = isPadding ? 0 : code < 128 ? (VALUE[code] ?? -1) : -1;
      if (value < 0) return undefined;
      word = (word << 6) | value;
    }
    if (to < bytes.length) bytes[to++] = (word >>> 16) & 255;
    if (to < bytes.length) bytes[to++] = (word >>> 8) & 255;
    if (to < bytes.length) bytes[to++] = word & 255;
  }
  return bytes;
}
