/**
 * Takes one signed post as far as the log. What is refused is refused before anything is stored; what is answered with a
 * 202 is durable. Posts that arrive in one turn of the event loop share one commit.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { FIRST_CHAIN, nextChain } from "@sheetwire/shared/digest";
import { limits } from "@sheetwire/shared/limits";
import {
  changeSchema,
  OLDEST_PROTOCOL_VERSION,
  PROTOCOL_VERSION,
  postSchema,
  type Change,
  type Post,
  type PostAnswer,
  type RefusalCode,
  type RelayFacts,
  type Want,
} from "@sheetwire/shared/protocol";
import { judge, signedPrefix } from "@sheetwire/shared/signing";
import { DiskFullError, HeadMovedError, type Append, type ChangeLog, type Head } from "../log/log.ts";
import { SpreadsheetState } from "../sheets/sheets.ts";
import {
  answeringUntil,
  contradictionIn,
  emptyDesk,
  factsOf,
  foldPost,
  issueWants,
  letGo,
  loadDesk,
  noteAnswered,
  noteHeard,
  noteUnanswered,
  openWork,
  storeDesk,
  wantCheck,
  type CallHealth,
  type Desk,
  type OpenWork,
} from "../wants/wants.ts";

export type IngestResult =
  | { readonly ok: true; /** JSON text of the 202. */ readonly answer: string }
  | {
      readonly ok: false;
      readonly code: RefusalCode;
      readonly detail?: string;
      readonly maxBytes?: number;
      readonly retryAfterMs?: number;
    };

export type PostHeaders = { id: string | undefined; timestamp: string | undefined; signature: string | undefined };

/** One round of a call of the web app: `run` is the relay's name for it, `n` counts its rounds from 0. */
export type CallRound = { readonly run: string; readonly n: number; readonly sweepAll: boolean };

/** What the relay has to go by when it thinks of asking by itself. */
export type Standing = OpenWork & {
  readonly webApp: string | undefined;
  readonly calls: CallHealth;
  readonly lastHeardAt: number | undefined;
  readonly lastSweepAt: number | undefined;
  /** Until when somebody who was asked has time to answer. */
  readonly answeringUntil: number | undefined;
};

/** Takes posts as far as the log, and keeps the state that they are folded against. */
export interface Ingest {
  /** One signed post, its raw body. Resolves when it is durable or refused; a refusal has stored nothing. */
  take(spreadsheetId: string, headers: PostHeaders, body: Buffer): Promise<IngestResult>;
  /** The signed post with which the web app answered a call. Taken as any other, and as an answer to that round's wants. */
  takeAnswer(spreadsheetId: string, headers: PostHeaders, body: Buffer, round: CallRound): Promise<IngestResult>;
  /** How things stand; undefined for a spreadsheet without a record. */
  standingOf(spreadsheetId: string): Promise<Standing | undefined>;
  /** What to ask for in the first round of a call: leased to it, until it answers or `callEnded`. */
  wantsFor(spreadsheetId: string, round: CallRound): Promise<readonly Want[]>;
  /** A call that began at this moment has had no answer, so far or at all. */
  callUnanswered(spreadsheetId: string, since: number): Promise<void>;
  /** This call is over: what it was asked for and did not answer can be asked of others. */
  callEnded(spreadsheetId: string, run: string): Promise<void>;
  /** The state at the durable head, loaded from the store when need be; undefined for a spreadsheet without a record. */
  stateOf(spreadsheetId: string): Promise<SpreadsheetState | undefined>;
  /** `watchers` and `relay` are filled in by the caller. */
  factsOf(spreadsheetId: string): Promise<Omit<RelayFacts, "watchers" | "relay"> | undefined>;
  /** Called when the facts of a spreadsheet may have changed. Returns the way to end it. */
  onFacts(listener: (spreadsheetId: string) => void): () => void;
  /** Drops what is held in memory of a spreadsheet (it was erased or restored). */
  forget(spreadsheetId: string): void;
  close(): Promise<void>;
}

export type IngestNeeds = {
  log: ChangeLog;
  /** The valid ingest keys of a spreadsheet, as bytes; none for one that is not known. */
  keysOf: (spreadsheetId: string) => readonly Uint8Array[];
  /** Milliseconds since 1970. */
  now: () => number;
  /** Told of faults of our own. What an error says may quote contents: only its kind and place may be logged. */
  onFault: (error: unknown) => void;
};

