/** The machine on which the relay runs: it starts, dies at any access to its store, and starts again. */
import { problemOf } from "@sheetwire/shared/protocol";
import { createAccess, type Access } from "../../relay-server/access/access.ts";
import { createMemoryAccessStore } from "../../relay-server/access/engines/memory.ts";
import { createFanOut } from "../../relay-server/fan-out/fan-out.ts";
import { createIngest, type Ingest, type PostHeaders } from "../../relay-server/ingest/ingest.ts";
import { DiskFullError, type ChangeLog } from "../../relay-server/log/log.ts";
import { converse } from "../../relay-server/socket/conversation.ts";
import { createLogger, createMetrics } from "../../relay-server/telemetry/telemetry.ts";
import type { CallAnswer } from "../../apps-script/calls/calls.ts";
import { createCaller } from "../../relay-server/call/call.ts";
import type { CallResult } from "../../relay-server/call/web-apps.ts";
import type { Clock, Trace } from "./clock.ts";
import type { Dice } from "./dice.ts";
import type { Disk } from "./disk.ts";
import type { ServerSocket } from "./wire.ts";
import type { Weather } from "./weather.ts";

export const SPREADSHEET_ID = "simulated-0001";

/** The script at Google, as the relay calls it: its answer, or nothing. */
export type Script = (contents: string) => Promise<CallAnswer | undefined>;

export type HttpAnswer = { readonly status: number; readonly text: string };

export type RelayHost = {
  /** An answer, or nothing when the relay is down or dies before it answers. */
  post: (headers: PostHeaders, body: Buffer) => Promise<HttpAnswer | undefined>;
  /** A snapshot's lines, or why there is none. */
  snapshot: () => Promise<{ lines: string[] } | HttpAnswer | undefined>;
  /** Takes the other end of a socket; false when nobody listens. */
  accept: (socket: ServerSocket) => boolean;
  crash: (downMs: number) => void;
  /** How the relay reaches the script's web app, once there is one. */
  callsGoTo: (script: Script) => void;
  ingest: () => Ingest | undefined;
  readonly crashes: () => number;
  readonly faults: readonly string[];
  readonly token: string;
  readonly ingestKey: string;
};

type Needs = {
  clock: Clock;
  dice: Dice;
  disk: Disk;
  weather: Weather;
  trace: Trace;
};

/** One life of the relay process. */
type Life = { isAlive: boolean; ingest: Ingest; feed: (socket: ServerSocket) => void; ends: Set<() => void> };

/** Keys, counters and the logger do not decide anything here, so all simulations of a process share them. */
const shared = (() => {
  let made: { access: Access; ingestKey: string; token: string } | undefined;
  return () => {
    if (made) return made;
    const access = createAccess({ store: createMemoryAccessStore(), now: () => 0 });
    const ingestKey = access.addSpreadsheet(SPREADSHEET_ID)?.ingestKey ?? "";
    const token = access.addDevice(SPREADSHEET_ID, "simulated", ["read"])?.token ?? "";
    made = { access, ingestKey, token };
    return made;
  };
})();
const metrics = createMetrics();
metrics.stop();
const logger = createLogger("silent");

