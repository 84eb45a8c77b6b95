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
const open = async (): Promise<Held<CopyWriter>> => {
  // The page makes the database; before it has, there is nothing to wake for.
  const held = await openHeld(() => openInBackground(() => Promise.reject(new Error("There is no database yet."))));
  await held.lookUp();
  bootMs = performance.now() - began;
  return held;
};
let opening = open();
opening.catch(() => undefined);

async function commit(edit: Edit): Promise<number> {
  const held = await opening.catch(() => (opening = open()));
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
