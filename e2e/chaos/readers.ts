/**
 * Somebody who watches: a WebSocket that resumes with its cursor, checks that seq has no hole and that the chain is the
 * one of what it was given, and takes a snapshot when told to.
 */
import { nextChain } from "@sheetwire/shared/digest";
import {
  downFrameSchema,
  FEED_SUBPROTOCOL,
  snapshotHeadSchema,
  snapshotRowsSchema,
  type Change,
  type Cursor,
  type DownFrame,
} from "@sheetwire/shared/protocol";
import { WebSocket } from "ws";
import * as z from "zod";
import type { Sheet } from "./house.ts";
import { placeOfCell, postOf } from "./ledger.ts";

/** The cells that hold a post's text, by place: the copy that a reader has, and the one that the log makes. */
export type Copy = Map<number, number>;

/** Writes a change into a copy; hands every post it tells of to `saw`. */
export function applyTo(copy: Copy, change: Change, saw: (k: number) => void): void {
  if (change.kind !== "cells") return;
  for (const [rowOffset, row] of change.cells.entries()) {
    for (const [columnOffset, cell] of row.entries()) {
      const k = postOf(cell);
      const place = placeOfCell(change.at.row + rowOffset, change.at.column + columnOffset);
      if (k === undefined) copy.delete(place);
      else {
        copy.set(place, k);
        saw(k);
      }
    }
  }
}

/**
 * The changes of a frame or page as they stood there: what the chain is made of. (A schema gives back the same values, but
 * their keys in its own order.)
 */
export const textsOf = (said: unknown): string[] =>
  z
    .object({ changes: z.array(z.unknown()) })
    .parse(said)
    .changes.map((change) => JSON.stringify(change));

export type Reader = {
  readonly sheet: Sheet;
  readonly copy: Copy;
  cursor: () => Cursor | undefined;
  readonly faults: {
    /** A change came whose seq was not the next, or a chain that is not the one of what came. */
    holes: number;
    /** A change came a second time. */
    doubled: number;
    /** It was told to take a snapshot. */
    refetches: number;
  };
  /** Cuts its connection, without a word. */
  cut: () => void;
  stop: () => Promise<void>;
};

const REDIAL_MS = 40;

/** Watches until stopped; `urlNow` says where the relay is, if one runs. */
export function startReader(sheet: Sheet, urlNow: () => string | undefined): Reader {
  const { spreadsheetId, token } = sheet;
  const copy: Copy = new Map();
  const faults = { holes: 0, doubled: 0, refetches: 0 };
  let cursor: Cursor | undefined;
  let socket: WebSocket | undefined;
  let isStopped = false;
  let redial: NodeJS.Timeout | undefined;
  let isBeginning = true;
  /** The last change that came over this watch. */
  let delivered: number | undefined;

  function dial(): void {
    redial = undefined;
    if (isStopped) return;
    const url = urlNow();
    if (url === undefined) return again();
    const mine = new WebSocket(`${url.replace("http", "ws")}/v1/feed`, FEED_SUBPROTOCOL);
    socket = mine;
    let heard: Promise<void> = Promise.resolve();
    mine.on("open", () => {
      mine.send(JSON.stringify({ kind: "hello", token, client: "chaos" }));
      watch(mine);
    });
    mine.on("message", (data: Buffer) => {
      const said: unknown = JSON.parse(data.toString("utf8"));
      const frame = downFrameSchema.parse(said);
      // One after the other, also while a snapshot is on its way.
      heard = heard
        .then(() => (socket === mine ? hear(mine, url, frame, said) : undefined))
        .catch(() => mine.terminate());
    });
    mine.on("error", () => {});
    mine.on("close", () => {
      if (socket === mine) socket = undefined;
      again();
    });
  }

  const again = (): void => {
    if (!isStopped && redial === undefined) redial = setTimeout(dial, REDIAL_MS);
  };
  const watch = (mine: WebSocket): void =>
    mine.send(JSON.stringify({ kind: "watch", spreadsheetId, ...(cursor ? { cursor } : {}) }));

  async function hear(mine: WebSocket, url: string, frame: DownFrame, said: unknown): Promise<void> {
    if (frame.kind === "refused") return mine.terminate();
    if (frame.kind === "changes") return take(frame.changes, textsOf(said), frame.chain);
    if (frame.kind === "watching") {
      if (frame.recovered && frame.epoch !== cursor?.epoch) faults.holes += 1;
      delivered = frame.recovered ? cursor?.seq : frame.seq;
      if (!frame.recovered) await refetch(url);
    }
    if (frame.kind === "refetch") {
      // What comes after it begins behind what could not be sent.
      delivered = undefined;
      await refetch(url);
    }
  }

  function take(changes: readonly Change[], texts: readonly string[], chain: string): void {
    for (const { seq } of changes) {
      if (delivered !== undefined && seq <= delivered) faults.doubled += 1;
      if (delivered !== undefined && seq > delivered + 1) faults.holes += 1;
      delivered = Math.max(seq, delivered ?? 0);
    }
    if (!cursor) return;
    // A snapshot may be younger than changes that were on their way when it was taken.
    const before = changes.findIndex(({ seq }) => seq > (cursor?.seq ?? 0));
    const later = before < 0 ? [] : changes.slice(before);
    const last = later.at(-1);
    if (!last) return;
    if (later[0]?.seq !== cursor.seq + 1) faults.holes += 1;
    const running = texts.slice(before).reduce(nextChain, cursor.chain);
    for (const change of later) applyTo(copy, change, () => {});
    if (running !== chain) faults.holes += 1;
    cursor = { ...cursor, seq: last.seq, chain };
  }

  async function refetch(url: string): Promise<void> {
    // Whoever comes for the first time has nothing yet; that is no fault of anybody.
    if (!isBeginning) faults.refetches += 1;
    cursor = undefined;
    copy.clear();
    const answer = await fetch(`${url}/v1/spreadsheets/${spreadsheetId}/snapshot`, {
      headers: { authorization: `Bearer ${token}` },
    });
    if (!answer.ok) throw new Error(`The snapshot was refused with ${answer.status}.`);
    const lines = (await answer.text()).split("\n").filter((line) => line !== "");
    const [first = "", ...rest] = lines;
    if (!rest.pop()?.includes('"end":true')) throw new Error("The snapshot broke off.");
    for (const line of rest) {
      const { fromRow, rows } = snapshotRowsSchema.parse(JSON.parse(line));
      for (const [offset, row] of rows.entries()) {
        for (const [column, cell] of (row ?? []).entries()) {
          const k = postOf(cell);
          if (k !== undefined) copy.set(placeOfCell(fromRow + offset, column), k);
        }
      }
    }
    const { epoch, seq, chain } = snapshotHeadSchema.parse(JSON.parse(first));
    cursor = { epoch, seq, chain };
    isBeginning = false;
  }

  dial();
  return {
    sheet,
    copy,
    faults,
    cursor: () => cursor,
    cut: () => socket?.terminate(),
    async stop() {
      isStopped = true;
      clearTimeout(redial);
      const mine = socket;
      if (!mine || mine.readyState === WebSocket.CLOSED) return;
      const closed = new Promise((resolve) => mine.once("close", resolve));
      mine.terminate();
      await closed;
    },
  };
}
