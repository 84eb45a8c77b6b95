/** Who reads which spreadsheet, and from where. It follows the log, so that ingest need not know that anybody is there. */
import { limits } from "@sheetwire/shared/limits";
import type { Cursor, RefusalCode } from "@sheetwire/shared/protocol";
import { DamagedError, laterPart, type ChangeLog, type Entry, type Head } from "../log/log.ts";

export { createFactsTeller, type FactsTeller } from "./facts-teller.ts";
export { createStallSweep } from "./stalls.ts";

/**
 * Where a reader begins: changes after `from` follow, and at this moment the log reaches to `head`. Not recovered: the
 * reader has to take a snapshot; `from` is then the head.
 */
export type Beginning = {
  readonly from: Cursor;
  readonly head: Head;
  readonly recovered: boolean;
};

/** The receiving end: a socket's watch, an event stream. Its queue is the network's, and it says how long that is. */
export interface Reader {
  /** Said first, and again when the log began a new life. */
  begin(beginning: Beginning): void;
  /**
   * Ready frames, as they are stored, to be written at once. Those of a turn are the same for all readers. They are there as
   * long as `queuedBytes` counts them: whoever keeps them for longer keeps a copy.
   */
  deliver(entries: readonly Entry[]): void;
  /** What comes next cannot be sent: the reader takes a snapshot, and changes after `at` follow. */
  refetch(reason: string, at: Cursor): void;
  /** A ready `status` frame. */
  tell(status: string): void;
  /** Bytes handed over that the network has not taken. */
  queuedBytes(): number;
  /** Resolves when the queue is short, or the reader has gone. */
  drained(): Promise<void>;
  /** The watch ends with this code. */
  end(code: RefusalCode): void;
}

/**
 * - F1: a reader gets every change after its beginning exactly once, in order, also one that joins while changes flow.
 * - F2: changes of one spreadsheet that become durable in one turn are one frame, encoded once, whoever reads it.
 * - F3: a live reader whose queue would pass `limits.readerQueueMaxBytes` is ended with `too-slow`; it can resume.
 * - F5: after the log is durable and its posters have their answers, readers are told, in the same turn.
 * - F4: a change larger than `limits.frameMaxBytes` is never sent: the reader is told to refetch, and goes on behind it.
 * - F6: when the log begins a new life, each live reader is told at once to begin again, once, before any change of it.
 */
export interface FanOut {
  join(spreadsheetId: string, cursor: Cursor | undefined, reader: Reader): void;
  /** Nothing more is delivered to it. One that is not there, or not any more, may leave as well. */
  leave(spreadsheetId: string, reader: Reader): void;
  readersOf(spreadsheetId: string): readonly Reader[];
  watchers(spreadsheetId: string): number;
  /** Spreadsheets that somebody reads. */
  watched(): readonly string[];
  /** Called when somebody joined or left. */
  onWatchers(listener: (spreadsheetId: string) => void): void;
  /** Milliseconds since the change with this seq became durable, where that is remembered. */
  sinceLogged(spreadsheetId: string, seq: number): number | undefined;
  stop(): void;
}

type Needs = {
  log: ChangeLog;
  /** Milliseconds by a clock that never jumps. */
  elapsed: () => number;
  onFault: (error: unknown) => void;
  onDelivered?: (frames: number) => void;
  onLogged?: (changes: number) => void;
};

/** A change of a log in one of its lives. */
type Position = { readonly epoch: string; readonly seq: number };

type Member = {
  readonly reader: Reader;
  /** Where it stands while it catches up; a live one stands where its group does. */
  position: Position;
  /** Its place among the live ones, if it is one of them. */
  place: number | undefined;
  left: boolean;
  /** Ends its wait for the network, if it is in one. */
  wake: (() => void) | undefined;
};

