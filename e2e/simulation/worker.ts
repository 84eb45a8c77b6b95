/** The browser's background worker: the production connection and sync over a copy. It may be killed at any moment. */
import { createConnection } from "../../extension/connection/connection.ts";
import type { Socket } from "../../extension/connection/connection.ts";
import { startSync } from "../../extension/sync/sync.ts";
import type { Copy } from "../../extension/mirror/mirror.ts";
import type { Clock, Trace } from "./clock.ts";
import type { Dice } from "./dice.ts";
import type { SyncedCopy } from "./memory-copy.ts";
import { SPREADSHEET_ID, type RelayHost } from "./relay-host.ts";
import type { Weather } from "./weather.ts";

export type Worker = {
  crash: () => void;
  readonly crashes: () => number;
  /** What the sync says of itself. */
  readonly phase: () => string;
  stop: () => void;
};

type Needs = {
  clock: Clock;
  dice: Dice;
  weather: Weather;
  copy: SyncedCopy;
  relay: RelayHost;
  dial: () => Socket;
  trace: Trace;
};

export function startWorker({ clock, dice, weather, copy, relay, dial, trace }: Needs): Worker {
  let life = { isAlive: false };
  let crashes = 0;
  let phase = "";
  let stopLife: () => void = () => {};

  function start(): void {
    const mine = { isAlive: true };
    life = mine;
    const after = (ms: number, run: () => void): (() => void) => clock.after(ms, () => mine.isAlive && run());
    const connection = createConnection("https://relay.example", "simulated", {
      dial: () => guarded(dial(), mine),
      now: clock.now,
      die: dice.next,
      after,
    });
    stopLife = () => connection.stop();
    void startSync(SPREADSHEET_ID, {
      relayUrl: "https://relay.example",
      token: relay.token,
      copy: gatedCopy(mine) as Copy,
      watch: connection.watch,
      fetch: (_url, init) => fetchSnapshot(mine, init.signal ?? undefined),
      now: clock.now,
      die: dice.next,
      after,
      onFacts: (facts) => {
        if (mine.isAlive) phase = `${facts.link} ${facts.copy} ${facts.behindBy}`;
      },
    });
  }

  function crash(): void {
    if (!life.isAlive) return;
    life.isAlive = false;
    crashes += 1;
    trace("the worker is killed");
    stopLife();
    clock.after(weather.isStormy ? dice.between(100, 40_000) : 100, start);
  }

  /** The store outlives the worker; whoever awaited it does not. */
  function gatedCopy(mine: { isAlive: boolean }): SyncedCopy {
    async function within<T>(what: string, call: () => Promise<T>): Promise<T> {
      const hit = weather.isStormy && dice.chance(weather.odds.workerCrash);
      const isBefore = dice.chance(0.5);
      await clock.sleep(weather.isStormy ? dice.between(0, 20) : 1);
      if (hit && isBefore && mine.isAlive) crash();
      if (!mine.isAlive) return new Promise<T>(() => {});
      const done = clock.busy();
      let result: T;
      try {
        result = await call();
        trace(`the mirror: ${what}`);
      } finally {
        done();
      }
      await clock.sleep(0);
      if (hit && !isBefore && mine.isAlive) crash();
      return mine.isAlive ? result : new Promise<T>(() => {});
    }
    return {
      cursor: () => within("cursor", () => copy.cursor()),
      sheets: () => within("sheets", () => copy.sheets()),
      take: (changes, cursor) => within(`take to ${cursor.seq}`, () => copy.take(changes, cursor)),
      continueSnapshot: () => within("continue", () => copy.continueSnapshot()),
      startSnapshot: (head, etag) =>
        within(`snapshot of ${head.seq}`, async () => {
          const writer = await copy.startSnapshot(head, etag);
          return {
            // The last line is none for the store.
            putLine: (line) =>
              isOfRows(line) ? within("rows", () => writer.putLine(line)) : Promise.resolve(undefined),
            finish: (last) => within("finish", () => writer.finish(last)),
            leave: () => within("leave", () => writer.leave()),
            abandon: () => within("abandon", () => writer.abandon()),
          };
        }),
    };
  }

  async function fetchSnapshot(mine: { isAlive: boolean }, signal: AbortSignal | undefined): Promise<Response> {
    await clock.sleep(weather.isStormy ? dice.between(5, 500) : 5);
    const aborted = new Promise<undefined>((resolve) => signal?.addEventListener("abort", () => resolve(undefined)));
    const answer = await Promise.race([relay.snapshot(), aborted]);
    if (!answer || !mine.isAlive) throw new TypeError("fetch failed");
    if ("status" in answer) return new Response(answer.text, { status: answer.status });
    const breaksOff = weather.isStormy && dice.chance(weather.odds.brokenSnapshot);
    const lines = breaksOff ? answer.lines.slice(0, dice.below(answer.lines.length)) : answer.lines;
    const encoder = new TextEncoder();
    let at = 0;
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await clock.sleep(weather.isStormy ? dice.between(0, 200) : 1);
        const line = lines[at];
        at += 1;
        clock.owe(3);
        if (signal?.aborted || !mine.isAlive) controller.error(new TypeError("aborted"));
        else if (line !== undefined) controller.enqueue(encoder.encode(`${line}\n`));
        else if (breaksOff) controller.error(new TypeError("broken"));
        else controller.close();
      },
    });
    clock.owe(4);
    return new Response(body, { status: 200 });
  }

  start();
  return {
    crash,
    crashes: () => crashes,
    phase: () => phase,
    stop: () => {
      life.isAlive = false;
      stopLife();
    },
  };
}

/** Nothing that arrives reaches a worker that is dead. */
function guarded(socket: Socket, mine: { isAlive: boolean }): Socket {
  return new Proxy(socket, {
    get: (target, name: keyof Socket) => {
      const value: unknown = target[name];
      return typeof value === "function" ? value.bind(target) : value;
    },
    set(target, name: keyof Socket, handler: ((this: unknown, event: unknown) => void) | null) {
      const held = handler && ((event: unknown): void => void (mine.isAlive && handler.call(target, event)));
      Object.assign(target, { [name]: held });
      return true;
    },
  });
}

const isOfRows = (line: Uint8Array): boolean => new TextDecoder().decode(line).startsWith('{"sheetId"');
