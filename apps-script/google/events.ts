/** Google's event objects as plain facts. Anybody who opens the panel can call our functions, so nothing here is trusted. */
export type LiveRange = GoogleAppsScript.Spreadsheet.Range;

type Fields = Readonly<Record<string, unknown>>;

const fieldsOf = (event: unknown): Fields => (typeof event === "object" && event !== null ? (event as Fields) : {});

const textOf = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);

/** The trigger that made the event, and the acting user's e-mail where Google tells it. */
export function factsOf(event: unknown): { triggerUid: string | undefined; email: string | undefined } {
  const { triggerUid, user } = fieldsOf(event);
  // Google documents a User with getEmail(), and its events show a plain field.
  const person = fieldsOf(user) as { getEmail?: unknown; email?: unknown };
  const email = typeof person.getEmail === "function" ? (person.getEmail as () => unknown).call(user) : person.email;
  const uid = typeof triggerUid === "number" ? String(triggerUid) : textOf(triggerUid);
  return { triggerUid: uid, email: textOf(email)?.slice(0, 320) };
}

/** The live range of an edit. What comes through `google.script.run` is JSON, which has none. */
export function rangeOf(event: unknown): LiveRange | undefined {
  const { range } = fieldsOf(event);
  return typeof (range as { getSheet?: unknown } | undefined)?.getSheet === "function"
    ? (range as LiveRange)
    : undefined;
}

/** What stood in a single edited cell, as Google renders it. */
export function oldValueOf(event: unknown): string | undefined {
  const { oldValue } = fieldsOf(event);
  return typeof oldValue === "string" ? oldValue.slice(0, 50_000) : undefined;
}

export const changeTypeOf = (event: unknown): string => textOf(fieldsOf(event)["changeType"]) ?? "OTHER";

/** The body of a web-app call. */
export const contentsOf = (event: unknown): unknown => fieldsOf(fieldsOf(event)["postData"])["contents"];
