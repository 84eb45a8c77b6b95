/** One thread in which scripts run, one after another, each in a fresh context. Services block it; the main thread answers. */
import { createHash, createHmac, randomUUID } from "node:crypto";
import { gunzipSync, gzipSync } from "node:zlib";
import { constants, createContext, Script, type Context } from "node:vm";
import { parentPort, receiveMessageOnPort, workerData, type MessagePort } from "node:worker_threads";
import { formatInstant } from "../zones/zones.ts";
import type { Answer, Call, Host, RunFacts } from "../services/services.ts";
import type { Asked, Known, Leeway, Reply, RunMessage, RunResult } from "./messages.ts";

type Sandbox = {
  install(global: object): void;
  begin(host: Host, facts: RunFacts): void;
  call(global: object, host: Host, facts: RunFacts, what: Call): unknown;
  marshal(value: unknown): string;
};
type Prepared = { context: Context; global: object; sandbox: Sandbox };

const { services, port, signal } = workerData as { services: string; port: MessagePort; signal: SharedArrayBuffer };
const flag = new Int32Array(signal);
const servicesScript = new Script(`(function () { ${services}; return sandbox; })()`, {
  filename: "google-services.js",
});
const globalScript = new Script("globalThis");
const compiled = new Map<string, Script>();
let prepared: Prepared | undefined = prepare();
let zoneCalls = 0;
/** The run was ended from outside: whatever it does now, nobody hears of it. */
let isEnded = false;
/** What time it is, as far as this thread was told. */
let toldNow: number | undefined;
/** What this thread may answer itself, what it knows for that, and what it has answered so. */
const own: { revision: Int32Array; known: Known | undefined; calls: number; reads: number; answered: string[] } = {
  revision: new Int32Array(1),
  known: undefined,
  calls: 0,
  reads: 0,
  answered: [],
};

parentPort?.on("message", (message: RunMessage) => {
  void execute(message).then((result) => {
    parentPort?.postMessage(result);
    setImmediate(() => (prepared ??= prepare()));
  });
});

function prepare(): Prepared {
  // An ordinary global object: one that stands for another asks it for every name of the script.
  const context = createContext(constants.DONT_CONTEXTIFY, { codeGeneration: { strings: true, wasm: false } });
  const sandbox = servicesScript.runInContext(context) as Sandbox;
  const global = globalScript.runInContext(context) as object;
  sandbox.install(global);
  return { context, global, sandbox };
}

async function execute({ code, facts, call, revision, leeway }: RunMessage): Promise<RunResult> {
  const { context, global, sandbox } = prepared ?? prepare();
  prepared = undefined;
  zoneCalls = 0;
  isEnded = false;
  toldNow = facts.now;
  Object.assign(own, { revision: new Int32Array(revision), known: undefined, answered: [] });
  take(leeway);
  try {
    sandbox.begin(host, facts);
    scriptOf(code).runInContext(context);
    const result = await settled(sandbox.call(global, host, facts, call));
    return { ok: true, json: sandbox.marshal(result), zoneCalls, meanwhile: meanwhile() };
  } catch (error) {
    return { ok: false, error: messageOf(error), zoneCalls, meanwhile: meanwhile() };
  }
}

function scriptOf(code: string): Script {
  let script = compiled.get(code);
  if (!script) {
    if (compiled.size >= 8) compiled.clear();
    compiled.set(code, (script = new Script(code, { filename: "Code.gs" })));
  }
  return script;
}

/** There are promises at Google, but nothing that could settle one later: what is still open then stays open. */
async function settled(value: unknown): Promise<unknown> {
  if (typeof value !== "object" || value === null || !("then" in value)) return value;
  const open = new Promise<undefined>((done) => {
    setImmediate(() => done(undefined));
  });
  return Promise.race([Promise.resolve(value), open]);
}

function messageOf(error: unknown): string {
  if (typeof error !== "object" || error === null || !("message" in error)) return String(error);
  const name = "name" in error ? String(error.name) : "Error";
  return `${name}: ${String(error.message)}`;
}

