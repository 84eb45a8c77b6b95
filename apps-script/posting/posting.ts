/** Signs readings, posts them, and keeps what the relay wants to know next. */
import { limits } from "@sheetwire/shared/limits";
import type { Cause, Reading, Want } from "@sheetwire/shared/protocol";
import { waitBefore } from "@sheetwire/shared/retry";
import { ask, type Program, type Sent } from "../effects/effects.ts";
import type { Reader } from "../reading/reading.ts";
import { groupsOf, packReading, packUp, type Packed } from "./packing.ts";
import { parseObject } from "../settings/settings.ts";
import { wantsOf } from "./wants.ts";

export { wantsOf } from "./wants.ts";
export { groupsOf, packUp, type Packed } from "./packing.ts";

declare const SHEETWIRE_VERSION: string;

/** The version of this program, put in by the build. */
export const version: string = typeof SHEETWIRE_VERSION === "string" ? SHEETWIRE_VERSION : "0.0.0";

/** Protocol version that this program speaks: what its types were compiled from. */
const protocol = 1;

/** One execution of the script, as the relay knows it. */
export type Run = {
  readonly id: string;
  readonly startedAt: number;
  readonly cause: Cause;
  readonly actor: string | undefined;
  readonly installation: string;
  readonly spreadsheetId: string;
  readonly url: string;
  readonly ingestKey: string;
  /** How many times a post is tried again before it counts as failed. */
  readonly retries: number;
  /** Number of the next post. */
  n: number;
  /** What the relay still wants, by id. */
  readonly wants: Map<string, Want>;
  /** How often a want was answered in this run. */
  readonly answered: Map<string, number>;
};

export type RunPlan = Omit<Run, "n" | "wants" | "answered">;

export const createRun = (plan: RunPlan): Run => ({ ...plan, n: 0, wants: new Map(), answered: new Map() });

/** `unsent` is what did not reach the relay, in order. */
export type Delivery =
  | { readonly ok: true }
  | { readonly ok: false; readonly code: string; readonly unsent: readonly Reading[] };

/** What made the readings, where it is not what made the run. */
export type As = { readonly cause: Cause; readonly actor?: string | undefined };

/** A want that is handed out this often in one run is left to a later one. */
const answersMost = 3;

/** Posts readings, in several posts when they are many. Wants in the answers are added to the run's. */
export function* deliver(run: Run, readings: readonly Reading[], as: As = run): Program<Delivery> {
  return yield* deliverPacked(run, readings.flatMap(packUp), as);
}

/**
 * Reads and posts what the relay wants until it wants nothing more, or until `deadline` (by the script's clock).
 * What is left then stays on the relay's list and is handed out at the next chance.
 */
export function* answerWants(run: Run, reader: Reader, deadline: number): Program<Delivery> {
  while (run.wants.size > 0 && (yield* ask("now")) < deadline) {
    yield* reader.newRound();
    const packed: Packed[] = [];
    let bytes = 0;
    for (const [id, want] of run.wants) {
      if (bytes >= limits.postTargetChars || (packed.length > 0 && (yield* ask("now")) >= deadline)) break;
      run.wants.delete(id);
      const times = run.answered.get(id) || 0;
      run.answered.set(id, times + 1);
      if (times >= answersMost) continue;
      for (const one of packUp(yield* reader.answer(want))) {
        packed.push(one);
        bytes += one.bytes;
      }
    }
    const delivery = yield* deliverPacked(run, packed, run);
    if (!delivery.ok) return delivery;
  }
  return { ok: true };
}

function* deliverPacked(run: Run, packed: readonly Packed[], as: As): Program<Delivery> {
  const queue = groupsOf(packed, limits.postTargetChars);
  for (let group = queue.shift(); group; group = queue.shift()) {
    const answer = yield* postOnce(run, group, as);
    if (answer.kind === "taken") {
      for (const want of answer.wants) run.wants.set(want.id, want);
      continue;
    }
    if (answer.code === "too-large") {
      const smaller = smallerGroups(group, answer.maxBytes);
      if (smaller) {
        queue.unshift(...smaller);
        continue;
      }
    }
    return { ok: false, code: answer.code, unsent: [...group, ...queue.flat()].map((one) => one.reading) };
  }
  return { ok: true };
}