export function createRelayHost({ clock, dice, disk, weather, trace }: Needs): RelayHost {
  const { access, ingestKey, token } = shared();
  const faults: string[] = [];
  let crashes = 0;
  let life: Life | undefined;
  let script: Script | undefined;
  let calls = 0;

  const hits = (odds: keyof Weather["odds"]): boolean => weather.isStormy && dice.chance(weather.odds[odds]);

  const wholeNow = (): number => Math.floor(clock.now());

  function start(): void {
    const ends = new Set<() => void>();
    const mine: Partial<Life> & { isAlive: boolean; ends: Set<() => void> } = { isAlive: true, ends };
    const log = storeOf(mine, ends);
    const onFault = (what: unknown): void => void faults.push(String(what));
    const ingest = createIngest({
      log,
      keysOf: (spreadsheetId) => access.keysOf(spreadsheetId),
      now: wholeNow,
      onFault,
      // In every other life it keeps in memory only what something happens to.
      holdBytes: crashes % 2 === 0 ? 0 : Number.POSITIVE_INFINITY,
    });
    const fanOut = createFanOut({ log, elapsed: clock.now, onFault });
    const wheel = { put: () => {}, remove: () => {}, turn: () => {}, stop: () => {} };
    const feed = (socket: ServerSocket): void => {
      ends.add(() => socket.cut());
      converse(socket.ws, socket.wire, wheel, {
        access,
        fanOut,
        metrics,
        logger,
        version: "simulated",
        now: wholeNow,
        elapsed: clock.now,
      });
    };
    const caller = createCaller({
      ingest,
      webApps: { mayCall: () => script !== undefined, ask, stop: () => {} },
      keysOf: (spreadsheetId) => access.keysOf(spreadsheetId),
      now: wholeNow,
      after: (ms, run) => clock.after(ms, () => mine.isAlive && run()),
      randomId: () => `call-${(calls += 1)}`,
      die: dice.next,
      onCall: (_spreadsheetId, outcome, rounds) => trace(`a call: ${outcome} after ${rounds} rounds`),
      onFault,
    });
    caller.start([SPREADSHEET_ID]);
    ends.add(() => void caller.stop());
    life = Object.assign(mine, { ingest, feed });
  }

  /** A call of the web app over a bad network. */
  async function ask(_address: string, body: string): Promise<CallResult> {
    await clock.sleep(weather.isStormy ? dice.between(20, 400) : 20);
    if (hits("lostCall") || !script) return { ok: false, code: "unreachable" };
    const answer = await script(body);
    await clock.sleep(weather.isStormy ? dice.between(20, 400) : 20);
    clock.owe(3);
    if (!answer || hits("lostCall")) return { ok: false, code: "timeout" };
    return answer.ok ? { ok: true, post: answer } : { ok: false, code: "refused", detail: answer.code };
  }

  /** Every access to the store takes its time, may be the last thing this life does, and a commit may be refused. */
  function storeOf(mine: { isAlive: boolean }, ends: Set<() => void>): ChangeLog {
    async function gate(): Promise<void> {
      if (hits("relayCrash") && mine.isAlive) crash(dice.between(50, 20_000));
      await clock.sleep(weather.isStormy ? (dice.chance(0.05) ? dice.between(0, 3_000) : dice.between(0, 8)) : 1);
      clock.owe(3);
      if (!mine.isAlive) await new Promise(() => {});
    }
    const through =
      <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
      async (...args: A): Promise<R> => {
        await gate();
        return call(...args);
      };
    return {
      create: through((id) => disk.log().create(id)),
      head: through((id) => disk.log().head(id)),
      async append(group) {
        await gate();
        if (hits("failedCommit")) {
          trace("a commit is refused");
          throw new DiskFullError("Simulated.");
        }
        await disk.append(group);
        await gate();
      },
      readAfter: through((id, seq, most) => disk.log().readAfter(id, seq, most)),
      chainAt: through((id, seq) => disk.log().chainAt(id, seq)),
      floor: through((id) => disk.log().floor(id)),
      takenPost: through(async (id, post) => disk.log().takenPost(id, post)),
      desk: through((id) => disk.log().desk(id)),
      saveState: through((id, state) => disk.log().saveState(id, state)),
      state: through((id) => disk.log().state(id)),
      trim: through((id, seq) => disk.log().trim(id, seq)),
      kept: through((id) => disk.log().kept(id)),
      dueThrough: through((id, moment, most) => disk.log().dueThrough(id, moment, most)),
      tidy: through(() => disk.log().tidy()),
      restart: through((id) => disk.log().restart(id)),
      erase: through((id) => disk.log().erase(id)),
      forgetPosts: through((moment) => disk.log().forgetPosts(moment)),
      follow(onEntry, onLife) {
        const leave = disk.log().follow(
          (...told) => {
            if (mine.isAlive) onEntry(...told);
          },
          (...told) => {
            if (mine.isAlive) onLife?.(...told);
          },
        );
        ends.add(leave);
        return leave;
      },
      close: async () => {},
    };
  }

  function crash(downMs: number): void {
    const dead = life;
    if (!dead) return;
    crashes += 1;
    trace(`the relay dies for ${Math.round(downMs)} ms`);
    life = undefined;
    dead.isAlive = false;
    for (const end of dead.ends) end();
    const lost = hits("lostTail") ? 1 + dice.below(4) : 0;
    clock.after(downMs, () => {
      clock.owe(20);
      void (async () => {
        if (lost > 0) {
          trace(`the last ${lost} commits are lost`);
          await disk.loseTail(lost);
        }
        start();
        trace("the relay starts");
      })();
    });
  }

  /** Whoever waits for an answer of a process that dies gets none. */
  async function unlessDead<T>(mine: Life, answer: Promise<T>): Promise<T | undefined> {
    let end = (): void => {};
    const died = new Promise<undefined>((resolve) => {
      end = () => resolve(undefined);
    });
    mine.ends.add(end);
    const first = await Promise.race([answer, died]);
    mine.ends.delete(end);
    return first;
  }

  start();

  return {
    async post(headers, body) {
      const mine = life;
      if (!mine) return undefined;
      clock.owe(4);
      const result = await unlessDead(mine, mine.ingest.take(SPREADSHEET_ID, headers, body));
      if (!result) return undefined;
      if (result.ok) return { status: 202, text: result.answer };
      const { code, detail, maxBytes, retryAfterMs } = result;
      const problem = problemOf(code, { detail, maxBytes, retryAfterMs });
      return { status: problem.status, text: JSON.stringify(problem) };
    },
    async snapshot() {
      const mine = life;
      if (!mine) return undefined;
      clock.owe(4);
      const state = await unlessDead(
        mine,
        mine.ingest.stateOf(SPREADSHEET_ID).then((found) => found ?? "none"),
      );
      if (!state) return undefined;
      if (state === "none") return { status: 503, text: JSON.stringify(problemOf("busy", { retryAfterMs: 1_000 })) };
      return { lines: [...state.snapshotLines(), JSON.stringify({ end: true, digest: state.digest() })] };
    },
    accept(socket) {
      if (!life) return false;
      life.feed(socket);
      return true;
    },
    crash,
    callsGoTo: (there) => void (script = there),
    ingest: () => life?.ingest,
    crashes: () => crashes,
    faults,
    token,
    ingestKey,
  };
}
