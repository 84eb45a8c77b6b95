/** Executions of scripts: each in a thread of its own, several at once, none longer than Google lets it. */
import { MessageChannel, Worker, type MessagePort } from "node:worker_threads";
import type { Asked, Meanwhile, Reply, RunMessage, RunResult } from "./messages.ts";

export type { Leeway, Meanwhile, Reply, RunMessage, RunResult } from "./messages.ts";

export type RunsNeeds = {
  /** The text of the services that are evaluated before each script. */
  readonly services: string;
  /** Threads kept ready, so that an edit reaches its handler at once. */
  readonly warm: number;
};

/** Answers what a script asks of a service. */
export type Answerer = (
  op: string,
  args: unknown,
  bytes: Int8Array | undefined,
  meanwhile: Meanwhile,
) => Reply | Promise<Reply>;

export const maxRunMs = 360_000;
/** Threads that are kept when nothing runs in them. */
const maxIdle = 16;
/** A run that was ended is out of its thread within this, or the thread goes with it. */
const endingMs = 1_000;
const gone = "We're sorry, a server error occurred. Please wait a bit and try again.";

type Thread = {
  worker: Worker;
  port: MessagePort;
  flag: Int32Array;
  answerer: Answerer | undefined;
  finish: ((result: RunResult) => void) | undefined;
  /** Ends the run as at its time limit: for everybody else it is over at once. */
  leave: (() => void) | undefined;
};

export function createRuns(needs: RunsNeeds) {
  const idle: Thread[] = [];
  const all = new Set<Thread>();
  const ending = new Set<Promise<number>>();
  let isStopped = false;

  function open(): Thread {
    const { port1, port2 } = new MessageChannel();
    const signal = new SharedArrayBuffer(4);
    const worker = new Worker(new URL("worker.ts", import.meta.url), {
      workerData: { services: needs.services, port: port2, signal },
      transferList: [port2],
      execArgv: [],
      env: {},
    });
    const thread: Thread = {
      worker,
      port: port1,
      flag: new Int32Array(signal),
      answerer: undefined,
      finish: undefined,
      leave: undefined,
    };
    all.add(thread);
    port1.on("message", (asked: Asked) => void answer(thread, asked));
    worker.on("message", (result: RunResult) => thread.finish?.(result));
    worker.on("error", (error) => thread.finish?.({ ok: false, error: `Error: ${error.message}`, zoneCalls: 0 }));
    worker.on("exit", () => {
      all.delete(thread);
      const at = idle.indexOf(thread);
      if (at >= 0) idle.splice(at, 1);
      port1.close();
      thread.finish?.({ ok: false, error: `Exception: ${gone}`, zoneCalls: 0 });
    });
    worker.unref();
    port1.unref();
    return thread;
  }

  async function answer(thread: Thread, asked: Asked): Promise<void> {
    let said: Reply;
    try {
      const args: unknown = JSON.parse(asked.args);
      said = thread.answerer
        ? await thread.answerer(asked.op, args, asked.bytes, asked.meanwhile)
        : { json: "null", error: gone };
    } catch (error) {
      said = { json: "null", error: error instanceof Error ? error.message : gone };
    }
    if (said.isEnd) thread.leave?.();
    thread.port.postMessage(said);
    Atomics.store(thread.flag, 0, 1);
    Atomics.notify(thread.flag, 0);
  }

  /** Gone at once for everybody else, though its end takes a moment. */
  function terminate(thread: Thread): void {
    all.delete(thread);
    thread.answerer = undefined;
    thread.finish = undefined;
    ending.add(thread.worker.terminate());
  }

  /** The next run may have the thread. */
  function release(thread: Thread): void {
    thread.answerer = undefined;
    thread.finish = undefined;
    thread.leave = undefined;
    if (!all.has(thread)) return;
    thread.worker.unref();
    if (idle.length < Math.max(needs.warm, maxIdle) && !isStopped) idle.push(thread);
    else void thread.worker.terminate();
  }

  /** Runs a function of a script to its end. What goes wrong in it is the result, never a throw. */
  async function run(message: RunMessage, answerer: Answerer, limitMs = maxRunMs): Promise<RunResult> {
    if (isStopped) return { ok: false, error: `Exception: ${gone}`, zoneCalls: 0 };
    const thread = idle.pop() ?? open();
    thread.answerer = answerer;
    const result = await new Promise<RunResult>((resolve) => {
      const over: RunResult = { ok: false, error: "Exception: Exceeded maximum execution time", zoneCalls: 0 };
      const timer = setTimeout(() => {
        terminate(thread);
        resolve(over);
      }, limitMs);
      thread.leave = () => {
        clearTimeout(timer);
        // Nothing it asks for is answered any more. It leaves its thread by itself, unless it catches what it is told.
        const late = setTimeout(() => terminate(thread), endingMs);
        thread.finish = () => {
          clearTimeout(late);
          release(thread);
        };
        resolve(over);
      };
      thread.finish = (ended) => {
        clearTimeout(timer);
        release(thread);
        resolve(ended);
      };
      thread.worker.ref();
      thread.worker.postMessage(message);
    });
    return result;
  }

  for (let n = 0; n < needs.warm; n++) idle.push(open());

  return {
    run,
    /** Ends every thread, runs in progress included. */
    async stop(): Promise<void> {
      isStopped = true;
      await Promise.all([...ending, ...[...all].map((thread) => thread.worker.terminate())]);
    },
  };
}

export type Runs = ReturnType<typeof createRuns>;
