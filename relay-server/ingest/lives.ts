/**
 * The spreadsheets in memory: loaded from the store when need be, and stored again when the log behind them has grown. Where
 * they take more than they may, those that were not used for longest rest: of them only the desk stays.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { FIRST_CHAIN } from "@sheetwire/shared/digest";
import type { Change } from "@sheetwire/shared/protocol";
import { DamagedError, HeadMovedError, partsOf, type ChangeLog, type Head } from "../log/log.ts";
import { SpreadsheetState, type HeldRows } from "../sheets/sheets.ts";
import { emptyDesk, loadDesk, withTimesOf, type Desk } from "../wants/wants.ts";

/** One spreadsheet in memory. */
export type Live = {
  state: SpreadsheetState;
  desk: Desk;
  /** Characters of entries since the state was stored last. */
  tailChars: number;
  storedChars: number;
  /** A fold broke off in it: it holds what no log says. */
  isVoid: boolean;
  /** Its state is being written. */
  storing: Promise<void> | undefined;
  /** When somebody needed it last, and when something happened to it last, in milliseconds. */
  usedAt: number;
  busyAt: number;
};

/** What stays of a spreadsheet that rests: where it stands, how many rows it has, and its desk, of which nothing is forgotten. */
type Resting = { readonly head: Head; readonly heldRows: readonly HeldRows[]; readonly desk: Desk };

type Needs = {
  log: ChangeLog;
  /** How much the rows of all spreadsheets may take. */
  holdBytes: number;
  /** Milliseconds since 1970. */
  now: () => number;
  onFault: (error: unknown) => void;
  onDamage: (damage: DamagedError) => void;
};

/** A state is stored again when the log behind it has grown by as much, at least so many characters. */
const STORE_STATE_AFTER_CHARS = 1_000_000;
/** So much of a state or a log is taken up in one turn: some ten milliseconds. */
const LOAD_BYTES = 256 * 1024;
/** To what something happened within so many milliseconds does not rest, however much is held: it would be loaded again at once. */
const IDLE_MS = 10_000;
/** So often it is looked at how much is held, and after each load. */
const LOOK_EVERY_MS = 1_000;

export type Lives = ReturnType<typeof createLives>;

