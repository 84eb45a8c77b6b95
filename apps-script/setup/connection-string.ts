import { connectionOf, parseObject, type Connection } from "../settings/settings.ts";

const prefix = "sw1.";

/** The connection that a pasted text holds, or what is wrong with it, in words for the person who pasted it. */
export function readConnectionString(
  text: string,
  spreadsheetId: string,
): { readonly ok: true; readonly connection: Connection } | { readonly ok: false; readonly message: string } {
  const no = (message: string) => ({ ok: false, message }) as const;
  const pasted = text.replace(/\s+/g, "");
  if (!pasted) return no("Paste the connection string that your Sheetwire admin gave you.");
  if (pasted.length > 8_192 || !pasted.startsWith(prefix)) {
    return no(`That is not a connection string: it begins with "${prefix}". Ask your Sheetwire admin for it.`);
  }
  const json = decodeBase64Url(pasted.slice(prefix.length));
  const connection = connectionOf(parseObject(json));
  if (!connection) return no("The connection string is damaged or incomplete. Copy the whole of it and try again.");
  if (connection.spreadsheetId !== spreadsheetId) {
    return no("This connection string belongs to another spreadsheet. Ask for one that was made for this spreadsheet.");
  }
  const address = /^(https?):\/\/(\[[0-9a-f:]+\]|[^\s/?#@:[\]]+)(:\d{1,5})?(\/[^\s?#]*)?$/i.exec(connection.url);
  const [, scheme = "", host = ""] = address || [];
  if (!address) return no("The relay's address in the connection string is not a web address.");
  const isLoopback = ["127.0.0.1", "localhost"].includes(host.toLowerCase());
  if (scheme.toLowerCase() === "http" && !isLoopback) {
    return no("The relay's address must begin with https://, so that nobody on the way can read your cells.");
  }
  return { ok: true, connection };
}

/** Text in UTF-8 from base64url, with or without padding; nothing when it is none. */
export function decodeBase64Url(text: string): string | undefined {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  let escaped = "";
  let bits = 0;
  let word = 0;
  for (const letter of text.replace(/=+$/, "")) {
    const value = alphabet.indexOf(letter === "+" ? "-" : letter === "/" ? "_" : letter);
    if (value < 0) return undefined;
    word = (word << 6) | value;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    escaped += `%${((word >> bits) & 255).toString(16).padStart(2, "0")}`;
    word &= (1 << bits) - 1;
  }
  try {
    return decodeURIComponent(escaped);
  } catch {
    return undefined;
  }
}
