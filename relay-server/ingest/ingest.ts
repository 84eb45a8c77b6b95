/**
 * Takes one signed post as far as the log. What is refused is refused before anything is stored; what is answered with a
 * 202 is durable. Posts that wait share one commit: each turn takes from every spreadsheet in its turn, folds, and commits.
 */
import { hash } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { nextChain } from "@sheetwire/shared/digest";
import { limits } from "@sheetwire/shared/limits";
import type { Post, PostAnswer, RefusalCode, RelayFacts, Want } from "@sheetwire/shared/protocol";
import { DiskFullError, giveBack, HeadMovedError, type Append, type ChangeLog, type DamagedError } from "../log/log.ts";
import type { SpreadsheetState } from "../sheets/sheets.ts";
import {
  answeringUntil,
  factsOf,
  foldPost,
  issueWants,
  letGo,
  noteAnswered,
  noteHeard,
  noteUnanswered,
  openWork,
  storeDesk,
  wantCheck,
  type CallHealth,
  type OpenWork,
} from "../wants/wants.ts";
import { authenticate, type PostHeaders } from "./authenticate.ts";
import { Lanes } from "./lanes.ts";
import { createLives, type Live } from "./lives.ts";
import { createRates } from "./rates.ts";
import { readPost } from "./read-post.ts";
import { changeWriter } from "./write-change.ts";

export type { PostHeaders } from "./authenticate.ts";

export type IngestResult =
  | { readonly ok: true; /** JSON text of the 202. */ readonly answer: string }
  | {
      readonly ok: false;
      readonly code: RefusalCode;
      readonly detail?: string;
      readonly maxBytes?: number;
      readonly retryAfterMs?: number;
    };

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
  /**
   * One signed post, its raw body, which nobody can use any more. Resolves when it is durable or refused; a refusal has
   * stored nothing.
   */
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
  /** Writes the state as it is at the durable head, so that nothing depends on the log behind it. */
  storeState(spreadsheetId: string): Promise<void>;
  /** The memory that the rows of all spreadsheets in it take, nearly, in bytes. */
  heldBytes(): number;
  /** Something of the log cannot be read: it is named, and what is in memory is stored, so that nothing needs it any more. */
  mend(damage: DamagedError): Promise<void>;
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
  /** Told of what the store holds and is not as it was written. The spreadsheet is then read anew. */
  onDamage?: (damage: DamagedError) => void;
  /** Posts a second of one spreadsheet, lasting; a bound against what went wild. */
  postsPerSecond?: number;
  /** How much the rows of all spreadsheets in memory may take. What is being used stays, however much that is. */
  holdBytes?: number;
};

/** One post on its way. */
type Waiting = {
  readonly spreadsheetId: string;
  readonly bytes: number;
  readonly body: Buffer;
  readonly webhookId: string;
  readonly bodyHash: string;
  readonly round: CallRound | undefined;
  readonly resolve: (result: IngestResult) => void;
};

/** Its body has been read, and nobody has looked at it. */
type Arrival = {
  readonly spreadsheetId: string;
  readonly headers: PostHeaders;
  readonly body: Buffer;
  readonly round: CallRound | undefined;
  readonly resolve: (result: IngestResult) => void;
  readonly reject: (error: unknown) => void;
};

/** Folded, to be committed. */
type Folded = { readonly waiting: Waiting; readonly append: Append; readonly live: Live; readonly answer: string };

/** One turn folds posts of about so many bytes, at most so many, and for about so many milliseconds, so that none of it takes long. */
const TURN_BYTES = 512 * 1024;
const TURN_POSTS = 256;
const TURN_MS = 10;
/** So often the network is looked at for more of them. */
const MOST_LOOKS = 8;

