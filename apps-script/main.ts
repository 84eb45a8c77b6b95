/**
 * The functions that Google calls by name, and nothing else: the build makes each export a global function. Everybody who
 * opens the panel can call each of them with any arguments, so none trusts its caller and none hands out a key.
 */
import { onCall } from "./calls/calls.ts";
import { runBlocking, type Program } from "./effects/effects.ts";
import { codeOf } from "./faults/faults.ts";
import * as google from "./google/google.ts";
import { faultLine, onChange, onEdit, onTick } from "./runs/runs.ts";
import * as setup from "./setup/setup.ts";

/** Adds the menu. Runs with few rights, also where the script was never allowed anything. */
export function onOpen(): void {
  google.addMenu();
}

export function onInstall(): void {
  onOpen();
}

/** An edit of cells. */
export function handleEdit(event: unknown): void {
  const range = google.rangeOf(event);
  if (range) quietly("handleEdit", onEdit({ ...google.factsOf(event), oldValue: google.oldValueOf(event) }), range);
}

/** Any other change. Of an edit we hear twice; this one of the two costs nothing but its start. */
export function handleChange(event: unknown): void {
  const changeType = google.changeTypeOf(event);
  if (changeType === "EDIT") return;
  quietly("handleChange", onChange({ ...google.factsOf(event), changeType }));
}

/** Every ten minutes. */
export function handleTick(event: unknown): void {
  quietly("handleTick", onTick(google.factsOf(event)));
}

export function showSidebar(): void {
  google.openSidebar();
}

export function showConnect(): void {
  google.askForRights();
  google.openConnectDialog();
}

export function checkNow(): void {
  const result = answered("checkNow", setup.check());
  if (result.ok) google.toast(result.message);
  else google.alert(result.message);
}

export function disconnect(): void {
  if (!google.confirm("Disconnect this spreadsheet? Edits will no longer be sent to the relay.")) return;
  google.alert(answered("disconnect", setup.disconnect()).message);
}

/** The relay asks through the web app. */
export function doPost(event: unknown): GoogleAppsScript.Content.TextOutput {
  return google.jsonAnswer(answered("doPost", onCall(google.contentsOf(event))));
}

export function ui_connect(connectionString: unknown): setup.Result {
  return answered("ui_connect", setup.connect(connectionString));
}

export function ui_getStatus(): setup.StatusResult {
  return answered("ui_getStatus", setup.status());
}

export function ui_disconnect(): setup.Result {
  return answered("ui_disconnect", setup.disconnect());
}

/** Runs what a trigger started: a fault is a line in the log and nothing in anybody's face. */
function quietly(name: string, program: Program<void>, range?: google.LiveRange): void {
  const hands = google.googleHands(range);
  try {
    runBlocking(program, hands);
  } catch (fault) {
    hands.log({ line: faultLine(name, fault) });
  }
}

/** Runs what somebody waits for: a fault is a line in the log and an answer in words. */
function answered<T>(name: string, program: Program<T>): T | (setup.Failure & { code: string }) {
  const hands = google.googleHands();
  try {
    return runBlocking(program, hands);
  } catch (fault) {
    hands.log({ line: faultLine(name, fault) });
    const code = codeOf(fault);
    return { ok: false, code, message: setup.wordsFor(code) };
  }
}