const host: Host = {
  now: () => toldNow,
  call(op, args, bytes) {
    if (isEnded) throw new Error("The run has ended.");
    if (op.startsWith("local.")) return local(op.slice("local.".length), JSON.parse(args) as unknown, bytes);
    const known = answeredHere(op, args);
    if (known !== undefined) return { json: known };
    port.postMessage({ op, args, bytes, meanwhile: meanwhile() } satisfies Asked);
    // The waking of the answer before may come late, when this thread already waits for the next one.
    while (Atomics.load(flag, 0) === 0) Atomics.wait(flag, 0, 0);
    Atomics.store(flag, 0, 0);
    const received: { message: Reply } | undefined = receiveMessageOnPort(port);
    if (received?.message.isEnd) {
      isEnded = true;
      throw new Error("The run has ended.");
    }
    toldNow = received?.message.now ?? toldNow;
    take(received?.message.leeway);
    return (
      received?.message ?? {
        json: "null",
        error: "We're sorry, a server error occurred. Please wait a bit and try again.",
      }
    );
  },
};

function take(leeway: Leeway | undefined): void {
  own.known = leeway?.known ?? own.known;
  own.calls = leeway?.calls ?? 0;
  own.reads = leeway?.reads ?? 0;
}

function meanwhile(): Asked["meanwhile"] {
  if (own.answered.length === 0) return undefined;
  const { answered } = own;
  own.answered = [];
  return answered;
}

/** What was true when this thread was last told, and has not changed since. */
function answeredHere(op: string, args: string): string | undefined {
  if (own.calls === 0 || own.known?.revision !== Atomics.load(own.revision, 0)) return undefined;
  const key = `${op} ${args}`;
  const json = own.known.answers[key];
  const isRead = op !== "spreadsheet.flush";
  if (json === undefined || (isRead && own.reads === 0)) return undefined;
  own.calls--;
  if (isRead) own.reads--;
  own.answered.push(key);
  return json;
}

/** What needs nothing shared is answered in this thread. */
function local(op: string, args: unknown, input?: Int8Array): Answer {
  const bytes = input ? Buffer.from(input.buffer, input.byteOffset, input.byteLength) : Buffer.alloc(0);
  try {
    switch (op) {
      case "utf8":
        return { json: "null", bytes: Buffer.from(String(args), "utf8") };
      case "decode":
        return { json: JSON.stringify(decoded(bytes, String(args))) };
      case "hmac": {
        const { algorithm, messageLength } = args as { algorithm: string; messageLength: number };
        const name = algorithm.replace("HMAC_", "").replace("SHA_", "sha").toLowerCase();
        return {
          json: "null",
          bytes: createHmac(name, bytes.subarray(messageLength)).update(bytes.subarray(0, messageLength)).digest(),
        };
      }
      case "digest":
        return {
          json: "null",
          bytes: createHash(String(args).replace("SHA_", "sha").toLowerCase()).update(bytes).digest(),
        };
      case "base64":
        return { json: JSON.stringify(bytes.toString("base64")) };
      case "base64Url":
        return { json: JSON.stringify(bytes.toString("base64").replaceAll("+", "-").replaceAll("/", "_")) };
      case "unbase64":
        return { json: "null", bytes: Buffer.from(String(args), "base64") };
      case "uuid":
        return { json: JSON.stringify(randomUUID()) };
      case "formatDate": {
        zoneCalls++;
        const { instantMs, timeZone, format } = args as { instantMs: number; timeZone: string; format: string };
        return { json: JSON.stringify(formatInstant(instantMs, timeZone, format)) };
      }
      case "gzip":
        return { json: "null", bytes: gzipSync(bytes) };
      case "ungzip":
        return { json: "null", bytes: gunzipSync(bytes) };
      default:
        return { json: "null", error: `There is no ${op}.` };
    }
  } catch (error) {
    return { json: "null", error: error instanceof Error ? error.message : String(error) };
  }
}

function decoded(bytes: Buffer, charset: string): string {
  if (/^(us-?)?ascii$/i.test(charset)) return bytes.toString("latin1").replaceAll(/[\u0080-\u00ff]/g, "\ufffd");
  return new TextDecoder(charset, { ignoreBOM: true }).decode(bytes);
}
