import * as z from "zod";
import { momentSchema } from "./grid-range.ts";

/** What the relay knows of one spreadsheet's sync: the one schema that every surface shares. Times are the relay's clock. */
export const relayFactsSchema = z.object({
  script: z.object({
    /** When anything signed arrived last. */
    lastHeardAt: momentSchema.optional(),
    /** When a run of the script posted last, whatever it said. */
    lastRunAt: momentSchema.optional(),
    answerers: z.array(z.enum(["trigger", "webApp", "sidebar"])),
    triggers: z.array(z.string()),
    lastError: z.object({ at: momentSchema, code: z.string() }).optional(),
    /** When the relay called the web app and got no answer; nothing was heard from the script since. */
    callUnansweredSince: momentSchema.optional(),
  }),
  allowance: z.object({ spentMs: z.number(), limitMs: z.number(), resumesAt: momentSchema.optional() }),
  sweep: z.object({
    /** When a whole round found every sheet equal. */
    lastFullAt: momentSchema.optional(),
    /** By when the next check is due. */
    nextBy: momentSchema.optional(),
    /** Rows whose content is not known, or known and not believed: they are being read. */
    openRows: z.int().nonnegative(),
    /** Rows that changed since digests agreed last. They are believed; the next check proves them. */
    unprovenRows: z.int().nonnegative(),
    /** Rows that are otherwise at every look (`NOW()`): each check reads them once, and nothing is proven of them. */
    volatileRows: z.int().nonnegative().optional(),
  }),
  healed: z.object({ count: z.int().nonnegative(), lastAt: momentSchema.optional(), how: z.string().optional() }),
  firstCopy: z.object({ doneCells: z.int().nonnegative(), totalCells: z.int().nonnegative() }).optional(),
  watchers: z.int().nonnegative(),
  relay: z.object({ version: z.string(), protocol: z.int() }),
});
export type RelayFacts = z.infer<typeof relayFactsSchema>;