export function createLives({ log, holdBytes, now, onFault, onDamage }: Needs) {
  const startedAt = now();
  /** When spreadsheets were dropped: the times of readings from before are remembered by nobody. */
  const droppedAt = new Map<string, number>();
  /** Desks with what was folded and refused, until the spreadsheet is loaded again. */
  const refused = new Map<string, Desk>();
  const resting = new Map<string, Resting>();
  let lookedAt = startedAt;
  const loads = new Map<string, Promise<Live | undefined>>();
  const loaded = new Map<string, Live>();
  const stopFollowing = log.follow(
    () => {},
    (spreadsheetId, { epoch }) => {
      // What is in memory may hold what the log has lost, and its place is none in the new life.
      const held = loaded.get(spreadsheetId)?.state ?? resting.get(spreadsheetId);
      if (held && held.head.epoch !== epoch) forget(spreadsheetId);
    },
  );

  let turn = Promise.resolve();
  /** However many are being loaded, one of them goes on in one turn, and all others have theirs too. */
  const ownTurn = (): Promise<void> => (turn = turn.then(() => nextTurn()));

  async function* inTurns(lines: AsyncIterable<string> | Iterable<string>, onChars: (chars: number) => void) {
    let chars = 0;
    for await (const line of lines) {
      if (chars > 0 && chars + line.length > LOAD_BYTES) {
        await ownTurn();
        chars = 0;
      }
      chars += line.length;
      onChars(line.length);
      yield line;
    }
  }

  function of(spreadsheetId: string, create: boolean): Promise<Live | undefined> {
    const known = loads.get(spreadsheetId);
    if (known) return create ? known.then((live) => live ?? of(spreadsheetId, true)) : known;
    const loading = loadGood(spreadsheetId, create);
    loads.set(spreadsheetId, loading);
    const isMine = (): boolean => loads.get(spreadsheetId) === loading;
    loading.then(
      (live) => {
        if (!isMine()) return;
        if (live) {
          loaded.set(spreadsheetId, live);
          lookedAt = Number.NEGATIVE_INFINITY;
        } else loads.delete(spreadsheetId);
      },
      () => {
        if (isMine()) loads.delete(spreadsheetId);
      },
    );
    return loading;
  }

  /** What the store holds of it is damaged: it is named, and the spreadsheet is read anew in another life of its log. */
  async function loadGood(spreadsheetId: string, create: boolean): Promise<Live | undefined> {
    try {
      return await load(spreadsheetId, create);
    } catch (error) {
      if (error instanceof HeadMovedError) return load(spreadsheetId, create);
      if (!(error instanceof DamagedError)) throw error;
      onDamage(error);
      await log.restart(spreadsheetId);
      return load(spreadsheetId, create);
    }
  }

  async function load(spreadsheetId: string, create: boolean): Promise<Live | undefined> {
    await ownTurn();
    const head = (await log.head(spreadsheetId)) ?? (create ? await log.create(spreadsheetId) : undefined);
    if (!head) return undefined;
    const stored = await log.state(spreadsheetId);
    const from: Head = stored
      ? { ...stored.head, epoch: head.epoch }
      : { epoch: head.epoch, seq: 0, chain: FIRST_CHAIN };
    let storedChars = 0;
    const state =
      (stored &&
        (await SpreadsheetState.fromLines(
          spreadsheetId,
          inTurns(stored.lines, (n) => (storedChars += n)),
        ))) ??
      new SpreadsheetState(spreadsheetId, from);
    state.head = from;
    let tailChars = 0;
    for (let missedAt = -1; ;) {
      const entries = await log.readAfter(spreadsheetId, state.head.seq, LOAD_BYTES);
      for (const entry of entries) {
        const { firstSeq, lastSeq, chain, json } = entry;
        const held = state.head.seq;
        const later =
          firstSeq > held
            ? json
            : `[${partsOf(json)
                .slice(held - firstSeq + 1)
                .join(",")}]`;
        // The log holds what a fold once made, and its checksum says that it is still that.
        for (const change of JSON.parse(later) as Change[]) state.apply(change);
        state.head = { ...state.head, seq: lastSeq, chain };
        tailChars += json.length;
      }
      if (entries.length > 0) {
        await ownTurn();
        continue;
      }
      const end = await log.head(spreadsheetId);
      // Another process erased it meanwhile.
      if (!end) return create ? load(spreadsheetId, create) : undefined;
      // Its log began a new life meanwhile.
      if (end.epoch !== head.epoch) return load(spreadsheetId, create);
      if (state.head.seq === end.seq && state.head.chain === end.chain) break;
      // Something may have been appended in between; but not when nothing comes of it twice.
      if (missedAt === end.seq || state.head.seq >= end.seq) {
        throw new DamagedError(spreadsheetId, "log", state.head.seq, end.seq);
      }
      missedAt = end.seq;
    }
    const desk = takeRested(spreadsheetId, state.head) ?? (await storedDesk(spreadsheetId));
    return {
      state,
      desk,
      tailChars,
      storedChars,
      isVoid: false,
      storing: undefined,
      usedAt: now(),
      busyAt: Number.NEGATIVE_INFINITY,
    };
  }

  async function storedDesk(spreadsheetId: string): Promise<Desk> {
    const json = await log.desk(spreadsheetId);
    const since = droppedAt.get(spreadsheetId) ?? startedAt;
    const alone = json === undefined ? emptyDesk(since) : loadDesk(json, since);
    const before = refused.get(spreadsheetId);
    refused.delete(spreadsheetId);
    return (before && withTimesOf(before, alone)) ?? alone;
  }

  /** The desk of one that rested, if its log is where it was then. */
  function takeRested(spreadsheetId: string, { epoch, seq, chain }: Head): Desk | undefined {
    const rested = resting.get(spreadsheetId);
    if (!rested) return undefined;
    resting.delete(spreadsheetId);
    const { head, desk } = rested;
    if (head.epoch === epoch && head.seq === seq && head.chain === chain) return desk;
    droppedAt.set(spreadsheetId, now());
    return undefined;
  }

  /**
   * Writes the state as it is at this moment, which must be at a durable head. It is written in pieces while others go
   * on: rows are never changed in place, so the lines tell of this version however long it takes.
   */
  function store(spreadsheetId: string, live: Live): Promise<void> {
    const { head } = live.state;
    let chars = 0;
    const source = live.state.snapshotLines();
    function* counted(): Generator<string> {
      for (const line of source) {
        chars += line.length;
        yield line;
      }
    }
    live.tailChars = 0;
    live.storing = log
      .saveState(spreadsheetId, { head, lines: counted() })
      .then(() => {
        live.storedChars = chars;
      }, onFault)
      .finally(() => {
        live.storing = undefined;
      });
    return live.storing;
  }

  function forget(spreadsheetId: string): void {
    droppedAt.set(spreadsheetId, now());
    refused.delete(spreadsheetId);
    resting.delete(spreadsheetId);
    loads.delete(spreadsheetId);
    loaded.delete(spreadsheetId);
  }

  /** What was folded into it was refused, and nobody else wrote: it is loaded again, and what is remembered of times stays. */
  function rollBack(spreadsheetId: string, { desk }: Live): void {
    forget(spreadsheetId);
    refused.set(spreadsheetId, desk);
  }

  const heldBytes = (): number => {
    let bytes = 0;
    for (const { state } of loaded.values()) bytes += state.heldBytes;
    return bytes;
  };

  /** Lets those rest that were not used for longest, until the others fit. To be called when all that is folded is durable. */
  function makeRoom(): void {
    const moment = now();
    if (Math.abs(moment - lookedAt) < LOOK_EVERY_MS) return;
    lookedAt = moment;
    let bytes = heldBytes();
    if (bytes <= holdBytes) return;
    const oldestFirst = [...loaded].sort(([, a], [, b]) => a.usedAt - b.usedAt);
    for (const [spreadsheetId, { state, desk, isVoid, storing, busyAt }] of oldestFirst) {
      if (bytes <= holdBytes) return;
      if (isVoid || storing || Math.abs(moment - busyAt) < IDLE_MS) continue;
      bytes -= state.heldBytes;
      resting.set(spreadsheetId, { head: state.head, heldRows: state.heldRows(), desk });
      loads.delete(spreadsheetId);
      loaded.delete(spreadsheetId);
    }
  }

  return {
    of,
    /** The spreadsheet, if it is in memory. */
    now: (spreadsheetId: string): Live | undefined => loaded.get(spreadsheetId),
    /** The spreadsheet, if it rests. */
    resting: (spreadsheetId: string): Resting | undefined => resting.get(spreadsheetId),
    heldBytes,
    makeRoom,
    store,
    storeIfDue(spreadsheetId: string, live: Live): void {
      if (live.isVoid || live.storing || live.tailChars < Math.max(STORE_STATE_AFTER_CHARS, live.storedChars)) return;
      void store(spreadsheetId, live);
    },
    forget,
    rollBack,
    /** Follows the log no longer; resolves when nothing is being written any more. */
    async settled(): Promise<void> {
      stopFollowing();
      for (const live of loaded.values()) await live.storing;
    },
  };
}
