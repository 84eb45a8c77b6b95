/** Who reads which spreadsheet, and from where. It follows the log, so that ingest need not know that anybody is there. */
import { limits } from "@sheetwire/shared/limits";
import type { Cursor, RefusalCode } from "@sheetwire/shared/protocol";
import { DamagedError, laterPart, type ChangeLog, type Entry, type Head } from "../log/log.ts";

export { createFactsTeller, type FactsTeller } from "./facts-teller.ts";

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
  /** Ready frames, as they are stored, to be written at once. Those of a turn are the same for all readers. */
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
 */
export interface FanOut {
  /** Returns the way to leave. */
  join(spreadsheetId: string, cursor: Cursor | undefined, reader: Reader): () => void;
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

type Member = { reader: Reader; epoch: string; seq: number; live: boolean; left: boolean };

type Group = {
  readonly spreadsheetId: string;
  readonly members: Set<Member>;
  /** The last seq this process saw become durable, and in which life of the log. */
  last: number | undefined;
  epoch: string | undefined;
  /** Became durable in this turn, not yet sent. */
  pending: Entry[];
  readonly recent: { lastSeq: number; at: number }[];
};

/** Replay reads the log in pieces of about this size, in bytes. */
const PIECE_BYTES = 256 * 1024;
const RECENT = 256;

export function createFanOut({ log, elapsed, onFault, onDelivered, onLogged }: Needs): FanOut {
  const groups = new Map<string, Group>();
  let tellWatchers: (spreadsheetId: string) => void = () => {};

  const stopFollowing = log.follow((spreadsheetId, entry, epoch) => {
    onLogged?.(entry.lastSeq - entry.firstSeq + 1);
    const group = groups.get(spreadsheetId);
    if (!group) return;
    if (group.epoch !== epoch) {
      // Another life of the log: what is pending of the one before has no reader any more.
      group.epoch = epoch;
      group.pending.length = 0;
      group.recent.length = 0;
    }
    group.last = entry.lastSeq;
    group.recent.push({ lastSeq: entry.lastSeq, at: elapsed() });
    if (group.recent.length > RECENT) group.recent.shift();
    group.pending.push(entry);
    // After everything that waits for this commit: posts are answered first.
    if (group.pending.length === 1) process.nextTick(flush, group);
  });

  /** Sends what became durable in this turn to those who hold everything before it. */
  function flush(group: Group): void {
    const entries = group.pending;
    group.pending = [];
    const first = entries[0];
    const last = entries.at(-1);
    if (!first || !last) return;
    // What no frame holds is met on the way through the log.
    const fits = entries.every((entry) => entry.fitsFrame);
    const bytes = entries.reduce((sum, entry) => sum + entry.frame.length, 0);
    const before = first.firstSeq - 1;
    let delivered = 0;
    for (const member of group.members) {
      if (!member.live) continue;
      if (fits && member.seq === before && member.epoch === group.epoch) {
        if (member.reader.queuedBytes() + bytes > limits.readerQueueMaxBytes) {
          leave(group, member);
          member.reader.end("too-slow");
          continue;
        }
        member.seq = last.lastSeq;
        member.reader.deliver(entries);
        delivered += 1;
      } else if (member.seq < (group.last ?? 0) || member.epoch !== group.epoch) {
        member.live = false;
        void catchUp(group, member);
      }
    }
    if (delivered > 0) onDelivered?.(delivered * entries.length);
  }

  /** What was read of the log, as one piece. */
  function replay(member: Member, entries: readonly Entry[]): void {
    for (const { firstSeq, lastSeq } of entries) {
      if (firstSeq !== member.seq + 1) {
        throw new RangeError(`Reader holds change ${member.seq}, but ${firstSeq} came next.`);
      }
      member.seq = lastSeq;
    }
    member.reader.deliver(entries);
    onDelivered?.(entries.length);
  }

  /** Reads the log until the member holds all that is known to be durable; from then on it is live, in the same turn. */
  async function catchUp(group: Group, member: Member): Promise<void> {
    try {
      while (!member.left && !member.live) {
        try {
          await readOn(group, member);
        } catch (error) {
          // What is damaged is never sent: the reader takes a snapshot instead, and goes on behind it.
          if (!(error instanceof DamagedError)) throw error;
          onFault(error);
          await skip(group, member, "history-damaged");
        }
      }
    } catch (error) {
      onFault(error);
      if (leave(group, member)) member.reader.end("internal");
    }
  }

  async function readOn(group: Group, member: Member): Promise<void> {
    const { spreadsheetId } = group;
    while (!member.left) {
      const knownBefore = group.last;
      const entries = await log.readAfter(spreadsheetId, member.seq, PIECE_BYTES);
      // Asked after reading: an epoch never comes back, so what was read belongs to this one.
      const head = await log.head(spreadsheetId);
      if (member.left) return;
      if (head?.epoch !== member.epoch) {
        await beginAgain(group, member);
        continue;
      }
      if (entries.length === 0) {
        if (group.epoch === undefined || (group.epoch === member.epoch && (group.last ?? 0) <= member.seq)) {
          member.live = true;
          return;
        }
        // Something became durable while the log was being read: read again.
        if (group.last !== knownBefore) continue;
        throw new RangeError(`Change ${group.last} was told of, but the log ends at ${member.seq}.`);
      }
      await member.reader.drained();
      if (member.left) return;
      const [first, ...others] = entries;
      const piece = first ? [laterPart(spreadsheetId, first, member.seq), ...others] : [];
      const tooLarge = piece.findIndex((entry) => !entry.fitsFrame);
      if (tooLarge !== 0) replay(member, tooLarge < 0 ? piece : piece.slice(0, tooLarge));
      if (tooLarge >= 0) await skip(group, member, "change-too-large");
    }
  }

  /** The log began a new life under the reader: it starts afresh at the new head. */
  async function beginAgain(group: Group, member: Member): Promise<void> {
    const head = (await log.head(group.spreadsheetId)) ?? (await log.create(group.spreadsheetId));
    member.epoch = head.epoch;
    member.seq = head.seq;
    if (!member.left) member.reader.begin({ from: head, head, recovered: false });
  }

  /** Changes that cannot be sent: everything up to the head is in the snapshot that the reader now takes. */
  async function skip(group: Group, member: Member, reason: string): Promise<void> {
    const head = await log.head(group.spreadsheetId);
    if (member.left || head?.epoch !== member.epoch) return;
    member.seq = head.seq;
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
      member.epoch = from.epoch;
      member.seq = from.seq;
      if (member.left) return;
      member.reader.begin({ from, head, recovered });
    } catch (error) {
      onFault(error);
      if (leave(group, member)) member.reader.end("internal");
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

  function leave(group: Group, member: Member): boolean {
    if (member.left) return false;
    member.left = true;
    group.members.delete(member);
    if (group.members.size === 0 && groups.get(group.spreadsheetId) === group) groups.delete(group.spreadsheetId);
    tellWatchers(group.spreadsheetId);
    return true;
  }

  return {
    join(spreadsheetId, cursor, reader) {
      const group = groups.get(spreadsheetId) ?? newGroup(spreadsheetId);
      groups.set(spreadsheetId, group);
      const member: Member = { reader, epoch: "", seq: 0, live: false, left: false };
      group.members.add(member);
      tellWatchers(spreadsheetId);
      void start(group, member, cursor);
      return () => void leave(group, member);
    },
    readersOf: (spreadsheetId) => [...(groups.get(spreadsheetId)?.members ?? [])].map((member) => member.reader),
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
        for (const member of group.members) if (leave(group, member)) member.reader.end("shutting-down");
      }
    },
  };
}

const newGroup = (spreadsheetId: string): Group => ({
  spreadsheetId,
  members: new Set(),
  last: undefined,
  epoch: undefined,
  pending: [],
  recent: [],
});
