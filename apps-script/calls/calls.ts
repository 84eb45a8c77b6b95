/**
 * A call of the relay to the script's web app. Google hands over no headers, so the signature travels in the body: it is
 * made over `id.timestamp.` and the JSON of the body without its `signature`, in the order of keys as sent.
 * The answer is one signed post (id, timestamp, signature and body, for the relay to take as if it had been posted), so
 * nothing has to be fetched. Whoever cannot sign learns nothing, not even whether this spreadsheet is connected.
 */
import { limits } from "@sheetwire/shared/limits";
import { judge, signatureHeader, signedPrefix } from "@sheetwire/shared/signing";
import { ask, underLock, type Program } from "../effects/effects.ts";
import { bodyOf, groupsOf, packUp, wantsOf, type Packed } from "../posting/posting.ts";
import { createReader } from "../reading/reading.ts";
import { newRun } from "../runs/runs.ts";
import { parseObject, settingsOf } from "../settings/settings.ts";

export type CallAnswer =
  | {
      readonly ok: true;
      readonly id: string;
      readonly timestamp: string;
      readonly signature: string;
      readonly body: string;
    }
  | { readonly ok: false; readonly code: string };

/** How long reading for a call may take, in milliseconds: somebody holds a connection open for it. */
const budgetMs = 20_000;

const refused: CallAnswer = { ok: false, code: "unauthorized" };

export function* onCall(contents: unknown): Program<CallAnswer> {
  const startedAt = yield* ask("now");
  const call =
    typeof contents === "string" && contents.length <= limits.postTargetChars ? parseObject(contents) : undefined;
  if (!call) return { ok: false, code: "malformed" };
  const { signature, ...signed } = call;
  const { protocol, id, timestamp, wants } = signed;
  const { connection, installation } = settingsOf(yield* ask("properties"));
  const spreadsheetId = yield* ask("spreadsheetId");
  if (!connection || !installation || connection.spreadsheetId !== spreadsheetId) return refused;
  if (typeof id !== "string" || typeof timestamp !== "string" || typeof signature !== "string") return refused;

  const text = `${signedPrefix(id, timestamp)}${JSON.stringify(signed)}`;
  const good = yield* ask("sign", { key: connection.ingestKey, text });
  const verdict = judge({ id, timestamp, signature }, startedAt, () => [good], sameText);
  if (verdict !== "good") return refused;
  if (protocol !== 1) return { ok: false, code: "protocol-too-old" };
  // Twice the tolerance: as long as its timestamp is good, an id is remembered.
  let isFirst = false;
  yield* underLock(5_000, function* () {
    isFirst = yield* ask("firstSeen", { id, forS: 2 * limits.clockToleranceS });
  });
  if (!isFirst) return refused;

  const run = yield* newRun(connection, installation.installation, "call", undefined, startedAt, 0);
  const reader = createReader(spreadsheetId);
  const packed: Packed[] = [];
  let bytes = 0;
  for (const want of wantsOf(wants)) {
    if (bytes >= limits.postTargetChars || (yield* ask("now")) >= startedAt + budgetMs) break;
    for (const one of packUp(yield* reader.answer(want))) {
      packed.push(one);
      bytes += one.bytes;
    }
  }
  // One answer is one post: what does not fit into it stays wanted.
  const texts = (groupsOf(packed, limits.postTargetChars)[0] || []).map((one) => one.text);
  const body = bodyOf(run, texts, run, (yield* ask("now")) - startedAt);
  const answerId = yield* ask("uuid");
  const now = String(Math.floor((yield* ask("now")) / 1_000));
  const made = yield* ask("sign", { key: connection.ingestKey, text: `${signedPrefix(answerId, now)}${body}` });
  return { ok: true, id: answerId, timestamp: now, signature: signatureHeader([made]), body };
}

/** Compares in a time that does not tell where two texts part; how long a signature is, is no secret. */
function sameText(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let at = 0; at < a.length; at += 1) difference |= a.charCodeAt(at) ^ b.charCodeAt(at);
  return difference === 0;
}
