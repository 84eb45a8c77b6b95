/** How faithfully Google tells a script what happened: data, so that a live account can correct it and a test can worsen it. */
import * as z from "zod";
import type { Effect } from "../grid/grid.ts";
import normal from "./profiles/normal.json" with { type: "json" };

const lineSchema = z.strictObject({
  /** `values`: with `value` and `oldValue` where the edit was one cell; `range`: never with them. */
  edit: z.enum(["none", "range", "values"]),
  change: z.enum([
    "none",
    "EDIT",
    "INSERT_ROW",
    "INSERT_COLUMN",
    "REMOVE_ROW",
    "REMOVE_COLUMN",
    "INSERT_GRID",
    "REMOVE_GRID",
    "FORMAT",
    "OTHER",
  ]),
});

export const profileSchema = z.strictObject({
  name: z.string(),
  about: z.string().optional(),
  /** Events of one trigger that wait for a run; beyond that they are lost. */
  pendingPerTrigger: z.int().nonnegative(),
  runningPerTrigger: z.int().positive(),
  /** From the action to the start of the handler: at least, at most. */
  delayMs: z.tuple([z.number().nonnegative(), z.number().nonnegative()]),
  events: z.record(z.string(), lineSchema),
});
export type Profile = z.infer<typeof profileSchema>;

const usual = profileSchema.parse(normal);

/** `hostile` knows the same events; what happens to them on a bad day is the room `hostile`'s to say. */
const profiles: Record<string, Profile> = {
  normal: usual,
  hostile: { ...usual, name: "hostile", about: "The normal events on a bad day, by seed; README.md has the faults." },
};

export const profileNamed = (name: string): Profile | undefined => profiles[name];

export const lineFor = (profile: Profile, did: Effect["did"]): z.infer<typeof lineSchema> =>
  profile.events[did] ?? { edit: "none", change: "none" };