/** The same readings in smaller posts, or nothing when there is no smaller. */
function smallerGroups(group: readonly Packed[], maxBytes = Infinity): Packed[][] | undefined {
  const bytes = group.reduce((sum, one) => sum + one.bytes, 0);
  const most = Math.floor(Math.min(bytes / 2, maxBytes * 0.9));
  if (most < 1_000) return undefined;
  const parts = group.flatMap((one) => packReading(one.reading, most));
  const groups = groupsOf(parts, most);
  return groups.length > 1 ? groups : undefined;
}

/** `mayPass`: trying again is worth it. */
type Answer =
  | { readonly kind: "taken"; readonly wants: readonly Want[] }
  | { readonly kind: "failed"; readonly code: string; readonly mayPass: boolean; readonly maxBytes?: number };

/** The body of the run's next post. */
export function bodyOf(run: Run, texts: readonly string[], as: As, spentMs: number): string {
  const head = JSON.stringify({
    protocol,
    run: run.id,
    n: run.n,
    cause: as.cause,
    actor: as.actor,
    script: { version, installation: run.installation },
    allowance: { spentMs: Math.max(0, spentMs), runLimitMs: limits.runLimitMs },
  });
  run.n += 1;
  return `${head.slice(0, -1)},"readings":[${texts.join(",")}]}`;
}

/** One post and its repetitions. A repetition has the same id and body, a new timestamp and signature. */
function* postOnce(run: Run, group: readonly Packed[], as: As): Program<Answer> {
  const id = yield* ask("uuid");
  const spentMs = (yield* ask("now")) - run.startedAt;
  const body = bodyOf(
    run,
    group.map((one) => one.text),
    as,
    spentMs,
  );
  const url = `${run.url.replace(/\/+$/, "")}/v1/spreadsheets/${run.spreadsheetId}/posts`;
  for (let attempt = 0; ; attempt += 1) {
    const timestamp = String(Math.floor((yield* ask("now")) / 1_000));
    const sent = yield* ask("send", { url, key: run.ingestKey, id, timestamp, body });
    const answer = judge(sent);
    if (answer.kind === "taken" || !answer.mayPass || attempt >= run.retries) return answer;
    yield* ask("sleep", { ms: pauseBefore(attempt, sent, id) });
  }
}

/** The id's random digits are the die: the script needs no other chance. */
function pauseBefore(attempt: number, sent: Sent, id: string): number {
  const asked = sent.reached ? sent.retryAfterMs : undefined;
  const die = (Number.parseInt(id.slice(0, 8), 16) || 0) / 2 ** 32;
  return Math.min(5_000, Math.max(asked || 0, waitBefore(attempt, die, 2_000, 5_000)));
}

/** What an answer, or its absence, means. */
function judge(sent: Sent): Answer {
  const failed = (code: string, mayPass: boolean) => ({ kind: "failed", code, mayPass }) as const;
  if (!sent.reached) return failed(sent.code, true);
  const { status } = sent;
  const { epoch, wants, code, maxBytes } = parseObject(sent.text) || {};
  if (status === 202 && typeof epoch === "string") return { kind: "taken", wants: wantsOf(wants) };
  if (status === 413) return { ...failed("too-large", false), maxBytes: Number(maxBytes) || Infinity };
  // A redirect or a page instead of an answer: whatever it is, it is not a relay that took the post.
  if (status < 400) return failed("not-a-relay", true);
  const known = typeof code === "string" && /^[a-z0-9-]{1,64}$/.test(code) ? code : `http-${status}`;
  return failed(known, status === 429 || status === 408 || status >= 500);
}