/** One spreadsheet in memory. */
type Live = {
  state: SpreadsheetState;
  desk: Desk;
  /** Characters of entries since the state was stored last. */
  tailChars: number;
  storedChars: number;
  /** A fold broke off in it: it holds what no log says. */
  isVoid: boolean;
};

type Pending = {
  append: Append;
  live: Live;
  resolve: (result: IngestResult) => void;
  answer: string;
};

/** Checked against when no key is known, so that an unknown spreadsheet costs as much time as a wrong signature. */
const NOBODYS_KEY = new Uint8Array(32);
/** A state is stored again when the log behind it has grown by as much, at least so many characters. */
const STORE_STATE_AFTER_CHARS = 1_000_000;

export function createIngest(needs: IngestNeeds): Ingest {
  const { log, now } = needs;
  const startedAt = now();
  const lives = new Map<string, Promise<Live | undefined>>();
  const inFlight = new Map<string, { bodyHash: string; result: Promise<IngestResult> }>();
  const listeners = new Set<(spreadsheetId: string) => void>();
  let group: Pending[] = [];
  let committing: Promise<void> | undefined;
  let isClosed = false;

  async function take(
    spreadsheetId: string,
    headers: PostHeaders,
    body: Buffer,
    round?: CallRound,
  ): Promise<IngestResult> {
    const refused = authenticate(needs, spreadsheetId, headers, body);
    if (refused) return refused;
    const webhookId = headers.id ?? "";
    const bodyHash = createHash("sha256").update(body).digest("hex");
    const key = `${spreadsheetId} ${webhookId}`;
    const twin = inFlight.get(key);
    if (twin) return twin.bodyHash === bodyHash ? twin.result : { ok: false, code: "id-reused" };
    const result = takeOnce(spreadsheetId, webhookId, bodyHash, body, round);
    inFlight.set(key, { bodyHash, result });
    try {
      return await result;
    } finally {
      inFlight.delete(key);
    }
  }

  async function takeOnce(
    spreadsheetId: string,
    webhookId: string,
    bodyHash: string,
    body: Buffer,
    round: CallRound | undefined,
  ): Promise<IngestResult> {
    if (isClosed) return { ok: false, code: "shutting-down", retryAfterMs: 1_000 };
    const taken = await log.takenPost(spreadsheetId, webhookId);
    if (taken)
      return taken.bodyHash === bodyHash ? { ok: true, answer: taken.answer } : { ok: false, code: "id-reused" };
    const read = readPost(body);
    if ("refused" in read) return read.refused;
    if (round && read.post.cause !== "call")
      return { ok: false, code: "malformed", detail: "Not an answer to a call." };
    // Each round is a run of its own at Google; to the relay they are one, since each was asked for after the one before.
    const post = round ? { ...read.post, run: round.run, n: round.n } : read.post;
    const live = await liveOf(spreadsheetId, true);
    if (!live) return { ok: false, code: "unauthorized" };
    // From here to the commit's queue nothing is awaited: posts are folded one after the other.
    try {
      return await fold(spreadsheetId, live, post, { webhookId, bodyHash }, round);
    } catch (error) {
      // Half folded: whatever of it is still on its way to the store, this memory is never stored as a state.
      live.isVoid = true;
      forget(spreadsheetId);
      needs.onFault(error);
      return { ok: false, code: "internal", retryAfterMs: 2_000 };
    }
  }

  function fold(
    spreadsheetId: string,
    live: Live,
    post: Post,
    { webhookId, bodyHash }: { webhookId: string; bodyHash: string },
    round: CallRound | undefined,
  ): Promise<IngestResult> {
    const { state, desk } = live;
    const moment = now();
    const expected = state.head;
    const jsons: string[] = [];
    if (round) noteAnswered(desk, moment, round.sweepAll && round.n === 0);
    else noteHeard(post, desk, moment);
    foldPost(
      post,
      state,
      desk,
      (draft, readAt) => {
        const actor = post.actor === undefined ? {} : { actor: post.actor };
        const change: Change = {
          ...draft,
          seq: state.head.seq + 1,
          loggedAt: moment,
          cause: post.cause,
          ...actor,
          readAt,
        };
        const json = JSON.stringify(change);
        state.apply(change);
        state.head = { ...state.head, seq: change.seq, chain: nextChain(state.head.chain, json) };
        jsons.push(json);
      },
      moment,
    );
    // What did not fit into one answer is asked again in the next round.
    if (round) letGo(desk, round.run);
    const wants = issueWants(post, state, desk, moment);
    const { epoch, seq, chain } = state.head;
    const answer = JSON.stringify({ epoch, seq, wants } satisfies PostAnswer);
    const json = jsons.length > 0 ? `[${jsons.join(",")}]` : "";
    live.tailChars += json.length;
    const append: Append = {
      spreadsheetId,
      expected,
      ...(json ? { entry: { firstSeq: expected.seq + 1, lastSeq: seq, json, chain } } : {}),
      post: { webhookId, bodyHash, answer, takenAt: moment },
      desk: storeDesk(desk),
    };
    return new Promise((resolve) => {
      group.push({ append, live, resolve, answer });
      committing ??= commitSoon();
    });
  }

  /** Commits what this turn of the event loop brought. What arrives meanwhile shares the next commit. */
  async function commitSoon(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    const mine = group;
    group = [];
    try {
      await log.append(mine.map((one) => one.append));
      for (const { resolve, answer } of mine) resolve({ ok: true, answer });
      for (const spreadsheetId of new Set(mine.map((one) => one.append.spreadsheetId))) tell(spreadsheetId);
      for (const one of mine) await storeStateIfDue(one);
    } catch (error) {
      // What was folded is not in the store: memory is rebuilt from there, and nobody was told otherwise. What was folded
      // on top of it goes the same way.
      const lost = new Set(mine.map((one) => one.append.spreadsheetId));
      const stranded = group.filter((one) => lost.has(one.append.spreadsheetId));
      group = group.filter((one) => !lost.has(one.append.spreadsheetId));
      for (const spreadsheetId of lost) forget(spreadsheetId);
      const refusal = refusalOf(error);
      if (refusal.code === "internal") needs.onFault(error);
      for (const { resolve } of [...mine, ...stranded]) resolve(refusal);
    }
    committing = group.length > 0 ? commitSoon() : undefined;
  }

  /** Stores the state, when the log behind it has grown, and only at a head that is durable. */
  async function storeStateIfDue({ append, live }: Pending): Promise<void> {
    if (live.isVoid || live.tailChars < Math.max(STORE_STATE_AFTER_CHARS, live.storedChars)) return;
    const { head } = live.state;
    if (head.seq !== (append.entry?.lastSeq ?? append.expected.seq)) return;
    const lines = [...live.state.snapshotLines()];
    live.tailChars = 0;
    live.storedChars = lines.reduce((sum, line) => sum + line.length, 0);
    try {
      await log.saveState(append.spreadsheetId, { head, lines });
    } catch (error) {
      needs.onFault(error);
    }
  }

  function liveOf(spreadsheetId: string, create: boolean): Promise<Live | undefined> {
    const known = lives.get(spreadsheetId);
    if (known) return known;
    const loading = load(spreadsheetId, create);
    lives.set(spreadsheetId, loading);
    loading.then(
      (live) => live ?? (lives.get(spreadsheetId) === loading && lives.delete(spreadsheetId)),
      () => lives.get(spreadsheetId) === loading && lives.delete(spreadsheetId),
    );
    return loading;
  }

  async function load(spreadsheetId: string, create: boolean): Promise<Live | undefined> {
    const head = (await log.head(spreadsheetId)) ?? (create ? await log.create(spreadsheetId) : undefined);
    if (!head) return undefined;
    const stored = await log.state(spreadsheetId);
    const from: Head = stored
      ? { ...stored.head, epoch: head.epoch }
      : { epoch: head.epoch, seq: 0, chain: FIRST_CHAIN };
    const state = stored
      ? SpreadsheetState.fromLines(spreadsheetId, stored.lines)
      : new SpreadsheetState(spreadsheetId, from);
    state.head = from;
    let tailChars = 0;
    for (;;) {
      const entries = await log.readAfter(spreadsheetId, state.head.seq, limits.frameMaxBytes);
      for (const entry of entries) {
        for (const change of changeSchema.array().parse(JSON.parse(entry.json))) {
          if (change.seq > state.head.seq) state.apply(change);
        }
        state.head = { ...state.head, seq: entry.lastSeq, chain: entry.chain };
        tailChars += entry.json.length;
      }
      if (entries.length === 0) break;
    }
    const end = await log.head(spreadsheetId);
    if (state.head.seq !== end?.seq || state.head.chain !== end.chain) {
      throw new Error(`The log ends at change ${end?.seq}, but what can be read of it adds up to ${state.head.seq}.`);
    }
    const json = await log.desk(spreadsheetId);
    const desk = json === undefined ? emptyDesk(startedAt) : loadDesk(json, startedAt);
    return { state, desk, tailChars, storedChars: 0, isVoid: false };
  }

  function forget(spreadsheetId: string): void {
    lives.delete(spreadsheetId);
  }

  function tell(spreadsheetId: string): void {
    for (const listener of listeners) listener(spreadsheetId);
  }

  async function durable(spreadsheetId: string): Promise<Live | undefined> {
    if (committing) await committing;
    return liveOf(spreadsheetId, false);
  }

  /** Changes something on the desk outside a post. It becomes durable with the next one, and loses nothing if it does not. */
  async function onDesk<T>(spreadsheetId: string, change: (live: Live) => T): Promise<T | undefined> {
    if (isClosed) return undefined;
    const live = await liveOf(spreadsheetId, false);
    return live && change(live);
  }

  return {
    take: (spreadsheetId, headers, body) => take(spreadsheetId, headers, body),
    takeAnswer: take,
    standingOf: (spreadsheetId) =>
      onDesk(spreadsheetId, ({ state, desk }) => ({
        ...openWork(state, desk),
        webApp: desk.script.webApp,
        calls: desk.calls,
        lastHeardAt: desk.lastHeardAt,
        lastSweepAt: desk.lastSweepAt,
        answeringUntil: answeringUntil(desk, now()),
      })),
    async wantsFor(spreadsheetId, { run, n, sweepAll }) {
      const wants = await onDesk(spreadsheetId, ({ state, desk }) => {
        if (sweepAll) desk.sheetsSince ??= desk.order;
        wantCheck(state, desk, sweepAll);
        return issueWants({ run, n, cause: "call" }, state, desk, now());
      });
      return wants ?? [];
    },
    async callUnanswered(spreadsheetId, since) {
      await onDesk(spreadsheetId, ({ desk }) => noteUnanswered(desk, since));
      tell(spreadsheetId);
    },
    async callEnded(spreadsheetId, run) {
      await onDesk(spreadsheetId, ({ desk }) => letGo(desk, run));
    },
    stateOf: async (spreadsheetId) => (await durable(spreadsheetId))?.state,
    async factsOf(spreadsheetId) {
      const live = await liveOf(spreadsheetId, false);
      return live && factsOf(live.state, live.desk, now());
    },
    onFacts(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    forget,
    async close() {
      isClosed = true;
      if (committing) await committing;
    },
  };
}

function authenticate(
  needs: IngestNeeds,
  spreadsheetId: string,
  headers: PostHeaders,
  body: Buffer,
): IngestResult | undefined {
  const known = needs.keysOf(spreadsheetId);
  const keys = known.length > 0 ? known : [NOBODYS_KEY];
  const verdict = judge(
    headers,
    needs.now(),
    (id, timestamp) =>
      keys.map((key) => createHmac("sha256", key).update(signedPrefix(id, timestamp)).update(body).digest("base64")),
    (a, b) => a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b)),
  );
  if (known.length > 0 && verdict === "good") return undefined;
  const detail =
    verdict === "stale" && known.length > 0
      ? "The timestamp is more than five minutes off: check the clock."
      : undefined;
  return { ok: false, code: "unauthorized", ...(detail ? { detail } : {}) };
}

