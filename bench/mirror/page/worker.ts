/** What runs in a peer's worker: it takes the time there, where nothing but the peer itself stands between. */
import type { Cell, Edit, Moved, Peer, Place } from "./peer.ts";
import { trimmed } from "./peer.ts";

type Ask = { id: number; what: keyof Answers; args: unknown[] };
type Timed<T> = { ms: number; answer: T };
type Answers = ReturnType<typeof answersOf>;

/** Serves a peer: answers what `ask` of the page sends. */
export function serve(peer: Peer): void {
  const answers = answersOf(peer) as Record<string, (...args: never[]) => Promise<unknown>>;
  globalThis.onmessage = (event: MessageEvent<Ask>) => {
    const { id, what, args } = event.data;
    const answer = answers[what]?.(...(args as never[])) ?? Promise.reject(new Error(`Nothing answers ${what}.`));
    answer.then(
      (value) => postMessage({ id, value }),
      (error: unknown) =>
        postMessage({ id, error: error instanceof Error ? `${error.message} ${error.stack}` : String(error) }),
    );
  };
}

function answersOf(peer: Peer) {
  let snapshot: Uint8Array<ArrayBuffer> | undefined;

  const timed = async <T>(work: () => Promise<T>): Promise<Timed<T>> => {
    const began = performance.now();
    const answer = await work();
    return { ms: performance.now() - began, answer };
  };

  return {
    open: async () => (await timed(() => peer.open())).ms,

    /** Keeps the bytes of the snapshot in memory and leaves as little else there as can be. */
    async fetchSnapshot(url: string): Promise<number> {
      snapshot = new Uint8Array(await (await fetch(url)).arrayBuffer());
      await peer.prepare?.(snapshot);
      (globalThis as { gc?: () => void }).gc?.();
      return snapshot.length;
    },

    ready: async () => peer.ready?.(),

    async load(): Promise<number> {
      const bytes = snapshot;
      if (!bytes) throw new Error("No snapshot was fetched.");
      return (await timed(() => peer.load(bytes))).ms;
    },

    loadFrom: async (url: string) => peer.loadFrom?.(url),

    dropSnapshot: () => {
      snapshot = undefined;
      (globalThis as { gc?: () => void }).gc?.();
      return Promise.resolve();
    },

    /** Edits one after the other, each awaited. */
    async edits(edits: Edit[]): Promise<number[]> {
      const all: number[] = [];
      for (const edit of edits) all.push((await timed(() => peer.edit(edit))).ms);
      return all;
    },

    /** Edits that arrive one by one, each in a task of its own, whether or not the one before is committed. */
    async stream(edits: Edit[]): Promise<number> {
      const channel = new MessageChannel();
      const pending: Promise<void>[] = [];
      const { ms } = await timed(async () => {
        await new Promise<void>((resolve, reject) => {
          let next = 0;
          channel.port2.onmessage = () => {
            const edit = edits[next];
            if (!edit) return resolve();
            next += 1;
            const done = peer.edit(edit);
            done.catch(reject);
            pending.push(done);
            channel.port1.postMessage(undefined);
          };
          channel.port1.postMessage(undefined);
        });
        await Promise.all(pending);
      });
      channel.port1.close();
      return ms;
    },

    insertTop: async (cells: Cell[]) => (await timed(() => peer.insertTop(cells))).ms,

    viewport: (place: Place) => peer.viewport(place),

    async viewports(places: Place[]): Promise<{ ms: number[]; hashes: string[] }> {
      const ms: number[] = [];
      const hashes: string[] = [];
      for (const place of places) {
        const viewed = await timed(() => peer.viewport(place));
        ms.push(viewed.ms);
        hashes.push(await hashOf(viewed.answer, (rows) => JSON.stringify(rows.map(trimmed))));
      }
      return { ms, hashes };
    },

    async search(text: string): Promise<{ ms: number; count: number; hash: string }> {
      const { ms, answer } = await timed(() => peer.search(text));
      const count = Array.isArray(answer) ? answer.length : answer.bytes;
      return { ms, count, hash: await hashOf(answer, (hits) => hits.map((hit) => hit.join(",")).join(";")) };
    },

    async csv(): Promise<{ ms: number; hash: string }> {
      const { ms, answer } = await timed(() => peer.csv());
      return { ms, hash: await hashOf(answer, joined) };
    },

    storedBytes: async () => peer.storedBytes?.(),

    /** Keeps a core busy, so that the process can be told from others. */
    async burn(ms: number): Promise<void> {
      const end = performance.now() + ms;
      while (performance.now() < end);
      return Promise.resolve();
    },

    rest: async () => peer.rest?.(),

    /** From here on transactions wait for the disk, whatever durability their owner asks for. */
    async forceSync(): Promise<void> {
      if (peer.sync) return peer.sync();
      // It is called on the database it is called on below.
      // eslint-disable-next-line typescript/unbound-method
      const { transaction } = IDBDatabase.prototype;
      IDBDatabase.prototype.transaction = function strict(stores, mode, options) {
        return transaction.call(this, stores, mode, { ...options, durability: "strict" });
      };
      return Promise.resolve();
    },

    close: () => peer.close(),
  };
}

/** Answers are compared by their hash; bytes that were only moved have none. */
async function hashOf<T>(answer: T | Moved, wordsOf: (answer: T) => string | Uint8Array<ArrayBuffer>): Promise<string> {
  if (typeof answer === "object" && answer !== null && "bytes" in answer) return "";
  const words = wordsOf(answer);
  const bytes = await crypto.subtle.digest(
    "SHA-256",
    typeof words === "string" ? new TextEncoder().encode(words) : words,
  );
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}
