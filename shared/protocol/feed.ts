import * as z from "zod";
import { changeSchema, cursorSchema, digestTextSchema } from "./change.ts";
import { relayFactsSchema } from "./facts.ts";
import { spreadsheetIdSchema } from "./grid-range.ts";
import { refusalCodes } from "./refusal.ts";

/** The WebSocket subprotocol of the feed. */
export const FEED_SUBPROTOCOL = "sheetwire.v1";

const tokenSchema = z.string().min(16).max(512);

/** What a client says on the feed. */
export const upFrameSchema = z.discriminatedUnion("kind", [
  /** First of all. `client` is for the operator's eyes: name and version of the program. */
  z.object({ kind: z.literal("hello"), token: tokenSchema, client: z.string().max(200) }),
  /** A newer token for the same device. */
  z.object({ kind: z.literal("renew"), token: tokenSchema }),
  /** Follow a spreadsheet from a cursor; without one, from the log's head. `token` where hello's does not open it. */
  z.object({
    kind: z.literal("watch"),
    spreadsheetId: spreadsheetIdSchema,
    token: tokenSchema.optional(),
    cursor: cursorSchema.optional(),
  }),
  z.object({ kind: z.literal("unwatch"), spreadsheetId: spreadsheetIdSchema }),
  /** Everything up to `seq` is stored by the reader. Coalesced. */
  z.object({ kind: z.literal("took"), spreadsheetId: spreadsheetIdSchema, seq: z.int().nonnegative() }),
  z.object({ kind: z.literal("ping") }),
]);
export type UpFrame = z.infer<typeof upFrameSchema>;

/** What the relay says on the feed. */
export const downFrameSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("welcome"),
    limits: z.object({
      frameMaxBytes: z.int(),
      upFrameMaxBytes: z.int(),
      pingEveryMs: z.int(),
      socketMaxWatches: z.int(),
    }),
    relay: z.object({ version: z.string(), protocol: z.int() }),
    /** The relay's clock, in milliseconds since 1970. */
    now: z.number(),
  }),
  /**
   * From here on changes follow; `seq` and `chain` are the log's head. Recovered: every change after the cursor follows,
   * to the head and beyond. Not recovered: take a snapshot; changes after `seq` come all the same.
   */
  z.object({
    kind: z.literal("watching"),
    spreadsheetId: spreadsheetIdSchema,
    epoch: z.string(),
    seq: z.int().nonnegative(),
    chain: digestTextSchema,
    recovered: z.boolean(),
  }),
  /** Consecutive changes; `chain` is the log's running hash after the last of them. */
  z.object({
    kind: z.literal("changes"),
    spreadsheetId: spreadsheetIdSchema,
    changes: z.array(changeSchema).min(1),
    chain: digestTextSchema,
  }),
  z.object({ kind: z.literal("status"), spreadsheetId: spreadsheetIdSchema, facts: relayFactsSchema }),
  z.object({ kind: z.literal("refetch"), spreadsheetId: spreadsheetIdSchema, reason: z.string().max(200) }),
  z.object({ kind: z.literal("pong") }),
  /** With a spreadsheetId only that watch ends; without one the socket closes. */
  z.object({
    kind: z.literal("refused"),
    code: z.enum(refusalCodes),
    spreadsheetId: spreadsheetIdSchema.optional(),
    retryAfterMs: z.number().optional(),
  }),
]);
export type DownFrame = z.infer<typeof downFrameSchema>;
