/**
 * The script's thinking is written as generators that yield what they ask of the world (an {@link Effect}) and are handed
 * its answer. At Google {@link runBlocking} answers from Google's services; in a simulation {@link runAsync} answers from
 * promises, so that many runs can be inside one spreadsheet at once and any order of events can be tried.
 * Effects and answers are plain data: none of Google's live objects passes through here.
 */
import type { Spreadsheet } from "@sheetwire/shared/protocol";

/** A rectangle of one sheet. Counted from 0; sizes in rows and columns. */
export type Rectangle = {
  readonly sheetId: number;
  readonly row: number;
  readonly column: number;
  readonly rows: number;
  readonly columns: number;
};

export type Size = { readonly rows: number; readonly columns: number };

/** A date as Google hands it over: an instant, in milliseconds since 1970. */
export type Instant = { readonly ms: number };

/** What a range's values are. Blank is "". */
export type RawValue = boolean | number | string | Instant;

/** A trigger of the user whose authority the script runs with. */
export type Trigger = { readonly uid: string; readonly handler: string };

/** What came of sending a post: an HTTP answer, or a code for why there was none. */
export type Sent =
  | {
      readonly reached: true;
      readonly status: number;
      readonly text: string;
      readonly retryAfterMs?: number | undefined;
    }
  | { readonly reached: false; readonly code: string };

type Nothing = Record<never, never>;

/** Every effect: what is asked, and what the answer is. */
export type Effects = {
  /** Milliseconds since 1970 by the script's clock. */
  now: [Nothing, number];
  uuid: [Nothing, string];
  sleep: [{ readonly ms: number }, void];
  /** A line for the executions page. Codes and counts, never contents. */
  log: [{ readonly line: string }, void];
  /** All document properties, in one read. */
  properties: [Nothing, Readonly<Record<string, string>>];
  saveProperties: [{ readonly set: Readonly<Record<string, string>>; readonly remove: readonly string[] }, void];
  /** The document lock; false when it was not to be had in time. */
  lock: [{ readonly waitMs: number }, boolean];
  unlock: [Nothing, void];
  /** Whether this id is seen for the first time within `forS` seconds. */
  firstSeen: [{ readonly id: string; readonly forS: number }, boolean];
  spreadsheetId: [Nothing, string];
  spreadsheet: [Nothing, Spreadsheet];
  timeZone: [Nothing, string];
  /** How far the zone's clocks are ahead of UTC at an instant, in milliseconds. */
  zoneOffset: [{ readonly timeZone: string; readonly ms: number }, number];
  /** What the event's live range covers now; nothing when its sheet is gone or has no cells. */
  eventRange: [Nothing, Rectangle | undefined];
  /** The grid's size; nothing when the sheet is gone or has no cells. */
  size: [{ readonly sheetId: number }, Size | undefined];
  /** Up to the last filled row and column; nothing when the sheet is gone or has no cells. */
  usedSize: [{ readonly sheetId: number }, Size | undefined];
  /** Nothing when the rectangle does not exist (any more). */
  values: [Rectangle, readonly (readonly RawValue[])[] | undefined];
  formulas: [Rectangle, readonly (readonly string[])[] | undefined];
  displays: [Rectangle, readonly (readonly string[])[] | undefined];
  /** Makes the next reads of this run see the sheet as it is then. */
  flush: [Nothing, void];
  /** Google's pseudonym for the acting user. */
  userKey: [Nothing, string | undefined];
  triggers: [Nothing, readonly Trigger[]];
  /** Replaces this user's triggers of these handlers. `everyMinutes` makes it a timed one, else it hears what `on` says. */
  installTriggers: [{ readonly plans: readonly TriggerPlan[] }, readonly Trigger[]];
  /** Removes this user's triggers of these handlers and says how many there were. */
  removeTriggers: [{ readonly handlers: readonly string[] }, number];
  /** The web app's address, when it is deployed. */
  webApp: [Nothing, string | undefined];
  /** Base64 of the HMAC-SHA256 of the text's UTF-8 bytes, with a key given as base64. */
  sign: [{ readonly key: string; readonly text: string }, string];
  /** Signs and posts a JSON body. No answer is a value here, not a fault. */
  send: [
    {
      readonly url: string;
      readonly key: string;
      readonly id: string;
      readonly timestamp: string;
      readonly body: string;
    },
    Sent,
  ];
};

export type TriggerPlan = {
  readonly handler: string;
  readonly on: "edit" | "change" | { readonly everyMinutes: 1 | 5 | 10 | 15 | 30 };
};

export type EffectName = keyof Effects;
export type EffectOf<K extends EffectName> = { readonly effect: K } & Effects[K][0];
export type Effect = { [K in EffectName]: EffectOf<K> }[EffectName];
export type AnswerTo<K extends EffectName> = Effects[K][1];

/** Thinking that ends in a `T`. */
export type Program<T> = Generator<Effect, T, unknown>;

/** Effects that need no further words. */
type Plain = {
  [K in EffectName]: Effects[K][0] extends Nothing ? (Nothing extends Effects[K][0] ? K : never) : never;
}[EffectName];

/** Yields one effect and gives its answer: `const now = yield* ask("now")`. */
export function ask<K extends Plain>(effect: K): Program<AnswerTo<K>>;
export function ask<K extends EffectName>(effect: K, details: Effects[K][0]): Program<AnswerTo<K>>;
export function* ask(effect: EffectName, details?: object): Program<unknown> {
  return yield { effect, ...details } as unknown as Effect;
}

/** Does something under the document lock; false when the lock was not to be had in time. */
export function* underLock(waitMs: number, inside: () => Program<void>): Program<boolean> {
  if (!(yield* ask("lock", { waitMs }))) return false;
  try {
    yield* inside();
  } finally {
    yield* ask("unlock");
  }
  return true;
}

/** Who answers effects at once. */
export type Hands = { readonly [K in EffectName]: (details: Effects[K][0]) => AnswerTo<K> };

/** Who answers effects in their own time. */
export type SlowHands = { readonly [K in EffectName]: (details: Effects[K][0]) => AnswerTo<K> | Promise<AnswerTo<K>> };

/** Runs a program to its end. What a hand throws is thrown where the program asked. */
export function runBlocking<T>(program: Program<T>, hands: Hands): T {
  let step = program.next();
  while (!step.done) {
    let answer: unknown;
    let fault: { readonly thrown: unknown } | undefined;
    try {
      answer = reach(hands, step.value);
    } catch (thrown) {
      fault = { thrown };
    }
    step = fault ? program.throw(fault.thrown) : program.next(answer);
  }
  return step.value;
}

/** The same over hands that take time; between any two effects other runs may act. */
export async function runAsync<T>(program: Program<T>, hands: SlowHands): Promise<T> {
  let step = program.next();
  while (!step.done) {
    let answer: unknown;
    let fault: { readonly thrown: unknown } | undefined;
    try {
      answer = await reach(hands, step.value);
    } catch (thrown) {
      fault = { thrown };
    }
    step = fault ? program.throw(fault.thrown) : program.next(answer);
  }
  return step.value;
}

function reach(hands: Hands | SlowHands, effect: Effect): unknown {
  const hand = hands[effect.effect] as (details: Effect) => unknown;
  return hand(effect);
}
