/**
 * The background of an extension that keeps the mirror and does nothing else: woken by a message, it commits one edit and says
 * how long the commit itself took, and how long it was before the image was there.
 */
import { openInBackground, type CopyWriter } from "../../../extension/mirror/mirror.ts";
import { openHeld, type Held } from "./held.ts";
import type { Edit } from "./peer.ts";

type Runtime = {
  onMessage: { addListener(listen: (message: Edit, sender: unknown, answer: (value: unknown) => void) => true): void };
};
const { runtime } = (globalThis as unknown as { chrome: { runtime: Runtime } }).chrome;

/** Begun at once, as the extension's background does when somebody was looking at a sheet. */
const began = performance.now();
let bootMs = Number.NaN;
const opening: Promise<Held<CopyWriter>> = openHeld(() =>
  // The page has made the database.
  openInBackground(() => Promise.reject(new Error("There is no database."))),
).then(async (held) => {
  await held.lookUp();
  bootMs = performance.now() - began;
  return held;
});
opening.catch(() => undefined);

async function commit(edit: Edit): Promise<number> {
  const held = await opening;
  const from = performance.now();
  await held.edit(edit);
  return performance.now() - from;
}

// Registered in the first turn: the browser hands over the message for which it started the worker.
runtime.onMessage.addListener((edit, _sender, answer) => {
  commit(edit).then(
    (ms) => answer({ ms, bootMs }),
    (error: unknown) => answer({ error: String(error) }),
  );
  return true;
});