type Group = {
  readonly spreadsheetId: string;
  readonly members: Map<Reader, Member>;
  /** Those who hold everything but what is pending, in no order. */
  readonly live: Reader[];
  /** Where the live ones stand. */
  held: Position;
  /** The last change this process saw become durable, or where it saw the log begin a life. */
  known: Position | undefined;
  /** Became durable in this turn, not yet sent. */
  pending: Entry[];
  readonly recent: { lastSeq: number; at: number }[];
};

/** Replay reads the log in pieces of about this size, in bytes. */
const PIECE_BYTES = 256 * 1024;
const RECENT = 256;
/** Replay goes on when a reader's network holds less than this, in bytes. */
export const SHORT_QUEUE_BYTES = 512 * 1024;
/**
 * The queues of so many readers are looked at before any of them is written to: their memory is then fetched at once instead
 * of one after the other. With a thousand readers those waits are a twentieth of a delivery.
 */
const LOOKED_AT_TOGETHER = 16;

export function createFanOut({ log, elapsed, onFault, onDelivered, onLogged }: Needs): FanOut {
  const groups = new Map<string, Group>();
  let tellWatchers: (spreadsheetId: string) => void = () => {};

  const stopFollowing = log.follow(
    (spreadsheetId, entry, epoch) => {
      onLogged?.(entry.lastSeq - entry.firstSeq + 1);
      const group = groups.get(spreadsheetId);
      if (!group) return;
      learn(group, { epoch, seq: entry.lastSeq });
      group.recent.push({ lastSeq: entry.lastSeq, at: elapsed() });
      if (group.recent.length > RECENT) group.recent.shift();
      group.pending.push(entry);
      // After everything that waits for this commit: posts are answered first.
      if (group.pending.length === 1) process.nextTick(flush, group);
    },
    (spreadsheetId, { epoch, seq }) => {
      const group = groups.get(spreadsheetId);
      if (!group) return;
      learn(group, { epoch, seq });
      // Nobody is left in a life that is over: on the way through the log each begins again.
      fallBack(group);
    },
  );

  function learn(group: Group, known: Position): void {
    if (group.known?.epoch !== known.epoch) {
      // Another life of the log: what is pending of the one before has no reader any more.
      group.pending.length = 0;
      group.recent.length = 0;
    }
    group.known = known;
  }

  /** Sends what became durable in this turn to those who hold everything before it. */
  function flush(group: Group): void {
    const { live, known, pending: entries } = group;
    group.pending = [];
    const first = entries[0];
    if (!first || !known || live.length === 0) return;
    // What no frame holds, and more than any queue may, is met on the way through the log.
    const room = limits.readerQueueMaxBytes - entries.reduce((sum, entry) => sum + entry.frame.length, 0);
    const fits = room > 0 && entries.every((entry) => entry.fitsFrame);
    if (!fits || group.held.epoch !== known.epoch || group.held.seq !== first.firstSeq - 1) return fallBack(group);
    group.held = known;
    const slow: Reader[] = [];
    const broken: Reader[] = [];
    for (let from = 0; from < live.length; from += LOOKED_AT_TOGETHER) {
      const some = live.slice(from, from + LOOKED_AT_TOGETHER);
      const late = some.filter((reader) => reader.queuedBytes() > room);
      for (const reader of some) {
        if (late.length > 0 && late.includes(reader)) continue;
        try {
          reader.deliver(entries);
        } catch (error) {
          onFault(error);
          broken.push(reader);
        }
      }
      slow.push(...late);
    }
    onDelivered?.((live.length - slow.length - broken.length) * entries.length);
    for (const reader of slow) {
      letGo(group, reader);
      reader.end("too-slow");
    }
    for (const reader of broken) {
      letGo(group, reader);
      reader.end("internal");
    }
  }

  /** Nobody is live any more: all read the log from where they stand. */
  function fallBack(group: Group): void {
    for (const reader of group.live.splice(0)) {
      const member = group.members.get(reader);
      if (!member) continue;
      member.place = undefined;
      member.position = group.held;
      void catchUp(group, member);
    }
  }

  /** Nothing is pending, and the member holds everything. So do those who are live, or the log began a new life in silence. */
  function join(group: Group, member: Member): void {
    const { epoch, seq } = member.position;
    if (group.held.epoch !== epoch || group.held.seq !== seq) fallBack(group);
    group.held = member.position;
    member.place = group.live.push(member.reader) - 1;
  }

  /** What was read of the log, as one piece. */
  function replay(member: Member, entries: readonly Entry[]): void {
    const { epoch } = member.position;
    for (const { firstSeq, lastSeq } of entries) {
      const { seq } = member.position;
      if (firstSeq !== seq + 1) throw new RangeError(`Reader holds change ${seq}, but ${firstSeq} came next.`);
      member.position = { epoch, seq: lastSeq };
    }
    member.reader.deliver(entries);
    if (member.reader.queuedBytes() === 0) for (const entry of entries) entry.release();
    onDelivered?.(entries.length);
  }

  /** Reads the log until the member holds all that is known to be durable; from then on it is live, in the same turn. */
  async function catchUp(group: Group, member: Member): Promise<void> {
    try {
      while (!member.left) {
        try {
          return await readOn(group, member);
        } catch (error) {
          // What is damaged is never sent: the reader takes a snapshot instead, and goes on behind it.
          if (!(error instanceof DamagedError)) throw error;
          // What was dropped while this reader was on its way is not damaged.
          const isTrimmed = member.position.seq < (await log.floor(group.spreadsheetId));
          if (!isTrimmed) onFault(error);
          await skip(group, member, isTrimmed ? "history-gone" : "history-damaged");
        }
      }
    } catch (error) {
      onFault(error);
      if (letGo(group, member.reader)) member.reader.end("internal");
    }
  }

  /** Until the member is live, or has left. */
  async function readOn(group: Group, member: Member): Promise<void> {
    const { spreadsheetId } = group;
    while (!member.left) {
      // Nothing is held for one that takes nothing.
      await takesMore(member);
      if (member.left) return;
      const knownBefore = group.known;
      const { position } = member;
      const entries = await log.readAfter(spreadsheetId, position.seq, PIECE_BYTES);
      // Asked after reading: an epoch never comes back, so what was read belongs to this one.
      const head = await log.head(spreadsheetId);
      if (member.left) return;
      if (head?.epoch !== position.epoch) {
        await beginAgain(group, member);
        continue;
      }
      if (entries.length === 0) {
        const { known } = group;
        if (group.pending.length > 0) {
          // The live ones do not hold it yet.
          await new Promise((resolve) => setImmediate(resolve));
        } else if (known?.epoch !== position.epoch ? known === knownBefore : known.seq <= position.seq) {
          return join(group, member);
        } else if (known === knownBefore) {
          throw new RangeError(`Change ${known?.seq} was told of, but the log ends at ${position.seq}.`);
        }
        // Something became durable while the log was being read, or it began a new life: read again.
        continue;
      }
      if (member.reader.queuedBytes() >= SHORT_QUEUE_BYTES) {
        // Others share its network, and were woken by the same drain. In another turn: the close of one that was just cut
        // has yet to be heard.
        await new Promise((resolve) => setImmediate(resolve));
        continue;
      }
      const [first, ...others] = entries;
      const piece = first ? [laterPart(spreadsheetId, first, position.seq), ...others] : [];
      const tooLarge = piece.findIndex((entry) => !entry.fitsFrame);
      if (tooLarge !== 0) replay(member, tooLarge < 0 ? piece : piece.slice(0, tooLarge));
      if (tooLarge >= 0) await skip(group, member, "change-too-large");
    }
  }

  /** The log began a new life under the reader: it starts afresh at the new head. */
  async function beginAgain(group: Group, member: Member): Promise<void> {
    const head = (await log.head(group.spreadsheetId)) ?? (await log.create(group.spreadsheetId));
    member.position = head;
    if (!member.left) member.reader.begin({ from: head, head, recovered: false });
  }

  /** Changes that cannot be sent: everything up to the head is in the snapshot that the reader now takes. */
  async function skip(group: Group, member: Member, reason: string): Promise<void> {
    const head = await log.head(group.spreadsheetId);
    if (member.left) return;
    if (head?.epoch !== member.position.epoch) return beginAgain(group, member);
    member.position = head;
    member.reader.refetch(reason, head);
  }

  async function start(group: Group, member: Member, cursor: Cursor | undefined): Promise<void> {
    const { spreadsheetId } = group;
    try {
      const head = (await log.head(spreadsheetId)) ?? (await log.create(spreadsheetId));
      const recovered =
        cursor !== undefined &&
        cursor.epoch === head.epoch &&
        cursor.seq <= head.seq &&
        (await chainAt(spreadsheetId, cursor.seq)) === cursor.chain;
      const from = recovered ? cursor : head;
      member.position = from;
      if (member.left) return;
      member.reader.begin({ from, head, recovered });
    } catch (error) {
      onFault(error);
      if (letGo(group, member.reader)) member.reader.end("internal");
      return;
    }
    await catchUp(group, member);
  }

  /** A cursor in a damaged place cannot be checked, so it is not recognised. */
  async function chainAt(spreadsheetId: string, seq: number): Promise<string | undefined> {
    try {
      return await log.chainAt(spreadsheetId, seq);
    } catch (error) {
      if (!(error instanceof DamagedError)) throw error;
      onFault(error);
      return undefined;
    }
  }

  /** Whether it was still there. */
  function letGo(group: Group, reader: Reader): boolean {
    const { members, live, spreadsheetId } = group;
    const member = members.get(reader);
    if (!member) return false;
    member.left = true;
    member.wake?.();
    members.delete(reader);
    // The last one takes its place, unless it was the last.
    const last = member.place === undefined ? undefined : live.pop();
    const moved = last && members.get(last);
    if (moved && member.place !== undefined) {
      live[member.place] = moved.reader;
      moved.place = member.place;
    }
    if (members.size === 0 && groups.get(spreadsheetId) === group) groups.delete(spreadsheetId);
    tellWatchers(spreadsheetId);
    return true;
  }

  return {
    join(spreadsheetId, cursor, reader) {
      const group = groups.get(spreadsheetId) ?? newGroup(spreadsheetId);
      groups.set(spreadsheetId, group);
      const member: Member = { reader, position: NOWHERE, place: undefined, left: false, wake: undefined };
      group.members.set(reader, member);
      tellWatchers(spreadsheetId);
      void start(group, member, cursor);
    },
    leave(spreadsheetId, reader) {
      const group = groups.get(spreadsheetId);
      if (group) letGo(group, reader);
    },
    readersOf: (spreadsheetId) => [...(groups.get(spreadsheetId)?.members.keys() ?? [])],
    watchers: (spreadsheetId) => groups.get(spreadsheetId)?.members.size ?? 0,
    watched: () => [...groups.keys()],
    onWatchers(listener) {
      tellWatchers = listener;
    },
    sinceLogged(spreadsheetId, seq) {
      const found = groups.get(spreadsheetId)?.recent.find((one) => one.lastSeq >= seq);
      return found && found.lastSeq === seq ? elapsed() - found.at : undefined;
    },
    stop() {
      stopFollowing();
      for (const group of groups.values()) {
        for (const reader of group.members.keys()) if (letGo(group, reader)) reader.end("shutting-down");
      }
    },
  };
}

/** Resolves when its queue is short, or it has left. */
function takesMore(member: Member): Promise<void> {
  return new Promise((resolve, reject) => {
    member.wake = resolve;
    void member.reader
      .drained()
      .then(resolve, reject)
      .finally(() => (member.wake = undefined));
  });
}

const NOWHERE: Position = { epoch: "", seq: 0 };

const newGroup = (spreadsheetId: string): Group => ({
  spreadsheetId,
  members: new Map(),
  live: [],
  held: NOWHERE,
  known: undefined,
  pending: [],
  recent: [],
});
