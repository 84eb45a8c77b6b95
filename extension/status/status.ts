/**
 * Carries the facts of each sync from the background to every surface, and what surfaces ask of the background. Facts
 * travel, never a finished status: each surface describes them anew every second, so that "up to date" can expire.
 */
import * as z from "zod";
import { refusalCodes, relayFactsSchema, spreadsheetIdSchema, type NextStep } from "@sheetwire/shared/protocol";
import type { SyncFacts } from "@sheetwire/shared/status";

const nextSteps = [
  "give-up",
  "sign-again",
  "ask-for-access",
  "ask-user-to-update",
  "retry-later",
  "redial",
  "start-afresh",
  "split",
] as const satisfies readonly NextStep[];

export const syncFactsSchema = z.object({
  link: z.enum(["none", "connecting", "up", "refused"]),
  linkHeardAt: z.number().optional(),
  refused: z.object({ code: z.enum(refusalCodes), nextStep: z.enum(nextSteps) }).optional(),
  behindBy: z.int().nonnegative(),
  copy: z.enum(["none", "fetching", "whole"]),
  fetched: z.object({ rows: z.int(), ofRows: z.int() }).optional(),
  lastChangeAt: z.number().optional(),
  mismatch: z.boolean().optional(),
  storage: z.enum(["newer", "full", "failed"]).optional(),
  relay: relayFactsSchema.optional(),
  clockAheadMs: z.number().optional(),
}) satisfies z.ZodType<SyncFacts>;

/** What surfaces say to the background. */
export const askSchema = z.discriminatedUnion("kind", [
  /** Somebody is looking at this spreadsheet; said every 20 s. Keeps the background alive and the socket open. */
  z.object({ kind: z.literal("here"), spreadsheetId: spreadsheetIdSchema }),
  /** The badge was clicked. */
  z.object({ kind: z.literal("open-panel") }),
  /** Which spreadsheet a tab shows. */
  z.object({ kind: z.literal("shown-in"), tabId: z.int() }),
  /** What digests the relay has for the sheets of a copy, for whoever compares. */
  z.object({ kind: z.literal("relay-digests"), spreadsheetId: spreadsheetIdSchema }),
  /** Delete the copy of a spreadsheet, and how it is connected. An error where that was not possible. */
  z.object({ kind: z.literal("forget"), spreadsheetId: spreadsheetIdSchema }),
]);
export type Ask = z.infer<typeof askSchema>;

/** The relay's digests, all of one seq; or why there are none. */
export const relayDigestsSchema = z.discriminatedUnion("ok", [
  z.object({
    ok: z.literal(true),
    seq: z.int(),
    sheets: z.array(z.object({ sheetId: z.int(), rows: z.int(), unknownRows: z.int(), digest: z.string() })),
  }),
  /** `moving`: it changed while it was asked. */
  z.object({ ok: z.literal(false), why: z.enum(["not-connected", "unreachable", "refused", "moving"]) }),
]);
export type RelayDigests = z.infer<typeof relayDigestsSchema>;

/** What the background tells surfaces by itself. */
export const tellSchema = z.object({
  kind: z.literal("facts"),
  spreadsheetId: spreadsheetIdSchema,
  facts: syncFactsSchema,
});
export type Tell = z.infer<typeof tellSchema>;

/** The answer to `here`. */
export const hereAnswerSchema = z.object({ facts: syncFactsSchema });

export const shownInAnswerSchema = z.object({ spreadsheetId: spreadsheetIdSchema.optional() });

/** What is known of a spreadsheet before anything is: it has no relay. */
export const NO_FACTS: SyncFacts = { link: "none", behindBy: 0, copy: "none" };

/** The facts in what the background tells or answers, if that is what it is. */
export function readFacts(message: unknown, spreadsheetId: string): SyncFacts | undefined {
  const told = tellSchema.safeParse(message);
  if (told.success) return told.data.spreadsheetId === spreadsheetId ? told.data.facts : undefined;
  const answer = hereAnswerSchema.safeParse(message);
  return answer.success ? answer.data.facts : undefined;
}
