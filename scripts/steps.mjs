// Running other programs, for scripts that may run before anything is installed: in time, with progress, and to an end.
import { spawn } from "node:child_process";
import { constants, setPriority } from "node:os";

/**
 * What became of a program. `output` is what it printed, when it was kept.
 * @typedef {{ ok: boolean, output: string, tookMs: number, why?: string }} Outcome
 */

/** @param {string} line */
export const say = (line) => process.stdout.write(`${line}\n`);

/** @param {number} ms */
export const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

/** How long a program may be silent before a line says that it is still at work, in milliseconds. */
const REASSURE_EVERY_MS = 30_000;

/**
 * Runs a program to its end, or ends it (and what it started) when it takes longer than `withinMs`. Its output is kept,
 * or shown as it comes when `show` is set. With `isPatient` other programs go first.
 * @param {readonly string[]} command
 * @param {{ label: string, withinMs: number, cwd?: string, env?: Record<string, string | undefined>, show?: boolean, isPatient?: boolean }} how
 * @returns {Promise<Outcome>}
 */
export function run(command, { label, withinMs, cwd, env, show = false, isPatient = false }) {
  const started = Date.now();
  return new Promise((resolve) => {
    const [program = "", ...args] = command;
    const child = spawn(program, args, {
      cwd,
      env: env ?? process.env,
      stdio: ["ignore", show ? "inherit" : "pipe", show ? "inherit" : "pipe"],
      // A group of its own, so that ending it also ends what it started.
      detached: process.platform !== "win32",
    });
    // What it starts inherits this.
    if (isPatient && child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW);
    /** @type {Buffer[]} */
    const pieces = [];
    child.stdout?.on("data", (piece) => pieces.push(piece));
    child.stderr?.on("data", (piece) => pieces.push(piece));
    /** @param {NodeJS.Signals} signal */
    const end = (signal) => {
      if (child.pid === undefined || child.exitCode !== null) return;
      try {
        if (process.platform === "win32") child.kill(signal);
        else process.kill(-child.pid, signal);
      } catch (error) {
        // It ended by itself in the meantime.
        if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
      }
    };
    let isLate = false;
    const limit = setTimeout(() => {
      isLate = true;
      end("SIGTERM");
      setTimeout(() => end("SIGKILL"), 5_000).unref();
    }, withinMs);
    const reassure = setInterval(() => {
      say(`      ${label} is still at work, ${seconds(Date.now() - started)}`);
    }, REASSURE_EVERY_MS);
    const interrupted = () => {
      end("SIGTERM");
      process.exitCode = 130;
    };
    process.once("SIGINT", interrupted);
    process.once("SIGTERM", interrupted);
    /** @param {boolean} ok @param {string} [why] */
    const done = (ok, why) => {
      clearTimeout(limit);
      clearInterval(reassure);
      process.off("SIGINT", interrupted);
      process.off("SIGTERM", interrupted);
      const output = Buffer.concat(pieces).toString("utf8").trimEnd();
      resolve({ ok, output, tookMs: Date.now() - started, ...(why ? { why } : {}) });
    };
    child.on("error", (error) => done(false, error.message));
    child.on("close", (code, signal) => {
      if (isLate) done(false, `not finished within ${seconds(withinMs)}, ended`);
      else if (code === 0) done(true);
      else done(false, signal ? `ended by ${signal}` : `exit code ${code}`);
    });
  });
}