function readPost(body: Buffer): { post: Post } | { refused: IngestResult } {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    return { refused: { ok: false, code: "malformed", detail: "The body is not JSON in UTF-8." } };
  }
  const protocol = (value as { protocol?: unknown } | null)?.protocol;
  if (typeof protocol === "number" && (protocol < OLDEST_PROTOCOL_VERSION || protocol > PROTOCOL_VERSION)) {
    const side = protocol > PROTOCOL_VERSION ? "the relay" : "the script (clasp push)";
    return {
      refused: {
        ok: false,
        code: "protocol-too-old",
        detail: `Protocol ${protocol} is not served here: update ${side}.`,
      },
    };
  }
  const parsed = postSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return {
      refused: {
        ok: false,
        code: "malformed",
        detail: `${issue?.path.join(".") ?? ""}: ${issue?.code ?? "not a post"}`,
      },
    };
  }
  const contradiction = contradictionIn(parsed.data);
  return contradiction ? { refused: { ok: false, code: "malformed", detail: contradiction } } : { post: parsed.data };
}

function refusalOf(error: unknown): Extract<IngestResult, { ok: false }> {
  if (error instanceof DiskFullError) return { ok: false, code: "disk-full", retryAfterMs: 30_000 };
  if (error instanceof HeadMovedError) return { ok: false, code: "busy", retryAfterMs: 200 };
  return { ok: false, code: "internal", retryAfterMs: 2_000 };
}
