import { isUtf8 } from "node:buffer";
import {
  OLDEST_PROTOCOL_VERSION,
  PROTOCOL_VERSION,
  postSchema,
  type Post,
  type RefusalCode,
} from "@sheetwire/shared/protocol";
import { contradictionIn } from "../wants/wants.ts";
import { isPlainPost, wrongInLists } from "./plain-cells.ts";

type Refusal = { readonly ok: false; readonly code: RefusalCode; readonly detail?: string };

/** The post in a body, or why it is none; what it says of contents is never quoted. */
export function readPost(body: Buffer): { post: Post } | { refused: Refusal } {
  let value: unknown;
  try {
    if (!isUtf8(body)) return malformed("The body is not JSON in UTF-8.");
    value = JSON.parse(body.toString("utf8"));
  } catch {
    return malformed("The body is not JSON in UTF-8.");
  }
  const protocol = (value as { protocol?: unknown } | null)?.protocol;
  if (typeof protocol === "number" && (protocol < OLDEST_PROTOCOL_VERSION || protocol > PROTOCOL_VERSION)) {
    const side = protocol > PROTOCOL_VERSION ? "the relay" : "the script (clasp push)";
    const detail = `Protocol ${protocol} is not served here: update ${side}.`;
    return { refused: { ok: false, code: "protocol-too-old", detail } };
  }
  const read = isPlainPost(value) ? { post: value } : readAnyPost(value);
  if ("refused" in read) return read;
  const contradiction = contradictionIn(read.post);
  return contradiction ? malformed(contradiction) : read;
}

function readAnyPost(value: unknown): { post: Post } | { refused: Refusal } {
  const wrong = wrongInLists(value);
  if (wrong !== undefined) return malformed(wrong);
  const parsed = postSchema.safeParse(value);
  if (parsed.success) return { post: parsed.data };
  const issue = parsed.error.issues[0];
  return malformed(`${issue?.path.join(".") ?? ""}: ${issue?.code ?? "not a post"}`);
}

const malformed = (detail: string): { refused: Refusal } => ({ refused: { ok: false, code: "malformed", detail } });
