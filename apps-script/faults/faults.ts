/**
 * Faults as codes. What Google throws may quote a cell, an address or a person, so neither its text nor its arguments are
 * ever logged or stored: only a code from this table, and the names of the functions it passed through.
 */

/** Texts of Google's exceptions, as seen in its documentation and in public reports, 2026. They may be worded anew any day. */
const known: readonly (readonly [RegExp, string])[] = [
  [/too much computer time/i, "quota-runtime"],
  [/too many times|bandwidth quota/i, "quota"],
  [/simultaneous/i, "too-many-runs"],
  [/permitted by your admin|whitelist|allowlist/i, "url-not-permitted"],
  [/permission|authoriz/i, "no-permission"],
  [/dns/i, "dns"],
  [/ssl|certificate/i, "certificate"],
  [/address unavailable|connection|unreachable|refused/i, "unreachable"],
  [/timed? ?out/i, "timeout"],
  [/service (spreadsheets|error)/i, "spreadsheet-service"],
  [/limit exceeded|too large/i, "limit-exceeded"],
];

type Thrown = { readonly message?: unknown; readonly name?: unknown; readonly stack?: unknown };

const thrown = (fault: unknown): Thrown => (typeof fault === "object" && fault !== null ? fault : { message: fault });

/** A short code for anything that was thrown. */
export function codeOf(fault: unknown): string {
  const { message, name } = thrown(fault);
  const text = String(message).slice(0, 2_000);
  const found = known.find(([pattern]) => pattern.test(text));
  if (found) return found[1];
  return typeof name === "string" && /^[A-Za-z]{1,40}$/.test(name) ? `fault-${name}` : "fault";
}

/** The functions a fault passed through, innermost first, with their lines; never its message. */
export function traceOf(fault: unknown): string {
  const { stack, message } = thrown(fault);
  if (typeof stack !== "string") return "";
  const names: string[] = [];
  // The stack begins with the message, which may hold lines that look like places.
  for (const line of stack.replace(String(message), "").split("\n")) {
    const match = /^\s+at (?:([\w$.<>[\] ]{1,80}) )?\(?[^()]*?(\d+)(?::\d+)?\)?$/.exec(line);
    if (match) names.push(`${match[1] || "?"}:${match[2]}`);
    if (names.length === 8) break;
  }
  return names.join(" < ");
}