export function createIngest(needs: IngestNeeds): Ingest {
  const { log, now } = needs;
  const named = new Set<string>();
  const onDamage = (damage: DamagedError): void => {
    const name = `${damage.spreadsheetId} ${damage.message}`;
    if (named.has(name)) return;
    named.add(name);
    (needs.onDamage ?? needs.onFault)(damage);
  };
  const { onFault, holdBytes = Number.POSITIVE_INFINITY } = needs;
  const lives = createLives({ log, now, holdBytes, onFault, onDamage });
  const lanes = new Lanes<Waiting>({
    laneMaxItems: limits.waitingPostsOfOne,
    laneMaxBytes: limits.waitingBytesOfOne,
    maxItems: limits.waitingPosts,
    maxBytes: limits.waitingBytes,
  });
  const perSecond = needs.postsPerSecond ?? limits.postsPerSecond;
  const rates = createRates({ perSecond, burst: perSecond * 2, now });
  let arrived: Arrival[] = [];
  /** What is under way, and all who wait for its answer. */
  const inFlight = new Map<string, { bodyHash: string; twins: Arrival[] }>();
  const listeners = new Set<(spreadsheetId: string) => void>();
  /** Turns go on as long as anything waits. */
  let turning: Promise<void> | undefined;
  /** What was folded is on its way to the store. */
  let committing: Promise<void> | undefined;
  let isClosed = false;

  function take(spreadsheetId: string, headers: PostHeaders, body: Buffer, round?: CallRound): Promise<IngestResult> {
    return new Promise((resolve, reject) => {
      if (arrived.push({ spreadsheetId, headers, body, round, resolve, reject }) === 1) setImmediate(admitAll);
    });
  }

  /**
   * Lets in what has arrived with one look at the network, one after the other: the processor then holds at hand what that
   * takes, which costs half as much as beside the reading of each.
   */
  function admitAll(): void {
    const all = arrived;
    arrived = [];
    for (const arrival of all) {
      try {
        admit(arrival);
      } catch (error) {
        arrival.reject(error);
      }
    }
    goOn();
  }

  function admit(arrival: Arrival): void {
    const { spreadsheetId, headers, body, round, resolve } = arrival;
    const refused = authenticate(needs.keysOf(spreadsheetId), headers, body, now());
    if (refused) return resolve(refused);
    const waitMs = rates.take(spreadsheetId);
    if (waitMs !== undefined) return resolve({ ok: false, code: "rate-limited", retryAfterMs: waitMs });
    const webhookId = headers.id ?? "";
    const bodyHash = hash("sha256", body, "hex");
    const key = `${spreadsheetId} ${webhookId}`;
    const underWay = inFlight.get(key);
    if (underWay) {
      if (underWay.bodyHash === bodyHash) underWay.twins.push(arrival);
      else resolve(ID_REUSED);
      return;
    }
    if (isClosed) return resolve(CLOSED);
    const looking = log.takenPost(spreadsheetId, webhookId);
    const twins = [arrival];
    inFlight.set(key, { bodyHash, twins });
    const end = (outcome: IngestResult): void => {
      inFlight.delete(key);
      for (const twin of twins) twin.resolve(outcome);
    };
    const waiting: Waiting = { spreadsheetId, bytes: body.length, body, webhookId, bodyHash, round, resolve: end };
    if (!looking) return wait(waiting);
    looking.then(
      (taken) => {
        if (taken) return end(taken.bodyHash === bodyHash ? { ok: true, answer: taken.answer } : ID_REUSED);
        wait(waiting);
        goOn();
      },
      (error: unknown) => {
        inFlight.delete(key);
        for (const twin of twins) twin.reject(error);
      },
    );
  }

  function wait(waiting: Waiting): void {
    if (isClosed) return waiting.resolve(CLOSED);
    const full = lanes.put(waiting);
    if (full === "lane-full") waiting.resolve({ ok: false, code: "rate-limited", retryAfterMs: 1_000 });
    else if (full) waiting.resolve({ ok: false, code: "busy", retryAfterMs: 1_000 });
  }

  function goOn(): void {
    if (lanes.hasTurn) turning ??= turns();
  }

  /** Takes turns as long as anything waits. What arrives while one is under way has the next. */
  async function turns(): Promise<void> {
    do {
      await gathered();
      const { folded, missing } = foldTurn();
      if (folded.length > 0) {
        committing = commit(folded);
        await committing;
        committing = undefined;
        lives.makeRoom();
      }
      for (const spreadsheetId of missing) loadFor(spreadsheetId);
    } while (lanes.hasTurn);
    turning = undefined;
  }

  /**
   * Posts that come together are to share a commit: as long as a look at the network brings another, there is one more. The
   * first is taken for a single post, too: whoever was given a state reads it before the next fold is tried on it.
   */
  async function gathered(): Promise<void> {
    for (let looks = 0, seen = 0; looks < MOST_LOOKS && seen < lanes.size; looks += 1) {
      seen = lanes.size;
      await nextTurn();
      admitAll();
    }
  }

  /**
   * Folds what waits, from each spreadsheet in its turn. Nothing is awaited in between: posts are folded one after the
   * other, and only onto what is durable. Those whose spreadsheet is not in memory wait until it is.
   */
  function foldTurn(): { folded: readonly Folded[]; missing: ReadonlySet<string> } {
    const folded: Folded[] = [];
    const missing = new Set<string>();
    let bytes = 0;
    const until = now() + TURN_MS;
    for (let count = 0; count < TURN_POSTS && bytes < TURN_BYTES; count += 1) {
      if (count > 0 && now() >= until) break;
      const waiting = lanes.take();
      if (!waiting) break;
      const { spreadsheetId } = waiting;
      const live = lives.now(spreadsheetId);
      if (!live) {
        lanes.hold(waiting);
        missing.add(spreadsheetId);
        continue;
      }
      bytes += waiting.bytes;
      live.usedAt = live.busyAt = now();
      const one = foldOne(waiting, live);
      if (one) folded.push(one);
    }
    return { folded, missing };
  }

  /** The others go on while this one's state is read from the store. */
  function loadFor(spreadsheetId: string): void {
    // One that was removed meanwhile is not brought back by what waited.
    lives.of(spreadsheetId, needs.keysOf(spreadsheetId).length > 0).then(
      (live) => {
        if (!live) {
          for (const one of lanes.clear(spreadsheetId)) one.resolve({ ok: false, code: "busy", retryAfterMs: 200 });
          return;
        }
        live.busyAt = now();
        lanes.letGo(spreadsheetId);
        goOn();
      },
      (error: unknown) => {
        const refusal = refusalOf(error);
        if (refusal.code === "internal") needs.onFault(error);
        for (const one of lanes.clear(spreadsheetId)) one.resolve(refusal);
      },
    );
  }

  function foldOne(waiting: Waiting, live: Live): Folded | undefined {
    const { spreadsheetId, body, round, resolve } = waiting;
    let isFolding = false;
    try {
      const read = readPost(body);
      giveBack(body);
      if ("refused" in read) {
        resolve(read.refused);
        return undefined;
      }
      if (round && read.post.cause !== "call") {
        resolve({ ok: false, code: "malformed", detail: "Not an answer to a call." });
        return undefined;
      }
      // Each round is a run of its own at Google; to the relay they are one, since each was asked for after the one before.
      const post = round ? { ...read.post, run: round.run, n: round.n } : read.post;
      isFolding = true;
      return fold(waiting, live, post);
    } catch (error) {
      if (isFolding) {
        // Half folded: whatever of it is still on its way to the store, this memory is never stored as a state.
        live.isVoid = true;
        lives.forget(spreadsheetId);
      }
      needs.onFault(error);
      resolve({ ok: false, code: "internal", retryAfterMs: 2_000 });
      return undefined;
    }
  }

  function fold(waiting: Waiting, live: Live, post: Post): Folded {
    const { spreadsheetId, webhookId, bodyHash, round } = waiting;
    const { state, desk } = live;
    const moment = now();
    const expected = state.head;
    const jsons: string[] = [];
    const write = changeWriter(post, moment);
    if (round) noteAnswered(desk, moment, round.sweepAll && round.n === 0);
    else noteHeard(post, desk, moment);
    foldPost(
      post,
      state,
      desk,
      (content, readAt) => {
        const { epoch, seq, chain } = state.head;
        const json = write(content, seq + 1, readAt);
        state.apply(content);
        state.head = { epoch, seq: seq + 1, chain: nextChain(chain, json) };
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
    };
    return { waiting, append, live, answer };
  }

  async function commit(all: readonly Folded[]): Promise<void> {
    // Where a later fold broke off the desk tells of it too: they come again, onto what is durable.
    for (const { waiting, live } of all)
      if (live.isVoid) waiting.resolve({ ok: false, code: "busy", retryAfterMs: 200 });
    const mine = all.filter(({ live }) => !live.isVoid);
    if (mine.length === 0) return;
    const liveOf = new Map(mine.map(({ append, live }) => [append.spreadsheetId, live]));
    try {
      const desks = new Map([...liveOf].map(([spreadsheetId, live]) => [spreadsheetId, storeDesk(live.desk)] as const));
      // The desk as it is after the last of a spreadsheet's posts goes with that one.
      const appends = mine.map(({ append }) => append);
      for (let at = appends.length - 1; at >= 0 && desks.size > 0; at -= 1) {
        const append = appends[at];
        const desk = append && desks.get(append.spreadsheetId);
        if (!append || desk === undefined) continue;
        appends[at] = { ...append, desk };
        desks.delete(append.spreadsheetId);
      }
      await log.append(appends);
    } catch (error) {
      // What was folded is not in the store: memory is rebuilt from there, and nobody was told otherwise.
      const drop = error instanceof DiskFullError ? lives.rollBack : lives.forget;
      for (const [spreadsheetId, live] of liveOf) drop(spreadsheetId, live);
      const refusal = refusalOf(error);
      if (refusal.code === "internal") needs.onFault(error);
      for (const { waiting } of mine) waiting.resolve(refusal);
      return;
    }
    for (const { waiting, answer } of mine) waiting.resolve({ ok: true, answer });
    for (const [spreadsheetId, live] of liveOf) {
      lives.storeIfDue(spreadsheetId, live);
      tell(spreadsheetId);
    }
  }

  function tell(spreadsheetId: string): void {
    for (const listener of listeners) {
      try {
        listener(spreadsheetId);
      } catch (error) {
        needs.onFault(error);
      }
    }
  }

  /** The spreadsheet, loaded when need be. */
  async function reach(spreadsheetId: string): Promise<Live | undefined> {
    const live = await lives.of(spreadsheetId, false);
    if (live) live.usedAt = now();
    if (!committing) lives.makeRoom();
    return live;
  }

  async function durable(spreadsheetId: string): Promise<Live | undefined> {
    // What is folded and not yet durable is told to nobody.
    const live = await reach(spreadsheetId);
    if (!committing) return live;
    await committing;
    return reach(spreadsheetId);
  }

  async function storeState(spreadsheetId: string): Promise<void> {
    const live = await durable(spreadsheetId);
    if (!live || live.isVoid) return;
    if (live.storing) await live.storing;
    const current = live.storing === undefined ? await durable(spreadsheetId) : undefined;
    if (current && !current.isVoid && !current.storing) await lives.store(spreadsheetId, current);
  }

  /** Changes something on the desk outside a post. It becomes durable with the next one, and loses nothing if it does not. */
  async function onDesk<T>(spreadsheetId: string, change: (live: Live) => T): Promise<T | undefined> {
    if (isClosed) return undefined;
    const live = await reach(spreadsheetId);
    return live && change(live);
  }

  return {
    take: (spreadsheetId, headers, body) => take(spreadsheetId, headers, body),
    takeAnswer: take,
    standingOf: (spreadsheetId) =>
      onDesk(spreadsheetId, ({ state, desk }) => ({
        ...openWork(state, desk, now()),
        webApp: desk.script.webApp,
        calls: desk.calls,
        lastHeardAt: desk.lastHeardAt,
        lastSweepAt: desk.lastSweepAt,
        answeringUntil: answeringUntil(desk, now()),
      })),
    async wantsFor(spreadsheetId, { run, n, sweepAll }) {
      const wants = await onDesk(spreadsheetId, (live) => {
        const { state, desk } = live;
        live.busyAt = now();
        if (sweepAll) desk.sheetsSince ??= desk.order;
        wantCheck(state, desk, sweepAll, now());
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
      // Who is told how things stand needs no rows: what rests is not read from the store for that, again and again.
      const rested = lives.resting(spreadsheetId);
      if (rested) return factsOf({ heldRows: () => rested.heldRows }, rested.desk, now());
      const live = await reach(spreadsheetId);
      return live && factsOf(live.state, live.desk, now());
    },
    onFacts(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    storeState,
    heldBytes: lives.heldBytes,
    async mend(damage) {
      onDamage(damage);
      const { spreadsheetId, throughSeq } = damage;
      await storeState(spreadsheetId);
      if (throughSeq !== undefined) await log.trim(spreadsheetId, throughSeq);
    },
    forget: (spreadsheetId) => lives.forget(spreadsheetId),
    async close() {
      isClosed = true;
      while (turning || arrived.length > 0 || lanes.size > 0) await (turning ?? nextTurn());
      await lives.settled();
    },
  };
}

const ID_REUSED: IngestResult = { ok: false, code: "id-reused" };
const CLOSED: IngestResult = { ok: false, code: "shutting-down", retryAfterMs: 1_000 };

function refusalOf(error: unknown): Extract<IngestResult, { ok: false }> {
  if (error instanceof DiskFullError) return { ok: false, code: "disk-full", retryAfterMs: 30_000 };
  if (error instanceof HeadMovedError) return { ok: false, code: "busy", retryAfterMs: 200 };
  return { ok: false, code: "internal", retryAfterMs: 2_000 };
}
