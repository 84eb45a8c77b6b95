/** What stands between a script and the rest of the world: one function, handed in before the script begins. */

export type Answer = {
  readonly json: string;
  readonly bytes?: Uint8Array;
  readonly error?: string;
  /** The run is ended here: it never hears of this answer. */
  readonly isEnd?: boolean;
  /** What time it is, where that is not the machine's. */
  readonly now?: number | undefined;
};

export type Run = {
  readonly spreadsheetId: string;
  readonly authMode: "NONE" | "LIMITED" | "FULL";
  /** Undefined where the manifest lists none: then everything is asked for by itself. */
  readonly scopes: readonly string[] | undefined;
  readonly scriptTimeZone: string;
  readonly effectiveUser: string;
  /** Blank where Google would not say. */
  readonly activeUser: string;
  readonly temporaryUserKey: string;
  readonly locale: string;
  readonly hasUi: boolean;
  readonly webAppUrl: string | undefined;
  readonly htmlFiles: Readonly<Record<string, string>>;
  /** So much does this run's clock differ from the one outside. */
  readonly skewMs: number;
  /** What time it is when it begins, where that is not the machine's. */
  readonly now: number | undefined;
};

export type Host = {
  call: (op: string, args: string, bytes?: Int8Array) => Answer;
  /** What time it is, where that is not the machine's. */
  now: () => number | undefined;
};

let host: Host = { call: () => ({ json: "null", error: "Not connected." }), now: () => undefined };
let current: Run | undefined;

export function connect(to: Host, facts: Run): void {
  host = to;
  current = facts;
}

export function run(): Run {
  if (!current) throw new Error("No run has begun.");
  return current;
}

/** Asks the world; blocks until it has answered. What it refuses is thrown as Google throws it. */
export function ask(op: string, args: unknown = null, bytes?: Int8Array): unknown {
  return askForBytes(op, args, bytes).value;
}

export function askForBytes(op: string, args: unknown = null, bytes?: Int8Array): { value: unknown; bytes: number[] } {
  const answer = host.call(op, JSON.stringify(args), bytes);
  if (answer.error !== undefined) throw exception(answer.error);
  return { value: JSON.parse(answer.json), bytes: signed(answer.bytes) };
}

export function exception(message: string): Error {
  const error = new Error(message);
  error.name = "Exception";
  return error;
}

/** Bytes as scripts know them: numbers from -128 to 127. */
function signed(bytes: Uint8Array | undefined): number[] {
  const list = bytes ? Array.from(new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)) : [];
  madeHere.add(list);
  return list;
}

/** Lists of bytes that came from here: they are long, and looking at each number takes its time in a fresh context. */
const madeHere = new WeakSet<object>();

export const isBytes = (value: unknown): value is number[] =>
  Array.isArray(value) && (madeHere.has(value) || value.every((one) => typeof one === "number"));

export function utf8(text: string): number[] {
  return askForBytes("local.utf8", text).bytes;
}

const scopePrefix = "https://www.googleapis.com/auth/";

/** Throws as Google does where the manifest does not list one of these scopes or the run has no authorization. */
export function needScope(call: string, anyOf: readonly string[], lowest: "NONE" | "LIMITED" | "FULL" = "FULL"): void {
  const { scopes, authMode } = run();
  const levels = ["NONE", "LIMITED", "FULL"];
  const hasScope =
    scopes === undefined || anyOf.length === 0 || anyOf.some((scope) => scopes.includes(scopePrefix + scope));
  if (hasScope && levels.indexOf(authMode) >= levels.indexOf(lowest)) return;
  const wanted = anyOf.map((scope) => scopePrefix + scope).join(" || ");
  throw exception(
    `You do not have permission to call ${call}.${wanted === "" ? "" : ` Required permissions: ${wanted}`}`,
  );
}

/** Google's enums: compared by identity, written by name. */
export type Enum = { toString(): string; toJSON(): string; name(): string; ordinal(): number };

export function enumOf(names: readonly string[]): Record<string, Enum> {
  const members: Record<string, Enum> = {};
  names.forEach((name, ordinal) => {
    members[name] = { toString: () => name, toJSON: () => name, name: () => name, ordinal: () => ordinal };
  });
  return members;
}

/** Hides functions from for-in and JSON, as Google's objects do, and gives the object its printed name. */
export function object<T extends object>(name: string, members: T): T {
  return Object.assign(members, { toString: () => name });
}
